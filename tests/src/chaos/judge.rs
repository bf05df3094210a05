//! What must hold in the end: one chain on every node, with every block that was certified and every transaction that was reported
//! committed where it was reported; and the same chain from L1 alone.

use std::{collections::HashSet, fs, time::Duration};

use alloy_primitives::B256;
use jsonrpsee::{
    core::{
        client::ClientT,
        params::{ArrayParams, BatchRequestBuilder},
    },
    http_client::{HttpClient, HttpClientBuilder},
};
use serde::Deserialize;

use super::{figures::Percentiles, load::Told, witness::Seen};
use crate::{
    devnet::Devnet,
    l1::inbox_head,
    node::{Node, command},
    rpc::runtime,
};

/// What the nodes may take to agree on the head once the load has stopped.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// What the last batch may take to be accepted on L1, whatever waits before it.
const BATCHES_LIMIT: Duration = Duration::from_secs(300);
/// Calls in one batch of JSON-RPC.
const BATCH_CALLS: u64 = 100;
/// Longest wait for the answers to one.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A block as `eth_getBlockByNumber` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Block {
    /// Its hash.
    pub hash: B256,
    /// Hashes of its transactions, in order.
    pub transactions: Vec<B256>,
}

/// What `horae derive --json` says.
#[derive(Debug, Deserialize)]
struct Derived {
    head: u64,
    head_hash: B256,
    batches: u64,
}

/// Gaps at the ends of slots, and between blocks within them.
#[derive(Debug)]
pub struct Rhythm {
    /// As in [`super::Outcome`].
    pub handover_ms: Percentiles,
    /// As in [`super::Outcome`].
    pub handover_intervals: Percentiles,
    /// As in [`super::Outcome`].
    pub block_interval_ms: Percentiles,
}

/// The final chain up to block `last` at least, block 1 first. Nodes that have another one are violations.
///
/// # Panics
/// If the nodes do not come to a common head in time, or one does not answer.
pub fn final_chain(devnet: &Devnet, last: u64, violations: &mut Vec<String>) -> Vec<Block> {
    let head = devnet.watch(&format!("block {last} committed on all nodes"), SETTLE_LIMIT, || {
        let heads = devnet.nodes.iter().map(|node| node.try_status().map(|status| status.heads.committed));
        heads.collect::<Option<Vec<_>>>()?.into_iter().min().filter(|head| *head >= last)
    });
    let chain = blocks_of(&devnet.nodes[0], head);
    for node in &devnet.nodes[1..] {
        let other = blocks_of(node, head);
        if let Some(at) = chain.iter().zip(&other).position(|(a, b)| a != b) {
            let (number, of) = (at + 1, node.index);
            violations.push(format!("block {number} is {} on node 0, {} on node {of}", chain[at].hash, other[at].hash));
        }
    }
    chain
}

/// Everything that was certified or reported is where it was.
pub fn compare(chain: &[Block], seen: &Seen, told: &Told, violations: &mut Vec<String>) {
    for (number, hashes) in seen.certified.range(..=chain.len() as u64) {
        let stands = chain[*number as usize - 1].hash;
        for hash in hashes.iter().filter(|hash| **hash != stands) {
            violations.push(format!("block {number} {hash} was certified, but the final chain has {stands}"));
        }
    }
    violations.extend(told.wrongs.iter().cloned());
    for reported in &told.reported {
        let block = usize::try_from(reported.number).ok().and_then(|number| chain.get(number.checked_sub(1)?));
        let stands = block.is_some_and(|block| {
            block.hash == reported.block && block.transactions.get(reported.index as usize) == Some(&reported.hash)
        });
        if !stands {
            violations.push(format!("{reported:?} was reported committed, but is not there in the final chain"));
        }
    }
    let mut once = HashSet::new();
    let all = chain.iter().flat_map(|block| &block.transactions);
    violations.extend(all.filter(|hash| !once.insert(**hash)).map(|hash| format!("{hash} is in the chain twice")));
}

