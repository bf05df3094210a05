//! Batches as L1 holds them: the event says that one was accepted, the calldata of its transaction is the batch.

use alloy::{
    consensus::Transaction as _,
    rpc::types::{Filter, Log, Transaction},
    sol_types::{SolCall, SolEvent},
};
use alloy_primitives::{Address, B256, Bytes};
use horae_contracts::{Batch, BatchInbox, Signature, batch_digest};
use horae_stages::L1View;

use super::{
    L1, L1Error,
    limits::{EVENT_BLOCKS_MAX, LOG_BLOCKS},
};
use crate::chain_view::BatchRecord;

/// A batch that the inbox accepted, with what was posted.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedBatch {
    /// What the group signed.
    pub batch: Batch,
    /// Its digest, which the next batch names.
    pub digest: B256,
    /// The group signature.
    pub signature: Signature,
    /// The posted bytes; `batch.dataHash` is their hash.
    pub data: Bytes,
    /// Hash of the L1 transaction.
    pub l1_tx: B256,
    /// Who carried it.
    pub carrier: Address,
    /// The L1 block with it.
    pub l1_block: L1View,
}

impl AcceptedBatch {
    /// What the query side keeps of it. Neither its signers nor the gas of its L1 transaction are known here.
    pub fn record(&self, transactions: u64, raw_bytes: u64) -> BatchRecord {
        let Self { batch, digest, data, l1_tx, l1_block, .. } = self;
        BatchRecord {
            index: batch.index,
            digest: *digest,
            first_block: batch.firstBlock,
            last_block: batch.lastBlock,
            last_block_hash: batch.lastBlockHash,
            state_root: batch.stateRoot,
            data_hash: batch.dataHash,
            transactions,
            raw_bytes,
            posted_bytes: data.len() as u64,
            signers: Vec::new(),
            l1_tx: *l1_tx,
            l1_block: l1_block.number,
            l1_block_hash: l1_block.hash,
            l1_gas: 0,
        }
    }
}

/// That the inbox accepted a batch, as its event says it.
#[derive(Clone, Debug)]
pub struct BatchEvent {
    /// Index of the batch.
    pub index: u64,
    /// Its digest, which the next batch names.
    pub digest: B256,
    log: Log,
}

impl L1 {
    /// What the inbox says to have accepted in the L1 blocks `from..=to`, in order: without the data, which is most of it.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`]; [`L1Error::Nonsense`] if an event cannot be read.
    pub async fn batch_events(&self, from: u64, to: u64) -> Result<Vec<BatchEvent>, L1Error> {
        let logs = self.logs(from, to, &[self.inbox()], Some(BatchInbox::BatchAccepted::SIGNATURE_HASH)).await?;
        logs.into_iter()
            .map(|log| {
                let event =
                    BatchInbox::BatchAccepted::decode_log(&log.inner).map_err(|e| nonsense(e.to_string()))?.data;
                Ok(BatchEvent { index: event.index, digest: event.digest, log })
            })
            .collect()
    }

    /// All batches accepted in the L1 blocks `from..=to`, in order, with their data.
    ///
    /// Each is checked against its event and its own hashes; the group signature is not checked again, the contract has.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`]; [`L1Error::Nonsense`] if an event and its transaction do not belong together.
    pub async fn batches(&self, from: u64, to: u64) -> Result<Vec<AcceptedBatch>, L1Error> {
        let mut batches = Vec::new();
        for event in self.batch_events(from, to).await? {
            batches.push(self.batch_of(&event).await?);
        }
        Ok(batches)
    }

    /// The batch that an event tells of, with its data, checked as by [`L1::batches`].
    ///
    /// # Errors
    /// As [`L1::batches`].
    pub async fn batch_of(&self, event: &BatchEvent) -> Result<AcceptedBatch, L1Error> {
        let log = &event.log;
        let l1_tx = log.transaction_hash.ok_or_else(|| nonsense("its event has no transaction".to_owned()))?;
        let transaction: Option<Transaction> = self.call("eth_getTransactionByHash", (l1_tx,)).await?;
        let transaction = transaction.ok_or_else(|| nonsense(format!("transaction {l1_tx} is not there")))?;
        if transaction.inner.to() != Some(self.inbox()) {
            return Err(nonsense(format!("transaction {l1_tx} is not to the inbox")));
        }
        let call = BatchInbox::submitCall::abi_decode(transaction.inner.input())
            .map_err(|e| nonsense(format!("transaction {l1_tx} is no submission: {e}")))?;
        let digest = batch_digest(self.chain_id(), self.inbox(), &call.batch);
        if digest != event.digest || call.batch.dataHash != alloy_primitives::keccak256(&call.data) {
            return Err(nonsense(format!("transaction {l1_tx} is not the one of batch {}", event.index)));
        }
        Ok(AcceptedBatch {
            batch: call.batch,
            digest,
            signature: call.signature,
            data: call.data,
            l1_tx,
            carrier: transaction.inner.signer(),
            l1_block: block_of(log)?,
        })
    }

    /// Logs of `addresses` in the L1 blocks `from..=to`, in order, asked for in pieces of [`LOG_BLOCKS`].
    pub(super) async fn logs(
        &self,
        from: u64,
        to: u64,
        addresses: &[Address],
        topic: Option<B256>,
    ) -> Result<Vec<Log>, L1Error> {
        if to.saturating_sub(from) >= EVENT_BLOCKS_MAX {
            let problem = format!("{from}..={to} are more than {EVENT_BLOCKS_MAX} blocks in one call");
            return Err(L1Error::Nonsense { what: "range", problem });
        }
        let mut logs: Vec<Log> = Vec::new();
        let mut start = from;
        while start <= to {
            let end = to.min(start + LOG_BLOCKS - 1);
            let mut filter = Filter::new().address(addresses.to_vec()).from_block(start).to_block(end);
            if let Some(topic) = topic {
                filter = filter.event_signature(topic);
            }
            let piece: Vec<Log> = self.call("eth_getLogs", (filter,)).await?;
            logs.extend(piece.into_iter().filter(|log| !log.removed));
            start = end + 1;
        }
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        Ok(logs)
    }
}

fn nonsense(problem: String) -> L1Error {
    L1Error::Nonsense { what: "accepted batch", problem }
}

/// The L1 block of a log.
pub(super) fn block_of(log: &Log) -> Result<L1View, L1Error> {
    match (log.block_number, log.block_hash) {
        (Some(number), Some(hash)) => Ok(L1View { number, hash }),
        _ => Err(L1Error::Nonsense { what: "log", problem: "it is in no block".to_owned() }),
    }
}
