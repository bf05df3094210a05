//! `eth_call` and `eth_estimateGas`: from the client's request to the stages' and back, with overrides.

use std::collections::HashMap;

use alloy::rpc::types::state::{AccountOverride, StateOverride};
use alloy::rpc::types::{BlockOverrides, TransactionRequest};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use horae_stages::call::{CallError, CallOutcome, CallRequest, call, estimate_gas};
use horae_stages::{Account, Header, StateSource};
use jsonrpsee::core::RpcResult;
use jsonrpsee::types::ErrorObjectOwned;

use super::context::Named;
use super::error;
use super::limits::CALL_GAS_CAP;
use crate::edges::store::StoreError;

/// What a client asked for, checked.
pub(super) struct Call {
    request: CallRequest,
    state: StateOverride,
    block: Option<Box<BlockOverrides>>,
}

impl Call {
    pub(super) fn new(
        request: TransactionRequest,
        state: Option<StateOverride>,
        block: Option<Box<BlockOverrides>>,
        chain_id: u64,
    ) -> RpcResult<Self> {
        let request = request_of(request, chain_id)?;
        Ok(Self { request, state: state.unwrap_or_default(), block })
    }

    pub(super) fn run(self, on: &Named, chain_id: u64) -> RpcResult<Bytes> {
        let header = overridden_header(on.header()?, self.block)?;
        let state = Overridden::new(on.state()?, self.state)?;
        match call(&state, &header, chain_id, &self.request, CALL_GAS_CAP).map_err(|e| failed(&e))? {
            CallOutcome::Returned { output, .. } => Ok(output),
            CallOutcome::Reverted { output, .. } => Err(error::reverted(&output)),
            CallOutcome::Halted { reason, .. } => Err(error::server(reason)),
        }
    }

    pub(super) fn estimate(self, on: &Named, chain_id: u64) -> RpcResult<u64> {
        let header = overridden_header(on.header()?, self.block)?;
        let state = Overridden::new(on.state()?, self.state)?;
        estimate_gas(&state, &header, chain_id, &self.request, CALL_GAS_CAP).map_err(|e| failed(&e))
    }
}

fn failed(why: &CallError<StoreError>) -> ErrorObjectOwned {
    match why {
        CallError::Reverted { output } => error::reverted(output),
        CallError::Invalid(shed) => error::refused(shed),
        CallError::State(horae_stages::StateError::Source(e)) => error::store(e),
        other => error::server(other.to_string()),
    }
}

fn request_of(request: TransactionRequest, chain_id: u64) -> RpcResult<CallRequest> {
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(error::invalid("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
    }
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(error::invalid("transaction type not supported: blobs"));
    }
    if let Some(have) = request.chain_id.filter(|have| *have != chain_id) {
        return Err(error::invalid(format!("chainId does not match node's (have={have}, want={chain_id})")));
    }
    let (input, data) = (request.input.input, request.input.data);
    if input.is_some() && data.is_some() && input != data {
        let message =
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data";
        return Err(error::invalid(message));
    }
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: request.to.unwrap_or(TxKind::Create),
        gas: request.gas,
        max_fee_per_gas: request.max_fee_per_gas.or(request.gas_price),
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        data: input.or(data).unwrap_or_default(),
        access_list: request.access_list,
        authorizations: request.authorization_list.unwrap_or_default(),
    })
}

fn overridden_header(mut header: Header, overrides: Option<Box<BlockOverrides>>) -> RpcResult<Header> {
    let Some(overrides) = overrides else { return Ok(header) };
    if overrides.block_hash.is_some() || overrides.difficulty.is_some_and(|d| !d.is_zero()) {
        return Err(error::invalid("block overrides of difficulty and block hashes are not supported"));
    }
    let small = |name: &str, value: U256| {
        u64::try_from(value).map_err(|_| error::invalid(format!("block override of {name} does not fit 64 bits")))
    };
    if let Some(number) = overrides.number {
        header.number = small("number", number)?;
    }
    if let Some(seconds) = overrides.time {
        header.timestamp_ms =
            seconds.checked_mul(1_000).ok_or_else(|| error::invalid("block override of time too large"))?;
    }
    if let Some(base_fee) = overrides.base_fee {
        header.base_fee = small("base fee", base_fee)?;
    }
    header.gas_limit = overrides.gas_limit.unwrap_or(header.gas_limit);
    header.fee_recipient = overrides.coinbase.unwrap_or(header.fee_recipient);
    header.prevrandao = overrides.random.unwrap_or(header.prevrandao);
    Ok(header)
}

/// A state with some accounts as a client would have them.
struct Overridden<S> {
    source: S,
    accounts: StateOverride,
    codes: HashMap<B256, Bytes>,
}

impl<S> Overridden<S> {
    fn new(source: S, accounts: StateOverride) -> RpcResult<Self> {
        for (address, account) in &accounts {
            if account.state.is_some() && account.state_diff.is_some() {
                return Err(error::invalid(format!("account {address} has both 'state' and 'stateDiff'")));
            }
            if account.move_precompile_to.is_some() {
                return Err(error::invalid("moving precompiles is not supported"));
            }
        }
        let codes = accounts.values().filter_map(|a| a.code.as_ref());
        let codes = codes.filter(|code| !code.is_empty()).map(|code| (keccak256(code), code.clone())).collect();
        Ok(Self { source, accounts, codes })
    }
}

fn apply(account: &mut Account, with: &AccountOverride) {
    account.balance = with.balance.unwrap_or(account.balance);
    account.nonce = with.nonce.unwrap_or(account.nonce);
    if let Some(code) = &with.code {
        account.code_hash = keccak256(code);
    }
}

impl<S: StateSource> StateSource for Overridden<S> {
    type Error = S::Error;

    fn account(&self, address: Address) -> Result<Option<Account>, S::Error> {
        let account = self.source.account(address)?;
        let Some(with) = self.accounts.get(&address) else { return Ok(account) };
        let mut account = account.unwrap_or_default();
        apply(&mut account, with);
        Ok((!account.is_empty()).then_some(account))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, S::Error> {
        let with = self.accounts.get(&address);
        let key = B256::from(slot);
        if let Some(state) = with.and_then(|a| a.state.as_ref()) {
            return Ok(state.get(&key).map_or(U256::ZERO, |value| (*value).into()));
        }
        match with.and_then(|a| a.state_diff.as_ref()?.get(&key)) {
            Some(value) => Ok((*value).into()),
            None => self.source.storage(address, slot),
        }
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, S::Error> {
        match self.codes.get(&code_hash) {
            Some(code) => Ok(Some(code.clone())),
            None => self.source.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, S::Error> {
        self.source.block_hash(number)
    }
}
