//! What a proof convicts of, what it does not, and that its words are all that a contract needs.

use alloy_primitives::hex;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::digest::{word, words};
use crate::evidence::Evidence;
use crate::statement::{Ack, BlockFacts};
use crate::testing::{ack, certificate, chain, child, close_vote, engine_proof, key, keys_of, seal, term};
use alloy_primitives::keccak256;

fn vote(step: Step, height: u64, round: u32, value: u8, pol_round: Option<u32>) -> EngineStatement {
    EngineStatement { step, height, round, value: B256::repeat_byte(value), pol_round }
}

/// One proof of every offence, each by a member of the term.
fn proofs(term: &Term) -> Vec<(Offence, Proof)> {
    let blocks = chain(term, 3, 4);
    let facts: Vec<BlockFacts> = blocks.iter().map(|b| b.facts).collect();
    let sibling = seal(term, child(term, &facts[0], false, 9));
    let me = &keys_of(&term.set)[0];
    let cast = |block: &BlockFacts, named| Box::new(ack(term, block, named, me));
    let vote_of =
        |acked: &[_]| Box::new(close_vote(term, Some(certificate(term, &facts[0], None, 3)), acked.to_vec(), me));
    let pairs = [
        Evidence::DoubleBlock { first: Box::new(blocks[1]), second: Box::new(sibling) },
        Evidence::DoubleAck { first: cast(&facts[1], None), second: cast(&sibling.facts, None) },
        Evidence::DoubleClose { first: vote_of(&[]), second: vote_of(&blocks[1..2]) },
        Evidence::AckAndClose { ack: cast(&facts[2], None), vote: vote_of(&blocks[1..2]) },
        Evidence::AckAndClose { ack: cast(&facts[1], Some(facts[1].id)), vote: vote_of(&blocks[1..2]) },
    ];
    let expected = [
        Offence::DoubleBlock,
        Offence::DoubleAck,
        Offence::DoubleClose,
        Offence::UnlistedAck,
        Offence::HigherCertificate,
    ];
    let of_pairs = pairs.iter().map(|pair| pair.proof(term).unwrap());
    let mut all: Vec<(Offence, Proof)> = expected.into_iter().zip(of_pairs).collect();
    let twice = |step| engine_proof(term.epoch, vote(step, 4, 1, 1, None), vote(step, 4, 1, 2, None), me);
    all.push((Offence::DoubleVote, twice(Step::Prevote)));
    all.push((Offence::DoubleVote, twice(Step::Precommit)));
    let locked =
        engine_proof(term.epoch, vote(Step::Proposal, 4, 1, 1, None), vote(Step::Proposal, 4, 1, 1, Some(0)), me);
    all.push((Offence::DoubleProposal, locked));
    all
}

#[test]
fn every_offence_is_shown_by_its_proof_alone() {
    let term = term(&[1, 1, 1, 1], 8);
    for (offence, proof) in proofs(&term) {
        assert_eq!(proof.verify(&term), Ok(offence));
        let bytes = borsh::to_vec(&proof).unwrap();
        assert_eq!(borsh::from_slice::<Proof>(&bytes).unwrap().verify(&term), Ok(offence));
    }
}

#[test]
fn statements_that_an_honest_validator_makes_convict_nobody() {
    let term = term(&[1, 1, 1, 1], 8);
    let me = &keys_of(&term.set)[0];
    for (first, second) in [
        (vote(Step::Prevote, 4, 1, 1, None), vote(Step::Prevote, 4, 1, 1, None)),
        (vote(Step::Prevote, 4, 1, 1, None), vote(Step::Precommit, 4, 1, 2, None)),
        (vote(Step::Prevote, 4, 1, 1, None), vote(Step::Prevote, 4, 2, 2, None)),
        (vote(Step::Prevote, 4, 1, 1, None), vote(Step::Prevote, 5, 1, 2, None)),
    ] {
        assert_eq!(engine_proof(0, first, second, me).verify(&term), Err(NotEvidence::NoContradiction));
    }
    for (_, proof) in proofs(&term) {
        let once = Proof { second: proof.first.clone(), ..proof };
        assert_eq!(once.verify(&term), Err(NotEvidence::NoContradiction));
    }
}

