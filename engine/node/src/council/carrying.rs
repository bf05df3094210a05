//! Who carries which batch: by turns, and when one stalls the next takes over. Every node knows the next batch from its own
//! committed blocks; the one whose turn it is packs it, has it signed and sends it to L1.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use horae_mpc::GroupSignature;
use horae_stages::pack::{UnpackLimits, unpack};
use metrics::counter;
use tracing::{debug, error, warn};

use super::Council;
use super::batches::{BatchHead, CompleteBatch, SignableBatch};
use super::io::{CouncilIo, Work};
use super::message::{BatchProposal, LinkMessage};
use crate::chain_view::{BatchRecord, ChainEvent};
use crate::edges::l1::AcceptedBatch;

/// A validator whose turn comes later waits this much longer for each place, in milliseconds.
pub(super) const STAND_IN_MS: u64 = 6_000;
/// The same for what is in no hurry: two blocks of Ethereum, so that hardly anything is sent twice.
pub(super) const UNHURRIED_MS: u64 = 24_000;
/// A batch that could not be carried is tried again after this long, in milliseconds.
pub(super) const RETRY_MS: u64 = 3_000;
/// Pause between looks for a complete batch, in milliseconds.
const LOOK_MS: u64 = 250;
/// Proposals of others that wait until the batch is complete here too.
const PROPOSALS: usize = 8;
/// Accepted batches that are remembered until they are final.
const ACCEPTED: usize = 4_096;
/// Batches whose signers are remembered until they are accepted.
const SIGNERS: usize = 64;

/// The next batch, complete here.
struct Due {
    batch: Arc<CompleteBatch>,
    since_ms: u64,
}

/// How far this node is with carrying the next batch itself.
enum Own {
    Idle { not_before_ms: u64 },
    Packing,
    Signing { signable: Box<SignableBatch>, data: Bytes },
    Sending,
}

/// What came of a look, a packing or a check.
pub enum Checked {
    /// The next batch, if it is complete.
    Due(Option<Box<CompleteBatch>>),
    /// Our own bytes for a batch.
    Packed(u64, Result<(Bytes, Box<SignableBatch>), String>),
    /// Another's bytes for a batch: their digest if they are right.
    Theirs(Address, u64, Result<B256, String>),
}

/// Carrying batches.
pub(super) struct Carrying {
    head: Option<BatchHead>,
    due: Option<Due>,
    own: Own,
    looking: bool,
    looked_ms: u64,
    proposals: VecDeque<(Address, BatchProposal)>,
    signers: BTreeMap<u64, Vec<Address>>,
    accepted: VecDeque<(u64, u64)>,
    final_told: Option<u64>,
}

impl Default for Carrying {
    fn default() -> Self {
        Self {
            head: None,
            due: None,
            own: Own::Idle { not_before_ms: 0 },
            looking: false,
            looked_ms: 0,
            proposals: VecDeque::new(),
            signers: BTreeMap::new(),
            accepted: VecDeque::new(),
            final_told: None,
        }
    }
}

impl Carrying {
    /// L1 has this batch as its last.
    pub(super) fn inbox_at(&mut self, head: BatchHead) {
        if self.head != Some(head) {
            self.head = Some(head);
            self.begin_anew();
            self.proposals.retain(|(_, proposal)| proposal.index >= head.next_index);
        }
    }

    /// The last batch that L1 has.
    pub(super) fn head(&self) -> Option<BatchHead> {
        self.head
    }

    /// The next batch is looked for, packed and signed anew.
    pub(super) fn begin_anew(&mut self) {
        self.due = None;
        self.own = Own::Idle { not_before_ms: 0 };
    }

    /// The batch with this index was sent, or not.
    pub(super) fn carried(&mut self, index: u64, result: Result<(), String>, now_ms: u64) {
        if let Err(why) = result {
            warn!(index, %why, "batch not carried");
            counter!("horae_batches_not_carried").increment(1);
        }
        if matches!(self.own, Own::Sending) {
            self.own = Own::Idle { not_before_ms: now_ms.saturating_add(RETRY_MS) };
        }
    }

