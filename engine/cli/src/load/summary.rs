//! What a load came to.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::Address;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    ceiling::Ceiling,
    lanes::{Door, Run},
    mix::{Kind, Mix},
    series::Point,
    sink::Seen,
    skew::Skew,
};
use crate::{error::CliError, json};

/// Steps of a histogram's curve in each halving of what is left above.
const TICKS_PER_HALF: u32 = 5;

/// What does not come from the measurement.
pub struct Setting {
    /// The way in.
    pub door: Door,
    /// What the watched node calls itself.
    pub client: Option<String>,
    /// Transactions a second that were asked for.
    pub rate: u32,
    /// What the generator could do, if that was measured.
    pub ceiling: Option<Ceiling>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All was settled.
    Done,
    /// Nothing more happened for too long.
    GivenUp,
    /// Ctrl-C.
    Interrupted,
}

/// The outcome, in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The way in.
    pub door: String,
    /// What the watched node calls itself.
    pub client: Option<String>,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who funded the accounts.
    pub funder: Address,
    /// How it ended.
    pub end: End,
    /// Transactions a second that were asked for; 0 is as fast as they are committed.
    pub rate: u32,
    /// Transactions under way at most, without a rate.
    pub window: Option<u64>,
    /// Accounts that send.
    pub accounts: usize,
    /// Shares of the kinds.
    pub mix: Mix,
    /// How unevenly accounts take part.
    pub skew: Option<Skew>,
    /// To be sent.
    pub transactions: u64,
    /// Handed over at least once.
    pub sent: u64,
    /// Taken by the node.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Answers that there was no room.
    pub busy_answers: u64,
    /// Lost with a connection or a request, and sent again.
    pub unanswered: u64,
    /// Times that the chain could not be looked at.
    pub blind: u64,
    /// Seen committed.
    pub committed: u64,
    /// The same by kind.
    pub committed_by_kind: BTreeMap<&'static str, u64>,
    /// Receipts that were looked at in the end.
    pub receipts: u64,
    /// Of those, how many tell of a transaction that did not do what it was for.
    pub reverted: u64,
    /// Blocks with transactions of the load.
    pub blocks: u64,
    /// From the start to the last commit.
    pub seconds: f64,
    /// Committed in that time.
    pub transactions_per_second: f64,
    /// What the generator alone could do.
    pub ceiling: Option<Ceiling>,
    /// How often the chain was looked at: latencies are known to within that. Nothing where the node told of its heads by itself.
    pub looked_every_ms: Option<Quantiles>,
    /// From when latency counts: `due`, or without a rate `sent`.
    pub latency_from: &'static str,
    /// Latency until the node's answer (`accepted`) and until each strength.
    pub latency_ms: BTreeMap<&'static str, Quantiles>,
    /// Why transactions were refused.
    pub refusals: BTreeMap<String, u64>,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// Nine of ten took no longer.
    pub p90: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// 999 of 1000 took no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The numbers.
    #[serde(flatten)]
    pub summary: Summary,
    /// Latencies from the shortest to the longest, by what was waited for.
    pub curves: Vec<Curve>,
    /// The course of the run.
    pub series: Vec<Point>,
}

/// Latencies of one strength.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// What was waited for.
    pub name: &'static str,
    /// How many were measured.
    pub count: u64,
    /// Share of them (0 to 1) that took at most so many milliseconds.
    pub points: Vec<(f64, f64)>,
}

