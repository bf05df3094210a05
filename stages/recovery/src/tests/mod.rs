//! Tests of every layer against other people's arithmetic, and of the whole against libsecp256k1.
#![allow(clippy::unwrap_used)]

mod crafted;
mod differential;
mod field;
mod hashes;
mod interval;
mod points;
mod scalars;
mod watch;

use num_bigint::BigUint;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, SecretKey};

use crate::avx512::{self, Wide};
use crate::batch::Batch;
use crate::input::{Input, Outcome};
use crate::lanes::Lanes;
use crate::libsecp;
use crate::portable::Counted;

/// p.
fn p() -> BigUint {
    BigUint::parse_bytes(b"fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16).unwrap()
}

/// n.
fn n() -> BigUint {
    BigUint::parse_bytes(b"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap()
}

/// 32 bytes, big-endian, of a number below 2^256.
fn bytes(number: &BigUint) -> [u8; 32] {
    let digits = number.to_bytes_be();
    let mut out = [0; 32];
    out[32 - digits.len()..].copy_from_slice(&digits);
    out
}

/// A number from 52-bit limbs.
fn number(limbs: [u64; 5]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << 52u32) + *limb)
}

/// 52-bit limbs of a number below 2^260.
fn limbs(number: &BigUint) -> [u64; 5] {
    core::array::from_fn(|i| {
        let shifted: BigUint = (number >> (52 * i)) % (BigUint::from(1u32) << 52u32);
        shifted.try_into().unwrap()
    })
}

/// True signatures of random keys over random hashes.
fn signed(rng: &mut StdRng, count: usize) -> Vec<Input> {
    let one = |_| {
        let key = SecretKey::from_secret_bytes(rng.random()).unwrap();
        let hash: [u8; 32] = rng.random();
        let signature = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(hash), &key);
        let (id, compact) = signature.serialize_compact();
        let (r, s) = compact.split_at(32);
        Input { hash, r: r.try_into().unwrap(), s: s.try_into().unwrap(), recovery_id: id.to_u8() }
    };
    (0..count).map(one).collect()
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// The batch over these lanes, and libsecp256k1, agree on every input; gives the outcomes.
fn agree<L: Lanes>(batch: &mut Batch<L>, inputs: &[Input]) -> Vec<Outcome> {
    let mut outcomes = vec![Ok([0xee; 20]); inputs.len()];
    batch.recover(inputs, &mut outcomes, &mut ());
    for (index, (input, outcome)) in inputs.iter().zip(&outcomes).enumerate() {
        assert_eq!(*outcome, libsecp::recover(input), "input {index} of {}: {input:x?}", inputs.len());
    }
    outcomes
}

/// [`agree`] over vectors where there are any, else over arrays.
fn all_agree(inputs: &[Input]) -> Vec<Outcome> {
    if avx512::available() {
        agree(&mut Batch::<Wide>::new(), inputs)
    } else {
        agree(&mut Batch::<Counted>::new(), inputs)
    }
}
