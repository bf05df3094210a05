//! The pipeline of a sequencer as pure logic: one file a stage, and what the stages share.
//!
//! A transaction walks `decode -> dedup -> recover -> admit -> order -> seal` (which calls `execute`); a follower walks
//! `follow`, which calls the same `execute`; committed blocks walk `pack`. Nothing in this crate has a thread, a clock, a
//! socket, a file or randomness of its own: time comes in as `now_ms`, unix milliseconds.
//!
//! Each stage's output is a type that only that stage can make ([`Decoded`], [`Fresh`], [`Recovered`], [`Ready`]), so a
//! stage cannot be skipped or swapped by mistake. `CHAIN.md` is the page of chain rules, [`rules`] the code that applies them.

pub mod admit;
mod cache;
pub mod call;
pub mod changes;
pub mod decode;
pub mod dedup;
mod evm;
pub mod execute;
pub mod follow;
pub mod genesis;
pub mod header;
pub mod limits;
pub mod memory;
pub mod order;
mod ordered_root;
pub mod overlay;
pub mod pack;
pub mod params;
pub mod parcel;
pub mod protocol;
pub mod recover;
pub mod root;
pub mod rules;
pub mod seal;
pub mod shed;
pub mod state;
pub mod transaction;
pub mod trie;

pub use admit::{Admit, Ready, Verdict};
pub use alloy_consensus::TxEnvelope;
pub use changes::{Account, BlockChanges};
pub use decode::{Decode, DecodePolicy, Decoded};
pub use dedup::{Dedup, Fresh};
pub use execute::{ExecutedBlock, Executor};
pub use follow::{BlockError, RecoveredBlock, execute_block, recover_block};
pub use genesis::Genesis;
pub use header::{Block, Header, L1View, transactions_root};
pub use memory::MemoryState;
pub use order::{Arrival, Order, PriorityFee};
pub use overlay::Overlay;
pub use params::ChainParams;
pub use parcel::{Frame, Rejected, TxBody};
pub use protocol::{Due, ForcedEntry, FromL1, Position, ProtocolTx};
pub use recover::{Recover, Recovered};
pub use seal::{Applied, Offered, Sealer, SlotContext};
pub use shed::Shed;
pub use state::{HotState, StateError, StateSource};
pub use transaction::{AnyReceipt, AnyTx, BlockTx, TxReceipt};

#[cfg(test)]
mod tests;
