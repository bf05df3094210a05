//! The proof of the bounds: the formulas run over intervals.
//!
//! A limb is the set of all values between two bounds. Every operation gives the bounds of its results from the bounds of
//! its arguments, and panics where a value could leave 64 bits, where an operand of a product could need more than
//! 52 bits or be negative, or where a logical shift could meet a negative number. What holds for the intervals holds for
//! every input. A formula starts from the widest shapes of `field.rs` and must end within them.

use crate::field::{Fe, Sum};
use crate::lanes::Limb;
use crate::point::{Affine, Jacobian, negate_where};
use crate::root::{curve, square_root};
use crate::scalar::Scalar;
use crate::two::Two;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    least: i128,
    most: i128,
}

const OPERAND: i128 = 1 << 52;

impl Interval {
    fn new(least: i128, most: i128) -> Self {
        assert!(least <= most);
        // Signed or unsigned, never both: a limb that may be negative stays below 2^63.
        let fits = if least < 0 { least >= -(1 << 63) && most < 1 << 63 } else { most < 1 << 64 };
        assert!(fits, "a limb leaves 64 bits: {least} to {most}");
        Self { least, most }
    }

    fn below(bits: u32) -> Self {
        Self::new(0, (1 << bits) - 1)
    }

    fn is_operand(self) {
        assert!(self.least >= 0 && self.most < OPERAND, "an operand of a product does not fit: {self:?}");
    }

    fn product(self, other: Self) -> i128 {
        self.is_operand();
        other.is_operand();
        self.most * other.most
    }
}

impl Limb for Interval {
    type Mask = ();

    fn splat(value: u64) -> Self {
        let value = i128::from(value.cast_signed());
        Self::new(value, value)
    }

    fn add(self, other: Self) -> Self {
        Self::new(self.least + other.least, self.most + other.most)
    }

    fn sub(self, other: Self) -> Self {
        Self::new(self.least - other.most, self.most - other.least)
    }

    fn and(self, other: Self) -> Self {
        // Only masks of low ones are used.
        let mask = other.most;
        assert!(other.least == mask && (mask + 1).count_ones() == 1);
        if self.least >= 0 && self.most <= mask { self } else { Self::new(0, mask) }
    }

    fn shl<const BITS: u32>(self) -> Self {
        Self::new(self.least << BITS, self.most << BITS)
    }

    fn join<const BITS: u32>(self, high: Self) -> Self {
        // What falls off the left end is not wanted; the pieces do not overlap.
        assert!(self.least >= 0 && self.most < 1 << 64 && high.least >= 0);
        Self::new(0, (1 << 64) - 1)
    }

    fn shr<const BITS: u32>(self) -> Self {
        assert!(self.least >= 0, "a logical shift of what may be negative: {self:?}");
        Self::new(self.least >> BITS, self.most >> BITS)
    }

    fn sar<const BITS: u32>(self) -> Self {
        assert!(self.most < 1 << 63, "an arithmetic shift of what may be above 2^63: {self:?}");
        Self::new(self.least >> BITS, self.most >> BITS)
    }

    fn madd_low(self, a: Self, b: Self) -> Self {
        let most = a.product(b).min(OPERAND - 1);
        Self::new(self.least, self.most + most)
    }

    fn madd_high(self, a: Self, b: Self) -> Self {
        let most = a.product(b) >> 52;
        Self::new(self.least, self.most + most)
    }

    fn product_modulo(_a: Self, _b: Self) -> Self {
        Self::below(52)
    }

    fn select(self, other: Self, (): ()) -> Self {
        Self::new(self.least.min(other.least), self.most.max(other.most))
    }

    fn odd(self) {}
}

type Element = Fe<Interval>;

/// The widest tight element: what products and loads give (`field.rs`).
fn tight() -> Element {
    let limb = Interval::below(52);
    Fe([limb, limb, limb, limb, Interval::new(0, (1 << 49) + (1 << 8))])
}

fn assert_tight(element: Element) {
    let bounds = tight();
    for (limb, bound) in element.0.iter().zip(bounds.0) {
        assert!(limb.least >= bound.least && limb.most <= bound.most, "{:?} is not tight", element.0);
    }
}

