//! The ring's memory and the two ends that share it: all that is `unsafe` of the ring, and its only atomics.
//!
//! Two counts that never wrap say everything: `pushed`, written by the pushing end alone, and `popped`, written by the
//! popping end alone. Slots `popped..pushed` (modulo the buffer) hold items and belong to the popping end; the others, up to
//! the depth, are free and belong to the pushing end. An end hands slots over by storing its count with `Release`, and takes
//! them over by loading the other's with `Acquire`. It keeps what it last saw of the other's count, and looks again only when
//! that does not do.
//!
//! `tests/ring_loom.rs` compiles this file with a model checker's atomics and cells in place of [`crate::sync`]'s.
#![allow(unsafe_code, reason = "slots are written and read in place, by one end at a time")]

use std::cell::Cell;
use std::mem::{ManuallyDrop, MaybeUninit, needs_drop};
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicBool, AtomicU64, UnsafeCell};

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// What both ends and every gauge know of a ring. Each line has one writer.
#[derive(Default)]
pub(super) struct Counts {
    pushed: CachePadded<AtomicU64>,
    popped: CachePadded<Popped>,
    /// Set by the end that goes first.
    abandoned: AtomicBool,
}

#[derive(Default)]
struct Popped {
    total: AtomicU64,
    depth_high: AtomicU64,
}

impl Counts {
    /// Items pushed since the start.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Items popped since the start.
    pub(super) fn popped(&self) -> u64 {
        self.popped.total.load(Ordering::Relaxed)
    }

    /// The most items that a burst has found waiting.
    pub(super) fn depth_high(&self) -> u64 {
        self.popped.depth_high.load(Ordering::Relaxed)
    }
}

/// The memory. Whoever lets go of it last drops the items that nobody popped.
struct Slots<T> {
    /// A power of two, at least the ring's depth.
    buffer: Box<[Slot<T>]>,
    counts: Arc<Counts>,
}

// SAFETY: a slot is accessed by one end at a time (see the module's text), which moves items in or out: no item is ever
// referred to by two threads.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        let mask = self.buffer.len() as u64 - 1;
        for at in self.counts.popped()..self.counts.pushed() {
            // SAFETY: both ends are gone, and letting go of the memory has ordered all they did before this; slots
            // `popped..pushed` hold items, and each is visited once.
            self.buffer[(at & mask) as usize].with_mut(|slot| unsafe { (*slot).assume_init_drop() });
        }
    }
}

/// What an end knows that does not change, and what goes with it.
struct View<T, A = ()> {
    /// The first slot: kept here so that an access takes no way over the two allocations behind `slots`.
    first: *const Slot<T>,
    mask: usize,
    depth: u64,
    counts: Arc<Counts>,
    slots: Arc<Slots<T>>,
    // Declared last: it is dropped after the ring shows that this end is gone.
    after: A,
}

// SAFETY: `first` points into the memory that `slots` keeps alive, which itself may be sent and shared.
unsafe impl<T: Send, A: Send> Send for View<T, A> {}

impl<T, A> Drop for View<T, A> {
    fn drop(&mut self) {
        self.counts.abandoned.store(true, Ordering::Release);
    }
}

impl<T, A> View<T, A> {
    fn new(slots: &Arc<Slots<T>>, depth: u64, after: A) -> Apart<Self> {
        Apart::new(Self {
            first: slots.buffer.as_ptr(),
            mask: slots.buffer.len() - 1,
            depth,
            counts: Arc::clone(&slots.counts),
            slots: Arc::clone(slots),
            after,
        })
    }

    /// The slot of the item that is number `at` from the start.
    #[inline]
    fn slot(&self, at: u64) -> &Slot<T> {
        // SAFETY: the buffer has `mask + 1` slots, lives as long as `slots`, and is only shared until it is dropped.
        unsafe { &*self.first.add(at as usize & self.mask) }
    }