#[test]
fn one_close_vote_written_in_two_ways_convicts_nobody() {
    let term = term(&[1, 1, 1, 1], 8);
    let me = &keys_of(&term.set)[0];
    let vote = close_vote(&term, None, chain(&term, 1, 4), me);
    let other = close_vote(&term, None, vec![], me);
    let two = Evidence::DoubleClose { first: Box::new(vote), second: Box::new(other) }.proof(&term).unwrap();
    assert_eq!(two.verify(&term), Ok(Offence::DoubleClose));
    let mut again = Proof { second: two.first.clone(), ..two };
    let Said::Close { certificate, .. } = &mut again.second.said else { panic!("a close vote") };
    assert_eq!(certificate.replace(BlockId { number: 0, hash: B256::ZERO }), None);
    assert_ne!(again.first.said, again.second.said);
    assert_eq!(again.verify(&term), Err(NotEvidence::NoContradiction), "the same words, signed once");
}

#[test]
fn an_older_or_newer_incarnation_is_void() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut reborn = term.clone();
    reborn.set = reborn.set.with_incarnations(|_| Some(1));
    for (_, proof) in proofs(&term) {
        let void = proof.verify(&reborn);
        assert!(
            matches!(void, Err(NotEvidence::Statement(StatementError::WrongIncarnation { found: 0, expected: 1, .. }))),
            "{void:?}"
        );
        let renamed = Proof { incarnation: 1, ..proof };
        assert!(matches!(renamed.verify(&reborn), Err(NotEvidence::Statement(StatementError::BadSignature { .. }))));
    }
}

#[test]
fn another_term_epoch_or_author_is_not_convicted() {
    let term = term(&[1, 1, 1, 1], 8);
    let other = keys_of(&term.set)[1].address();
    for (offence, proof) in proofs(&term) {
        assert!(Proof { epoch: 1, ..proof.clone() }.verify(&term).is_err());
        assert!(Proof { term: proof.term + 1, ..proof.clone() }.verify(&term).is_err());
        let later = Term { number: 2, ..term.clone() };
        assert_eq!(proof.verify(&later).is_ok(), proof.engine_height().is_some(), "{offence:?}");
        assert!(Proof { validator: other, ..proof.clone() }.verify(&term).is_err() || proof.validator == other);
        assert!(Proof { validator: key(9).address(), ..proof }.verify(&term).is_err());
    }
}

#[test]
fn a_list_longer_than_the_window_is_refused_before_it_is_hashed() {
    let term = term(&[1, 1, 1, 1], 2);
    let (_, mut proof) = proofs(&term).swap_remove(3);
    let Said::Close { listed, .. } = &mut proof.second.said else { panic!("a close vote") };
    *listed = (0..3).map(|n| BlockId { number: n, hash: B256::ZERO }).collect();
    assert_eq!(proof.verify(&term), Err(NotEvidence::TooLong(3)));
}

const VECTORS: &str = include_str!("../../../../tests/vectors/evidence.json");

fn vectors() -> serde_json::Value {
    let term = term(&[1, 1, 1, 1], 8);
    let statement = |signed: &SaidAndSigned| {
        let kind = [Kind::Block, Kind::Ack, Kind::Close, Kind::Vote, Kind::Proposal];
        json!({
            "kind": kind.iter().position(|kind| *kind == signed.said.kind()),
            "slot": signed.said.slot(),
            "words": signed.said.words(),
            "listed": signed.said.listed(),
            "signature": hex::encode_prefixed(signed.signature.0),
        })
    };
    let of = |(offence, proof): (Offence, Proof)| {
        json!({
            "offence": offence as u8,
            "validator": proof.validator,
            "incarnation": proof.incarnation,
            "epoch": proof.epoch,
            "term": proof.term,
            "first": statement(&proof.first),
            "second": statement(&proof.second),
        })
    };
    let cases: Vec<_> = proofs(&term).into_iter().map(of).collect();
    json!({
        "about": "Proofs of offences, `consensus/control/src/proof.rs` and `contracts/src/Slasher.sol`. Kinds and offences as `ISlasher` counts them.",
        "chainId": term.domain.chain_id,
        "locking": term.domain.locking,
        "cases": cases,
    })
}