fn assert_loose(element: Element) {
    for limb in &element.0[..4] {
        assert!(limb.least >= 0 && limb.most < OPERAND, "{:?} is not carried", element.0);
    }
    let top = element.0[4];
    assert!(top.least >= 0 && top.most < 1 << 51, "{top:?} is not loose");
}

/// The widest loose element.
fn loose() -> Element {
    let limb = Interval::below(52);
    Fe([limb, limb, limb, limb, Interval::below(51)])
}

#[test]
fn products_of_loose_elements_are_tight() {
    assert_tight(loose().mul(loose()));
    assert_tight(loose().mul_twice(loose()));
    assert_tight(loose().square());
    assert_tight(loose().square_thrice());
    // Two products: one factor of each is tight.
    assert_tight(Fe::dot(loose(), tight(), tight(), loose()));
}

#[test]
fn sums_carry_to_loose_elements() {
    assert_loose(tight().minus(tight()));
    assert_loose(tight().times::<1>().carry());
    assert_loose(negate_where(tight(), ()).plus_p(3).carry());
}

#[test]
fn points_stay_tight() {
    let point = Jacobian { x: tight(), y: tight(), z: tight() };
    for result in [point.double(), point.add(Affine { x: tight(), y: tight() })] {
        assert_tight(result.x);
        assert_tight(result.y);
        assert_tight(result.z);
    }
    // Points that come from a table have 256 bits, and may be negated.
    let row = Fe::from_words([Interval::new(0, (1 << 64) - 1); 4]);
    let (y1, y2) = (negate_where(row, ()), negate_where(row, ()));
    let sums = [
        Affine::add(row, y1, tight(), y2, tight()),
        Affine::add(tight(), tight().sum(), row, y2, tight()),
        Affine::add(tight(), tight().sum(), tight(), tight().sum(), tight()),
        Affine { x: tight(), y: tight() }.double(tight()),
    ];
    for sum in sums {
        assert_tight(sum.x);
        assert_tight(sum.y);
    }
}

#[test]
fn roots_and_canonical_forms() {
    assert_tight(curve(tight()));
    assert_tight(square_root(tight()));
    for limb in &tight().canonical().0[..4] {
        assert!(limb.least >= 0 && limb.most < OPERAND);
    }
    assert!(tight().within_256_bits().0[4].least >= 0);
    let words = tight().canonical().0[4];
    assert!(words.least >= 0 && words.most <= 1 << 48);
}

#[test]
fn scalars_stay_below_their_bounds() {
    let limb = Interval::below(52);
    let widest = Scalar([limb, limb, limb, limb, Interval::below(49)]);
    let product = widest.mul(widest);
    for limb in &product.0[..4] {
        assert!(limb.least >= 0 && limb.most < OPERAND);
    }
    // By intervals alone the last carry is not seen to fit; `scalar.rs` derives it from the value.
    assert!(product.0[4].least >= 0 && product.0[4].most < OPERAND);
    let (k1, k2) = widest.split_digits();
    let u1 = widest.digits_of_negated();
    for word in k1.0.iter().chain(&k2.0).chain(&u1.0) {
        assert!(word.least >= 0 && word.most < 1 << 52);
    }
}

/// The proof notices what it is there to notice.
#[test]
fn wrong_bounds_are_found() {
    let wrong = |f: fn()| assert!(std::panic::catch_unwind(f).is_err());
    wrong(|| drop_it(Sum::p(0).minus(tight()).carry().mul(tight())));
    wrong(|| drop_it(tight().square_plus(Sum::p(1).minus(tight()))));
    wrong(|| drop_it(Fe([Interval::below(53); 5]).mul(tight())));
    wrong(|| drop_it(tight().times::<3>().carry().mul(tight())));
}

fn drop_it(element: Element) {
    assert_tight(element);
}

/// Two limbs in step have the bounds of one.
#[test]
fn two_in_step_are_two() {
    let both = Two::join(tight(), tight());
    let (a, b) = Two::part(both.mul(both));
    assert_tight(a);
    assert_tight(b);
}
