//! What the nodes' feeds tell while the chaos goes on: every certificate, every commit with the moment it came, and where each
//! block stood.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use horae_control::BlockId;
use horae_node::feed::{Item, json::ItemJson};
use jsonrpsee::{
    core::client::{Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use tokio::{task::JoinHandle, time::sleep};

use crate::{node::Node, rpc::runtime};

/// Longest wait for a connection or an answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Pause before a feed that broke is taken up again.
const PAUSE: Duration = Duration::from_millis(50);
/// Items of one feed that may wait to be read here.
const ITEMS_WAITING: usize = 1 << 16;
/// Largest message, in bytes.
const MESSAGE_BYTES: u32 = 64 << 20;

/// A block that was shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Its term.
    pub term: u64,
    /// Its slot.
    pub slot: u64,
    /// Its timestamp, in unix milliseconds.
    pub timestamp_ms: u64,
    /// Whether its slot ends with it.
    pub ends_slot: bool,
}

/// A commit that was shown.
#[derive(Clone, Copy, Debug)]
pub struct CommitShown {
    /// When it came.
    pub at: Instant,
    /// The node that told of it.
    pub by: usize,
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
}

/// All that was told.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every block, whether or not it stayed.
    pub blocks: HashMap<B256, Shown>,
    /// Every certified block.
    pub certified: BTreeMap<u64, Vec<B256>>,
    /// Every commit by acks, in order of arrival.
    pub commits: Vec<CommitShown>,
}

/// Reads the feeds of all nodes until it is dropped.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    readers: Vec<JoinHandle<()>>,
}

impl Witness {
    /// Follows the feed of each of these nodes, taken up again whenever it breaks.
    #[must_use]
    pub fn start(nodes: &[Node]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let follow = |node: &Node| {
            let url = node.rpc.url().replacen("http://", "ws://", 1);
            runtime().spawn(follow(url, node.index, seen.clone()))
        };
        let readers = nodes.iter().map(follow).collect();
        Self { seen, readers }
    }

    /// What was told so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// The first commit of a block of a slot after `slot` that a node other than `not_by` told of after the `skip` first commits.
    #[must_use]
    pub fn commit_after(&self, slot: u64, not_by: usize, skip: usize) -> Option<CommitShown> {
        let seen = self.seen();
        seen.commits[skip..].iter().find(|commit| commit.by != not_by && commit.slot > slot).copied()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

impl Seen {
    fn hear(&mut self, by: usize, item: Item) {
        match item {
            Item::Block(block) => {
                let header = &block.header;
                let shown = Shown {
                    term: header.term,
                    slot: header.slot,
                    timestamp_ms: header.timestamp_ms,
                    ends_slot: header.ends_slot,
                };
                self.blocks.insert(block.hash, shown);
            }
            Item::Certificate(certificate) => self.certify(certificate.block),
            Item::Commit(commit) => {
                let (block, slot) = (commit.block(), commit.certificate.slot);
                self.certify(block);
                self.commits.push(CommitShown { at: Instant::now(), by, slot, block });
            }
            Item::Decision(_) | Item::Void { .. } | Item::End { .. } => {}
        }
    }

    fn certify(&mut self, block: BlockId) {
        let at = self.certified.entry(block.number).or_default();
        if !at.contains(&block.hash) {
            at.push(block.hash);
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no reader of a feed panics while it writes down an item")
}

async fn follow(url: String, by: usize, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Some((_client, mut items)) = open(&url).await {
            while let Some(Ok(item)) = items.next().await {
                let item = Item::try_from(item).expect("a node sends items of a feed");
                lock(&seen).hear(by, item);
            }
        }
        sleep(PAUSE).await;
    }
}

async fn open(url: &str) -> Option<(WsClient, Subscription<ItemJson>)> {
    let client = WsClientBuilder::default()
        .connection_timeout(TIMEOUT)
        .request_timeout(TIMEOUT)
        .max_response_size(MESSAGE_BYTES)
        .max_buffer_capacity_per_subscription(ITEMS_WAITING)
        .build(url)
        .await
        .ok()?;
    let items = client.subscribe("horae_subscribe", rpc_params!["feed"], "horae_unsubscribe").await.ok()?;
    Some((client, items))
}
