//! A bounded ring between two workers: one producer, one consumer, in order, nothing lost.
//!
//! A thin wrapper of `rtrb`, which measures best. It adds what a pipeline needs: items move in bursts, a burst wakes the
//! consumer once, and depth and totals can be read from any other thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::wake::Waker;

/// A ring of `depth` items; `consumer` wakes the thread that will hold the [`Consumer`].
///
/// # Panics
/// If `depth` is zero: a ring that holds nothing passes nothing on.
#[must_use]
pub fn ring<T>(depth: usize, consumer: Waker) -> (Producer<T>, Consumer<T>) {
    assert!(depth > 0, "a ring holds at least one item");
    let (tx, rx) = rtrb::RingBuffer::new(depth);
    let counts = Arc::new(Counts::default());
    let producer = Producer { ring: tx, counts: Arc::clone(&counts), pushed: 0, consumer: WakeOnDrop(consumer) };
    (producer, Consumer { ring: rx, counts, popped: 0 })
}

/// Each line has one writer, so that counting does not pass a cache line back and forth.
#[derive(Default)]
struct Counts {
    pushed: CachePadded<AtomicU64>,
    popped: CachePadded<Popped>,
}

#[derive(Default)]
struct Popped {
    total: AtomicU64,
    depth_high: AtomicU64,
}

/// The pushing end. When the ring is full the item stays with the caller, who is then *blocked*.
pub struct Producer<T> {
    ring: rtrb::Producer<T>,
    counts: Arc<Counts>,
    pushed: u64,
    // Declared after the ring: the wake-up must come after the ring shows that it is abandoned.
    consumer: WakeOnDrop,
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
        match self.ring.push(item) {
            Ok(()) => {
                self.count(1);
                Ok(())
            }
            Err(rtrb::PushError::Full(item)) => Err(item),
        }
    }

    /// Moves as many items as fit from the front of `items`, wakes the consumer once, and says how many went.
    #[inline]
    pub fn push_queued(&mut self, items: &mut VecDeque<T>) -> usize {
        let burst = items.len().min(self.room_for(items.len()));
        self.push_burst(items.drain(..burst))
    }

    /// Pushes what `items` yields until it ends or the ring is full; says how many went.
    ///
    /// It never takes an item that it cannot push, but an iterator that is dropped with items left (a `drain`)
    /// drops those: ask [`room`](Self::room) first, or pass `&mut iterator`.
    #[inline]
    pub fn push_burst(&mut self, items: impl IntoIterator<Item = T>) -> usize {
        let items = items.into_iter();
        let wanted = items.size_hint().1.unwrap_or(usize::MAX);
        let room = self.room_for(wanted).min(wanted);
        if room == 0 {
            return 0;
        }
        let pushed = match self.ring.write_chunk_uninit(room) {
            Ok(chunk) => chunk.fill_from_iter(items),
            Err(_) => return 0,
        };
        if pushed > 0 {
            self.count(pushed as u64);
        }
        pushed
    }

    /// How many items fit now; the consumer can only make it more.
    #[must_use]
    pub fn room(&self) -> usize {
        self.ring.slots()
    }

    /// How many items the ring holds at most.
    #[must_use]
    pub fn depth_max(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// True if the consumer is gone: nothing pushed will be seen.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// A view of the ring's depth and totals for other threads.
    #[must_use]
    pub fn gauge(&self) -> RingGauge {
        RingGauge { counts: Arc::clone(&self.counts), depth_max: self.depth_max() }
    }

    /// The consumer's line is read only when what is known of it does not do.
    #[inline]
    fn room_for(&self, wanted: usize) -> usize {
        let known = self.ring.cached_slots();
        if known >= wanted { known } else { self.ring.slots() }
    }

    #[inline]
    fn count(&mut self, items: u64) {
        self.pushed += items;
        self.counts.pushed.store(self.pushed, Ordering::Relaxed);
        self.consumer.0.wake();
    }
}

/// The popping end.
pub struct Consumer<T> {
    ring: rtrb::Consumer<T>,
    counts: Arc<Counts>,
    popped: u64,
}

impl<T> Consumer<T> {
    /// The oldest item, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let item = self.ring.pop().ok()?;
        self.count(1);
        Some(item)
    }

    /// Appends up to `burst_max` items to `out`, oldest first; says how many.
    #[inline]
    pub fn pop_burst(&mut self, out: &mut Vec<T>, burst_max: usize) -> usize {
        let waiting = self.waiting(burst_max);
        let burst = waiting.min(burst_max);
        if burst == 0 {
            return 0;
        }
        let Ok(chunk) = self.ring.read_chunk(burst) else { return 0 };
        out.extend(chunk);
        let high = &self.counts.popped.depth_high;
        if waiting as u64 > high.load(Ordering::Relaxed) {
            high.store(waiting as u64, Ordering::Relaxed);
        }
        self.count(burst as u64);
        burst
    }

    /// How many items wait; the producer can only make it more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.slots()
    }

    /// True if nothing waits now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// True if the producer is gone: once empty, the ring stays empty.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// A view of the ring's depth and totals for other threads.
    #[must_use]
    pub fn gauge(&self) -> RingGauge {
        RingGauge { counts: Arc::clone(&self.counts), depth_max: self.ring.buffer().capacity() }
    }

    #[inline]
    fn waiting(&self, wanted: usize) -> usize {
        let known = self.ring.cached_slots();
        if known >= wanted { known } else { self.ring.slots() }
    }

    #[inline]
    fn count(&mut self, items: u64) {
        self.popped += items;
        self.counts.popped.total.store(self.popped, Ordering::Relaxed);
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
        let popped = self.counts.popped.total.load(Ordering::Relaxed);
        self.counts.pushed.load(Ordering::Relaxed).saturating_sub(popped).min(self.depth_max as u64)
    }

    /// Items the ring holds at most.
    #[must_use]
    pub fn depth_max(&self) -> usize {
        self.depth_max
    }

    /// The most items that a burst has found waiting.
    #[must_use]
    pub fn depth_high(&self) -> u64 {
        self.counts.popped.depth_high.load(Ordering::Relaxed)
    }

    /// Items that have gone through since the start.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.counts.popped.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Parker;
    use proptest::prelude::*;
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
