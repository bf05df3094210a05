//! The field against `num-bigint`, on random numbers and on the extremes of every shape.

use num_bigint::BigUint;
use proptest::prelude::*;

use super::{limbs, number, p};
use crate::field::{Fe, Sum};
use crate::invert::invert_all;
use crate::lanes::{Lanes, Limb, Row};
use crate::portable::Counted;
use crate::root::square_root;

type Element = Fe<Counted>;

/// The largest tight and loose elements, the smallest, those around p and around powers of two.
fn extremes() -> Vec<BigUint> {
    let one = BigUint::from(1u32);
    let mut out = vec![BigUint::ZERO, one.clone(), p() - 1u32, p(), p() + 1u32, (p() << 1u32) - 1u32, p() << 1u32];
    out.extend([52u32, 104, 208, 255, 256].map(|bits| (&one << bits) - 1u32));
    out.extend([52u32, 104, 208, 255, 256].map(|bits| &one << bits));
    out.push((&one << 257u32) + (&one << 216u32) - 1u32);
    out
}

fn element(number: &BigUint) -> Element {
    Fe::constant(limbs(number))
}

fn value(element: Element) -> BigUint {
    number(element.0.map(lane))
}

fn lane(limb: Counted) -> u64 {
    let mut row = Row::default();
    limb.store(&mut row);
    assert!(row.0.iter().all(|other| *other == row.0[0]));
    row.0[0]
}

fn check_pair(a: &BigUint, b: &BigUint) {
    let (x, y) = (element(a), element(b));
    let p = p();
    assert_eq!(value(x.mul(y)) % &p, a * b % &p);
    assert_eq!(value(x.mul_twice(y)) % &p, a * b * 2u32 % &p);
    assert_eq!(value(x.square()) % &p, a * a % &p);
    assert_eq!(value(x.square_thrice()) % &p, a * a * 3u32 % &p);
    assert_eq!(value(Fe::dot(x, y, y, y)) % &p, (a * b + b * b) % &p);
    assert_eq!(value(x.minus(y)) % &p, (a + &p * 8u32 - b) % &p);
    let sum = || Sum::p(24).plus(x).minus_sum(y.times::<3>());
    let plain = a + &p * 24u32 - b * 8u32;
    assert_eq!(value(x.mul_plus(y, sum())) % &p, (a * b + &plain) % &p);
    assert_eq!(value(x.square_plus(sum())) % &p, (a * a + &plain) % &p);
    for (element, number) in [(x.mul(y), a * b), (x.square_plus(sum()), a * a + &plain), (x, a.clone())] {
        assert_eq!(value(element.canonical()), &number % &p);
        let within = value(element.within_256_bits());
        assert!(within < BigUint::from(1u32) << 256u32 && within % &p == &number % &p);
        assert_eq!(element.is_zero() == 0xff, number % &p == BigUint::ZERO);
    }
}

#[test]
fn extremes_are_right() {
    for a in &extremes() {
        for b in &extremes() {
            check_pair(a, b);
        }
    }
}

#[test]
fn words_and_limbs_are_the_same_number() {
    for number in extremes().iter().filter(|number| number.bits() <= 256) {
        let words = element(number).words().map(lane);
        let joined = words.iter().rev().fold(BigUint::ZERO, |sum, word| (sum << 64u32) + *word);
        assert_eq!(joined, *number);
        assert_eq!(value(Fe::from_words(words.map(Counted::splat))), *number);
    }
}

#[test]
fn roots_are_roots() {
    for i in 1u32..40 {
        let square = BigUint::from(i * i);
        let root = value(square_root(element(&square)).canonical());
        assert!(root == BigUint::from(i) || root == p() - i, "root of {square}");
    }
}

#[test]
fn many_inverses_from_one() {
    for count in 1..20u32 {
        // Zeros are found, reported, and spoil nobody.
        for zero in [None, Some(0), Some(count / 2), Some(count - 1)] {
            let given: Vec<_> = (0..count).map(|i| BigUint::from(if Some(i) == zero { 0 } else { i + 2 })).collect();
            let mut numbers: Vec<_> = given.iter().map(element).collect();
            let mut before = numbers.clone();
            let mut zeros = vec![0; count as usize];
            invert_all(&mut numbers, &mut before, &mut zeros, 1);
            for (i, (number, given)) in numbers.into_iter().zip(given).enumerate() {
                if Some(i as u32) == zero {
                    assert_eq!(zeros[i], 0xff);
                } else {
                    assert_eq!(zeros[i], 0);
                    assert_eq!(value(number) * given % p(), BigUint::from(1u32));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn random_numbers_are_right(a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), more in 0..4u32) {
        // Up to four times 2^256: loose, but for the operations that want tight ones below twice.
        let big = |bytes: [u8; 32], more: u32| BigUint::from_bytes_be(&bytes) + (BigUint::from(more) << 256u32);
        check_pair(&big(a, more % 2), &big(b, more / 2));
    }
}
