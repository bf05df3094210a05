//! Keccak against known answers, and eight at a time against one by one.

use super::rng;
use crate::Recoverer;
use crate::keccak::{self, HashEight};
use crate::lanes::Lanes;
use crate::portable::Counted;
use rand::Rng;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn known_answers() {
    let empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    let abc = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";
    assert_eq!(hex(&keccak::hash(b"")), empty);
    assert_eq!(hex(&keccak::hash(b"abc")), abc);
}

/// Lengths around every boundary of a block, and mixed within a vector.
#[test]
fn eight_at_a_time_is_one_by_one() {
    let mut rng = rng(8);
    let bytes: Vec<u8> = (0..4_000).map(|_| rng.random()).collect();
    let mut spans: Vec<_> = (0..420).map(|length| length..2 * length).collect();
    spans.extend((0..53).map(|_| {
        let start = rng.random_range(0..2_000);
        start..start + rng.random_range(0..2_000)
    }));
    let mut hashes = vec![[0; 32]; spans.len()];
    Recoverer::default().hash_batch(&bytes, &spans, &mut hashes);
    for (span, hash) in spans.iter().zip(&hashes) {
        assert_eq!(*hash, keccak::hash(&bytes[span.clone()]), "{span:?}");
    }
    for (spans, hashes) in spans.chunks(8).zip(hashes.chunks(8)) {
        let mut again = vec![[0; 32]; spans.len()];
        Counted::enter(HashEight::<Counted>::new(&bytes, spans, &mut again));
        assert_eq!(again, hashes);
    }
}
