//! The decided log: every decided value with its commit certificate, by height, without gaps, from the prune point on.

use std::{collections::VecDeque, io, path::Path};

use crate::{StartError, codec::Decided, context::ValueHash, limits, records::RecordFile};

const MAGIC: [u8; 8] = *b"HORAEDL1";

/// The decided log of a node.
#[derive(Debug)]
pub(crate) struct DecidedLog {
    records: RecordFile,
    /// Height of the first record.
    first: u64,
    /// Offset of each record, ascending by height.
    offsets: VecDeque<u64>,
}

impl DecidedLog {
    /// Opens or creates the log and checks every record.
    ///
    /// # Errors
    /// [`StartError::File`] or [`StartError::LogCorrupt`].
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let mut first = 0;
        let mut offsets = VecDeque::new();
        let records = RecordFile::open(path, MAGIC, |offset, body| {
            let decided: Decided = borsh::from_slice(&body).map_err(|e| format!("a record does not decode: {e}"))?;
            let height = decided.certificate.height.0;
            if ValueHash::of(&decided.value) != decided.certificate.value_id {
                return Err(format!("the value of height {height} is not the one its certificate names"));
            }
            if offsets.is_empty() {
                first = height;
            } else if height != first + offsets.len() as u64 {
                return Err(format!("height {height} follows height {}", first + offsets.len() as u64 - 1));
            }
            offsets.push_back(offset);
            Ok(())
        })?;
        Ok(Self { records, first, offsets })
    }

    /// First and last height, if there are any.
    pub(crate) fn heights(&self) -> Option<(u64, u64)> {
        (!self.offsets.is_empty()).then(|| (self.first, self.first + self.offsets.len() as u64 - 1))
    }

    /// Appends a height and syncs it. A height that is there already is left as it is.
    ///
    /// # Errors
    /// Of the disk, or a height that leaves a gap.
    pub(crate) fn append(&mut self, decided: &Decided) -> io::Result<()> {
        let height = decided.certificate.height.0;
        if let Some((first, last)) = self.heights() {
            if (first..=last).contains(&height) {
                return Ok(());
            }
            if height != last + 1 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("height {height} does not follow {last}"),
                ));
            }
        }
        let offset = self.records.append(&borsh::to_vec(decided)?)?;
        if self.offsets.is_empty() {
            self.first = height;
        }
        self.offsets.push_back(offset);
        Ok(())
    }

    /// The decision of a height, if it is in the log.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn read(&self, height: u64) -> io::Result<Option<Decided>> {
        let at = height.checked_sub(self.first).and_then(|n| usize::try_from(n).ok());
        let Some(offset) = at.and_then(|at| self.offsets.get(at)) else { return Ok(None) };
        Ok(Some(borsh::from_slice(&self.records.read(*offset)?)?))
    }

    /// The decisions from `from` to `to`, as far as they are there and within the bounds of one sync answer.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn range(&self, from: u64, to: u64) -> io::Result<Vec<Decided>> {
        let to = to.min(from.saturating_add(limits::SYNC_BATCH_VALUES - 1));
        let mut values = Vec::new();
        let mut bytes = 0;
        for height in from..=to {
            let Some(decided) = self.read(height)? else { break };
            bytes += decided.value.len();
            if bytes > limits::SYNC_BATCH_BYTES && !values.is_empty() {
                break;
            }
            values.push(decided);
        }
        Ok(values)
    }

    /// Drops the heights below `height`, but never the last one. Takes time with the size of what stays.
    ///
    /// # Errors
    /// Of the disk; the log is as it was.
    pub(crate) fn prune_below(&mut self, height: u64) -> io::Result<()> {
        let Some((first, last)) = self.heights() else { return Ok(()) };
        let drop = height.min(last).saturating_sub(first) as usize;
        if drop == 0 {
            return Ok(());
        }
        let moved = self.records.replace(MAGIC, self.offsets.iter().copied().skip(drop))?;
        self.offsets = moved.into();
        self.first = first + drop as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arc_malachitebft_core_types::{CommitCertificate, Round};
    use bytes::Bytes;

    use super::*;
    use crate::context::Height;

    fn decided(height: u64, size: usize) -> Decided {
        let value = Bytes::from(vec![height as u8; size]);
        let certificate = CommitCertificate {
            height: Height(height),
            round: Round::new(0),
            value_id: ValueHash::of(&value),
            commit_signatures: Vec::new(),
        };
        Decided { value, certificate }
    }

    #[test]
    fn heights_come_back_after_a_restart_and_after_pruning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decided.log");
        let mut log = DecidedLog::open(&path).unwrap();
        assert_eq!(log.heights(), None);
        for height in 5..=20 {
            log.append(&decided(height, 10)).unwrap();
        }
        log.append(&decided(7, 10)).unwrap();
        assert!(log.append(&decided(22, 10)).is_err());
        log.prune_below(9).unwrap();
        assert_eq!(log.heights(), Some((9, 20)));
        log.append(&decided(21, 10)).unwrap();
        drop(log);

        let mut log = DecidedLog::open(&path).unwrap();
        assert_eq!(log.heights(), Some((9, 21)));
        assert_eq!(log.read(8).unwrap(), None);
        assert_eq!(log.read(13).unwrap(), Some(decided(13, 10)));
        assert_eq!(log.range(19, 100).unwrap(), vec![decided(19, 10), decided(20, 10), decided(21, 10)]);
        log.prune_below(u64::MAX).unwrap();
        assert_eq!(log.heights(), Some((21, 21)));
    }

    #[test]
    fn an_answer_is_bounded_by_number_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = DecidedLog::open(&dir.path().join("decided.log")).unwrap();
        for height in 1..=3 {
            log.append(&decided(height, limits::SYNC_BATCH_BYTES / 2)).unwrap();
        }
        for height in 4..=50 {
            log.append(&decided(height, 1)).unwrap();
        }
        assert_eq!(log.range(1, 50).unwrap().len(), 2);
        assert_eq!(log.range(4, 50).unwrap().len() as u64, limits::SYNC_BATCH_VALUES);
    }

    #[test]
    fn a_gap_or_a_wrong_value_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decided.log");
        let mut records = RecordFile::open(&path, MAGIC, |_, _| Ok(())).unwrap();
        records.append(&borsh::to_vec(&decided(1, 4)).unwrap()).unwrap();
        records.append(&borsh::to_vec(&decided(3, 4)).unwrap()).unwrap();
        assert!(matches!(DecidedLog::open(&path), Err(StartError::LogCorrupt { .. })));

        std::fs::remove_file(&path).unwrap();
        let mut records = RecordFile::open(&path, MAGIC, |_, _| Ok(())).unwrap();
        let wrong = Decided { value: Bytes::from_static(b"other"), ..decided(1, 4) };
        records.append(&borsh::to_vec(&wrong).unwrap()).unwrap();
        assert!(matches!(DecidedLog::open(&path), Err(StartError::LogCorrupt { .. })));
    }
}
