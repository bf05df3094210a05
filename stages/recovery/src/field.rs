//! The field of secp256k1, modulo p = 2^256 - K with K = 2^32 + 977 (SEC 2, section 2.4.1), eight elements at a time.
//!
//! # Representation
//!
//! An element is five limbs of radix 2^52: the integer Σ limb\[i\] 2^(52 i), any one of the values congruent to it modulo p.
//! IFMA multiplies only the low 52 bits of a limb, so limbs 0 to 3 of an element are always below 2^52 exactly
//! (*carried*); only the top limb has room. Three shapes:
//!
//! | shape | limbs 0 to 3 | limb 4 | value | from |
//! |---|---|---|---|---|
//! | tight | < 2^52 | < 2^49 + 2^8 | < 2^257 + 2^216 | products, loads |
//! | loose | < 2^52 | < 2^51 | < 2^259 | [`Sum::carry`] |
//! | sum | any sign, below 2^56 | the same | not below zero | [`Sum`]: no operand of a product |
//!
//! # Bounds of a product
//!
//! Let a and b be loose. Column k of the product collects the low halves with i + j = k and the high halves with
//! i + j = k - 1: at most five and five, each below 2^52, so a column is below 10 * 2^52 < 2^56; the two products of
//! [`Fe::dot`] make it 2^57. Carrying from column 5 to 9 leaves columns 5 to 8 below 2^52; column 9 holds only the high
//! half of a\[4\] b\[4\], which is below 2^(51 + 51 - 52) = 2^50 (twice that in a dot product), and a carry below 2^6. So all
//! five high limbs are operands below 2^52.
//!
//! 2^260 = 2^4 * 2^256 ≡ 16 K (mod p), and 16 K < 2^37. Folding high limb i adds its product with 16 K to columns i and
//! i + 1; what comes out of column 4 is `over` < 2^37. Columns 0 to 4 are below 2^58 now, and below 2^60 if they are
//! doubled or tripled, which is done here.
//!
//! A [`Sum`] may be added at this point, so that it costs no carry of its own.
//!
//! What lies above 2^256 is `top` = (column 4 >> 48) + 16 `over` < 2^12 + 2^43, an operand below 2^52. It is folded by K: two
//! more products. Column 4 keeps 48 bits. The carry then runs through limbs 0 to 3, signed; what arrives in limb 4 is the
//! carry of a column below 2^60 in magnitude: below 2^8, and not below -2^8. Without a sum nothing is negative, and limb 4 ends
//! below 2^48 + 2^8. With a sum the carry may be negative while the 48 bits of column 4 are zero, which would leave a
//! negative operand. So [`reduce_with`] leaves one unit of 2^48 in limb 4 for the carry to borrow from: it ends between 2^48 - 2^8 and 2^49
//! + 2^8. For that the top limb of a sum must be at least 2^48, which the multiple of p with which it begins ([`Sum::p`]) sees to.
//!
//! `tests/interval.rs` runs this very code, and all that is built on it, over intervals, and checks each of these bounds.

use crate::lanes::{Lanes, Limb, Work};

/// The low 52 bits.
const LOW: u64 = (1 << 52) - 1;
/// The low 48 bits: of limb 4, what lies below 2^256.
const LOW_TOP: u64 = (1 << 48) - 1;
/// 2^256 modulo p.
const K: u64 = (1 << 32) + 977;
/// 2^260 modulo p.
const FOLD: u64 = K << 4;

/// Five limbs, carried: a field element, tight or loose.
#[derive(Clone, Copy)]
pub(crate) struct Fe<L>(pub(crate) [L; 5]);

/// Five signed limbs, not carried: a linear combination of elements on its way into a product or a carry.
#[derive(Clone, Copy)]
pub(crate) struct Sum<L>([L; 5]);

/// A product of ten columns, not carried.
type Columns<L> = [L; 10];

/// A cube root of one: (x, y) -> (β x, y) multiplies a point by λ (Gallant, Lambert, Vanstone, "Faster point
/// multiplication on elliptic curves with efficient endomorphisms", CRYPTO 2001).
const BETA: [u64; 5] = [0x9_6c28_7195_01ee, 0x7_512f_5899_5c13, 0xc_3434_e99c_f049, 0x7106_e644_79ea, 0x7ae9_6a2b_657c];

