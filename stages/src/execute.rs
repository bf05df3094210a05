//! Execute runs transactions on the hot state, one block at a time.
//!
//! The same code runs for a sequencer's own block, a follower's check, a replay of the journal and a derivation from L1. A
//! user's transaction that cannot be in a block leaves no trace; one that reverts is in it. A protocol transaction is in it
//! whatever becomes of it. What users pay is credited when the block closes.

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom, Transaction, TxEnvelope, Typed2718};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U256, logs_bloom};
use revm::MainBuilder;
use revm::bytecode::Bytecode;
use revm::context_interface::result::EVMError;
use revm::handler::{EthFrame, Handler, MainnetContext, MainnetEvm};
use revm::state::EvmState;

use crate::changes::{Account, BlockChanges, ChangesHasher, TxChanges};
use crate::evm::{self, ChainHandler};
use crate::header::{Block, Header, transactions_root};
use crate::ordered_root::ordered_root;
use crate::params::ChainParams;
use crate::protocol::{self, ProtocolTx};
use crate::rules::{self, HeaderInputs};
use crate::shed::Shed;
use crate::state::{Change, HotState, StateError, StateSource, sorted_changes};
use crate::transaction::{AnyReceipt, AnyTx, BlockTx, TxReceipt};

/// What [`ChainParams::carrier_share`] is counted in.
const SHARES: u64 = 10_000;

/// A block with everything its execution brought. Shared behind an `Arc` by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// The block hash.
    pub hash: B256,
    /// Header and encodings.
    pub block: Block,
    /// The decoded transactions, in order.
    pub transactions: Vec<BlockTx>,
    /// Their receipts, in order.
    pub receipts: Vec<TxReceipt>,
    /// What the block changed in the state.
    pub changes: BlockChanges,
}

impl ExecutedBlock {
    /// The transactions that users signed, each with its encoding, in order.
    pub fn signed(&self) -> impl ExactSizeIterator<Item = (&BlockTx, &Bytes)> {
        let protocol = protocol::count(&self.block.transactions);
        self.transactions[protocol..].iter().zip(&self.block.transactions[protocol..])
    }
}

/// Why a transaction could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// It cannot be in this block; the state is as before.
    #[error(transparent)]
    Shed(#[from] Shed),
    /// The state could not be read; the state is as before.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// The block being executed.
struct Open {
    inputs: HeaderInputs,
    gas_used: u64,
    /// What users have paid, in wei.
    fees: U256,
    /// Entries of the forced queue.
    forced: u64,
    changes: ChangesHasher,
    transactions: Vec<BlockTx>,
    receipts: Vec<TxReceipt>,
}

type Evm<S> = MainnetEvm<MainnetContext<HotState<S>>>;
type Failed<S> = EVMError<StateError<<S as StateSource>::Error>>;
type Transactions<S> = ChainHandler<Evm<S>, Failed<S>, EthFrame>;

/// The hot state with an EVM over it, and the block being executed, if any.
pub struct Executor<S: StateSource> {
    evm: Evm<S>,
    open: Option<Open>,
    scratch: Scratch,
}

impl<S: StateSource> std::fmt::Debug for Executor<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = self.open.as_ref().map(|open| &open.inputs);
        f.debug_struct("Executor").field("number", &self.state().number()).field("open", &open).finish_non_exhaustive()
    }
}

impl<S: StateSource> Executor<S> {
    /// An executor on this state for a chain with this EIP-155 id.
    pub fn new(state: HotState<S>, chain_id: u64) -> Self {
        let evm = evm::context(state, chain_id).build_mainnet();
        Self { evm, open: None, scratch: Scratch::default() }
    }

    /// The state, with the effects of the open block's transactions so far.
    pub fn state(&self) -> &HotState<S> {
        &self.evm.ctx.journaled_state.database
    }

    /// The state, to read through its cache, roll back or forget. Rolling back takes back the open block too; call
    /// [`Executor::abort`] before, so that the executor knows.
    pub fn state_mut(&mut self) -> &mut HotState<S> {
        &mut self.evm.ctx.journaled_state.database
    }

    /// The state without the executor; an open block is taken back.
    pub fn into_state(mut self) -> HotState<S> {
        self.abort();
        self.evm.ctx.journaled_state.database
    }

