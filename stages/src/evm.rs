//! The EVM as this chain configures it: hard fork, fees to the recipient, transactions and headers in its own shapes.

use std::marker::PhantomData;

use alloy_consensus::{Transaction, TxEnvelope, Typed2718};
use alloy_primitives::{Address, U256};
use revm::context::{BlockEnv, CfgEnv, ContextTr, JournalTr, TxEnv};
use revm::context_interface::Transaction as _;
use revm::context_interface::either::Either;
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::context_interface::result::{EVMError, HaltReason, InvalidTransaction};
use revm::database_interface::Database;
use revm::handler::evm::FrameTr;
use revm::handler::{EvmTr, EvmTrError, FrameResult, Handler, MainnetContext, pre_execution};
use revm::interpreter::InitialAndFloorGas;
use revm::interpreter::interpreter_action::FrameInit;
use revm::primitives::eip3860::MAX_INITCODE_SIZE;
use revm::state::EvmState;
use revm::{Context, MainContext};

use crate::execute::ExecuteError;
use crate::protocol::{self, ProtocolTx};
use crate::rules::{self, HeaderInputs};
use crate::shed::Shed;
use crate::state::StateError;

/// An EVM context over a database, by the rules of this chain.
pub(crate) fn context<D: Database>(database: D, chain_id: u64) -> MainnetContext<D> {
    let mut cfg = CfgEnv::new().with_spec_and_mainnet_gas_params(rules::SPEC).with_chain_id(chain_id);
    cfg.tx_chain_id_check = true;
    Context::mainnet().with_cfg(cfg).with_db(database)
}

/// The block environment of a header.
pub(crate) fn set_block(block: &mut BlockEnv, inputs: &HeaderInputs) {
    block.number = U256::from(inputs.number);
    block.beneficiary = inputs.fee_recipient;
    block.timestamp = U256::from(inputs.timestamp_ms / 1_000);
    block.gas_limit = inputs.gas_limit;
    block.basefee = inputs.base_fee;
    block.prevrandao = Some(inputs.prevrandao);
}

/// The transaction environment of a transaction; calldata is shared, not copied.
pub(crate) fn set_tx(env: &mut TxEnv, tx: &TxEnvelope, sender: Address) {
    env.tx_type = tx.ty();
    env.caller = sender;
    env.gas_limit = tx.gas_limit();
    env.gas_price = tx.max_fee_per_gas();
    env.gas_priority_fee = tx.max_priority_fee_per_gas();
    env.kind = tx.kind();
    env.value = tx.value();
    env.data = tx.input().clone();
    env.nonce = tx.nonce();
    env.chain_id = tx.chain_id();
    env.access_list = tx.access_list().cloned().unwrap_or_default();
    env.authorization_list.clear();
    let authorizations = tx.authorization_list().unwrap_or_default();
    env.authorization_list.extend(authorizations.iter().cloned().map(Either::Left));
}

/// The transaction environment of a protocol transaction: of a type that the EVM asks no fees of, at a price of zero.
pub(crate) fn set_protocol_tx(env: &mut TxEnv, tx: &ProtocolTx) {
    env.tx_type = protocol::TYPE;
    env.caller = tx.from;
    env.gas_limit = tx.gas;
    env.gas_price = 0;
    env.gas_priority_fee = None;
    env.kind = tx.to;
    env.value = tx.value;
    env.data = tx.data.clone();
    env.nonce = 0;
    env.chain_id = None;
    env.access_list = Default::default();
    env.authorization_list.clear();
}

/// Who stands behind what is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A signature.
    Signed,
    /// Nobody: it is a call that leaves no trace. EIP-3607 and the nonce are not checked.
    Call,
    /// The protocol, which gives the sender this much first. EIP-3607 and the nonce are not checked.
    Protocol { mint: U256 },
}

/// Ethereum's handler, but nobody is credited the fees (the block does that when it closes, `CHAIN.md`), and an account with
/// code may send what nobody signed.
pub(crate) struct ChainHandler<EVM, ERROR, FRAME> {
    origin: Origin,
    types: PhantomData<(EVM, ERROR, FRAME)>,
}

