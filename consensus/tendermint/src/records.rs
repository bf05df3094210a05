//! An append-only file of checksummed records, and what its damage means.
//!
//! Layout: 8 bytes of magic, then records: body length (u32, little-endian), CRC-32C of length and body checksum (u32), CRC-32C of the body
//! (u32), body. Every append is synced before it returns, so that at most the last record can be torn. Damage that no whole record follows
//! is such a torn write: it was never reported as stored, and is cut. Any other damage is an error.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{StartError, limits};

const MAGIC_BYTES: u64 = 8;
const HEADER_BYTES: usize = 12;
/// Largest body: a value and its certificate.
const BODY_MAX_BYTES: usize = limits::MESSAGE_MAX_BYTES;

/// An open record file.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
    end: u64,
}

fn header(body: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[8..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let sum = header_checksum(&header);
    header[4..8].copy_from_slice(&sum.to_le_bytes());
    header
}

/// Not zero for a header of zeros, as a file system may leave after a crash.
fn header_checksum(header: &[u8; HEADER_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..4]), &header[8..]) ^ 0x4852_4b31
}

fn field(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_le_bytes(bytes)
}

/// The body length, if the header is whole.
fn body_length(header: &[u8; HEADER_BYTES]) -> Option<usize> {
    let length = field(header, 0) as usize;
    (field(header, 4) == header_checksum(header) && length <= BODY_MAX_BYTES).then_some(length)
}

