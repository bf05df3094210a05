//! Its own slots: begin one as soon as the block below is certified, fill and seal blocks without waiting for acks, hand over.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use horae_control::{BlockFacts, Certificate, Refused, planted};
use horae_stages::seal::Offered;
use horae_stages::{ExecutedBlock, Sealer, SlotContext, StateError, StateSource};
use metrics::counter;
use tracing::{info, warn};

use super::chain::{Held, facts_of};
use super::io::{Entry, Lsn, ReplicaIo};
use super::message::{PeerMessage, SealedBlock};
use super::{Replica, unreadable};

/// Transactions executed in one turn.
const EXECUTE_BURST: usize = 256;

/// The slot held now.
pub(super) struct Leading {
    sealer: Sealer,
    /// The note of the begun slot; no block is sealed before it is on stable storage, for one that is sealed leaves in many
    /// ways: on the stream, in answers to peers, in feeds.
    noted: Lsn,
    is_noted: bool,
    /// The certificate of the block below the slot, which its first block carries.
    carried: Option<Certificate>,
    /// Where a sealed block may not go further ahead of the highest commit.
    window_full: bool,
}

impl Leading {
    /// Ends the slot early; gives its number.
    pub(super) fn end(&mut self) -> u64 {
        self.sealer.end();
        self.sealer.slot().slot
    }

    pub(super) fn next_due_ms(&self) -> u64 {
        if self.window_full || !self.is_noted { u64::MAX } else { self.sealer.next_due_ms() }
    }
}

impl<S: StateSource> Replica<S> {
    /// One turn as sequencer: begins a slot that is ours, fills the open block, seals what is due.
    pub(super) fn lead(&mut self, now_ms: u64, io: &mut impl ReplicaIo) -> bool {
        if self.commit_ahead.is_some() {
            // Others have gone on without this node: what it would seal here is void already.
            self.abandon(io);
            return false;
        }
        let mut worked = self.leading.is_none() && self.begin(io);
        let Some(mut leading) = self.leading.take() else { return worked };
        worked |= self.fill(now_ms, &mut leading, io);
        if leading.sealer.ended() {
            self.hand_over(leading);
        } else {
            self.leading = Some(leading);
        }
        worked
    }

    fn begin(&mut self, io: &mut impl ReplicaIo) -> bool {
        let head = self.chain.head_facts();
        let Some(term) = self.voter.term() else { return false };
        let ours = term.sequencer_after(&head).is_some_and(|leader| leader.signer == self.voter.address());
        let slot = term.child_slot(&head);
        let at_start = head.id == term.parent.id || head.ends_slot || planted!(RestartedSequencerSeals);
        let acked = self.voter.tip().map_or(term.parent.id, |tip| tip.id) == head.id;
        if !ours || !at_start || !acked || head.term > term.number || self.ends_epoch(&head) {
            return false;
        }
        let context = SlotContext {
            epoch: term.epoch,
            term: term.number,
            slot,
            sequencer: self.voter.address(),
            fee_recipient: self.config.fee_recipient,
        };
        let by_handover = head.id != term.parent.id;
        match self.voter.begin_slot(slot) {
            Ok(record) => {
                let noted = io.append(Entry::Vote(record));
                let carried = by_handover.then(|| self.voter.certificate().cloned()).flatten();
                info!(slot, term = context.term, above = head.id.number, "slot begun");
                let mut sealer = Sealer::new(context, self.chain.head().clone(), self.config.params.clone());
                if self.draining {
                    sealer.end();
                }
                self.leading = Some(Leading { sealer, noted, is_noted: false, carried, window_full: false });
                let base_fee = horae_stages::rules::next_base_fee(self.chain.head(), &self.config.params);
                for tx in self.relay.drain() {
                    self.order.push(tx, base_fee);
                }
                true
            }
            Err(
                Refused::CertificateMissing { .. }
                | Refused::NotOurSlot { .. }
                | Refused::NoVoice { .. }
                | Refused::Silent
                | Refused::VotedToClose { .. },
            ) => false,
            Err(why) => {
                warn!(slot, %why, "slot not begun");
                false
            }
        }
    }

    fn fill(&mut self, now_ms: u64, leading: &mut Leading, io: &mut impl ReplicaIo) -> bool {
        let mut worked = false;
        self.apply_above(leading.sealer.tip().l1_view.number);
        leading.is_noted |= io.durable() >= leading.noted || planted!(SealedBeforeNoted);
        for _ in 0..EXECUTE_BURST {
            if leading.sealer.ended() || self.window_full(leading) {
                break;
            }
            let Some(tx) = self.order.pop() else { break };
            worked = true;
            match leading.sealer.offer(now_ms, &self.applied, &mut self.executor, tx) {
                Ok(Offered::Taken(_)) => {}
                Ok(Offered::Shed(rejected)) => {
                    let nonce = rejected.parcel.envelope().map(alloy_consensus::Transaction::nonce);
                    self.admit.lost(rejected.parcel.sender(), nonce.unwrap_or_default());
                    self.refuse(&rejected.parcel, &rejected.why, io);
                }
                Ok(Offered::Full(tx)) => {
                    self.order.put_back(tx);
                    if !leading.is_noted {
                        break;
                    }
                    self.seal_now(now_ms, leading, io);
                }
                Ok(Offered::Ended(tx)) => {
                    self.order.put_back(tx);
                    break;
                }
                Err((tx, why)) => {
                    io.fail(unreadable(&why));
                    self.order.put_back(tx);
                    break;
                }
            }
        }
        if leading.is_noted && !self.window_full(leading) {
            let sealed = leading.sealer.tick(now_ms, &self.applied, &mut self.executor);
            worked |= self.take_sealed(now_ms, leading, sealed, io);
        }
        worked
    }

