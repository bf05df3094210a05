//! What a chaos run measured and found, for people and as one JSON object.

use std::fmt;

use serde::Serialize;

/// Percentiles of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there are.
    pub count: usize,
    /// Half are no larger.
    pub p50: f64,
    /// Nine tenths are no larger.
    pub p90: f64,
    /// All but a hundredth are no larger.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Of these, by nearest rank; all zero if there are none.
    #[must_use]
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let count = samples.len();
        let at = |hundredths: usize| match (count * hundredths).div_ceil(100) {
            0 => 0.0,
            rank => samples[rank - 1],
        };
        Self { count, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p90, p99, max } = self;
        write!(f, "p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}  ({count})")
    }
}

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Seed of the run.
    pub seed: u64,
    /// Times that the sequencer was killed.
    pub killed: usize,
    /// Times that it was stopped and continued.
    pub frozen: usize,
    /// Times that its links were cut in one direction.
    pub cut_off: usize,
    /// Seconds from the first fault to the last recovery.
    pub seconds: f64,
    /// Transactions reported committed.
    pub committed: usize,
    /// Certified blocks that were shown.
    pub certified: usize,
    /// Blocks of the final chain.
    pub blocks: u64,
    /// Batches on L1.
    pub batches: u64,
    /// From the fault to the first commit of a later slot, in milliseconds.
    pub failover_ms: Percentiles,
    /// From the last block of a slot to the first of the next one in its term, by block timestamps, in milliseconds.
    pub handover_ms: Percentiles,
    /// The same in block intervals, the median one between two blocks of a slot.
    pub handover_intervals: Percentiles,
    /// Between two blocks of a slot, by block timestamps, in milliseconds.
    pub block_interval_ms: Percentiles,
    /// What must not be, one line each.
    pub violations: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (killed, frozen, cut_off) = (self.killed, self.frozen, self.cut_off);
        writeln!(
            f,
            "faults              {killed} kill -9, {frozen} SIGSTOP, {cut_off} cut off; {:.0} s",
            self.seconds
        )?;
        writeln!(f, "transactions        {} reported committed", self.committed)?;
        writeln!(
            f,
            "blocks              {}, {} certificates seen, {} batches on L1",
            self.blocks, self.certified, self.batches
        )?;
        writeln!(f, "fault to commit     {} ms", self.failover_ms)?;
        writeln!(f, "handover            {} ms by block timestamps", self.handover_ms)?;
        writeln!(f, "                    {} block intervals", self.handover_intervals)?;
        writeln!(f, "block interval      {} ms", self.block_interval_ms)?;
        write!(f, "violations          {}", self.violations.len())?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let of = Percentiles::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(of, Percentiles { count: 200, p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Percentiles::of(vec![7.0]), Percentiles { count: 1, p50: 7.0, p90: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
