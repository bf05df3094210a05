//! Who signed: the address behind an ECDSA signature over secp256k1, eight signatures at a time.
//!
//! [`Recoverer::recover_batch`] takes any number of signatures. Where the processor has AVX-512 IFMA it works on eight in
//! each register (`batch.rs` tells how); elsewhere, and for bursts too small to fill a register, libsecp256k1 recovers them
//! one by one. Everything here is public data, so nothing is constant in time.
//!
//! The answers are those of libsecp256k1 for every input: formulas that do not hold for some points notice it, and such
//! lanes are recovered again by libsecp256k1 (`point.rs`). Besides, one outcome in some (a setting) is checked as it goes;
//! one mismatch switches the vectors off for the whole process ([`Setup::mismatch`] tells of it) and the
//! batch is done again.
//!
//! | file | what it holds |
//! |---|---|
//! | `lanes.rs`, `avx512.rs`, `portable.rs`, `two.rs` | eight (or sixteen) limbs at once |
//! | `field.rs`, `root.rs` | modulo p, with every bound derived |
//! | `scalar.rs` | modulo n, and digits |
//! | `invert.rs`, `modinv.rs` | one inversion for many |
//! | `point.rs`, `base.rs` | points, multiples of the generator |
//! | `batch.rs` | the whole recovery |
//! | `keccak.rs` | addresses and hashes |
//! | `libsecp.rs`, `recoverer.rs` | the other backend, the choice, the watch |
//! | `anatomy.rs` | what is counted and timed |
//!
//! Pure: no thread, clock, file or socket.
#![allow(unsafe_code, reason = "vector arithmetic; `avx512.rs` is the only file that has any")]

pub mod anatomy;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_avx512.rs")]
mod avx512;
mod base;
mod batch;
mod field;
mod input;
mod invert;
mod keccak;
mod lanes;
mod libsecp;
mod modinv;
mod point;
mod portable;
mod recoverer;
mod root;
mod scalar;
mod two;

pub use batch::Phase;
pub use input::{Input, Outcome, RecoverError};
pub use portable::Tally;
pub use recoverer::{Backend, Choice, Engine, Mismatch, NoVectors, Recoverer, Setup};

/// Recovers one signature by libsecp256k1: the judge in tests and benches.
pub fn recover_by_libsecp256k1(input: &Input) -> Outcome {
    libsecp::recover(input)
}

#[cfg(test)]
mod tests;
