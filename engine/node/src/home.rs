//! The home directory of a node: what lies where, who may read it, and that only one process uses it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

/// Mode of directories: the owner only.
const DIRECTORY_MODE: u32 = 0o700;
/// Mode of files: the owner only.
const FILE_MODE: u32 = 0o600;
/// A process that was killed may be gone before the kernel has let go of its files (io_uring closes them later): how long its
/// lock is waited for, and how often it is looked at.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
const RELEASE_LOOK: Duration = Duration::from_millis(20);

/// Why a home directory cannot be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// The directory was never set up.
    #[error(
        "{path} is not a node's home: {missing} is not there; run `horae init --home {path}` first, or name another home with --home"
    )]
    NotAHome {
        /// The directory.
        path: PathBuf,
        /// The file that is missing.
        missing: &'static str,
    },
    /// A home is there already.
    #[error(
        "{path} is a node's home already ({found} is there); name another directory with --home, or remove this one if its keys and chain may be lost"
    )]
    AlreadyAHome {
        /// The directory.
        path: PathBuf,
        /// The file that is there.
        found: &'static str,
    },
    /// Another process runs on this home.
    #[error("{path} is in use by process {pid}; stop it first (`kill {pid}`), or name another home with --home")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Process id, as the holder wrote it; `unknown` if it could not be read.
        pid: String,
    },
    /// The file system refused.
    #[error("{action} {path}: {source}; check that the directory exists and belongs to the user that runs this")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HomeError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// The layout of a home directory. Holding a value says nothing about who uses the directory; see [`Home::lock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The layout under `root`; nothing is read or made.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings of this node alone ([`crate::config::Settings`]).
    pub fn settings(&self) -> PathBuf {
        self.root.join("node.toml")
    }

    /// What all nodes of the chain share ([`crate::genesis::GenesisFile`]).
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Sealed keys ([`crate::keys::Vault`]).
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Segments of the block journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The store: state, checkpoints, what JSON-RPC looks up. One file.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.redb")
    }

    /// The Tendermint engine's logs.
    pub fn consensus(&self) -> PathBuf {
        self.root.join("consensus")
    }

    /// The control plane's state as of the last height applied: one file.
    pub fn control(&self) -> PathBuf {
        self.root.join("control.state")
    }

    /// Where a chain is made again ([`crate::rejoin`]); there only while that goes on, or after it was interrupted.
    pub fn rejoining(&self) -> PathBuf {
        self.root.join("rejoining")
    }

    /// The lowest incarnation that may speak, once an earlier life found that it had forgotten something.
    pub fn incarnation(&self) -> PathBuf {
        self.root.join("incarnation")
    }

    /// Where the operator's commands reach the running node: a Unix socket.
    pub fn admin(&self) -> PathBuf {
        self.root.join("admin.sock")
    }

    /// Held by the process that runs on this home; contains its id.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Makes the directories of a new home, readable by the owner only.
    ///
    /// # Errors
    /// [`HomeError::AlreadyAHome`] if settings or genesis are there; [`HomeError::Io`].
    pub fn create(&self) -> Result<(), HomeError> {
        for (file, name) in [(self.settings(), "node.toml"), (self.genesis(), "genesis.json")] {
            if file.exists() {
                return Err(HomeError::AlreadyAHome { path: self.root.clone(), found: name });
            }
        }
        self.create_directories()
    }

    /// Checks that this is a node's home and takes it for this process. Directories that are missing are made again.
    ///
    /// The lock is the operating system's: it goes with the process, however that ends, if only a moment later.
    ///
    /// # Errors
    /// [`HomeError::NotAHome`], [`HomeError::InUse`] with the holder's process id, [`HomeError::Io`].
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        if !self.settings().exists() {
            return Err(HomeError::NotAHome { path: self.root.clone(), missing: "node.toml" });
        }
        self.create_directories()?;
        self.lock_directory()
    }

    /// Takes a directory for this process, whatever is in it: a node's home, a devnet's.
    ///
    /// # Errors
    /// [`HomeError::InUse`] with the holder's process id, [`HomeError::Io`].
    pub fn lock_directory(&self) -> Result<HomeLock, HomeError> {
        let path = self.lock_file();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|source| HomeError::io("opening", &path, source))?;
        let began = Instant::now();
        while let Err(error) = file.try_lock() {
            let pid = match error {
                fs::TryLockError::WouldBlock => read_pid(&mut file),
                fs::TryLockError::Error(source) => return Err(HomeError::io("locking", &path, source)),
            };
            if lives(&pid) || began.elapsed() >= RELEASE_LIMIT {
                return Err(HomeError::InUse { path: self.root.clone(), pid });
            }
            thread::sleep(RELEASE_LOOK);
        }
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            write!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(|source| HomeError::io("writing", &path, source))?;
        Ok(HomeLock { file })
    }

    /// Makes the directories that are missing.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn create_directories(&self) -> Result<(), HomeError> {
        for path in [self.root.clone(), self.keys(), self.journal(), self.consensus()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(DIRECTORY_MODE)
                .create(&path)
                .map_err(|source| HomeError::io("making", &path, source))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(DIRECTORY_MODE))
                .map_err(|source| HomeError::io("setting permissions of", &path, source))?;
        }
        Ok(())
    }
}

