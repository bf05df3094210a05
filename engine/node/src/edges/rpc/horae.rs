//! What is Horae's own: slots, epochs, validators, and what shows a block confirmed. Numbers are plain JSON numbers.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes};
use horae_stages::{Header, Shed};
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use serde::Serialize;

use super::api::HoraeServer;
use super::context::{Context, Named, read};
use super::error;
use super::feed::{self, FeedOptions};
use super::heads::{self, HeadsJson};
use super::limits::RATE_WINDOW_MS;
use crate::chain_view::{
    BatchRecord, EpochStatus, ForcedStatus, NodeStatus, SettlementStatus, SlotStatus, Snapshot, Strength,
    ValidatorStatus,
};
use crate::feed::json::{CertificateJson, CommitAcksJson, HeaderJson};
use crate::pipeline::Standing;

/// `horae_block`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockReport {
    hash: B256,
    header: HeaderJson,
    transactions: Vec<B256>,
    strength: Strength,
    /// The sequencer's, over the statement digest of the block; absent for a block rebuilt from L1.
    signature: Option<Bytes>,
    /// The block's own certificate, or the lowest one above it, which covers it too.
    certificate: Option<CertificateJson>,
    /// The lowest commit at or above the block; absent for a block committed by a decision.
    commit: Option<CommitAcksJson>,
    /// Root of the state after the block, for a batch's last block.
    state_root: Option<B256>,
    /// The batch on L1 with the block.
    batch: Option<BatchRecord>,
}

/// `horae_transactionStatus`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionReport {
    hash: B256,
    /// The strength of its block; or `waiting`, `refused`, `expired`, `replaced`; or `unknown`.
    status: &'static str,
    /// Why it was refused.
    reason: Option<String>,
    /// The transaction that took its place.
    replaced_by: Option<B256>,
    /// Absent for a transaction that is in no block this node knows.
    strength: Option<Strength>,
    block_number: Option<u64>,
    block_hash: Option<B256>,
    transaction_index: Option<u64>,
    /// Whether it was executed without reverting.
    success: Option<bool>,
    slot: Option<u64>,
    /// Index of the batch it is in, or will be in.
    batch: Option<u64>,
    /// The L1 transaction with the batch, once accepted.
    l1_transaction: Option<B256>,
    /// The L1 block with the batch, once accepted.
    l1_block: Option<u64>,
}

/// `horae_status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    version: &'static str,
    chain_id: u64,
    own: Option<Address>,
    slot: u64,
    epoch: u64,
    term: u64,
    sequencer: Address,
    is_sequencer: bool,
    heads: HeadsJson,
    stored: u64,
    durable: u64,
    /// Timestamp of the committed head, unix milliseconds.
    committed_timestamp_ms: u64,
    /// Committed transactions since the node started.
    transactions: u64,
    /// Over the block timestamps of the last seconds before the committed head.
    transactions_per_second: f64,
    received: u64,
    refused: u64,
    forwarded: u64,
    /// Batches that L1 accepted, this one the highest.
    last_batch: Option<BatchRecord>,
    batches: u64,
    control_height: u64,
    l1_view: u64,
    forced: ForcedStatus,
    peers: u32,
    validators: usize,
    group_key: Option<Bytes>,
    highest_known_block: u64,
}

/// `horae_controlState`.
#[derive(Clone, Debug, Serialize)]
pub struct ControlReport {
    /// Control height applied last.
    height: u64,
    /// Borsh bytes of the state.
    state: Bytes,
}

/// Finds a block by number, tag or hash, ordered ones included.
fn find_any(context: &Context, block: BlockId) -> RpcResult<Option<Named>> {
    let snapshot = context.view().snapshot();
    let ordered = snapshot.heads().ordered.number;
    match block {
        BlockId::Number(BlockNumberOrTag::Number(number)) => {
            Ok((number <= ordered).then_some(Named { snapshot, number }))
        }
        BlockId::Number(_) => context.find(block),
        BlockId::Hash(hash) => {
            let number = read(snapshot.number(&hash.block_hash))?;
            Ok(number.map(|number| Named { snapshot, number }))
        }
    }
}

