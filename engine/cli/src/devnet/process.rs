//! A child process in a group of its own, with its output in a file, that never outlives us.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::error::CliError;

/// How often a process that was asked to stop is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How much of a log's end is shown.
const TAIL_BYTES: u64 = 16 * 1024;
/// How many of its lines.
const TAIL_LINES: usize = 15;

/// A running child. Dropping it kills its whole group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

/// This program's file, to start more of it.
pub fn own_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|e| CliError::because("cannot find this program's own file", e))
}

impl Process {
    /// Starts a program under this process (see `under`), in a group of its own so that Ctrl-C reaches us alone.
    pub fn start(name: &str, program: &Path, arguments: &[&OsStr], log: &Path) -> Result<Self, CliError> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = open().and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = output.map_err(|e| CliError::because(log.display(), e))?;
        let child = Command::new(own_program()?)
            .args(["under", &std::process::id().to_string(), "--"])
            .arg(program)
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(|e| CliError::because(format!("cannot start {name} ({})", program.display()), e))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), ended: None })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// An account of its end, with the end of its log.
    pub fn obituary(&mut self) -> Option<String> {
        let status = self.ended()?;
        Some(format!("{} ended ({status}); the end of {}:\n{}", self.name, self.log.display(), tail(&self.log)))
    }

    /// SIGTERM to the group: unlike SIGINT no shell has it ignored in what it starts in the background.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits for its end, kills it after `limit`. Whether it ended by itself.
    pub async fn wait(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.ended().is_none() {
            if Instant::now() >= until {
                self.signal(Signal::SIGKILL);
                let _ = self.child.wait();
                return false;
            }
            sleep(POLL).await;
        }
        true
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_some() {
            return;
        }
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Fails only if it is gone already.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// The last lines of a file.
pub fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}"));
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tail_has_the_last_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
        fs::write(&file, lines.join("\n")).unwrap();
        let shown = tail(&file);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert_eq!(shown.lines().last(), Some("  line 9999"));
        assert_eq!(tail(&dir.path().join("nothing")), "");
    }
}
