//! How a parked thread is woken, and how that stays cheap while it is awake.
//!
//! The thread raises a flag, looks at its inputs once more, and only then parks; a waker writes its item
//! first and looks at the flag after. With a sequentially consistent fence between the two steps on both sides
//! (Dekker's argument), either the thread sees the item or the waker sees the flag: no wake-up is lost.
//! While the thread is awake, a wake-up costs that fence and one load of a line that nobody writes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicBool, Thread, current, fence, park, park_timeout};

#[derive(Default)]
struct Bell {
    asleep: CachePadded<AtomicBool>,
    thread: OnceLock<Thread>,
}

/// Wakes a worker's thread, or calls a function, when there is something to look at.
///
/// Cheap to clone. Waking one that is awake is cheap and harmless.
#[derive(Clone)]
pub struct Waker(Kind);

#[derive(Clone)]
enum Kind {
    /// Nobody to wake.
    Awake,
    Bell(Arc<Bell>),
    Call(Arc<dyn Fn() + Send + Sync>),
}

impl Waker {
    /// A waker that calls `call`, on the thread that wakes. For edges that do not park: an async task's
    /// notification, an event descriptor. `call` must not block or panic.
    pub fn from_fn(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Kind::Call(Arc::new(call)))
    }

    /// A waker that does nothing, not even a fence: for a consumer that never sleeps, because it has a core of its own to spin on or
    /// is polled anyway (the simulator).
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::Awake)
    }

    /// Makes sure that the thread looks at its inputs after this call. What it should find must be written before.
    #[inline]
    pub fn wake(&self) {
        match &self.0 {
            Kind::Awake => {}
            Kind::Bell(bell) => {
                fence(Ordering::SeqCst);
                if bell.asleep.load(Ordering::Relaxed) {
                    bell.ring();
                }
            }
            Kind::Call(call) => call(),
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Bell {
    #[cold]
    fn ring(&self) {
        // Only the one that takes the flag down pays for the system call.
        if self.asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// The sleeping side of a [`Waker`], before it is known which thread will sleep.
///
/// Rings are wired before threads start, so wakers are handed out from here first.
#[derive(Default)]
pub struct Parker {
    bell: Arc<Bell>,
}

impl Parker {
    /// A parker that nobody can wake yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A waker of the thread that this parker will be bound to.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Kind::Bell(Arc::clone(&self.bell)))
    }

    /// Ties the parker to the calling thread, for good.
    #[must_use]
    pub fn bind(self) -> BoundParker {
        self.bell.thread.get_or_init(current);
        BoundParker { bell: self.bell, _not_send: PhantomData }
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parker")
    }
}

/// A [`Parker`] tied to the thread it is used on.
///
/// To sleep: [`announce`](Self::announce), look at every input once more, then [`park`](Self::park), or
/// [`retract`](Self::retract) if there was something.
pub struct BoundParker {
    bell: Arc<Bell>,
    _not_send: PhantomData<*const ()>,
}

impl BoundParker {
    /// Says that this thread is about to sleep. Whatever is written from now on comes with a wake-up.
    pub fn announce(&self) {
        // A swap, not a store: it comes after a late swap of a waker that rang for an earlier sleep, in every memory model.
        self.bell.asleep.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back: the thread found work and stays awake.
    pub fn retract(&self) {
        self.bell.asleep.store(false, Ordering::Relaxed);
    }

    /// Sleeps until woken, at most for `timeout`. Returns at once if a wake-up came since the announcement.
    pub fn park(&self, timeout: Option<Duration>) {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        // An old unpark token or a spurious return ends `park` early: the flag says whether it was for us.
        while self.bell.asleep.load(Ordering::Acquire) {
            match deadline {
                None => park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    park_timeout(left);
                }
            }
        }
        self.retract();
    }

    /// The whole sequence: sleeps unless `found` says that there is something to do. True if it slept.
    pub fn park_unless(&self, timeout: Option<Duration>, found: impl FnOnce() -> bool) -> bool {
        self.announce();
        if found() {
            self.retract();
            return false;
        }
        self.park(timeout);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    #[test]
    fn no_wake_up_is_lost_between_two_threads() {
        const ROUNDS: u64 = if cfg!(miri) { 50 } else { 100_000 };
        let (there, here) = (Parker::new(), Parker::new());
        let (wake_there, wake_here) = (there.waker(), here.waker());
        let ping = Arc::new(AtomicU64::new(0));
        let pong = Arc::new(AtomicU64::new(0));
        let (seen, answer) = (Arc::clone(&ping), Arc::clone(&pong));
        let other = thread::spawn(move || {
            let parker = there.bind();
            for round in 1..=ROUNDS {
                while seen.load(Ordering::Acquire) < round {
                    parker.park_unless(None, || seen.load(Ordering::Acquire) >= round);
                }
                answer.store(round, Ordering::Release);
                wake_here.wake();
            }
        });
        let parker = here.bind();
        for round in 1..=ROUNDS {
            ping.store(round, Ordering::Release);
            wake_there.wake();
            while pong.load(Ordering::Acquire) < round {
                parker.park_unless(None, || pong.load(Ordering::Acquire) >= round);
            }
        }
        other.join().unwrap();
        assert_eq!(pong.load(Ordering::Relaxed), ROUNDS);
    }

    #[test]
    fn a_wake_up_between_announcement_and_park_is_not_slept_through() {
        let parker = Parker::new();
        let waker = parker.waker();
        let parker = parker.bind();
        parker.announce();
        waker.wake();
        parker.park(None);
    }

    #[test]
    fn a_wake_up_while_awake_leaves_nothing_behind() {
        let parker = Parker::new();
        let waker = parker.waker();
        let parker = parker.bind();
        waker.wake();
        parker.announce();
        assert!(parker.bell.asleep.load(Ordering::Relaxed));
        parker.park(Some(Duration::from_millis(1)));
        assert!(!parker.bell.asleep.load(Ordering::Relaxed));
    }

    #[test]
    fn a_waker_can_be_a_function() {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let waker = Waker::from_fn(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        waker.wake();
        waker.clone().wake();
        Waker::none().wake();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
