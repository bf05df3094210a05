//! Both backends on whatever the fuzzer thinks of: 97 bytes are a signature.

#![no_main]

use std::num::NonZeroU32;

use horae_recovery::{Choice, Input, Recoverer, Setup, recover_by_libsecp256k1};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let inputs: Vec<Input> = bytes
        .chunks_exact(97)
        .map(|signature| {
            let part = |from: usize| signature[from..from + 32].try_into().expect("32 bytes");
            Input { hash: part(0), r: part(32), s: part(64), recovery_id: signature[96] }
        })
        .collect();
    // The sample is so thin that the watch does not step in before the comparison below.
    let setup = Setup::new(Choice::Vector, NonZeroU32::MAX).expect("the fuzzer needs AVX-512 IFMA");
    let mut outcomes = vec![Ok([0; 20]); inputs.len()];
    Recoverer::new(setup).recover_batch(&inputs, &mut outcomes);
    for (input, outcome) in inputs.iter().zip(outcomes) {
        assert_eq!(outcome, recover_by_libsecp256k1(input), "{input:x?}");
    }
});
