//! CPU time: of this thread, of this process's threads, of another process's. A busy neighbour makes no CPU time longer, as it does wall time (but for shared
//! caches), so costs are counted in it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;

use cpu_time::ThreadTime;

use crate::alloc;

/// What the calling thread has spent between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// CPU time, nanoseconds.
    pub ns: f64,
    /// How often it asked for memory.
    pub allocations: u64,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.ns += other.ns;
        self.allocations += other.allocations;
    }
}

/// A stopwatch of the calling thread's CPU time and allocations.
pub struct Stopwatch {
    at: ThreadTime,
    asked: u64,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { asked: alloc::asked(), at: ThreadTime::now() }
    }

    /// What was spent since the start or the last lap; the next lap starts now.
    pub fn lap(&mut self) -> Spent {
        let ns = self.at.elapsed().as_nanos() as f64;
        let asked = alloc::asked();
        let spent = Spent { ns, allocations: asked - self.asked };
        *self = Self::start();
        spent
    }
}

/// What `work` spends, and what it gives.
pub fn spent<T>(work: impl FnOnce() -> T) -> (Spent, T) {
    let mut watch = Stopwatch::start();
    let made = work();
    (watch.lap(), made)
}

/// CPU time of a process so far in nanoseconds, by its threads' names without the numbers at their ends. The kernel brings it up to date at each tick.
#[must_use]
pub fn threads_of(process: u32) -> BTreeMap<String, f64> {
    let mut threads = BTreeMap::new();
    // Threads come and go while this reads: one that is gone is left out.
    for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let name = read("comm").trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        let ns: f64 = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        *threads.entry(name).or_default() += ns;
    }
    threads
}

/// CPU time of a process so far, user and system, in nanoseconds. Ended threads count too; the resolution is 10 ms.
#[must_use]
pub fn of_process(process: u32) -> f64 {
    const TICK_NS: f64 = 10_000_000.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in the second field may have spaces.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<f64> = after.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let at = |index: usize| fields.get(index).copied().unwrap_or(0.0);
    (at(11) + at(12)) * TICK_NS
}

/// What the second look has more than the first.
#[must_use]
pub fn since(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    after.iter().map(|(name, ns)| (name.clone(), ns - before.get(name).copied().unwrap_or(0.0))).collect()
}
