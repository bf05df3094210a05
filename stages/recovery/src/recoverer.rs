//! The choice of a backend, and the watch over it.

use core::num::NonZeroU32;
use core::ops::Range;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use crate::avx512::{self, Wide};
use crate::batch::{Batch, CHUNK};
use crate::input::{Input, Outcome};
use crate::keccak::{self, HashEight};
use crate::lanes::Lanes;
use crate::libsecp;

/// One vector outcome in so many is checked, unless a setting says otherwise.
const SAMPLE: NonZeroU32 = NonZeroU32::new(1_024).expect("not zero");

/// Signatures below which libsecp256k1 is as fast: the vectors take as long for one as for sixteen.
const WORTH: usize = 4;

/// Which backend is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Vectors where the processor has AVX-512 IFMA and a burst is worth it, else libsecp256k1.
    #[default]
    Auto,
    /// Vectors, for a single signature too.
    Vector,
    /// libsecp256k1, always.
    Libsecp256k1,
}

/// Which backend runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Eight at a time, AVX-512 IFMA.
    Vector,
    /// One by one.
    Libsecp256k1,
}

impl core::fmt::Display for Backend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Vector => "vector (AVX-512 IFMA, eight at a time)",
            Self::Libsecp256k1 => "libsecp256k1 (one by one)",
        })
    }
}

/// Vectors were asked for where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this processor has no AVX-512 IFMA, which the vector backend needs")]
pub struct NoVectors;

/// A backend gave another outcome than libsecp256k1. It is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was asked.
    pub input: Input,
    /// What the backend said.
    pub vector: Outcome,
    /// What libsecp256k1 says, and what was handed out.
    pub libsecp256k1: Outcome,
}

/// A backend that recovers batches. Public so that a test can plant one that errs.
pub trait Engine: Send {
    /// Recovers; `outputs` is as long as `inputs`.
    fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome]);
}

impl<L: Lanes + Send> Engine for Batch<L> {
    fn recover(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
        Self::recover(self, inputs, outputs, &mut ());
    }
}

/// The settings of this process, once they are known.
static PROCESS: OnceLock<Setup> = OnceLock::new();

/// What the recoverers of a process share: the settings, and the switch that one mismatch throws for all.
#[derive(Clone, Debug)]
pub struct Setup {
    choice: Choice,
    sample: NonZeroU32,
    backend: Backend,
    /// Filled by the first mismatch; from then on libsecp256k1 does all.
    mismatch: Arc<OnceLock<Mismatch>>,
}

impl Default for Setup {
    /// [`Choice::Auto`], one in 1,024 checked.
    fn default() -> Self {
        let backend = if avx512::available() { Backend::Vector } else { Backend::Libsecp256k1 };
        Self { choice: Choice::Auto, sample: SAMPLE, backend, mismatch: Arc::default() }
    }
}

impl Setup {
    /// Settings: one vector outcome in `sample` is checked against libsecp256k1.
    ///
    /// # Errors
    /// [`NoVectors`] if vectors are forced and the processor has none.
    pub fn new(choice: Choice, sample: NonZeroU32) -> Result<Self, NoVectors> {
        let auto = Self { choice, sample, ..Self::default() };
        match (choice, auto.backend) {
            (Choice::Libsecp256k1, _) => Ok(Self { backend: Backend::Libsecp256k1, ..auto }),
            (Choice::Vector, Backend::Libsecp256k1) => Err(NoVectors),
            _ => Ok(auto),
        }
    }

    /// The backend that runs now.
    pub fn backend(&self) -> Backend {
        if self.mismatch.get().is_some() { Backend::Libsecp256k1 } else { self.backend }
    }

    /// The mismatch that switched the vectors off, if there was one.
    pub fn mismatch(&self) -> Option<&Mismatch> {
        self.mismatch.get()
    }

    /// Makes these the settings of the process: what [`Setup::of_process`] gives from now on. The first call counts.
    pub fn install(self) {
        PROCESS.get_or_init(|| self);
    }

    /// The settings of the process; the defaults, if nobody has installed any by now.
    pub fn of_process() -> Self {
        PROCESS.get_or_init(Self::default).clone()
    }
}

/// Recovers batches. The vectors' buffers, about half a megabyte, are made at the first batch that wants them and kept.
pub struct Recoverer {
    setup: Setup,
    pub(crate) engine: Option<Box<dyn Engine>>,
    /// Vector outcomes until the next that is checked.
    until_check: u64,
    /// Of the checks: what makes their places irregular, so that no lane is always or never the checked one.
    places: u64,
}

