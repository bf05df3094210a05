//! The other end: watches the chain and notes when each transaction was first seen at each strength.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{chain::Chain, mix::Kind, pace::Pace, plan::Plan, tally::latencies, tidings::Tidings};
use crate::error::CliError;

/// How often a chain is looked at that does not tell of its heads, unless told.
const POLL: Duration = Duration::from_millis(5);
/// How often one that listens looks whether the run has ended.
const LISTEN: Duration = Duration::from_millis(100);
/// Pause after the node had no answer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Blocks read at a time.
const STRIDE: u64 = 100;

/// A watch on the chain.
pub struct Sink {
    task: JoinHandle<()>,
    stopped: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen.
#[derive(Clone)]
pub struct Seen {
    /// Latencies in microseconds, by strength.
    pub latencies: Vec<(&'static str, Histogram<u64>)>,
    /// Committed, by kind.
    pub kinds: [u64; Kind::ALL.len()],
    /// When the last transaction was seen committed, from the start.
    pub last: Duration,
    /// Blocks with transactions of the load.
    pub blocks: u64,
    /// Microseconds between two looks at the chain: latencies are known to within that. Nothing where the node told by itself.
    pub gaps: Histogram<u64>,
    /// How often the chain could not be looked at.
    pub blind: u64,
}

impl Sink {
    /// Watches from the present head on: looks every `poll`, or listens where the node tells of its heads.
    pub async fn watch(
        chain: Arc<Chain>,
        plan: Arc<Plan>,
        pace: Arc<Pace>,
        poll: Option<Duration>,
    ) -> Result<Self, CliError> {
        let told = chain.heads().await?;
        let source = match poll {
            Some(poll) => Source::Looks { poll },
            None => match chain.listen().await {
                Ok(Some(tidings)) => Source::Listens(Some(tidings)),
                Ok(None) => Source::Looks { poll: POLL },
                Err(why) => {
                    tracing::warn!(%why, "the chain is looked at every {} ms instead", POLL.as_millis());
                    Source::Looks { poll: POLL }
                }
            },
        };
        let histograms = chain.strengths().iter().map(|name| Ok((*name, latencies()?)));
        let (latencies, gaps) = (histograms.collect::<Result<Vec<_>, CliError>>()?, latencies()?);
        let seen = Seen { latencies, kinds: [0; Kind::ALL.len()], last: Duration::ZERO, blocks: 0, gaps, blind: 0 };
        let seen = Arc::new(Mutex::new(seen));
        let (stopped, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watch = Watch {
            chain,
            read: told.first().copied().unwrap_or_default(),
            met: vec![false; plan.len()],
            plan,
            pace,
            source,
            looked: None,
            told,
            blocks: HashMap::new(),
            seen: seen.clone(),
            stopped: stopped.clone(),
            committed: committed.clone(),
        };
        Ok(Self { task: tokio::spawn(watch.run()), stopped, committed, seen })
    }

    /// Transactions of the load seen committed so far, for who sends.
    pub fn counter(&self) -> &Arc<AtomicU64> {
        &self.committed
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Ends the watch.
    pub async fn finish(self) -> Result<Seen, CliError> {
        self.stopped.store(true, Ordering::Relaxed);
        self.task.await.map_err(|e| CliError::because("watching the chain", e))?;
        Ok(lock(&self.seen).clone())
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Watch {
    chain: Arc<Chain>,
    plan: Arc<Plan>,
    pace: Arc<Pace>,
    source: Source,
    /// When the heads were asked for last.
    looked: Option<Duration>,
    /// Highest block read.
    read: u64,
    /// Highest block told, by strength.
    told: Vec<u64>,
    /// Blocks that are read and not yet committed: which of our transactions each has.
    blocks: HashMap<u64, Vec<usize>>,
    /// Which transactions were in a block: one that is in another block again counts once.
    met: Vec<bool>,
    seen: Arc<Mutex<Seen>>,
    stopped: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

/// Where heads come from.
enum Source {
    /// The node is asked for them.
    Looks { poll: Duration },
    /// It tells of them; nothing while the connection is lost.
    Listens(Option<Tidings>),
}

impl Watch {
    async fn run(mut self) {
        while !self.stopped.load(Ordering::Relaxed) {
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the chain cannot be watched; trying again");
                lock(&self.seen).blind += 1;
                if let Source::Listens(tidings) = &mut self.source {
                    // A new connection begins with the heads of then: what could not be read now is told once more.
                    *tidings = None;
                }
                sleep(AGAIN_AFTER).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), CliError> {
        let heads = match &mut self.source {
            Source::Looks { poll } => {
                if self.looked.is_some() {
                    sleep(*poll).await;
                }
                let heads = self.chain.heads().await?;
                let now = self.pace.now();
                if let Some(before) = self.looked.replace(now) {
                    lock(&self.seen).gaps.saturating_record(((now - before).as_micros() as u64).max(1));
                }
                heads
            }
            Source::Listens(tidings @ None) => {
                *tidings = self.chain.listen().await?;
                return Ok(());
            }
            Source::Listens(Some(tidings)) => match timeout(LISTEN, tidings.next()).await {
                Ok(Some(heads)) => heads,
                Ok(None) => return Err(CliError::new("the node tells of its heads no more")),
                Err(_) => return Ok(()),
            },
        };
        let now = self.pace.now();
        self.fall_back(heads[0]);
        self.read(heads[0]).await?;
        for (strength, head) in heads.into_iter().enumerate() {
            self.tell(strength, head, now);
        }
        Ok(())
    }

    /// Forgets blocks above the head: they are void, and others will be in their place.
    fn fall_back(&mut self, head: u64) {
        for number in head + 1..=self.read {
            for at in self.blocks.remove(&number).unwrap_or_default() {
                self.met[at] = false;
            }
        }
        self.read = self.read.min(head);
        self.told.iter_mut().for_each(|told| *told = (*told).min(head));
    }

    /// Reads the blocks above those read before.
    async fn read(&mut self, head: u64) -> Result<(), CliError> {
        while self.read < head {
            let (from, to) = (self.read + 1, head.min(self.read + STRIDE));
            for (number, hashes) in (from..=to).zip(self.chain.transactions(from, to).await?) {
                let (plan, met) = (&self.plan, &mut self.met);
                let is_new = |at: &usize| !std::mem::replace(&mut met[*at], true);
                let ours: Vec<usize> = hashes.iter().filter_map(|hash| plan.find(hash)).filter(is_new).collect();
                lock(&self.seen).blocks += u64::from(!ours.is_empty());
                self.blocks.insert(number, ours);
            }
            self.read = to;
        }
        Ok(())
    }

    fn tell(&mut self, strength: usize, head: u64, now: Duration) {
        let mut seen = lock(&self.seen);
        for number in self.told[strength] + 1..=head {
            for at in self.blocks.get(&number).into_iter().flatten() {
                seen.latencies[strength].1.saturating_record(self.pace.latency_us(*at, now));
            }
            if strength == self.told.len() - 1 {
                let ours = self.blocks.remove(&number).unwrap_or_default();
                ours.iter().for_each(|at| seen.kinds[self.plan.kind(*at) as usize] += 1);
                if !ours.is_empty() {
                    self.committed.fetch_add(ours.len() as u64, Ordering::Relaxed);
                    seen.last = now;
                }
            }
        }
        self.told[strength] = self.told[strength].max(head);
    }
}
