//! Liars. A Byzantine node runs the honest code behind a mask that changes what leaves it: it seals twice, acks twice, hides
//! and invents in its close votes, spoils or withholds its signature shares, serves old certificates, seals in the future, repeats itself.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use horae_control::pending::Pending;
use horae_control::{Ack, BlockFacts, BlockId, Certificate, CloseVote, Domain, SignedBlock, SignerKey, Term};
use horae_mpc::{SigningBody, SigningReply};
use horae_node::council::message::LinkMessage;
use horae_node::replica::chain::facts_of;
use horae_node::replica::message::{PeerMessage, SealedBlock};

use super::rng::Rng;

/// What a liar keeps to say it again.
const REMEMBERED: usize = 64;
/// How far into the future it seals, in milliseconds.
const FUTURE_MS: u64 = 3_600_000;

/// The lies that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Seals two blocks at a height, and shows each to a part of the others.
    SealsTwice,
    /// Seals, and does not show it.
    IsMute,
    /// Acks both of two blocks, and blocks that it has not got.
    AcksTwice,
    /// Hides in its close votes what it acked, and says other things to others.
    HidesAcks,
    /// Lists in its close votes blocks that nobody has.
    ListsPhantoms,
    /// Its shares of signatures are wrong.
    SpoilsShares,
    /// It promises shares of signatures, and keeps them to itself.
    WithholdsShares,
    /// It promises no shares of signatures.
    WithholdsCommitments,
    /// Carries old certificates.
    ServesOldCertificates,
    /// Seals far in the future.
    SealsInTheFuture,
    /// Says again what it said long ago.
    RepeatsItself,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SealsTwice,
        Self::IsMute,
        Self::AcksTwice,
        Self::HidesAcks,
        Self::ListsPhantoms,
        Self::SpoilsShares,
        Self::WithholdsShares,
        Self::WithholdsCommitments,
        Self::ServesOldCertificates,
        Self::SealsInTheFuture,
        Self::RepeatsItself,
    ];
}

/// A liar's mask.
pub struct Mask {
    lies: Vec<Lie>,
    rng: Rng,
    key: SignerKey,
    domain: Domain,
    incarnation: u64,
    /// The other block at a height of a term.
    twins: BTreeMap<(u64, u64), SealedBlock>,
    said: Vec<PeerMessage>,
    /// Blocks that it has seen, of the last heights.
    seen: Vec<BlockFacts>,
    certificates: Vec<Certificate>,
    /// Lies told.
    pub told: u64,
}

impl Mask {
    /// A mask for these lies.
    #[must_use]
    pub fn new(lies: Vec<Lie>, rng: Rng, key: SignerKey, domain: Domain) -> Self {
        Self {
            lies,
            rng,
            key,
            domain,
            incarnation: 0,
            twins: BTreeMap::new(),
            said: Vec::new(),
            seen: Vec::new(),
            certificates: Vec::new(),
            told: 0,
        }
    }

    /// The incarnation that it speaks as.
    pub fn speaks_as(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
    }

    fn dares(&mut self, lie: Lie, per_mille: u64) -> bool {
        self.lies.contains(&lie) && self.rng.chance(per_mille)
    }

    /// Something came in.
    pub fn heard(&mut self, message: &PeerMessage) {
        match message {
            PeerMessage::Block { block, .. } => keep(&mut self.seen, facts_of(block.header(), block.header().hash())),
            PeerMessage::Certificate(certificate) => keep(&mut self.certificates, certificate.clone()),
            _ => {}
        }
    }

    /// What really goes out to `to` instead of a message between replicas.
    pub fn twist(&mut self, to: usize, message: PeerMessage) -> Vec<PeerMessage> {
        let mut out = Vec::new();
        if self.dares(Lie::RepeatsItself, 100) && !self.said.is_empty() {
            out.push(self.rng.pick(&self.said).clone());
            self.told += 1;
        }
        keep(&mut self.said, message.clone());
        match message {
            PeerMessage::Block { block, carried } => self.twist_block(to, block, carried, &mut out),
            PeerMessage::Ack(ack) if ack.validator == self.key.address() => {
                out.push(PeerMessage::Ack(ack));
                self.ack_more(&ack, &mut out);
            }
            PeerMessage::Certificate(certificate) => {
                keep(&mut self.certificates, certificate.clone());
                if self.dares(Lie::ServesOldCertificates, 500) {
                    let old = self.rng.pick(&self.certificates).clone();
                    out.push(PeerMessage::Certificate(old));
                    self.told += 1;
                } else {
                    out.push(PeerMessage::Certificate(certificate));
                }
            }
            other => out.push(other),
        }
        out
    }

