//! `eth_getLogs`: a bounded search through committed blocks.

use alloy::rpc::types::{Filter, FilterBlockOption, Log};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::Bloom;
use jsonrpsee::core::RpcResult;

use super::context::Context;
use super::limits::{MAX_LOG_BLOCKS, MAX_LOGS};
use super::{error, shapes};
use crate::chain_view::{Snapshot, ViewedBlock};

pub(super) fn find(context: &Context, filter: &Filter) -> RpcResult<Vec<Log>> {
    let snapshot = context.view().snapshot();
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let named = context.by_hash(&hash)?.ok_or_else(|| error::server("unknown block"))?;
            (named.number, named.number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let from = height(&snapshot, from_block.unwrap_or(BlockNumberOrTag::Latest));
            let to = height(&snapshot, to_block.unwrap_or(BlockNumberOrTag::Latest));
            if from > to {
                return Err(error::invalid("invalid block range params"));
            }
            (from, to.min(snapshot.heads().committed))
        }
    };
    let lowest = snapshot.store().lowest_height().map_err(|e| error::store(&e))?;
    if lowest > 1 && from < lowest {
        return Err(error::pruned(lowest));
    }
    if to.saturating_sub(from) >= MAX_LOG_BLOCKS {
        let message = format!("query exceeds max block range {MAX_LOG_BLOCKS}: ask for fewer blocks at a time");
        return Err(error::limit(message));
    }
    search(&snapshot, filter, from, to)
}

/// Height of a tag. Logs appear at `latest`, so `pending` has none beyond it.
fn height(snapshot: &Snapshot, tag: BlockNumberOrTag) -> u64 {
    let heads = snapshot.heads();
    match tag {
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Safe => heads.safe,
        BlockNumberOrTag::Finalized => heads.finalized,
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => heads.committed,
    }
}

pub(super) fn search(snapshot: &Snapshot, filter: &Filter, from: u64, to: u64) -> RpcResult<Vec<Log>> {
    let stored = snapshot.store().height().min(to);
    let mut found = Vec::new();
    let blooms = snapshot.store().log_blooms(from..=stored).map_err(|e| error::store(&e))?;
    let in_store = blooms.into_iter().filter(|(_, bloom)| may_match(filter, *bloom)).map(|(number, _)| number);
    for number in in_store.chain(from.max(stored + 1)..=to) {
        let block = snapshot.block(number).map_err(|e| error::store(&e))?;
        for log in block.iter().flat_map(|block| matching(block, filter)) {
            if found.len() == MAX_LOGS {
                let message = format!("query returned more than {MAX_LOGS} results: ask for fewer blocks at a time");
                return Err(error::limit(message));
            }
            found.push(log);
        }
    }
    Ok(found)
}

/// The logs of one block that a filter matches, whatever blocks the filter names.
pub(super) fn matching<'a>(block: &'a ViewedBlock, filter: &'a Filter) -> impl Iterator<Item = Log> + 'a {
    let worth_it = may_match(filter, block.bloom);
    let logs = worth_it.then(|| shapes::logs(block)).into_iter().flatten();
    logs.filter(|log| filter.matches(&log.inner))
}

fn may_match(filter: &Filter, bloom: Bloom) -> bool {
    filter.matches_bloom(bloom)
}
