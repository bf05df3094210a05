//! The point formulas against `k256`, and what they say of the points that they do not cover.

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{ProjectivePoint, Scalar};
use num_bigint::BigUint;

use super::{limbs, number};
use crate::field::{Fe, Sum};
use crate::invert::Number;
use crate::lanes::{Lanes, Row};
use crate::point::{Affine, Jacobian, negate_where};
use crate::portable::Counted;

type Point = Affine<Counted>;

fn multiple(k: u64) -> ProjectivePoint {
    ProjectivePoint::GENERATOR * Scalar::from(k)
}

fn ours(point: ProjectivePoint) -> Point {
    let encoded = point.to_affine().to_encoded_point(false);
    let of = |bytes: &[u8]| Fe::constant(limbs(&BigUint::from_bytes_be(bytes)));
    Affine { x: of(encoded.x().unwrap()), y: of(encoded.y().unwrap()) }
}

fn value(element: Fe<Counted>) -> BigUint {
    number(element.canonical().0.map(|limb| {
        let mut row = Row::default();
        limb.store(&mut row);
        row.0[0]
    }))
}

fn same(a: Point, b: ProjectivePoint) {
    let b = ours(b);
    assert_eq!((value(a.x), value(a.y)), (value(b.x), value(b.y)));
}

fn affine(point: Jacobian<Counted>) -> Point {
    let inverse = point.z.invert_one();
    let square = inverse.square();
    Affine { x: point.x.mul(square), y: point.y.mul(square.mul(inverse)) }
}

/// k G with another z.
fn jacobian(k: u64) -> Jacobian<Counted> {
    let point = ours(multiple(k));
    let z = Fe::constant([k + 5, 3, 0, 0, 9]);
    let square = z.square();
    Jacobian { x: point.x.mul(square), y: point.y.mul(square.mul(z)), z }
}

#[test]
fn doubling_and_addition() {
    for a in 1..20 {
        same(affine(jacobian(a).double()), multiple(2 * a));
        let point = ours(multiple(a));
        let inverse = point.y.times::<1>().carry().invert_one();
        same(point.double(inverse), multiple(2 * a));
        for b in (1..20).filter(|b| *b != a) {
            let other = ours(multiple(b));
            same(affine(jacobian(a).add(other)), multiple(a + b));
            let inverse = other.x.minus(point.x).invert_one();
            same(Affine::add(point.x, point.y.sum(), other.x, other.y.sum(), inverse), multiple(a + b));
            let negative = negate_where(other.y, 0xff);
            same(Affine::add(point.x, point.y.sum(), other.x, negative, inverse), multiple(a) - multiple(b));
        }
    }
}

#[test]
fn a_lane_that_goes_wrong_keeps_z_at_zero() {
    for k in 1..20 {
        let equal = ours(multiple(k));
        let opposite = Affine { x: equal.x, y: Sum::p(2).minus(equal.y).carry() };
        for other in [equal, opposite] {
            let mut sum = jacobian(k).add(other);
            assert_eq!(sum.z.is_zero(), 0xff);
            for _ in 0..5 {
                sum = sum.double();
                assert_eq!(sum.z.is_zero(), 0xff);
            }
            assert_eq!(sum.add(ours(multiple(k + 77))).z.is_zero(), 0xff);
        }
    }
}

#[test]
fn beta_is_lambda() {
    let lambda = Scalar::from_repr_vartime(*k256::FieldBytes::from_slice(&super::bytes(
        &BigUint::parse_bytes(b"5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16).unwrap(),
    )))
    .unwrap();
    for k in 1..20 {
        let point = ours(multiple(k));
        same(Affine { x: point.x.mul(Fe::beta()), y: point.y }, multiple(k) * lambda);
    }
}
