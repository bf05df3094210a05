//! The watch over the vectors: a backend that errs is found, switched off for all, and its batch done again.

use core::num::NonZeroU32;

use super::{rng, signed};
use crate::{Backend, Choice, Engine, Input, Outcome, Recoverer, Setup, recover_by_libsecp256k1};

/// Right, but for one signature in so many.
struct Wrong {
    every: usize,
    seen: usize,
}

impl Engine for Wrong {
    fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
        for (input, output) in inputs.iter().zip(outputs) {
            self.seen += 1;
            *output = recover_by_libsecp256k1(input);
            if self.seen.is_multiple_of(self.every) {
                *output = Ok([0xbd; 20]);
            }
        }
    }
}

fn outcomes(recoverer: &mut Recoverer, inputs: &[Input]) -> Vec<Outcome> {
    let mut out = vec![Ok([0; 20]); inputs.len()];
    recoverer.recover_batch(inputs, &mut out);
    out
}

fn sampling(sample: u32) -> Setup {
    Setup::new(Choice::Auto, NonZeroU32::new(sample).unwrap()).unwrap()
}

#[test]
fn one_mismatch_switches_the_vectors_off_everywhere_and_the_batch_is_done_again() {
    let mut recoverer = Recoverer::over(Box::new(Wrong { every: 40, seen: 0 }), sampling(1));
    let setup = recoverer.setup().clone();
    let inputs = signed(&mut rng(1), 64);
    let right: Vec<_> = inputs.iter().map(recover_by_libsecp256k1).collect();
    assert_eq!(outcomes(&mut recoverer, &inputs[..32]), right[..32]);
    assert_eq!((setup.mismatch(), setup.backend()), (None, Backend::Vector));

    assert_eq!(outcomes(&mut recoverer, &inputs), right, "the batch was done again");
    let mismatch = *setup.mismatch().unwrap();
    assert_eq!((mismatch.vector, mismatch.libsecp256k1), (Ok([0xbd; 20]), right[7]));
    assert_eq!(mismatch.input, inputs[7]);

    assert_eq!(setup.backend(), Backend::Libsecp256k1);
    let mut other = Recoverer::over(Box::new(Wrong { every: 1, seen: 0 }), setup.clone());
    assert_eq!(outcomes(&mut other, &inputs), right, "all recoverers of the process are off");
    assert_eq!(setup.mismatch(), Some(&mismatch), "the first is kept");
}

#[test]
fn a_sample_is_checked_and_no_lane_is_spared() {
    let mut bursts = [0; 8];
    // Every outcome is wrong in one lane only: whichever lane that is, it is found, after about as many as it should be.
    for (lane, bursts) in bursts.iter_mut().enumerate() {
        struct InLane(usize);
        impl Engine for InLane {
            fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
                for (index, (input, output)) in inputs.iter().zip(outputs).enumerate() {
                    *output = recover_by_libsecp256k1(input);
                    if index % 8 == self.0 {
                        *output = Ok([0xbd; 20]);
                    }
                }
            }
        }
        let inputs = signed(&mut rng(lane as u64), 16);
        let mut recoverer = Recoverer::over(Box::new(InLane(lane)), sampling(16));
        while recoverer.setup().mismatch().is_none() {
            outcomes(&mut recoverer, &inputs);
            *bursts += 1;
            assert!(*bursts < 100, "lane {lane} is never checked");
        }
    }
    assert!(bursts.iter().sum::<u32>() > 16, "one in sixteen is checked, not all: {bursts:?}");
}

#[test]
fn small_bursts_go_to_libsecp256k1_and_ragged_ends_are_whole() {
    struct Full;
    impl Engine for Full {
        fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
            assert!(inputs.len() >= 4, "{} are not worth the vectors", inputs.len());
            for (input, output) in inputs.iter().zip(outputs) {
                *output = recover_by_libsecp256k1(input);
            }
        }
    }
    let inputs = signed(&mut rng(3), 135);
    for count in (0..20).chain([62, 63, 64, 65, 67, 68, 128, 130, 135]) {
        let mut planted = Recoverer::over(Box::new(Full), sampling(1_024));
        let right: Vec<_> = inputs[..count].iter().map(recover_by_libsecp256k1).collect();
        assert_eq!(outcomes(&mut planted, &inputs[..count]), right);
        assert_eq!(outcomes(&mut Recoverer::default(), &inputs[..count]), right);
    }
}

#[test]
fn either_backend_can_be_forced() {
    let sample = NonZeroU32::new(1).unwrap();
    assert_eq!(Setup::new(Choice::Libsecp256k1, sample).unwrap().backend(), Backend::Libsecp256k1);
    let inputs = signed(&mut rng(4), 3);
    let right: Vec<_> = inputs.iter().map(recover_by_libsecp256k1).collect();
    let forced = Setup::new(Choice::Libsecp256k1, sample).unwrap();
    assert_eq!(outcomes(&mut Recoverer::new(forced), &inputs), right);
    match Setup::new(Choice::Vector, sample) {
        Ok(setup) => {
            assert_eq!(setup.backend(), Backend::Vector);
            let mut recoverer = Recoverer::new(setup);
            assert_eq!(outcomes(&mut recoverer, &inputs), right);
            assert!(recoverer.engine.is_some(), "three are enough when vectors are forced");
        }
        Err(crate::NoVectors) => assert!(!crate::avx512::available()),
    }
}
