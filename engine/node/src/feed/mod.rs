//! The feed: the chain as a stream that its reader can verify while holding nothing but the genesis of the control plane,
//! which is the validator set of epoch 0, the order of turns and the domain that signatures are bound to.
//!
//! | file | says |
//! |---|---|
//! | [`item`] | what the stream is made of |
//! | [`json`] | how it looks on the wire (`horae_subscribe`) and in other answers of JSON-RPC |
//! | [`source`] | from the chain view and the decided log to items: replay and live are one thing |
//! | [`verifier`] | the reader's side: items in, strengths out, or the first thing that is wrong |
//!
//! # The stream
//! Blocks come in ascending order from the position asked for. Before a block comes every decision of the control plane that
//! the block's header says it has applied, with the precommits of > 2/3 that decided it. So terms, heads of closed terms,
//! incarnations, and whatever else the control plane decides, reach the reader in the order in which blocks depend on them,
//! and it works them out with [`horae_control::ControlState`], the code that the nodes run.
//!
//! Certificates and commits follow the blocks they are for. The store keeps those that were formed, not one for every block: a
//! certificate or commit covers every block of its term below it, through the parent hashes. A block that no commit covers
//! is committed by the decision that closes its term with a head at or above it; the reader picks that head again itself.
//!
//! Ordered blocks may be taken back. [`item::Item::Void`] says from where on; their places are filled anew afterwards.

pub mod item;
pub mod json;
pub mod source;
#[cfg(test)]
pub(crate) mod testing;
pub mod verifier;

pub use item::{FeedBlock, Item};
pub use source::{Cursor, Decisions, FeedStart, SourceError};
pub use verifier::{FeedError, Told, Verifier};
