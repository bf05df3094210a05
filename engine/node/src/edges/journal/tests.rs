//! The journal under every cut, every flipped bit, full disks and disks that do not confirm.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use horae_runtime::Parker;
use tempfile::TempDir;

use super::disk::{Disk, DiskError};
use super::*;

fn segments_of(segment_bytes: u64) -> Options {
    Options { segment_bytes, core: None }
}

fn record(number: u64) -> Record {
    let payload = vec![number as u8; number as usize % 23].into();
    Record { kind: (number % 5) as u8, payload }
}

/// Blocks until `lsn` is durable or the journal has stopped.
fn settle(durable: &Durable, lsn: Lsn) {
    let parker = Parker::new();
    durable.watch(&parker.waker());
    let parker = parker.bind();
    let settled = || durable.lsn() >= lsn || durable.failure().is_some();
    while !settled() {
        parker.park_unless(None, settled);
    }
}

/// Appends `groups` of three records, each group durable before the next; gives the position at which each begins.
fn grow(writer: &mut JournalWriter, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let durable = writer.durable();
    let mut begins = Vec::new();
    for first in numbers.step_by(3) {
        begins.push(writer.next().0);
        let group: Vec<Record> = (first..first + 3).map(record).collect();
        let end = writer.append(&group).unwrap();
        settle(&durable, end);
    }
    begins
}

fn entries(opened: &Opened) -> Vec<Entry> {
    opened.records().unwrap().map(Result::unwrap).collect()
}

fn records(opened: &Opened) -> Vec<Record> {
    entries(opened).into_iter().map(|entry| entry.record).collect()
}

