//! The L1 edge: what the node reads of Ethereum and what it sends there, over JSON-RPC by HTTP.
//!
//! Reading is by [`L1`], sending by [`Sender`]. Every call is bounded in time and in tries ([`limits`]) and then answers with an [`L1Error`]
//! that says what to do; nothing here holds a lock or a thread while L1 is away. Nothing is trusted to stay: whoever reads a range says
//! which hash its last block must have, and whoever sends asks later whether the transaction is still included.

mod account;
mod batches;
mod client;
pub mod deploy;
mod error;
mod events;
pub mod evidence;
pub mod forced;
pub mod limits;
mod read;
pub mod rewards;
mod send;

pub use account::Account;
pub use batches::AcceptedBatch;
pub use client::L1;
pub use error::L1Error;
pub use read::{InboxState, L1Block};
pub use send::{Included, Sender};

#[cfg(test)]
mod tests;
