//! The whole against libsecp256k1: random signatures, valid and spoilt, edges, and Wycheproof's.
//!
//! `cargo test --release -p horae-recovery -- --ignored` runs ten million.

use num_bigint::BigUint;
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;

use super::{agree, all_agree, bytes, n, p, rng, signed};
use crate::avx512::{self, Wide};
use crate::batch::{Batch, CHUNK};
use crate::input::{Input, RecoverError};
use crate::libsecp;
use crate::portable::Counted;

/// Any r and s: half of them name no point, the others a random key.
fn random(rng: &mut StdRng) -> Input {
    Input { hash: rng.random(), r: rng.random(), s: rng.random(), recovery_id: rng.random_range(0..2) }
}

/// `count` random inputs, one in eight a true signature, some with a field spoilt; `true` if both kinds of outcome came.
fn differential(seed: u64, count: usize) {
    let mut rng = rng(seed);
    let mut batch = Batch::<Wide>::new();
    let (mut found, mut refused) = (0, 0);
    let mut done = 0;
    while done < count {
        let mut inputs = signed(&mut rng, CHUNK / 8);
        inputs.extend((inputs.len()..CHUNK).map(|_| random(&mut rng)));
        for input in &mut inputs {
            match rng.random_range(0..64) {
                0 => input.recovery_id = rng.random(),
                1 => input.r = [rng.random(); 32],
                2 => input.s = [rng.random(); 32],
                3 => input.hash = [rng.random(); 32],
                _ => {}
            }
        }
        inputs.truncate(count - done);
        done += inputs.len();
        for outcome in agree(&mut batch, &inputs) {
            *(if outcome.is_ok() { &mut found } else { &mut refused }) += 1;
        }
    }
    println!("{found} addresses and {refused} refusals, all the same");
    assert!(found > count / 4 && refused > count / 4);
}

#[test]
fn twenty_thousand_random_signatures() {
    if avx512::available() {
        differential(10, 20_000);
    }
}

#[test]
#[ignore = "ten million take some minutes"]
fn ten_million_random_signatures() {
    assert!(avx512::available(), "this needs a processor with AVX-512 IFMA");
    differential(11, 10_000_000);
}

#[test]
fn the_formulas_over_plain_arrays() {
    let mut rng = rng(12);
    let mut inputs = signed(&mut rng, 9);
    inputs.extend((0..9).map(|_| random(&mut rng)));
    agree(&mut Batch::<Counted>::new(), &inputs);
}

#[test]
fn every_length_is_whole() {
    let inputs = signed(&mut rng(13), 2 * CHUNK + 9);
    for count in (0..20).chain([CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 8, 2 * CHUNK, 2 * CHUNK + 9]) {
        all_agree(&inputs[..count]);
    }
}

#[test]
fn edges_of_r_s_hash_and_recovery_id() {
    let one = BigUint::from(1u32);
    let top = (&one << 256u32) - &one;
    let numbers = |around: Vec<BigUint>| -> Vec<[u8; 32]> { around.iter().map(bytes).collect() };
    // p - n is where r + n leaves the field; 5 is no x coordinate, 1 to 4 are.
    let r = numbers(vec![
        BigUint::ZERO,
        one.clone(),
        2u32.into(),
        5u32.into(),
        6u32.into(),
        p() - n() - 1u32,
        p() - n(),
        p() - n() + 1u32,
        n() - 1u32,
        n(),
        n() + 1u32,
        p() - 1u32,
        p(),
        p() + 1u32,
        top.clone(),
    ]);
    let s = numbers(vec![
        BigUint::ZERO,
        one.clone(),
        n() >> 1u32,
        (n() >> 1u32) + 1u32,
        n() - 1u32,
        n(),
        n() + 1u32,
        top.clone(),
    ]);
    let hash = numbers(vec![BigUint::ZERO, one, n() - 1u32, n(), n() + 1u32, top]);
    let mut inputs = Vec::new();
    for &r in &r {
        for &s in &s {
            for &hash in &hash {
                inputs.extend([0, 1, 2, 3, 4, 5, 27, 28, 255].map(|recovery_id| Input { hash, r, s, recovery_id }));
            }
        }
    }
    let outcomes = all_agree(&inputs);
    // Each kind of answer is among them, and ids 2 and 3 find points above n.
    let with = |id: u8| inputs.iter().zip(&outcomes).filter(move |(input, _)| input.recovery_id == id);
    for id in 0..4 {
        assert!(with(id).any(|(_, outcome)| outcome.is_ok()), "id {id} finds someone");
        assert!(with(id).any(|(_, outcome)| *outcome == Err(RecoverError::NoPoint)), "id {id} finds no point");
    }
    for error in [RecoverError::R, RecoverError::S, RecoverError::RecoveryId(4), RecoverError::RecoveryId(255)] {
        assert!(outcomes.contains(&Err(error)), "{error}");
    }
    // One edge at a time in one lane, ordinary signatures in the others.
    let others = signed(&mut rng(14), 8);
    for (index, input) in inputs.iter().enumerate().step_by(7) {
        let mut mixed = others.clone();
        mixed[index % 8] = *input;
        all_agree(&mixed);
    }
}

