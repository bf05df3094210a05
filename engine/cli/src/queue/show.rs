//! `horae queue show`: the forced queue as L1 has it.

use alloy_primitives::{Address, B256, U256};
use horae_contracts::{BatchInbox, ForcedQueue};
use horae_node::edges::l1::L1;
use serde::Serialize;

use crate::{amount::ether, error::CliError, json, queue::args::ShowOptions};

/// Entries that are listed at most.
const LISTED: u64 = 20;

/// The queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    queue: Address,
    gas_price: u64,
    floor: u64,
    gas_left: u64,
    entries_left: u64,
    bytes_left: u64,
    length: u64,
    included: u64,
    deadline_blocks: u64,
    /// L1 block that the view of the last accepted batch has come to.
    batches_l1_view: u64,
    waiting: Vec<Entry>,
}

/// One entry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    index: u64,
    l1_block: u64,
    included: bool,
    /// A batch whose view has come to this L1 block is refused if it leaves the entry out.
    due_at_l1_view: u64,
    fee: U256,
    minted: U256,
    /// Hash of the transaction on L2; not looked up in a list.
    l2_transaction: Option<B256>,
}

/// Prints what was asked for.
pub async fn run(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    match (options.index, options.of) {
        (Some(index), _) => show_entry(&l1, index, options.json).await,
        (None, Some(account)) => {
            let owed = l1.view(l1.queue(), ForcedQueue::owedCall { account }).await?;
            if options.json {
                return json::print(&serde_json::json!({ "account": account, "owed": owed }));
            }
            println!("owed       {} to {account}; `horae queue withdraw` takes it", ether(owed));
            Ok(())
        }
        (None, None) => show_queue(&l1, options.json).await,
    }
}

async fn show_queue(l1: &L1, as_json: bool) -> Result<(), CliError> {
    let queue = l1.queue();
    let left = l1.view(queue, ForcedQueue::leftCall {}).await?;
    let head = l1.inbox_state().await?.head;
    let length = l1.view(queue, ForcedQueue::lengthCall {}).await?;
    let mut shown = Shown {
        queue,
        gas_price: l1.view(queue, ForcedQueue::gasPriceCall {}).await?,
        floor: l1.view(queue, ForcedQueue::floorCall {}).await?,
        gas_left: left.gas,
        entries_left: left.entries,
        bytes_left: left.bytes_,
        length,
        included: head.forced,
        deadline_blocks: l1.view(l1.inbox(), BatchInbox::FORCED_DEADLINECall {}).await?,
        batches_l1_view: head.l1View,
        waiting: Vec::new(),
    };
    for index in head.forced..length.min(head.forced + LISTED) {
        shown.waiting.push(read(l1, index, shown.deadline_blocks, head.forced).await?);
    }
    if as_json {
        return json::print(&shown);
    }
    println!("queue      {queue}");
    println!("price      {} wei a unit of L2 gas, at least {}", shown.gas_price, shown.floor);
    println!("room       {} gas, {} entries, {} bytes in this L1 block", left.gas, left.entries, left.bytes_);
    println!("entries    {length}, of which {} are in accepted batches", shown.included);
    println!("deadline   {} L1 blocks; batches have come to L1 block {}", shown.deadline_blocks, head.l1View);
    for Entry { index, l1_block, due_at_l1_view, minted, .. } in &shown.waiting {
        println!(
            "waiting    {index}, of L1 block {l1_block}, mints {}, due at L1 view {due_at_l1_view}",
            ether(*minted)
        );
    }
    let more = length.saturating_sub(head.forced).saturating_sub(LISTED);
    if more > 0 {
        println!("           and {more} more");
    }
    Ok(())
}

async fn show_entry(l1: &L1, index: u64, as_json: bool) -> Result<(), CliError> {
    let length = l1.view(l1.queue(), ForcedQueue::lengthCall {}).await?;
    if index >= length {
        return Err(CliError::new(format!("there is no entry {index}: the queue has {length}")));
    }
    let deadline = l1.view(l1.inbox(), BatchInbox::FORCED_DEADLINECall {}).await?;
    let included = l1.inbox_state().await?.head.forced;
    let mut entry = read(l1, index, deadline, included).await?;
    let there = l1.entries(entry.l1_block, entry.l1_block).await?;
    entry.l2_transaction = there.iter().find(|(_, there)| there.index == index).map(|(_, there)| there.hash());
    if as_json {
        return json::print(&entry);
    }
    println!("entry      {index}, of L1 block {}", entry.l1_block);
    println!("minted     {}", ether(entry.minted));
    println!("fee        {}, to who carries its batch", ether(entry.fee));
    if let Some(hash) = entry.l2_transaction {
        println!("on L2      transaction {hash}");
    }
    match entry.included {
        true => println!("standing   in an accepted batch"),
        false => {
            println!("standing   waits; no batch whose view is at L1 block {} may leave it out", entry.due_at_l1_view)
        }
    }
    Ok(())
}

async fn read(l1: &L1, index: u64, deadline: u64, included: u64) -> Result<Entry, CliError> {
    let here = l1.view(l1.queue(), ForcedQueue::entryCall { index }).await?;
    let (mut fees, mut minted) = (U256::ZERO, U256::ZERO);
    if let Some(before) = index.checked_sub(1) {
        let before = l1.view(l1.queue(), ForcedQueue::entryCall { index: before }).await?;
        (fees, minted) = (U256::from(before.feesUpTo), U256::from(before.mintedUpTo));
    }
    Ok(Entry {
        index,
        l1_block: here.l1Block,
        included: index < included,
        due_at_l1_view: here.l1Block + deadline,
        fee: U256::from(here.feesUpTo) - fees,
        minted: U256::from(here.mintedUpTo) - minted,
        l2_transaction: None,
    })
}
