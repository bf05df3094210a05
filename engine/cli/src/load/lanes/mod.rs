//! The ways in: each lane is one connection that sends its share when it is due and takes the answers.

mod congestion;
mod flight;
mod quic;
mod rpc;
mod tcp;

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use horae_node::edges::intake::Reply;
use tokio::task::JoinSet;

use self::{congestion::Congestion, flight::Flight};
use super::{pace::Pace, plan::Plan, tally::Tally};
use crate::{error::CliError, rpc::Rpc};

/// Transactions that a lane hands over at a time, and of one JSON-RPC batch.
const BATCH: usize = 100;
/// Shortest pause of a lane that has nothing due.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause of a lane that has sent all and waits for answers.
const LINGER: Duration = Duration::from_millis(10);
/// Pause before a lane that lost its node tries again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// What nodes say when they have no room now, Horae's and go-ethereum's words, in small letters.
const NO_ROOM: [&str; 3] = ["account limit exceeded", "txpool is full", "busy"];
/// What nodes (go-ethereum and Horae, anvil, Nethermind) say when they have it already.
const KNOWN: [&str; 3] = ["already known", "already imported", "alreadyknown"];
/// What they say when a nonce is used.
const USED: &str = "nonce too low";

/// How transactions go in.
#[derive(Clone)]
pub enum Door {
    /// JSON-RPC, in batches.
    Rpc(Rpc),
    /// QUIC, a stream of many on each connection.
    Quic(SocketAddr),
    /// Length-framed TCP.
    Tcp(SocketAddr),
}

impl Door {
    /// The protocol.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Rpc(_) => "JSON-RPC",
            Self::Quic(_) => "QUIC",
            Self::Tcp(_) => "TCP",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(rpc) => write!(f, "{} to {}", self.protocol(), rpc.url()),
            Self::Quic(address) | Self::Tcp(address) => write!(f, "{} to {address}", self.protocol()),
        }
    }
}

/// What all lanes of a run share.
#[derive(Clone)]
pub struct Run {
    /// What is sent.
    pub plan: Arc<Plan>,
    /// When.
    pub pace: Arc<Pace>,
    /// What the node said.
    pub tally: Arc<Tally>,
    /// Committed so far, as the sink sees it.
    pub committed: Arc<AtomicU64>,
}

/// Running lanes; dropping it stops them.
pub struct Lanes {
    _tasks: JoinSet<()>,
    stopped: Arc<AtomicBool>,
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// One transaction on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parcel {
    at: u32,
    /// It went out before and had no answer, so that the node may have it.
    doubtful: bool,
}

/// One lane's share of the plan.
struct Lane {
    run: Run,
    waiting: VecDeque<u32>,
    desk: Desk,
    stopped: Arc<AtomicBool>,
}

/// Where a lane's answers are taken.
#[derive(Clone)]
struct Desk {
    run: Run,
    congestion: Arc<Mutex<Congestion>>,
}

/// What a node said to one transaction.
enum Answer<'a> {
    Taken,
    Busy,
    Refused(&'a str),
}

enum Next {
    Send(Parcel),
    Wait(Duration),
    Done,
}

impl Lane {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn raw(&self, parcel: Parcel) -> &[u8] {
        self.run.plan.raw(parcel.at as usize)
    }

    fn next(&mut self) -> Next {
        if self.is_stopped() {
            return Next::Done;
        }
        let now = self.run.pace.now();
        let mut congestion = self.desk.congestion();
        if let Some(pause) = congestion.pause(now) {
            return Next::Wait(pause.max(PAUSE));
        }
        if let Some(parcel) = congestion.again() {
            return Next::Send(parcel);
        }
        let Some(at) = self.waiting.front().copied() else { return Next::Done };
        if self.run.pace.window().is_some_and(|window| self.under_way() >= window) {
            return Next::Wait(PAUSE);
        }
        let due = self.run.pace.due(at as usize);
        if due > now {
            congestion.caught_up();
            return Next::Wait((due - now).max(PAUSE));
        }
        congestion.send();
        drop(congestion);
        self.waiting.pop_front();
        self.run.pace.leaves(at as usize);
        self.run.tally.send();
        Next::Send(Parcel { at, doubtful: false })
    }

    fn under_way(&self) -> u64 {
        let settled = self.run.committed.load(Ordering::Relaxed) + self.run.tally.refused();
        self.run.tally.sent().saturating_sub(settled)
    }

    /// As many as are due, at most a batch, and how long to wait before more; `None` when all are sent.
    fn burst(&mut self) -> (Vec<Parcel>, Option<Duration>) {
        let mut burst = Vec::new();
        while burst.len() < BATCH {
            match self.next() {
                Next::Send(parcel) => burst.push(parcel),
                Next::Wait(pause) => return (burst, Some(pause)),
                Next::Done => return (burst, None),
            }
        }
        (burst, Some(Duration::ZERO))
    }
}

impl Desk {
    /// The answer to a frame of a connection; nothing if the frame had its answer before.
    fn hear(&self, flight: &Mutex<Flight>, frame: u64, reply: &Reply) {
        let Some(parcel) = flight.lock().unwrap_or_else(PoisonError::into_inner).take(frame) else { return };
        match reply {
            Reply::Accepted(_) => self.take(parcel, &Answer::Taken),
            Reply::Busy => self.take(parcel, &Answer::Busy),
            Reply::Refused(reason) => self.take(parcel, &Answer::Refused(reason)),
        }
    }

