//! Eight 64-bit numbers side by side: the few operations from which every formula of this crate is made.
//!
//! The formulas are written once, over [`Limb`] (arithmetic) or [`Lanes`] (arithmetic, memory and masks), and run over
//! - the vector registers of AVX-512 (`avx512.rs`),
//! - plain arrays that count what they do (`portable.rs`): on machines without AVX-512 they let the tests run, and they
//!   tell how many multiplications a recovery takes,
//! - intervals (`tests/interval.rs`), which proves that no limb can ever leave its bounds.

/// What a formula needs of a limb: a signed or unsigned 64-bit number, eight times.
pub(crate) trait Limb: Copy {
    /// Which of the eight lanes.
    type Mask: Copy;

    /// The same number in every lane.
    fn splat(value: u64) -> Self;
    /// `self + other`, modulo 2^64.
    fn add(self, other: Self) -> Self;
    /// `self - other`, modulo 2^64.
    fn sub(self, other: Self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Shift left.
    fn shl<const BITS: u32>(self) -> Self;
    /// `self + (high << BITS)`: a word from two pieces that do not overlap, or of which only the low part is wanted.
    #[inline(always)]
    fn join<const BITS: u32>(self, high: Self) -> Self {
        self.add(high.shl::<BITS>())
    }
    /// Shift right, zeros coming in.
    fn shr<const BITS: u32>(self) -> Self;
    /// Shift right, copies of the sign coming in: division by 2^BITS, rounded down.
    fn sar<const BITS: u32>(self) -> Self;
    /// `self +` the low 52 bits of `a * b`, of which each must be below 2^52.
    fn madd_low(self, a: Self, b: Self) -> Self;
    /// `self +` the product `a * b` shifted right by 52 bits; `a` and `b` must be below 2^52.
    fn madd_high(self, a: Self, b: Self) -> Self;
    /// The low 52 bits of the product of the low 52 bits of `a` and `b`.
    fn product_modulo(a: Self, b: Self) -> Self;
    /// `self` where the mask is set, else `other`.
    fn select(self, other: Self, mask: Self::Mask) -> Self;
    /// Lanes whose lowest bit is set.
    fn odd(self) -> Self::Mask;

    /// Told of each multiplication; only lanes that count listen.
    #[inline(always)]
    fn note(_what: Work) {}
}

/// What is counted: the operations that cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A product of two field elements.
    Multiply,
    /// A square of a field element.
    Square,
    /// A product modulo the order of the curve.
    ScalarMultiply,
    /// A point fetched from a table, one for each lane.
    Lookup,
    /// One inversion, shared by a whole chunk.
    Inversion,
    /// One Keccak-f\[1600\] over eight lanes.
    Permutation,
}

/// What Keccak needs of a word, or of eight.
pub(crate) trait Bits: Copy {
    /// A constant.
    fn of(value: u64) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Exclusive or of three.
    fn xor3(self, b: Self, c: Self) -> Self;
    /// `self ^ (!b & c)`.
    fn xor_and_not(self, b: Self, c: Self) -> Self;
    /// Rotation to the left.
    fn rotate<const BITS: u32>(self) -> Self;
}

/// Eight numbers as they lie in memory.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(pub(crate) [u64; 8]);

/// A piece of work that is compiled for the instructions of `L` as a whole.
pub(crate) trait Job {
    /// What it gives.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`, so that the code lands in [`Lanes::enter`].
    fn run(self) -> Self::Output;
}

/// Limbs that can be loaded, stored, compared and moved between lanes.
pub(crate) trait Lanes: Limb + Bits {
    /// Runs a job with the instructions that these lanes need.
    fn enter<J: Job>(job: J) -> J::Output;
    /// From memory.
    fn load(row: &Row) -> Self;
    /// To memory.
    fn store(self, row: &mut Row);
    /// Lane `i` of result `j` is lane `j` of argument `i`.
    fn transpose(rows: [Self; 8]) -> [Self; 8];
    /// Exchanges neighbours (`STEP` = 1), pairs (2) or halves (4).
    fn swap<const STEP: usize>(self) -> Self;
    /// Lanes that are zero.
    fn is_zero(self) -> Self::Mask;
    /// A mask from one bit a lane.
    fn mask(bits: u8) -> Self::Mask;
    /// One bit a lane.
    fn bits(mask: Self::Mask) -> u8;
    /// The eight bytes of each lane in reverse order.
    fn swap_bytes(self) -> Self;
    /// Shift right by a number of bits that is known at run time only.
    fn shift_right(self, bits: u32) -> Self;
}