impl<EVM, ERROR, FRAME> ChainHandler<EVM, ERROR, FRAME> {
    /// For signed transactions.
    pub(crate) fn transactions() -> Self {
        Self { origin: Origin::Signed, types: PhantomData }
    }

    /// For `eth_call` and its kin.
    pub(crate) fn calls() -> Self {
        Self { origin: Origin::Call, types: PhantomData }
    }

    /// For a protocol transaction that mints this much.
    pub(crate) fn protocol(mint: U256) -> Self {
        Self { origin: Origin::Protocol { mint }, types: PhantomData }
    }
}

impl<EVM, ERROR, FRAME> Handler for ChainHandler<EVM, ERROR, FRAME>
where
    EVM: EvmTr<Context: ContextTr<Journal: JournalTr<State = EvmState>>, Frame = FRAME>,
    ERROR: EvmTrError<EVM>,
    FRAME: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(&self, evm: &mut EVM, _: &mut InitialAndFloorGas) -> Result<(), ERROR> {
        let mint = match self.origin {
            Origin::Signed => return pre_execution::validate_against_state_and_deduct_caller(evm.ctx()),
            Origin::Call => U256::ZERO,
            Origin::Protocol { mint } => mint,
        };
        let (block, tx, cfg, journal, _, _) = evm.ctx().all_mut();
        let mut caller = journal.load_account_with_code_mut(tx.caller())?.data;
        let balance = pre_execution::calculate_caller_fee(caller.balance().saturating_add(mint), tx, block, cfg)?;
        caller.set_balance(balance);
        if tx.kind().is_call() {
            caller.bump_nonce();
        }
        Ok(())
    }

    fn reward_beneficiary(&self, _: &mut EVM, _: &mut FrameResult) -> Result<(), ERROR> {
        Ok(())
    }
}

/// What the EVM says about a transaction, in the words of [`Shed`].
pub(crate) fn shed_or_state<E: std::error::Error>(
    error: EVMError<StateError<E>>,
    tx: &TxEnv,
    base_fee: u64,
) -> ExecuteError<E> {
    match error {
        EVMError::Transaction(why) => ExecuteError::Shed(shed(why, tx, base_fee)),
        EVMError::Database(error) => ExecuteError::State(error),
        EVMError::Header(error) => ExecuteError::State(StateError::Evm(error.to_string())),
        EVMError::Custom(text) => ExecuteError::State(StateError::Evm(text)),
        EVMError::CustomAny(error) => ExecuteError::State(StateError::Evm(error.to_string())),
    }
}

fn shed(why: InvalidTransaction, tx: &TxEnv, base_fee: u64) -> Shed {
    use InvalidTransaction as Why;
    match why {
        Why::PriorityFeeGreaterThanMaxFee => {
            Shed::TipAboveFeeCap { tip: tx.gas_priority_fee.unwrap_or(0), cap: tx.gas_price }
        }
        Why::GasPriceLessThanBasefee => Shed::FeeCapTooLow { cap: tx.gas_price, base_fee },
        Why::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            Shed::IntrinsicGas { have: gas_limit, want: initial_gas }
        }
        Why::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            Shed::FloorDataGas { have: gas_limit, want: gas_floor }
        }
        Why::RejectCallerWithCode => Shed::SenderNotEoa(tx.caller),
        Why::LackOfFundForMaxFee { fee, balance } => Shed::InsufficientFunds { balance: *balance, cost: *fee },
        Why::OverflowPaymentInTransaction => Shed::InsufficientFunds { balance: U256::ZERO, cost: U256::MAX },
        Why::NonceOverflowInTransaction => Shed::NonceMax,
        Why::NonceTooHigh { tx, state } => Shed::NonceTooHigh { next: state, have: tx },
        Why::NonceTooLow { tx, state } => Shed::NonceTooLow { next: state, have: tx },
        Why::CreateInitCodeSizeLimit => Shed::InitCodeTooLong { size: tx.data.len(), limit: MAX_INITCODE_SIZE },
        Why::TxGasLimitGreaterThanCap { gas_limit, cap } => Shed::GasLimitTooHigh { have: gas_limit, cap },
        Why::EmptyAuthorizationList => Shed::EmptyAuthorizationList,
        other => Shed::Evm(other.to_string()),
    }
}
