//! Acks, certificates and commits: what this replica promises, and what the promises of all add up to.
//!
//! Every promise is appended to the journal before it is queued, and leaves only once the journal is on stable storage.

use std::sync::Arc;

use alloy_primitives::Address;
use horae_control::{Ack, Certificate, Commit, Evidence, Offence, Refused, SignedBlock, Tallied, Voted, planted};
use horae_stages::StateSource;
use metrics::counter;
use tracing::{debug, error, info, warn};

use super::io::{Entry, ReplicaIo};
use super::message::PeerMessage;
use super::{NewestKnown, Promised, Replica};
use crate::chain_view::ChainEvent;

/// How much longer than otherwise a node that starts waits for a commit before it votes to close the term: its peers have to find
/// it again before their silence means anything, and who has voted to close says nothing more in that term.
const START_GRACE_MS: u64 = 3_000;

impl<S: StateSource> Replica<S> {
    /// Acks every executed block that may be acked now, in order.
    pub(super) fn acknowledge(&mut self, now_ms: u64, io: &mut impl ReplicaIo) {
        loop {
            let Some(term) = self.voter.term() else { return };
            let parent = term.parent.id;
            let tip = self.voter.tip().unwrap_or(term.parent);
            if !self.chain.contains(&tip.id) {
                return;
            }
            let next = if planted!(AckWithGap) { self.head().number } else { tip.id.number + 1 };
            let Some((block, carried)) = self.chain.signed(next) else { return };
            let carried = carried.cloned();
            if self.is_early(now_ms, &block.facts) {
                counter!("horae_acks_waiting_for_clock").increment(1);
                return;
            }
            let held = self.voter.certificate().is_some_and(|certificate| certificate.block == tip.id);
            match self.voter.ack(&block, carried.as_ref()) {
                Ok(voted) => {
                    // The query side keeps what a peer that comes late will need to ack this block.
                    if let Some(certificate) = carried.filter(|_| tip.ends_slot && tip.id != parent && !held) {
                        io.event(ChainEvent::Certified(Arc::new(certificate)));
                    }
                    self.promise(voted, io);
                }
                Err(Refused::Equivocation(evidence)) => return self.accuse(&evidence, io),
                Err(
                    Refused::WindowFull { .. }
                    | Refused::NoVoice { .. }
                    | Refused::Silent
                    | Refused::VotedToClose { .. },
                ) => return,
                Err(why) => {
                    counter!("horae_acks_refused").increment(1);
                    debug!(block = %block.facts.id, %why, "not acked");
                    return;
                }
            }
        }
    }

    fn promise(&mut self, voted: Voted<Ack>, io: &mut impl ReplicaIo) {
        let after = io.append(Entry::Vote(voted.record));
        self.promised.push_back(Promised { after, ack: voted.statement });
    }

    /// Sends what has become stable.
    pub(super) fn speak(&mut self, io: &mut impl ReplicaIo) -> bool {
        let durable = io.durable();
        let mut worked = false;
        while self.promised.front().is_some_and(|promised| promised.after <= durable || planted!(AckBeforeStored)) {
            let Some(Promised { ack, .. }) = self.promised.pop_front() else { break };
            worked = true;
            self.say(&ack, io);
        }
        worked
    }

    fn say(&mut self, ack: &Ack, io: &mut impl ReplicaIo) {
        for receiver in self.ack_receivers(ack.slot) {
            io.send(receiver, &PeerMessage::Ack(*ack));
        }
        self.hear_ack(ack, io);
    }

    /// Says the last ack again: a message may have been lost, or this node has just come back.
    pub(super) fn repeat_ack(&mut self, io: &mut impl ReplicaIo) {
        if self.promised.is_empty()
            && let Some(ack) = self.voter.last_ack()
        {
            self.say(&ack, io);
        }
    }

    pub(super) fn hear_ack(&mut self, ack: &Ack, io: &mut impl ReplicaIo) {
        let Some(tally) = &mut self.tally else { return };
        match tally.add(ack) {
            Ok(done) => {
                for tallied in done {
                    self.tallied(tallied, io);
                }
            }
            Err(why) => {
                counter!("horae_acks_not_counted").increment(1);
                debug!(validator = %ack.validator, %why, "ack not counted");
            }
        }
    }

