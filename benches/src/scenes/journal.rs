//! The journal alone: what it costs to have blocks of transfers on stable storage, and how many bytes it makes of them.

use std::time::Duration;

use eyre::{Result, WrapErr};
use horae_node::edges::journal::{Journal, JournalWriter, Options as JournalOptions, Record};
use tempfile::TempDir;

use super::Scene;
use crate::args::Options;
use crate::cpu;
use crate::sheet::{Figure, Sheet};

/// Transactions of a block.
const IN_BLOCK: usize = 512;
/// Bytes of a transfer.
const TRANSFER_BYTES: usize = 112;
/// Blocks of a round, handed over one after the other as a sequencer does.
const BLOCKS: usize = 400;
/// Blocks under way at most.
const UNDER_WAY: u64 = 64;
/// How long a block may take to be on stable storage.
const DURABLE_LIMIT: Duration = Duration::from_secs(10);

/// Opens a journal in a directory of its own.
///
/// # Errors
/// What the disk says.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let dir = TempDir::new().wrap_err("a directory for the journal")?;
    let (_, writer) =
        Journal::open(dir.path().join("journal"), JournalOptions::default()).wrap_err("opening a journal")?;
    let payload: Vec<u8> = (0..IN_BLOCK * TRANSFER_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    Ok(Box::new(Appending { writer, record: Record { kind: 1, payload: payload.into() }, _dir: dir }))
}

struct Appending {
    writer: JournalWriter,
    record: Record,
    _dir: TempDir,
}

impl Scene for Appending {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let count = (BLOCKS * IN_BLOCK) as f64;
        let durable = self.writer.durable();
        let own = std::process::id();
        let before = (cpu::threads_of(own), std::time::Instant::now());
        let mut mark = self.writer.next();
        for _ in 0..BLOCKS {
            mark = self.writer.append(std::slice::from_ref(&self.record)).wrap_err("appending a block")?;
            // What is under way is bounded, as by the window of uncommitted blocks.
            while mark.0 - durable.lsn().0 > UNDER_WAY * self.record.journal_bytes() {
                std::thread::yield_now();
            }
        }
        let began = std::time::Instant::now();
        while durable.lsn() < mark && began.elapsed() < DURABLE_LIMIT {
            std::thread::sleep(Duration::from_micros(200));
        }
        let seconds = before.1.elapsed().as_secs_f64();
        let thread = cpu::since(&before.0, &cpu::threads_of(own)).get("journal").copied().unwrap_or(0.0);
        let figure =
            Figure::cost("journal/append", "ns/tx").note("CPU of the journal's thread; blocks of 512 transfers");
        sheet.add(figure, thread / count, None);
        let figure = Figure::rate("journal/append/rate", "tx/s").note("wall time until all is on stable storage");
        sheet.add(figure, count / seconds, None);
        Ok(())
    }
}
