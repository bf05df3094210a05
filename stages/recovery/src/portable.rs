//! Eight lanes in a plain array, counting what is done with them.
//!
//! Too slow to recover with, but the same formulas run over them: where there is no AVX-512 the tests still test, and
//! [`crate::anatomy`] counts the multiplications that the vector code does.

use core::cell::Cell;

use crate::lanes::{Bits, Job, Lanes, Limb, Row, Work};

/// Eight 64-bit lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted([u64; 8]);

/// How often each kind of work was done by this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Field products.
    pub multiply: u64,
    /// Field squares.
    pub square: u64,
    /// Products modulo the order.
    pub scalar_multiply: u64,
    /// Points fetched.
    pub lookup: u64,
    /// Inversions.
    pub inversion: u64,
    /// Keccak permutations.
    pub permutation: u64,
}

thread_local! {
    static TALLY: Cell<Tally> = Cell::default();
}

/// Takes what was counted since the last call.
pub(crate) fn take_tally() -> Tally {
    TALLY.take()
}

const LOW: u64 = (1 << 52) - 1;

fn each(f: impl Fn(usize) -> u64) -> Counted {
    Counted(core::array::from_fn(f))
}

impl Limb for Counted {
    type Mask = u8;

    #[inline(never)]
    fn splat(value: u64) -> Self {
        Self([value; 8])
    }

    #[inline(never)]
    fn add(self, other: Self) -> Self {
        each(|i| self.0[i].wrapping_add(other.0[i]))
    }

    #[inline(never)]
    fn sub(self, other: Self) -> Self {
        each(|i| self.0[i].wrapping_sub(other.0[i]))
    }

    #[inline(never)]
    fn and(self, other: Self) -> Self {
        each(|i| self.0[i] & other.0[i])
    }

    #[inline(never)]
    fn shl<const BITS: u32>(self) -> Self {
        each(|i| self.0[i] << BITS)
    }

    #[inline(never)]
    fn shr<const BITS: u32>(self) -> Self {
        each(|i| self.0[i] >> BITS)
    }

    #[inline(never)]
    fn sar<const BITS: u32>(self) -> Self {
        each(|i| (self.0[i].cast_signed() >> BITS).cast_unsigned())
    }

    #[inline(never)]
    fn madd_low(self, a: Self, b: Self) -> Self {
        each(|i| self.0[i].wrapping_add((a.0[i] & LOW).wrapping_mul(b.0[i] & LOW) & LOW))
    }

    #[inline(never)]
    fn madd_high(self, a: Self, b: Self) -> Self {
        each(|i| {
            let product = u128::from(a.0[i] & LOW) * u128::from(b.0[i] & LOW);
            self.0[i].wrapping_add((product >> 52) as u64)
        })
    }

    #[inline(never)]
    fn product_modulo(a: Self, b: Self) -> Self {
        each(|i| a.0[i].wrapping_mul(b.0[i]) & LOW)
    }

    #[inline(never)]
    fn select(self, other: Self, mask: u8) -> Self {
        each(|i| if mask >> i & 1 == 1 { self.0[i] } else { other.0[i] })
    }

    #[inline(never)]
    fn odd(self) -> u8 {
        (0..8).fold(0, |mask, i| mask | ((self.0[i] & 1) as u8) << i)
    }

    fn note(what: Work) {
        let mut tally = TALLY.get();
        match what {
            Work::Multiply => tally.multiply += 1,
            Work::Square => tally.square += 1,
            Work::ScalarMultiply => tally.scalar_multiply += 1,
            Work::Lookup => tally.lookup += 1,
            Work::Inversion => tally.inversion += 1,
            Work::Permutation => tally.permutation += 1,
        }
        TALLY.set(tally);
    }
}

impl Bits for Counted {
    fn of(value: u64) -> Self {
        Self([value; 8])
    }

    #[inline(never)]
    fn xor(self, other: Self) -> Self {
        each(|i| self.0[i] ^ other.0[i])
    }

    #[inline(never)]
    fn xor3(self, b: Self, c: Self) -> Self {
        each(|i| self.0[i] ^ b.0[i] ^ c.0[i])
    }

    #[inline(never)]
    fn xor_and_not(self, b: Self, c: Self) -> Self {
        each(|i| self.0[i] ^ (!b.0[i] & c.0[i]))
    }

    #[inline(never)]
    fn rotate<const BITS: u32>(self) -> Self {
        each(|i| self.0[i].rotate_left(BITS))
    }
}

impl Lanes for Counted {
    fn enter<J: Job>(job: J) -> J::Output {
        job.run()
    }

    #[inline(never)]
    fn load(row: &Row) -> Self {
        Self(row.0)
    }

    #[inline(never)]
    fn store(self, row: &mut Row) {
        row.0 = self.0;
    }

    #[inline(never)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        core::array::from_fn(|j| each(|i| rows[i].0[j]))
    }

    #[inline(never)]
    fn swap<const STEP: usize>(self) -> Self {
        each(|i| self.0[i ^ STEP])
    }

    #[inline(never)]
    fn is_zero(self) -> u8 {
        (0..8).fold(0, |mask, i| mask | u8::from(self.0[i] == 0) << i)
    }

    fn mask(bits: u8) -> u8 {
        bits
    }

    fn bits(mask: u8) -> u8 {
        mask
    }

    #[inline(never)]
    fn swap_bytes(self) -> Self {
        each(|i| self.0[i].swap_bytes())
    }

    #[inline(never)]
    fn shift_right(self, bits: u32) -> Self {
        each(|i| self.0[i] >> bits)
    }
}
