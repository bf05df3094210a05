//! Senders from signatures.
#![allow(unsafe_code, reason = "vector arithmetic; see `avx512.rs`, the only file with `unsafe`")]

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

pub use input::{Input, Outcome, RecoverError};
#[cfg(test)]
mod tests;
