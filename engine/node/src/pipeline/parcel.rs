//! The handle in which a transaction travels between workers: a cell of the node's one pool, and the way back to its client.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use horae_runtime::Pooled;
use horae_stages::{Shed, TxBody};

use crate::edges::intake::{Reply, ReplyTo};
use crate::edges::rpc::{Outcome, Seat};

/// A cell keeps its buffer when it goes home, unless one large transaction has blown it up beyond this many bytes.
const BUFFER_KEPT_BYTES: usize = 4 << 10;
/// The buffer a cell starts with: room for most transfers and token calls.
const BUFFER_BYTES: usize = 512;

/// Who waits to hear of a transaction.
#[derive(Debug)]
pub enum Client {
    /// A connection of a framed ingest edge.
    Edge(ReplyTo),
    /// A JSON-RPC call.
    Call(Seat),
}

impl Client {
    /// Tells the client what became of its transaction.
    pub fn answer(self, result: Outcome) {
        match self {
            Self::Edge(reply) => reply.send(match result {
                Ok(hash) => Reply::Accepted(hash),
                Err(Shed::Busy | Shed::PoolFull) => Reply::Busy,
                Err(why) => Reply::Refused(why.to_string().into()),
            }),
            Self::Call(seat) => seat.answer(result),
        }
    }
}

/// What the pool is made of.
pub struct TxCell {
    body: TxBody,
    client: Cell<Option<Client>>,
}

impl fmt::Debug for TxCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TxCell").field(&self.body).finish()
    }
}

impl Default for TxCell {
    fn default() -> Self {
        Self { body: TxBody::with_capacity(BUFFER_BYTES), client: Cell::new(None) }
    }
}

impl TxCell {
    /// Fills the cell with one transaction as it came.
    pub fn fill(&mut self, raw: &[u8], received_ms: u64, client: Option<Client>) {
        self.body.fill(raw, received_ms, 0);
        self.client.set(client);
    }

    /// Gives back whoever waits, so that it can be told that there is no room.
    pub fn take_client(&mut self) -> Option<Client> {
        self.client.take()
    }
}

/// A handle to a filled cell; the cell goes home when it is dropped. A client that has not been answered by then is
/// told that the node let go of its transaction.
#[derive(Debug)]
pub struct Parcel(Pooled<TxCell>);

impl Parcel {
    /// Wraps a cell that has been filled.
    pub fn new(cell: Pooled<TxCell>) -> Self {
        Self(cell)
    }

    /// Takes over the duty to answer the client, if one still waits.
    pub fn take_client(&self) -> Option<Client> {
        self.0.client.take()
    }
}

impl Deref for Parcel {
    type Target = TxBody;

    fn deref(&self) -> &TxBody {
        &self.0.body
    }
}

impl DerefMut for Parcel {
    fn deref_mut(&mut self) -> &mut TxBody {
        &mut self.0.body
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.0.client.take();
        if self.0.body.raw().len() > BUFFER_KEPT_BYTES {
            self.0.body = TxBody::with_capacity(BUFFER_BYTES);
        } else {
            self.0.body.clear();
        }
    }
}
