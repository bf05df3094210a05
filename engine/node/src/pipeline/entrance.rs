//! The entrance: how every edge hands transactions to the pipeline. A full pool or door answers "busy" at once. Clients give way:
//! half of the room is for what other nodes pass on, which they have accepted already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256, Bytes};
use horae_runtime::Door;
use horae_stages::Shed;
use metrics::counter;

use super::desk::{Desk, Standing};
use super::parcel::{Client, TxCell};
use crate::clock;
use crate::edges::intake::{Intake, Reply, ReplyTo};
use crate::edges::rpc::{Admissions, TransactionIntake};

/// Transactions of one request that are let in before the worker behind the door is woken: so many that it finds bursts, so few that
/// a door does not fill up unseen.
const WAKE_EVERY: usize = 64;

const REFUSED: &str = "horae_transactions_refused";

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
    busy: AtomicU64,
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
        // The one reason that comes in floods is counted without a look-up.
        if *why == Shed::Busy {
            self.busy.fetch_add(1, Ordering::Relaxed);
        } else {
            counter!(REFUSED, "reason" => why.label()).increment(1);
        }
    }

    /// Hands the totals to the metrics recorder: now and then, not once a transaction.
    pub fn publish(&self) {
        counter!("horae_transactions_received").absolute(self.received());
        counter!(REFUSED, "reason" => Shed::Busy.label()).absolute(self.busy.load(Ordering::Relaxed));
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

    /// How many transactions find room that nobody here waits for, however many clients come.
    pub fn kept_for_peers(&self) -> usize {
        self.door.kept()
    }

    /// Lets in a transaction that nobody waits for: forwarded by a peer, or rolled back. `false` when there is no room.
    pub fn offer_unanswered(&self, raw: &[u8]) -> bool {
        raw.len() <= self.max_bytes && self.enter(raw, None).is_ok()
    }

    fn enter(&self, raw: &[u8], client: Option<Client>) -> Result<(), Option<Client>> {
        let entered = self.enter_silently(raw, clock::now_ms(), client);
        self.door.ring();
        entered
    }

    /// Lets a transaction in without waking the worker behind the door; gives the client back when there is no room.
    fn enter_silently(&self, raw: &[u8], now_ms: u64, client: Option<Client>) -> Result<(), Option<Client>> {
        if client.is_some() {
            self.traffic.received.fetch_add(1, Ordering::Relaxed);
        }
        let taken = if client.is_some() { self.door.take_giving_way() } else { self.door.take() };
        let mut cell = match taken {
            Ok(cell) => cell,
            Err(_) => return Err(client),
        };
        cell.fill(raw, now_ms, client);
        self.door.enter_silently(cell).map_err(|(_, mut cell)| cell.take_client())
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
    fn submit(&self, raws: &[&[u8]]) -> Admissions {
        let (admissions, seats) = Admissions::new(raws.len());
        let now_ms = clock::now_ms();
        for (index, (raw, seat)) in raws.iter().zip(seats).enumerate() {
            if let Some(why) = self.oversized(raw) {
                self.traffic.count_refused(&why);
                seat.answer(Err(why));
            } else if let Err(client) = self.enter_silently(raw, now_ms, Some(Client::Call(seat))) {
                self.traffic.count_refused(&Shed::Busy);
                client.into_iter().for_each(|client| client.answer(Err(Shed::Busy)));
            }
            if index % WAKE_EVERY == WAKE_EVERY - 1 {
                self.door.ring();
            }
        }
        self.door.ring();
        admissions
    }

    fn remember(&self, admitted: &mut dyn Iterator<Item = (B256, &[u8])>) {
        self.desk.keep_raw(admitted);
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
