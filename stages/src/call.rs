//! Calls that leave no trace: `eth_call` and `eth_estimateGas`, over any state.

use alloy_consensus::TxType;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use revm::MainBuilder;
use revm::context::TxEnv;
use revm::context_interface::either::Either;
use revm::context_interface::result::{ExecutionResult, HaltReason};
use revm::handler::{Handler, MainnetContext, MainnetEvm};

use crate::evm::{self, ChainHandler};
use crate::execute::ExecuteError;
use crate::header::Header;
use crate::limits;
use crate::rules::HeaderInputs;
use crate::shed::Shed;
use crate::state::{HotState, StateError, StateSource};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// Gas a call with value gives its callee.
const CALL_STIPEND: u64 = 2_300;

/// The search for the least gas ends when what is left to search is below this part (1.5 %).
const ERROR_RATIO: (u64, u64) = (15, 1_000);

/// Entries of each kind kept from one run of a call to the next.
const CACHED_ENTRIES: usize = 4_096;

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

/// Executes a call on the state after `header`'s block, as if in that block. Gas is capped at `gas_cap` and at the block's
/// gas limit.
pub fn call<S: StateSource>(
    source: &S,
    header: &Header,
    chain_id: u64,
    request: &CallRequest,
    gas_cap: u64,
) -> Result<CallOutcome, CallError<S::Error>> {
    let cap = gas_cap.min(header.gas_limit);
    let gas = request.gas.unwrap_or(cap).min(cap);
    let outcome = Simulation::new(source, header, chain_id).run(request, gas)?;
    Ok(match outcome {
        ExecutionResult::Success { output, gas, logs, .. } => {
            CallOutcome::Returned { output: output.into_data(), gas_used: gas.tx_gas_used(), logs }
        }
        ExecutionResult::Revert { output, gas, .. } => CallOutcome::Reverted { output, gas_used: gas.tx_gas_used() },
        ExecutionResult::Halt { reason, gas, .. } => {
            CallOutcome::Halted { reason: reason.to_string(), gas_used: gas.tx_gas_used() }
        }
    })
}

