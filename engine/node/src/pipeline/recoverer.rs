//! A recover worker: senders from signatures, in bursts. There are as many as the profile says.

use std::collections::VecDeque;
use std::sync::Arc;

use horae_runtime::{Consumer, Poll, Producer, Progress};
use horae_stages::{Fresh, Recover, Recovered};

use super::entrance::Traffic;
use super::front::refuse;
use super::parcel::Parcel;

/// Most transactions recovered in one turn: what shares its inversions in `horae-recovery`, done in a third of a
/// millisecond. A turn takes what is there and never waits for more, so that a lone transaction is not delayed.
const BURST: usize = 64;

/// One recover worker between the front and the replica.
pub struct Recoverer {
    lane: Consumer<Fresh<Parcel>>,
    recover: Recover,
    traffic: Arc<Traffic>,
    out: Producer<Recovered<Parcel>>,
    burst: Vec<Fresh<Parcel>>,
    ready: VecDeque<Recovered<Parcel>>,
}

impl Recoverer {
    /// A worker between two rings.
    pub fn new(
        lane: Consumer<Fresh<Parcel>>,
        recover: Recover,
        traffic: Arc<Traffic>,
        out: Producer<Recovered<Parcel>>,
    ) -> Self {
        Self { lane, recover, traffic, out, burst: Vec::with_capacity(BURST), ready: VecDeque::with_capacity(BURST) }
    }
}

impl Poll for Recoverer {
    fn poll(&mut self, _now_ms: u64) -> Progress {
        self.out.push_queued(&mut self.ready);
        if !self.ready.is_empty() {
            return Progress::Blocked;
        }
        if self.lane.pop_burst(&mut self.burst, BURST) == 0 {
            return Progress::IDLE;
        }
        let (ready, traffic) = (&mut self.ready, &self.traffic);
        self.recover.burst(&mut self.burst, |result| match result {
            Ok(recovered) => ready.push_back(recovered),
            Err(rejected) => refuse(rejected, traffic),
        });
        self.out.push_queued(&mut self.ready);
        Progress::Worked
    }
}
