//! Which worker gets which core.

use crate::capacity::{UnitCosts, WorkerCost};
use crate::machine::{Core, Topology};
use crate::profile::{Edges, Idle, Profile, Rings, Thread, WorkerName};

/// Cores below which nothing spins: decode, execute, one recovery, framed TCP with the journal, and two for everything else.
const DEDICATED_CORES_MIN: usize = 6;
/// Cores from which on the interrupts, and the journal, have a core of their own.
const ROOMY_CORES_MIN: usize = 16;
/// Seconds for which transactions wait at most between the door and the block, under load: what the pool holds.
const IN_FLIGHT_S: f64 = 0.05;
/// Seconds of work that a ring holds: longer than any turn of its reader.
const RING_S: f64 = 0.005;
const POOL: std::ops::RangeInclusive<usize> = 8_192..=1 << 20;
const RING: std::ops::RangeInclusive<usize> = 256..=4_096;
const RECOVER_WORKERS_MAX: usize = 256;
const TOKIO_THREADS: std::ops::RangeInclusive<usize> = 2..=256;
/// What a thread of an idle node that shares its machine does, as in `laptop`.
const PARK: Idle = Idle::Park { spins: 64, yields: 4, gather_us: 0 };

/// A proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The profile.
    pub profile: Profile,
    /// Cores of the machine, and how many memory nodes they are on.
    pub machine: (usize, usize),
    /// The rate that was asked for, in transactions a second.
    pub rate: u32,
    /// The rate that the profile carries by what was measured; no more than was asked for.
    pub carries: u32,
    /// What bounds it, if that is less.
    pub bound: Option<Bound>,
    /// Rows that were not measured, so that `carries` may be too high.
    pub unmeasured: Vec<&'static str>,
    /// The cores that are left to the kernel, to interrupts and to the asynchronous edges.
    pub left: Vec<usize>,
}

/// What a rate fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A worker that is one thread.
    Worker(&'static str),
    /// There are no more cores for recovery.
    Cores,
}

/// Proposes a profile for `rate` transactions a second.
#[must_use]
pub fn plan(topology: &Topology, costs: &UnitCosts, rate: u32) -> Plan {
    let unmeasured = costs.pipeline.iter().flat_map(|worker| worker.missing.iter().copied()).collect();
    let mut plan = match topology.cores.len() < DEDICATED_CORES_MIN {
        true => shared(topology, costs, rate),
        false => dedicated(topology, costs, rate),
    };
    plan.unmeasured = unmeasured;
    plan
}

/// The rate at which a worker that is one thread is as busy as it may be, and which.
fn single_thread_limit(costs: &UnitCosts) -> (f64, &'static str) {
    let limit = |worker: &WorkerCost| (worker.rate_of(1), worker.name);
    let (decode, execute) = (limit(costs.decode()), limit(costs.execute()));
    if decode.0 < execute.0 { decode } else { execute }
}

/// Workers that recover `rate`, of so many at most, and the rate that they carry with what bounds it.
fn recovery(costs: &UnitCosts, rate: u32, limit: (f64, &'static str), most: usize) -> (usize, u32, Option<Bound>) {
    let wanted = f64::from(rate);
    let (reachable, by_worker) =
        if limit.0 < wanted { (limit.0, Some(Bound::Worker(limit.1))) } else { (wanted, None) };
    // What nobody has measured gets all there is.
    let needed = if costs.recover().is_measured() { costs.recover().whole_cores(reachable) } else { most };
    let workers = needed.clamp(1, most);
    let recovered = costs.recover().rate_of(workers);
    // Below the rate that was asked for, which is a u32.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    match recovered < reachable {
        true => (workers, recovered as u32, Some(Bound::Cores)),
        false => (workers, reachable as u32, by_worker),
    }
}

