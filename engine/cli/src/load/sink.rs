//! The other end: watches the chain and notes when each transaction was first seen at each strength.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{task::JoinHandle, time::sleep};

use super::plan::Plan;
use crate::{
    error::CliError,
    rpc::{BlockReport, Rpc, value},
};

/// How often the heads are looked at: latencies are known to within this and one answer's time.
pub const POLL: Duration = Duration::from_millis(5);
/// Longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Blocks read at a time.
const STRIDE: u64 = 100;

/// The strengths that are measured.
pub const STRENGTHS: [&str; 3] = ["ordered", "certified", "committed"];

/// A watch on the chain.
pub struct Sink {
    task: JoinHandle<Result<Seen, CliError>>,
    stopped: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

/// What was seen.
pub struct Seen {
    /// Latencies in microseconds, by strength.
    pub latencies: [Histogram<u64>; 3],
    /// When the last transaction was seen committed, from the start.
    pub last: Duration,
    /// Blocks with transactions of the load.
    pub blocks: u64,
}

impl Sink {
    /// Watches from the present head on.
    pub async fn watch(rpc: Rpc, plan: Arc<Plan>) -> Result<Self, CliError> {
        let head = rpc.status().await?.heads.ordered;
        let histogram =
            || Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).map_err(|e| CliError::because("histogram", e));
        let seen = Seen { latencies: [histogram()?, histogram()?, histogram()?], last: Duration::ZERO, blocks: 0 };
        let (stopped, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watch = Watch {
            rpc,
            plan,
            told: [head; 3],
            blocks: HashMap::new(),
            seen,
            stopped: stopped.clone(),
            committed: committed.clone(),
        };
        Ok(Self { task: tokio::spawn(watch.run()), stopped, committed })
    }

    /// Transactions of the load seen committed so far.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// The same, for who sends.
    pub fn counter(&self) -> &Arc<AtomicU64> {
        &self.committed
    }

    /// Ends the watch.
    pub async fn finish(self) -> Result<Seen, CliError> {
        self.stopped.store(true, Ordering::Relaxed);
        self.task.await.map_err(|e| CliError::because("watching the chain", e))?
    }
}

struct Watch {
    rpc: Rpc,
    plan: Arc<Plan>,
    /// Highest block told, by strength.
    told: [u64; 3],
    /// Blocks that are ordered and not yet committed: which of our transactions each has.
    blocks: HashMap<u64, Vec<usize>>,
    seen: Seen,
    stopped: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

impl Watch {
    async fn run(mut self) -> Result<Seen, CliError> {
        while !self.stopped.load(Ordering::Relaxed) {
            match self.rpc.status().await {
                Ok(status) => {
                    let now = self.plan.now();
                    let heads = [status.heads.ordered, status.heads.certified, status.heads.committed];
                    self.read(heads[0].max(heads[2])).await?;
                    for (strength, head) in heads.into_iter().enumerate() {
                        self.tell(strength, head, now);
                    }
                }
                Err(error) => tracing::warn!(%error, "the chain cannot be watched; trying again"),
            }
            sleep(POLL).await;
        }
        Ok(self.seen)
    }

    /// Reads the blocks above those read before.
    async fn read(&mut self, head: u64) -> Result<(), CliError> {
        let mut from = self.told[0] + 1;
        while from <= head {
            let to = head.min(from + STRIDE - 1);
            let asked = (from..=to).map(|number| [value(format!("{number:#x}"))]);
            let reports: Vec<Option<BlockReport>> = self.rpc.ask_many("horae_block", asked).await?;
            for (number, report) in (from..=to).zip(reports) {
                let hashes = report.map(|report| report.transactions).unwrap_or_default();
                let ours: Vec<usize> = hashes.iter().filter_map(|hash| self.plan.find(hash)).collect();
                self.seen.blocks += u64::from(!ours.is_empty());
                self.blocks.insert(number, ours);
            }
            from = to + 1;
        }
        Ok(())
    }

    fn tell(&mut self, strength: usize, head: u64, now: Duration) {
        for number in self.told[strength] + 1..=head {
            for at in self.blocks.get(&number).into_iter().flatten() {
                let latency = now.saturating_sub(self.plan.since(*at)).as_micros() as u64;
                self.seen.latencies[strength].saturating_record(latency.max(1));
            }
            if strength == STRENGTHS.len() - 1 {
                let count = self.blocks.remove(&number).map_or(0, |ours| ours.len() as u64);
                if count > 0 {
                    self.committed.fetch_add(count, Ordering::Relaxed);
                    self.seen.last = now;
                }
            }
        }
        self.told[strength] = self.told[strength].max(head);
    }
}
