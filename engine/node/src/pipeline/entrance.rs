//! The entrance: how every edge hands transactions to the pipeline. A full pool or door answers "busy" at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256, Bytes};
use horae_runtime::Door;
use horae_stages::Shed;
use metrics::counter;
use tokio::sync::oneshot;

use super::desk::{Desk, Standing};
use super::parcel::{Client, TxCell};
use crate::clock;
use crate::edges::intake::{Intake, Reply, ReplyTo};
use crate::edges::rpc::{Admission, TransactionIntake};

/// The node's door, as its edges see it.
#[derive(Clone)]
pub struct Entrance {
    door: Door<TxCell>,
    max_bytes: usize,
    traffic: Arc<Traffic>,
    desk: Arc<Desk>,
}

/// What clients have sent since the node started.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    refused: AtomicU64,
    forwarded: AtomicU64,
}

impl Traffic {
    /// Transactions that came in.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Transactions refused, with a reason or as busy.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Transactions passed on to the sequencer.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }

    /// Counts a refusal and its reason.
    pub fn count_refused(&self, why: &Shed) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        counter!("horae_transactions_refused", "reason" => why.label()).increment(1);
    }

    /// Counts transactions passed on.
    pub fn count_forwarded(&self, transactions: u64) {
        self.forwarded.fetch_add(transactions, Ordering::Relaxed);
        counter!("horae_transactions_forwarded").increment(transactions);
    }
}

impl Entrance {
    /// An entrance that takes transactions of up to `max_bytes`; longer ones are refused before they are copied.
    pub fn new(door: Door<TxCell>, max_bytes: usize, desk: Arc<Desk>) -> Self {
        Self { door, max_bytes, traffic: Arc::default(), desk }
    }

    /// What became of transactions.
    pub fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// The counters, for whoever counts and whoever reports.
    pub fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    /// Lets in a transaction that nobody waits for: forwarded by a peer, or rolled back. `false` when there is no room.
    pub fn offer_unanswered(&self, raw: &[u8]) -> bool {
        raw.len() <= self.max_bytes && self.enter(raw, None).is_ok()
    }

    fn enter(&self, raw: &[u8], client: Option<Client>) -> Result<(), Option<Client>> {
        if client.is_some() {
            self.traffic.received.fetch_add(1, Ordering::Relaxed);
            counter!("horae_transactions_received").increment(1);
        }
        let mut cell = match self.door.take() {
            Ok(cell) => cell,
            Err(_) => return Err(client),
        };
        cell.fill(raw, clock::now_ms(), client);
        self.door.enter(cell).map_err(|(_, mut cell)| cell.take_client())
    }

    fn oversized(&self, raw: &[u8]) -> Option<Shed> {
        (raw.len() > self.max_bytes).then_some(Shed::Oversized { size: raw.len(), limit: self.max_bytes })
    }
}

impl Intake for Entrance {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        if let Some(why) = self.oversized(bytes) {
            self.traffic.count_refused(&why);
            return reply.send(Reply::Refused(why.to_string().into()));
        }
        if let Err(Some(Client::Edge(reply))) = self.enter(bytes, Some(Client::Edge(reply))) {
            self.traffic.count_refused(&Shed::Busy);
            reply.send(Reply::Busy);
        }
    }
}

impl TransactionIntake for Entrance {
    fn submit(&self, raw: Bytes) -> Admission {
        if let Some(why) = self.oversized(&raw) {
            self.traffic.count_refused(&why);
            return Box::pin(async move { Err(why) });
        }
        let (sender, answer) = oneshot::channel();
        if self.enter(&raw, Some(Client::Call(sender))).is_err() {
            self.traffic.count_refused(&Shed::Busy);
            return Box::pin(async { Err(Shed::Busy) });
        }
        let desk = self.desk.clone();
        Box::pin(async move {
            let answer = answer.await.unwrap_or(Err(Shed::Busy));
            if let Ok(hash) = &answer {
                desk.keep_raw(*hash, raw);
            }
            answer
        })
    }

    fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.desk.next_nonce(&sender, clock::now_ms())
    }

    fn standing(&self, hash: &B256) -> Option<Standing> {
        self.desk.standing(hash)
    }

    fn raw(&self, hash: &B256) -> Option<Bytes> {
        self.desk.raw(hash)
    }
}
