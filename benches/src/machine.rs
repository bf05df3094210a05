//! Facts about the machine and the build, without which no figure means anything.

use std::{fs, process::Command};

use serde::Serialize;

/// Where a run was made.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The eight-lane vector unit that sender recovery uses.
    pub avx512_ifma: bool,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// Load average of the last minute when the run began.
    pub load_at_start: f64,
    /// Load average of the last minute when the run ended; the bench itself is in it.
    pub load_at_end: f64,
    /// What was going on beside the run, as whoever ran it says.
    pub conditions: String,
    /// The commit, with a mark if the tree was changed.
    pub commit: String,
    /// When it began, unix seconds.
    pub began_s: u64,
    /// How long it took, seconds.
    pub took_s: u64,
    /// Rounds of every row.
    pub rounds: u32,
    /// How it was called.
    pub command: String,
}

/// The load average of the last minute.
#[must_use]
pub fn load() -> f64 {
    read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Memory of this machine, MiB.
#[must_use]
pub fn memory_mib() -> u64 {
    read("/proc/meminfo").split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

/// What can be found out about this machine.
#[must_use]
pub fn facts(rounds: u32, conditions: &str) -> Machine {
    let processor = read("/proc/cpuinfo");
    let of = |key: &str| {
        let line = processor.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Machine {
        processor: of("model name"),
        cores: horae_runtime::pin::available_cores().len(),
        avx512_ifma: of("flags").split(' ').any(|flag| flag == "avx512ifma"),
        memory_mib: memory_mib(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_at_start: load(),
        load_at_end: 0.0,
        conditions: conditions.to_owned(),
        commit: commit(),
        began_s: since.as_secs(),
        took_s: 0,
        rounds,
        command: std::env::args().skip(1).fold("bench".to_owned(), |line, word| {
            let word = if word.contains(' ') { format!("{word:?}") } else { word };
            format!("{line} {word}")
        }),
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{commit}, changed") } else { commit }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
