//! A journal in memory: entries are appended at once and become durable when the disk gets round to them; a crash takes
//! what is not durable.

use horae_control::Record;
use horae_node::replica::io::{Entry, Lsn};

use super::rng::Rng;

/// One node's journal.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Entries pruned.
    pruned: usize,
    entries: Vec<Entry>,
    /// Entries that are on stable storage, the pruned ones included.
    durable: usize,
    /// The write under way: how far it reaches.
    writing: Option<usize>,
    /// Once this much is durable, what lies below the second place goes.
    pruning: Option<(usize, usize)>,
}

impl Disk {
    /// Appends an entry.
    pub fn append(&mut self, entry: Entry) -> Lsn {
        self.entries.push(entry);
        self.end()
    }

    /// Position behind the last entry.
    #[must_use]
    pub fn end(&self) -> Lsn {
        (self.pruned + self.entries.len()) as Lsn
    }

    /// How far the journal is on stable storage.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable as Lsn
    }

    /// Begins to write what waits, or the first part of it; false if nothing does, or a write is under way.
    pub fn begin_write(&mut self, rng: &mut Rng) -> bool {
        let end = self.pruned + self.entries.len();
        if self.writing.is_some() || end == self.durable {
            return false;
        }
        let all = rng.chance(700);
        self.writing = Some(if all { end } else { self.durable + 1 + rng.below(end - self.durable) });
        true
    }

    /// The write under way is done.
    pub fn finish_write(&mut self) {
        if let Some(end) = self.writing.take() {
            self.durable = end;
        }
        if let Some((_, below)) = self.pruning.take_if(|(after, _)| *after <= self.durable) {
            self.entries.drain(..below - self.pruned);
            self.pruned = below;
        }
    }

    /// The machine dies: what is not durable is lost, but for a run of entries that happened to reach the disk.
    pub fn crash(&mut self, rng: &mut Rng) {
        (self.writing, self.pruning) = (None, None);
        let safe = self.durable - self.pruned;
        let loose = self.entries.len() - safe;
        let kept = if loose > 0 && rng.chance(500) { rng.below(loose + 1) } else { 0 };
        self.entries.truncate(safe + kept);
        self.durable = self.pruned + self.entries.len();
    }

    /// Loses the newer half of what can be read; how many entries.
    pub fn cut(&mut self) -> u64 {
        let keep = self.entries.len() / 2;
        let cut = self.entries.drain(keep..).count();
        self.durable = self.pruned + keep;
        cut as u64
    }

    /// What is on stable storage now.
    #[must_use]
    pub fn durable_part(&self) -> Self {
        let entries = self.entries[..self.durable - self.pruned].to_vec();
        Self { pruned: self.pruned, durable: self.durable, entries, writing: None, pruning: None }
    }

    /// What a start reads, through the bytes on disk.
    #[must_use]
    pub fn read(&self) -> Vec<Entry> {
        let copy = |entry: &Entry| {
            let bytes = borsh::to_vec(entry).expect("writing to memory does not fail");
            borsh::from_slice(&bytes).expect("what was written can be read")
        };
        self.entries.iter().map(copy).collect()
    }

    /// Writes the promises that bind again, and lets go of what is not needed above the stored block `stored`.
    pub fn prune(&mut self, stored: u64, promises: Vec<Record>) {
        let mut keep = self.entries.len();
        for (at, entry) in self.entries.iter().enumerate() {
            if matches!(entry, Entry::Block { block, .. } if block.header().number > stored) {
                keep = at;
                break;
            }
        }
        let below = self.pruned + keep;
        self.entries.extend(promises.into_iter().map(Entry::Vote));
        self.pruning = Some((self.pruned + self.entries.len(), below));
    }
}