impl core::fmt::Debug for Recoverer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Recoverer").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Default for Recoverer {
    /// With the settings of the process.
    fn default() -> Self {
        Self::new(Setup::of_process())
    }
}

impl Recoverer {
    /// A recoverer with these settings.
    pub fn new(setup: Setup) -> Self {
        let mut recoverer = Self { setup, engine: None, until_check: 0, places: 0 };
        recoverer.until_check = recoverer.next_place();
        recoverer
    }

    /// A recoverer over some other engine, whatever the processor: for tests of the watch.
    pub fn over(engine: Box<dyn Engine>, setup: Setup) -> Self {
        let setup = Setup { backend: Backend::Vector, ..setup };
        Self { engine: Some(engine), ..Self::new(setup) }
    }

    /// What it was made with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Recovers any number of signatures. Allocates nothing once the buffers are there.
    ///
    /// # Panics
    /// If `outputs` is not as long as `inputs`.
    pub fn recover_batch(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
        assert_eq!(inputs.len(), outputs.len(), "an outcome for each input");
        let by_vector = match (self.setup.backend(), self.setup.choice) {
            (Backend::Libsecp256k1, _) => 0,
            (Backend::Vector, Choice::Auto) if inputs.len() % CHUNK < WORTH => inputs.len() - inputs.len() % CHUNK,
            (Backend::Vector, _) => inputs.len(),
        };
        let (vector_inputs, rest) = inputs.split_at(by_vector);
        let (vector_outputs, rest_outputs) = outputs.split_at_mut(by_vector);
        if !vector_inputs.is_empty() {
            let engine = self.engine.get_or_insert_with(|| Box::new(Batch::<Wide>::new()));
            engine.recover(vector_inputs, vector_outputs);
            if let Some(mismatch) = self.check(vector_inputs, vector_outputs) {
                self.setup.mismatch.get_or_init(|| mismatch);
                one_by_one(vector_inputs, vector_outputs);
            }
        }
        one_by_one(rest, rest_outputs);
    }

    /// Compares the sampled outcomes with libsecp256k1's.
    fn check(&mut self, inputs: &[Input], outputs: &[Outcome]) -> Option<Mismatch> {
        let mut at = self.until_check;
        let mut found = None;
        while let Some((input, &vector)) = usize::try_from(at).ok().and_then(|at| inputs.get(at).zip(outputs.get(at))) {
            let libsecp256k1 = libsecp::recover(input);
            if vector != libsecp256k1 {
                found.get_or_insert(Mismatch { input: *input, vector, libsecp256k1 });
            }
            at += 1 + self.next_place();
        }
        self.until_check = at - inputs.len() as u64;
        found
    }

    /// How many are passed over before the next check: 0 to 2 `sample` - 2, `sample` - 1 on average (a step of Steele,
    /// Lea and Flood's SplitMix64, "Fast splittable pseudorandom number generators", 2014).
    fn next_place(&mut self) -> u64 {
        self.places = self.places.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.places ^ self.places >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % (2 * u64::from(self.setup.sample.get()) - 1)
    }

    /// Keccak-256 of messages that lie in `bytes` at `spans`; `hashes` is as long as `spans`. Eight at a time where
    /// there are vectors.
    ///
    /// # Panics
    /// If the lengths differ or a span is not within `bytes`.
    pub fn hash_batch(&self, bytes: &[u8], spans: &[Range<usize>], hashes: &mut [[u8; 32]]) {
        assert_eq!(spans.len(), hashes.len(), "a hash for each message");
        // The signer is compared with libsecp256k1's, the hash with nobody's: it goes by the processor and the choice.
        if self.setup.choice == Choice::Libsecp256k1 || !avx512::available() {
            for (span, hash) in spans.iter().zip(hashes) {
                *hash = keccak::hash(&bytes[span.clone()]);
            }
            return;
        }
        for (spans, hashes) in spans.chunks(8).zip(hashes.chunks_mut(8)) {
            match (spans, &mut *hashes) {
                ([span], [hash]) => *hash = keccak::hash(&bytes[span.clone()]),
                _ => Wide::enter(HashEight::<Wide>::new(bytes, spans, hashes)),
            }
        }
    }
}

fn one_by_one(inputs: &[Input], outputs: &mut [Outcome]) {
    for (input, output) in inputs.iter().zip(outputs) {
        *output = libsecp::recover(input);
    }
}