    /// Whose shares are in a batch's signature.
    pub(super) fn note_signers(&mut self, index: u64, signers: Vec<Address>) {
        self.signers.insert(index, signers);
        while self.signers.len() > SIGNERS {
            self.signers.pop_first();
        }
    }

    /// The highest batch that is final with this L1 block, if that is news.
    pub(super) fn finalized_at(&mut self, l1_block: u64) -> Option<u64> {
        let mut highest = None;
        while let Some((index, _)) = self.accepted.front().filter(|(_, block)| *block <= l1_block) {
            highest = Some(*index);
            self.accepted.pop_front();
        }
        let news = highest.filter(|index| self.final_told.is_none_or(|told| told < *index))?;
        self.final_told = Some(news);
        Some(news)
    }
}

impl Council {
    /// Moves the next batch along.
    pub(super) fn carry(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let Some(head) = self.carrying.head else { return };
        let Some(key) = self.key_in_force().filter(|key| self.groups.has(key)) else { return };
        if self.carrying.due.is_none() {
            return self.look(now_ms, head, io);
        }
        self.check_proposals(io);
        let Some(turn) = self.turn(&key, head.next_index).filter(|_| !self.rotation_goes_first(now_ms)) else { return };
        let Some(due) = &self.carrying.due else { return };
        let my_time = due.since_ms.saturating_add(turn.saturating_mul(STAND_IN_MS));
        let Own::Idle { not_before_ms } = self.carrying.own else { return };
        if !io.carries() || now_ms < my_time.max(not_before_ms) {
            return;
        }
        let batch = due.batch.clone();
        self.carrying.own = Own::Packing;
        io.begin(Work::Pack(batch));
    }

    fn look(&mut self, now_ms: u64, head: BatchHead, io: &mut impl CouncilIo) {
        if self.carrying.looking || now_ms < self.carrying.looked_ms.saturating_add(LOOK_MS) {
            return;
        }
        self.carrying.looking = true;
        self.carrying.looked_ms = now_ms;
        io.begin(Work::Look(head));
    }

    pub(super) fn hear_batch(&mut self, from: Address, proposal: BatchProposal, io: &mut impl CouncilIo) {
        let known = self.carrying.proposals.iter().any(|(sender, p)| *sender == from && p.index == proposal.index);
        if known {
            self.carrying.proposals.retain(|(sender, p)| *sender != from || p.index != proposal.index);
        }
        if self.carrying.proposals.len() == PROPOSALS {
            self.carrying.proposals.pop_front();
        }
        self.carrying.proposals.push_back((from, proposal));
        self.check_proposals(io);
    }

    fn check_proposals(&mut self, io: &mut impl CouncilIo) {
        let Some(due) = &self.carrying.due else { return };
        let index = due.batch.index();
        let proposals = std::mem::take(&mut self.carrying.proposals);
        let (now, later): (Vec<_>, Vec<_>) = proposals.into_iter().partition(|(_, p)| p.index == index);
        let batch = due.batch.clone();
        self.carrying.proposals = later.into();
        for (from, proposal) in now {
            io.begin(Work::Compare { from, batch: batch.clone(), data: proposal.data });
        }
    }

    pub(super) fn batch_checked(&mut self, checked: Checked, now_ms: u64, io: &mut impl CouncilIo) {
        match checked {
            Checked::Due(found) => {
                self.carrying.looking = false;
                let expected = self.carrying.head.map(|head| head.next_index);
                if let Some(batch) = found.filter(|batch| Some(batch.index()) == expected) {
                    debug!(index = batch.index(), last = batch.last_block(), "a batch is complete");
                    self.carrying.due = Some(Due { batch: Arc::from(batch), since_ms: now_ms });
                    self.check_proposals(io);
                }
            }
            Checked::Packed(index, result) => self.packed(index, result, now_ms, io),
            Checked::Theirs(_, _, Ok(digest)) => {
                let outputs = self.groups.approve(digest, now_ms, io.rng());
                self.signed(outputs, now_ms, io);
            }
            Checked::Theirs(from, index, Err(why)) => {
                counter!("horae_batches_refused").increment(1);
                error!(%from, index, %why, "another validator's batch is not what was committed here: not signed");
            }
        }
    }

