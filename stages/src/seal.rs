//! Seal fills the open block and closes it by time, gas or bytes; with nothing to do it closes an empty one at every heartbeat.
//!
//! In: [`Ready`] transactions in order, the clock, and what the control plane has decided ([`SlotContext`], [`Applied`]). Out:
//! [`ExecutedBlock`]s, to be signed, stored and sent. Remembers the tip and the slot it fills.

use std::ops::DerefMut;

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes};

use crate::admit::Ready;
use crate::execute::{ExecuteError, ExecutedBlock, Executor};
use crate::header::{Header, L1View};
use crate::params::ChainParams;
use crate::parcel::{Rejected, TxBody};
use crate::protocol;
use crate::rules::{self, HeaderChoices};
use crate::shed::Shed;
use crate::state::{StateError, StateSource};
use crate::transaction::BlockTx;

/// The slot a sequencer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotContext {
    /// Epoch of the slot.
    pub epoch: u64,
    /// Term of the slot.
    pub term: u64,
    /// The slot.
    pub slot: u64,
    /// Signer address of who leads it.
    pub sequencer: Address,
    /// Who is credited the fees.
    pub fee_recipient: Address,
}

/// What the control plane has decided and the next block applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Control height. Where it is below the parent's, the parent's stands.
    pub control_height: u64,
    /// L1 view. Where it is below the parent's, or [`Self::above`] is not the parent's, the parent's stands.
    pub l1_view: L1View,
    /// Number of the L1 view that [`Self::due`] begins above.
    pub above: u64,
    /// Encodings of what the L1 blocks above [`Self::above`], up to [`Self::l1_view`], make due, in the order of L1. They fit into one block:
    /// [`protocol::fitting`].
    pub due: Vec<Bytes>,
}

/// What became of a transaction that was offered to the open block.
#[derive(Debug)]
pub enum Offered<P> {
    /// It is in the block; the handle goes home, the client is answered at the strength it asked for.
    Taken(P),
    /// It cannot be executed.
    Shed(Rejected<P>),
    /// The open block has no room for it: seal, then offer it again.
    Full(Ready<P>),
    /// The slot's last block is sealed.
    Ended(Ready<P>),
}

/// What [`Sealer::offer`] returns; if the state cannot be read, the transaction comes back as it was, with the error.
pub type OfferResult<P, E> = Result<Offered<P>, (Ready<P>, StateError<E>)>;

/// The transactions of the open block, end to end in one buffer that becomes the block's own.
#[derive(Debug, Default)]
struct Encodings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Where the protocol's transactions end and the users' begin.
    signed_from: usize,
}

impl Encodings {
    fn push(&mut self, raw: &[u8]) {
        self.bytes.extend_from_slice(raw);
        self.ends.push(self.bytes.len());
    }

    /// Bytes that users signed.
    fn signed_bytes(&self) -> usize {
        self.bytes.len() - self.signed_from
    }

    fn begin(&mut self, prefix: &[Bytes]) {
        prefix.iter().for_each(|raw| self.push(raw));
        self.signed_from = self.bytes.len();
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.signed_from = 0;
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut start = 0;
        let slices = self.ends.drain(..).map(|end| bytes.slice(std::mem::replace(&mut start, end)..end));
        slices.collect()
    }
}

/// A block that follows a pause waits so long for what comes with its first transaction, in milliseconds.
pub const GATHER_MS: u64 = 2;

/// The stage, for one slot.
#[derive(Debug)]
pub struct Sealer {
    slot: SlotContext,
    params: ChainParams,
    tip: Header,
    tip_hash: B256,
    /// Timestamp of the slot's first block, and how many are sealed.
    first_ms: Option<u64>,
    sealed: u64,
    ended: bool,
    /// The next block that is opened ends the slot.
    ending: bool,
    /// When the open block was opened, by the clock.
    opened_ms: Option<u64>,
    /// When the last block was sealed, by the clock.
    sealed_ms: u64,
    encodings: Encodings,
}

impl Sealer {
    /// Starts a slot above `parent`. The first block is due at once, so that the slot is seen to have begun.
    pub fn new(slot: SlotContext, parent: Header, params: ChainParams) -> Self {
        Self {
            slot,
            tip_hash: parent.hash(),
            tip: parent,
            params,
            first_ms: None,
            sealed: 0,
            ended: false,
            ending: false,
            opened_ms: None,
            sealed_ms: 0,
            encodings: Encodings::default(),
        }
    }

    /// The slot.
    pub fn slot(&self) -> &SlotContext {
        &self.slot
    }

    /// The header of the highest block sealed, or the slot's parent.
    pub fn tip(&self) -> &Header {
        &self.tip
    }