fn record_at(bytes: &[u8]) -> Option<&[u8]> {
    let header: [u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
    let body = bytes.get(HEADER_BYTES..HEADER_BYTES + body_length(&header)?)?;
    (crc32c::crc32c(body) == field(&header, 8)).then_some(body)
}

impl RecordFile {
    /// Opens or creates the file and shows every record, with its offset, to `each`, which may find it wrong.
    ///
    /// A torn last write is cut, logged and counted.
    ///
    /// # Errors
    /// [`StartError::File`] or [`StartError::LogCorrupt`].
    pub(crate) fn open(
        path: &Path,
        magic: [u8; MAGIC_BYTES as usize],
        mut each: impl FnMut(u64, Vec<u8>) -> Result<(), String>,
    ) -> Result<Self, StartError> {
        let failed = |action| move |source| StartError::File { action, path: path.to_owned(), source };
        let corrupt =
            |offset, what: &str| StartError::LogCorrupt { path: path.to_owned(), offset, what: what.to_owned() };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed("open"))?;
        let size = file.metadata().map_err(failed("read"))?.len();
        let mut this = Self { path: path.to_owned(), file, end: size.min(MAGIC_BYTES) };

        let mut start = vec![0; this.end as usize];
        this.file.read_exact_at(&mut start, 0).map_err(failed("read"))?;
        if size < MAGIC_BYTES {
            if !magic.starts_with(&start) && start.iter().any(|b| *b != 0) {
                return Err(corrupt(0, "it does not begin as a log of this kind does"));
            }
            this.create(&magic).map_err(failed("write"))?;
            return Ok(this);
        }
        if start != magic {
            return Err(corrupt(0, "it does not begin as a log of this kind does"));
        }

        let mut reader = BufReader::new(this.file.try_clone().map_err(failed("read"))?);
        reader.seek(SeekFrom::Start(MAGIC_BYTES)).map_err(failed("read"))?;
        while this.end < size {
            match next_record(&mut reader, size - this.end).map_err(failed("read"))? {
                Some(body) => {
                    let length = (HEADER_BYTES + body.len()) as u64;
                    each(this.end, body).map_err(|what| corrupt(this.end, &what))?;
                    this.end += length;
                }
                None => {
                    if !this.is_torn(size).map_err(failed("read"))? {
                        return Err(corrupt(this.end, "a record's checksum is wrong, and whole records follow it"));
                    }
                    tracing::warn!(path = %path.display(), bytes = size - this.end, "cut a torn last write");
                    metrics::counter!("horae_tendermint_torn_writes_total").increment(1);
                    this.file.set_len(this.end).and_then(|()| this.file.sync_data()).map_err(failed("cut"))?;
                    break;
                }
            }
        }
        Ok(this)
    }

    fn create(&mut self, magic: &[u8; MAGIC_BYTES as usize]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(magic, 0)?;
        self.file.sync_all()?;
        sync_directory(&self.path)?;
        self.end = MAGIC_BYTES;
        Ok(())
    }

    /// Whether nothing whole follows the damage at `self.end`.
    fn is_torn(&self, size: u64) -> io::Result<bool> {
        let rest = size - self.end;
        if rest > (HEADER_BYTES + BODY_MAX_BYTES) as u64 {
            return Ok(false);
        }
        let mut bytes = vec![0; rest as usize];
        self.file.read_exact_at(&mut bytes, self.end)?;
        Ok((1..bytes.len()).all(|at| record_at(&bytes[at..]).is_none()))
    }

    /// Appends and syncs a record; returns its offset. On an error the file is as it was, as far as the disk allows.
    ///
    /// # Errors
    /// Of the disk, or a body that is too large.
    pub(crate) fn append(&mut self, body: &[u8]) -> io::Result<u64> {
        if body.len() > BODY_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "record too large"));
        }
        let record = [&header(body)[..], body].concat();
        let written = self.file.write_all_at(&record, self.end).and_then(|()| self.file.sync_data());
        if let Err(e) = written {
            let _ = self.file.set_len(self.end);
            return Err(e);
        }
        let offset = self.end;
        self.end += record.len() as u64;
        Ok(offset)
    }

    /// Reads the record at an offset that [`Self::open`] or [`Self::append`] gave.
    ///
    /// # Errors
    /// Of the disk, or a checksum that is wrong by now.
    pub(crate) fn read(&self, offset: u64) -> io::Result<Vec<u8>> {
        let damaged = || {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged at byte {offset}", self.path.display()))
        };
        let mut head = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut head, offset)?;
        let mut body = vec![0; body_length(&head).ok_or_else(damaged)?];
        self.file.read_exact_at(&mut body, offset + HEADER_BYTES as u64)?;
        if crc32c::crc32c(&body) != field(&head, 8) {
            return Err(damaged());
        }
        Ok(body)
    }

    /// Drops all records.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(MAGIC_BYTES)?;
        self.end = MAGIC_BYTES;
        Ok(())
    }

    /// Writes a new file beside this one with the magic and the records, syncs it and puts it in this one's place.
    ///
    /// # Errors
    /// Of the disk; this file is as it was.
    pub(crate) fn replace(
        &mut self,
        magic: [u8; MAGIC_BYTES as usize],
        offsets: impl Iterator<Item = u64>,
    ) -> io::Result<Vec<u64>> {
        let path = self.path.with_extension("new");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let mut writer = io::BufWriter::new(file);
        writer.write_all(&magic)?;
        let mut end = MAGIC_BYTES;
        let mut moved = Vec::new();
        for offset in offsets {
            let body = self.read(offset)?;
            writer.write_all(&header(&body))?;
            writer.write_all(&body)?;
            moved.push(end);
            end += (HEADER_BYTES + body.len()) as u64;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&path, &self.path)?;
        sync_directory(&self.path)?;
        self.file = file;
        self.end = end;
        Ok(moved)
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// The next record if it is whole.
fn next_record(reader: &mut impl Read, rest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; HEADER_BYTES];
    if rest < HEADER_BYTES as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut head)?;
    let Some(length) = body_length(&head) else { return Ok(None) };
    if rest < (HEADER_BYTES + length) as u64 {
        return Ok(None);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((crc32c::crc32c(&body) == field(&head, 8)).then_some(body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MAGIC: [u8; 8] = *b"TESTLOG1";

    fn read_all(path: &Path) -> Result<Vec<Vec<u8>>, StartError> {
        let mut all = Vec::new();
        RecordFile::open(path, MAGIC, |_, body| {
            all.push(body);
            Ok(())
        })?;
        Ok(all)
    }

    fn three(path: &Path) -> Vec<Vec<u8>> {
        let bodies = vec![b"first".to_vec(), vec![0; 300], b"third record".to_vec()];
        let mut log = RecordFile::open(path, MAGIC, |_, _| Ok(())).unwrap();
        for body in &bodies {
            let at = log.append(body).unwrap();
            assert_eq!(&log.read(at).unwrap(), body);
        }
        bodies
    }

    #[test]
    fn records_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bodies = three(&path);
        assert_eq!(read_all(&path).unwrap(), bodies);
    }

    #[test]
    fn every_cut_of_the_last_record_is_torn_and_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bodies = three(&path);
        let whole = std::fs::read(&path).unwrap();
        let last = HEADER_BYTES + bodies[2].len();
        for cut in 1..=last {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(read_all(&path).unwrap(), bodies[..2], "cut {cut}");
            assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, whole.len() - last);
        }
        let mut zeros = whole[..whole.len() - last].to_vec();
        zeros.extend(vec![0; last]);
        std::fs::write(&path, &zeros).unwrap();
        assert_eq!(read_all(&path).unwrap(), bodies[..2]);
    }

    #[test]
    fn any_flipped_byte_before_the_last_record_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bodies = three(&path);
        let whole = std::fs::read(&path).unwrap();
        let last = HEADER_BYTES + bodies[2].len();
        for at in 0..whole.len() - last {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let error = read_all(&path).unwrap_err();
            assert!(matches!(error, StartError::LogCorrupt { .. }), "{at}: {error}");
            assert!(error.to_string().contains(&path.display().to_string()));
        }
    }

    #[test]
    fn replace_keeps_what_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bodies = three(&path);
        let mut offsets = Vec::new();
        let mut log = RecordFile::open(&path, MAGIC, |at, _| {
            offsets.push(at);
            Ok(())
        })
        .unwrap();
        let moved = log.replace(MAGIC, offsets[1..].iter().copied()).unwrap();
        assert_eq!(log.read(moved[1]).unwrap(), bodies[2]);
        log.append(b"fourth").unwrap();
        drop(log);
        assert_eq!(read_all(&path).unwrap(), [&bodies[1..], &[b"fourth".to_vec()]].concat());
    }
}
