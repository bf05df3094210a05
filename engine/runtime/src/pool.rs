//! A fixed number of preallocated cells: the one limit on work in flight.
//!
//! A cell is owned by whoever holds its [`Pooled`], and goes home when that is dropped. The free list is a lock-free queue of
//! the boxed cells themselves, so that a cell cannot be handed out twice without breaking the compiler's own
//! rules, and no index or pointer arithmetic is needed.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

/// A pool of cells of type `T`, shared between threads. Clones share the cells.
pub struct Pool<T> {
    home: Arc<ArrayQueue<Box<T>>>,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { home: Arc::clone(&self.home) }
    }
}

impl<T> Pool<T> {
    /// A pool of `cells` cells, each made by `make` now, so that nothing is allocated later.
    ///
    /// # Panics
    /// If `cells` is zero.
    pub fn new(cells: usize, mut make: impl FnMut() -> T) -> Self {
        assert!(cells > 0, "a pool holds at least one cell");
        let home = ArrayQueue::new(cells);
        for _ in 0..cells {
            assert!(home.push(Box::new(make())).is_ok(), "a new queue has room for all its cells");
        }
        Self { home: Arc::new(home) }
    }

    /// A free cell, or `None` when all are in flight. It holds what its last owner left in it.
    #[must_use]
    pub fn try_take(&self) -> Option<Pooled<T>> {
        let cell = self.home.pop()?;
        Some(Pooled { cell: Some(cell), home: Arc::clone(&self.home) })
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.home.capacity()
    }

    /// How many cells are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.home.len()
    }

    /// How many cells are in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.cells() - self.free()
    }
}

/// One cell in flight. Dropping it sends the cell home, with what is in it.
pub struct Pooled<T> {
    cell: Option<Box<T>>,
    home: Arc<ArrayQueue<Box<T>>>,
}

impl<T> Deref for Pooled<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.cell.as_deref().expect("a cell leaves only on drop")
    }
}

impl<T> DerefMut for Pooled<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.cell.as_deref_mut().expect("a cell leaves only on drop")
    }
}

impl<T> Drop for Pooled<T> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            let returned = self.home.push(cell);
            debug_assert!(returned.is_ok(), "home has a place for every cell");
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;

    fn numbered(cells: u32) -> Pool<u32> {
        let mut next = 0;
        Pool::new(cells as usize, || {
            next += 1;
            next - 1
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn it_hands_out_each_cell_once(cells in 1..8u32, steps in prop::collection::vec(any::<Option<u8>>(), 0..200)) {
            let pool = numbered(cells);
            let mut held: Vec<Pooled<u32>> = Vec::new();
            for step in steps {
                match step {
                    None => match pool.try_take() {
                        Some(cell) => {
                            prop_assert!(held.iter().all(|other| **other != *cell));
                            held.push(cell);
                        }
                        None => prop_assert_eq!(held.len(), cells as usize),
                    },
                    Some(pick) if !held.is_empty() => {
                        held.swap_remove(pick as usize % held.len());
                    }
                    Some(_) => {}
                }
                prop_assert_eq!(pool.in_flight(), held.len());
                prop_assert_eq!(pool.free(), cells as usize - held.len());
            }
        }
    }

    #[test]
    fn threads_never_hold_one_cell_at_once() {
        const ROUNDS: usize = if cfg!(miri) { 50 } else { 50_000 };
        let owned: Arc<Vec<AtomicBool>> = Arc::new((0..4).map(|_| AtomicBool::new(false)).collect());
        let empty = Arc::new(AtomicU32::new(0));
        let pool = numbered(4);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (pool, owned, empty) = (pool.clone(), Arc::clone(&owned), Arc::clone(&empty));
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        let held: Vec<_> = (0..2).filter_map(|_| pool.try_take()).collect();
                        empty.fetch_add(2 - held.len() as u32, Ordering::Relaxed);
                        for cell in &held {
                            assert!(!owned[**cell as usize].swap(true, Ordering::AcqRel));
                        }
                        for cell in &held {
                            assert!(owned[**cell as usize].swap(false, Ordering::AcqRel));
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pool.free(), 4);
    }

    #[test]
    fn a_cell_outlives_its_pool_and_keeps_its_content() {
        let pool = numbered(1);
        let mut cell = pool.try_take().unwrap();
        *cell = 7;
        drop(cell);
        let cell = pool.try_take().unwrap();
        assert!(pool.try_take().is_none());
        drop(pool);
        assert_eq!(*cell, 7);
    }
}