    fn twist_block(&mut self, to: usize, block: SealedBlock, carried: Option<Certificate>, out: &mut Vec<PeerMessage>) {
        if self.dares(Lie::IsMute, 900) {
            self.told += 1;
            return;
        }
        if self.dares(Lie::ServesOldCertificates, 200) && !self.certificates.is_empty() {
            let old = self.rng.pick(&self.certificates).clone();
            self.told += 1;
            out.push(PeerMessage::Block { block, carried: Some(old) });
            return;
        }
        if self.dares(Lie::SealsInTheFuture, 30) {
            let late = self.sealed_anew(&block, FUTURE_MS);
            self.told += 1;
            out.push(PeerMessage::Block { block: late, carried });
            return;
        }
        let place = (block.header().term, block.header().number);
        if !self.twins.contains_key(&place) && self.dares(Lie::SealsTwice, 60) {
            let ahead_ms = self.rng.between(1, 30);
            let twin = self.sealed_anew(&block, ahead_ms);
            self.twins.insert(place, twin);
        }
        match self.twins.get(&place) {
            Some(twin) if to.is_multiple_of(2) => {
                self.told += 1;
                keep(&mut self.seen, facts_of(twin.header(), twin.header().hash()));
                out.push(PeerMessage::Block { block: twin.clone(), carried });
            }
            _ => out.push(PeerMessage::Block { block, carried }),
        }
    }

    /// The same block some time later.
    fn sealed_anew(&self, block: &SealedBlock, ahead_ms: u64) -> SealedBlock {
        let mut anew = block.clone();
        anew.block.header.timestamp_ms += ahead_ms;
        let facts = facts_of(&anew.block.header, anew.block.header.hash());
        anew.signature = SignedBlock::sign(facts, &self.domain, self.incarnation, &self.key).signature;
        anew
    }

    fn ack_more(&mut self, ack: &Ack, out: &mut Vec<PeerMessage>) {
        if !self.dares(Lie::AcksTwice, 500) {
            return;
        }
        let others: Vec<BlockFacts> =
            self.seen.iter().filter(|facts| facts.term == ack.term && facts.id != ack.block).copied().collect();
        for facts in others.iter().rev().take(3) {
            let other = Ack { block: facts.id, slot: facts.slot, certificate: None, ..*ack };
            out.push(PeerMessage::Ack(other.signed(&self.domain, &self.key)));
            self.told += 1;
        }
    }

    /// What really goes out to `to` instead of a message between councils.
    pub fn twist_link(&mut self, message: LinkMessage, term: Option<&Term>) -> Vec<LinkMessage> {
        match message {
            LinkMessage::Pending(command) => match *command {
                Pending::Close(vote) if vote.validator == self.key.address() => {
                    let vote = self.twist_vote(vote, term);
                    vec![LinkMessage::Pending(Box::new(Pending::Close(vote)))]
                }
                other => vec![LinkMessage::Pending(Box::new(other))],
            },
            LinkMessage::Signing(mut message) => {
                let withheld = match &message.body {
                    SigningBody::Commitments(_) => self.dares(Lie::WithholdsCommitments, 950),
                    SigningBody::Reply(_) => self.dares(Lie::WithholdsShares, 950),
                    _ => false,
                };
                if withheld {
                    self.told += 1;
                    return Vec::new();
                }
                if self.dares(Lie::SpoilsShares, 700)
                    && let SigningBody::Reply(SigningReply::Shares { shares, .. }) = &mut message.body
                    && let Some(share) = shares.first_mut()
                {
                    share[31] ^= 1;
                    self.told += 1;
                }
                vec![LinkMessage::Signing(message)]
            }
            other => vec![other],
        }
    }

    fn twist_vote(&mut self, mut vote: CloseVote, term: Option<&Term>) -> CloseVote {
        if self.dares(Lie::HidesAcks, 600) {
            let keep = self.rng.below(vote.acked.len() + 1);
            vote.acked.truncate(keep);
            if vote.acked.is_empty() {
                vote.certificate = None;
            }
            self.told += 1;
        }
        if let Some(term) = term
            && self.dares(Lie::ListsPhantoms, 600)
            && let Some(phantom) = self.phantom(&vote, term)
        {
            vote.acked.push(phantom);
            self.told += 1;
        }
        vote.signed(&self.domain, &self.key)
    }

    /// A block that nobody has, as a child of the last one listed, if this validator may seal there.
    fn phantom(&self, vote: &CloseVote, term: &Term) -> Option<SignedBlock> {
        let below = match (vote.acked.last(), &vote.certificate) {
            (Some(last), _) => last.facts,
            (None, None) => term.parent,
            (None, Some(_)) => return None,
        };
        let mine = term.sequencer_after(&below).is_some_and(|validator| validator.signer == self.key.address());
        let id = BlockId { number: below.id.number + 1, hash: keccak256(below.id.hash) };
        let facts = BlockFacts {
            id,
            parent: below.id.hash,
            epoch: term.epoch,
            term: term.number,
            slot: term.child_slot(&below),
            ends_slot: false,
            control_height: below.control_height,
            timestamp_ms: below.timestamp_ms,
        };
        mine.then(|| SignedBlock::sign(facts, &self.domain, self.incarnation, &self.key))
    }
}

fn keep<T>(kept: &mut Vec<T>, new: T) {
    if kept.len() == REMEMBERED {
        kept.remove(0);
    }
    kept.push(new);
}