    /// Opens a block on the state's tip. A block left open is aborted.
    pub fn begin(&mut self, inputs: HeaderInputs) {
        self.abort();
        evm::set_block(&mut self.evm.ctx.block, &inputs);
        self.open = Some(Open {
            inputs,
            gas_used: 0,
            fees: U256::ZERO,
            forced: 0,
            changes: ChangesHasher::default(),
            transactions: Vec::new(),
            receipts: Vec::new(),
        });
    }

    /// Opens a block above `parent` and executes what it begins with: the record of its slot, if it is the slot's first, and
    /// `due`, the encodings of what L1 made due. Gives the encodings of both. On an error no block is open.
    pub fn begin_with(
        &mut self,
        inputs: HeaderInputs,
        parent: &Header,
        due: &[Bytes],
    ) -> Result<Vec<Bytes>, ExecuteError<S::Error>> {
        let prefix = protocol::prefix(&inputs, parent, due);
        self.begin(inputs);
        for raw in &prefix {
            let executed = BlockTx::protocol(raw).map_err(ExecuteError::Shed).and_then(|tx| self.execute(tx).map(drop));
            executed.inspect_err(|_| drop(self.abort()))?;
        }
        Ok(prefix)
    }

    /// The inputs of the open block.
    pub fn open(&self) -> Option<&HeaderInputs> {
        self.open.as_ref().map(|open| &open.inputs)
    }

