//! Where a worker's time goes: working, blocked by what is downstream, or idle. So the bottleneck is always visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;

/// A worker's account of its time. One thread writes, any may read; clones share it.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<CachePadded<Shared>>,
}

struct Shared {
    started: Instant,
    working_ns: AtomicU64,
    blocked_ns: AtomicU64,
    polls: AtomicU64,
    polls_worked: AtomicU64,
    polls_blocked: AtomicU64,
    parks: AtomicU64,
    items: AtomicU64,
}

/// What a [`Meter`] showed at one moment. The times add up to the time since the meter was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Time in polls that got something done, nanoseconds.
    pub working_ns: u64,
    /// Time in which there was work and nowhere to put it, nanoseconds.
    pub blocked_ns: u64,
    /// All other time, nanoseconds: nothing to do, parked, or another worker of the same thread had its turn.
    pub idle_ns: u64,
    /// Polls in all.
    pub polls: u64,
    /// Polls that got something done.
    pub polls_worked: u64,
    /// Polls that found no room downstream.
    pub polls_blocked: u64,
    /// How often the worker's thread went to sleep.
    pub parks: u64,
    /// Items that the worker says it has dealt with.
    pub items: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// A meter that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(CachePadded::new(Shared {
                started: Instant::now(),
                working_ns: AtomicU64::new(0),
                blocked_ns: AtomicU64::new(0),
                polls: AtomicU64::new(0),
                polls_worked: AtomicU64::new(0),
                polls_blocked: AtomicU64::new(0),
                parks: AtomicU64::new(0),
                items: AtomicU64::new(0),
            })),
        }
    }

    /// Counts `items` dealt with; called by the worker itself, once a burst.
    pub fn count_items(&self, items: u64) {
        add(&self.shared.items, items);
    }

    /// What the meter shows now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let shared = &self.shared;
        let working_ns = shared.working_ns.load(Ordering::Relaxed);
        let blocked_ns = shared.blocked_ns.load(Ordering::Relaxed);
        let total_ns = u64::try_from(shared.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Reading {
            working_ns,
            blocked_ns,
            idle_ns: total_ns.saturating_sub(working_ns).saturating_sub(blocked_ns),
            polls: shared.polls.load(Ordering::Relaxed),
            polls_worked: shared.polls_worked.load(Ordering::Relaxed),
            polls_blocked: shared.polls_blocked.load(Ordering::Relaxed),
            parks: shared.parks.load(Ordering::Relaxed),
            items: shared.items.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn worked(&self, ns: u64) {
        add(&self.shared.polls, 1);
        add(&self.shared.polls_worked, 1);
        add(&self.shared.working_ns, ns);
    }

    pub(crate) fn was_blocked(&self, ns: u64) {
        add(&self.shared.polls, 1);
        add(&self.shared.polls_blocked, 1);
        add(&self.shared.blocked_ns, ns);
    }

    pub(crate) fn was_idle(&self) {
        add(&self.shared.polls, 1);
    }

    /// Time between two polls after one that was blocked: it is still blocked then.
    pub(crate) fn stayed_blocked(&self, ns: u64) {
        add(&self.shared.blocked_ns, ns);
    }

    pub(crate) fn parked(&self) {
        add(&self.shared.parks, 1);
    }
}

/// One writer, so a load and a store do, without a locked instruction.
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_kept_apart() {
        let meter = Meter::new();
        meter.worked(3);
        meter.worked(4);
        meter.was_blocked(5);
        meter.stayed_blocked(6);
        meter.was_idle();
        meter.parked();
        meter.clone().count_items(32);
        let reading = meter.read();
        assert_eq!((reading.working_ns, reading.blocked_ns), (7, 11));
        assert_eq!((reading.polls, reading.polls_worked, reading.polls_blocked), (4, 2, 1));
        assert_eq!((reading.parks, reading.items), (1, 32));
    }
}
