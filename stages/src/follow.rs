//! Follow re-executes a block that another node sealed and compares every header field with its own result.
//!
//! In: a block, its parent's header. Out: [`ExecutedBlock`], equal to the sequencer's, or the first thing that differs. On an error the state is
//! as before.

use std::cell::RefCell;

use alloy_primitives::{B256, Bytes, keccak256};

use crate::decode::{Decode, DecodePolicy};
use crate::execute::{ExecuteError, ExecutedBlock, Executor};
use crate::header::{Block, Header};
use crate::params::ChainParams;
use crate::protocol::{self, FromL1, PrefixError};
use crate::recover::Recover;
use crate::rules::{self, HeaderChoices, RuleError};
use crate::shed::Shed;
use crate::state::{StateError, StateSource};
use crate::transaction::BlockTx;

/// Why a block is refused.
#[derive(Debug, thiserror::Error)]
pub enum BlockError<E: std::error::Error> {
    /// A header rule is broken.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// It does not begin with the protocol transactions that are due.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// The state is not at the block's parent.
    #[error("the state is at block {have}, the block's parent is {want}")]
    NotOnTip {
        /// Height of the state.
        have: u64,
        /// Height of the parent.
        want: u64,
    },
    /// A transaction cannot be in the block.
    #[error("transaction {index}: {why}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// Why not.
        why: Shed,
    },
    /// Too many bytes that users signed.
    #[error("block of {have} bytes of transactions, limit {limit}")]
    Oversized {
        /// Sum of the encodings.
        have: usize,
        /// The limit.
        limit: usize,
    },
    /// The header states another result than execution gave.
    #[error("{field}: have {have}, executed {want}")]
    Commitment {
        /// Name of the field.
        field: &'static str,
        /// In the header.
        have: String,
        /// By our execution.
        want: String,
    },
    /// The state could not be read: our trouble, not the block's.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// A block whose transactions are decoded and whose senders are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredBlock {
    block: Block,
    transactions: Vec<BlockTx>,
}

/// A transaction of a block that does not decode or has no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction {index}: {why}")]
pub struct BadTransaction {
    /// Position in the block.
    pub index: usize,
    /// What is wrong with it.
    pub why: Shed,
}

impl RecoveredBlock {
    /// Joins a block with its transactions, recovered elsewhere (by several workers, say). `None` if they are not the
    /// block's.
    pub fn assemble(block: Block, transactions: Vec<BlockTx>) -> Option<Self> {
        let same = block.transactions.len() == transactions.len()
            && block.transactions.iter().zip(&transactions).all(|(raw, tx)| keccak256(raw) == tx.hash);
        same.then_some(Self { block, transactions })
    }

    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Its transactions, in order.
    pub fn transactions(&self) -> &[BlockTx] {
        &self.transactions
    }
}

/// Decodes a block's transactions and recovers their senders.
pub fn recover_block(block: Block) -> Result<RecoveredBlock, BadTransaction> {
    let transactions = recover_transactions(&block.transactions)?;
    Ok(RecoveredBlock { block, transactions })
}

thread_local! {
    /// Buffers for [`recover_transactions`]: half a megabyte that is not worth making anew for every block.
    static RECOVER: RefCell<Recover> = RefCell::default();
}

/// Decodes the transactions of a block, the protocol's in front and then the users', and recovers the senders of these.
pub fn recover_transactions(raw: &[Bytes]) -> Result<Vec<BlockTx>, BadTransaction> {
    let (protocol, signed) = raw.split_at(protocol::count(raw));
    let mut transactions = Vec::with_capacity(raw.len());
    for (index, raw) in protocol.iter().enumerate() {
        transactions.push(BlockTx::protocol(raw).map_err(|why| BadTransaction { index, why })?);
    }
    let shifted = |bad: BadTransaction| BadTransaction { index: protocol.len() + bad.index, ..bad };
    recover_signed(signed, &mut transactions).map_err(shifted)?;
    Ok(transactions)
}

