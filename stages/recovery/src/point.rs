//! Points of y² = x³ + 7, eight at a time.
//!
//! The formulas are incomplete, on purpose: none of them asks whether its points are equal, opposite or at infinity. It
//! shows afterwards.
//! - [`Jacobian::add`] gives z = z1 h, and h = 0 exactly if the x of both points agree, that is for equal and for opposite points.
//!   Doubling gives z = y z. So once z is zero it stays zero, and a zero at the end (found by the batch inversion that
//!   has to be done anyway) says that this lane went wrong somewhere, or is truly at infinity. No point of
//!   this curve has y = 0: its order is odd.
//! - The affine addition divides by the difference of x; the batch inversion finds the zero and names the lane.
//!
//! Such lanes are recovered again by libsecp256k1.
//!
//! Sources: doubling for a = 0 as in Bernstein and Lange, Explicit-Formulas Database, `dbl-2009-l`, with D = 4 X Y²
//! taken as a product; mixed addition as in `add-1998-cmo-2` (Cohen, Miyaji, Ono) with Z2 = 1.

use crate::field::{Fe, Sum};
use crate::lanes::Limb;

/// An affine point; both coordinates tight.
#[derive(Clone, Copy)]
pub(crate) struct Affine<L> {
    pub(crate) x: Fe<L>,
    pub(crate) y: Fe<L>,
}

/// A point (x / z², y / z³); all three tight.
#[derive(Clone, Copy)]
pub(crate) struct Jacobian<L> {
    pub(crate) x: Fe<L>,
    pub(crate) y: Fe<L>,
    pub(crate) z: Fe<L>,
}

impl<L: Limb> Affine<L> {
    /// With z = 1.
    #[inline(always)]
    pub(crate) fn jacobian(self) -> Jacobian<L> {
        Jacobian { x: self.x, y: self.y, z: Fe::one() }
    }

    /// `self + other`, given the inverse of `other.x - self.x`; the y are sums, so that they may be negated without a carry.
    #[inline(always)]
    pub(crate) fn add(x1: Fe<L>, y1: Sum<L>, x2: Fe<L>, y2: Sum<L>, inverse: Fe<L>) -> Self {
        let slope = Sum::p(4).plus_sum(y2).minus_sum(y1).carry().mul(inverse);
        Self::third(x1, y1, x2, slope)
    }

    /// The point twice, given the inverse of `2 y`.
    #[inline(always)]
    pub(crate) fn double(self, inverse: Fe<L>) -> Self {
        let slope = self.x.square_thrice().mul(inverse);
        Self::third(self.x, self.y.sum(), self.x, slope)
    }

    /// The third point on the line with this slope, negated.
    #[inline(always)]
    fn third(x1: Fe<L>, y1: Sum<L>, x2: Fe<L>, slope: Fe<L>) -> Self {
        let x = slope.square_plus(Sum::p(8).minus(x1).minus(x2));
        let y = slope.mul_plus(x1.minus(x), Sum::p(8).minus_sum(y1));
        Self { x, y }
    }
}

/// `y` or `-y`: a sum whose limbs are small, not below -2^52.
#[inline(always)]
pub(crate) fn negate_where<L: Limb>(y: Fe<L>, mask: L::Mask) -> Sum<L> {
    Sum::p(0).minus(y).select(y.sum(), mask)
}

impl<L: Limb> Jacobian<L> {
    /// The point twice: four squares, three products.
    #[inline(always)]
    pub(crate) fn double(self) -> Self {
        let e = self.x.square_thrice();
        let s = self.y.square();
        let d = self.x.mul(s);
        let z = self.y.mul_twice(self.z);
        // D = 4 d: the textbook's multiples of it stand in the sums.
        let x = e.square_plus(Sum::p(24).minus_sum(d.times::<3>()));
        let g = Sum::p(3).plus_sum(d.times::<2>()).minus(x).carry();
        let y = e.mul_plus(g, Sum::p(24).minus_sum(s.square().times::<3>()));
        Self { x, y, z }
    }

    /// `self + other`: three squares, eight products. See the head of this file for equal and opposite points.
    #[inline(always)]
    pub(crate) fn add(self, other: Affine<L>) -> Self {
        let zz = self.z.square();
        let u = other.x.mul(zz);
        let zzz = zz.mul(self.z);
        let s = other.y.mul(zzz);
        let h = u.minus(self.x);
        let r = s.minus(self.y);
        let hh = h.square();
        // -h³
        let n = Sum::p(3).minus(h.mul(hh)).carry();
        let v = self.x.mul(hh);
        let z = self.z.mul(h);
        let x = r.square_plus(Sum::p(8).plus(n).minus_sum(v.times::<1>()));
        let w = v.minus(x);
        let y = Fe::dot(r, w, self.y, n);
        Self { x, y, z }
    }
}