    fn tallied(&mut self, tallied: Tallied, io: &mut impl ReplicaIo) {
        match tallied {
            Tallied::Certificate(certificate) => {
                io.broadcast(&PeerMessage::Certificate(certificate.clone()));
                self.certified(&certificate, io);
            }
            Tallied::Commit(commit) => {
                io.broadcast(&PeerMessage::Commit(commit.clone()));
                self.hear_commit(commit, io);
            }
            Tallied::Evidence(evidence) => self.accuse(&evidence, io),
        }
    }

    /// Hands on what convicts a validator, once a validator and term. If it is the sequencer of the running slot that signed
    /// two blocks at one height, the term is over for this validator.
    pub(super) fn accuse(&mut self, evidence: &Evidence, io: &mut impl ReplicaIo) {
        let Some(term) = self.voter.term() else { return };
        let judged = evidence.proof(term).and_then(|proof| proof.verify(term).map(|offence| (proof, offence)));
        let (proof, offence) = match judged {
            Ok(judged) => judged,
            Err(why) => return debug!(%why, "this convicts nobody"),
        };
        let validator = proof.validator;
        if !self.accused.insert(validator) {
            return;
        }
        counter!("horae_evidence").increment(1);
        error!(%validator, ?offence, "a validator contradicted itself");
        io.evidence(proof);
        if offence == Offence::DoubleBlock && self.sequencer() == Some(validator) {
            self.vote_to_close("the sequencer signed two blocks at one height", io);
        }
    }

    pub(super) fn hear_certificate(&mut self, certificate: &Certificate, io: &mut impl ReplicaIo) {
        self.certified(certificate, io);
        let Some(tally) = &mut self.tally else { return };
        match tally.hold_certificate(certificate) {
            Ok(Some(commit)) => self.tallied(Tallied::Commit(commit), io),
            Ok(None) => {}
            Err(why) => debug!(%why, "certificate not counted"),
        }
    }

    fn certified(&mut self, certificate: &Certificate, io: &mut impl ReplicaIo) {
        match self.voter.hold_certificate(certificate) {
            Ok(Some(voted)) => {
                io.event(ChainEvent::Certified(Arc::new(certificate.clone())));
                self.renewed(voted, io);
            }
            Ok(None) => {}
            Err(why) => {
                counter!("horae_certificates_refused").increment(1);
                debug!(block = %certificate.block, %why, "certificate refused");
            }
        }
    }

    /// A higher certificate is held: the block acked last is acked again, naming it.
    pub(super) fn renewed(&mut self, voted: Voted<Option<Ack>>, io: &mut impl ReplicaIo) {
        let after = if planted!(CertificateNotStored) { io.durable() } else { io.append(Entry::Vote(voted.record)) };
        if let Some(ack) = voted.statement {
            self.promised.push_back(Promised { after, ack });
        }
    }

    pub(super) fn hear_commit(&mut self, commit: Commit, io: &mut impl ReplicaIo) {
        let block = commit.block();
        if block.number <= self.committed {
            return;
        }
        let Some(term) = self.voter.term() else { return };
        let of_open_term = commit.certificate.term == term.number;
        let verified = if of_open_term {
            match self.voter.hold_commit(&commit) {
                Ok(voted) => {
                    if let Some(voted) = voted {
                        io.event(ChainEvent::Certified(Arc::new(commit.certificate.clone())));
                        self.renewed(voted, io);
                    }
                    Ok(())
                }
                Err(why) => Err(why.to_string()),
            }
        } else {
            match self.set_of(commit.certificate.epoch) {
                Some(set) => commit.verify(set, &term.domain).map_err(|why| why.to_string()),
                None => Err(format!("epoch {} is not known here", commit.certificate.epoch)),
            }
        };
        if let Err(why) = verified {
            counter!("horae_commits_refused").increment(1);
            return debug!(%block, %why, "commit refused");
        }
        if let Some(tally) = self.tally.as_mut().filter(|_| of_open_term) {
            tally.hold_committed(block.number);
            self.committed_in_term = true;
        }
        if block.number <= self.head().number {
            self.committed_by(commit, io);
        } else if self.commit_ahead.as_ref().is_none_or(|ahead| ahead.block().number < block.number) {
            // The chain goes on, though this replica has yet to catch up with it: no reason to close the term.
            self.commit_ahead = Some(commit);
            self.made_progress();
        }
    }

