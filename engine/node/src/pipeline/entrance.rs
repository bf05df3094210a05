//! The entrance: how every edge hands transactions to the pipeline. A full pool or door answers "busy" at once.

use alloy_primitives::Bytes;
use horae_runtime::Door;
use horae_stages::Shed;
use metrics::counter;
use tokio::sync::oneshot;

use super::parcel::{Client, TxCell};
use crate::clock;
use crate::edges::intake::{Intake, Reply, ReplyTo};
use crate::edges::rpc::{Admission, TransactionIntake};

/// The node's door, as its edges see it.
#[derive(Clone)]
pub struct Entrance {
    door: Door<TxCell>,
    max_bytes: usize,
}

impl Entrance {
    /// An entrance that takes transactions of up to `max_bytes`; longer ones are refused before they are copied.
    pub fn new(door: Door<TxCell>, max_bytes: usize) -> Self {
        Self { door, max_bytes }
    }

    /// Lets in a transaction that nobody waits for: forwarded by a peer, or rolled back. `false` when there is no room.
    pub fn offer_unanswered(&self, raw: &[u8]) -> bool {
        raw.len() <= self.max_bytes && self.enter(raw, None).is_ok()
    }

    fn enter(&self, raw: &[u8], client: Option<Client>) -> Result<(), Option<Client>> {
        counter!("horae_transactions_received").increment(1);
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

fn count_busy() {
    counter!("horae_transactions_refused", "reason" => Shed::Busy.label()).increment(1);
}

impl Intake for Entrance {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        if let Some(why) = self.oversized(bytes) {
            return reply.send(Reply::Refused(why.to_string().into()));
        }
        if let Err(Some(Client::Edge(reply))) = self.enter(bytes, Some(Client::Edge(reply))) {
            count_busy();
            reply.send(Reply::Busy);
        }
    }
}

impl TransactionIntake for Entrance {
    fn submit(&self, raw: Bytes) -> Admission {
        if let Some(why) = self.oversized(&raw) {
            return Box::pin(async move { Err(why) });
        }
        let (sender, answer) = oneshot::channel();
        if self.enter(&raw, Some(Client::Call(sender))).is_err() {
            count_busy();
            return Box::pin(async { Err(Shed::Busy) });
        }
        Box::pin(async move { answer.await.unwrap_or(Err(Shed::Busy)) })
    }
}