/// The accepted batch that a block is in.
fn batch_of(snapshot: &Snapshot, header: &Header) -> RpcResult<Option<BatchRecord>> {
    let record = read(snapshot.store().batch(header.batch))?;
    Ok(record.filter(|b| (b.first_block..=b.last_block).contains(&header.number)))
}

fn block_report(context: &Context, named: &Named) -> RpcResult<Option<BlockReport>> {
    let Some(block) = named.block()? else { return Ok(None) };
    let header = block.header();
    let heads = named.snapshot.heads();
    let strength = heads.strength_of(header.number).unwrap_or(Strength::Ordered);
    let root = context.view().state_root(header.number).map_err(|e| error::store(&e))?;
    Ok(Some(BlockReport {
        hash: block.executed.hash,
        header: header.into(),
        transactions: block.executed.transactions.iter().map(|t| t.hash).collect(),
        strength,
        signature: block.signature.map(|s| s.0.to_vec().into()),
        certificate: read(named.snapshot.certificate(header.number))?.map(|c| c.as_ref().into()),
        commit: read(named.snapshot.commit(header.number))?.map(|c| c.as_ref().into()),
        state_root: root,
        batch: batch_of(&named.snapshot, header)?,
    }))
}

/// What is said of a transaction that is in no block.
fn report_of_standing(hash: B256, standing: Option<Standing>) -> TransactionReport {
    let (status, why) = match standing {
        None => ("unknown", None),
        Some(Standing::Waiting) => ("waiting", None),
        Some(Standing::Refused(why)) => match why {
            Shed::Expired { .. } => ("expired", Some(why)),
            Shed::Replaced(_) => ("replaced", Some(why)),
            _ => ("refused", Some(why)),
        },
    };
    let replaced_by = match why {
        Some(Shed::Replaced(by)) => Some(by),
        _ => None,
    };
    TransactionReport { hash, status, reason: why.map(|why| why.to_string()), replaced_by, ..Default::default() }
}

fn transaction_report(context: &Context, hash: B256) -> RpcResult<TransactionReport> {
    let snapshot = context.view().snapshot();
    let Some(located) = read(snapshot.transaction(&hash))? else {
        return Ok(report_of_standing(hash, context.intake().standing(&hash)));
    };
    let header = located.block.header();
    let accepted = batch_of(&snapshot, header)?;
    let strength = snapshot.heads().strength_of(header.number);
    Ok(TransactionReport {
        hash,
        status: strength.unwrap_or(Strength::Ordered).name(),
        reason: None,
        replaced_by: None,
        strength,
        block_number: Some(header.number),
        block_hash: Some(located.block.executed.hash),
        transaction_index: Some(located.index as u64),
        success: located.block.executed.receipts.get(located.index).map(|r| r.envelope.status()),
        slot: Some(header.slot),
        batch: Some(header.batch),
        l1_transaction: accepted.as_ref().map(|b| b.l1_tx),
        l1_block: accepted.as_ref().map(|b| b.l1_block),
    })
}

/// Transactions of users a second in the committed blocks of the last [`RATE_WINDOW_MS`] that are still in memory.
fn rate(snapshot: &Snapshot) -> f64 {
    let committed = snapshot.heads().committed;
    let mut blocks = snapshot.recent().iter().rev().skip_while(|b| b.header().number > committed).peekable();
    let Some(newest) = blocks.peek().map(|b| b.header().timestamp_ms) else { return 0.0 };
    let since = newest.saturating_sub(RATE_WINDOW_MS);
    let counted: usize =
        blocks.take_while(|b| b.header().timestamp_ms > since).map(|b| b.executed.signed().len()).sum();
    counted as f64 * 1_000.0 / RATE_WINDOW_MS as f64
}