    fn seal_now(&mut self, now_ms: u64, leading: &mut Leading, io: &mut impl ReplicaIo) {
        let sealed = leading.sealer.seal(now_ms, &self.applied, &mut self.executor);
        self.take_sealed(now_ms, leading, sealed, io);
    }

    /// What came of the attempt to seal; gives whether there is a block.
    fn take_sealed(
        &mut self,
        now_ms: u64,
        leading: &mut Leading,
        sealed: Result<Option<ExecutedBlock>, StateError<S::Error>>,
        io: &mut impl ReplicaIo,
    ) -> bool {
        match sealed {
            Ok(Some(executed)) => {
                self.sealed(now_ms, leading, executed, io);
                self.apply_above(leading.sealer.tip().l1_view.number);
                true
            }
            Ok(None) => false,
            Err(why) => {
                io.fail(unreadable(&why));
                false
            }
        }
    }

    /// Whether one more block would be more than `W` above the highest commit.
    fn window_full(&self, leading: &mut Leading) -> bool {
        let next = leading.sealer.tip().number + 1;
        let full = next.saturating_sub(self.committed) > self.config.params.window_blocks;
        if full && !leading.window_full {
            counter!("horae_window_full").increment(1);
        }
        leading.window_full = full;
        full
    }

    fn sealed(&mut self, now_ms: u64, leading: &mut Leading, executed: ExecutedBlock, io: &mut impl ReplicaIo) {
        let facts = facts_of(&executed.block.header, executed.hash);
        let signed = self
            .voter
            .seal(facts)
            .unwrap_or_else(|why| panic!("a block sealed in a slot that was begun may be signed, yet: {why}"));
        let held = Held::new(Arc::new(executed), signed.signature, leading.carried.take());
        let message = PeerMessage::Block { block: held.sealed(), carried: held.carried.clone() };
        if planted!(EquivocatingSequencer) {
            self.show_two(&message, io);
        } else {
            io.broadcast(&message);
        }
        self.extend(now_ms, held, io);
        self.acknowledge(now_ms, io);
    }

    /// A fault that tests plant: the first of the others is shown another block than the rest.
    fn show_two(&mut self, message: &PeerMessage, io: &mut impl ReplicaIo) {
        let (PeerMessage::Block { block, carried }, Some(term)) = (message, self.voter.term()) else { return };
        let own = self.voter.address();
        let others: Vec<Address> =
            term.set.validators().iter().map(|validator| validator.signer).filter(|signer| *signer != own).collect();
        let mut twin = block.block.clone();
        twin.header.timestamp_ms += 1;
        let Ok(signed) = self.voter.seal(facts_of(&twin.header, twin.header.hash())) else { return };
        let twin = SealedBlock { block: twin, signature: signed.signature };
        let twin = PeerMessage::Block { block: twin, carried: carried.clone() };
        for (at, other) in others.into_iter().enumerate() {
            io.send(other, if at == 0 { &twin } else { message });
        }
    }

    /// The slot's last block is sealed: what is left waits for the next sequencer.
    fn hand_over(&mut self, leading: Leading) {
        info!(slot = leading.sealer.slot().slot, last = self.head().number, "slot ended");
        self.keep_for_next();
    }

    /// The term is over while a block is open: its transactions start again, and with them all that were to follow.
    pub(super) fn abandon(&mut self, io: &mut impl ReplicaIo) {
        if let Some(leading) = self.leading.take() {
            let open = leading.sealer.abandon(&mut self.executor);
            self.start_again(open.iter().map(|raw| (keccak256(raw), raw)), io);
        }
    }

    /// Sends these transactions through the pipeline again, and behind them all that were handed out after them, so that
    /// no nonce overtakes a lower one.
    pub(super) fn start_again<'a>(&mut self, void: impl Iterator<Item = (B256, &'a Bytes)>, io: &mut impl ReplicaIo) {
        self.admit.reset();
        for (hash, raw) in void {
            io.forget(hash);
            io.resubmit(raw);
        }
        self.keep_for_next();
        for tx in self.relay.drain() {
            io.forget(tx.body().hash());
            io.resubmit(tx.body().raw());
        }
    }

    fn keep_for_next(&mut self) {
        while let Some(tx) = self.order.pop() {
            self.relay.push(tx);
        }
    }

    /// The sequencers that acks go to: of the block's slot, of the next one, and of the slot that runs now.
    pub(super) fn ack_receivers(&self, slot: u64) -> Vec<Address> {
        let Some(term) = self.voter.term() else { return Vec::new() };
        let running = term.child_slot(&self.head_facts());
        let next = term.slot_after(slot, self.control.height);
        let mut receivers: Vec<_> = [slot, next, running]
            .into_iter()
            .filter_map(|slot| term.sequencer_of(slot))
            .map(|leader| leader.signer)
            .filter(|signer| *signer != self.voter.address())
            .collect();
        receivers.sort_unstable();
        receivers.dedup();
        receivers
    }

    fn head_facts(&self) -> BlockFacts {
        self.chain.head_facts()
    }
}
