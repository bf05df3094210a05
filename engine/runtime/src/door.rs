//! The way in: a bounded queue that many edges push to and one worker takes from.
//!
//! Edges run on their own threads and come and go, so this is the one queue with many producers. It never
//! waits: when there is no cell or no room, the client is told [`Busy`] at the door.
//!
//! Half of the cells and half of the queue are kept for those who must not be turned away: whoever may be uses
//! [`Door::take_giving_way`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::pool::{Pool, Pooled};
use crate::wake::Waker;

/// Of cells and queue, those who give way leave one in so many.
const KEPT_SHARE: usize = 2;

/// Why something was not let in. Nothing was kept of it; it may be offered again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// Every cell of the pool that this one may have is in flight.
    #[error("busy: all of the {cells} places that are yours to take are in flight, try again shortly")]
    PoolEmpty {
        /// How many cells the pool has.
        cells: usize,
    },
    /// The queue behind the door is full.
    #[error("busy: {depth_max} wait at the door already, try again shortly")]
    DoorFull {
        /// How many the queue holds.
        depth_max: usize,
    },
    /// The worker behind the door has stopped.
    #[error("the node is stopping")]
    Closed,
}

/// A door for items of `pool`, `depth_max` deep; `consumer` wakes the worker behind it.
///
/// # Panics
/// If `depth_max` is zero.
#[must_use]
pub fn door<T>(pool: Pool<T>, depth_max: usize, consumer: Waker) -> (Door<T>, Hall<T>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(depth_max),
        closed: AtomicBool::new(false),
        turned_away: AtomicU64::new(0),
    });
    (Door { shared: Arc::clone(&shared), pool, consumer }, Hall { shared })
}

struct Shared<T> {
    queue: ArrayQueue<Pooled<T>>,
    closed: AtomicBool,
    turned_away: AtomicU64,
}

/// The outside of the door; every edge has a clone.
pub struct Door<T> {
    shared: Arc<Shared<T>>,
    pool: Pool<T>,
    consumer: Waker,
}

impl<T> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), pool: self.pool.clone(), consumer: self.consumer.clone() }
    }
}

impl<T> Door<T> {
    /// Takes a cell, lets `fill` write it, and lets it in.
    ///
    /// `fill` runs only when there is a cell. Should the queue be full after it, the cell goes home as filled, so
    /// `fill` must not leave in it what has to be answered; [`enter`](Self::enter) gives the cell back instead.
    ///
    /// # Errors
    /// [`Busy`] when there is no cell, no room, or nobody behind the door.
    pub fn admit(&self, fill: impl FnOnce(&mut T)) -> Result<(), Busy> {
        let mut cell = self.take()?;
        fill(&mut cell);
        self.enter(cell).map_err(|(busy, _)| busy)
    }

    /// A cell to fill and then [`enter`](Self::enter) with.
    ///
    /// # Errors
    /// [`Busy::PoolEmpty`] when all are in flight, [`Busy::Closed`] when nobody would take it.
    pub fn take(&self) -> Result<Pooled<T>, Busy> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(self.turn_away(Busy::Closed));
        }
        self.pool.try_take().ok_or_else(|| self.turn_away(Busy::PoolEmpty { cells: self.pool.cells() }))
    }

    /// As [`take`](Self::take), for one who gives way: it leaves the half of the cells and of the queue to others.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take_giving_way(&self) -> Result<Pooled<T>, Busy> {
        let (cells, depth_max) = (self.pool.cells(), self.shared.queue.capacity());
        if self.pool.free() <= cells / KEPT_SHARE {
            return Err(self.turn_away(Busy::PoolEmpty { cells: cells - cells / KEPT_SHARE }));
        }
        if depth_max - self.depth() <= depth_max / KEPT_SHARE {
            return Err(self.turn_away(Busy::DoorFull { depth_max: depth_max - depth_max / KEPT_SHARE }));
        }
        self.take()
    }

    /// How many cells are kept, in pool and queue, for those who do not give way.
    #[must_use]
    pub fn kept(&self) -> usize {
        (self.pool.cells() / KEPT_SHARE).min(self.shared.queue.capacity() / KEPT_SHARE)
    }

    /// Lets a filled cell in and wakes the worker.
    ///
    /// # Errors
    /// Why not, and the cell itself.
    pub fn enter(&self, cell: Pooled<T>) -> Result<(), (Busy, Pooled<T>)> {
        self.enter_silently(cell)?;
        self.ring();
        Ok(())
    }

    /// Wakes the worker behind the door.
    pub fn ring(&self) {
        self.consumer.wake();
    }

    /// Lets a filled cell in and wakes nobody: [`ring`](Self::ring) after the last of a burst, so that the worker finds it whole.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_silently(&self, cell: Pooled<T>) -> Result<(), (Busy, Pooled<T>)> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err((self.turn_away(Busy::Closed), cell));
        }
        match self.shared.queue.push(cell) {
            Ok(()) => Ok(()),
            Err(cell) => Err((self.turn_away(Busy::DoorFull { depth_max: self.shared.queue.capacity() }), cell)),
        }
    }

    /// How many wait at the door now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.queue.len()
    }

    /// How many were told [`Busy`] since the start.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.shared.turned_away.load(Ordering::Relaxed)
    }

    /// The pool whose cells come through here.
    #[must_use]
    pub fn pool(&self) -> &Pool<T> {
        &self.pool
    }

    fn turn_away(&self, busy: Busy) -> Busy {
        self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
        busy
    }
}