    /// The slots of `burst` items from number `at` on, in order: up to the end of the buffer, and from its start. `burst` must
    /// not exceed the depth.
    #[inline]
    fn slots(&self, at: u64, burst: usize) -> (&[Slot<T>], &[Slot<T>]) {
        debug_assert!(burst as u64 <= self.depth);
        let start = at as usize & self.mask;
        let before_end = burst.min(self.mask + 1 - start);
        let (_, tail) = self.slots.buffer.split_at(start);
        (&tail[..before_end], &self.slots.buffer[..burst - before_end])
    }

    fn is_abandoned(&self) -> bool {
        self.counts.abandoned.load(Ordering::Acquire)
    }
}

/// A box that is dropped by value, out of line. Dropping in place takes the address of whatever holds the box, and then all
/// of that lives in memory: a store more for each item, beside the two that the other end has to see. So an end whose counts
/// shall live in registers keeps nothing else that is to be dropped.
struct Apart<V>(ManuallyDrop<Box<V>>);

impl<V> Apart<V> {
    fn new(value: V) -> Self {
        Self(ManuallyDrop::new(Box::new(value)))
    }
}

impl<V> Deref for Apart<V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.0
    }
}

impl<V> Drop for Apart<V> {
    #[inline]
    fn drop(&mut self) {
        #[inline(never)]
        fn drop_by_value<V>(_: Box<V>) {}

        // SAFETY: this is the only place that takes the box out, and it runs once.
        drop_by_value(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}

/// Memory for `depth` items and its two ends. `after` is dropped with the pushing end, after the ring shows that it is gone.
pub(super) fn slots<T, A>(depth: usize, after: A) -> (Pusher<T, A>, Popper<T>) {
    let slots = depth.checked_next_power_of_two().expect("a ring's depth has a power of two above it");
    let buffer = (0..slots).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let slots = Arc::new(Slots { buffer, counts: Arc::new(Counts::default()) });
    let depth = depth as u64;
    let popper = Popper { pushed: Cell::new(0), popped: 0, depth_high: 0, view: View::new(&slots, depth, ()) };
    (Pusher { pushed: 0, full_at: Cell::new(depth), view: View::new(&slots, depth, after) }, popper)
}

/// The end that pushes.
pub(super) struct Pusher<T, A> {
    pushed: u64,
    /// The count at which the ring is full, as far as was last seen of the other end.
    full_at: Cell<u64>,
    view: Apart<View<T, A>>,
}

impl<T, A> Pusher<T, A> {
    #[inline]
    pub(super) fn push(&mut self, item: T) -> Result<(), T> {
        if self.room_for(1) == 0 {
            return Err(item);
        }
        self.view.slot(self.pushed).with_mut(|slot| {
            // SAFETY: the slot is free, so nobody else accesses it until it is handed over below.
            unsafe { ptr::write(slot, MaybeUninit::new(item)) };
        });
        self.hand_over(1);
        Ok(())
    }

    /// Pushes what `items` yields until it ends or `burst` are pushed, and asks for no more than those. If it panics, what it
    /// yielded before is pushed.
    #[inline]
    pub(super) fn push_burst(&mut self, mut items: impl Iterator<Item = T>, burst: usize) {
        let burst = self.room_for(burst).min(burst);
        let mut filling = Filling { filled: 0, end: self };
        let (before_end, from_start) = filling.end.view.slots(filling.end.pushed, burst);
        // SAFETY: there is room for the burst, so its slots are free until they are handed over, at the end of this.
        unsafe {
            if fill(before_end, &mut items, &mut filling.filled) {
                fill(from_start, &mut items, &mut filling.filled);
            }
        }
    }

    /// What is dropped with this end.
    #[inline]
    pub(super) fn after(&self) -> &A {
        &self.view.after
    }

    /// Items pushed since the start.
    #[inline]
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// How many items fit, at least; exactly how many now, if what was last seen is less than `wanted`.
    #[inline]
    pub(super) fn room_for(&self, wanted: usize) -> usize {
        let known = (self.full_at.get() - self.pushed) as usize;
        if known >= wanted { known } else { self.room() }
    }

    /// How many items fit now.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.full_at.set(self.view.counts.popped.total.load(Ordering::Acquire) + self.view.depth);
        (self.full_at.get() - self.pushed) as usize
    }

    pub(super) fn depth_max(&self) -> usize {
        self.view.depth as usize
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.view.is_abandoned()
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.view.counts
    }

    /// The next `items` slots hold items now.
    #[inline]
    fn hand_over(&mut self, items: u64) {
        self.pushed += items;
        self.view.counts.pushed.store(self.pushed, Ordering::Release);
    }
}

/// Fills `slots`, and counts; false if `items` ended first.
///
/// # Safety
/// The slots are free, and stay so until this returns.
#[inline]
unsafe fn fill<T>(slots: &[Slot<T>], items: &mut impl Iterator<Item = T>, filled: &mut u64) -> bool {
    for slot in slots {
        let Some(item) = items.next() else { return false };
        // SAFETY: the slot is free, so nobody else accesses it.
        slot.with_mut(|slot| unsafe { ptr::write(slot, MaybeUninit::new(item)) });
        *filled += 1;
    }
    true
}

/// A burst on its way in: whatever ends it, the slots filled until then are handed over.
struct Filling<'a, T, A> {
    filled: u64,
    end: &'a mut Pusher<T, A>,
}

