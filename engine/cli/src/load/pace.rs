//! When each transaction is due, and from when its latency counts.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Time and pace of one run.
#[derive(Debug)]
pub struct Pace {
    /// Transactions a second; 0 without a rate.
    rate: u32,
    /// Without a rate: when each was first handed over, in nanoseconds from the start.
    left_ns: Vec<AtomicU64>,
    window: u64,
    began: OnceLock<Instant>,
}

impl Pace {
    /// `count` transactions at `rate` a second; at 0, as fast as they are committed with `window` under way.
    pub fn new(count: usize, rate: u32, window: u64) -> Self {
        let left_ns = if rate == 0 { (0..count).map(|_| AtomicU64::new(0)).collect() } else { Vec::new() };
        Self { rate, left_ns, window, began: OnceLock::new() }
    }

    /// Time runs from now on.
    pub fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Without a rate: how many may be under way.
    pub fn window(&self) -> Option<u64> {
        (self.rate == 0).then_some(self.window)
    }

    /// When one is due.
    pub fn due(&self, at: usize) -> Duration {
        // Never above 10^8 transactions, so this does not overflow.
        Duration::from_nanos((at as u64 * 1_000_000_000).checked_div(u64::from(self.rate)).unwrap_or(0))
    }

    /// One is handed over now, for the first time.
    pub fn leaves(&self, at: usize) {
        if let Some(cell) = self.left_ns.get(at) {
            cell.store(self.now().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// From when its latency counts: when it was due, so that a sender which falls behind hides nothing; without a rate, when it left.
    pub fn since(&self, at: usize) -> Duration {
        match self.left_ns.get(at) {
            Some(cell) => Duration::from_nanos(cell.load(Ordering::Relaxed)),
            None => self.due(at),
        }
    }

    /// Microseconds from [`Pace::since`] to `now`, for a histogram.
    pub fn latency_us(&self, at: usize, now: Duration) -> u64 {
        (now.saturating_sub(self.since(at)).as_micros() as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_follow_the_rate_and_latency_counts_from_them() {
        let pace = Pace::new(10, 500, 0);
        assert_eq!((pace.due(5), pace.window()), (Duration::from_millis(10), None));
        pace.begin();
        pace.leaves(5);
        assert_eq!(pace.latency_us(5, Duration::from_millis(25)), 15_000, "it left late, and that counts");
    }

    #[test]
    fn without_a_rate_latency_counts_from_when_it_left() {
        let pace = Pace::new(10, 0, 7);
        assert_eq!((pace.due(5), pace.window()), (Duration::ZERO, Some(7)));
        pace.begin();
        pace.leaves(5);
        assert!(pace.since(5) <= pace.now());
    }
}
