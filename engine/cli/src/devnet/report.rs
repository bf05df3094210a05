//! The report of a devnet: one JSON object, for scripts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes};
use horae_node::{
    edges::l1::{AcceptedBatch, L1},
    genesis::GenesisFile,
    home::write_atomic,
};
use horae_stages::pack::{UnpackLimits, unpack};
use serde::Serialize;

use super::{
    Devnet,
    scan::{Scanned, SlotReport},
    traffic::Sent,
};
use crate::error::CliError;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    nodes: usize,
    /// Transfers that a node admitted.
    sent: u64,
    /// Answers that refused one.
    refused: u64,
    /// Last block of the last batch that L1 accepted.
    final_block: u64,
    /// State root after it.
    final_state_root: B256,
    l1_rpc: String,
    rpc: Vec<String>,
    inbox: Address,
    locking: Address,
    chain_id: u64,
    /// Height of the committed head.
    blocks: u64,
    /// Transactions in the chain up to the committed head.
    transactions: u64,
    /// Of `sent`, how many are committed.
    committed: u64,
    group_key: Option<Bytes>,
    /// Where the state of the L1 was left, for `anvil --load-state`.
    l1_state: PathBuf,
    /// A home with the chain's genesis.json, for `horae derive --home`.
    home: PathBuf,
    slots: Vec<SlotReport>,
    batches: Vec<BatchLine>,
}

#[derive(Clone, Debug, Serialize)]
struct BatchLine {
    index: u64,
    first_block: u64,
    last_block: u64,
    transactions: u64,
    raw_bytes: u64,
    posted_bytes: u64,
    signers: usize,
    l1_tx: B256,
    l1_gas: u64,
}

/// Takes stock of the L1 once no node sends to it any more.
pub async fn make(devnet: &Devnet, sent: &Sent, scanned: Scanned) -> Result<Report, CliError> {
    let genesis = GenesisFile::load(&devnet.first_home().genesis())?;
    let l1 = L1::new(&[devnet.anvil.url().to_owned()], &genesis.l1)?;
    // What the nodes sent last may still wait in the pool.
    devnet.anvil.mine().await?;
    let head = l1.head().await?.view.number;
    let limits = UnpackLimits::new(&genesis.l2.params);
    let mut batches = Vec::new();
    for accepted in l1.batches(genesis.l1.origin_number, head).await? {
        batches.push(batch_line(&l1, &accepted, &limits, &scanned).await?);
    }
    let inbox = l1.inbox_state().await?.head;
    Ok(Report {
        nodes: devnet.ground.nodes(),
        sent: sent.sent,
        refused: sent.refused,
        final_block: inbox.lastBlock,
        final_state_root: inbox.stateRoot,
        l1_rpc: devnet.anvil.url().to_owned(),
        rpc: devnet.ground.rpc_urls(),
        inbox: devnet.chain.inbox,
        locking: devnet.chain.locking,
        chain_id: devnet.chain.chain_id,
        blocks: scanned.blocks,
        transactions: scanned.transactions,
        committed: sent.committed,
        group_key: scanned.group_key,
        l1_state: PathBuf::new(),
        home: devnet.first_home().root().to_owned(),
        slots: scanned.slots,
        batches,
    })
}

/// Writes the report, and the L1's state to `<report>.l1-state.json` beside it.
pub fn write(file: &Path, mut report: Report, l1_state: &Path) -> Result<(), CliError> {
    let beside =
        std::path::absolute(file.with_extension("l1-state.json")).map_err(|e| CliError::because(file.display(), e))?;
    fs::copy(l1_state, &beside)
        .map_err(|e| CliError::because(format!("cannot copy the L1's state to {}", beside.display()), e))?;
    report.l1_state = beside;
    let text = serde_json::to_vec_pretty(&report).map_err(|e| CliError::because(file.display(), e))?;
    write_atomic(file, &text).map_err(|e| CliError::because(file.display(), e))
}

async fn batch_line(
    l1: &L1,
    accepted: &AcceptedBatch,
    limits: &UnpackLimits,
    scanned: &Scanned,
) -> Result<BatchLine, CliError> {
    let batch = &accepted.batch;
    let unpacked =
        unpack(&accepted.data, limits).map_err(|e| CliError::because(format!("batch {}", batch.index), e))?;
    let transactions = || unpacked.blocks.iter().flat_map(|block| &block.transactions);
    let signers = scanned.signers.iter().find(|(last, _)| *last == batch.lastBlock).map_or(0, |(_, count)| *count);
    Ok(BatchLine {
        index: batch.index,
        first_block: batch.firstBlock,
        last_block: batch.lastBlock,
        transactions: transactions().count() as u64,
        raw_bytes: transactions().map(|raw| raw.len() as u64).sum(),
        posted_bytes: accepted.data.len() as u64,
        signers,
        l1_tx: accepted.l1_tx,
        l1_gas: l1.inclusion(accepted.l1_tx).await?.map_or(0, |included| included.gas_used),
    })
}