    /// A verified commit of a height that is executed here.
    pub(super) fn committed_by(&mut self, commit: Commit, io: &mut impl ReplicaIo) {
        let block = commit.block();
        if block.number <= self.committed {
            return;
        }
        if !self.chain.contains(&block) {
            warn!(%block, "committed is another block than was executed here: going back to the last committed one");
            self.roll_back(self.committed, io);
            self.commit_ahead = Some(commit);
            return;
        }
        self.committed = block.number;
        self.made_progress();
        io.append(Entry::Commit(commit.clone()));
        io.event(ChainEvent::Committed(Arc::new(commit.clone())));
        self.commit_shown = Some(commit);
    }

    /// What is known here of a validator's statements in the open term.
    pub(super) fn newest_of(&self, validator: &Address) -> NewestKnown {
        NewestKnown { ack: self.newest_ack(validator), sealed: self.newest_block(validator) }
    }

    /// The ack of a validator for the highest block: counted here, or in a certificate or commit held here or carried by a
    /// recent block.
    fn newest_ack(&self, validator: &Address) -> Option<Ack> {
        let term = self.voter.term()?.number;
        let commit = self.commit_shown.as_ref();
        let certificates = [self.voter.certificate(), commit.map(|commit| &commit.certificate)];
        let carried = self.chain.blocks().filter_map(|held| held.carried.as_ref());
        let certified = certificates.into_iter().flatten().chain(carried).flat_map(Certificate::acks);
        let committed = commit.into_iter().flat_map(|commit| commit.acks.iter().copied());
        let counted = self.tally.as_ref().and_then(|tally| tally.newest_ack(validator));
        let theirs = certified.chain(committed).filter(|ack| ack.validator == *validator && ack.term == term);
        theirs.chain(counted).max_by_key(|ack| (ack.block.number, ack.certificate))
    }

    /// The highest block that a validator sealed: executed here, or waiting for its turn.
    fn newest_block(&self, validator: &Address) -> Option<SignedBlock> {
        let term = self.voter.term()?;
        let held = self.chain.blocks().map(|held| held.signed);
        let theirs = held.chain(self.side.blocks()).chain(self.arrivals.blocks()).filter(|block| {
            let sequencer = term.sequencer_of(block.facts.slot);
            block.facts.term == term.number && sequencer.is_some_and(|sequencer| sequencer.signer == *validator)
        });
        theirs.max_by_key(|block| (block.facts.slot, block.facts.id))
    }

    /// This validator may speak from now on.
    pub(super) fn speak_as(&mut self, now_ms: u64, incarnation: u64, io: &mut impl ReplicaIo) {
        if let Some(voted) = self.voter.speak_as(incarnation) {
            self.renewed(voted, io);
        }
        self.progress_ms = now_ms.saturating_add(START_GRACE_MS);
        self.close_if_begun_before(io);
        self.repeat_ack(io);
    }

    /// Votes to close the open term, once: stores the vote, and hands it to the control plane.
    pub(super) fn vote_to_close(&mut self, why: &str, io: &mut impl ReplicaIo) {
        match self.voter.close() {
            Ok(voted) => {
                info!(term = voted.statement.term, why, "voting to close the term");
                counter!("horae_close_votes").increment(1);
                let after = io.append(Entry::Vote(voted.record));
                self.closing = Some((after, voted.statement));
                // Said as soon as it is stored, whatever was repeated last.
                self.repeated_ms = 0;
                // Nothing more may be sealed here in this term.
                self.abandon(io);
            }
            Err(why) => debug!(%why, "no close vote"),
        }
    }
}
