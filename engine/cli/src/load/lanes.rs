//! The ways in: each lane is one connection that sends its share when it is due and takes the answers.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use alloy_primitives::B256;
use horae_node::edges::{
    intake::Reply,
    quic_client::{QuicClient, Trust},
    tcp_client,
};
use tokio::{task::JoinSet, time::sleep};

use super::plan::Plan;
use crate::{
    error::CliError,
    rpc::{Rpc, value},
};

/// Connections at most; never more than accounts.
const LANES: usize = 8;
/// Transactions of one JSON-RPC batch.
const BATCH: usize = 100;
/// Shortest pause of a lane that has nothing due.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause before what a node has no room for goes out again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Without a rate: transactions under way for each account. Nodes hold 64 of one that wait for their turn.
const WINDOW_PER_ACCOUNT: u64 = 32;
/// What a node says when it has no room for the account, in go-ethereum's words: later it has.
const ACCOUNT_FULL: &str = "account limit exceeded";
/// How many different reasons of refusals are remembered.
const REASONS_MAX: usize = 8;

/// How transactions go in.
pub enum Door {
    /// JSON-RPC, in batches.
    Rpc(Rpc),
    /// QUIC, a stream of many on each connection.
    Quic(SocketAddr),
    /// Length-framed TCP.
    Tcp(SocketAddr),
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(rpc) => write!(f, "JSON-RPC to {}", rpc.url()),
            Self::Quic(address) => write!(f, "QUIC to {address}"),
            Self::Tcp(address) => write!(f, "TCP to {address}"),
        }
    }
}

/// What the door said.
#[derive(Default)]
pub struct Tally {
    sent: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
    reasons: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Handed over at least once.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Taken by the node.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Refused for good.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Answers that said "busy"; the same bytes went out again.
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Why, and how often each.
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, reason: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers differ from one transaction to the next; the reason is the words.
        let words: String = reason.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
        if reasons.len() < REASONS_MAX || reasons.contains_key(&words) {
            *reasons.entry(words).or_default() += 1;
        }
    }
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

/// One lane's share of the plan.
struct Lane {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    waiting: VecDeque<usize>,
    /// For which there was no room, and when to send them again: before anything new.
    again: Arc<Mutex<VecDeque<(usize, Duration)>>>,
    /// Committed so far, as the sink sees it.
    committed: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

enum Next {
    Send(usize),
    Wait(Duration),
    Done,
}

impl Lane {
    fn next(&mut self) -> Next {
        if self.stopped.load(Ordering::Relaxed) {
            return Next::Done;
        }
        let now = self.plan.now();
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        match again.front().copied() {
            Some((_, due)) if due > now => return Next::Wait((due - now).max(PAUSE)),
            Some((at, _)) => {
                again.pop_front();
                return Next::Send(at);
            }
            None => drop(again),
        }
        let Some(at) = self.waiting.front().copied() else { return Next::Done };
        if self.plan.is_unpaced() && self.under_way() >= WINDOW_PER_ACCOUNT * self.plan.accounts() as u64 {
            return Next::Wait(PAUSE);
        }
        let due = self.plan.due(at);
        if due > now {
            return Next::Wait((due - now).max(PAUSE));
        }
        self.waiting.pop_front();
        self.plan.leaves(at);
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        Next::Send(at)
    }

    fn under_way(&self) -> u64 {
        let settled = self.committed.load(Ordering::Relaxed) + self.tally.refused();
        self.tally.sent().saturating_sub(settled)
    }

    fn no_room(&self, at: usize) {
        self.tally.busy.fetch_add(1, Ordering::Relaxed);
        let due = self.plan.now() + AGAIN_AFTER;
        self.again.lock().unwrap_or_else(PoisonError::into_inner).push_back((at, due));
    }

    /// As many as are due, at most `most`.
    fn burst(&mut self, most: usize) -> (Vec<usize>, Option<Duration>) {
        let mut burst = Vec::new();
        while burst.len() < most {
            match self.next() {
                Next::Send(at) => burst.push(at),
                Next::Wait(pause) => return (burst, Some(pause)),
                Next::Done => return (burst, None),
            }
        }
        (burst, Some(Duration::ZERO))
    }

    /// Answers for frames that were sent in this order; `None` when the node closed the connection.
    fn take(&self, order: &Mutex<Vec<usize>>, sequence: u64, reply: Reply) {
        let at = order.lock().unwrap_or_else(PoisonError::into_inner).get(sequence as usize).copied();
        match (reply, at) {
            (Reply::Accepted(_), _) => drop(self.tally.accepted.fetch_add(1, Ordering::Relaxed)),
            (Reply::Busy, Some(at)) => self.no_room(at),
            (Reply::Refused(reason), Some(at)) if reason.contains(ACCOUNT_FULL) => self.no_room(at),
            (Reply::Refused(reason), _) => self.tally.refuse(&reason),
            (Reply::Busy, None) => self.tally.refuse("an answer to nothing that was sent"),
        }
    }