    /// The slot's last block is sealed.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Ends the slot early: with the block after the open one, or with the next one if none is open. It is due at once.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Executes a transaction in the open block, opening one if there is none.
    pub fn offer<S: StateSource, P: DerefMut<Target = TxBody>>(
        &mut self,
        now_ms: u64,
        applied: &Applied,
        executor: &mut Executor<S>,
        tx: Ready<P>,
    ) -> OfferResult<P, S::Error> {
        if self.ended {
            return Ok(Offered::Ended(tx));
        }
        let Ready(mut parcel) = tx;
        let size = parcel.raw.len();
        let gas = parcel.decoded().gas_limit();
        if size > self.params.max_block_bytes {
            let why = Shed::ExceedsBlockSize { size, limit: self.params.max_block_bytes };
            return Ok(Offered::Shed(Rejected { parcel, why }));
        }
        if gas > self.params.gas_limit {
            let why = Shed::ExceedsBlockGasLimit { have: gas, limit: self.params.gas_limit };
            return Ok(Offered::Shed(Rejected { parcel, why }));
        }
        if self.opened_ms.is_none()
            && let Err(error) = self.open(now_ms, applied, executor)
        {
            return Err((Ready(parcel), error));
        }
        let no_bytes = self.encodings.signed_bytes() + size > self.params.max_block_bytes;
        let no_gas = gas > self.params.gas_limit - executor.gas_used();
        if no_bytes || no_gas {
            return Ok(Offered::Full(Ready(parcel)));
        }
        match executor.run(parcel.decoded(), parcel.sender) {
            Ok(()) => {}
            Err(ExecuteError::Shed(why)) => return Ok(Offered::Shed(Rejected { parcel, why })),
            Err(ExecuteError::State(error)) => return Err((Ready(parcel), error)),
        }
        self.encodings.push(&parcel.raw);
        let envelope = parcel.envelope.take().expect("it was decoded to be executed");
        executor.include(BlockTx::signed(parcel.hash, parcel.sender, envelope));
        Ok(Offered::Taken(parcel))
    }

    /// Closes the open block if it is due, or an empty one at a heartbeat.
    pub fn tick<S: StateSource>(
        &mut self,
        now_ms: u64,
        applied: &Applied,
        executor: &mut Executor<S>,
    ) -> Result<Option<ExecutedBlock>, StateError<S::Error>> {
        if now_ms < self.next_due_ms() { Ok(None) } else { self.seal(now_ms, applied, executor) }
    }

    /// Closes a block now, whatever is in it; `None` when the slot has ended.
    pub fn seal<S: StateSource>(
        &mut self,
        now_ms: u64,
        applied: &Applied,
        executor: &mut Executor<S>,
    ) -> Result<Option<ExecutedBlock>, StateError<S::Error>> {
        if self.ended {
            return Ok(None);
        }
        if self.opened_ms.is_none() {
            self.open(now_ms, applied, executor)?;
        }
        let block = executor.finish(&self.tip, &self.params, || self.encodings.take())?;
        self.opened_ms = None;
        let header = &block.block.header;
        self.first_ms.get_or_insert(header.timestamp_ms);
        self.sealed += 1;
        self.sealed_ms = now_ms;
        self.ended = header.ends_slot;
        self.tip = header.clone();
        self.tip_hash = block.hash;
        Ok(Some(block))
    }

    /// When `tick` next has something to do, in unix milliseconds; `u64::MAX` when the slot has ended.
    pub fn next_due_ms(&self) -> u64 {
        match self.opened_ms {
            _ if self.ended => u64::MAX,
            None if self.sealed == 0 || self.ending => 0,
            Some(opened_ms) => {
                let interval_ms = self.params.block_interval_ms;
                (opened_ms + interval_ms.min(GATHER_MS)).max(self.sealed_ms + interval_ms)
            }
            None => self.sealed_ms + self.params.heartbeat_ms,
        }
    }

    /// Takes back the open block (the term has closed) and returns what users signed in it, to be sent on.
    pub fn abandon<S: StateSource>(mut self, executor: &mut Executor<S>) -> Vec<Bytes> {
        executor.abort();
        let mut raw = self.encodings.take();
        raw.drain(..protocol::count(&raw));
        raw
    }

    fn open<S: StateSource>(
        &mut self,
        now_ms: u64,
        applied: &Applied,
        executor: &mut Executor<S>,
    ) -> Result<(), StateError<S::Error>> {
        let parent = &self.tip;
        let timestamp_ms = now_ms.max(parent.timestamp_ms);
        let first_ms = self.first_ms.unwrap_or(timestamp_ms);
        let moves = applied.above == parent.l1_view.number && applied.l1_view.number > parent.l1_view.number;
        let (l1_view, due) = if moves { (applied.l1_view, &applied.due[..]) } else { (parent.l1_view, &[][..]) };
        let choices = HeaderChoices {
            epoch: self.slot.epoch,
            term: self.slot.term,
            slot: self.slot.slot,
            sequencer: self.slot.sequencer,
            timestamp_ms,
            control_height: applied.control_height.max(parent.control_height),
            l1_view,
            fee_recipient: self.slot.fee_recipient,
            ends_slot: self.ending || rules::must_end_slot(first_ms, timestamp_ms, self.sealed + 1, &self.params),
        };
        match executor.begin_with(choices.on(parent, self.tip_hash, &self.params), parent, due) {
            Ok(prefix) => self.encodings.begin(&prefix),
            Err(ExecuteError::State(error)) => return Err(error),
            Err(ExecuteError::Shed(why)) => panic!("what L1 made due decodes and fits into a block, yet: {why}"),
        }
        self.opened_ms = Some(now_ms);
        Ok(())
    }
}
