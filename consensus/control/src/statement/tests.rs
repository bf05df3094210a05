//! What counts as a block, ack, certificate, commit and close vote, and that altered or random bytes never do.

use alloy_primitives::B256;
use borsh::BorshDeserialize;
use proptest::prelude::*;

use super::*;
use crate::command::{Command, ControlBlock};
use crate::evidence::Evidence;
use crate::pending::Pending;
use crate::proof::{NotEvidence, Proof};
use crate::record::Record;
use crate::term::Term;
use crate::testing::{ack, certificate, certificate_of, chain, child, close_vote, key, keys_of, seal, term};

fn commit(term: &Term, block: &BlockFacts, named: Option<BlockId>, count: usize) -> Commit {
    let acks = keys_of(&term.set).iter().take(count).map(|key| ack(term, block, named, key)).collect();
    Commit { certificate: certificate(term, block, None, 3), acks }
}

#[test]
fn a_block_counts_only_from_its_slots_sequencer() {
    let term = term(&[1, 1, 1, 1], 8);
    let block = chain(&term, 1, 4)[0];
    assert_eq!(block.verify(&term), Ok(()));
    let leader = term.schedule.leader(block.facts.slot).unwrap();
    for (at, key) in keys_of(&term.set).iter().enumerate() {
        let signed = SignedBlock::sign(block.facts, &term.domain, 0, key);
        assert_eq!(signed.verify(&term).is_ok(), at == leader);
    }
    let mut other = block;
    other.facts.id.number += 1;
    assert!(matches!(other.verify(&term), Err(StatementError::BadSignature { .. })));
    let mut other = block;
    other.facts.term += 1;
    assert!(matches!(other.verify(&term), Err(StatementError::WrongTerm { .. })));
    let mut other = block;
    other.facts.slot = 0;
    assert!(matches!(other.verify(&term), Err(StatementError::NoSequencer { slot: 0 })));
}

#[test]
fn an_older_incarnation_does_not_count() {
    let mut term = term(&[1, 1, 1, 1], 8);
    let block = chain(&term, 1, 4)[0];
    let cast = ack(&term, &block.facts, None, &key(0));
    assert!(cast.verify(&term.set, &term.domain).is_ok());
    term.set = term.set.with_incarnations(|_| Some(1));
    assert!(matches!(
        cast.verify(&term.set, &term.domain),
        Err(StatementError::WrongIncarnation { found: 0, expected: 1, .. })
    ));
    assert!(block.verify(&term).is_err());
}

#[test]
fn every_field_of_an_ack_is_signed() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks = chain(&term, 2, 4);
    let good = ack(&term, &blocks[1].facts, Some(blocks[0].facts.id), &key(0));
    assert!(good.verify(&term.set, &term.domain).is_ok());
    let altered = [
        Ack { epoch: 1, ..good },
        Ack { term: 2, ..good },
        Ack { slot: 9, ..good },
        Ack { block: blocks[0].facts.id, ..good },
        Ack { certificate: None, ..good },
        Ack { certificate: Some(blocks[1].facts.id), ..good },
        Ack { validator: key(1).address(), ..good },
        Ack { incarnation: 1, ..good },
    ];
    for bad in altered {
        assert!(bad.verify(&term.set, &term.domain).is_err(), "{bad:?}");
    }
    let genesis_named = ack(&term, &blocks[1].facts, Some(BlockId { number: 0, hash: B256::ZERO }), &key(0));
    assert!(matches!(genesis_named.verify(&term.set, &term.domain), Err(StatementError::NamesGenesis { .. })));
}

#[test]
fn a_certificate_needs_a_quorum_of_different_validators() {
    let term = term(&[1, 1, 1, 1], 8);
    let block = chain(&term, 1, 4)[0].facts;
    assert!(certificate(&term, &block, None, 3).verify(&term.set, &term.domain).is_ok());
    assert!(matches!(
        certificate(&term, &block, None, 2).verify(&term.set, &term.domain),
        Err(StatementError::NoQuorum { weight: 2, total: 4 })
    ));
    let twice = ack(&term, &block, None, &key(0));
    let padded = certificate_of(&block, &[twice, twice, ack(&term, &block, None, &key(1))]);
    assert_eq!(padded.verify(&term.set, &term.domain), Err(StatementError::Unordered));
    let stranger =
        certificate_of(&block, &[twice, ack(&term, &block, None, &key(1)), ack(&term, &block, None, &key(7))]);
    assert!(matches!(stranger.verify(&term.set, &term.domain), Err(StatementError::UnknownValidator { .. })));
}

