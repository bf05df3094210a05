//! Tests that take more than one stage, and what they share.
#![allow(clippy::unwrap_used)]

mod admit;
mod call;
mod decode;
mod execute;
mod fixture;
mod follow;
mod forced;
mod mainnet;
mod pack;
mod protocol;
mod root;
mod round_trip;
mod rules;
mod seal;
mod state;
mod trie;
