//! Values that go back up the pipeline: one value, the latest wins, nobody waits.
//!
//! [`Cell`] holds any value behind a swapped pointer; [`Marker`] a number that only grows (highest durable block,
//! highest commit). Setting one wakes those who asked to be woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};

use crate::wake::Waker;

#[derive(Default)]
struct Watchers(ArcSwap<Vec<Waker>>);

impl Watchers {
    fn add(&self, waker: &Waker) {
        self.0.rcu(|old| old.iter().cloned().chain([waker.clone()]).collect::<Vec<_>>());
    }

    fn wake(&self) {
        for waker in self.0.load().iter() {
            waker.wake();
        }
    }
}

/// The latest value of something. Clones share it.
pub struct Cell<T> {
    shared: Arc<CellShared<T>>,
}

struct CellShared<T> {
    value: ArcSwap<T>,
    watchers: Watchers,
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Cell<T> {
    /// A cell that holds `value`.
    pub fn new(value: T) -> Self {
        Self { shared: Arc::new(CellShared { value: ArcSwap::from_pointee(value), watchers: Watchers::default() }) }
    }

    /// Replaces the value and wakes the watchers.
    pub fn set(&self, value: T) {
        self.set_arc(Arc::new(value));
    }

    /// Like [`set`](Self::set), for a value that is shared already.
    pub fn set_arc(&self, value: Arc<T>) {
        self.shared.value.store(value);
        self.shared.watchers.wake();
    }

    /// The latest value, for a short look: never waits, and takes no reference count in the usual case.
    pub fn read(&self) -> Guard<Arc<T>> {
        self.shared.value.load()
    }

    /// The latest value, to keep.
    pub fn latest(&self) -> Arc<T> {
        self.shared.value.load_full()
    }

    /// Wakes `waker` at every later [`set`](Self::set).
    pub fn watch(&self, waker: &Waker) {
        self.shared.watchers.add(waker);
    }
}

/// A number that only grows. Clones share it.
#[derive(Clone)]
pub struct Marker {
    shared: Arc<MarkerShared>,
}

struct MarkerShared {
    value: AtomicU64,
    watchers: Watchers,
}

impl Marker {
    /// A marker at `value`.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self { shared: Arc::new(MarkerShared { value: AtomicU64::new(value), watchers: Watchers::default() }) }
    }

    /// Raises the marker to `value` and wakes the watchers; a lower value changes nothing. True if it rose.
    pub fn raise(&self, value: u64) -> bool {
        let rose = self.shared.value.fetch_max(value, Ordering::AcqRel) < value;
        if rose {
            self.shared.watchers.wake();
        }
        rose
    }

    /// Where the marker stands. What was written before it was raised is visible.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.shared.value.load(Ordering::Acquire)
    }

    /// Wakes `waker` at every later rise.
    pub fn watch(&self, waker: &Waker) {
        self.shared.watchers.add(waker);
    }

    /// Wakes the watchers although the marker stands still: something else that they look at has changed.
    pub fn nudge(&self) {
        self.shared.watchers.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn counting() -> (Waker, Arc<AtomicU64>) {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let waker = Waker::from_fn(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        (waker, calls)
    }

    #[test]
    fn the_latest_value_wins_and_wakes() {
        let cell = Cell::new((0, 0));
        let (waker, calls) = counting();
        cell.set((1, 1));
        cell.watch(&waker);
        let kept = cell.latest();
        cell.clone().set((2, 2));
        assert_eq!((*kept, **cell.read()), ((1, 1), (2, 2)));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_reader_never_sees_half_a_value() {
        const ROUNDS: u64 = if cfg!(miri) { 50 } else { 20_000 };
        let cell = Cell::new((0u64, 0u64));
        let writer = {
            let cell = cell.clone();
            thread::spawn(move || (1..=ROUNDS).for_each(|n| cell.set((n, !n))))
        };
        let mut last = 0;
        while last < ROUNDS {
            let value = **cell.read();
            assert!(value == (0, 0) || value.1 == !value.0);
            assert!(value.0 >= last);
            last = value.0;
        }
        writer.join().unwrap();
    }

    #[test]
    fn a_marker_only_rises() {
        let marker = Marker::new(5);
        let (waker, calls) = counting();
        marker.watch(&waker);
        assert!(!marker.raise(4) && !marker.raise(5));
        assert_eq!((marker.get(), calls.load(Ordering::Relaxed)), (5, 0));
        assert!(marker.clone().raise(9));
        assert_eq!((marker.get(), calls.load(Ordering::Relaxed)), (9, 1));
        marker.nudge();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
