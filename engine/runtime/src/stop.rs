//! Stopping: one flag, one reason, everyone woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::wake::Waker;

/// Why the workers stopped. The first reason given is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// Somebody asked for it: a signal, or an orderly end.
    #[error("stopped as asked")]
    Asked,
    /// A worker panicked: a broken invariant of ours.
    #[error("worker {worker} panicked: {message}")]
    Panicked {
        /// Name of the worker.
        worker: String,
        /// What the panic said.
        message: String,
    },
    /// A worker cannot go on: a disk that is full, a peer's log that contradicts ours.
    #[error("{worker} cannot go on: {message}")]
    Failed {
        /// Name of the worker or edge.
        worker: String,
        /// What happened, and the way out.
        message: String,
    },
}

/// The stop flag of all workers of a node. Clones share it.
#[derive(Clone, Default)]
pub struct Stopper {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reason: Option<StopReason>,
    wakers: Vec<Waker>,
}

impl Stopper {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops everything, for `reason` unless one was given before.
    pub fn stop(&self, reason: StopReason) {
        let wakers = {
            let mut state = self.state();
            state.reason.get_or_insert(reason);
            self.shared.stopped.store(true, Ordering::Release);
            self.shared.changed.notify_all();
            std::mem::take(&mut state.wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    /// True once anybody has stopped it. One load: workers look at it every round.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// The reason, once stopped.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.state().reason.clone()
    }

    /// Wakes `waker` when it stops; at once if it has.
    pub fn watch(&self, waker: &Waker) {
        let mut state = self.state();
        if state.reason.is_some() {
            drop(state);
            waker.wake();
        } else {
            state.wakers.push(waker.clone());
        }
    }

    /// Blocks the calling thread until stopped.
    #[must_use]
    pub fn wait(&self) -> StopReason {
        let mut state = self.state();
        loop {
            if let Some(reason) = &state.reason {
                return reason.clone();
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn the_first_reason_is_kept_and_everyone_is_woken() {
        let stopper = Stopper::new();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let waker = Waker::from_fn(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        stopper.watch(&waker);
        let waiting = {
            let stopper = stopper.clone();
            std::thread::spawn(move || stopper.wait())
        };
        assert!(!stopper.is_stopped() && stopper.reason().is_none());
        let failed = StopReason::Failed { worker: "journal".into(), message: "no space left".into() };
        stopper.stop(failed.clone());
        stopper.stop(StopReason::Asked);
        stopper.watch(&waker);
        assert_eq!(waiting.join().unwrap(), failed);
        assert_eq!((stopper.reason(), calls.load(Ordering::Relaxed)), (Some(failed), 2));
    }
}
