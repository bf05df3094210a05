//! How a transaction gets from JSON-RPC into the pipeline.

use std::future::Future;
use std::pin::Pin;

use alloy_primitives::{Address, B256, Bytes};
use horae_stages::Shed;

use crate::pipeline::Standing;

/// The answer to a submitted transaction: its hash once it is admitted, or why it was refused.
///
/// The pipeline refuses at once when it is full ([`Shed::Busy`]); the future itself must end in bounded time.
pub type Admission = Pin<Box<dyn Future<Output = Result<B256, Shed>> + Send>>;

/// The door of the pipeline. Implemented by the node core.
pub trait TransactionIntake: Send + Sync + 'static {
    /// Hands over one EIP-2718 encoding. Must not block: what cannot be taken at once is refused as busy.
    ///
    /// The transaction is handed over when this returns, not when the future is polled, so that transactions of one client
    /// keep their order.
    fn submit(&self, raw: Bytes) -> Admission;

    /// The nonce after the last transaction of a sender that was admitted and is not ordered yet, if this node knows one.
    ///
    /// Makes `eth_getTransactionCount` at `pending` count transactions under way. Must not block.
    fn next_nonce(&self, _sender: Address) -> Option<u64> {
        None
    }

    /// How a transaction stands that was handed over here and is in no block, if this node remembers. Must not block for long.
    fn standing(&self, _hash: &B256) -> Option<Standing> {
        None
    }

    /// The bytes of a transaction that waits, if this node remembers them.
    fn raw(&self, _hash: &B256) -> Option<Bytes> {
        None
    }
}
