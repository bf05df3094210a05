//! Checking a journal from its first byte to its last, and cutting a torn last write.

use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::record::{self, Flaw};
use super::segment;

/// A last write that had not reached the disk whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file it was in.
    pub file: PathBuf,
    /// Where in the file it began, bytes from its start.
    pub offset: u64,
    /// Bytes that were cut.
    pub bytes: u64,
    /// What gave it away.
    pub why: String,
}

/// What a scan found.
pub(super) struct Scanned {
    /// Positions at which whole segments begin, ascending.
    pub bases: Vec<u64>,
    /// End of the last good record.
    pub end: u64,
    /// Checksum of the last good record.
    pub chain: u32,
    pub torn: Option<TornTail>,
}

/// Checks all segments of `dir`; changes nothing.
pub(super) fn scan(dir: &Path) -> Result<Scanned, JournalError> {
    let bases = segment::list(dir)?;
    let first = bases.first().copied().unwrap_or(0);
    let mut scanned = Scanned { bases: Vec::new(), end: first, chain: 0, torn: None };
    for (index, &base) in bases.iter().enumerate() {
        let file = segment::path(dir, base);
        let bytes = std::fs::read(&file).map_err(JournalError::io("read", &file))?;
        let is_first = index == 0;
        let is_last = index + 1 == bases.len();
        if !is_first && base != scanned.end {
            let flaw =
                format!("it should begin at position {}: a segment is missing, or the one before is cut", scanned.end);
            return Err(JournalError::Corrupt { file, offset: 0, flaw });
        }
        let Some(previous) = segment::read_header(&bytes, base) else {
            // The header is on disk before any record is written, and before an older segment may be pruned.
            let records = bytes.get(segment::HEADER_BYTES..).unwrap_or_default();
            let could_be_new = is_last && (!is_first || base == 0);
            if could_be_new && record::find(records, base, |_| true).is_none() {
                let why = "the segment was being created".to_owned();
                scanned.torn = Some(TornTail { file, offset: 0, bytes: bytes.len() as u64, why });
                break;
            }
            return Err(JournalError::Corrupt { file, offset: 0, flaw: "its header is not whole".to_owned() });
        };
        if is_first {
            scanned.chain = previous;
        } else if previous != scanned.chain {
            return Err(JournalError::Corrupt { file, offset: 16, flaw: Flaw::Chain.to_string() });
        }
        scanned.bases.push(base);
        if let Some(flaw) = scan_records(&bytes, base, &mut scanned) {
            let offset = segment::offset(base, scanned.end);
            let tail = &bytes[offset as usize..];
            // A record of a later group was written only once everything below its group was on the disk.
            let end = scanned.end;
            if !is_last || record::find(tail, end, |head| head.group > end).is_some() {
                return Err(JournalError::Corrupt { file, offset, flaw: flaw.to_string() });
            }
            scanned.torn = Some(TornTail { file, offset, bytes: tail.len() as u64, why: flaw.to_string() });
        }
    }
    Ok(scanned)
}

/// Cuts what [`scan`] found torn; when this returns, the cut is on stable storage.
pub(super) fn repair(dir: &Path, scanned: &Scanned) -> Result<(), JournalError> {
    let Some(torn) = &scanned.torn else { return Ok(()) };
    let fail = || JournalError::io("cut the torn end of", &torn.file);
    if torn.offset == 0 {
        std::fs::remove_file(&torn.file).map_err(fail())?;
        return segment::sync_dir(dir);
    }
    let file = std::fs::OpenOptions::new().write(true).open(&torn.file).map_err(fail())?;
    file.set_len(torn.offset).map_err(fail())?;
    file.sync_all().map_err(fail())
}

/// Walks the records of a segment until its end or the first flaw.
fn scan_records(bytes: &[u8], base: u64, scanned: &mut Scanned) -> Option<Flaw> {
    let mut group = base;
    loop {
        let rest = bytes.get(segment::offset(base, scanned.end) as usize..)?;
        if rest.is_empty() {
            return None;
        }
        let checked = record::decode(rest, scanned.end)
            .and_then(|head| record::follows(&head, scanned.chain, group).map(|()| head));
        match checked {
            Ok(head) => {
                group = head.group;
                scanned.end = head.end();
                scanned.chain = head.crc;
            }
            Err(flaw) => return Some(flaw),
        }
    }
}