/// The chain that L1 alone gives is the same one and has every block up to `last`; the number of its batches.
///
/// # Panics
/// If L1 does not get there in time.
pub fn compare_with_l1(devnet: &Devnet, chain: &[Block], last: u64, violations: &mut Vec<String>) -> u64 {
    devnet.watch(&format!("block {last} in a batch on L1"), BATCHES_LIMIT, || {
        devnet.trickle(0);
        (inbox_head(&devnet.l1_url(), devnet.inbox()).lastBlock >= last).then_some(())
    });
    let home = devnet.scratch().join("derived");
    fs::create_dir_all(&home).expect("a directory of our own");
    fs::copy(devnet.nodes[0].home.join("genesis.json"), home.join("genesis.json")).expect("the genesis");
    let (l1, inbox, home) = (devnet.l1_url(), devnet.inbox().to_string(), home.to_string_lossy().into_owned());
    let (ok, out, err) = command(&["derive", "--l1", &l1, "--inbox", &inbox, "--home", &home, "--json"], &[]);
    if !ok {
        violations.push(format!("L1 alone gives no chain: {err}"));
        return 0;
    }
    let derived: Derived = serde_json::from_str(&out).expect("horae derive --json has the fields of its manual");
    // Batches go on while this looks, so L1 may be ahead of the chain that was read.
    let own = match usize::try_from(derived.head).ok().and_then(|head| chain.get(head.checked_sub(1)?)) {
        Some(block) => Some(block.hash),
        None => devnet.nodes[0].hash(derived.head),
    };
    if own != Some(derived.head_hash) || derived.head < last {
        let (head, hash) = (derived.head, derived.head_hash);
        violations
            .push(format!("L1 ends at block {head} {hash}, where the nodes have {own:?}; block {last} was reported"));
    }
    derived.batches
}

/// Measures the final chain's slots, without the times (in unix milliseconds) in which a node was down or coming back.
#[must_use]
pub fn rhythm(chain: &[Block], seen: &Seen, troubled_ms: &[(u64, u64)]) -> Rhythm {
    let (mut handovers, mut intervals) = (Vec::new(), Vec::new());
    for pair in chain.windows(2) {
        let (Some(a), Some(b)) = (seen.blocks.get(&pair[0].hash), seen.blocks.get(&pair[1].hash)) else { continue };
        let apart = troubled_ms.iter().all(|(from, to)| b.timestamp_ms < *from || a.timestamp_ms > *to);
        if !apart || a.term != b.term {
            continue;
        }
        let gap = b.timestamp_ms.saturating_sub(a.timestamp_ms) as f64;
        if a.ends_slot { handovers.push(gap) } else { intervals.push(gap) }
    }
    let block_interval_ms = Percentiles::of(intervals);
    let unit = block_interval_ms.p50.max(1.0);
    Rhythm {
        handover_intervals: Percentiles::of(handovers.iter().map(|gap| gap / unit).collect()),
        handover_ms: Percentiles::of(handovers),
        block_interval_ms,
    }
}

fn blocks_of(node: &Node, head: u64) -> Vec<Block> {
    let client = HttpClientBuilder::default()
        .request_timeout(TIMEOUT)
        .max_response_size(64 << 20)
        .build(node.rpc.url())
        .expect("the endpoint of a node");
    let mut blocks = Vec::new();
    while (blocks.len() as u64) < head {
        let from = blocks.len() as u64 + 1;
        let read = runtime().block_on(range(&client, from, head.min(from + BATCH_CALLS - 1)));
        blocks.extend(read.unwrap_or_else(|why| panic!("blocks from {from} of node {}: {why}", node.index)));
    }
    blocks
}

async fn range(client: &HttpClient, from: u64, to: u64) -> Result<Vec<Block>, String> {
    let mut batch = BatchRequestBuilder::new();
    for number in from..=to {
        let mut params = ArrayParams::new();
        params.insert(format!("{number:#x}")).and_then(|()| params.insert(false)).map_err(|why| why.to_string())?;
        batch.insert("eth_getBlockByNumber", params).map_err(|why| why.to_string())?;
    }
    let answers = client.batch_request::<Block>(batch).await.map_err(|why| why.to_string())?;
    answers.into_iter().map(|block| block.map_err(|why| why.message().to_owned())).collect()
}
