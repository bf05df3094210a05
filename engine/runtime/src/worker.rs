//! A worker, and the loop around it: poll, and when there is nothing to do spin, yield or park.
//!
//! Workers that share a thread form a [`Bundle`]: on a laptop all of them, on bare metal one each.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::meter::Meter;
use crate::stop::Stopper;
use crate::wake::{BoundParker, Parker, Waker};

/// How long a blocked worker sleeps before it looks again whether there is room downstream, once it has spun
/// and yielded in vain. Short against the time in which a ring of usual depth runs empty.
pub const BLOCKED_PARK_MAX: Duration = Duration::from_millis(1);

/// A piece of the pipeline that gets a turn again and again.
pub trait Poll {
    /// Does a bounded burst of work and says how it went. `now_ms` is unix time in milliseconds.
    ///
    /// It never blocks or sleeps. It must look at all its inputs: a worker that leaves one aside and
    /// answers [`Progress::Idle`] may sleep on it.
    fn poll(&mut self, now_ms: u64) -> Progress;
}

/// What came of a [`Poll::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Something was done; there may be more.
    Worked,
    /// All inputs are empty. The worker wants a turn when woken, or at `wake_at_ms` at the latest.
    Idle {
        /// Unix time in milliseconds of the next thing to do by the clock, if any.
        wake_at_ms: Option<u64>,
    },
    /// There is work, and no room to put the result.
    Blocked,
}

impl Progress {
    /// Idle until woken.
    pub const IDLE: Self = Self::Idle { wake_at_ms: None };

    /// Whether there is nothing to do for so many microseconds, unless something comes in.
    fn leaves(self, now_ms: u64, us: u32) -> bool {
        let until_ms = now_ms.saturating_add(u64::from(us).div_ceil(1_000));
        us > 0 && matches!(self, Self::Idle { wake_at_ms } if wake_at_ms.is_none_or(|at| at > until_ms))
    }
}

/// What a thread does when none of its workers has anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Spins for ever: for a worker with a core of its own.
    Spin,
    /// Looks `spins` times more, then `yields` times giving way to other threads, sleeps `gather_us` if it has worked since it last did,
    /// then parks until woken.
    Park {
        /// Rounds with a pause instruction between.
        spins: u32,
        /// Rounds with the core given away between.
        yields: u32,
        /// Microseconds in which nobody wakes it: what trickles in meanwhile is worked off together, with one wake-up. What comes
        /// after a pause finds it parked, and is not delayed.
        gather_us: u32,
    },
}

impl Default for IdlePolicy {
    /// A little patience, then sleep: an idle node must cost next to nothing.
    fn default() -> Self {
        Self::Park { spins: 64, yields: 4, gather_us: 0 }
    }
}

/// A named [`Poll`] and the meter of its time, not yet on its thread.
pub struct Worker {
    pub(crate) name: String,
    make: Box<dyn FnOnce() -> Box<dyn Poll> + Send>,
    meter: Meter,
}

impl Worker {
    /// A worker called `name` in logs, metrics and panic reports.
    pub fn new(name: impl Into<String>, poll: impl Poll + Send + 'static) -> Self {
        Self::with_meter(name, poll, Meter::new())
    }

    /// Like [`new`](Self::new), with a meter that `poll` may hold too, to count items.
    pub fn with_meter(name: impl Into<String>, poll: impl Poll + Send + 'static, meter: Meter) -> Self {
        Self { name: name.into(), make: Box::new(move || Box::new(poll)), meter }
    }