/// The segments of a directory, by name.
fn image(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|extension| extension == "journal"));
    segments.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn lay_out(image: &BTreeMap<String, Vec<u8>>) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in image {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// A closed journal of `0..numbers` and where its groups begin.
fn sample(numbers: u64, segment_bytes: u64) -> (BTreeMap<String, Vec<u8>>, Vec<u64>) {
    let dir = TempDir::new().unwrap();
    let (_, mut writer) = Journal::open(dir.path(), segments_of(segment_bytes)).unwrap();
    let begins = grow(&mut writer, 0..numbers);
    writer.close().unwrap();
    (image(dir.path()), begins)
}

fn survives_reopening(options: &Options) {
    let dir = TempDir::new().unwrap();
    for round in 0..4u64 {
        let (opened, mut writer) = Journal::open(dir.path(), options.clone()).unwrap();
        assert_eq!(opened.torn, None);
        assert_eq!(records(&opened), (0..round * 30).map(record).collect::<Vec<_>>());
        assert_eq!(opened.end, writer.next());
        grow(&mut writer, round * 30..round * 30 + 30);
        assert_eq!(writer.close().unwrap(), Journal::check(dir.path()).unwrap().1);
    }
    assert!(image(dir.path()).len() > 4);
}

#[test]
fn records_survive_reopening() {
    survives_reopening(&segments_of(500));
}

#[test]
fn what_waits_is_written_when_the_writer_goes() {
    let dir = TempDir::new().unwrap();
    let (_, mut writer) = Journal::open(dir.path(), segments_of(1_000)).unwrap();
    for number in 0..500 {
        writer.append(&[record(number)]).unwrap();
    }
    drop(writer);
    let (opened, _writer) = Journal::open(dir.path(), segments_of(1_000)).unwrap();
    assert_eq!(records(&opened), (0..500).map(record).collect::<Vec<_>>());
}

#[test]
fn a_second_start_on_the_directory_is_told() {
    let dir = TempDir::new().unwrap();
    let (_, writer) = Journal::open(dir.path(), segments_of(1_000)).unwrap();
    let Err(error) = Journal::open(dir.path(), segments_of(1_000)) else { panic!("two writers") };
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(writer);
    Journal::open(dir.path(), segments_of(1_000)).unwrap();
}

#[test]
fn a_tail_cut_at_any_byte_leaves_the_records_before_it() {
    let (image, _) = sample(12, u64::MAX);
    let (name, bytes) = image.first_key_value().unwrap();
    let ends: Vec<u64> = {
        let dir = lay_out(&image);
        let (opened, _writer) = Journal::open(dir.path(), segments_of(u64::MAX)).unwrap();
        entries(&opened).iter().map(|entry| segment::offset(0, entry.end.0)).collect()
    };
    for cut in 0..bytes.len() {
        let dir = lay_out(&BTreeMap::from([(name.clone(), bytes[..cut].to_vec())]));
        let (opened, mut writer) = Journal::open(dir.path(), segments_of(u64::MAX)).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut as u64).count() as u64;
        assert_eq!(records(&opened), (0..whole).map(record).collect::<Vec<_>>(), "cut at {cut}");
        let at_an_end = cut == segment::HEADER_BYTES || ends.contains(&(cut as u64));
        assert_eq!(opened.torn.is_none(), at_an_end, "cut at {cut}: {:?}", opened.torn);
        // The journal goes on where it was cut.
        let end = writer.append(&[record(whole)]).unwrap();
        settle(&writer.durable(), end);
        assert_eq!(records(&Opened { torn: None, ..opened }), (0..=whole).map(record).collect::<Vec<_>>());
        drop(writer);
        assert_eq!(Journal::check(dir.path()).unwrap(), (Lsn(0), end, None));
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_a_cut_in_the_last_group_and_never_a_changed_record() {
    let (image, begins) = sample(24, 400);
    assert!(image.len() > 2);
    let last_name = image.last_key_value().unwrap().0.clone();
    let last_group = *begins.last().unwrap();
    for (name, bytes) in &image {
        let base: u64 = name[..20].parse().unwrap();
        for offset in 0..bytes.len() {
            let mut flipped = image.clone();
            flipped.get_mut(name).unwrap()[offset] ^= 1 << (offset % 8);
            let dir = lay_out(&flipped);
            let in_last_group = *name == last_name && offset as u64 >= segment::offset(base, last_group.max(base));
            match Journal::check(dir.path()) {
                Err(JournalError::Corrupt { file, .. }) => {
                    assert!(!in_last_group, "{name} at {offset}");
                    // A wrong base or chain in a header shows against its neighbour; either is named.
                    assert!(file.starts_with(dir.path()));
                }
                Err(other) => panic!("{name} at {offset}: {other}"),
                Ok((_, end, torn)) => {
                    assert!(in_last_group, "{name} at {offset} went unnoticed: {torn:?}");
                    assert!(torn.is_some() && end >= Lsn(last_group));
                }
            }
        }
    }
}

#[test]
fn a_hole_in_the_last_group_is_a_torn_write_though_later_records_of_it_are_whole() {
    let (mut image, begins) = sample(12, u64::MAX);
    let last_group = *begins.last().unwrap();
    let bytes = image.first_entry().unwrap().into_mut();
    let hole = segment::offset(0, last_group) as usize;
    bytes[hole..hole + 20].fill(0);
    let dir = lay_out(&image);
    let (opened, _writer) = Journal::open(dir.path(), segments_of(u64::MAX)).unwrap();
    assert_eq!(opened.end, Lsn(last_group));
    assert_eq!(records(&opened), (0..9).map(record).collect::<Vec<_>>());
    assert_eq!(opened.torn.unwrap().offset, hole as u64);
}

#[test]
fn corruption_names_the_file_and_the_way_out() {
    let (mut image, begins) = sample(12, u64::MAX);
    let (name, bytes) = image.iter_mut().next().unwrap();
    let offset = segment::offset(0, begins[1]);
    bytes[offset as usize + 26] ^= 1;
    let name = name.clone();
    let dir = lay_out(&image);
    let Err(error) = Journal::open(dir.path(), segments_of(u64::MAX)) else { panic!("opened a damaged journal") };
    let text = error.to_string();
    for part in [name.as_str(), &format!("at byte {offset}"), "checksum", "Restore this file"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_missing_segment_is_found() {
    let (image, _) = sample(24, 200);
    let names: Vec<&String> = image.keys().collect();
    let mut without = image.clone();
    without.remove(names[1]);
    let found = Journal::check(lay_out(&without).path());
    assert!(matches!(found, Err(JournalError::Corrupt { file, .. }) if file.ends_with(names[2])));
}

#[test]
fn a_crash_while_a_segment_is_created_costs_nothing() {
    let (image, _) = sample(12, 300);
    let dir = lay_out(&image);
    let end = Journal::check(dir.path()).unwrap().1;
    for torn in 0..segment::HEADER_BYTES {
        let path = segment::path(dir.path(), end.0);
        // The segment there is replaced by one with a torn header, as if the crash came before its header was synced.
        let whole = fs::read(&path).unwrap_or_default();
        assert!(whole.len() <= segment::HEADER_BYTES);
        fs::write(&path, &[7; segment::HEADER_BYTES][..torn]).unwrap();
        let (opened, mut writer) = Journal::open(dir.path(), segments_of(u64::MAX)).unwrap();
        assert_eq!(opened.torn.as_ref().map(|torn| torn.offset), Some(0));
        assert_eq!(records(&opened), (0..12).map(record).collect::<Vec<_>>());
        let new = writer.append(&[record(99)]).unwrap();
        settle(&writer.durable(), new);
        drop(writer);
        assert_eq!(Journal::check(dir.path()).unwrap(), (Lsn(0), new, None));
        fs::remove_file(&path).ok();
        let dir_image = image.clone();
        for (name, bytes) in dir_image {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
    }
}

#[test]
fn pruned_segments_are_gone_and_the_rest_reads_on() {
    let dir = TempDir::new().unwrap();
    let (opened, mut writer) = Journal::open(dir.path(), segments_of(200)).unwrap();
    let begins = grow(&mut writer, 0..60);
    let keep_from = Lsn(begins[10]);
    writer.prune_below(keep_from);
    // Appending after it shows that the mark was acted on: the thread prunes before each group.
    grow(&mut writer, 60..63);
    let first = opened.reader.first();
    assert!(first > Lsn(0) && first <= keep_from);
    assert!(matches!(opened.reader.read_from(Lsn(0)), Err(JournalError::Pruned { lsn: 0, .. })));
    let kept: Vec<Record> = opened.reader.read_from(keep_from).unwrap().map(|entry| entry.unwrap().record).collect();
    assert_eq!(kept, (30..63).map(record).collect::<Vec<_>>());
    drop(writer);
    let (opened, writer) = Journal::open(dir.path(), segments_of(200)).unwrap();
    assert_eq!((opened.first, opened.torn.clone()), (first, None));
    assert_eq!(records(&opened).last(), Some(&record(62)));
    // Whatever the mark, the newest segment stays: it bears the chain and the position.
    writer.prune_below(Lsn(u64::MAX));
    let end = writer.close().unwrap();
    assert_eq!(Journal::check(dir.path()).unwrap().1, end);
}

#[test]
fn a_reader_follows_the_writer_and_starts_anywhere() {
    let dir = TempDir::new().unwrap();
    let (opened, mut writer) = Journal::open(dir.path(), segments_of(300)).unwrap();
    let mut following = opened.records().unwrap();
    assert!(following.next().is_none());
    let mut seen = Vec::new();
    for first in (0..90).step_by(3) {
        grow(&mut writer, first..first + 3);
        seen.extend(following.by_ref().map(Result::unwrap));
        assert_eq!(seen.len() as u64, first + 3);
    }
    for (index, entry) in seen.iter().enumerate() {
        let next = opened.reader.read_from(entry.lsn).unwrap().next().unwrap().unwrap();
        assert_eq!((&next, next.record.clone()), (entry, record(index as u64)));
        let between = Lsn(entry.lsn.0 + 1);
        assert!(matches!(opened.reader.read_from(between), Err(JournalError::NoRecord { .. })));
    }
    let end = writer.next();
    assert!(opened.reader.read_from(end).unwrap().next().is_none());
    assert!(matches!(opened.reader.read_from(Lsn(end.0 + 1)), Err(JournalError::NoRecord { .. })));
}

#[test]
fn what_is_too_long_or_too_many_is_refused_whole() {
    let dir = TempDir::new().unwrap();
    let (_, mut writer) = Journal::open(dir.path(), segments_of(300)).unwrap();
    let long = Record { kind: 0, payload: vec![0; PAYLOAD_BYTES_MAX + 1].into() };
    assert!(matches!(writer.append(&[record(1), long]), Err(AppendError::TooLong { .. })));
    let many = vec![record(1); WAITING_RECORDS_MAX + 1];
    assert!(matches!(writer.append(&many), Err(AppendError::TooMany { .. })));
    assert_eq!(writer.close().unwrap(), Lsn(0));
}

/// A disk that fails from its `good`th write on.
struct Failing {
    disk: Box<dyn Disk>,
    good: u64,
    calls: Arc<AtomicU64>,
    error: fn() -> DiskError,
}

impl Disk for Failing {
    fn turn_to(&mut self, file: File) {
        self.disk.turn_to(file);
    }

    fn write_and_sync(&mut self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.good {
            return self.disk.write_and_sync(bytes, offset);
        }
        self.disk.write_and_sync(&bytes[..bytes.len() / 3], offset).unwrap();
        Err((self.error)())
    }
}

/// Fails the third group; gives the error, what was durable before, and how often the disk was asked.
fn fail_third_group(error: fn() -> DiskError) -> (TempDir, Arc<JournalError>, Lsn, u64) {
    let dir = TempDir::new().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let backend =
        move || -> Box<dyn Disk> { Box::new(Failing { disk: disk::files(), good: 2, calls: counted, error }) };
    let (_, mut writer) = Journal::open_with(dir.path().to_owned(), segments_of(u64::MAX), backend).unwrap();
    grow(&mut writer, 0..6);
    let safe = writer.durable().lsn();
    let end = writer.append(&[record(6), record(7)]).unwrap();
    settle(&writer.durable(), end);
    let Err(AppendError::Stopped(_)) = writer.append(&[record(8)]) else { panic!("took a record after it failed") };
    assert_eq!(writer.durable().lsn(), safe);
    let failure = writer.close().unwrap_err();
    (dir, failure, safe, calls.load(Ordering::SeqCst))
}

#[test]
fn a_full_disk_stops_the_journal_and_loses_nothing_that_was_durable() {
    let (dir, failure, safe, _) = fail_third_group(|| DiskError::Write(io::ErrorKind::StorageFull.into()));
    assert!(matches!(*failure, JournalError::DiskFull { .. }), "{failure}");
    let (opened, _writer) = Journal::open(dir.path(), segments_of(u64::MAX)).unwrap();
    assert!(opened.end >= safe && opened.torn.is_some());
    assert_eq!(records(&opened)[..6], (0..6).map(record).collect::<Vec<_>>());
}

#[test]
fn a_write_that_is_not_confirmed_is_never_tried_again() {
    let (_dir, failure, _, calls) = fail_third_group(|| DiskError::Sync(io::Error::other("input/output error")));
    assert!(matches!(*failure, JournalError::Sync { .. }), "{failure}");
    assert_eq!(calls, 3);
}

#[test]
fn a_panic_on_the_journals_thread_is_a_failure_that_is_seen() {
    let (_dir, failure, _, _) = fail_third_group(|| panic!("disk driver gone"));
    assert!(failure.to_string().contains("disk driver gone"), "{failure}");
}

#[test]
fn a_write_touches_whole_pages() {
    use super::writer::page_bytes;
    assert_eq!([page_bytes(24, 100), page_bytes(4_090, 6), page_bytes(4_090, 7)], [4_096, 4_096, 8_192]);
    assert_eq!([page_bytes(4_096, 4_096), page_bytes(8_191, 1), page_bytes(0, 10_000)], [4_096, 4_096, 12_288]);
}