/// The inside of the door, held by the one worker that takes from it. Dropping it closes the door.
pub struct Hall<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Hall<T> {
    /// Appends up to `burst_max` cells to `out`, in the order of arrival; says how many.
    pub fn pop_burst(&mut self, out: &mut Vec<Pooled<T>>, burst_max: usize) -> usize {
        for taken in 0..burst_max {
            match self.shared.queue.pop() {
                Some(cell) => out.push(cell),
                None => return taken,
            }
        }
        burst_max
    }

    /// The next cell, if one waits.
    pub fn pop(&mut self) -> Option<Pooled<T>> {
        self.shared.queue.pop()
    }

    /// True if nobody waits now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }

    /// How many wait now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }
}

impl<T> Drop for Hall<T> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Cells that are still here go home, so that what they carry (a client's reply) is dropped, not kept for ever.
        while self.shared.queue.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Parker;
    use std::thread;

    #[test]
    fn it_says_which_limit_was_met() {
        let (door, mut hall) = door(Pool::new(3, || 0u32), 2, Waker::none());
        assert_eq!(door.admit(|cell| *cell = 1), Ok(()));
        assert_eq!(door.admit(|cell| *cell = 2), Ok(()));
        assert_eq!(door.admit(|cell| *cell = 3), Err(Busy::DoorFull { depth_max: 2 }));
        let mut out = Vec::new();
        assert_eq!(hall.pop_burst(&mut out, 9), 2);
        assert_eq!((*out[0], *out[1]), (1, 2));
        assert_eq!(door.admit(|cell| *cell = 3), Ok(()));
        assert_eq!(door.admit(|_| ()), Err(Busy::PoolEmpty { cells: 3 }));
        assert_eq!(door.turned_away(), 2);
        drop(out);
        let cell = door.take().unwrap();
        drop(hall);
        assert_eq!(door.enter(cell).unwrap_err().0, Busy::Closed);
        assert_eq!(door.admit(|_| ()), Err(Busy::Closed));
        assert_eq!(door.pool().free(), 3);
    }

    #[test]
    fn who_gives_way_leaves_half() {
        let (door, mut hall) = door(Pool::new(6, || ()), 4, Waker::none());
        assert_eq!(door.kept(), 2);
        for _ in 0..2 {
            door.enter(door.take_giving_way().unwrap()).unwrap();
        }
        assert_eq!(door.take_giving_way().unwrap_err(), Busy::DoorFull { depth_max: 2 });
        door.enter(door.take().unwrap()).unwrap();
        let held = [hall.pop().unwrap(), hall.pop().unwrap(), hall.pop().unwrap()];
        assert_eq!(door.take_giving_way().unwrap_err(), Busy::PoolEmpty { cells: 3 });
        assert!(door.take().is_ok());
        drop(held);
        assert!(door.take_giving_way().is_ok());
    }

    #[test]
    fn many_producers_lose_nothing_and_keep_their_order() {
        const EACH: u32 = if cfg!(miri) { 40 } else { 20_000 };
        let parker = Parker::new();
        let (door, mut hall) = door(Pool::new(32, || (0u32, 0u32)), 16, parker.waker());
        let producers: Vec<_> = (0..3u32)
            .map(|producer| {
                let door = door.clone();
                thread::spawn(move || {
                    for item in 0..EACH {
                        while door.admit(|cell| *cell = (producer, item)).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let parker = parker.bind();
        let mut next = [0u32; 3];
        let mut out = Vec::new();
        while next.iter().sum::<u32>() < 3 * EACH {
            if hall.pop_burst(&mut out, 8) == 0 {
                parker.park_unless(None, || !hall.is_empty());
            }
            for cell in out.drain(..) {
                let (producer, item) = *cell;
                assert_eq!(next[producer as usize], item);
                next[producer as usize] += 1;
            }
        }
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(door.pool().free(), 32);
    }
}