    /// Gas used in the open block so far.
    pub fn gas_used(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.gas_used)
    }

    /// Transactions in the open block so far.
    pub fn count(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.transactions.len())
    }

    /// Executes one transaction in the open block.
    ///
    /// # Panics
    /// If no block is open.
    pub fn execute(&mut self, tx: BlockTx) -> Result<&TxReceipt, ExecuteError<S::Error>> {
        match &tx.envelope {
            AnyTx::Signed(envelope) => self.run(envelope, tx.sender)?,
            AnyTx::Protocol(protocol) => self.run_protocol(protocol)?,
        }
        Ok(self.include(tx))
    }

    /// Runs a user's transaction and writes what it changed; its receipt is the newest.
    pub(crate) fn run(&mut self, tx: &TxEnvelope, sender: Address) -> Result<(), ExecuteError<S::Error>> {
        if tx.is_eip4844() {
            return Err(Shed::TypeNotSupported(tx.ty()).into());
        }
        self.check_gas(tx.gas_limit())?;
        evm::set_tx(&mut self.evm.ctx.tx, tx, sender);
        let ran = self.transact(ChainHandler::transactions())?;
        let price = tx.effective_gas_price(Some(self.evm.ctx.block.basefee));
        let open = self.open.as_mut().expect("begin comes before execute");
        open.fees += U256::from(price) * U256::from(ran.gas_used);
        let contract_address = tx.is_create().then(|| sender.create(tx.nonce()));
        self.close_tx(ran, tx.ty(), price, contract_address, None);
        Ok(())
    }

    /// Runs a protocol transaction, which is in the block whatever becomes of it; its receipt is the newest.
    fn run_protocol(&mut self, tx: &ProtocolTx) -> Result<(), ExecuteError<S::Error>> {
        self.check_gas(tx.gas)?;
        let nonce = self.state_mut().account(tx.from)?.unwrap_or_default().nonce;
        evm::set_protocol_tx(&mut self.evm.ctx.tx, tx);
        let ran = match self.transact(ChainHandler::protocol(tx.mint)) {
            Err(ExecuteError::Shed(_)) => self.fail(tx)?,
            ran => ran?,
        };
        let open = self.open.as_mut().expect("begin comes before execute");
        open.forced += u64::from(tx.is_forced());
        let contract_address = tx.to.is_create().then(|| tx.from.create(nonce));
        self.close_tx(ran, protocol::TYPE, 0, contract_address, Some(nonce));
        Ok(())
    }

    fn check_gas(&self, gas_limit: u64) -> Result<(), Shed> {
        let open = self.open.as_ref().expect("begin comes before execute");
        let left = open.inputs.gas_limit - open.gas_used;
        if gas_limit > left {
            return Err(Shed::ExceedsBlockGasLimit { have: gas_limit, limit: left });
        }
        Ok(())
    }

    /// Runs the transaction that the EVM was given, and notes what it changed.
    fn transact(&mut self, mut handler: Transactions<S>) -> Result<Ran, ExecuteError<S::Error>> {
        let result = handler.run(&mut self.evm);
        let context = &mut self.evm.ctx;
        let journal = &mut context.journaled_state;
        let mut touched = journal.inner.finalize();
        let result = match result {
            Ok(result) => {
                self.scratch.collect(&mut journal.database, &touched).map(|()| result).map_err(ExecuteError::State)
            }
            Err(error) => Err(evm::shed_or_state(error, &context.tx, context.block.basefee)),
        };
        // The emptied map keeps its room for the next transaction.
        touched.clear();
        journal.inner.state = touched;
        let result = result?;
        let (gas_used, success) = (result.tx_gas_used(), result.is_success());
        Ok(Ran { gas_used, success, logs: if success { result.into_logs() } else { Vec::new() } })
    }

    /// A protocol transaction that cannot run: its sender has the mint and a higher nonce, and its gas is used.
    fn fail(&mut self, tx: &ProtocolTx) -> Result<Ran, StateError<S::Error>> {
        let Self { evm, scratch, .. } = self;
        let before = evm.ctx.journaled_state.database.account(tx.from)?;
        let mut after = before.unwrap_or_default();
        after.balance = after.balance.saturating_add(tx.mint);
        after.nonce = after.nonce.saturating_add(1);
        scratch.clear();
        scratch.accounts.push(Change { key: tx.from, before, after: Some(after) });
        Ok(Ran { gas_used: tx.gas, success: false, logs: Vec::new() })
    }

    /// Writes what the transaction that ran changed, and its receipt.
    fn close_tx(
        &mut self,
        ran: Ran,
        ty: u8,
        effective_gas_price: u128,
        contract_address: Option<Address>,
        deposit_nonce: Option<u64>,
    ) {
        self.write_changes();
        let open = self.open.as_mut().expect("begin comes before execute");
        let Ran { gas_used, success, logs } = ran;
        open.gas_used += gas_used;
        let logs_bloom = if logs.is_empty() { Bloom::ZERO } else { logs_bloom(&logs) };
        let receipt = Receipt { status: Eip658Value::Eip658(success), cumulative_gas_used: open.gas_used, logs };
        let envelope = AnyReceipt { ty, receipt: ReceiptWithBloom { receipt, logs_bloom }, deposit_nonce };
        open.receipts.push(TxReceipt { envelope, gas_used, effective_gas_price, contract_address });
    }

    /// Moves the noted changes into the state and the hash of the block's changes.
    fn write_changes(&mut self) {
        let open = self.open.as_mut().expect("begin comes before execute");
        let state = &mut self.evm.ctx.journaled_state.database;
        let Scratch { accounts, storage, codes, hashed } = &mut self.scratch;
        sorted_changes(accounts, storage, hashed);
        open.changes.take(hashed);
        state.write(accounts, storage);
        for (code_hash, code) in codes.drain(..) {
            state.write_code(code_hash, code);
        }
    }

    /// Credits what users paid in the open block: the carriers' share to the pot, the rest to the fee recipient.
    fn credit_fees(&mut self, params: &ChainParams) -> Result<(), StateError<S::Error>> {
        let Self { evm, scratch, open } = self;
        let open = open.as_mut().expect("begin comes before finish");
        if open.fees.is_zero() {
            return Ok(());
        }
        let share = open.fees * U256::from(params.carrier_share) / U256::from(SHARES);
        let recipient = open.inputs.fee_recipient;
        let credits = match recipient == protocol::FEE_POT {
            true => [(recipient, open.fees), (protocol::FEE_POT, U256::ZERO)],
            false => [(recipient, open.fees - share), (protocol::FEE_POT, share)],
        };
        scratch.clear();
        for (key, wei) in credits.into_iter().filter(|(_, wei)| !wei.is_zero()) {
            let before = evm.ctx.journaled_state.database.account(key)?;
            let mut after = before.unwrap_or_default();
            after.balance = after.balance.saturating_add(wei);
            scratch.accounts.push(Change { key, before, after: Some(after) });
        }
        open.fees = U256::ZERO;
        self.write_changes();
        Ok(())
    }

    /// Adds the transaction that ran last to the block.
    pub(crate) fn include(&mut self, tx: BlockTx) -> &TxReceipt {
        let open = self.open.as_mut().expect("begin comes before execute");
        open.transactions.push(tx);
        open.receipts.last().expect("run left the receipt of this transaction")
    }

    /// Closes the open block, whose transactions have the encodings that `raw` gives: fees, header, hash, commitments, changes.
    /// On an error, which only the state can bring, the block is still open and nothing was asked of `raw`.
    ///
    /// # Panics
    /// If no block is open.
    pub fn finish(
        &mut self,
        parent: &Header,
        params: &ChainParams,
        raw: impl FnOnce() -> Vec<Bytes>,
    ) -> Result<ExecutedBlock, StateError<S::Error>> {
        self.credit_fees(params)?;
        let Open { inputs, gas_used, forced, changes, transactions, receipts, .. } =
            self.open.take().expect("begin comes before finish");
        let raw = raw();
        let bytes = protocol::signed(&raw).iter().map(|raw| raw.len() as u64).sum();
        let batch = rules::next_batch_fields(parent, inputs.timestamp_ms, bytes, params);
        let header = Header {
            parent: inputs.parent,
            number: inputs.number,
            epoch: inputs.epoch,
            term: inputs.term,
            slot: inputs.slot,
            sequencer: inputs.sequencer,
            timestamp_ms: inputs.timestamp_ms,
            control_height: inputs.control_height,
            l1_view: inputs.l1_view,
            forced: parent.forced + forced,
            base_fee: inputs.base_fee,
            gas_limit: inputs.gas_limit,
            gas_used,
            fee_recipient: inputs.fee_recipient,
            prevrandao: inputs.prevrandao,
            transactions_root: transactions_root(&raw),
            receipts_root: ordered_root(receipts.len(), |at, out| receipts[at].envelope.encode_2718(out)),
            changes_hash: changes.finish(),
            batch: batch.batch,
            batch_start_ms: batch.batch_start_ms,
            batch_bytes: batch.batch_bytes,
            ends_slot: inputs.ends_slot,
        };
        let hash = header.hash();
        let changes = self.state_mut().open_changes();
        self.state_mut().close(hash);
        Ok(ExecutedBlock { hash, block: Block { header, transactions: raw }, transactions, receipts, changes })
    }

    /// Takes back the open block, if any, and returns its transactions.
    pub fn abort(&mut self) -> Vec<BlockTx> {
        self.state_mut().abort();
        self.open.take().map_or_else(Vec::new, |open| open.transactions)
    }
}