/// Decodes users' transactions and recovers their senders, in order, all senders in one batch.
pub(crate) fn recover_signed(raw: &[Bytes], transactions: &mut Vec<BlockTx>) -> Result<(), BadTransaction> {
    let decode = Decode::new(DecodePolicy::any());
    let (mut decoded, mut bad) = (Vec::with_capacity(raw.len()), None);
    for (index, raw) in raw.iter().enumerate() {
        match decode.transaction(raw) {
            Ok(transaction) => decoded.push(transaction),
            Err(why) => {
                bad = Some(BadTransaction { index, why });
                break;
            }
        }
    }
    let senders: Vec<_> =
        RECOVER.with_borrow_mut(|recover| recover.senders(decoded.iter().map(|(envelope, _)| envelope)).collect());
    for (index, ((envelope, hash), sender)) in decoded.into_iter().zip(senders).enumerate() {
        // One without a sender stands before the one that does not decode.
        let sender = sender.map_err(|why| BadTransaction { index, why })?;
        transactions.push(BlockTx::signed(hash, sender, envelope));
    }
    bad.map_or(Ok(()), Err)
}

/// Executes a block above `parent` and checks every header rule, its protocol transactions, the gas used and all three
/// commitments.
///
/// Not checked, for it is not the header's to say: who may seal the slot, and how far the timestamp is ahead of a clock.
pub fn execute_block<S: StateSource>(
    executor: &mut Executor<S>,
    params: &ChainParams,
    parent: &Header,
    block: RecoveredBlock,
    from_l1: FromL1<'_>,
) -> Result<ExecutedBlock, BlockError<S::Error>> {
    let RecoveredBlock { block: Block { header, transactions: raw }, transactions } = block;
    let bytes = protocol::signed(&raw).iter().map(|raw| raw.len()).sum();
    if bytes > params.max_block_bytes {
        return Err(BlockError::Oversized { have: bytes, limit: params.max_block_bytes });
    }
    let parent_hash = check_tip(executor, parent)?;
    rules::check_header(&header, parent, parent_hash, bytes as u64, params)?;
    let inputs = HeaderChoices::of(&header).on(parent, parent_hash, params);
    let prefix: Vec<_> = transactions.iter().map_while(BlockTx::as_protocol).collect();
    let forced = protocol::check_prefix(&inputs, parent, &prefix, &from_l1)?;
    rules::equal("forced", header.forced, forced)?;
    executor.begin(inputs);
    run_all(executor, transactions)?;
    let executed = finish(executor, parent, params, raw)?;
    let found = compare(&header, &executed.block.header);
    if found.is_err() {
        executor.state_mut().rollback_to(parent.number).expect("the block just closed can be taken back");
    }
    found.map(|()| executed)
}

/// The parent's hash, if the state is right at it.
pub(crate) fn check_tip<S: StateSource>(
    executor: &mut Executor<S>,
    parent: &Header,
) -> Result<B256, BlockError<S::Error>> {
    executor.abort();
    let (state, parent_hash) = (executor.state(), parent.hash());
    if state.number() != parent.number || state.hash() != parent_hash {
        return Err(BlockError::NotOnTip { have: state.number(), want: parent.number });
    }
    Ok(parent_hash)
}

/// Executes all transactions in the open block, or takes it back.
pub(crate) fn run_all<S: StateSource>(
    executor: &mut Executor<S>,
    transactions: Vec<BlockTx>,
) -> Result<(), BlockError<S::Error>> {
    for (index, tx) in transactions.into_iter().enumerate() {
        let error = match executor.execute(tx) {
            Ok(_) => continue,
            Err(ExecuteError::Shed(why)) => BlockError::Transaction { index, why },
            Err(ExecuteError::State(error)) => BlockError::State(error),
        };
        executor.abort();
        return Err(error);
    }
    Ok(())
}

/// Closes the open block, or takes it back.
pub(crate) fn finish<S: StateSource>(
    executor: &mut Executor<S>,
    parent: &Header,
    params: &ChainParams,
    raw: Vec<Bytes>,
) -> Result<ExecutedBlock, StateError<S::Error>> {
    executor.finish(parent, params, || raw).inspect_err(|_| drop(executor.abort()))
}

fn compare<E: std::error::Error>(have: &Header, want: &Header) -> Result<(), BlockError<E>> {
    let differ = |field, have: &dyn ToString, want: &dyn ToString| {
        Err(BlockError::Commitment { field, have: have.to_string(), want: want.to_string() })
    };
    if have.transactions_root != want.transactions_root {
        return differ("transactions_root", &have.transactions_root, &want.transactions_root);
    }
    if have.gas_used != want.gas_used {
        return differ("gas_used", &have.gas_used, &want.gas_used);
    }
    if have.receipts_root != want.receipts_root {
        return differ("receipts_root", &have.receipts_root, &want.receipts_root);
    }
    if have.changes_hash != want.changes_hash {
        return differ("changes_hash", &have.changes_hash, &want.changes_hash);
    }
    assert_eq!(have, want, "every other header field was checked before execution");
    Ok(())
}
