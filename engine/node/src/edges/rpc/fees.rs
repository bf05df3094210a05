//! Fee history and fee suggestions, after go-ethereum's `eth/gasprice`.

use alloy::rpc::types::FeeHistory;
use alloy_consensus::Transaction as _;
use horae_stages::rules::next_base_fee;
use jsonrpsee::core::RpcResult;

use super::context::{Context, Named};
use super::error;
use super::limits::{FEE_SAMPLE_BLOCKS, MAX_FEE_HISTORY, MAX_PERCENTILES};
use crate::chain_view::ViewedBlock;

/// Priority fee that gets into a full block at this percentile of what recent ones took, as in go-ethereum.
const SUGGESTED_PERCENTILE: f64 = 60.0;

/// Base fee of the block above the ordered head, in wei a gas.
pub(super) fn next_fee(context: &Context) -> RpcResult<u64> {
    let snapshot = context.view().snapshot();
    let head = snapshot.header(snapshot.heads().ordered.number).map_err(|e| error::store(&e))?;
    let head = head.ok_or_else(error::header_not_found)?;
    Ok(next_base_fee(&head, &context.options().params))
}

/// What to offer above the base fee, in wei a gas: nothing beyond the node's least while blocks have room.
pub(super) fn suggested_priority_fee(context: &Context) -> RpcResult<u128> {
    let snapshot = context.view().snapshot();
    let head = snapshot.heads().ordered.number;
    let mut fees = Vec::new();
    for number in head.saturating_sub(FEE_SAMPLE_BLOCKS - 1)..=head {
        let block = snapshot.block(number).map_err(|e| error::store(&e))?;
        fees.extend(block.filter(|b| is_full(b)).map(|b| percentiles(&b, &[SUGGESTED_PERCENTILE])[0]));
    }
    fees.sort_unstable();
    let suggested = fees.get(fees.len() / 2).copied().unwrap_or_default();
    Ok(suggested.max(context.options().min_priority_fee))
}

/// Half of the gas or more, the point above which EIP-1559 raises the base fee.
fn is_full(block: &ViewedBlock) -> bool {
    block.header().gas_used >= block.header().gas_limit / 2
}

pub(super) fn history(context: &Context, count: u64, newest: &Named, asked: Option<&[f64]>) -> RpcResult<FeeHistory> {
    check(asked.unwrap_or_default())?;
    let count = count.min(MAX_FEE_HISTORY).min(newest.number + 1);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let lowest = newest.snapshot.store().lowest_height().map_err(|e| error::store(&e))?;
    let oldest = (newest.number + 1 - count).max(if lowest > 1 { lowest } else { 0 });
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    let mut last = None;
    for number in oldest..=newest.number {
        let header = match asked {
            None => newest.snapshot.header(number).map_err(|e| error::store(&e))?,
            Some(asked) => {
                let block = newest.snapshot.block(number).map_err(|e| error::store(&e))?;
                rewards.extend(block.as_ref().map(|b| percentiles(b, asked)));
                block.map(|b| b.header().clone())
            }
        };
        let header = header.ok_or_else(error::header_not_found)?;
        history.base_fee_per_gas.push(header.base_fee.into());
        history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        last = Some(header);
    }
    let next = last.map_or(0, |header| next_base_fee(&header, &context.options().params));
    history.base_fee_per_gas.push(next.into());
    history.reward = asked.map(|_| rewards);
    Ok(history)
}

fn check(percentiles: &[f64]) -> RpcResult<()> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(error::invalid(format!("over the query limit {MAX_PERCENTILES}: reward percentiles")));
    }
    if percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) || !percentiles.is_sorted() {
        return Err(error::invalid("invalid reward percentile: they run from 0 to 100, in rising order"));
    }
    Ok(())
}

/// Priority fees at these percentiles of the gas that users paid for in the block; zeros where nobody did.
fn percentiles(block: &ViewedBlock, asked: &[f64]) -> Vec<u128> {
    let base_fee = block.header().base_fee;
    let transactions = block.executed.transactions.iter().zip(&block.executed.receipts);
    let mut paid: Vec<(u128, u64)> = transactions
        .filter_map(|(t, r)| {
            Some((t.envelope.signed()?.effective_tip_per_gas(base_fee).unwrap_or_default(), r.gas_used))
        })
        .collect();
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    let mut rest = paid.iter();
    let mut at = (0, 0);
    asked
        .iter()
        .map(|percentile| {
            let wanted = (total as f64 * percentile / 100.0) as u64;
            while at.1 < wanted || at.1 == 0 {
                let Some((fee, gas)) = rest.next() else { break };
                at = (*fee, at.1 + gas);
            }
            at.0
        })
        .collect()
}
