//! A bounded ring between two workers: one producer, one consumer, in order, nothing lost.
//!
//! Items move in bursts, a burst wakes the consumer once, and depth and totals can be read from any other thread. The ends'
//! own indices are those totals, so that reading them costs the ends nothing. What is `unsafe` is in `slots`.

mod slots;

use std::collections::VecDeque;

use crate::sync::Arc;
use crate::wake::Waker;
use slots::{Counts, Popper, Pusher};

/// A ring of `depth` items; `consumer` wakes the thread that will hold the [`Consumer`].
///
/// # Panics
/// If `depth` is zero: a ring that holds nothing passes nothing on. If there is no memory for it.
#[must_use]
pub fn ring<T>(depth: usize, consumer: Waker) -> (Producer<T>, Consumer<T>) {
    assert!(depth > 0, "a ring holds at least one item");
    let (pusher, popper) = slots::slots(depth, WakeOnDrop(consumer));
    (Producer { end: pusher }, Consumer { end: popper })
}

/// The pushing end. When the ring is full the item stays with the caller, who is then *blocked*.
pub struct Producer<T> {
    end: Pusher<T, WakeOnDrop>,
}

struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl<T> Producer<T> {
    /// Pushes one item and wakes the consumer; a full ring gives the item back.
    ///
    /// # Errors
    /// The item itself, when there is no room.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        self.end.push(item)?;
        self.end.after().0.wake();
        Ok(())
    }

    /// Moves as many items as fit from the front of `items`, wakes the consumer once, and says how many went.
    #[inline]
    pub fn push_queued(&mut self, items: &mut VecDeque<T>) -> usize {
        let burst = items.len().min(self.end.room_for(items.len()));
        self.push_burst(items.drain(..burst))
    }

    /// Pushes what `items` yields until it ends or the ring is full; says how many went.
    ///
    /// It never takes an item that it cannot push, but an iterator that is dropped with items left (a `drain`)
    /// drops those: ask [`room`](Self::room) first, or pass `&mut iterator`. If the iterator panics, what it yielded
    /// before is pushed.
    #[inline]
    pub fn push_burst(&mut self, items: impl IntoIterator<Item = T>) -> usize {
        let items = items.into_iter();
        let wanted = items.size_hint().1.unwrap_or(usize::MAX);
        let burst = Burst { before: self.end.pushed(), producer: self };
        burst.producer.end.push_burst(items, wanted);
        burst.pushed() as usize
    }

    /// How many items fit now; the consumer can only make it more.
    #[must_use]
    pub fn room(&self) -> usize {
        self.end.room()
    }

    /// How many items the ring holds at most.
    #[must_use]
    pub fn depth_max(&self) -> usize {
        self.end.depth_max()
    }

    /// True if the consumer is gone: nothing pushed will be seen.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.end.is_abandoned()
    }

    /// A view of the ring's depth and totals for other threads.
    #[must_use]
    pub fn gauge(&self) -> RingGauge {
        RingGauge { counts: Arc::clone(self.end.counts()), depth_max: self.depth_max() }
    }
}

/// Wakes the consumer when a burst is over, even by a panic, if anything was pushed.
struct Burst<'a, T> {
    before: u64,
    producer: &'a mut Producer<T>,
}

impl<T> Burst<'_, T> {
    #[inline]
    fn pushed(&self) -> u64 {
        self.producer.end.pushed() - self.before
    }
}

impl<T> Drop for Burst<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.pushed() > 0 {
            self.producer.end.after().0.wake();
        }
    }
}

/// The popping end.
pub struct Consumer<T> {
    end: Popper<T>,
}

impl<T> Consumer<T> {
    /// The oldest item, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.end.pop()
    }

    /// Appends up to `burst_max` items to `out`, oldest first; says how many.
    #[inline]
    pub fn pop_burst(&mut self, out: &mut Vec<T>, burst_max: usize) -> usize {
        self.end.pop_burst(out, burst_max)
    }

    /// How many items wait; the producer can only make it more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.len()
    }

    /// True if nothing waits now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the producer is gone: once empty, the ring stays empty.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.end.is_abandoned()
    }

    /// A view of the ring's depth and totals for other threads.
    #[must_use]
    pub fn gauge(&self) -> RingGauge {
        RingGauge { counts: Arc::clone(self.end.counts()), depth_max: self.end.depth_max() }
    }
}