#[test]
fn a_commit_counts_those_who_hold_the_certificate_or_a_higher_one() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks: Vec<BlockFacts> = chain(&term, 3, 4).iter().map(|b| b.facts).collect();
    let verify = |commit: &Commit| commit.verify(&term.set, &term.domain);
    assert_eq!(verify(&commit(&term, &blocks[1], Some(blocks[1].id), 3)), Ok(()));
    assert_eq!(verify(&commit(&term, &blocks[1], Some(blocks[2].id), 3)), Ok(()));
    assert!(matches!(verify(&commit(&term, &blocks[1], Some(blocks[1].id), 2)), Err(StatementError::NoQuorum { .. })));
    assert!(matches!(
        verify(&commit(&term, &blocks[1], Some(blocks[0].id), 3)),
        Err(StatementError::NotHolding { number: 2, .. })
    ));
    assert!(matches!(verify(&commit(&term, &blocks[1], None, 3)), Err(StatementError::NotHolding { .. })));
    let sibling = child(&term, &blocks[0], false, 5);
    assert!(matches!(verify(&commit(&term, &blocks[1], Some(sibling.id), 3)), Err(StatementError::NotHolding { .. })));
}

#[test]
fn acks_of_another_term_make_no_commit() {
    let term = term(&[1, 1, 1, 1], 8);
    let block = chain(&term, 1, 4)[0].facts;
    let later = Term { number: 2, ..term.clone() };
    let foreign = BlockFacts { term: 2, ..block };
    let commit = Commit {
        certificate: certificate(&term, &block, None, 3),
        acks: keys_of(&term.set).iter().map(|key| ack(&later, &foreign, Some(block.id), key)).collect(),
    };
    assert!(matches!(commit.verify(&term.set, &term.domain), Err(StatementError::WrongTerm { .. })));
}

#[test]
fn a_certificate_shows_what_its_acks_hold() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks: Vec<BlockFacts> = chain(&term, 6, 8).iter().map(|b| b.facts).collect();
    let shown = |named: [Option<usize>; 4]| {
        let acks: Vec<Ack> = keys_of(&term.set)
            .iter()
            .zip(named)
            .map(|(key, n)| ack(&term, &blocks[4], n.map(|n| blocks[n - 1].id), key))
            .collect();
        certificate_of(&blocks[4], &acks).committed_number(&term.set)
    };
    assert_eq!(shown([None, None, None, None]), None);
    assert_eq!(shown([Some(2), Some(3), None, None]), None);
    assert_eq!(shown([Some(2), Some(3), Some(1), None]), Some(1));
    assert_eq!(shown([Some(2), Some(3), Some(1), Some(4)]), Some(2));
    assert_eq!(shown([Some(6), Some(6), Some(6), None]), Some(5), "never above the certified block");
}

#[test]
fn a_close_vote_lists_one_run_above_its_certificate() {
    let term = term(&[1, 1, 1, 1], 4);
    let blocks = chain(&term, 6, 3);
    let certified = |n: usize| Some(certificate(&term, &blocks[n - 1].facts, None, 3));
    let vote =
        |certificate, acked: &[SignedBlock]| close_vote(&term, certificate, acked.to_vec(), &key(0)).verify(&term);
    assert_eq!(vote(None, &[]), Ok(()));
    assert_eq!(vote(None, &blocks[..4]), Ok(()));
    assert_eq!(vote(certified(2), &blocks[2..6]), Ok(()));
    let broken = Err(StatementError::BrokenList { validator: key(0).address() });
    assert_eq!(vote(None, &blocks[..5]), broken, "longer than the window");
    assert_eq!(vote(None, &blocks[1..4]), broken, "does not begin above the parent");
    assert_eq!(vote(certified(2), &blocks[3..6]), broken, "does not begin above the certificate");
    let gap = [blocks[2], blocks[4]];
    assert!(matches!(vote(certified(2), &gap), Err(StatementError::NotChild { .. })));
    let weak = Some(certificate(&term, &blocks[0].facts, None, 2));
    assert!(matches!(vote(weak, &[]), Err(StatementError::NoQuorum { .. })));
    let mut forged = blocks[0];
    forged.signature = blocks[1].signature;
    assert!(matches!(vote(None, &[forged]), Err(StatementError::BadSignature { .. })));
}

#[test]
fn nothing_in_a_close_vote_can_be_altered_on_the_way() {
    let term = term(&[1, 1, 1, 1], 4);
    let blocks = chain(&term, 3, 3);
    let good = close_vote(&term, Some(certificate(&term, &blocks[0].facts, None, 3)), blocks[1..].to_vec(), &key(0));
    assert_eq!(good.verify(&term), Ok(()));
    let mut fewer = good.clone();
    fewer.acked.pop();
    let mut other_certificate = good.clone();
    other_certificate.certificate = Some(certificate(&term, &blocks[0].facts, None, 4));
    let mut other_facts = good.clone();
    other_facts.acked[1].facts.ends_slot ^= true;
    for bad in [fewer, other_certificate, other_facts] {
        assert!(matches!(bad.verify(&term), Err(StatementError::BadSignature { .. })));
    }
}