/// How a transaction ended; what it changed is noted in [`Scratch`].
struct Ran {
    gas_used: u64,
    success: bool,
    logs: Vec<Log>,
}

/// What a transaction changes, in lists that keep their room from one to the next.
#[derive(Default)]
struct Scratch {
    accounts: Vec<Change<Address, Option<Account>>>,
    storage: Vec<Change<(Address, U256), U256>>,
    codes: Vec<(B256, Bytecode)>,
    hashed: TxChanges,
}

impl Scratch {
    fn clear(&mut self) {
        self.accounts.clear();
        self.storage.clear();
        self.codes.clear();
    }

    /// Fills the lists from what the EVM touched, in no particular order.
    ///
    /// An account that self-destructs was created in the same transaction (EIP-6780), so it leaves no storage behind.
    fn collect<S: StateSource>(
        &mut self,
        state: &mut HotState<S>,
        touched: &EvmState,
    ) -> Result<(), StateError<S::Error>> {
        self.clear();
        for (address, account) in touched.iter().filter(|(_, account)| account.is_touched()) {
            let info = &account.info;
            let after = Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
            let after = (!account.is_selfdestructed() && !after.is_empty()).then_some(after);
            let before = state.account(*address)?;
            if before != after {
                self.accounts.push(Change { key: *address, before, after });
            }
            let Some(after) = after else { continue };
            if after.has_code()
                && before.is_none_or(|before| before.code_hash != after.code_hash)
                && let Some(code) = &info.code
            {
                self.codes.push((after.code_hash, code.clone()));
            }
            for (slot, value) in account.storage.iter().filter(|(_, value)| value.is_changed()) {
                self.storage.push(Change {
                    key: (*address, *slot),
                    before: value.original_value,
                    after: value.present_value,
                });
            }
        }
        Ok(())
    }
}
