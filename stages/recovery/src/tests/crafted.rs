//! Signatures made so that a chosen addition meets equal points, opposite points or the point at infinity.
//!
//! With R = k G, everything in the ladder is a multiple of G that is linear in k: the digits depend on u1 and u2 alone. So for
//! random u1, u2 and any addition there is one k for which its two points are equal and one for which they are opposite;
//! then s = u2 r and z = -u1 r.

use num_bigint::{BigInt, Sign};
use rand::Rng;
use rand::rngs::StdRng;
use secp256k1::{PublicKey, SecretKey};

use super::{bytes, n, rng, signed};
use crate::avx512::{self, Wide};
use crate::batch::Batch;
use crate::input::Input;
use crate::lanes::Lanes;
use crate::libsecp;
use crate::portable::Counted;
use crate::{Outcome, RecoverError};

/// α k + γ, modulo n.
#[derive(Clone)]
struct Linear(BigInt, BigInt);

impl Linear {
    fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0, &self.1 + &other.1)
    }

    fn negated(&self) -> Self {
        Self(-&self.0, -&self.1)
    }

    fn times(&self, factor: u64) -> Self {
        Self(&self.0 * factor, &self.1 * factor)
    }

    /// The k for which this is zero.
    fn root(&self) -> BigInt {
        modulo(&(-&self.1 * inverse(&self.0)))
    }
}

fn order() -> BigInt {
    BigInt::from_biguint(Sign::Plus, n())
}

fn modulo(number: &BigInt) -> BigInt {
    ((number % order()) + order()) % order()
}

fn inverse(number: &BigInt) -> BigInt {
    modulo(number).modpow(&(order() - 2), &order())
}

fn hexadecimal(text: &str) -> BigInt {
    BigInt::parse_bytes(text.as_bytes(), 16).unwrap()
}

fn odd(number: &BigInt) -> bool {
    number % 2 != BigInt::ZERO
}

/// What has to be zero for an addition to meet an exception.
type ZeroOf<'a> = &'a dyn Fn(&[(Linear, Linear)]) -> Linear;

/// The digits that `scalar.rs` reads off an odd number.
fn digits(number: &BigInt, bits: u32) -> Vec<BigInt> {
    let v: BigInt = (number - 1 + (BigInt::from(1) << (26 * bits))) / 2;
    let digit = |i: u32| ((&v >> (bits * i)) % (BigInt::from(1) << bits)) * 2 + 1 - (BigInt::from(1) << bits);
    (0..26).map(digit).collect()
}

