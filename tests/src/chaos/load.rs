//! A steady load: accounts that send a transfer each, wait until it is reported committed, and send the next one. What is not
//! answered is sent again, to any node, until it is committed: no transaction may vanish.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes, hex, keccak256};
use jsonrpsee::{
    core::{client::ClientT, client::Error},
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde_json::Value;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    node::Node,
    rpc::{quantity, runtime},
    sim::rng::Rng,
    wallet::Wallet,
};

/// Accounts that send; a devnet's genesis gives to more than these.
const ACCOUNTS: u32 = 32;
/// How long a node is told to wait for the commit, in milliseconds.
const SYNC_MS: u64 = 3_000;
/// Longest wait for its answer: a node that is stopped gives none.
const TIMEOUT: Duration = Duration::from_millis(SYNC_MS + 500);
/// Pause before a transfer is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// What a transfer may take to be committed, whatever dies meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// A transaction that a node has reported committed.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    /// Its hash.
    pub hash: B256,
    /// Height of its block.
    pub number: u64,
    /// Hash of its block.
    pub block: B256,
    /// Its place in the block.
    pub index: u64,
}

/// What became of the load.
#[derive(Debug, Default)]
pub struct Told {
    /// Reported committed, in the order in which the answers came.
    pub reported: Vec<Reported>,
    /// What no node may do to a valid transfer, one line each.
    pub wrongs: Vec<String>,
}

/// A load that runs.
#[derive(Debug)]
pub struct Load {
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts sending `rate` transfers a second, through all of `nodes`.
    ///
    /// # Panics
    /// If an endpoint is no URL.
    #[must_use]
    pub fn start(nodes: &[Node], chain_id: u64, rate: u32, rng: &mut Rng) -> Self {
        let (told, stop): (Arc<Mutex<Told>>, Arc<AtomicBool>) = Default::default();
        let client = |node: &Node| {
            let client = HttpClientBuilder::default().request_timeout(TIMEOUT).build(node.rpc.url());
            client.expect("the endpoint of a node")
        };
        let clients: Vec<HttpClient> = nodes.iter().map(client).collect();
        let every = Duration::from_secs(1) * ACCOUNTS / rate.max(1);
        let senders = (0..ACCOUNTS).map(|index| {
            let key = keccak256(format!("horae devnet traffic account {index}, for tests only"));
            let sender = Sender {
                wallet: Wallet::new(&key.to_string()),
                chain_id,
                clients: clients.clone(),
                rng: rng.fork(),
                told: told.clone(),
                stop: stop.clone(),
            };
            runtime().spawn(sender.run(every, every * index / ACCOUNTS))
        });
        Self { senders: senders.collect(), told, stop }
    }

    /// How many were reported committed so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.told).reported.len()
    }

    /// Sends no more, waits until what was sent is committed, and tells what became of all.
    ///
    /// # Panics
    /// If a sender did.
    #[must_use]
    pub fn finish(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            runtime().block_on(sender).expect("a sender ends by itself");
        }
        std::mem::take(&mut lock(&self.told))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.senders.iter().for_each(JoinHandle::abort);
    }
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().expect("no sender panics while it writes down an answer")
}

struct Sender {
    wallet: Wallet,
    chain_id: u64,
    clients: Vec<HttpClient>,
    rng: Rng,
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    async fn run(mut self, every: Duration, offset: Duration) {
        sleep(offset).await;
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for nonce in 0.. {
            tick.tick().await;
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let (hash, raw) = self.wallet.sign(self.wallet.transfer(self.chain_id, nonce));
            match self.commit(hash, &raw).await {
                Ok(reported) => lock(&self.told).reported.push(reported),
                Err(wrong) => {
                    lock(&self.told).wrongs.push(wrong);
                    return;
                }
            }
        }
    }

    /// Sends a transfer until a node reports it committed.
    async fn commit(&mut self, hash: B256, raw: &Bytes) -> Result<Reported, String> {
        let until = Instant::now() + PATIENCE;
        let mut last = String::from("no node answered");
        while Instant::now() < until {
            let client = &self.clients[self.rng.below(self.clients.len())];
            let params = rpc_params![hex::encode_prefixed(raw), format!("{SYNC_MS:#x}")];
            let answer: Result<Value, Error> = client.request("eth_sendRawTransactionSync", params).await;
            let receipt = match answer {
                Ok(receipt) => receipt,
                Err(why) => {
                    if let Error::Call(refusal) = &why {
                        last = refusal.message().to_owned();
                    }
                    // It may be committed already, through another node or by an answer that was lost.
                    client.request("eth_getTransactionReceipt", rpc_params![hash]).await.unwrap_or_default()
                }
            };
            if !receipt.is_null() {
                return read(hash, &receipt);
            }
            sleep(PAUSE).await;
        }
        Err(format!("transaction {hash} was not committed within {} s; last answer: {last}", PATIENCE.as_secs()))
    }
}

fn read(hash: B256, receipt: &Value) -> Result<Reported, String> {
    let told: B256 = field(receipt, "transactionHash")?;
    if told != hash || receipt["status"] != "0x1" {
        return Err(format!("transaction {hash} was answered with {receipt}"));
    }
    let (number, index) = (quantity(&receipt["blockNumber"]), quantity(&receipt["transactionIndex"]));
    Ok(Reported { hash, number, block: field(receipt, "blockHash")?, index })
}

fn field(receipt: &Value, name: &str) -> Result<B256, String> {
    serde_json::from_value(receipt[name].clone()).map_err(|why| format!("`{name}` of receipt {receipt}: {why}"))
}