impl<T, A> Drop for Filling<'_, T, A> {
    #[inline]
    fn drop(&mut self) {
        if self.filled > 0 {
            self.end.hand_over(self.filled);
        }
    }
}

/// The end that pops.
pub(super) struct Popper<T> {
    /// What was last seen of the other end.
    pushed: Cell<u64>,
    popped: u64,
    depth_high: u64,
    view: Apart<View<T>>,
}

impl<T> Popper<T> {
    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        if self.waiting(1) == 0 {
            return None;
        }
        // SAFETY: the slot holds an item, which is moved out once: from here on the slot counts as free.
        let item = self.view.slot(self.popped).with(|slot| unsafe { (*slot).assume_init_read() });
        self.hand_back(1);
        Some(item)
    }

    /// Appends up to `burst_max` items to `out`, and says how many.
    #[inline]
    pub(super) fn pop_burst(&mut self, out: &mut Vec<T>, burst_max: usize) -> usize {
        let waiting = self.waiting(burst_max);
        let burst = waiting.min(burst_max);
        if burst == 0 {
            return 0;
        }
        out.reserve(burst);
        let (before_end, from_start) = self.view.slots(self.popped, burst);
        let places = out.spare_capacity_mut();
        for (place, slot) in places.iter_mut().zip(before_end) {
            // SAFETY: the slot holds an item; its bytes are copied to a place that counts as empty, and the slot as full,
            // until both are told otherwise below.
            *place = slot.with(|slot| unsafe { ptr::read(slot) });
        }
        for (place, slot) in places[before_end.len()..].iter_mut().zip(from_start) {
            // SAFETY: as above.
            *place = slot.with(|slot| unsafe { ptr::read(slot) });
        }
        // SAFETY: `burst` places past the length have just been filled. Nothing can panic between here and the handing
        // back, so no item is dropped twice.
        unsafe { out.set_len(out.len() + burst) };
        self.hand_back(burst as u64);
        if waiting as u64 > self.depth_high {
            self.depth_high = waiting as u64;
            self.view.counts.popped.depth_high.store(self.depth_high, Ordering::Relaxed);
        }
        burst
    }

    /// How many items wait, at least; exactly how many now, if what was last seen is less than `wanted`.
    #[inline]
    fn waiting(&self, wanted: usize) -> usize {
        let known = (self.pushed.get() - self.popped) as usize;
        if known >= wanted { known } else { self.len() }
    }

    /// How many items wait now.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.pushed.set(self.view.counts.pushed.load(Ordering::Acquire));
        (self.pushed.get() - self.popped) as usize
    }

    pub(super) fn depth_max(&self) -> usize {
        self.view.depth as usize
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.view.is_abandoned()
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.view.counts
    }

    /// The oldest `items` are moved out; their slots are free.
    #[inline]
    fn hand_back(&mut self, items: u64) {
        self.popped += items;
        self.view.counts.popped.total.store(self.popped, Ordering::Release);
    }
}
