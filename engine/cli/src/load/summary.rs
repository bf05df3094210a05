//! What a load came to.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    lanes::{Door, Tally},
    plan::Plan,
    sink::{POLL, STRENGTHS, Seen},
};
use crate::{error::CliError, json};

/// The outcome, in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    door: String,
    transactions: u64,
    sent: u64,
    accepted: u64,
    refused: u64,
    busy_answers: u64,
    committed: u64,
    blocks: u64,
    seconds: f64,
    transactions_per_second: f64,
    /// How finely latencies are known.
    resolution_ms: f64,
    latency_ms: BTreeMap<&'static str, Quantiles>,
    refusals: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Summary {
    /// Adds up.
    pub fn make(door: &Door, plan: &Plan, tally: &Tally, seen: &Seen) -> Self {
        let committed = seen.latencies[2].len();
        let seconds = seen.last.as_secs_f64();
        let latency_ms = STRENGTHS.into_iter().zip(&seen.latencies).map(|(name, histogram)| {
            let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
            (name, Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: histogram.max() as f64 / 1_000.0 })
        });
        Self {
            door: door.to_string(),
            transactions: plan.len() as u64,
            sent: tally.sent(),
            accepted: tally.accepted(),
            refused: tally.refused(),
            busy_answers: tally.busy(),
            committed,
            blocks: seen.blocks,
            seconds,
            transactions_per_second: if seen.last > Duration::ZERO { committed as f64 / seconds } else { 0.0 },
            resolution_ms: POLL.as_secs_f64() * 1_000.0,
            latency_ms: latency_ms.collect(),
            refusals: tally.reasons(),
        }
    }

    /// Everything that was to be sent is committed.
    pub fn is_whole(&self) -> bool {
        self.committed == self.transactions
    }

    /// For people, or as one JSON object.
    pub fn print(&self, json: bool) -> Result<(), CliError> {
        if json {
            return json::print(self);
        }
        println!("sent        {} of {} over {}", self.sent, self.transactions, self.door);
        println!("taken       {}, refused {}, told busy {} times", self.accepted, self.refused, self.busy_answers);
        println!("committed   {} in {} blocks", self.committed, self.blocks);
        println!("throughput  {:.0} transactions/s over {:.2} s", self.transactions_per_second, self.seconds);
        println!("latency ms  {:>10} {:>10} {:>10} {:>10}", "p50", "p90", "p99", "max");
        for name in STRENGTHS {
            if let Some(Quantiles { p50, p90, p99, max }) = self.latency_ms.get(name) {
                println!("{name:<10}  {p50:>10.1} {p90:>10.1} {p99:>10.1} {max:>10.1}");
            }
        }
        for (reason, count) in &self.refusals {
            println!("refused     {count} times: {reason}");
        }
        Ok(())
    }
}
