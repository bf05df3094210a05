//! Inversion of many by inverting one (Montgomery, "Speeding the Pollard and elliptic curve methods of factorization", 1987).
//!
//! Each lane multiplies its own numbers together; the eight products are multiplied across the lanes by exchanging
//! neighbours, pairs and halves; one number is inverted ([`crate::modinv`]); and the way back hands everyone their inverse.

use crate::field::Fe;
use crate::lanes::{Lanes, Row, Work};
use crate::modinv::Modulus;
use crate::scalar::Scalar;

/// p.
const FIELD: Modulus = Modulus::new([0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX]);
/// n.
const ORDER: Modulus = Modulus::new([0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, u64::MAX]);

/// Products that are made side by side: one waits for the last, four do not.
const CHAINS: usize = 4;

/// What can be inverted in a batch.
pub(crate) trait Number: Copy {
    /// One.
    fn one() -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// Lanes exchanged, as [`Lanes::swap`].
    fn swap<const STEP: usize>(self) -> Self;
    /// The inverse of a number that is the same in all lanes.
    fn invert_one(self) -> Self;
    /// One bit for each lane that holds zero.
    fn zeros(self) -> u8;
    /// One, where the mask is set.
    fn one_where(self, mask: u8) -> Self;
}

impl<L: Lanes> Number for Fe<L> {
    #[inline(always)]
    fn one() -> Self {
        Self::one()
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.mul(other)
    }

    #[inline(always)]
    fn swap<const STEP: usize>(self) -> Self {
        Self(swapped::<L, STEP>(self.0))
    }

    #[inline(always)]
    fn invert_one(self) -> Self {
        L::note(Work::Inversion);
        Self::from_words(spread(FIELD.invert(first(self.canonical().words()))))
    }

    #[inline(always)]
    fn zeros(self) -> u8 {
        self.is_zero()
    }

    #[inline(always)]
    fn one_where(self, mask: u8) -> Self {
        Self::one().select(self, L::mask(mask))
    }
}

impl<L: Lanes> Number for Scalar<L> {
    /// One in Montgomery's form.
    #[inline(always)]
    fn one() -> Self {
        Self::r2().mul(Self(Fe::one().0))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.mul(other)
    }

    #[inline(always)]
    fn swap<const STEP: usize>(self) -> Self {
        Self(swapped::<L, STEP>(self.0))
    }

    #[inline(always)]
    fn invert_one(self) -> Self {
        L::note(Work::Inversion);
        let canonical = self.canonical();
        Self::from_words(spread(ORDER.invert(first(Fe(canonical.0).words())))).mul(Self::r3())
    }

    #[inline(always)]
    fn zeros(self) -> u8 {
        // Only numbers in 1..n are inverted, and n is prime.
        0
    }

    #[inline(always)]
    fn one_where(self, _mask: u8) -> Self {
        self
    }
}

#[inline(always)]
fn swapped<L: Lanes, const STEP: usize>(limbs: [L; 5]) -> [L; 5] {
    let [a, b, c, d, e] = limbs;
    [a.swap::<STEP>(), b.swap::<STEP>(), c.swap::<STEP>(), d.swap::<STEP>(), e.swap::<STEP>()]
}

/// The words of the first lane.
#[inline(always)]
fn first<L: Lanes>(words: [L; 4]) -> [u64; 4] {
    let mut out = [0; 4];
    let mut i = 0;
    while i < 4 {
        let mut row = Row::default();
        words[i].store(&mut row);
        out[i] = row.0[0];
        i += 1;
    }
    out
}

#[inline(always)]
fn spread<L: Lanes>(words: [u64; 4]) -> [L; 4] {
    [L::splat(words[0]), L::splat(words[1]), L::splat(words[2]), L::splat(words[3])]
}

/// The inverse of each lane, none of which is zero.
#[inline(always)]
fn invert_lanes<N: Number>(number: N) -> N {
    let neighbour = number.swap::<1>();
    let pair = number.times(neighbour);
    let other_pair = pair.swap::<2>();
    let half = pair.times(other_pair);
    let other_half = half.swap::<4>();
    let all = half.times(other_half);
    all.invert_one().times(other_half).times(other_pair).times(neighbour)
}

/// Inverts `numbers` in place. `before` is as long as `numbers` and of no meaning before and after.
///
/// A zero counts as one and is reported: `zero[i / each]` gets the bit of its lane, i being its index.
#[inline(always)]
pub(crate) fn invert_all<N: Number>(numbers: &mut [N], before: &mut [N], zero: &mut [u8], each: usize) {
    let mut all = products(numbers, before);
    if total(&all).zeros() != 0 {
        for (index, number) in numbers.iter_mut().enumerate() {
            let zeros = number.zeros();
            zero[index / each] |= zeros;
            *number = number.one_where(zeros);
        }
        all = products(numbers, before);
    }
    let [a, b, c, d] = all;
    let (ab, cd) = (a.times(b), c.times(d));
    let inverse = invert_lanes(ab.times(cd));
    let (of_ab, of_cd) = (inverse.times(cd), inverse.times(ab));
    let mut inverse = [of_ab.times(b), of_ab.times(a), of_cd.times(d), of_cd.times(c)];
    let mut i = numbers.len();
    while i > 0 {
        i -= 1;
        let chain = i % CHAINS;
        let number = numbers[i];
        numbers[i] = inverse[chain].times(before[i]);
        inverse[chain] = inverse[chain].times(number);
    }
}

/// The product of each chain; `before[i]` gets that of the chain's numbers before `i`.
#[inline(always)]
fn products<N: Number>(numbers: &[N], before: &mut [N]) -> [N; CHAINS] {
    let mut all = [N::one(); CHAINS];
    for (index, (number, before)) in numbers.iter().zip(before).enumerate() {
        let chain = &mut all[index % CHAINS];
        *before = *chain;
        *chain = chain.times(*number);
    }
    all
}

#[inline(always)]
fn total<N: Number>(all: &[N; CHAINS]) -> N {
    all[0].times(all[1]).times(all[2].times(all[3]))
}