    fn packed(
        &mut self,
        index: u64,
        result: Result<(Bytes, Box<SignableBatch>), String>,
        now_ms: u64,
        io: &mut impl CouncilIo,
    ) {
        let current = self.carrying.due.as_ref().map(|due| due.batch.index()) == Some(index);
        if !current || !matches!(self.carrying.own, Own::Packing) {
            return;
        }
        let (data, signable) = match result {
            Ok(packed) => packed,
            Err(why) => {
                error!(index, %why, "batch cannot be packed");
                self.carrying.own = Own::Idle { not_before_ms: now_ms.saturating_add(RETRY_MS) };
                return;
            }
        };
        let first_block = signable.header.firstBlock;
        let proposal = LinkMessage::Batch(BatchProposal { index, first_block, data: data.to_vec() });
        io.broadcast(&proposal);
        let digest = signable.digest;
        self.carrying.own = Own::Signing { signable, data };
        let mut outputs = self.groups.approve(digest, now_ms, io.rng());
        let key = self.key_in_force();
        match key.and_then(|key| self.groups.under(&key)) {
            Some(group) => outputs.extend(group.begin(digest, now_ms, io.rng())),
            None => self.batch_failed(&digest, now_ms),
        }
        self.signed(outputs, now_ms, io);
    }

    /// A digest was given up.
    pub(super) fn batch_failed(&mut self, digest: &B256, now_ms: u64) {
        if matches!(&self.carrying.own, Own::Signing { signable, .. } if signable.digest == *digest) {
            self.carrying.own = Own::Idle { not_before_ms: now_ms.saturating_add(RETRY_MS) };
        }
    }

    pub(super) fn send_batch(
        &mut self,
        digest: B256,
        signature: GroupSignature,
        signers: Vec<Address>,
        io: &mut impl CouncilIo,
    ) {
        let own = std::mem::replace(&mut self.carrying.own, Own::Sending);
        let (signable, data) = match own {
            Own::Signing { signable, data } if signable.digest == digest => (signable, data),
            other => {
                self.carrying.own = other;
                return;
            }
        };
        let index = signable.header.index;
        self.carrying.note_signers(index, signers.clone());
        io.broadcast(&LinkMessage::Signed { index, signers });
        io.begin(Work::Submit { header: signable.header, signature, data });
    }

    /// L1 has a batch: everyone notes it, whoever carried it.
    pub(super) fn batch_accepted(&mut self, accepted: &AcceptedBatch, l1_gas: u64, io: &mut impl CouncilIo) {
        let batch = &accepted.batch;
        let limits = UnpackLimits::new(&self.params);
        let (transactions, raw_bytes) = match unpack(&accepted.data, &limits) {
            Ok(unpacked) => unpacked
                .blocks
                .iter()
                .flat_map(|block| &block.transactions)
                .fold((0, 0), |(count, bytes): (u64, u64), raw| (count + 1, bytes + raw.len() as u64)),
            Err(why) => {
                error!(index = batch.index, %why, "a batch that L1 accepted does not unpack");
                (0, 0)
            }
        };
        let signers = self.carrying.signers.get(&batch.index).cloned().unwrap_or_default();
        let record = BatchRecord { signers, l1_gas, ..accepted.record(transactions, raw_bytes) };
        self.carrying.accepted.push_back((batch.index, accepted.l1_block.number));
        if self.carrying.accepted.len() > ACCEPTED {
            self.carrying.accepted.pop_front();
        }
        io.event(ChainEvent::BatchAccepted(Arc::new(record)));
    }
}