#[test]
fn evidence_convicts_contradictions_and_nothing_else() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks = chain(&term, 3, 4);
    let facts: Vec<BlockFacts> = blocks.iter().map(|b| b.facts).collect();
    let sibling = seal(&term, child(&term, &facts[0], false, 9));
    let (me, address) = (key(0), key(0).address());
    let cast = |block: &BlockFacts, named| Box::new(ack(&term, block, named, &key(0)));

    let leader = term.sequencer_of(facts[1].slot).unwrap().signer;
    let twice = Evidence::between_blocks(&blocks[1], &sibling, &term).unwrap();
    assert_eq!(twice.verify(&term), Ok(leader));
    assert_eq!(Evidence::between_blocks(&blocks[1], &blocks[1], &term), None);
    assert_eq!(Evidence::between_blocks(&blocks[1], &blocks[2], &term), None);

    let double = Evidence::DoubleAck { first: cast(&facts[1], None), second: cast(&sibling.facts, None) };
    assert_eq!(double.verify(&term), Ok(address));
    let again = Evidence::DoubleAck { first: cast(&facts[1], None), second: cast(&facts[1], Some(facts[0].id)) };
    assert_eq!(again.verify(&term), Err(NotEvidence::NoContradiction));
    let two = Evidence::DoubleAck {
        first: cast(&facts[1], None),
        second: Box::new(ack(&term, &sibling.facts, None, &key(1))),
    };
    assert_eq!(two.verify(&term), Err(NotEvidence::TwoAuthors));

    let certified = certificate(&term, &facts[0], None, 3);
    let vote = close_vote(&term, Some(certified), vec![blocks[1]], &me);
    let against = |ack: &Ack| Evidence::between_ack_and_close(ack, &vote).map(|e| e.verify(&term));
    assert_eq!(against(&cast(&facts[0], None)), None);
    assert_eq!(against(&cast(&facts[1], Some(facts[0].id))), None);
    assert_eq!(against(&cast(&facts[2], None)), Some(Ok(address)), "not listed");
    assert_eq!(against(&cast(&sibling.facts, None)), Some(Ok(address)), "another at that height");
    assert_eq!(against(&cast(&facts[1], Some(facts[1].id))), Some(Ok(address)), "a higher certificate");

    let other = Box::new(close_vote(&term, None, vec![], &me));
    let votes = Evidence::DoubleClose { first: Box::new(vote.clone()), second: other };
    assert_eq!(votes.verify(&term), Ok(address));
    let same = Evidence::DoubleClose { first: Box::new(vote.clone()), second: Box::new(vote.clone()) };
    assert_eq!(same.verify(&term), Err(NotEvidence::NoContradiction));
}

fn reads<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    borsh::from_slice(bytes).ok()
}

fn read_and_verify(bytes: &[u8], term: &Term) {
    let _ = reads::<SignedBlock>(bytes).map(|b| b.verify(term));
    let _ = reads::<Ack>(bytes).map(|a| a.verify(&term.set, &term.domain).is_ok());
    let _ = reads::<Certificate>(bytes).map(|c| (c.verify(&term.set, &term.domain), c.committed_number(&term.set)));
    let _ = reads::<Commit>(bytes).map(|c| c.verify(&term.set, &term.domain));
    let _ = reads::<CloseVote>(bytes).map(|v| (v.verify(term), v.verify_shape(term)));
    let _ = reads::<Proof>(bytes).map(|proof| proof.verify(term));
    let _ = (reads::<Command>(bytes), reads::<ControlBlock>(bytes), reads::<Pending>(bytes), reads::<Record>(bytes));
    let _ = reads::<Term>(bytes).map(|t| t.sequencer_of(t.first_slot).is_some());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_and_verify(&bytes, &term(&[1, 1, 1, 1], 8));
    }

    #[test]
    fn altered_votes_never_panic_and_never_count(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let term = term(&[1, 1, 1, 1], 8);
        let blocks = chain(&term, 3, 2);
        let named = certificate(&term, &blocks[0].facts, None, 3);
        let vote = close_vote(&term, Some(named), blocks[1..].to_vec(), &key(0));
        let mut bytes = borsh::to_vec(&vote).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        read_and_verify(&bytes, &term);
        if let Some(altered) = reads::<CloseVote>(&bytes) {
            prop_assert!(altered.verify(&term).is_err());
        }
    }
}
