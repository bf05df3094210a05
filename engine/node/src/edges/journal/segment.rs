//! Segment files: their names, headers, creation and listing.
//!
//! ```text
//!  0  "HORAEJ01"
//!  8  u64  base: position of the first record
//! 16  u32  checksum of the last record of the segment before (zero for the first)
//! 20  u32  CRC-32C of the bytes above                                      all numbers little-endian
//! ```

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::JournalError;

/// Bytes of a segment before its first record.
pub(super) const HEADER_BYTES: usize = 24;

const MAGIC: &[u8; 8] = b"HORAEJ01";
const EXTENSION: &str = "journal";

/// Far above any journal's length, and low enough that positions never overflow.
const BASE_MAX: u64 = u64::MAX / 2;

/// Where the segment that begins at `base` is kept.
pub(super) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.{EXTENSION}"))
}

/// Offset in the file of the record at `lsn`.
pub(super) fn offset(base: u64, lsn: u64) -> u64 {
    HEADER_BYTES as u64 + (lsn - base)
}

/// Bases of the segments in `dir`, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let path = entry.map_err(JournalError::io("list", dir))?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let base = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        match base {
            Some(base) if base <= BASE_MAX && self::path(dir, base) == path => bases.push(base),
            _ => {
                let flaw = "its name is not one that a segment of the journal has".to_owned();
                return Err(JournalError::Corrupt { file: path, offset: 0, flaw });
            }
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Creates the segment that begins at `base`; when this returns, its header and name are on stable storage.
pub(super) fn create(dir: &Path, base: u64, previous: u32) -> Result<File, JournalError> {
    let path = path(dir, base);
    let fail = || JournalError::io("create", &path);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(fail())?;
    file.write_all(&header(base, previous)).map_err(fail())?;
    file.sync_all().map_err(fail())?;
    sync_dir(dir)?;
    Ok(file)
}

/// Opens a segment to append to it.
pub(super) fn open(dir: &Path, base: u64) -> Result<File, JournalError> {
    let path = path(dir, base);
    OpenOptions::new().write(true).open(&path).map_err(JournalError::io("open", &path))
}

/// Removes a segment; [`sync_dir`] makes that last.
pub(super) fn remove(dir: &Path, base: u64) -> Result<(), JournalError> {
    let path = path(dir, base);
    std::fs::remove_file(&path).map_err(JournalError::io("remove", &path))
}

/// Makes the names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(JournalError::io("sync", dir))
}

fn header(base: u64, previous: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&base.to_le_bytes());
    bytes[16..20].copy_from_slice(&previous.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The checksum that a segment's first record follows, if `bytes` begin with the header of the one at `base`.
pub(super) fn read_header(bytes: &[u8], base: u64) -> Option<u32> {
    let found = bytes.first_chunk::<HEADER_BYTES>()?;
    let previous = u32::from_le_bytes([found[16], found[17], found[18], found[19]]);
    (*found == header(base, previous)).then_some(previous)
}
