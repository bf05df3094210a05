//! The load that runs beside a devnet: accounts that each send one transfer after another, spread over all nodes.
//!
//! An account sends its next transfer when the node has admitted the one before, so nothing waits for a nonce that never comes, and what
//! was sent is what a node said yes to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, U64, U256};
use horae_control::SignerKey;
use serde_json::Value;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    chain::{Chain, TRAFFIC_ACCOUNTS, traffic_key},
    ground::Ground,
};
use crate::{
    error::CliError,
    load::wallet::{Signed, Terms, transfer},
    rpc::{Rpc, value},
};

/// Most that is paid, in wei a gas: base fees of a devnet stay far below.
const MAX_FEE: u128 = 1_000_000_000_000;
/// The tip, in wei a gas.
const TIP: u128 = 1_000_000;
/// Wait before a refused transfer is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often the chain is asked which transfers it has: while sending, and at the end.
const ASK: Duration = Duration::from_secs(1);
/// See [`ASK`].
const ASK_AT_THE_END: Duration = Duration::from_millis(200);
/// Transfers asked about at a time. Those beyond wait for their turn; none is forgotten before it is known to be committed.
const ASKED_AT_ONCE: usize = 2_000;

/// Transfers under way.
pub struct Traffic {
    shared: Arc<Shared>,
    accounts: JoinSet<()>,
    clerk: JoinHandle<()>,
    nodes: Vec<Rpc>,
}

struct Shared {
    stopping: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
    committed: AtomicU64,
    /// Admitted and not known to be committed, oldest first.
    open: Mutex<VecDeque<B256>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, VecDeque<B256>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks about the oldest open transfers. Receipts appear when a transaction is committed.
    async fn settle(&self, nodes: &[Rpc]) {
        let mut asked: Vec<B256> = {
            let mut open = self.open();
            let count = open.len().min(ASKED_AT_ONCE);
            open.drain(..count).collect()
        };
        let before = asked.len();
        for node in nodes {
            let calls: Vec<_> = asked.iter().map(|hash| [value(hash)]).collect();
            if let Ok(receipts) = node.ask_many::<Option<Value>, 1>("eth_getTransactionReceipt", calls).await {
                let missing = asked.into_iter().zip(receipts).filter(|(_, receipt)| receipt.is_none());
                asked = missing.map(|(hash, _)| hash).collect();
            }
            if asked.is_empty() {
                break;
            }
        }
        self.committed.fetch_add((before - asked.len()) as u64, Ordering::Relaxed);
        let mut open = self.open();
        for hash in asked.into_iter().rev() {
            open.push_front(hash);
        }
    }
}

/// What became of the load.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Transfers that a node admitted.
    pub sent: u64,
    /// Answers that refused one; it was then tried again.
    pub refused: u64,
    /// Of those sent, how many are committed.
    pub committed: u64,
}

impl Traffic {
    /// Starts sending `rate` transfers a second.
    pub async fn start(rate: u32, ground: &Ground, chain: &Chain) -> Result<Self, CliError> {
        let nodes = ground.rpc_urls().iter().map(|url| Rpc::new(url)).collect::<Result<Vec<_>, _>>()?;
        let count = TRAFFIC_ACCOUNTS.min(rate);
        let every = Duration::from_secs_f64(f64::from(count) / f64::from(rate));
        let terms = Terms { chain_id: chain.chain_id, max_fee: MAX_FEE, tip: TIP };
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let mut accounts = JoinSet::new();
        for index in 0..count {
            let account = Account {
                key: traffic_key(index)?,
                to: traffic_key((index + 1) % TRAFFIC_ACCOUNTS)?.address(),
                nodes: nodes.clone(),
                node: index as usize % nodes.len(),
                terms,
                shared: shared.clone(),
            };
            accounts.spawn(account.run(every, every * index / count));
        }
        let clerk = tokio::spawn({
            let (shared, nodes) = (shared.clone(), nodes.clone());
            async move {
                while !shared.stopping.load(Ordering::Relaxed) {
                    sleep(ASK).await;
                    shared.settle(&nodes).await;
                }
            }
        });
        Ok(Self { shared, accounts, clerk, nodes })
    }

    /// Transfers admitted and refused so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.sent.load(Ordering::Relaxed), self.shared.refused.load(Ordering::Relaxed))
    }

    /// Stops sending and waits until all that was sent is committed, or `limit` is over.
    pub async fn stop(mut self, limit: Duration) -> Sent {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let until = Instant::now() + limit;
        while let Ok(Some(_)) = tokio::time::timeout_at(until, self.accounts.join_next()).await {}
        self.accounts.abort_all();
        // The clerk ends by itself: cut off, it would lose the transfers in its hands.
        let _ = tokio::time::timeout_at(until, &mut self.clerk).await;
        while !self.shared.open().is_empty() && Instant::now() < until {
            self.shared.settle(&self.nodes).await;
            sleep(ASK_AT_THE_END).await;
        }
        let (sent, refused) = self.counts();
        Sent { sent, refused, committed: self.shared.committed.load(Ordering::Relaxed) }
    }
}

struct Account {
    key: SignerKey,
    to: Address,
    nodes: Vec<Rpc>,
    node: usize,
    terms: Terms,
    shared: Arc<Shared>,
}

impl Account {
    async fn run(mut self, every: Duration, offset: Duration) {
        sleep(offset).await;
        let mut ticks = interval(every);
        // What was missed is made up for, so that the rate holds over any pause.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut nonce = None;
        while !self.shared.stopping.load(Ordering::Relaxed) {
            ticks.tick().await;
            let next = match nonce {
                Some(next) => next,
                None => match self.next_nonce().await {
                    Some(next) => next,
                    None => continue,
                },
            };
            let signed = transfer(&self.key, self.terms, next, self.to, U256::from(1));
            nonce = self.send(&signed).await.then_some(next + 1);
        }
    }

    /// Sends one transfer, and again as long as it is not known to be admitted or of no more use.
    async fn send(&mut self, signed: &Signed) -> bool {
        let mut doubtful = false;
        loop {
            match self.nodes[self.node].try_ask::<B256, 1>("eth_sendRawTransaction", [value(&signed.raw)]).await {
                Ok(_) => return self.count(signed),
                Err(jsonrpsee::core::client::Error::Call(refusal)) => {
                    // After a lost answer the same transaction is known, or its nonce used, because it was admitted.
                    let words = refusal.message().to_lowercase();
                    if words.contains("already known") || (doubtful && words.contains("nonce too low")) {
                        return self.count(signed);
                    }
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(reason = refusal.message(), "a transfer was refused");
                    if words.contains("nonce too low") {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a node does not answer; the next one is asked");
                    doubtful = true;
                    self.node = (self.node + 1) % self.nodes.len();
                }
            }
            if self.shared.stopping.load(Ordering::Relaxed) && !doubtful {
                return false;
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    fn count(&self, signed: &Signed) -> bool {
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        self.shared.open().push_back(signed.hash);
        true
    }

    async fn next_nonce(&mut self) -> Option<u64> {
        let parameters = [value(self.key.address()), value("pending")];
        match self.nodes[self.node].try_ask::<U64, 2>("eth_getTransactionCount", parameters).await {
            Ok(count) => Some(count.to()),
            Err(error) => {
                tracing::debug!(%error, "a node does not answer; the next one is asked");
                self.node = (self.node + 1) % self.nodes.len();
                None
            }
        }
    }
}