/// Nothing is bound to a core and nothing spins.
fn shared(topology: &Topology, costs: &UnitCosts, rate: u32) -> Plan {
    let cores = topology.cores.len().max(1);
    let line = WorkerCost { ns: costs.decode().ns + costs.execute().ns, name: "line", ..costs.decode().clone() };
    let most = (cores - 1).max(1);
    let (recover_workers, carries, bound) = recovery(costs, rate, (line.rate_of(1), line.name), most);
    let mut threads = vec![thread("line", None, vec![WorkerName::Decode, WorkerName::Execute], PARK)];
    threads.extend((0..recover_workers).map(|index| recover_thread(index, None, PARK)));
    Plan {
        profile: profile(carries, recover_workers, cores.max(2), Edges::default(), threads),
        machine: (topology.cores.len(), topology.nodes()),
        rate,
        carries,
        bound,
        unmeasured: Vec::new(),
        left: topology.cores.iter().map(|core| core.cpu).collect(),
    }
}

/// A core for each worker of the pipeline, the first cores for everything else.
fn dedicated(topology: &Topology, costs: &UnitCosts, rate: u32) -> Plan {
    let spin = Idle::Spin {};
    // Recovery takes the far sockets' cores last: a hop there is worth it for microseconds of work, and for nothing less.
    let mut cores: Vec<&Core> = topology.cores.iter().collect();
    let near = topology.cores[0].node;
    cores.sort_by_key(|core| (core.node != near, core.node, core.cpu));
    let near_cores = cores.iter().filter(|core| core.node == near).count();
    let roomy = cores.len() >= ROOMY_CORES_MIN && near_cores >= DEDICATED_CORES_MIN;
    let mut free = cores.iter().map(|core| core.cpu);
    let mut next = || free.next().unwrap_or_default();
    let mut left = vec![next()];
    if roomy {
        left.push(next());
    }
    let tcp = next();
    let journal = if roomy { next() } else { tcp };
    let (decode, execute) = (next(), next());
    let rest: Vec<usize> = free.collect();
    let most = rest.len().clamp(1, RECOVER_WORKERS_MAX);
    let (recover_workers, carries, bound) = recovery(costs, rate, single_thread_limit(costs), most);
    let mut threads = vec![thread("decode", Some(decode), vec![WorkerName::Decode], spin)];
    threads.extend(
        rest.iter().take(recover_workers).enumerate().map(|(index, core)| recover_thread(index, Some(*core), spin)),
    );
    threads.push(thread("execute", Some(execute), vec![WorkerName::Execute], spin));
    left.extend(rest.iter().skip(recover_workers));
    let edges = Edges { tcp_ingest_core: Some(tcp), journal_core: Some(journal) };
    Plan {
        profile: profile(carries, recover_workers, left.len(), edges, threads),
        machine: (topology.cores.len(), topology.nodes()),
        rate,
        carries,
        bound,
        unmeasured: Vec::new(),
        left,
    }
}

fn profile(rate: u32, recover_workers: usize, tokio_threads: usize, edges: Edges, threads: Vec<Thread>) -> Profile {
    let pool_size = power_of_two(f64::from(rate) * IN_FLIGHT_S, &POOL);
    let ring = power_of_two(f64::from(rate) * RING_S / recover_workers as f64, &RING);
    Profile {
        exercised: false,
        pool_size,
        door_depth: pool_size / 2,
        recover_workers,
        tokio_threads: tokio_threads.clamp(*TOKIO_THREADS.start(), *TOKIO_THREADS.end()),
        rings: Rings { decode_to_recover: ring, recover_to_execute: ring },
        edges,
        threads,
    }
}

fn thread(name: &str, core: Option<usize>, workers: Vec<WorkerName>, idle: Idle) -> Thread {
    Thread { name: name.to_owned(), core, workers, idle }
}

fn recover_thread(index: usize, core: Option<usize>, idle: Idle) -> Thread {
    let worker = WorkerName::Recover(index);
    thread(&worker.to_string(), core, vec![worker], idle)
}

/// The next power of two, within a range of such.
fn power_of_two(value: f64, range: &std::ops::RangeInclusive<usize>) -> usize {
    // At most a tenth of a u32.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let value = value.ceil() as usize;
    value.clamp(*range.start(), *range.end()).next_power_of_two()
}