    fn take(&self, parcel: Parcel, answer: &Answer<'_>) {
        let tally = &self.run.tally;
        let reason = match answer {
            Answer::Taken => return self.accept(parcel),
            Answer::Busy => return self.no_room(parcel),
            Answer::Refused(reason) => reason,
        };
        let words = reason.to_lowercase();
        let says = |said: &[&str]| said.iter().any(|said| words.contains(said));
        if says(&KNOWN) || (parcel.doubtful && says(&[USED])) {
            self.accept(parcel);
        } else if says(&NO_ROOM) {
            self.no_room(parcel);
        } else {
            self.congestion().answered();
            tally.refuse(reason);
        }
    }

    fn congestion(&self) -> MutexGuard<'_, Congestion> {
        self.congestion.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, parcel: Parcel) {
        self.congestion().answered();
        self.run.tally.accept(self.run.pace.latency_us(parcel.at as usize, self.run.pace.now()));
    }

    fn no_room(&self, parcel: Parcel) {
        self.run.tally.no_room();
        self.congestion().no_room(parcel, self.run.pace.now());
    }

    /// These had no answer: whether they arrived is not known. Sent again, those that did are known already.
    fn lost(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let mut congestion = self.congestion();
        for parcel in parcels {
            self.run.tally.lose();
            congestion.lost(Parcel { doubtful: true, ..parcel }, self.run.pace.now() + RECONNECT_AFTER);
        }
    }
}

/// Connects at most `count` lanes, never more than accounts, and starts them.
pub async fn start(door: &Door, run: &Run, count: u16) -> Result<Lanes, CliError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let count = usize::from(count).min(run.plan.senders().len());
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let lane = Lane {
            run: run.clone(),
            waiting: run.plan.of_lane(index, count).collect(),
            desk: Desk { run: run.clone(), congestion: Arc::default() },
            stopped: stopped.clone(),
        };
        match door {
            Door::Rpc(rpc) => drop(tasks.spawn(rpc::serve(lane, rpc.clone()))),
            Door::Quic(address) => {
                let fail = |e| CliError::because(format!("QUIC to {address}; is --quic the node's ingest.quic?"), e);
                let client = quic::connect(*address).await.map_err(fail)?;
                tasks.spawn(quic::serve(lane, *address, client));
            }
            Door::Tcp(address) => {
                let fail = |e| CliError::because(format!("TCP to {address}; is --tcp the node's ingest.tcp?"), e);
                tcp::start(lane, *address).map_err(fail)?;
            }
        }
    }
    Ok(Lanes { _tasks: tasks, stopped })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::load::plan::tests::plan;

    fn lane(rate: u32, window: u64) -> Lane {
        let plan = Arc::new(plan(6, "transfers=1", None));
        let pace = Arc::new(Pace::new(6, rate, window));
        pace.begin();
        let run = Run { plan, pace, tally: Arc::new(Tally::new().unwrap()), committed: Arc::default() };
        let waiting = run.plan.of_lane(0, 1).collect();
        Lane { desk: Desk { run: run.clone(), congestion: Arc::default() }, run, waiting, stopped: Arc::default() }
    }

    fn places(burst: &[Parcel]) -> Vec<u32> {
        burst.iter().map(|parcel| parcel.at).collect()
    }

    #[test]
    fn without_a_rate_the_window_bounds_what_is_under_way() {
        let mut lane = lane(0, 4);
        let (burst, pause) = lane.burst();
        assert_eq!((places(&burst), pause), (vec![0, 1, 2, 3], Some(PAUSE)));
        lane.run.committed.store(1, Ordering::Relaxed);
        lane.desk.take(burst[1], &Answer::Refused("insufficient funds"));
        assert_eq!(places(&lane.burst().0), [4, 5]);
        assert!(lane.burst().1.is_none(), "all are sent");
    }

    #[test]
    fn what_there_was_no_room_for_goes_out_again_first() {
        let mut lane = lane(0, 2);
        let (burst, _) = lane.burst();
        for said in ["txpool is full", "account limit exceeded: limit 64", "server busy, try again"] {
            lane.desk.take(burst[0], &Answer::Refused(said));
        }
        assert_eq!((lane.run.tally.busy(), lane.run.tally.refused()), (3, 0));
        let (none, pause) = lane.burst();
        assert!(none.is_empty() && pause.is_some_and(|pause| pause <= congestion::AGAIN_AFTER), "not at once");
        lane.desk.congestion().no_room(Parcel { at: 1, doubtful: false }, Duration::ZERO);
        std::thread::sleep(congestion::AGAIN_AFTER);
        assert_eq!(places(&lane.burst().0), [0, 1]);
    }

    #[test]
    fn a_used_nonce_is_a_refusal_unless_the_answer_was_lost() {
        let lane = lane(0, 2);
        let parcel = Parcel { at: 0, doubtful: false };
        lane.desk.take(parcel, &Answer::Refused("Nonce too low: next nonce 4, tx nonce 0"));
        lane.desk.take(Parcel { doubtful: true, ..parcel }, &Answer::Refused("nonce too low"));
        lane.desk.take(parcel, &Answer::Refused("transaction already imported"));
        assert_eq!((lane.run.tally.refused(), lane.run.tally.accepted()), (1, 2));
        lane.desk.lost([parcel]);
        let again = lane.desk.congestion().again();
        assert_eq!((again, lane.run.tally.unanswered()), (Some(Parcel { at: 0, doubtful: true }), 1));
    }
}