#[test]
fn what_is_shown_to_the_contract_is_in_the_shared_vectors() {
    assert_eq!(vectors(), serde_json::from_str::<serde_json::Value>(VECTORS).unwrap(), "{}", vectors());
}

/// What a contract does with the words of a proof, written out: eight words under one keccak256, and `ecrecover`.
#[test]
fn the_layout_is_the_documented_one() {
    let term = term(&[1, 1, 1, 1], 8);
    let eight = |kind: &str, proof: &Proof, slot: u64, content: B256| {
        let head = [keccak256(kind), word(term.domain.chain_id), term.domain.locking.into_word()];
        let place = [word(proof.incarnation), word(proof.epoch), word(proof.term), word(slot), content];
        words(&[&head[..], &place[..]].concat())
    };
    let zero = BlockId { number: 0, hash: B256::ZERO };
    for (_, proof) in proofs(&term) {
        for statement in [&proof.first, &proof.second] {
            let digest = match &statement.said {
                Said::Block { slot, block } => {
                    eight("horae.v1.block", &proof, *slot, words(&[word(block.number), block.hash]))
                }
                Said::Ack { slot, block, certificate } => {
                    let named = certificate.unwrap_or(zero);
                    let content = words(&[word(block.number), block.hash, word(named.number), named.hash]);
                    eight("horae.v1.ack", &proof, *slot, content)
                }
                Said::Close { certificate, listed, attached } => {
                    let named = certificate.unwrap_or(zero);
                    let list: Vec<B256> = listed.iter().flat_map(|b| [word(b.number), b.hash]).collect();
                    let content = words(&[word(named.number), named.hash, words(&list), *attached]);
                    eight("horae.v1.close", &proof, 0, content)
                }
                Said::Engine(EngineStatement { step, height, round, value, pol_round }) => {
                    let (kind, step) = match step {
                        Step::Prevote => ("horae.v1.vote", 0),
                        Step::Precommit => ("horae.v1.vote", 1),
                        Step::Proposal => ("horae.v1.proposal", 2),
                    };
                    let pol = pol_round.map_or(0, |round| u64::from(round) + 1);
                    let content = words(&[word(step), word(*height), word((*round).into()), *value, word(pol)]);
                    eight(kind, &proof, 0, content)
                }
            };
            assert_eq!(recover(digest, &statement.signature), Some(proof.validator));
        }
    }
}

proptest! {
    #[test]
    fn an_altered_proof_convicts_nobody_else(which in 0usize..8, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let term = term(&[1, 1, 1, 1], 8);
        let (offence, proof) = proofs(&term).swap_remove(which);
        let mut bytes = borsh::to_vec(&proof).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(altered) = borsh::from_slice::<Proof>(&bytes) {
            prop_assert!(altered.verify(&term).is_err(), "{offence:?} altered at {at}");
        }
    }

    /// Whatever an honest voter says in one term, no two of its statements convict it.
    #[test]
    fn acks_in_order_never_convict(named in prop::collection::vec(prop::option::of(0usize..3), 3)) {
        let term = term(&[1, 1, 1, 1], 8);
        let facts: Vec<BlockFacts> = chain(&term, 3, 4).iter().map(|b| b.facts).collect();
        let me = key(0);
        let acks: Vec<Ack> =
            facts.iter().zip(&named).map(|(b, n)| ack(&term, b, n.map(|n| facts[n].id), &me)).collect();
        for a in &acks {
            for b in &acks {
                let pair = Evidence::DoubleAck { first: Box::new(*a), second: Box::new(*b) };
                prop_assert_eq!(pair.verify(&term), Err(NotEvidence::NoContradiction));
            }
        }
    }
}