impl<L: Limb> Sum<L> {
    /// `multiple` times p, as limbs of mixed signs.
    #[inline(always)]
    pub(crate) fn p(multiple: u64) -> Self {
        let zero = L::splat(0);
        let low = L::splat((multiple * K).wrapping_neg());
        Self([low, zero, zero, zero, L::splat(multiple << 48)])
    }

    /// Adds an element.
    #[inline(always)]
    pub(crate) fn plus(self, other: Fe<L>) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0].add(b[0]), a[1].add(b[1]), a[2].add(b[2]), a[3].add(b[3]), a[4].add(b[4])])
    }

    /// Subtracts an element.
    #[inline(always)]
    pub(crate) fn minus(self, other: Fe<L>) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0].sub(b[0]), a[1].sub(b[1]), a[2].sub(b[2]), a[3].sub(b[3]), a[4].sub(b[4])])
    }

    /// Adds a multiple of p.
    #[inline(always)]
    pub(crate) fn plus_p(self, multiple: u64) -> Self {
        self.plus_sum(Self::p(multiple))
    }

    /// Adds another sum.
    #[inline(always)]
    pub(crate) fn plus_sum(self, other: Self) -> Self {
        self.plus(Fe(other.0))
    }

    /// Subtracts another sum.
    #[inline(always)]
    pub(crate) fn minus_sum(self, other: Self) -> Self {
        self.minus(Fe(other.0))
    }

    /// One of two sums in each lane.
    #[inline(always)]
    pub(crate) fn select(self, other: Self, mask: L::Mask) -> Self {
        let (a, b) = (self.0, other.0);
        Self([
            a[0].select(b[0], mask),
            a[1].select(b[1], mask),
            a[2].select(b[2], mask),
            a[3].select(b[3], mask),
            a[4].select(b[4], mask),
        ])
    }

    /// The element that this sum was made from, by [`Fe::sum`]: its limbs are carried already.
    #[inline(always)]
    pub(crate) fn carried(self) -> Fe<L> {
        Fe(self.0)
    }

    /// Carries: a loose element. The sum must not be negative, nor above 2^259.
    #[inline(always)]
    pub(crate) fn carry(self) -> Fe<L> {
        Fe(ripple(self.0))
    }
}

/// Carries limbs 0 to 3 into the next, signed.
#[inline(always)]
fn ripple<L: Limb>(limbs: [L; 5]) -> [L; 5] {
    let low = L::splat(LOW);
    let [c0, c1, c2, c3, c4] = limbs;
    let c1 = c1.add(c0.sar::<52>());
    let c2 = c2.add(c1.sar::<52>());
    let c3 = c3.add(c2.sar::<52>());
    let c4 = c4.add(c3.sar::<52>());
    [c0.and(low), c1.and(low), c2.and(low), c3.and(low), c4]
}

/// All products of limbs, summed by column.
#[inline(always)]
pub(crate) fn columns<L: Limb>(a: &[L; 5], b: &[L; 5]) -> Columns<L> {
    let zero = L::splat(0);
    let mut c = [zero; 10];
    let mut i = 0;
    while i < 5 {
        let mut j = 0;
        while j < 5 {
            c[i + j] = c[i + j].madd_low(a[i], b[j]);
            c[i + j + 1] = c[i + j + 1].madd_high(a[i], b[j]);
            j += 1;
        }
        i += 1;
    }
    c
}

/// The columns of a square: each mixed product once, doubled, and the squares.
#[inline(always)]
fn columns_of_square<L: Limb>(a: &[L; 5]) -> Columns<L> {
    let zero = L::splat(0);
    let mut c = [zero; 10];
    let mut i = 0;
    while i < 5 {
        let mut j = i + 1;
        while j < 5 {
            c[i + j] = c[i + j].madd_low(a[i], a[j]);
            c[i + j + 1] = c[i + j + 1].madd_high(a[i], a[j]);
            j += 1;
        }
        i += 1;
    }
    let mut k = 1;
    while k < 9 {
        c[k] = c[k].add(c[k]);
        k += 1;
    }
    let mut i = 0;
    while i < 5 {
        c[2 * i] = c[2 * i].madd_low(a[i], a[i]);
        c[2 * i + 1] = c[2 * i + 1].madd_high(a[i], a[i]);
        i += 1;
    }
    c
}

