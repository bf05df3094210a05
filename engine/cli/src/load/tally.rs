//! What a node said to what was sent.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hdrhistogram::Histogram;

use crate::error::CliError;

/// How many different reasons of refusals are remembered.
const REASONS_MAX: usize = 8;
/// How much of a reason is remembered, in characters.
const REASON_LENGTH: usize = 120;
/// Longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

/// A histogram of latencies in microseconds, to three digits.
pub fn latencies() -> Result<Histogram<u64>, CliError> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).map_err(|e| CliError::because("histogram", e))
}

/// Counts of answers.
pub struct Tally {
    sent: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
    unanswered: AtomicU64,
    reasons: Mutex<BTreeMap<String, u64>>,
    latencies: Mutex<Histogram<u64>>,
}

impl Tally {
    /// Nothing sent yet.
    pub fn new() -> Result<Self, CliError> {
        Ok(Self {
            sent: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            reasons: Mutex::default(),
            latencies: Mutex::new(latencies()?),
        })
    }

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

    /// Answers that there is no room now; the same bytes went out again.
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// How often one was lost with a connection or a request; the same bytes went out again.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Why, and how often each.
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        lock(&self.reasons).clone()
    }

    /// How long the answers of those taken took, in microseconds.
    pub fn latencies(&self) -> Histogram<u64> {
        lock(&self.latencies).clone()
    }

    pub(super) fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accept(&self, latency_us: u64) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        lock(&self.latencies).saturating_record(latency_us);
    }

    pub(super) fn no_room(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lose(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, reason: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut reasons = lock(&self.reasons);
        // Numbers differ from one transaction to the next; the reason is the words.
        let words: String = reason.chars().filter(|c| !c.is_ascii_digit()).take(REASON_LENGTH).collect();
        if reasons.len() < REASONS_MAX || reasons.contains_key(&words) {
            *reasons.entry(words).or_default() += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reasons_are_counted_by_their_words_and_bounded() {
        let tally = Tally::new().unwrap();
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
