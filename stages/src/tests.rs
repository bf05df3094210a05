//! Tests that take more than one stage, and what they share.
#![allow(clippy::unwrap_used)]

mod fixture;
mod mainnet;
mod round_trip;