/// The least gas with which the call succeeds, to within 1.5 %, by the search go-ethereum does (`eth/gasestimator`).
pub fn estimate_gas<S: StateSource>(
    source: &S,
    header: &Header,
    chain_id: u64,
    request: &CallRequest,
    gas_cap: u64,
) -> Result<u64, CallError<S::Error>> {
    let mut simulation = Simulation::new(source, header, chain_id);
    let mut high = gas_cap.min(header.gas_limit).min(limits::TRANSACTION_GAS_CAP);
    high = request.gas.unwrap_or(high).min(high);
    if let Some(price) = request.max_fee_per_gas.filter(|price| *price > 0) {
        let balance = source.account(request.from).map_err(StateError::Source)?.unwrap_or_default().balance;
        let left =
            balance.checked_sub(request.value).ok_or(Shed::InsufficientFunds { balance, cost: request.value })?;
        high = u64::try_from(left / U256::from(price)).map_or(high, |allowance| allowance.min(high));
    }
    if is_transfer(source, request)? && high >= TRANSFER_GAS && simulation.run(request, TRANSFER_GAS)?.is_success() {
        return Ok(TRANSFER_GAS);
    }

    let first = match simulation.run(request, high) {
        Err(CallError::Invalid(Shed::IntrinsicGas { .. } | Shed::FloorDataGas { .. })) => {
            return Err(CallError::OutOfGas { allowance: high });
        }
        first => first?,
    };
    let gas = match first {
        ExecutionResult::Success { gas, .. } => gas,
        ExecutionResult::Revert { output, .. } => return Err(CallError::Reverted { output }),
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => {
            return Err(CallError::OutOfGas { allowance: high });
        }
        ExecutionResult::Halt { reason, .. } => return Err(CallError::Halted { reason: reason.to_string() }),
    };
    let mut low = gas.tx_gas_used().saturating_sub(1);
    // What a call holds back for its caller (EIP-150), and the refund that comes only at the end.
    let guess = (gas.tx_gas_used() + gas.inner_refunded() + CALL_STIPEND) * 64 / 63;
    if guess < high {
        if simulation.succeeds(request, guess)? { high = guess } else { low = guess }
    }
    while low + 1 < high && (high - low) * ERROR_RATIO.1 >= high * ERROR_RATIO.0 {
        let middle = ((high + low) / 2).min(low.saturating_mul(2));
        if simulation.succeeds(request, middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}

/// Ether to an account without code, and nothing else: always [`TRANSFER_GAS`].
fn is_transfer<S: StateSource>(source: &S, request: &CallRequest) -> Result<bool, StateError<S::Error>> {
    let TxKind::Call(to) = request.to else { return Ok(false) };
    if !request.data.is_empty() || request.access_list.is_some() || !request.authorizations.is_empty() {
        return Ok(false);
    }
    let account = source.account(to).map_err(StateError::Source)?;
    Ok(account.is_none_or(|account| !account.has_code()))
}

/// An EVM over a state that nothing is ever written to; reads are cached from one run to the next.
struct Simulation<'a, S: StateSource> {
    evm: MainnetEvm<MainnetContext<HotState<&'a S>>>,
    chain_id: u64,
    base_fee: u64,
}

impl<'a, S: StateSource> Simulation<'a, S> {
    fn new(source: &'a S, header: &Header, chain_id: u64) -> Self {
        let state = HotState::new(source, header.number, header.hash(), CACHED_ENTRIES);
        let mut context = evm::context(state, chain_id);
        context.cfg.tx_gas_limit_cap = Some(u64::MAX);
        evm::set_block(&mut context.block, &HeaderInputs::of(header));
        Self { evm: context.build_mainnet(), chain_id, base_fee: header.base_fee }
    }

    /// Without a price the call is free, which takes a base fee of zero.
    fn run(&mut self, request: &CallRequest, gas: u64) -> Result<ExecutionResult, CallError<S::Error>> {
        let price = request.max_fee_per_gas.unwrap_or(0);
        let context = &mut self.evm.ctx;
        context.block.basefee = if price == 0 { 0 } else { self.base_fee };
        context.tx = tx_env(request, self.chain_id, gas, price);
        let result = ChainHandler::calls().run(&mut self.evm);
        let context = &mut self.evm.ctx;
        drop(context.journaled_state.inner.finalize());
        result.map_err(|error| match evm::shed_or_state(error, &context.tx, context.block.basefee) {
            ExecuteError::Shed(why) => CallError::Invalid(why),
            ExecuteError::State(error) => CallError::State(error),
        })
    }

    fn succeeds(&mut self, request: &CallRequest, gas: u64) -> Result<bool, CallError<S::Error>> {
        match self.run(request, gas) {
            Ok(result) => Ok(result.is_success()),
            Err(CallError::Invalid(Shed::IntrinsicGas { .. } | Shed::FloorDataGas { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn tx_env(request: &CallRequest, chain_id: u64, gas: u64, price: u128) -> TxEnv {
    let tx_type = if !request.authorizations.is_empty() {
        TxType::Eip7702
    } else if request.max_priority_fee_per_gas.is_some() {
        TxType::Eip1559
    } else if request.access_list.is_some() {
        TxType::Eip2930
    } else {
        TxType::Legacy
    };
    let dynamic = matches!(tx_type, TxType::Eip1559 | TxType::Eip7702);
    TxEnv {
        tx_type: tx_type.into(),
        caller: request.from,
        gas_limit: gas,
        gas_price: price,
        gas_priority_fee: dynamic.then(|| request.max_priority_fee_per_gas.unwrap_or(0)),
        kind: request.to,
        value: request.value,
        data: request.data.clone(),
        nonce: 0,
        chain_id: Some(chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: request.authorizations.iter().cloned().map(Either::Left).collect(),
    }
}
