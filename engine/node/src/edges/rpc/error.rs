//! JSON-RPC errors, in go-ethereum's codes and words where it has them, since tools match on both.

use alloy_primitives::{B256, Bytes, hex};
use horae_stages::Shed;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE};

use crate::chain_view::StateUnavailable;
use crate::edges::store::StoreError;
use crate::feed::SourceError;

/// Anything that has no code of its own.
const SERVER_ERROR: i32 = -32000;
/// EIP-1474: a limit of the node.
const LIMIT_EXCEEDED: i32 = -32005;
/// go-ethereum: blocks that the node no longer keeps.
const PRUNED: i32 = 4444;
/// go-ethereum: the call reverted; the data is the revert data.
const REVERTED: i32 = 3;
/// EIP-7966: the transaction was taken, but not confirmed in time; the data is its hash.
const NOT_CONFIRMED_IN_TIME: i32 = 4;

pub(super) fn invalid(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
}

pub(super) fn server(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(SERVER_ERROR, message, None::<()>)
}

pub(super) fn limit(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(LIMIT_EXCEEDED, message, None::<()>)
}

pub(super) fn internal(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, message, None::<()>)
}

pub(super) fn busy() -> ErrorObjectOwned {
    refused(&Shed::Busy)
}

pub(super) fn refused(why: &Shed) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(why.code(), why.to_string(), None::<()>)
}

pub(super) fn header_not_found() -> ErrorObjectOwned {
    server("header not found")
}

pub(super) fn pruned(lowest: u64) -> ErrorObjectOwned {
    let message = format!("pruned history unavailable: this node keeps blocks from {lowest} on");
    ErrorObjectOwned::owned(PRUNED, message, None::<()>)
}

pub(super) fn not_confirmed(hash: B256, timeout_ms: u64, strength: &str) -> ErrorObjectOwned {
    let message = format!("transaction {hash} was accepted but is not {strength} after {timeout_ms} ms");
    ErrorObjectOwned::owned(NOT_CONFIRMED_IN_TIME, message, Some(hash))
}

/// The words of a feed's end; those of a disk go to the log.
pub(super) fn feed(error: &SourceError) -> ErrorObjectOwned {
    match error {
        SourceError::BlocksPruned { .. } | SourceError::DecisionsPruned { .. } => {
            ErrorObjectOwned::owned(PRUNED, error.to_string(), None::<()>)
        }
        SourceError::Ahead { .. } => invalid(error.to_string()),
        SourceError::Store(error) => store(error),
        SourceError::Decisions(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
            server("the node is still reading its decided log: subscribe again")
        }
        SourceError::Decisions(why) => {
            tracing::error!(%why, "the decided log could not be read for a feed");
            internal("the node cannot read its decided log: see its log")
        }
    }
}

/// The store's words go to the log: a client can do nothing with a path on our disk.
pub(super) fn store(error: &StoreError) -> ErrorObjectOwned {
    tracing::error!(%error, "the state store could not be read for a client");
    internal("the node cannot read its state: see its log")
}

pub(super) fn state(error: &StateUnavailable) -> ErrorObjectOwned {
    match error {
        StateUnavailable::Pruned { .. } => server(error.to_string()),
        StateUnavailable::Store(error) => store(error),
    }
}

pub(super) fn reverted(output: &Bytes) -> ErrorObjectOwned {
    let message = match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    };
    ErrorObjectOwned::owned(REVERTED, message, Some(hex::encode_prefixed(output)))
}

/// The text of Solidity's `Error(string)`, or the name of its `Panic(uint256)`.
fn revert_reason(output: &[u8]) -> Option<String> {
    use alloy::sol_types::{Panic, Revert, SolError};
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    Panic::abi_decode(output).ok().map(|panic| panic.to_string())
}
