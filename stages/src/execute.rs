//! Execute runs transactions on the hot state, one block at a time.
//!
//! The same code runs for a sequencer's own block, a follower's check, a replay of the journal and a derivation from L1. A
//! transaction that cannot be in a block leaves no trace; one that reverts is in it.

use alloy_consensus::proofs::ordered_trie_root_with_encoder;
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction, TxEnvelope, Typed2718};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, logs_bloom};
use revm::MainBuilder;
use revm::bytecode::Bytecode;
use revm::context_interface::result::ExecutionResult;
use revm::handler::{Handler, MainnetContext, MainnetEvm};
use revm::state::EvmState;

use crate::changes::{Account, BlockChanges, ChangesHasher, TxChanges};
use crate::decode::{Decode, DecodePolicy};
use crate::evm::{self, ChainHandler};
use crate::header::{Block, Header, transactions_root};
use crate::params::ChainParams;
use crate::recover::recover_sender;
use crate::rules::{self, HeaderInputs};
use crate::shed::Shed;
use crate::state::{Change, HotState, StateError, StateSource, sorted_changes};

/// A decoded transaction whose sender is known. Made by [`crate::recover_block`] and its kin, so the sender is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockTx {
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// The transaction.
    pub envelope: TxEnvelope,
}

impl BlockTx {
    /// Decodes a transaction from a block and recovers its sender. Whether it may be in a block is for execution to say.
    pub fn recover(raw: &[u8]) -> Result<Self, Shed> {
        let (envelope, hash) = Decode::new(DecodePolicy::any()).transaction(raw)?;
        Ok(Self { hash, sender: recover_sender(&envelope)?, envelope })
    }

    /// Decodes a transaction whose sender was recovered before and kept in this node's own store.
    pub fn from_stored(raw: &[u8], sender: Address) -> Result<Self, Shed> {
        let (envelope, hash) = Decode::new(DecodePolicy::any()).transaction(raw)?;
        Ok(Self { hash, sender, envelope })
    }

    pub(crate) fn known(hash: B256, sender: Address, envelope: TxEnvelope) -> Self {
        Self { hash, sender, envelope }
    }
}

/// What a transaction left behind, with what JSON-RPC adds to the consensus receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxReceipt {
    /// The consensus receipt: type, status, cumulative gas, logs, bloom.
    pub envelope: ReceiptEnvelope,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Wei a gas that were paid.
    pub effective_gas_price: u128,
    /// The contract it created.
    pub contract_address: Option<Address>,
}

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
    changes: ChangesHasher,
    transactions: Vec<BlockTx>,
    receipts: Vec<TxReceipt>,
}

