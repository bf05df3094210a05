//! Unit costs by worker: which stages share a thread, and whether more threads help.

use super::Report;

/// How busy a core may be for the waiting in front of it to stay short: at three quarters of its time a queue with random arrivals is
/// three transactions long in the mean, at nine tenths it is nine.
pub const BUSY_SHARE: f64 = 0.75;
const NS_PER_S: f64 = 1e9;

/// What a transaction costs a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerCost {
    /// The worker, or the edge.
    pub name: &'static str,
    /// The rows that it is the sum of.
    pub rows: &'static [&'static str],
    /// Whether there may be several.
    pub several: bool,
    /// Nanoseconds of one core for a transaction: those rows that were measured.
    pub ns: f64,
    /// The rows that were not.
    pub missing: Vec<&'static str>,
}

/// The costs of every worker.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitCosts {
    /// The workers of the pipeline: decode, recover, execute, in the order in which transactions pass them.
    pub pipeline: Vec<WorkerCost>,
    /// The ways in; a transaction comes by one of them.
    pub ways_in: Vec<WorkerCost>,
    /// What runs beside the pipeline.
    pub beside: Vec<WorkerCost>,
}

impl WorkerCost {
    fn of(report: &Report, name: &'static str, rows: &'static [&'static str], several: bool) -> Self {
        let ns = rows.iter().filter_map(|row| report.value(row)).sum();
        let missing = rows.iter().filter(|row| report.value(row).is_none()).copied().collect();
        Self { name, rows, several, ns, missing }
    }

    /// Whether all of it was measured.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether some of it was.
    #[must_use]
    pub fn is_partly_measured(&self) -> bool {
        self.ns > 0.0
    }

    /// Cores' worth of time at a rate.
    #[must_use]
    pub fn cores(&self, rate: f64) -> f64 {
        self.ns * rate / NS_PER_S
    }

    /// Whole cores at a rate, none busier than [`BUSY_SHARE`].
    #[must_use]
    pub fn whole_cores(&self, rate: f64) -> usize {
        // The product of two figures that were measured, far below 2^52.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let cores = (self.cores(rate) / BUSY_SHARE).ceil() as usize;
        cores.max(1)
    }

    /// The rate at which so many cores are as busy as they may be; nothing bounds it if nothing was measured.
    #[must_use]
    pub fn rate_of(&self, cores: usize) -> f64 {
        match self.is_partly_measured() {
            true => cores as f64 * BUSY_SHARE * NS_PER_S / self.ns,
            false => f64::INFINITY,
        }
    }
}

impl UnitCosts {
    /// The costs in a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let cost = |name, rows, several| WorkerCost::of(report, name, rows, several);
        Self {
            pipeline: vec![
                cost("decode", &["stage/decode", "stage/dedup"], false),
                cost("recover", &["stage/recover"], true),
                cost("execute", &["stage/admit", "stage/order", "stage/execute/transfer", "stage/seal"], false),
            ],
            ways_in: vec![
                cost("framed TCP", &["wire/tcp"], false),
                cost("QUIC", &["wire/quic"], true),
                cost("JSON-RPC", &["wire/rpc"], true),
            ],
            beside: vec![
                cost("journal", &["journal/append"], false),
                // Batches are packed one after the other, each on the one that L1 has accepted.
                cost("packing", &["stage/pack"], false),
            ],
        }
    }

    /// What decode costs.
    #[must_use]
    pub fn decode(&self) -> &WorkerCost {
        &self.pipeline[0]
    }

    /// What recovery costs.
    #[must_use]
    pub fn recover(&self) -> &WorkerCost {
        &self.pipeline[1]
    }

    /// What the worker of admit, order, execute and seal costs.
    #[must_use]
    pub fn execute(&self) -> &WorkerCost {
        &self.pipeline[2]
    }
}
