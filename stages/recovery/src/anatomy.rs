//! Where the time of a recovery goes: what benches and tests look at.
//!
//! The counts come from the formulas that run in production, put through lanes that count ([`crate::portable`]). The
//! time comes from a clock that the caller brings: this crate has none.

use core::hint::black_box;

use crate::avx512::{self, Wide};
use crate::batch::{Batch, Phase, Probe};
use crate::field::Fe;
use crate::input::{Input, Outcome};
use crate::keccak;
use crate::lanes::{Job, Lanes, Limb};
use crate::portable::{Counted, Tally, take_tally};
use crate::scalar::Scalar;
use crate::two::Two;

/// Counts the work of each phase of one batch, in operations over eight lanes.
pub fn count(inputs: &[Input]) -> Vec<(Phase, Tally)> {
    struct Count(Vec<(Phase, Tally)>);
    impl Probe for Count {
        fn done(&mut self, phase: Phase) {
            self.0.push((phase, take_tally()));
        }
    }
    let mut outputs = vec![Ok([0; 20]); inputs.len()];
    let mut batch = Batch::<Counted>::new();
    take_tally();
    let mut count = Count(Vec::new());
    batch.recover(inputs, &mut outputs, &mut count);
    count.0
}

/// The vector backend by phases. `None` where the processor has no AVX-512 IFMA.
pub struct Dissected(Batch<Wide>);

impl Dissected {
    /// Ready to run.
    pub fn new() -> Option<Self> {
        avx512::available().then(|| Self(Batch::new()))
    }

    /// Recovers a batch and calls `done` at the end of each phase of each chunk.
    pub fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome], done: impl FnMut(Phase)) {
        struct Call<F>(F);
        impl<F: FnMut(Phase)> Probe for Call<F> {
            fn done(&mut self, phase: Phase) {
                (self.0)(phase);
            }
        }
        self.0.recover(inputs, outputs, &mut Call(done));
    }

    /// Does `turns` times two interleaved products (over eight lanes each).
    pub fn products(&self, turns: u32) {
        Wide::enter(Products::<Wide> { turns, lanes: core::marker::PhantomData });
    }

    /// Does `turns` times two interleaved squares.
    pub fn squares(&self, turns: u32) {
        Wide::enter(Squares::<Wide> { turns, lanes: core::marker::PhantomData });
    }

    /// Does `turns` permutations of Keccak, each after the other.
    pub fn permutations(&self, turns: u32) {
        Wide::enter(Permutations::<Wide> { turns, lanes: core::marker::PhantomData });
    }

    /// Does `turns` times two interleaved products modulo the order.
    pub fn scalar_products(&self, turns: u32) {
        Wide::enter(ScalarProducts::<Wide> { turns, lanes: core::marker::PhantomData });
    }
}

struct Products<L> {
    turns: u32,
    lanes: core::marker::PhantomData<L>,
}

impl<L: Limb> Job for Products<L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let factor = black_box(Fe::<Two<L>>::beta());
        let mut a = factor;
        for _ in 0..self.turns {
            a = a.mul(factor);
        }
        black_box(a);
    }
}

struct Squares<L> {
    turns: u32,
    lanes: core::marker::PhantomData<L>,
}

impl<L: Limb> Job for Squares<L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut a = black_box(Fe::<Two<L>>::beta());
        for _ in 0..self.turns {
            a = a.square();
        }
        black_box(a);
    }
}

struct ScalarProducts<L> {
    turns: u32,
    lanes: core::marker::PhantomData<L>,
}

impl<L: Limb> Job for ScalarProducts<L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let factor = black_box(Scalar::<Two<L>>::r2());
        let mut a = factor;
        for _ in 0..self.turns {
            a = a.mul(factor);
        }
        black_box(a);
    }
}

struct Permutations<L> {
    turns: u32,
    lanes: core::marker::PhantomData<L>,
}

impl<L: Lanes> Job for Permutations<L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut words = black_box([L::splat(1); 4]);
        for _ in 0..self.turns {
            let [a, b, c] = keccak::addresses(words, words);
            words = [L::load(&a), L::load(&b), L::load(&c), words[3]];
        }
        black_box(words);
    }
}