    /// The same lane for who takes its answers.
    fn twin(&self) -> Self {
        Self {
            plan: self.plan.clone(),
            tally: self.tally.clone(),
            waiting: VecDeque::new(),
            again: self.again.clone(),
            committed: self.committed.clone(),
            stopped: self.stopped.clone(),
        }
    }
}

/// Connects all lanes and starts them.
pub async fn start(
    door: &Door,
    plan: &Arc<Plan>,
    tally: &Arc<Tally>,
    committed: &Arc<AtomicU64>,
) -> Result<Lanes, CliError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let count = LANES.min(plan.accounts());
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let lane = Lane {
            plan: plan.clone(),
            tally: tally.clone(),
            waiting: plan.of_lane(index, count).collect(),
            again: Arc::default(),
            committed: committed.clone(),
            stopped: stopped.clone(),
        };
        match door {
            Door::Rpc(rpc) => drop(tasks.spawn(over_rpc(lane, rpc.clone()))),
            Door::Quic(address) => {
                let fail = |e| CliError::because(format!("QUIC to {address}; is --quic the node's ingest.quic?"), e);
                let client = QuicClient::connect(*address, Trust::AnyNode).await.map_err(fail)?;
                tasks.spawn(over_quic(lane, client));
            }
            Door::Tcp(address) => {
                let fail = |e| CliError::because(format!("TCP to {address}; is --tcp the node's ingest.tcp?"), e);
                let (sender, receiver) = tcp_client::connect(*address).map_err(fail)?;
                let order = Arc::new(Mutex::new(Vec::new()));
                let (taker, taken) = (lane.twin(), order.clone());
                thread::spawn(move || tcp_answers(&taker, receiver, &taken));
                thread::spawn(move || over_tcp(lane, sender, &order));
            }
        }
    }
    Ok(Lanes { _tasks: tasks, stopped })
}

async fn over_rpc(mut lane: Lane, rpc: Rpc) {
    loop {
        let (burst, pause) = lane.burst(BATCH);
        if burst.is_empty() {
            match pause {
                Some(pause) => sleep(pause).await,
                None => return,
            }
            continue;
        }
        let asked: Vec<_> = burst.iter().map(|at| [value(lane.plan.raw(*at))]).collect();
        let answers = match rpc.try_many::<B256, 1>("eth_sendRawTransaction", asked).await {
            Ok(answers) => answers,
            Err(error) => {
                // Whether they arrived is not known; sent again, those that did are known already.
                tracing::warn!(%error, "a batch had no answer and is sent again");
                burst.into_iter().for_each(|at| lane.no_room(at));
                continue;
            }
        };
        for (at, answer) in burst.into_iter().zip(answers) {
            match answer {
                Err((_, reason)) if reason.contains("busy") || reason.contains(ACCOUNT_FULL) => lane.no_room(at),
                Err((_, reason)) if !reason.contains("already known") => lane.tally.refuse(&reason),
                _ => drop(lane.tally.accepted.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

async fn over_quic(mut lane: Lane, client: QuicClient) {
    let outcome = async {
        let (mut sender, mut receiver) = client.open().await?;
        let order = Arc::new(Mutex::new(Vec::new()));
        let (taker, taken) = (lane.twin(), order.clone());
        let answers = async move {
            while let Some((sequence, reply)) = receiver.receive().await? {
                taker.take(&taken, sequence, reply);
            }
            Ok::<_, horae_node::edges::quic_client::QuicClientError>(())
        };
        let sending = async {
            // An answer may bring back what was refused as busy, so the lane stays open until it is stopped.
            while !lane.stopped.load(Ordering::Relaxed) {
                let (burst, pause) = lane.burst(BATCH);
                for at in burst {
                    order.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                    sender.send(lane.plan.raw(at)).await?;
                }
                sender.flush().await?;
                sleep(pause.unwrap_or(PAUSE * 5)).await;
            }
            Ok(())
        };
        tokio::try_join!(answers, sending).map(drop)
    };
    if let Err(error) = outcome.await {
        tracing::warn!(%error, "a QUIC lane ended");
    }
}

fn over_tcp(mut lane: Lane, mut sender: tcp_client::TcpSender, order: &Mutex<Vec<usize>>) {
    let mut run = || -> std::io::Result<()> {
        while !lane.stopped.load(Ordering::Relaxed) {
            let (burst, pause) = lane.burst(BATCH);
            for at in burst {
                order.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                sender.send(lane.plan.raw(at))?;
            }
            sender.flush()?;
            thread::sleep(pause.unwrap_or(PAUSE * 5));
        }
        Ok(())
    };
    if let Err(error) = run() {
        tracing::warn!(%error, "a TCP lane ended");
    }
}

fn tcp_answers(lane: &Lane, mut receiver: tcp_client::TcpReceiver, order: &Mutex<Vec<usize>>) {
    loop {
        match receiver.receive() {
            Ok(Some((sequence, reply))) => lane.take(order, sequence, reply),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the answers of a TCP lane ended");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_by_their_words_and_bounded() {
        let tally = Tally::default();
        tally.refuse("nonce too low: have 3");
        tally.refuse("nonce too low: have 4");
        for word in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            tally.refuse(word);
        }
        assert_eq!(tally.reasons().get("nonce too low: have "), Some(&2));
        assert_eq!(tally.reasons().len(), REASONS_MAX);
        assert_eq!(tally.refused(), 11);
    }
}