/// While it lives no other process can take the home.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
}

impl HomeLock {
    /// The file descriptor of the lock, for a process that hands it to its child.
    pub fn raw_fd(&self) -> i32 {
        self.file.as_raw_fd()
    }
}

fn read_pid(file: &mut File) -> String {
    let mut pid = String::new();
    match file.rewind().and_then(|()| file.take(16).read_to_string(&mut pid)) {
        Ok(_) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => pid,
        _ => "unknown".to_owned(),
    }
}

/// Whether a process runs. One that ended and was not asked about yet, a zombie, does not; one without a number may.
fn lives(pid: &str) -> bool {
    if pid.parse::<u32>().is_err() {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state ..`, and the name may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Replaces `path` by `bytes` so that after a crash there is either the old file or the new one: a neighbour is written,
/// synced, renamed over it, and the directory is synced.
///
/// # Errors
/// What the file system said; the old file is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut temporary = name.to_owned();
    temporary.push(".tmp");
    let temporary = directory.join(temporary);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("node"));
        home.create().unwrap();
        fs::write(home.settings(), "").unwrap();
        (dir, home)
    }

    #[test]
    fn a_second_lock_names_the_holder() {
        let (_dir, home) = home();
        let held = home.lock().unwrap();
        match home.lock() {
            Err(HomeError::InUse { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("expected InUse, got {other:?}"),
        }
        drop(held);
        home.lock().unwrap();
    }

    #[test]
    fn a_lock_that_a_dead_process_still_holds_is_waited_for() {
        let (_dir, home) = home();
        let held = home.lock().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(lives(&std::process::id().to_string()));
        let pid = child.id().to_string();
        child.wait().unwrap();
        assert!(!lives(&pid));
        fs::write(home.lock_file(), pid).unwrap();
        let waiting = thread::spawn(move || home.lock().map(drop));
        drop(held);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn only_the_owner_may_read() {
        let (_dir, home) = home();
        let _held = home.lock().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.root()), 0o700);
        assert_eq!(mode(&home.keys()), 0o700);
        assert_eq!(mode(&home.lock_file()), 0o600);
        write_atomic(&home.genesis(), b"{}").unwrap();
        assert_eq!(mode(&home.genesis()), 0o600);
    }

    #[test]
    fn an_empty_directory_is_not_a_home() {
        let dir = tempfile::tempdir().unwrap();
        let error = Home::new(dir.path()).lock().unwrap_err();
        assert!(error.to_string().contains("horae init --home"), "{error}");
    }

    #[test]
    fn a_home_is_not_made_twice() {
        let (_dir, home) = home();
        assert!(matches!(home.create(), Err(HomeError::AlreadyAHome { found: "node.toml", .. })));
    }

    #[test]
    fn an_atomic_write_replaces_the_whole_file() {
        let (_dir, home) = home();
        let path = home.root().join("value");
        write_atomic(&path, b"a longer first value").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let left: Vec<_> = fs::read_dir(home.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    }
}