/// Folds the columns above 2^260: five columns and what lies above them.
#[inline(always)]
fn fold<L: Limb>(c: Columns<L>) -> ([L; 5], L) {
    let (low, by) = (L::splat(LOW), L::splat(FOLD));
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9] = c;
    let c6 = c6.add(c5.shr::<52>());
    let c7 = c7.add(c6.shr::<52>());
    let c8 = c8.add(c7.shr::<52>());
    let c9 = c9.add(c8.shr::<52>());
    let (h0, h1, h2, h3, h4) = (c5.and(low), c6.and(low), c7.and(low), c8.and(low), c9);
    let c0 = c0.madd_low(h0, by);
    let c1 = c1.madd_high(h0, by).madd_low(h1, by);
    let c2 = c2.madd_high(h1, by).madd_low(h2, by);
    let c3 = c3.madd_high(h2, by).madd_low(h3, by);
    let c4 = c4.madd_high(h3, by).madd_low(h4, by);
    ([c0, c1, c2, c3, c4], L::splat(0).madd_high(h4, by))
}

/// Folds what lies above 2^256 and carries.
#[inline(always)]
fn settle<L: Limb>(limbs: [L; 5], top: L, rest: L) -> Fe<L> {
    let by = L::splat(K);
    let [c0, c1, c2, c3, _] = limbs;
    Fe(ripple([c0.madd_low(top, by), c1.madd_high(top, by), c2, c3, rest]))
}

/// A product without a sum: nothing is negative.
#[inline(always)]
fn reduce<L: Limb>(c: Columns<L>) -> Fe<L> {
    let (limbs, over) = fold(c);
    let top = limbs[4].shr::<48>().add(over.shl::<4>());
    settle(limbs, top, limbs[4].and(L::splat(LOW_TOP)))
}

/// A product and a sum, with the factor that the columns get.
#[inline(always)]
fn reduce_with<L: Limb>(limbs: [L; 5], over: L, sum: Sum<L>) -> Fe<L> {
    let limbs = Sum(limbs).plus_sum(sum).0;
    // One unit of 2^256 stays in limb 4 for a negative carry to borrow from: see the head of this file.
    let keep = L::splat(1 << 48);
    let c4 = limbs[4].sub(keep);
    let top = c4.shr::<48>().add(over.shl::<4>());
    settle(limbs, top, c4.and(L::splat(LOW_TOP)).add(keep))
}

impl<L: Limb> Fe<L> {
    /// The same small constant in each lane.
    #[inline(always)]
    pub(crate) fn constant(limbs: [u64; 5]) -> Self {
        Self([L::splat(limbs[0]), L::splat(limbs[1]), L::splat(limbs[2]), L::splat(limbs[3]), L::splat(limbs[4])])
    }

    /// One.
    #[inline(always)]
    pub(crate) fn one() -> Self {
        Self::constant([1, 0, 0, 0, 0])
    }

    /// β: see [`BETA`].
    #[inline(always)]
    pub(crate) fn beta() -> Self {
        Self::constant(BETA)
    }

    /// As a sum.
    #[inline(always)]
    pub(crate) fn sum(self) -> Sum<L> {
        Sum(self.0)
    }

    /// Two to the `BITS` times this, as a sum; three bits at most.
    #[inline(always)]
    pub(crate) fn times<const BITS: u32>(self) -> Sum<L> {
        let a = self.0;
        Sum([a[0].shl::<BITS>(), a[1].shl::<BITS>(), a[2].shl::<BITS>(), a[3].shl::<BITS>(), a[4].shl::<BITS>()])
    }

