//! What the tests of this crate share: validators, chains of blocks, statements, a small seeded generator.

#![allow(clippy::unwrap_used)]

pub(crate) mod control;
mod search;
mod simulation;

use std::cell::Cell;

use alloy_primitives::{Address, B256, U256, keccak256};

use crate::digest::Domain;
use crate::limits::MIN_STAKE;
use crate::proof::{Proof, Said, SaidAndSigned};
use crate::schedule::Schedule;
use crate::set::{Candidate, ValidatorSet};
use crate::sign::{Signature, SignerKey};
use crate::skips::Skips;
use crate::statement::{
    Ack, BlockFacts, BlockId, Certificate, CertificateAck, CloseVote, EngineStatement, Readiness, SignedBlock,
};
use crate::term::Term;

thread_local! {
    static QUORUM_SLACK: Cell<u64> = const { Cell::new(0) };
}

/// Weight that the planted fault adds to every quorum check on this thread.
pub(crate) fn planted_quorum_slack() -> u64 {
    QUORUM_SLACK.get()
}

/// Plants an off-by-`slack` quorum on this thread until the guard is dropped.
pub(crate) struct PlantedQuorum;

impl PlantedQuorum {
    pub(crate) fn new(slack: u64) -> Self {
        QUORUM_SLACK.set(slack);
        Self
    }
}

impl Drop for PlantedQuorum {
    fn drop(&mut self) {
        QUORUM_SLACK.set(0);
    }
}

/// xorshift64*: seeded, so that a failing run can be run again.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            rng.next();
        }
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { Some(&from[self.below(from.len())]) }
    }
}

pub(crate) fn domain() -> Domain {
    Domain { chain_id: 59_901, locking: Address::repeat_byte(0x11) }
}

/// The `n`-th test key; the order of keys is not the order of addresses.
pub(crate) fn key(n: usize) -> SignerKey {
    SignerKey::from_bytes(&keccak256(format!("test key {n}")).0).unwrap()
}

pub(crate) fn candidate(n: usize, units: u64) -> Candidate {
    Candidate {
        id: n as u64 + 1,
        signer: key(n).address(),
        node_key: keccak256(format!("node key {n}")).0,
        stake: U256::from(MIN_STAKE) * U256::from(units),
    }
}

pub(crate) fn set(units: &[u64]) -> ValidatorSet {
    let candidates: Vec<Candidate> = units.iter().enumerate().map(|(n, u)| candidate(n, *u)).collect();
    ValidatorSet::form(&candidates).unwrap()
}

/// Test keys in the order of a set's members.
pub(crate) fn keys_of(set: &ValidatorSet) -> Vec<SignerKey> {
    let key_of = |signer: &Address| (0..set.len()).map(key).find(|key| key.address() == *signer).unwrap();
    set.validators().iter().map(|v| key_of(&v.signer)).collect()
}

/// Term 1 on genesis, slot 1, with validators of these stakes.
pub(crate) fn term(units: &[u64], window_blocks: u64) -> Term {
    let set = set(units);
    Term {
        domain: domain(),
        number: 1,
        opened_height: 0,
        epoch: 0,
        parent: BlockFacts::genesis(B256::repeat_byte(0x99)),
        first_slot: 1,
        window_blocks,
        schedule: Schedule::new(B256::repeat_byte(7), 1, &set),
        skips: Skips::new(0, Vec::new()),
        set,
    }
}

/// Facts of a child of `parent`; `salt` makes siblings differ.
pub(crate) fn child(term: &Term, parent: &BlockFacts, ends_slot: bool, salt: u64) -> BlockFacts {
    let slot = term.child_slot(parent);
    let number = parent.id.number + 1;
    let hash = keccak256(borsh::to_vec(&(term.number, slot, ends_slot, salt, parent.id)).unwrap());
    BlockFacts {
        id: BlockId { number, hash },
        parent: parent.id.hash,
        epoch: term.epoch,
        term: term.number,
        slot,
        ends_slot,
        control_height: parent.control_height,
        timestamp_ms: parent.timestamp_ms + 1,
    }
}

/// `facts`, signed by the sequencer of its slot.
pub(crate) fn seal(term: &Term, facts: BlockFacts) -> SignedBlock {
    let at = term.schedule.leader(facts.slot).unwrap();
    SignedBlock::sign(facts, &term.domain, 0, &keys_of(&term.set)[at])
}

/// A run of signed blocks on the term's parent; the last of each `slot_blocks` ends its slot.
pub(crate) fn chain(term: &Term, blocks: u64, slot_blocks: u64) -> Vec<SignedBlock> {
    let mut parent = term.parent;
    (1..=blocks)
        .map(|n| {
            parent = child(term, &parent, n % slot_blocks == 0, 0);
            seal(term, parent)
        })
        .collect()
}

pub(crate) fn ack(term: &Term, block: &BlockFacts, certificate: Option<BlockId>, key: &SignerKey) -> Ack {
    Ack {
        validator: key.address(),
        incarnation: 0,
        epoch: term.epoch,
        term: term.number,
        slot: block.slot,
        block: block.id,
        certificate,
        signature: Signature([0; 65]),
    }
    .signed(&term.domain, key)
}

/// A certificate of these acks, all for `block`.
pub(crate) fn certificate_of(block: &BlockFacts, acks: &[Ack]) -> Certificate {
    let mut acks: Vec<CertificateAck> = acks
        .iter()
        .map(|a| CertificateAck {
            validator: a.validator,
            incarnation: a.incarnation,
            certificate: a.certificate,
            signature: a.signature,
        })
        .collect();
    acks.sort_by_key(|a| a.validator);
    Certificate { epoch: block.epoch, term: block.term, slot: block.slot, block: block.id, acks }
}

/// A certificate by the first `count` members, each naming `named`.
pub(crate) fn certificate(term: &Term, block: &BlockFacts, named: Option<BlockId>, count: usize) -> Certificate {
    let acks: Vec<Ack> = keys_of(&term.set).iter().take(count).map(|key| ack(term, block, named, key)).collect();
    certificate_of(block, &acks)
}

pub(crate) fn close_vote(
    term: &Term,
    certificate: Option<Certificate>,
    acked: Vec<SignedBlock>,
    key: &SignerKey,
) -> CloseVote {
    CloseVote {
        validator: key.address(),
        incarnation: 0,
        epoch: term.epoch,
        term: term.number,
        certificate,
        acked,
        signature: Signature([0; 65]),
    }
    .signed(&term.domain, key)
}

/// Two Tendermint statements of `key` as one proof.
pub(crate) fn engine_proof(epoch: u64, first: EngineStatement, second: EngineStatement, key: &SignerKey) -> Proof {
    let signed = |statement: EngineStatement| SaidAndSigned {
        said: Said::Engine(statement),
        signature: key.sign(statement.digest(&domain(), 0, epoch)),
    };
    let (validator, first, second) = (key.address(), signed(first), signed(second));
    Proof { validator, incarnation: 0, epoch, term: 0, first, second }
}

/// A member's word on its readiness in this term.
pub(crate) fn readiness(term: &Term, slot: u64, control_height: u64, ready: bool, key: &SignerKey) -> Readiness {
    Readiness {
        validator: key.address(),
        incarnation: 0,
        epoch: term.epoch,
        term: term.number,
        slot,
        committed: term.parent.id,
        l1_view: 0,
        control_height,
        ready,
        signature: Signature([0; 65]),
    }
    .signed(&term.domain, key)
}