/// What the ladder adds: for each window the pair's sum and the generator's point.
fn windows(u1: &BigInt, u2: &BigInt) -> Vec<(Linear, Linear)> {
    let c = modulo(&-u1);
    let k = if odd(&c) { order() * 2 - c } else { order() - c };
    let base = digits(&k, 10);

    let a1 = hexadecimal("3086d221a7d46bcde86c90e49284eb15");
    let b1 = -hexadecimal("e4437ed6010e88286f547fa90abfe4c3");
    let a2 = hexadecimal("114ca50f7a8e2f3f657c1108d9d44cfd8");
    let lambda = hexadecimal("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
    let shift = 384u32;
    let (g1, g2) = ((&a1 << shift) / order(), (-&b1 << shift) / order());
    let (c1, c2) = ((u2 * g1) >> shift, (u2 * g2) >> shift);
    let mut k1: BigInt = u2 - &c1 * &a1 - &c2 * &a2;
    let mut k2: BigInt = -&c1 * &b1 - &c2 * &a1;
    if !odd(&k1) {
        (k1, k2) = (k1 + &a1, k2 + &b1);
    }
    if !odd(&k2) {
        (k1, k2) = (k1 + &a2, k2 + &a1);
    }
    let (first, second) = (digits(&k1, 5), digits(&k2, 5));
    (0..26)
        .map(|i| {
            let pair = Linear(&first[i] + &second[i] * &lambda, BigInt::ZERO);
            let generator = match i % 2 {
                0 => base[i / 2].clone(),
                _ => &base[13 + i / 2] << 125u32,
            };
            (pair, Linear(BigInt::ZERO, generator))
        })
        .collect()
}

/// The signature with these u1 and u2 over the point k G.
fn signature(k: &BigInt, u1: &BigInt, u2: &BigInt) -> Option<Input> {
    let secret = SecretKey::from_secret_bytes(bytes(&k.to_biguint()?)).ok()?;
    let point = PublicKey::from_secret_key(&secret).serialize();
    let r = BigInt::from_bytes_be(Sign::Plus, &point[1..]);
    let number = |number: BigInt| bytes(&modulo(&number).to_biguint().unwrap());
    let input = Input { hash: number(-u1 * &r), r: number(r.clone()), s: number(u2 * &r), recovery_id: point[0] & 1 };
    (r < order()).then_some(input)
}

fn random(rng: &mut StdRng) -> BigInt {
    modulo(&BigInt::from_bytes_be(Sign::Plus, &rng.random::<[u8; 32]>()))
}

/// Recovers `input` in one lane, ordinary signatures in the others; gives the outcome and whether the lane met an exception.
fn among_others<L: Lanes>(batch: &mut Batch<L>, input: Input, others: &[Input], at: usize) -> (Outcome, bool) {
    let mut inputs = others.to_vec();
    inputs[at] = input;
    let mut outcomes = vec![Ok([0xee; 20]); inputs.len()];
    batch.recover(&inputs, &mut outcomes, &mut ());
    for (input, outcome) in inputs.iter().zip(&outcomes) {
        assert_eq!(*outcome, libsecp::recover(input), "{input:x?}");
    }
    let exceptions = batch.exceptions();
    let others: u32 = exceptions.iter().map(|lanes| lanes.count_ones()).sum();
    let met = exceptions[at / 8] >> (at % 8) & 1 == 1;
    assert_eq!(others, u32::from(met), "the other lanes go their way");
    (outcomes[at], met)
}

fn every_addition_meets_every_exception<L: Lanes>(tries: usize) {
    let mut rng = rng(6);
    let others = signed(&mut rng, 16);
    let mut batch = Batch::<L>::new();
    let mut at = 0;
    let mut meets = |rng: &mut StdRng, name: &str, zero_of: ZeroOf<'_>| {
        // A product modulo n is not always the smallest, and then has other digits than those computed here: so some tries.
        let met = (0..tries).any(|_| {
            let (u1, u2) = (random(rng), random(rng));
            let k = zero_of(&windows(&u1, &u2)).root();
            at = (at + 1) % 16;
            signature(&k, &u1, &u2).is_some_and(|input| among_others(&mut batch, input, &others, at).1)
        });
        assert!(met, "{name}: no try met it");
    };
    for window in 0..26 {
        meets(&mut rng, &format!("the generator's point equals the pair's, window {window}"), &|w| {
            w[window].0.plus(&w[window].1.negated())
        });
        meets(&mut rng, &format!("the generator's point is the pair's opposite, window {window}"), &|w| {
            w[window].0.plus(&w[window].1)
        });
    }
    for window in 0..25 {
        let before = |w: &[(Linear, Linear)]| {
            let zero = Linear(BigInt::ZERO, BigInt::ZERO);
            w[window + 1..].iter().rev().fold(zero, |sum, (a, b)| sum.times(32).plus(a).plus(b)).times(32)
        };
        let added = |w: &[(Linear, Linear)]| w[window].0.plus(&w[window].1);
        meets(&mut rng, &format!("the ladder adds its own point, window {window}"), &|w| {
            before(w).plus(&added(w).negated())
        });
        // From here on the ladder carries the point at infinity; in the last window the key is at infinity.
        meets(&mut rng, &format!("the ladder adds its opposite, window {window}"), &|w| before(w).plus(&added(w)));
    }
}

#[test]
fn every_addition_meets_equal_and_opposite_points() {
    if avx512::available() {
        every_addition_meets_every_exception::<Wide>(40);
    } else {
        every_addition_meets_every_exception::<Counted>(40);
    }
}

/// The same code over plain arrays: what the vectors do is the formulas, not the instructions.
#[test]
fn small_multiples_of_the_generator() {
    let mut rng = rng(7);
    let others = signed(&mut rng, 16);
    let mut wide = avx512::available().then(Batch::<Wide>::new);
    let mut counted = Batch::<Counted>::new();
    let small: Vec<BigInt> = (1..34).map(BigInt::from).chain((1..5).map(|i| order() - i)).collect();
    for (index, k) in small.iter().enumerate() {
        for u2 in [BigInt::from(1), BigInt::from(2), order() - 1, random(&mut rng)] {
            // Q is G, R, R + G, infinity.
            for u1 in [BigInt::from(1), BigInt::ZERO, modulo(&(BigInt::from(1) - &u2 * k)), modulo(&(-&u2 * k))] {
                let input = signature(k, &u1, &u2).unwrap();
                let at = (index + 3) % 16;
                if let Some(wide) = &mut wide {
                    let _ = among_others(wide, input, &others, at);
                }
                if index % 8 == 0 {
                    let _ = among_others(&mut counted, input, &others, at);
                }
            }
        }
    }
}

#[test]
fn a_key_at_infinity_is_an_error_of_its_own() {
    let mut rng = rng(9);
    let others = signed(&mut rng, 16);
    for at in 0..16 {
        let (k, u2) = (random(&mut rng), random(&mut rng));
        let input = signature(&k, &modulo(&(-&u2 * &k)), &u2).unwrap();
        let outcome = if avx512::available() {
            among_others(&mut Batch::<Wide>::new(), input, &others, at)
        } else {
            among_others(&mut Batch::<Counted>::new(), input, &others, at)
        };
        assert_eq!(outcome, (Err(RecoverError::Infinity), true));
    }
}