fn node_report(context: &Context) -> RpcResult<NodeReport> {
    let view = context.view();
    let snapshot = view.snapshot();
    let NodeStatus { own, slot, epoch, validators, control_height, l1_view_number, forced, peers, traffic, .. } =
        snapshot.status().as_ref();
    let committed = read(snapshot.header(snapshot.heads().committed))?;
    let last_batch = snapshot.last_batch().map(|b| b.as_ref().clone());
    Ok(NodeReport {
        version: env!("CARGO_PKG_VERSION"),
        chain_id: context.chain_id(),
        own: *own,
        slot: slot.slot,
        epoch: epoch.epoch,
        term: slot.term,
        sequencer: slot.sequencer,
        is_sequencer: *own == Some(slot.sequencer),
        heads: snapshot.heads().into(),
        stored: view.stored_height(),
        durable: view.durable_height(),
        committed_timestamp_ms: committed.map_or(0, |header| header.timestamp_ms),
        transactions: snapshot.transactions_since_start(),
        transactions_per_second: rate(&snapshot),
        received: traffic.received,
        refused: traffic.refused,
        forwarded: traffic.forwarded,
        batches: last_batch.as_ref().map_or(0, |b| b.index + 1),
        last_batch,
        control_height: *control_height,
        l1_view: *l1_view_number,
        forced: *forced,
        peers: *peers,
        validators: validators.len(),
        group_key: epoch.group_key.clone(),
        highest_known_block: snapshot.status().highest_known_block,
    })
}

#[async_trait]
impl HoraeServer for Context {
    fn slot(&self) -> RpcResult<SlotStatus> {
        Ok(self.view().snapshot().status().slot.clone())
    }

    fn epoch(&self) -> RpcResult<EpochStatus> {
        Ok(self.view().snapshot().status().epoch.clone())
    }

    fn validators(&self) -> RpcResult<Vec<ValidatorStatus>> {
        Ok(self.view().snapshot().status().validators.clone())
    }

    fn settlement(&self) -> RpcResult<Option<SettlementStatus>> {
        Ok(self.view().snapshot().status().settlement.clone())
    }

    async fn block(&self, block: BlockId) -> RpcResult<Option<BlockReport>> {
        self.light(move |c| match find_any(c, block)? {
            Some(named) => block_report(c, &named),
            None => Ok(None),
        })
        .await
    }

    async fn transaction_status(&self, hash: B256) -> RpcResult<TransactionReport> {
        self.light(move |c| transaction_report(c, hash)).await
    }

    async fn status(&self) -> RpcResult<NodeReport> {
        self.light(node_report).await
    }

    fn control_state(&self) -> RpcResult<ControlReport> {
        let state = self.decisions().state();
        let bytes = borsh::to_vec(state.as_ref()).map_err(|why| error::internal(why.to_string()))?;
        Ok(ControlReport { height: state.height(), state: bytes.into() })
    }

    async fn decision(&self, height: u64) -> RpcResult<Option<Bytes>> {
        let (_, found) = self.decisions().read(height, height).await.map_err(|why| error::internal(why.to_string()))?;
        let Some(decision) = found.into_iter().find(|decision| decision.height == height) else { return Ok(None) };
        let bytes = borsh::to_vec(&decision).map_err(|why| error::internal(why.to_string()))?;
        Ok(Some(bytes.into()))
    }

    async fn subscribe_horae(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        options: Option<FeedOptions>,
    ) -> SubscriptionResult {
        match (kind.as_str(), options) {
            ("feed", options) => feed::serve(self.clone(), pending, options).await,
            ("heads", None) => heads::serve(self.clone(), pending).await,
            ("heads", Some(_)) => pending.reject(error::invalid("heads take no options")).await,
            _ => pending.reject(error::invalid(format!("no \"{kind}\" subscription in horae namespace"))).await,
        }
        Ok(())
    }
}
