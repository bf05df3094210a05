//! The two ways in which bytes of the journal reach the disk: `io_uring`, and plain file calls.

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

    /// Writes `bytes` at `offset` and returns when they are on stable storage; gives the buffer back for the next group.
    fn write_and_sync(&mut self, bytes: Vec<u8>, offset: u64) -> (Vec<u8>, Result<(), DiskError>);
}

/// `io_uring` where the kernel grants it, plain calls where not.
pub(super) fn uring_or_plain() -> Box<dyn Disk> {
    match tokio_uring::Runtime::new(tokio_uring::builder().entries(URING_ENTRIES)) {
        Ok(runtime) => Box::new(Uring { runtime, file: None }),
        Err(refused) => {
            tracing::warn!(%refused, "io_uring is not available: the journal uses plain file calls");
            metrics::counter!("horae_io_uring_refused_total", "edge" => "journal").increment(1);
            plain()
        }
    }
}

/// Plain file calls.
pub(super) fn plain() -> Box<dyn Disk> {
    Box::new(Plain { file: None })
}

/// One write or sync is under way at a time.
const URING_ENTRIES: u32 = 8;

struct Uring {
    // Declared first, so that the file is closed while its ring still exists.
    file: Option<tokio_uring::fs::File>,
    runtime: tokio_uring::Runtime,
}

impl Disk for Uring {
    fn turn_to(&mut self, file: File) {
        self.file = Some(tokio_uring::fs::File::from_std(file));
    }

    fn write_and_sync(&mut self, bytes: Vec<u8>, offset: u64) -> (Vec<u8>, Result<(), DiskError>) {
        let Some(file) = &self.file else { return (bytes, Err(DiskError::Write(no_file()))) };
        self.runtime.block_on(async {
            let (written, bytes) = file.write_all_at(bytes, offset).await;
            if let Err(error) = written {
                return (bytes, Err(DiskError::Write(error)));
            }
            (bytes, file.sync_data().await.map_err(DiskError::Sync))
        })
    }
}

struct Plain {
    file: Option<File>,
}

impl Disk for Plain {
    fn turn_to(&mut self, file: File) {
        self.file = Some(file);
    }

    fn write_and_sync(&mut self, bytes: Vec<u8>, offset: u64) -> (Vec<u8>, Result<(), DiskError>) {
        let Some(file) = &self.file else { return (bytes, Err(DiskError::Write(no_file()))) };
        let done = file
            .write_all_at(&bytes, offset)
            .map_err(DiskError::Write)
            .and_then(|()| file.sync_data().map_err(DiskError::Sync));
        (bytes, done)
    }
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no segment is open")
}