impl Record {
    /// Adds up. `sampled`: receipts looked at, and how many of them tell of a failure.
    pub fn make(setting: Setting, run: &Run, seen: &Seen, end: End, sampled: (u64, u64), series: &[Point]) -> Self {
        let tally = &run.tally;
        let accepted = tally.latencies();
        let strengths = seen.latencies.iter().map(|(name, histogram)| (*name, histogram));
        let measured: Vec<_> = [("accepted", &accepted)].into_iter().chain(strengths).collect();
        let committed = seen.kinds.iter().sum::<u64>();
        let seconds = seen.last.as_secs_f64();
        let about = run.plan.about();
        let summary = Summary {
            door: setting.door.to_string(),
            client: setting.client,
            chain_id: about.chain_id,
            funder: about.funder,
            end,
            rate: setting.rate,
            window: run.pace.window(),
            accounts: run.plan.senders().len(),
            mix: about.mix,
            skew: about.skew,
            transactions: run.plan.len() as u64,
            sent: tally.sent(),
            accepted: tally.accepted(),
            refused: tally.refused(),
            busy_answers: tally.busy(),
            unanswered: tally.unanswered(),
            blind: seen.blind,
            committed,
            committed_by_kind: Kind::ALL.iter().map(|kind| (kind.name(), seen.kinds[*kind as usize])).collect(),
            receipts: sampled.0,
            reverted: sampled.1,
            blocks: seen.blocks,
            seconds,
            transactions_per_second: if seen.last > Duration::ZERO { committed as f64 / seconds } else { 0.0 },
            ceiling: setting.ceiling,
            looked_every_ms: (!seen.gaps.is_empty()).then(|| quantiles(&seen.gaps)),
            latency_from: if run.pace.window().is_some() { "sent" } else { "due" },
            latency_ms: measured.iter().map(|(name, histogram)| (*name, quantiles(histogram))).collect(),
            refusals: tally.reasons(),
        };
        let curves = measured.into_iter().map(|(name, histogram)| curve(name, histogram)).collect();
        Self { summary, curves, series: series.to_vec() }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let at = |quantile: f64| ms(histogram.value_at_quantile(quantile));
    Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: ms(histogram.max()) }
}

fn curve(name: &'static str, histogram: &Histogram<u64>) -> Curve {
    let points = histogram.iter_quantiles(TICKS_PER_HALF).map(|step| (step.quantile(), ms(step.value_iterated_to())));
    Curve { name, count: histogram.len(), points: points.collect() }
}

impl Summary {
    /// Everything that was to be sent is committed.
    pub fn is_whole(&self) -> bool {
        self.committed == self.transactions
    }

    /// How the chain was watched, for people.
    pub fn watched(&self) -> String {
        match self.looked_every_ms {
            Some(Quantiles { p50, p99, .. }) => format!("the chain was looked at every {p50:.1} ms (p99 {p99:.1})"),
            None => "the node told of its heads".to_owned(),
        }
    }

    /// For people, or as one JSON object.
    pub fn print(&self, json: bool) -> Result<(), CliError> {
        if json {
            return json::print(self);
        }
        match self.end {
            End::Done => {}
            End::GivenUp => println!("given up    nothing more was sent or committed"),
            End::Interrupted => println!("interrupted what was measured until then:"),
        }
        println!("chain       {}, {}", self.chain_id, self.client.as_deref().unwrap_or("a node without a name"));
        println!("sent        {} of {} over {}", self.sent, self.transactions, self.door);
        println!("taken       {}, refused {}, told busy {} times", self.accepted, self.refused, self.busy_answers);
        if self.unanswered + self.blind > 0 {
            println!(
                "lost        {} had no answer and went out again; the chain was out of sight {} times",
                self.unanswered, self.blind
            );
        }
        let kinds = self.committed_by_kind.iter().filter(|(_, count)| **count > 0);
        let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("committed   {} in {} blocks ({})", self.committed, self.blocks, kinds.join(", "));
        if self.reverted > 0 {
            println!("reverted    {} of the {} whose receipts were looked at", self.reverted, self.receipts);
        }
        println!("throughput  {:.0} transactions/s over {:.2} s", self.transactions_per_second, self.seconds);
        if let Some(ceiling) = &self.ceiling {
            ceiling.print();
        }
        println!("latency ms  {:>10} {:>10} {:>10} {:>10} {:>10}", "p50", "p90", "p99", "p99.9", "max");
        for name in ["accepted", "ordered", "certified", "committed"] {
            if let Some(Quantiles { p50, p90, p99, p999, max }) = self.latency_ms.get(name) {
                println!("{name:<10}  {p50:>10.1} {p90:>10.1} {p99:>10.1} {p999:>10.1} {max:>10.1}");
            }
        }
        println!("            from when each was {}; {}", self.latency_from, self.watched());
        for (reason, count) in &self.refusals {
            println!("refused     {count} times: {reason}");
        }
        Ok(())
    }
}

impl Ceiling {
    /// For people.
    pub fn print(&self) {
        let Self { protocol, transactions, seconds, transactions_per_second: rate } = self;
        println!(
            "ceiling     {rate:.0} transactions/s over {protocol} into a sink that does nothing ({transactions} in {seconds:.2} s)"
        );
    }
}