#[test]
fn one_of_eight_is_no_point() {
    let mut rng = rng(15);
    for lane in 0..8 {
        let mut inputs = signed(&mut rng, 8);
        inputs[lane] = loop {
            let input = random(&mut rng);
            if libsecp::recover(&input) == Err(RecoverError::NoPoint) {
                break input;
            }
        };
        let outcomes = all_agree(&inputs);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    }
}

/// Wycheproof's signatures have no recovery id: each is tried with all four. A valid one leads to its key with one of them.
#[test]
fn wycheproof() {
    use k256::sha2::{Digest, Sha256, Sha512};
    use wycheproof::TestResult;
    use wycheproof::ecdsa::{TestName, TestSet};
    let (mut inputs, mut valid) = (Vec::new(), Vec::new());
    for name in [TestName::EcdsaSecp256k1Sha256P1363, TestName::EcdsaSecp256k1Sha512P1363] {
        for group in &TestSet::load(name).unwrap().test_groups {
            let key = &group.key.key;
            let signer: [u8; 20] = crate::keccak::hash(&key[1..])[12..].try_into().unwrap();
            for test in &group.tests {
                // Numbers of other lengths cannot be inputs.
                let Ok(compact) = <[u8; 64]>::try_from(test.sig.as_ref()) else { continue };
                let hash = match name {
                    TestName::EcdsaSecp256k1Sha256P1363 => Sha256::digest(&test.msg).into(),
                    _ => Sha512::digest(&test.msg)[..32].try_into().unwrap(),
                };
                let (r, s) = compact.split_at(32);
                let input =
                    |recovery_id| Input { hash, r: r.try_into().unwrap(), s: s.try_into().unwrap(), recovery_id };
                valid.push((test.result == TestResult::Valid, signer, test.tc_id));
                inputs.extend((0..4).map(input));
            }
        }
    }
    let outcomes = all_agree(&inputs);
    for (outcomes, (valid, signer, id)) in outcomes.chunks(4).zip(&valid) {
        assert_eq!(outcomes.contains(&Ok(*signer)), *valid, "test {id}");
    }
    let count = valid.iter().filter(|(valid, ..)| *valid).count();
    println!("{count} valid and {} other signatures", valid.len() - count);
    assert!(count > 200 && valid.len() - count > 100);
}

proptest! {
    /// The short form of the fuzz target in `fuzz/`: bytes as they come.
    #[test]
    fn any_bytes(raw in prop::collection::vec(any::<([u8; 32], [u8; 32], [u8; 32], u8)>(), 0..40)) {
        let inputs: Vec<_> =
            raw.into_iter().map(|(hash, r, s, id)| Input { hash, r, s, recovery_id: id & 3 }).collect();
        all_agree(&inputs);
    }
}
