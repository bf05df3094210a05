//! The threads of a node: started together, stopped together, and a panic of one is the end of all.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::meter::Meter;
use crate::pin::{PinError, pin_current_thread};
use crate::stop::{StopReason, Stopper};
use crate::worker::Bundle;

/// Tells unix time in milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Why a crew could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The system gave no thread.
    #[error("cannot start thread {thread}: {source}")]
    Spawn {
        /// Name of the thread.
        thread: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A thread that runs, but not on the core that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinFailure {
    /// Name of the thread.
    pub thread: String,
    /// Why.
    pub error: PinError,
}

/// Running threads, one a bundle.
pub struct Crew {
    threads: Vec<JoinHandle<()>>,
    meters: Vec<(String, Meter)>,
    unpinned: Vec<PinFailure>,
    stopper: Stopper,
}

impl Crew {
    /// Starts a thread for every bundle. `stopper` may be held by workers already, and by whoever stops the node.
    ///
    /// A thread that cannot be bound to its core runs all the same and is listed in [`unpinned`](Self::unpinned): say so in the log.
    ///
    /// # Errors
    /// [`CrewError::Spawn`]; threads started before are stopped and joined.
    pub fn start(bundles: Vec<Bundle>, clock: &Clock, stopper: Stopper) -> Result<Self, CrewError> {
        let meters = bundles.iter().flat_map(Bundle::meters).collect();
        let (report, reports) = mpsc::channel();
        let mut crew = Self { threads: Vec::new(), meters, unpinned: Vec::new(), stopper };
        for bundle in bundles {
            crew.stopper.watch(&bundle.waker());
            let (clock, stopper, report) = (Arc::clone(clock), crew.stopper.clone(), report.clone());
            let thread = bundle.name.clone();
            let spawned = std::thread::Builder::new().name(thread.clone()).spawn(move || {
                let pinned = bundle.core.map_or(Ok(()), pin_current_thread);
                // The crew waits for this report; it is gone only if it gave up on a later thread.
                let _ = report.send((bundle.name.clone(), pinned));
                drop(report);
                run(bundle, &clock, &stopper);
            });
            match spawned {
                Ok(handle) => crew.threads.push(handle),
                Err(source) => {
                    let _ = crew.stop();
                    return Err(CrewError::Spawn { thread, source });
                }
            }
        }
        drop(report);
        for (thread, pinned) in reports {
            if let Err(error) = pinned {
                crew.unpinned.push(PinFailure { thread, error });
            }
        }
        Ok(crew)
    }

    /// Threads that are not where the profile wants them.
    #[must_use]
    pub fn unpinned(&self) -> &[PinFailure] {
        &self.unpinned
    }

    /// Name and meter of every worker.
    #[must_use]
    pub fn meters(&self) -> &[(String, Meter)] {
        &self.meters
    }

    /// The stop flag of these threads.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Blocks until something stops the crew, then until every thread has ended.
    #[must_use]
    pub fn wait(mut self) -> StopReason {
        let reason = self.stopper.wait();
        self.join();
        reason
    }

    /// Stops the crew, waits for every thread, and says what stopped it first.
    #[must_use]
    pub fn stop(self) -> StopReason {
        self.stopper.stop(StopReason::Asked);
        self.wait()
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // Panics were caught and reported inside the thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stopper.stop(StopReason::Asked);
        self.join();
    }
}

fn run(bundle: Bundle, clock: &Clock, stopper: &Stopper) {
    let names: Vec<String> = bundle.workers.iter().map(|worker| worker.name.clone()).collect();
    let current = Cell::new(0);
    let ran = catch_unwind(AssertUnwindSafe(|| bundle.run(&**clock, stopper, &current)));
    if let Err(panic) = ran {
        let worker = names.get(current.get()).cloned().unwrap_or_default();
        stopper.stop(StopReason::Panicked { worker, message: message_of(panic.as_ref()) });
    }
}

/// What a panic said, as far as it is text.
#[must_use]
pub fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Consumer, Producer, ring};
    use crate::worker::{IdlePolicy, Poll, Progress, Worker};
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    const PARK: IdlePolicy = IdlePolicy::Park { spins: 3, yields: 2, gather_us: 0 };

    fn clock() -> Clock {
        Arc::new(|| 0)
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    struct Relay {
        input: Consumer<u64>,
        held: VecDeque<u64>,
        output: Producer<u64>,
        burst: Vec<u64>,
    }

    impl Relay {
        fn new(input: Consumer<u64>, output: Producer<u64>) -> Self {
            Self { input, held: VecDeque::new(), output, burst: Vec::new() }
        }
    }

    impl Poll for Relay {
        fn poll(&mut self, _now_ms: u64) -> Progress {
            if self.held.is_empty() {
                self.input.pop_burst(&mut self.burst, 16);
                self.held.extend(self.burst.drain(..));
            }
            if self.held.is_empty() {
                Progress::IDLE
            } else if self.output.push_queued(&mut self.held) > 0 {
                Progress::Worked
            } else {
                Progress::Blocked
            }
        }
    }

    struct Sum {
        input: Consumer<u64>,
        total: Arc<AtomicU64>,
        count: Arc<AtomicU64>,
        expected: u64,
    }

    impl Poll for Sum {
        fn poll(&mut self, _now_ms: u64) -> Progress {
            let Some(item) = self.input.pop() else { return Progress::IDLE };
            assert_eq!(item, self.expected, "out of order");
            self.expected += 1;
            self.total.fetch_add(item, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Release);
            Progress::Worked
        }
    }

    /// Source -> relay -> sum, on one thread or on two, through rings so shallow that all sides block and park.
    fn pipeline(shared_thread: bool, idle: IdlePolicy) {
        const ITEMS: u64 = if cfg!(miri) { 100 } else { 50_000 };
        let mut first = Bundle::new("first", None, idle);
        let mut second = Bundle::new("second", None, idle);
        let (mut source, relay_in) = ring(8, first.waker());
        let (relay_out, sum_in) = ring(2, if shared_thread { first.waker() } else { second.waker() });
        let (total, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        first.push(Worker::new("relay", Relay::new(relay_in, relay_out)));
        let sum = Sum { input: sum_in, total: Arc::clone(&total), count: Arc::clone(&count), expected: 0 };
        if shared_thread {
            first.push(Worker::new("sum", sum));
        } else {
            second.push(Worker::new("sum", sum));
        }
        let crew = Crew::start(vec![first, second], &clock(), Stopper::new()).unwrap();
        let mut items = 0..ITEMS;
        while !items.is_empty() {
            if source.push_burst(items.by_ref().take(5)) == 0 {
                thread::yield_now();
            }
        }
        until(|| count.load(Ordering::Acquire) == ITEMS || crew.stopper().is_stopped());
        let meters = crew.meters().to_vec();
        assert_eq!(crew.stop(), StopReason::Asked);
        assert_eq!(total.load(Ordering::Relaxed), ITEMS * (ITEMS - 1) / 2);
        let sum = meters.iter().find(|(name, _)| name == "sum").unwrap();
        assert_eq!(sum.1.read().polls_worked, ITEMS);
    }

    #[test]
    fn work_flows_through_two_parked_threads() {
        pipeline(false, PARK);
    }

    #[test]
    fn work_flows_through_workers_that_share_a_thread() {
        pipeline(true, PARK);
    }

    #[test]
    fn work_flows_through_threads_that_gather_it() {
        pipeline(false, IdlePolicy::Park { spins: 0, yields: 0, gather_us: 50 });
    }

    #[test]
    fn a_parked_worker_is_polled_only_when_woken() {
        let mut bundle = Bundle::new("idle", None, PARK);
        let (mut tx, input) = ring(8, bundle.waker());
        let count = Arc::new(AtomicU64::new(0));
        bundle.push(Worker::new("sum", Sum { input, total: Arc::default(), count: Arc::clone(&count), expected: 0 }));
        let crew = Crew::start(vec![bundle], &clock(), Stopper::new()).unwrap();
        let meter = crew.meters()[0].1.clone();
        for round in 1..=20u64 {
            until(|| meter.read().parks == round);
            // 3 spins, 2 yields, one round to decide to park, one after the announcement; one more that found the item.
            assert!(meter.read().polls <= round * 8, "{:?}", meter.read());
            tx.push(round - 1).unwrap();
            until(|| count.load(Ordering::Acquire) == round);
        }
        assert_eq!(crew.stop(), StopReason::Asked);
    }

    struct Alarm(Arc<AtomicU64>);

    impl Poll for Alarm {
        fn poll(&mut self, now_ms: u64) -> Progress {
            if now_ms >= 1_000 {
                self.0.store(now_ms, Ordering::Release);
                return Progress::IDLE;
            }
            Progress::Idle { wake_at_ms: Some(1_000) }
        }
    }

    #[test]
    fn a_worker_is_polled_at_the_time_it_asked_for() {
        let mut bundle = Bundle::new("alarm", None, PARK);
        let rang = Arc::new(AtomicU64::new(0));
        bundle.push(Worker::new("alarm", Alarm(Arc::clone(&rang))));
        let started = std::time::Instant::now();
        let clock: Clock = Arc::new(move || 990 + u64::try_from(started.elapsed().as_millis()).unwrap());
        let crew = Crew::start(vec![bundle], &clock, Stopper::new()).unwrap();
        until(|| rang.load(Ordering::Acquire) != 0);
        assert!(rang.load(Ordering::Relaxed) >= 1_000);
        drop(crew);
    }

    struct Bomb;

    impl Poll for Bomb {
        fn poll(&mut self, _now_ms: u64) -> Progress {
            panic!("fuse lit")
        }
    }

    struct Idle;

    impl Poll for Idle {
        fn poll(&mut self, _now_ms: u64) -> Progress {
            Progress::IDLE
        }
    }

    #[test]
    fn a_panic_is_reported_by_name_and_stops_all_threads() {
        let mut calm = Bundle::new("calm", None, PARK);
        calm.push(Worker::new("sleeper", Idle));
        let mut loud = Bundle::new("loud", None, IdlePolicy::Spin);
        loud.push(Worker::new("quiet", Idle));
        loud.push(Worker::new("bomb", Bomb));
        let crew = Crew::start(vec![calm, loud], &clock(), Stopper::new()).unwrap();
        let reason = crew.wait();
        assert_eq!(reason, StopReason::Panicked { worker: "bomb".into(), message: "fuse lit".into() });
    }

    #[test]
    fn a_thread_without_its_core_runs_and_says_so() {
        let mut bundle = Bundle::new("lost", Some(1 << 20), PARK);
        bundle.push(Worker::new("idle", Idle));
        let crew = Crew::start(vec![bundle], &clock(), Stopper::new()).unwrap();
        assert_eq!(crew.unpinned().len(), 1);
        assert_eq!(crew.unpinned()[0].thread, "lost");
        let meter = crew.meters()[0].1.clone();
        until(|| meter.read().polls > 0);
        assert_eq!(crew.stop(), StopReason::Asked);
    }

    #[test]
    fn a_crew_that_was_stopped_before_it_started_ends_at_once() {
        let stopper = Stopper::new();
        let failed = StopReason::Failed { worker: "store".into(), message: "gone".into() };
        stopper.stop(failed.clone());
        let mut bundle = Bundle::new("late", None, PARK);
        bundle.push(Worker::new("idle", Idle));
        assert_eq!(Crew::start(vec![bundle], &clock(), stopper).unwrap().wait(), failed);
    }
}