    /// A worker that is made on its own thread, because it holds what may not move between threads.
    pub fn made_there(name: impl Into<String>, make: impl FnOnce() -> Box<dyn Poll> + Send + 'static) -> Self {
        Self { name: name.into(), make: Box::new(make), meter: Meter::new() }
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The worker's meter, to read from elsewhere.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

/// A worker on its thread.
struct Seat {
    poll: Box<dyn Poll>,
    meter: Meter,
    blocked: bool,
}

impl Seat {
    /// One turn, on the worker's account; `from` is when the turn before (of whichever worker) ended.
    fn turn(&mut self, now_ms: u64, from: Instant, ended: &mut Instant) -> Progress {
        let progress = self.poll.poll(now_ms);
        *ended = Instant::now();
        let ns = u64::try_from(ended.duration_since(from).as_nanos()).unwrap_or(u64::MAX);
        match progress {
            Progress::Worked => self.meter.worked(ns),
            Progress::Blocked => self.meter.was_blocked(ns),
            Progress::Idle { .. } => self.meter.was_idle(),
        }
        self.blocked = progress == Progress::Blocked;
        progress
    }
}

/// The workers of a bundle on the thread that polls them: what a simulator holds instead of a running thread.
pub struct Seated {
    seats: Vec<Seat>,
}

impl Seated {
    /// One round: each worker polled once.
    pub fn poll_once(&mut self, now_ms: u64) -> Progress {
        round(&mut self.seats, now_ms, &mut Instant::now(), &Cell::new(0))
    }
}

/// Workers that share one thread, in the order in which work flows through them.
pub struct Bundle {
    pub(crate) name: String,
    pub(crate) core: Option<usize>,
    idle: IdlePolicy,
    parker: Parker,
    pub(crate) workers: Vec<Worker>,
}

impl Bundle {
    /// An empty bundle whose thread will be called `name`; `core` is the core to bind it to, if any.
    pub fn new(name: impl Into<String>, core: Option<usize>, idle: IdlePolicy) -> Self {
        Self { name: name.into(), core, idle, parker: Parker::new(), workers: Vec::new() }
    }

    /// Wakes the thread, if it ever sleeps; hand it to the producers of every ring, door and cell that its workers read.
    #[must_use]
    pub fn waker(&self) -> Waker {
        match self.idle {
            IdlePolicy::Spin => Waker::none(),
            IdlePolicy::Park { .. } => self.parker.waker(),
        }
    }

    /// Adds a worker behind those there are.
    pub fn push(&mut self, worker: Worker) {
        self.workers.push(worker);
    }

    /// Name and meter of every worker.
    #[must_use]
    pub fn meters(&self) -> Vec<(String, Meter)> {
        self.workers.iter().map(|worker| (worker.name.clone(), worker.meter())).collect()
    }

    /// Makes the workers, here and now, to be polled by hand.
    #[must_use]
    pub fn seat(self) -> Seated {
        let current = Cell::new(0);
        Seated { seats: seats_of(self.workers, &current) }
    }

    /// The loop: until `stopper` is raised. `current` is left at the worker whose turn it was, for a panic report.
    pub(crate) fn run(self, now_ms: &dyn Fn() -> u64, stopper: &Stopper, current: &Cell<usize>) {
        let Self { idle, parker, workers, .. } = self;
        let parker = parker.bind();
        let mut workers = seats_of(workers, current);
        let mut ended = Instant::now();
        let mut rounds_idle: u32 = 0;
        let mut gathers = false;
        while !stopper.is_stopped() {
            let now = now_ms();
            let progress = round(&mut workers, now, &mut ended, current);
            if progress == Progress::Worked {
                (rounds_idle, gathers) = (0, true);
                continue;
            }
            rounds_idle = rounds_idle.saturating_add(1);
            match idle {
                IdlePolicy::Spin => std::hint::spin_loop(),
                IdlePolicy::Park { spins, .. } if rounds_idle <= spins => std::hint::spin_loop(),
                IdlePolicy::Park { spins, yields, .. } if rounds_idle <= spins.saturating_add(yields) => {
                    std::thread::yield_now()
                }
                IdlePolicy::Park { gather_us, .. } if gathers && progress.leaves(now, gather_us) => {
                    gathers = false;
                    std::thread::sleep(Duration::from_micros(gather_us.into()));
                }
                IdlePolicy::Park { .. } => {
                    park(&parker, &mut workers, now_ms, &mut ended, stopper, current);
                    rounds_idle = 0;
                }
            }
            pass_time(&mut workers, &mut ended);
        }
    }
}

/// Makes each worker; `current` is left at the one being made, for a panic report.
fn seats_of(workers: Vec<Worker>, current: &Cell<usize>) -> Vec<Seat> {
    let seat = |(index, worker): (usize, Worker)| {
        current.set(index);
        Seat { poll: (worker.make)(), meter: worker.meter, blocked: false }
    };
    workers.into_iter().enumerate().map(seat).collect()
}

/// Polls each worker once, and says what that means for the thread.
fn round(workers: &mut [Seat], now_ms: u64, ended: &mut Instant, current: &Cell<usize>) -> Progress {
    let (mut worked, mut blocked) = (false, false);
    let mut wake_at: Option<u64> = None;
    for (index, worker) in workers.iter_mut().enumerate() {
        current.set(index);
        let from = *ended;
        match worker.turn(now_ms, from, ended) {
            Progress::Worked => worked = true,
            Progress::Blocked => blocked = true,
            Progress::Idle { wake_at_ms } => wake_at = [wake_at, wake_at_ms].into_iter().flatten().min(),
        }
    }
    match (worked, blocked) {
        (true, _) => Progress::Worked,
        (false, true) => Progress::Blocked,
        (false, false) => Progress::Idle { wake_at_ms: wake_at },
    }
}

/// Announces sleep, looks once more, and sleeps if there is still nothing.
fn park(
    parker: &BoundParker,
    workers: &mut [Seat],
    now_ms: &dyn Fn() -> u64,
    ended: &mut Instant,
    stopper: &Stopper,
    current: &Cell<usize>,
) {
    parker.announce();
    let now = now_ms();
    let timeout = match round(workers, now, ended, current) {
        _ if stopper.is_stopped() => return parker.retract(),
        Progress::Worked => return parker.retract(),
        Progress::Blocked => Some(BLOCKED_PARK_MAX),
        Progress::Idle { wake_at_ms } => wake_at_ms.map(|at| Duration::from_millis(at.saturating_sub(now))),
    };
    for worker in workers.iter() {
        worker.meter.parked();
    }
    parker.park(timeout);
}

/// The time since the last turn ended, spent waiting, is blocked time for those that were blocked.
fn pass_time(workers: &mut [Seat], ended: &mut Instant) {
    let now = Instant::now();
    let ns = u64::try_from(now.duration_since(*ended).as_nanos()).unwrap_or(u64::MAX);
    *ended = now;
    for worker in workers.iter().filter(|worker| worker.blocked) {
        worker.meter.stayed_blocked(ns);
    }
}
