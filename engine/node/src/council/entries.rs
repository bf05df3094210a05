//! Entries of the forced queue, which the control plane knows by their hashes: read from this node's own L1, and handed to the replica
//! before it comes to them.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes, keccak256};
use horae_control::{Due, DueBlock};
use horae_stages::L1View;
use metrics::counter;
use tracing::warn;

use super::Council;
use super::io::{CouncilIo, Work};
use crate::replica::Input;

/// Entries above the head's L1 view that are kept ready, in bytes of their encodings, beside the first L1 block's.
const AHEAD_BYTES: u64 = 2 * 1024 * 1024;
/// L1 blocks that are read at once.
const READ_BLOCKS: usize = 64;
/// After an attempt that failed, the next one comes this much later, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Hashes of what the replica has been handed and no accepted batch has settled.
    told: BTreeSet<B256>,
    reading: bool,
    retry_ms: u64,
}

impl Council {
    /// Has the entries read that come next above the head's L1 view and were not handed over.
    pub(super) fn read_entries(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        if self.entries.reading || now_ms < self.entries.retry_ms {
            return;
        }
        let blocks = self.lacking(io.running().l1_view);
        if !blocks.is_empty() {
            self.entries.reading = true;
            io.begin(Work::ReadEntries(blocks));
        }
    }

    /// What was read, or why nothing was.
    pub(super) fn entries_read(&mut self, read: Result<Vec<Bytes>, String>, now_ms: u64, io: &mut impl CouncilIo) {
        self.entries.reading = false;
        let read = match read {
            Ok(read) => read,
            Err(why) => {
                counter!("horae_entries_unread").increment(1);
                warn!(%why, "entries of the forced queue cannot be read from L1; tried again");
                self.entries.retry_ms = now_ms.saturating_add(RETRY_MS);
                return;
            }
        };
        let due: BTreeSet<B256> = self.state.dues().blocks().flat_map(hashes).collect();
        self.entries.told.retain(|hash| due.contains(hash));
        let wanted: Vec<Bytes> = read.into_iter().filter(|raw| due.contains(&keccak256(raw))).collect();
        self.entries.told.extend(wanted.iter().map(keccak256));
        if !self.lacking(io.running().l1_view).is_empty() {
            // L1 lacks what was agreed to be there, or not all was asked for: not at once again.
            self.entries.retry_ms = now_ms.saturating_add(RETRY_MS);
        }
        if !wanted.is_empty() {
            io.tell(Input::Entries(wanted));
        }
    }

    /// The L1 blocks to be read, lowest first.
    fn lacking(&self, above: u64) -> Vec<L1View> {
        let mut bytes = 0;
        let ahead = self.state.dues().above(above).take_while(|block| {
            let fits = bytes < AHEAD_BYTES;
            bytes += size(block);
            fits
        });
        let lacking = ahead.filter(|block| hashes(block).any(|hash| !self.entries.told.contains(&hash)));
        lacking.take(READ_BLOCKS).map(|block| L1View { number: block.view.number, hash: block.view.hash }).collect()
    }
}

fn hashes(block: &DueBlock) -> impl Iterator<Item = B256> {
    block.items.iter().filter_map(|item| match item {
        Due::Forced { hash, .. } => Some(*hash),
        Due::Batch { .. } => None,
    })
}

fn size(block: &DueBlock) -> u64 {
    let sizes = block.items.iter().map(|item| match item {
        Due::Forced { bytes, .. } => *bytes,
        Due::Batch { .. } => 0,
    });
    sizes.sum()
}
