//! Judges the engine's write-ahead log before the engine opens it.
//!
//! The engine cuts damaged entries without a word, or hangs on them. What it has signed must not be forgotten, so damage is found here
//! first: a torn last write is cut and said so, anything else is an error that names the file.
//!
//! Format of `arc-malachitebft-wal` 0.8: version (u32) and height (u64), big-endian; then entries: compressed (u8), length (u64), CRC-32 (u32),
//! data.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read},
    path::Path,
    time::Duration,
};

use alloy_primitives::B256;
use arc_malachitebft_core_consensus::Input;
use arc_malachitebft_core_types::VoteType;
use arc_malachitebft_engine::wal::decode_entry;
use bytes::{Buf, Bytes};
use horae_control::{EngineStatement, Step, VotePlace};

use crate::{
    StartError,
    codec::Borsh,
    context::{Plane, Signer},
};

const HEADER_BYTES: usize = 12;
const ENTRY_HEADER_BYTES: usize = 13;
const VERSION: u32 = 1;

/// Checks the log at `path` of a node whose last decided height is `decided`; `new` if its decided log is empty. Gives the data of its
/// entries.
///
/// # Errors
/// [`StartError::File`] or [`StartError::WalCorrupt`].
pub(crate) fn check(path: &Path, decided: u64, new: bool) -> Result<Vec<Bytes>, StartError> {
    let failed = |action| move |source| StartError::File { action, path: path.to_owned(), source };
    let corrupt = |what: String| StartError::WalCorrupt { path: path.to_owned(), what };
    let read = || {
        let mut file = File::open(path)?;
        if is_locked(&file) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| Some(bytes))
    };
    let bytes = match read() {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(StartError::InUse { path: path.to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound && new => return Ok(Vec::new()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(corrupt("it is missing, though heights were decided".into()));
        }
        Err(e) => return Err(failed("read")(e)),
    };
    if bytes.is_empty() && new {
        return Ok(Vec::new());
    }
    let Some((head, entries)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(corrupt("it is shorter than its header".into()));
    };
    let version = be(&head[..4]);
    if version != u64::from(VERSION) {
        return Err(corrupt(format!("its version is {version}, not {VERSION}")));
    }
    let height = be(&head[4..]);
    if height > decided + 1 || (height < decided && !new) {
        return Err(corrupt(format!(
            "it is of height {height}, but the decided log ends at {decided}: one of them is an older copy"
        )));
    }

    let (mut at, mut data) = (0, Vec::new());
    while at < entries.len() {
        if let Some(length) = entry_at(&entries[at..]) {
            data.push(Bytes::copy_from_slice(&entries[at + ENTRY_HEADER_BYTES..at + length]));
            at += length;
            continue;
        }
        let offset = HEADER_BYTES + at;
        if (at + 1..entries.len()).any(|later| entry_at(&entries[later..]).is_some()) {
            return Err(corrupt(format!("the entry at byte {offset} is damaged, and whole entries follow it")));
        }
        tracing::warn!(path = %path.display(), bytes = entries.len() - at, "cut a torn last write");
        metrics::counter!("horae_tendermint_torn_writes_total").increment(1);
        let file = OpenOptions::new().write(true).open(path).map_err(failed("open"))?;
        file.set_len(offset as u64).and_then(|()| file.sync_all()).map_err(failed("cut"))?;
        break;
    }
    Ok(data)
}

/// The newest vote or proposal by `signer` in the entries of a log.
///
/// # Errors
/// An entry that the engine could not read either.
pub(crate) fn newest_of(entries: Vec<Bytes>, signer: &Signer) -> io::Result<Option<VotePlace>> {
    let mut newest = None;
    for entry in entries {
        let (author, height, round, step) = match decode_entry::<Plane, _, _>(&Borsh, entry.reader())? {
            Input::Vote(vote) => {
                let step = match vote.kind {
                    VoteType::Prevote => Step::Prevote,
                    VoteType::Precommit => Step::Precommit,
                };
                (vote.voter, vote.height, vote.round, step)
            }
            Input::Proposal(proposal) => (proposal.proposer, proposal.height, proposal.round, Step::Proposal),
            Input::ProposedValue(value, _) => (value.proposer, value.height, value.round, Step::Proposal),
            _ => continue,
        };
        let Some(round) = round.as_u32().filter(|_| author == *signer) else { continue };
        let statement = EngineStatement { step, height: height.0, round, value: B256::ZERO, pol_round: None };
        newest = newest.max(Some(statement.place()));
    }
    Ok(newest)
}

/// Returns once the engine has let go of the log, at the latest after `wait`.
pub(crate) async fn released(path: &Path, wait: Duration) {
    let waiting = async {
        while File::open(path).is_ok_and(|file| is_locked(&file)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(wait, waiting).await.is_err() {
        tracing::warn!(path = %path.display(), "the engine still holds its log");
    }
}

/// Whether an engine has the file open: it holds an advisory lock then.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Length of the whole entry that `bytes` begin with. The engine writes no empty and no compressed ones.
fn entry_at(bytes: &[u8]) -> Option<usize> {
    let (head, rest) = bytes.split_at_checked(ENTRY_HEADER_BYTES)?;
    let length = usize::try_from(be(&head[1..9])).ok()?;
    if head[0] != 0 || length == 0 || be(&head[9..]) != u64::from(crc32(rest.get(..length)?)) {
        return None;
    }
    Some(ENTRY_HEADER_BYTES + length)
}

/// CRC-32 of ISO 3309, bit by bit: the log is small and read once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, b| (0..8).fold(crc ^ u32::from(*b), step))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(data: &[u8]) -> Vec<u8> {
        [&[0][..], &(data.len() as u64).to_be_bytes(), &crc32(data).to_be_bytes(), data].concat()
    }

    fn log(height: u64, entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [&VERSION.to_be_bytes()[..], &height.to_be_bytes()].concat();
        bytes.extend(entries.iter().flat_map(|e| entry(e)));
        bytes
    }

    fn check_bytes(bytes: &[u8], decided: u64) -> (Result<Vec<Bytes>, StartError>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("consensus.wal");
        std::fs::write(&path, bytes).unwrap();
        let result = check(&path, decided, decided == 0);
        (result, std::fs::read(&path).unwrap())
    }

    #[test]
    fn checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn whole_logs_pass_untouched() {
        for bytes in [log(4, &[]), log(5, &[b"vote", b"proposal"])] {
            let (result, after) = check_bytes(&bytes, 4);
            result.unwrap();
            assert_eq!(after, bytes);
        }
    }

    #[test]
    fn a_log_in_use_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("consensus.wal");
        std::fs::write(&path, log(5, &[])).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        assert!(matches!(check(&path, 4, false), Err(StartError::InUse { .. })));
        drop(other);
        check(&path, 4, false).unwrap();
    }

    #[test]
    fn a_torn_last_entry_is_cut() {
        let whole = log(5, &[b"vote", b"proposal"]);
        let kept = log(5, &[b"vote"]);
        for end in kept.len() + 1..whole.len() {
            let (result, after) = check_bytes(&whole[..end], 4);
            result.unwrap();
            assert_eq!(after, kept);
        }
        let zeros = [&kept[..], &[0; 40]].concat();
        let (result, after) = check_bytes(&zeros, 4);
        result.unwrap();
        assert_eq!(after, kept);
    }

    #[test]
    fn damage_before_the_last_entry_is_an_error() {
        let whole = log(5, &[b"vote", b"proposal"]);
        let first = HEADER_BYTES..HEADER_BYTES + entry(b"vote").len();
        for at in first {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            let (result, after) = check_bytes(&bad, 4);
            assert!(matches!(result, Err(StartError::WalCorrupt { .. })), "{at}");
            assert_eq!(after, bad);
        }
    }

    #[test]
    fn a_lost_or_mismatched_log_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("none"), 0, true).unwrap();
        check(&dir.path().join("none"), 3, true).unwrap();
        assert!(matches!(check(&dir.path().join("none"), 3, false), Err(StartError::WalCorrupt { .. })));
        assert!(matches!(check_bytes(&log(3, &[]), 4).0, Err(StartError::WalCorrupt { .. })));
        assert!(matches!(check_bytes(&log(9, &[]), 4).0, Err(StartError::WalCorrupt { .. })));
        assert!(matches!(check_bytes(b"short", 4).0, Err(StartError::WalCorrupt { .. })));
    }
}