/// Depth and totals of a ring, from any thread. The numbers are taken one after the other, so they are about right.
#[derive(Clone)]
pub struct RingGauge {
    counts: Arc<Counts>,
    depth_max: usize,
}

impl RingGauge {
    /// Items in the ring now.
    #[must_use]
    pub fn depth(&self) -> u64 {
        let popped = self.counts.popped();
        self.counts.pushed().saturating_sub(popped).min(self.depth_max as u64)
    }

    /// Items the ring holds at most.
    #[must_use]
    pub fn depth_max(&self) -> usize {
        self.depth_max
    }

    /// The most items that a burst has found waiting.
    #[must_use]
    pub fn depth_high(&self) -> u64 {
        self.counts.depth_high()
    }

    /// Items that have gone through since the start.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.counts.popped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Parker;
    use proptest::prelude::*;
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        PushQueued(usize),
        PushBurst(usize),
        Pop,
        PopBurst(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Push),
            (0..12usize).prop_map(Step::PushQueued),
            (0..12usize).prop_map(Step::PushBurst),
            Just(Step::Pop),
            (0..12usize).prop_map(Step::PopBurst),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn it_is_a_bounded_queue(depth in 1..9usize, steps in steps()) {
            let (mut tx, mut rx) = ring(depth, Waker::none());
            let gauge = rx.gauge();
            let mut model = VecDeque::new();
            let mut next = 0u32;
            let mut queued = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push => {
                        let expected = if model.len() < depth { model.push_back(next); Ok(()) } else { Err(next) };
                        prop_assert_eq!(tx.push(next), expected);
                        next += 1;
                    }
                    Step::PushQueued(n) => {
                        while queued.len() < n { queued.push_back(next); next += 1; }
                        let fit = queued.len().min(depth - model.len());
                        let front: Vec<u32> = queued.iter().take(fit).copied().collect();
                        prop_assert_eq!(tx.push_queued(&mut queued), fit);
                        model.extend(front);
                    }
                    Step::PushBurst(n) => {
                        let fit = n.min(depth - model.len());
                        let mut items = next..next + n as u32;
                        prop_assert_eq!(tx.push_burst(&mut items), fit);
                        prop_assert_eq!(items.len(), n - fit);
                        model.extend(next..next + fit as u32);
                        next += n as u32;
                    }
                    Step::Pop => prop_assert_eq!(rx.pop(), model.pop_front()),
                    Step::PopBurst(n) => {
                        let mut out = Vec::new();
                        let taken = rx.pop_burst(&mut out, n);
                        let expected: Vec<u32> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(taken, expected.len());
                        prop_assert_eq!(out, expected);
                    }
                }
                prop_assert_eq!(gauge.depth(), model.len() as u64);
                prop_assert_eq!(rx.len(), model.len());
                prop_assert_eq!(tx.room(), depth - model.len());
            }
        }
    }

    #[test]
    fn order_holds_between_two_threads_that_park() {
        const ITEMS: u64 = if cfg!(miri) { 300 } else { 300_000 };
        let parker = Parker::new();
        let (mut tx, mut rx) = ring(64, parker.waker());
        let gauge = rx.gauge();
        let consumer = thread::spawn(move || {
            let parker = parker.bind();
            let mut out = Vec::new();
            let mut expected = 0;
            while expected < ITEMS {
                if rx.pop_burst(&mut out, 32) == 0 {
                    parker.park_unless(None, || !rx.is_empty());
                }
                for item in out.drain(..) {
                    assert_eq!(item, expected);
                    expected += 1;
                }
            }
        });
        let mut items = 0..ITEMS;
        while !items.is_empty() {
            if tx.push_burst(items.by_ref().take(17)) == 0 {
                thread::yield_now();
            }
        }
        consumer.join().unwrap();
        assert_eq!((gauge.passed(), gauge.depth()), (ITEMS, 0));
        assert!(gauge.depth_high() >= 1 && gauge.depth_high() <= 64);
    }

    #[test]
    fn a_parked_consumer_wakes_up_when_the_producer_goes() {
        const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };
        for _ in 0..ROUNDS {
            let parker = Parker::new();
            let (tx, rx) = ring::<u8>(1, parker.waker());
            let consumer = thread::spawn(move || {
                let parker = parker.bind();
                while !rx.is_abandoned() {
                    parker.park_unless(None, || rx.is_abandoned());
                }
            });
            thread::yield_now();
            drop(tx);
            consumer.join().unwrap();
        }
    }

    #[test]
    fn every_item_is_dropped_once() {
        let item = Arc::new(());
        for leave in 0..=3 {
            let (mut tx, mut rx) = ring(3, Waker::none());
            for _ in 0..7 {
                assert_eq!(tx.push_burst(std::iter::repeat_n(Arc::clone(&item), 3).by_ref()), 3);
                drop(rx.pop());
                assert_eq!(rx.pop_burst(&mut Vec::new(), 3), 2);
            }
            assert_eq!(Arc::strong_count(&item), 1);
            tx.push_burst(std::iter::repeat_n(Arc::clone(&item), leave));
            let gauge = tx.gauge();
            drop(rx);
            assert_eq!(Arc::strong_count(&item), 1 + leave);
            drop(tx);
            assert_eq!(Arc::strong_count(&item), 1);
            assert_eq!(gauge.depth(), leave as u64);
        }
    }

    #[test]
    fn a_refused_item_comes_back() {
        let item = Arc::new(());
        let (mut tx, _rx) = ring(1, Waker::none());
        assert!(tx.push(Arc::clone(&item)).is_ok());
        assert!(tx.push(Arc::clone(&item)).is_err());
        assert_eq!(Arc::strong_count(&item), 2);
    }

    #[test]
    fn a_burst_that_panics_is_pushed_up_to_there() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        let waker = Waker::from_fn(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (mut tx, mut rx) = ring(3, waker);
        let item = Arc::new(());
        for yields in [0, 2, 1] {
            let mut left: usize = yields;
            let items = std::iter::from_fn(|| {
                left = left.checked_sub(1).expect("planned");
                Some(Arc::clone(&item))
            });
            let before = wakes.load(Ordering::Relaxed);
            assert!(panic::catch_unwind(AssertUnwindSafe(|| tx.push_burst(items))).is_err());
            assert_eq!(wakes.load(Ordering::Relaxed) - before, usize::from(yields > 0));
            assert_eq!(rx.len(), yields);
            let mut out = Vec::new();
            assert_eq!(rx.pop_burst(&mut out, 3), yields);
            assert_eq!(Arc::strong_count(&item), 1 + yields);
        }
        assert_eq!(tx.room(), 3);
    }

    #[test]
    fn a_burst_may_end_before_it_said_and_go_on_later() {
        let (mut tx, mut rx) = ring(4, Waker::none());
        for next in 0..50_u32 {
            // Not fused: it would yield again after its end.
            let mut asked = 0;
            let items = std::iter::from_fn(|| {
                asked += 1;
                (asked != 2).then_some(next)
            });
            assert_eq!(tx.push_burst(items), 1);
            assert_eq!((rx.pop(), rx.pop()), (Some(next), None));
        }
    }

    #[test]
    fn items_without_size_are_counted() {
        let (mut tx, mut rx) = ring(3, Waker::none());
        assert_eq!(tx.push_burst([(); 5]), 3);
        assert_eq!(tx.push(()), Err(()));
        let mut out = Vec::new();
        assert_eq!((rx.pop_burst(&mut out, 2), out.len(), rx.len()), (2, 2, 1));
    }

    #[test]
    fn a_dropped_end_is_seen_by_the_other() {
        let (tx, rx) = ring::<u8>(1, Waker::none());
        assert!(!tx.is_abandoned() && !rx.is_abandoned());
        drop(tx);
        assert!(rx.is_abandoned());
        let (tx, rx) = ring::<u8>(1, Waker::none());
        drop(rx);
        assert!(tx.is_abandoned());
    }
}