/// The hot state with an EVM over it, and the block being executed, if any.
pub struct Executor<S: StateSource> {
    evm: MainnetEvm<MainnetContext<HotState<S>>>,
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
            changes: ChangesHasher::default(),
            transactions: Vec::new(),
            receipts: Vec::new(),
        });
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
        self.run(&tx.envelope, tx.sender)?;
        Ok(self.include(tx))
    }

    /// Runs a transaction and writes what it changed; its receipt is the newest.
    pub(crate) fn run(&mut self, tx: &TxEnvelope, sender: Address) -> Result<(), ExecuteError<S::Error>> {
        let open = self.open.as_mut().expect("begin comes before execute");
        if tx.is_eip4844() {
            return Err(Shed::TypeNotSupported(tx.ty()).into());
        }
        let left = open.inputs.gas_limit - open.gas_used;
        if tx.gas_limit() > left {
            return Err(Shed::ExceedsBlockGasLimit { have: tx.gas_limit(), limit: left }.into());
        }
        evm::set_tx(&mut self.evm.ctx.tx, tx, sender);
        let result = ChainHandler::transactions().run(&mut self.evm);
        let context = &mut self.evm.ctx;
        let journal = &mut context.journaled_state;
        let mut touched = journal.inner.finalize();
        let state = &mut journal.database;
        let result = match result {
            Ok(result) => self.scratch.collect(state, &touched).map(|()| result).map_err(ExecuteError::State),
            Err(error) => Err(evm::shed_or_state(error, &context.tx, open.inputs.base_fee)),
        };
        // The emptied map keeps its room for the next transaction.
        touched.clear();
        journal.inner.state = touched;
        let result = result?;

        let Scratch { accounts, storage, codes, hashed } = &mut self.scratch;
        sorted_changes(accounts, storage, hashed);
        open.changes.take(hashed);
        state.write(accounts, storage);
        for (code_hash, code) in codes.drain(..) {
            state.write_code(code_hash, code);
        }
        open.gas_used += result.tx_gas_used();
        let receipt = receipt(tx, result, sender, open.gas_used, open.inputs.base_fee);
        open.receipts.push(receipt);
        Ok(())
    }

    /// Adds the transaction that ran last to the block.
    pub(crate) fn include(&mut self, tx: BlockTx) -> &TxReceipt {
        let open = self.open.as_mut().expect("begin comes before execute");
        open.transactions.push(tx);
        open.receipts.last().expect("run left the receipt of this transaction")
    }

    /// Closes the open block, whose transactions have the encodings `raw`: header, hash, commitments, changes.
    ///
    /// # Panics
    /// If no block is open.
    pub fn finish(&mut self, parent: &Header, params: &ChainParams, raw: Vec<Bytes>) -> ExecutedBlock {
        let Open { inputs, gas_used, changes, transactions, receipts } =
            self.open.take().expect("begin comes before finish");
        let bytes = raw.iter().map(|raw| raw.len() as u64).sum();
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
            forced: parent.forced,
            base_fee: inputs.base_fee,
            gas_limit: inputs.gas_limit,
            gas_used,
            fee_recipient: inputs.fee_recipient,
            prevrandao: inputs.prevrandao,
            transactions_root: transactions_root(&raw),
            receipts_root: ordered_trie_root_with_encoder(&receipts, |receipt, out| receipt.envelope.encode_2718(out)),
            changes_hash: changes.finish(),
            batch: batch.batch,
            batch_start_ms: batch.batch_start_ms,
            batch_bytes: batch.batch_bytes,
            ends_slot: inputs.ends_slot,
        };
        let hash = header.hash();
        let changes = self.state_mut().open_changes();
        self.state_mut().close(hash);
        ExecutedBlock { hash, block: Block { header, transactions: raw }, transactions, receipts, changes }
    }

    /// Takes back the open block, if any, and returns its transactions.
    pub fn abort(&mut self) -> Vec<BlockTx> {
        self.state_mut().abort();
        self.open.take().map_or_else(Vec::new, |open| open.transactions)
    }
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
    /// Fills the lists from what the EVM touched, in no particular order.
    ///
    /// An account that self-destructs was created in the same transaction (EIP-6780), so it leaves no storage behind.
    fn collect<S: StateSource>(
        &mut self,
        state: &mut HotState<S>,
        touched: &EvmState,
    ) -> Result<(), StateError<S::Error>> {
        self.accounts.clear();
        self.storage.clear();
        self.codes.clear();
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

fn receipt(
    tx: &TxEnvelope,
    result: ExecutionResult,
    sender: Address,
    cumulative_gas_used: u64,
    base_fee: u64,
) -> TxReceipt {
    let gas_used = result.tx_gas_used();
    let success = result.is_success();
    let logs = if success { result.into_logs() } else { Vec::new() };
    let bloom = if logs.is_empty() { Bloom::ZERO } else { logs_bloom(&logs) };
    let receipt = Receipt { status: Eip658Value::Eip658(success), cumulative_gas_used, logs };
    let envelope = ReceiptEnvelope::from_typed(tx.tx_type(), ReceiptWithBloom { receipt, logs_bloom: bloom });
    TxReceipt {
        envelope,
        gas_used,
        effective_gas_price: tx.effective_gas_price(Some(base_fee)),
        contract_address: tx.is_create().then(|| sender.create(tx.nonce())),
    }
}
