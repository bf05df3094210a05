//! The front worker: takes transactions at the door, decodes them, drops duplicates, and deals them out to the recoverers.

use std::collections::VecDeque;

use alloy_primitives::B256;
use crossbeam_queue::ArrayQueue;
use horae_runtime::{Hall, Poll, Pooled, Producer, Progress};
use horae_stages::{Decode, Dedup, Frame, Fresh, Rejected};
use std::sync::Arc;

use super::entrance::Traffic;
use super::parcel::{Parcel, TxCell};

/// Transactions handled in one turn.
const BURST: usize = 128;

/// Hashes that the replica wants to be let through again (it refused them for lack of room, or rolled them back).
/// When it is full the oldest is lost, and its transaction counts as known until the dedup ring turns over.
pub type Forgotten = Arc<ArrayQueue<B256>>;

/// decode and dedup, run back to back with no ring between them.
pub struct Front {
    hall: Hall<TxCell>,
    decode: Decode,
    dedup: Dedup,
    forgotten: Forgotten,
    traffic: Arc<Traffic>,
    lanes: Vec<Producer<Fresh<Parcel>>>,
    /// Where the next one goes: fan-out is by sequence number, never by a shared queue.
    next_lane: usize,
    arrived: Vec<Pooled<TxCell>>,
    frames: Vec<Frame<Parcel>>,
    /// What found its lane full; nothing overtakes it.
    stalled: VecDeque<Fresh<Parcel>>,
}

impl Front {
    /// A front over the node's door, dealing to `lanes` (at least one).
    pub fn new(
        hall: Hall<TxCell>,
        decode: Decode,
        dedup: Dedup,
        forgotten: Forgotten,
        traffic: Arc<Traffic>,
        lanes: Vec<Producer<Fresh<Parcel>>>,
    ) -> Self {
        assert!(!lanes.is_empty(), "transactions need at least one recoverer");
        Self {
            hall,
            decode,
            dedup,
            forgotten,
            traffic,
            lanes,
            next_lane: 0,
            arrived: Vec::with_capacity(BURST),
            frames: Vec::with_capacity(BURST),
            stalled: VecDeque::with_capacity(BURST),
        }
    }

    /// Deals out what is waiting; `false` if a lane is full.
    fn deal(&mut self) -> bool {
        if let [only] = self.lanes.as_mut_slice() {
            only.push_queued(&mut self.stalled);
            return self.stalled.is_empty();
        }
        while let Some(fresh) = self.stalled.pop_front() {
            match self.lanes[self.next_lane].push(fresh) {
                Ok(()) => self.next_lane = (self.next_lane + 1) % self.lanes.len(),
                Err(fresh) => {
                    self.stalled.push_front(fresh);
                    return false;
                }
            }
        }
        true
    }
}

/// Answers the client of a transaction that leaves early, and counts the reason.
pub(super) fn refuse(rejected: Rejected<Parcel>, traffic: &Traffic) {
    traffic.count_refused(&rejected.why);
    if let Some(client) = rejected.parcel.take_client() {
        client.answer(Err(rejected.why));
    }
}

impl Poll for Front {
    fn poll(&mut self, _now_ms: u64) -> Progress {
        while let Some(hash) = self.forgotten.pop() {
            self.dedup.forget(hash);
        }
        if !self.deal() {
            return Progress::Blocked;
        }
        if self.hall.pop_burst(&mut self.arrived, BURST) == 0 {
            return Progress::IDLE;
        }
        self.frames.extend(self.arrived.drain(..).map(|cell| Frame::new(Parcel::new(cell))));
        let (dedup, stalled, traffic) = (&mut self.dedup, &mut self.stalled, &self.traffic);
        self.decode.burst(&mut self.frames, |decoded| match decoded.and_then(|decoded| dedup.step(decoded)) {
            Ok(fresh) => stalled.push_back(fresh),
            Err(rejected) => refuse(rejected, traffic),
        });
        self.deal();
        Progress::Worked
    }
}
