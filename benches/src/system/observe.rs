//! What a process shows of itself: CPU time by thread, memory, the node's own metrics, and its system calls as `perf` counts them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, eyre};
use horae_tests::Node;
use horae_tests::node::loopback;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cpu;
use crate::sheet::Regime;

/// What the exporter may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A look at a node.
pub struct Look {
    process: u32,
    at: Instant,
    threads: BTreeMap<String, f64>,
    cpu_ns: f64,
    metrics: BTreeMap<String, f64>,
    written: BTreeMap<String, f64>,
}

/// What a node did between two looks.
#[derive(Clone, Debug)]
pub struct Course {
    /// Wall time, seconds.
    pub seconds: f64,
    /// CPU time of the process, nanoseconds.
    pub cpu_ns: f64,
    /// The same by threads.
    pub threads: BTreeMap<String, f64>,
    /// Bytes that threads had the kernel write to disk, by threads.
    pub written: BTreeMap<String, f64>,
    metrics: BTreeMap<String, f64>,
}

impl Look {
    /// Looks at a node of a devnet.
    ///
    /// # Errors
    /// If its exporter does not answer.
    pub fn at(node: &Node) -> Result<Self> {
        let process = node.process();
        Ok(Self {
            process,
            at: Instant::now(),
            threads: cpu::threads_of(process),
            cpu_ns: cpu::of_process(process),
            metrics: metrics(loopback(node.ports.metrics))?,
            written: written_by(process),
        })
    }

    /// What it has done since.
    ///
    /// # Errors
    /// If its exporter does not answer.
    pub fn until_now(&self, node: &Node) -> Result<Course> {
        Ok(Course {
            seconds: self.at.elapsed().as_secs_f64(),
            cpu_ns: cpu::of_process(self.process) - self.cpu_ns,
            threads: cpu::since(&self.threads, &cpu::threads_of(self.process)),
            written: cpu::since(&self.written, &written_by(self.process)),
            metrics: cpu::since(&self.metrics, &metrics(loopback(node.ports.metrics))?),
        })
    }
}

impl Course {
    /// How much a counter has grown.
    #[must_use]
    pub fn counted(&self, metric: &str) -> f64 {
        self.metrics.get(metric).copied().unwrap_or(0.0)
    }

    /// Where the workers' time went while a load ran for so long: what they did was done for it, and the rest of that time they were idle.
    #[must_use]
    pub fn regimes(&self, seconds: f64) -> Vec<Regime> {
        let mut workers: BTreeMap<String, [f64; 2]> = BTreeMap::new();
        for (metric, ns) in &self.metrics {
            let Some(labels) = metric.strip_prefix("horae_worker_ns{") else { continue };
            let label = |key: &str| labels.split(&format!("{key}=\"")).nth(1)?.split('"').next();
            let (Some(worker), Some(regime)) = (label("worker"), label("regime")) else { continue };
            let place = ["working", "blocked"].iter().position(|name| *name == regime);
            if let Some(place) = place {
                workers.entry(worker.to_owned()).or_default()[place] = *ns;
            }
        }
        let share = |(worker, [working, blocked]): (String, [f64; 2])| {
            let all = (seconds * 1e9).max(working + blocked).max(1.0);
            Regime { worker, idle: 1.0 - (working + blocked) / all, working: working / all, blocked: blocked / all }
        };
        workers.into_iter().map(share).collect()
    }
}

/// Resident memory of a process, MiB.
#[must_use]
pub fn memory_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

fn written_by(process: u32) -> BTreeMap<String, f64> {
    let mut written = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let io = read("io");
        let bytes =
            io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|n| n.trim().parse::<f64>().ok());
        *written.entry(read("comm").trim().to_owned()).or_default() += bytes.unwrap_or(0.0);
    }
    written
}

fn metrics(address: SocketAddr) -> Result<BTreeMap<String, f64>> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().wrap_err_with(|| format!("the metrics at {address}"))?;
    let lines = answer.lines().filter(|line| line.starts_with("horae_"));
    Ok(lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, n)| Some((name.to_owned(), n.parse().ok()?)))
        .collect())
}

/// System calls that are told apart; the rest is in the sum.
const CALLS: [&str; 13] = [
    "futex",
    "epoll_wait",
    "io_uring_enter",
    "read",
    "write",
    "writev",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "sendto",
    "sendmsg",
    "pwrite64",
    "fdatasync",
];

/// `perf` counting the system calls of a process.
pub struct Calls(Child);

impl Calls {
    /// Counts from now on.
    ///
    /// # Errors
    /// If `perf` is not there.
    pub fn count(process: u32) -> Result<Self> {
        let mut events = "raw_syscalls:sys_enter".to_owned();
        for call in CALLS {
            events += &format!(",syscalls:sys_enter_{call}");
        }
        let child = Command::new("perf")
            .args(["stat", "-x", ",", "-e", &events, "-p", &process.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .wrap_err("counting system calls takes `perf` (package linux-perf) and its rights")?;
        Ok(Self(child))
    }

    /// The counts: all, then one for each call that is told apart and came up, the most frequent first.
    ///
    /// # Errors
    /// If `perf` counted nothing.
    pub fn stop(self) -> Result<(f64, Vec<(String, f64)>)> {
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGINT).wrap_err("stopping perf")?;
        let output = self.0.wait_with_output().wrap_err("waiting for perf")?;
        let text = String::from_utf8_lossy(&output.stderr);
        let mut counts: Vec<(String, f64)> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(',');
                let count = fields.next()?.parse().ok()?;
                Some((fields.nth(1)?.to_owned(), count))
            })
            .collect();
        let all = counts.iter().position(|(event, _)| event == "raw_syscalls:sys_enter");
        let all =
            all.ok_or_else(|| eyre!("perf counted no system calls: {}", text.lines().last().unwrap_or_default()))?;
        let (_, all) = counts.remove(all);
        counts.iter_mut().for_each(|(event, _)| *event = event.replace("syscalls:sys_enter_", ""));
        counts.retain(|(_, count)| *count > 0.0);
        counts.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok((all, counts))
    }
}
