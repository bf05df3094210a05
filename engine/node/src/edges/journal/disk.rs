//! How bytes of the journal reach the disk: by plain file calls.
//!
//! One write and one sync are under way at a time, and the journal's thread has nothing else to do meanwhile. `io_uring` hands every sync
//! to a thread of the kernel: two switches more for each of them, which cost twice the CPU of the calls (10.5 % of a core against 5.7 % for
//! four nodes with 50 blocks a second).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Which of the two steps failed: they mean different things.
#[derive(Debug)]
pub(super) enum DiskError {
    Write(io::Error),
    Sync(io::Error),
}

/// Writes groups to the segment it was last given. Lives on the journal's thread.
pub(super) trait Disk {
    /// Groups go to `file` from now on; the one before is synced already.
    fn turn_to(&mut self, file: File);

    /// Writes `bytes` at `offset` and returns when they are on stable storage.
    fn write_and_sync(&mut self, bytes: &[u8], offset: u64) -> Result<(), DiskError>;
}

/// The files of the system.
pub(super) fn files() -> Box<dyn Disk> {
    Box::new(Files { file: None })
}

struct Files {
    file: Option<File>,
}

impl Disk for Files {
    fn turn_to(&mut self, file: File) {
        self.file = Some(file);
    }

    fn write_and_sync(&mut self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        let Some(file) = &self.file else { return Err(DiskError::Write(no_file())) };
        file.write_all_at(bytes, offset).map_err(DiskError::Write)?;
        file.sync_data().map_err(DiskError::Sync)
    }
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no segment is open")
}
