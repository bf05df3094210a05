//! A program that runs with its output in a file and is killed when it is dropped.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{self, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{programs::horae, wait::wait_for};

/// What a program that was asked to stop may take before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Lines of a log that are shown.
const TAIL_LINES: usize = 25;

/// A running program. Dropping it asks it to stop, so that it can stop what it started, and then kills it.
#[derive(Debug)]
pub struct Child {
    child: process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts a program with its output in `log`. It ends with the thread that starts it, however that ends: `horae under`
    /// sees to it, so a test that is killed leaves nothing behind.
    ///
    /// # Panics
    /// If the system does not start it.
    pub fn start<S: AsRef<OsStr>>(program: &Path, arguments: &[S], environment: &[(&str, &str)], log: &Path) -> Self {
        let output = File::create(log).unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let errors = output.try_clone().expect("a second handle of the log");
        let child = Command::new(horae())
            .args(["under", &process::id().to_string(), "--"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", program.display()));
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of it.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&self.said())
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of process {}, whose log is {}", self.id(), self.log.display());
        wait_for(&what, limit, || self.ended())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.signal(Signal::SIGTERM);
        let until = std::time::Instant::now() + STOP_LIMIT;
        while self.ended().is_none() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of ours; nothing if it is gone.
pub fn send(process: u32, signal: Signal) {
    if let Ok(id) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(id), signal);
    }
}

/// Whether a process is there and has not ended.
#[must_use]
pub fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // pid (name) state ...; the name may contain anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The last lines of a text.
#[must_use]
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