    /// `self - other`, loose. Both tight.
    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        Sum::p(3).plus(self).minus(other).carry()
    }

    /// The product, tight.
    #[inline(always)]
    pub(crate) fn mul(self, other: Self) -> Self {
        L::note(Work::Multiply);
        reduce(columns(&self.0, &other.0))
    }

    /// The product and a sum, tight.
    #[inline(always)]
    pub(crate) fn mul_plus(self, other: Self, sum: Sum<L>) -> Self {
        L::note(Work::Multiply);
        let (limbs, over) = fold(columns(&self.0, &other.0));
        reduce_with(limbs, over, sum)
    }

    /// The square, tight.
    #[inline(always)]
    pub(crate) fn square(self) -> Self {
        L::note(Work::Square);
        reduce(columns_of_square(&self.0))
    }

    /// The square and a sum, tight.
    #[inline(always)]
    pub(crate) fn square_plus(self, sum: Sum<L>) -> Self {
        L::note(Work::Square);
        let (limbs, over) = fold(columns_of_square(&self.0));
        reduce_with(limbs, over, sum)
    }

    /// Three times the square, tight.
    #[inline(always)]
    pub(crate) fn square_thrice(self) -> Self {
        L::note(Work::Square);
        let (c, over) = fold(columns_of_square(&self.0));
        let over = over.add(over.add(over));
        let c = Sum(c).plus_sum(Sum(c)).plus_sum(Sum(c)).0;
        let top = c[4].shr::<48>().add(over.shl::<4>());
        settle(c, top, c[4].and(L::splat(LOW_TOP)))
    }

    /// Twice the product, tight.
    #[inline(always)]
    pub(crate) fn mul_twice(self, other: Self) -> Self {
        L::note(Work::Multiply);
        let (c, over) = fold(columns(&self.0, &other.0));
        let over = over.add(over);
        let c = Sum(c).plus_sum(Sum(c)).0;
        let top = c[4].shr::<48>().add(over.shl::<4>());
        settle(c, top, c[4].and(L::splat(LOW_TOP)))
    }

    /// `a b + c d`, tight: two products with one reduction.
    #[inline(always)]
    pub(crate) fn dot(a: Self, b: Self, c: Self, d: Self) -> Self {
        L::note(Work::Multiply);
        L::note(Work::Multiply);
        let mut sum = columns(&a.0, &b.0);
        let mut i = 0;
        while i < 5 {
            let mut j = 0;
            while j < 5 {
                sum[i + j] = sum[i + j].madd_low(c.0[i], d.0[j]);
                sum[i + j + 1] = sum[i + j + 1].madd_high(c.0[i], d.0[j]);
                j += 1;
            }
            i += 1;
        }
        reduce(sum)
    }

    /// One of two elements in each lane.
    #[inline(always)]
    pub(crate) fn select(self, other: Self, mask: L::Mask) -> Self {
        Self(Sum(self.0).select(Sum(other.0), mask).0)
    }

    /// The same value below 2^256, limb 4 below 2^48. Not yet the smallest.
    #[inline(always)]
    pub(crate) fn within_256_bits(self) -> Self {
        // The top of a tight value is at most 2, so that the first fold leaves less than 2^256 + 2 K. If that is not below
        // 2^256, it is so little above that the second fold cannot pass 2^256 again.
        self.fold_top().fold_top()
    }

    #[inline(always)]
    fn fold_top(self) -> Self {
        let [c0, c1, c2, c3, c4] = self.0;
        let c0 = c0.madd_low(c4.shr::<48>(), L::splat(K));
        Self(ripple([c0, c1, c2, c3, c4.and(L::splat(LOW_TOP))]))
    }

    /// The smallest value: the number itself, in 0..p.
    #[inline(always)]
    pub(crate) fn canonical(self) -> Self {
        let within = self.within_256_bits();
        // Adding K carries out of 2^256 exactly if the value is at least p; without the carry the sum is the value less p.
        let more = Self(ripple([within.0[0].add(L::splat(K)), within.0[1], within.0[2], within.0[3], within.0[4]]));
        let above = more.0[4].shr::<48>().odd();
        let less = Self([more.0[0], more.0[1], more.0[2], more.0[3], more.0[4].and(L::splat(LOW_TOP))]);
        less.select(within, above)
    }

    /// Four 64-bit words, the lowest first, of an element below 2^256.
    #[inline(always)]
    pub(crate) fn words(self) -> [L; 4] {
        let [a, b, c, d, e] = self.0;
        // The pieces do not overlap: adding is oring.
        [a.join::<52>(b), b.shr::<12>().join::<40>(c), c.shr::<24>().join::<28>(d), d.shr::<36>().join::<16>(e)]
    }

    /// From four 64-bit words, the lowest first. Tight.
    #[inline(always)]
    pub(crate) fn from_words(words: [L; 4]) -> Self {
        let low = L::splat(LOW);
        let [a, b, c, d] = words;
        Self([
            a.and(low),
            a.shr::<52>().join::<12>(b).and(low),
            b.shr::<40>().join::<24>(c).and(low),
            c.shr::<28>().join::<36>(d).and(low),
            d.shr::<16>(),
        ])
    }
}

impl<L: Lanes> Fe<L> {
    /// Lanes that hold zero modulo p.
    #[inline(always)]
    pub(crate) fn is_zero(self) -> u8 {
        let [a, b, c, d, e] = self.canonical().0;
        // Limbs of a canonical element are below 2^52: their sum is zero only if each is.
        L::bits(a.add(b).add(c).add(d).add(e).is_zero())
    }
}
