//! Calls that leave no trace: `eth_call` and `eth_estimateGas`, over any state.

use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};

use crate::header::Header;
use crate::shed::Shed;
use crate::state::{StateError, StateSource};

/// A call as JSON-RPC gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls; zero if not given. Needs no key and may have code.
    pub from: Address,
    /// Whom, or the creation of a contract.
    pub to: TxKind,
    /// Gas limit; the cap if not given.
    pub gas: Option<u64>,
    /// `gasPrice` or `maxFeePerGas`, in wei; the call is free (and `BASEFEE` zero) if not given.
    pub max_fee_per_gas: Option<u128>,
    /// `maxPriorityFeePerGas`, in wei.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei sent along.
    pub value: U256,
    /// Call data or creation code.
    pub data: Bytes,
    /// EIP-2930 access list.
    pub access_list: Option<AccessList>,
    /// EIP-7702 authorizations.
    pub authorizations: Vec<SignedAuthorization>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned.
    Returned {
        /// Return data (the contract's code after a creation).
        output: Bytes,
        /// Gas used.
        gas_used: u64,
        /// Logs.
        logs: Vec<Log>,
    },
    /// It reverted.
    Reverted {
        /// Revert data.
        output: Bytes,
        /// Gas used.
        gas_used: u64,
    },
    /// It ran out of gas or into an invalid instruction.
    Halted {
        /// What happened.
        reason: String,
        /// Gas used.
        gas_used: u64,
    },
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E: std::error::Error> {
    /// The call is not valid, or the sender cannot pay.
    #[error(transparent)]
    Invalid(#[from] Shed),
    /// Even the most gas allowed is not enough.
    #[error("gas required exceeds allowance ({allowance})")]
    OutOfGas {
        /// The most gas allowed.
        allowance: u64,
    },
    /// The call to estimate reverts.
    #[error("execution reverted")]
    Reverted {
        /// Revert data.
        output: Bytes,
    },
    /// The call to estimate fails in another way.
    #[error("{reason}")]
    Halted {
        /// What happened.
        reason: String,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// Executes a call on the state after `header`'s block, as if in that block. Gas is capped at `gas_cap`.
pub fn call<S: StateSource>(source: &S, header: &Header, chain_id: u64, request: &CallRequest, gas_cap: u64) -> Result<CallOutcome, CallError<S::Error>> {
    todo!()
}

/// The least gas with which the call succeeds, to within 1.5 %, by the search go-ethereum does.
pub fn estimate_gas<S: StateSource>(source: &S, header: &Header, chain_id: u64, request: &CallRequest, gas_cap: u64) -> Result<u64, CallError<S::Error>> {
    todo!()
}
