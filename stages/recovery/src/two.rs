//! Two sets of lanes at once: every operation is done for both, so that one fills the time in which the other waits.

use crate::field::Fe;
use crate::lanes::{Limb, Work};

/// Two limbs in step.
#[derive(Clone, Copy)]
pub(crate) struct Two<L>(pub(crate) L, pub(crate) L);

impl<L: Limb> Limb for Two<L> {
    type Mask = (L::Mask, L::Mask);

    #[inline(always)]
    fn splat(value: u64) -> Self {
        let value = L::splat(value);
        Self(value, value)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0.sub(other.0), self.1.sub(other.1))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0), self.1.and(other.1))
    }

    #[inline(always)]
    fn shl<const BITS: u32>(self) -> Self {
        Self(self.0.shl::<BITS>(), self.1.shl::<BITS>())
    }

    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        Self(self.0.shr::<BITS>(), self.1.shr::<BITS>())
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self) -> Self {
        Self(self.0.sar::<BITS>(), self.1.sar::<BITS>())
    }

    #[inline(always)]
    fn madd_low(self, a: Self, b: Self) -> Self {
        Self(self.0.madd_low(a.0, b.0), self.1.madd_low(a.1, b.1))
    }

    #[inline(always)]
    fn madd_high(self, a: Self, b: Self) -> Self {
        Self(self.0.madd_high(a.0, b.0), self.1.madd_high(a.1, b.1))
    }

    #[inline(always)]
    fn product_modulo(a: Self, b: Self) -> Self {
        Self(L::product_modulo(a.0, b.0), L::product_modulo(a.1, b.1))
    }

    #[inline(always)]
    fn select(self, other: Self, mask: Self::Mask) -> Self {
        Self(self.0.select(other.0, mask.0), self.1.select(other.1, mask.1))
    }

    #[inline(always)]
    fn odd(self) -> Self::Mask {
        (self.0.odd(), self.1.odd())
    }

    #[inline(always)]
    fn note(what: Work) {
        L::note(what);
        L::note(what);
    }
}

impl<L: Limb> Two<L> {
    /// Two elements in step.
    #[inline(always)]
    pub(crate) fn join(a: Fe<L>, b: Fe<L>) -> Fe<Self> {
        let (a, b) = (a.0, b.0);
        Fe([Self(a[0], b[0]), Self(a[1], b[1]), Self(a[2], b[2]), Self(a[3], b[3]), Self(a[4], b[4])])
    }

    /// The two.
    #[inline(always)]
    pub(crate) fn part(both: Fe<Self>) -> (Fe<L>, Fe<L>) {
        let [a, b, c, d, e] = both.0;
        (Fe([a.0, b.0, c.0, d.0, e.0]), Fe([a.1, b.1, c.1, d.1, e.1]))
    }
}
