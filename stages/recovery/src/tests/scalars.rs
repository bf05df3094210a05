//! Numbers modulo n, their digits and the inverse of one number, against `num-bigint`.

use num_bigint::{BigInt, BigUint, Sign};
use proptest::prelude::*;

use super::{limbs, n, number, p};
use crate::field::Fe;
use crate::invert::Number;
use crate::lanes::{Lanes, Row};
use crate::modinv::Modulus;
use crate::portable::Counted;
use crate::scalar::{Digits, Scalar};

type Element = Scalar<Counted>;

fn scalar(number: &BigUint) -> Element {
    Scalar(Fe::constant(limbs(number)).0)
}

fn lane(limb: Counted) -> u64 {
    let mut row = Row::default();
    limb.store(&mut row);
    row.0[0]
}

fn value(scalar: Element) -> BigUint {
    number(scalar.0.map(lane))
}

fn lambda() -> BigInt {
    BigInt::parse_bytes(b"5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16).unwrap()
}

/// What the digits stand for, each odd and below 2^bits.
fn sum_of_digits<const WORDS: usize>(digits: Digits<Counted, WORDS>, bits: u32, count: u32) -> BigInt {
    let words = digits.0.map(lane);
    let mut sum = BigInt::ZERO;
    for i in (0..count).rev() {
        let at = i * bits;
        let v = words[(at / 50) as usize] >> (at % 50) & ((1 << bits) - 1);
        let digit = 2 * i64::try_from(v).unwrap() + 1 - (1 << bits);
        sum = (sum << bits) + digit;
    }
    let top = words[WORDS - 1] >> (bits * count - 50 * (WORDS as u32 - 1));
    assert_eq!(top, 0, "V has more bits than the digits");
    sum
}

fn check(a: &BigUint, b: &BigUint) {
    let n = n();
    let product = value(scalar(a).mul(scalar(b)));
    assert!(product < &n << 1u32);
    assert_eq!((product << 260u32) % &n, a * b % &n);
    let canonical = value(scalar(a).mul(scalar(b)).canonical());
    assert!(canonical < n);
    assert_eq!((canonical << 260u32) % &n, a * b % &n);

    let signed = BigInt::from_biguint(Sign::Plus, n.clone());
    let k = sum_of_digits(scalar(a).digits_of_negated(), 10, 26);
    assert_eq!(((k + BigInt::from(a.clone())) % &signed), BigInt::ZERO);

    let (k1, k2) = scalar(a).split_digits();
    let (k1, k2) = (sum_of_digits(k1, 5, 26), sum_of_digits(k2, 5, 26));
    assert_eq!((k1 + k2 * lambda() - BigInt::from(a.clone())) % &signed, BigInt::ZERO);
}

fn extremes() -> Vec<BigUint> {
    let one = BigUint::from(1u32);
    let mut out: Vec<_> = (0u32..5).map(BigUint::from).collect();
    out.extend((0u32..5).map(|i| n() - i));
    out.extend((1u32..5).map(|i| n() + i));
    // The corners of the lattice's cells: multiples of λ and of the quotients' steps.
    let lambda = lambda().to_biguint().unwrap();
    out.extend((1u32..5).map(|i| &lambda * i % n()));
    out.extend((1u32..9).map(|i| (n() * i) >> 3u32));
    out.extend([52u32, 104, 128, 129, 208, 255, 256].map(|bits| &one << bits));
    out.extend([52u32, 104, 128, 129, 208, 255, 256].map(|bits| (&one << bits) - 1u32));
    // The largest that a product can be.
    out.push(n() + (&one << 254u32) - 1u32);
    out
}

#[test]
fn extremes_are_right() {
    for a in &extremes() {
        for b in &extremes() {
            check(a, b);
        }
    }
}

#[test]
fn inverses_in_montgomerys_form() {
    for a in extremes().into_iter().filter(|a| (a % n()) != BigUint::ZERO && a.bits() <= 256) {
        let form = scalar(&a).mul(Scalar::r2());
        let inverse = form.invert_one();
        let one = value(inverse.mul(scalar(&a)).canonical());
        assert_eq!(one, BigUint::from(1u32), "{a}");
    }
}

fn invert(number: &BigUint, modulus: &BigUint) {
    let words = |number: &BigUint| -> [u64; 4] {
        let digits = number.to_u64_digits();
        core::array::from_fn(|i| digits.get(i).copied().unwrap_or_default())
    };
    let inverse = Modulus::new(words(modulus)).invert(words(number));
    let inverse = inverse.iter().rev().fold(BigUint::ZERO, |sum, word| (sum << 64u32) + *word);
    assert!(inverse < *modulus);
    assert_eq!(inverse * number % modulus, BigUint::from(1u32), "{number} modulo {modulus}");
}

#[test]
fn inverses_of_extremes() {
    for modulus in [n(), p()] {
        for number in extremes().iter().map(|number| number % &modulus).filter(|number| *number != BigUint::ZERO) {
            invert(&number, &modulus);
            invert(&(&modulus - number), &modulus);
        }
        let words: Vec<_> = modulus.to_u64_digits();
        assert_eq!(Modulus::new(words.try_into().unwrap()).invert([0; 4]), [0; 4]);
    }
}

proptest! {
    #[test]
    fn random_numbers_are_right(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        let (a, b) = (BigUint::from_bytes_be(&a), BigUint::from_bytes_be(&b));
        check(&a, &b);
        for modulus in [n(), p()] {
            let a = &a % &modulus;
            if a != BigUint::ZERO {
                invert(&a, &modulus);
            }
        }
    }
}
