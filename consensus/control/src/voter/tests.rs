//! One validator's rules, one by one and then at random with crashes.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{Rng, ack, certificate, chain, child, domain, key, keys_of, seal, term};

/// A voter with the key of the member at `at`, in `term`.
fn voter(term: &Term, at: usize) -> Voter {
    let mut voter = Voter::new(domain(), keys_of(&term.set).remove(at), 0);
    voter.open_term(term.clone());
    voter
}

fn certified(term: &Term, block: &SignedBlock) -> Certificate {
    certificate(term, &block.facts, None, 3)
}

fn committed(term: &Term, block: &SignedBlock) -> Commit {
    let named = Some(block.facts.id);
    let acks = keys_of(&term.set).iter().take(3).map(|key| ack(term, &block.facts, named, key)).collect();
    Commit { certificate: certified(term, block), acks }
}

/// The member that leads slot 1.
fn leader(term: &Term, slot: u64) -> usize {
    term.schedule.leader(slot).unwrap()
}

#[test]
fn acks_a_chain_block_by_block() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&term, 0);
    for block in chain(&term, 3, 8) {
        let voted = voter.ack(&block, None).unwrap();
        assert!(voted.statement.verify(&term.set, &term.domain).is_ok());
        assert_eq!(voted.statement.block, block.facts.id);
        assert_eq!(voted.record, Record::Ack { block, adopted: None, ack: voted.statement });
    }
    assert_eq!(voter.tip().map(|tip| tip.id.number), Some(3));
}

#[test]
fn acks_nothing_while_no_term_is_open() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = Voter::new(domain(), key(0), 0);
    let block = chain(&term, 1, 8)[0];
    assert_eq!(voter.ack(&block, None), Err(Refused::NoOpenTerm));
    assert_eq!(voter.close(), Err(Refused::NoOpenTerm));
}

#[test]
fn one_ack_a_height() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 2, 8);
    voter.ack(&blocks[0], None).unwrap();
    assert_eq!(voter.ack(&blocks[0], None), Err(Refused::AlreadyAcked { tip: blocks[0].facts.id }));
    let sibling = seal(&term, child(&term, &term.parent, false, 9));
    let Err(Refused::Equivocation(evidence)) = voter.ack(&sibling, None) else { panic!("two blocks at a height") };
    assert_eq!(evidence.verify(&term), Ok(term.sequencer_of(1).unwrap().signer));
    let nephew = seal(&term, child(&term, &sibling.facts, false, 0));
    assert!(matches!(voter.ack(&nephew, None), Err(Refused::Statement(StatementError::NotChild { .. }))));
    assert!(voter.ack(&blocks[1], None).is_ok());
}

#[test]
fn no_gaps_no_wrong_slots_no_strangers() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 3, 8);
    assert_eq!(voter.ack(&blocks[1], None), Err(Refused::Gap { tip: term.parent.id, number: 2 }));
    let other = (0..4).find(|at| *at != leader(&term, 1)).unwrap();
    let forged = SignedBlock::sign(blocks[0].facts, &term.domain, 0, &keys_of(&term.set)[other]);
    assert!(matches!(voter.ack(&forged, None), Err(Refused::Statement(StatementError::BadSignature { .. }))));
    let late = seal(&term, BlockFacts { slot: 2, ..blocks[0].facts });
    assert!(matches!(voter.ack(&late, None), Err(Refused::Statement(StatementError::WrongSlot { .. }))));
    let foreign = BlockFacts { term: 2, ..blocks[0].facts };
    let foreign = SignedBlock { facts: foreign, ..blocks[0] };
    assert!(matches!(voter.ack(&foreign, None), Err(Refused::Statement(StatementError::WrongTerm { .. }))));
    voter.ack(&blocks[0], None).unwrap();
    let back = seal(&term, BlockFacts { timestamp_ms: 0, ..blocks[1].facts });
    assert!(matches!(voter.ack(&back, None), Err(Refused::Statement(StatementError::GoesBack { .. }))));
    assert!(voter.ack(&blocks[1], None).is_ok());
}

#[test]
fn at_most_a_window_above_the_highest_commit() {
    let term = term(&[1, 1, 1, 1], 2);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 4, 8);
    voter.ack(&blocks[0], None).unwrap();
    voter.ack(&blocks[1], None).unwrap();
    assert_eq!(voter.ack(&blocks[2], None), Err(Refused::WindowFull { number: 3, committed: 0, window: 2 }));
    voter.hold_certificate(&certified(&term, &blocks[1])).unwrap().unwrap();
    assert!(matches!(voter.ack(&blocks[2], None), Err(Refused::WindowFull { .. })), "a certificate is no commit");
    assert!(voter.hold_commit(&committed(&term, &blocks[0])).unwrap().is_none(), "its certificate is not higher");
    assert_eq!(voter.committed_number(), 1);
    voter.ack(&blocks[2], None).unwrap();
    assert!(matches!(voter.ack(&blocks[3], None), Err(Refused::WindowFull { .. })));
    let voted = voter.hold_commit(&committed(&term, &blocks[2])).unwrap().unwrap();
    assert_eq!(voted.statement.unwrap().certificate, Some(blocks[2].facts.id));
    assert!(voter.ack(&blocks[3], None).is_ok());
}

#[test]
fn what_was_learned_in_silence_is_held_before_anything_is_said() {
    let term = term(&[1, 1, 1, 1], 2);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 6, 8);
    voter.ack(&blocks[0], None).unwrap();
    voter.hush();
    assert_eq!(voter.hold_certificate(&certified(&term, &blocks[1])), Ok(None));
    assert_eq!(voter.hold_commit(&committed(&term, &blocks[3])), Ok(None));
    assert_eq!(voter.hold_certificate(&certified(&term, &blocks[2])), Ok(None), "not higher");
    let voted = voter.speak_as(0).unwrap();
    assert_eq!(voted.statement.unwrap().certificate, Some(blocks[3].facts.id));
    for block in &blocks[1..6] {
        voter.ack(block, None).unwrap();
    }
    let vote = voter.close().unwrap().statement;
    assert_eq!((vote.acked.len(), vote.verify(&term)), (2, Ok(())), "no more than a window above the certificate");
    assert_eq!(voter.speak_as(0), None);
}

#[test]
fn certificates_also_show_commits() {
    let term = term(&[1, 1, 1, 1], 2);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 2, 8);
    let shows = certificate(&term, &blocks[1].facts, Some(blocks[0].facts.id), 3);
    voter.hold_certificate(&shows).unwrap().unwrap();
    assert_eq!(voter.committed_number(), 1);
}

#[test]
fn a_new_certificate_is_acked_with_the_same_block() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 3, 8);
    let early = voter.hold_certificate(&certified(&term, &blocks[0])).unwrap().unwrap();
    assert_eq!(early.statement, None, "no block was acked yet");
    for block in &blocks {
        voter.ack(block, None).unwrap();
    }
    assert_eq!(voter.hold_certificate(&certified(&term, &blocks[0])), Ok(None), "not higher");
    let voted = voter.hold_certificate(&certified(&term, &blocks[1])).unwrap().unwrap();
    let ack = voted.statement.unwrap();
    assert_eq!((ack.block, ack.certificate), (blocks[2].facts.id, Some(blocks[1].facts.id)));
    assert!(ack.verify(&term.set, &term.domain).is_ok());
    let weak = certificate(&term, &blocks[2].facts, None, 2);
    assert!(matches!(voter.hold_certificate(&weak), Err(Refused::Statement(StatementError::NoQuorum { .. }))));
}

#[test]
fn a_slot_begins_only_above_a_certificate() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks = chain(&term, 3, 2);
    let ready = || {
        let mut voter = voter(&term, 0);
        voter.ack(&blocks[0], None).unwrap();
        voter.ack(&blocks[1], None).unwrap();
        voter
    };
    let missing = Err(Refused::CertificateMissing { parent: blocks[1].facts.id });
    assert_eq!(ready().ack(&blocks[2], None), missing);
    assert_eq!(ready().ack(&blocks[2], Some(&certified(&term, &blocks[0]))), missing);
    let weak = certificate(&term, &blocks[1].facts, None, 2);
    assert!(matches!(ready().ack(&blocks[2], Some(&weak)), Err(Refused::Statement(StatementError::NoQuorum { .. }))));
    let good = certified(&term, &blocks[1]);
    let voted = ready().ack(&blocks[2], Some(&good)).unwrap();
    assert_eq!(voted.statement.certificate, Some(blocks[1].facts.id));
    assert!(matches!(voted.record, Record::Ack { adopted: Some(c), .. } if c == good));
    let mut holding = ready();
    holding.hold_certificate(&good).unwrap();
    assert!(holding.ack(&blocks[2], None).is_ok(), "held before");
    let mut ahead = ready();
    ahead.hold_certificate(&certified(&term, &blocks[2])).unwrap();
    assert_eq!(ahead.ack(&blocks[2], None), missing, "a higher one may stand on another chain");
    let voted = ahead.ack(&blocks[2], Some(&good)).unwrap();
    assert_eq!(voted.statement.certificate, Some(blocks[2].facts.id), "never back to a lower certificate");
}

#[test]
fn a_close_vote_ends_everything_in_its_term() {
    let term = term(&[1, 1, 1, 1], 8);
    let at = leader(&term, 1);
    let mut voter = voter(&term, at);
    let blocks = chain(&term, 4, 8);
    voter.begin_slot(1).unwrap();
    for block in &blocks[..3] {
        voter.seal(block.facts).unwrap();
        voter.ack(block, None).unwrap();
    }
    voter.hold_certificate(&certified(&term, &blocks[0])).unwrap();
    let vote = voter.close().unwrap();
    assert_eq!(vote.statement.verify(&term), Ok(()));
    assert_eq!(vote.statement.certificate, Some(certified(&term, &blocks[0])));
    assert_eq!(vote.statement.acked, blocks[1..3]);
    assert_eq!(voter.close().unwrap(), vote, "always the same");
    let closed = Refused::VotedToClose { term: 1 };
    assert_eq!(voter.ack(&blocks[3], None), Err(closed.clone()));
    assert_eq!(voter.seal(blocks[3].facts), Err(closed.clone()));
    assert_eq!(voter.begin_slot(2), Err(closed));
    assert_eq!(voter.hold_certificate(&certified(&term, &blocks[2])), Ok(None));
    assert_eq!(voter.certificate().map(|c| c.block), Some(blocks[0].facts.id));
    voter.hold_commit(&committed(&term, &blocks[1])).unwrap();
    assert_eq!(voter.committed_number(), 2, "it still learns what is committed");
    assert_eq!(voter.close_vote(), Some(&vote.statement));
}

#[test]
fn a_new_term_starts_afresh() {
    let first = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&first, 0);
    let blocks = chain(&first, 2, 8);
    voter.ack(&blocks[0], None).unwrap();
    voter.close().unwrap();
    let second = Term { number: 2, parent: blocks[0].facts, first_slot: 5, ..first.clone() };
    voter.open_term(second.clone());
    voter.open_term(first);
    assert_eq!(voter.term().map(|t| t.number), Some(2), "never back");
    let block = seal(&second, child(&second, &second.parent, false, 0));
    assert_eq!(block.facts.slot, 5);
    assert!(voter.ack(&block, None).is_ok());
    assert!(matches!(voter.ack(&blocks[1], None), Err(Refused::Statement(StatementError::WrongTerm { .. }))));
}

/// The control plane may be replayed from further back than the log of promises was cut: what was said in a term that is
/// over and cut off is not contradicted.
#[test]
fn a_term_cut_off_the_log_is_not_spoken_in_again() {
    let first = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&first, 0);
    let blocks = chain(&first, 2, 8);
    let sibling = seal(&first, child(&first, &first.parent, false, 9));
    voter.ack(&blocks[0], None).unwrap();
    let vote = voter.close().unwrap().statement;
    let second = Term { number: 2, parent: blocks[0].facts, first_slot: 5, ..first.clone() };
    let restart = |records: Vec<Record>| Voter::restore(domain(), keys_of(&first.set).remove(0), 0, records).unwrap();

    voter.open_term(second.clone());
    let mut silent = restart(voter.compacted());
    silent.open_term(first.clone());
    assert_eq!(silent.close().unwrap().statement, vote, "nothing was said in term 2, so term 1 is still in the log");
    silent.open_term(second.clone());
    assert_eq!(silent.tip(), None);

    voter.ack(&seal(&second, child(&second, &second.parent, false, 0)), None).unwrap();
    assert!(voter.compacted().iter().all(|record| record.term() == 2));
    let mut spoken = restart(voter.compacted());
    spoken.open_term(first.clone());
    assert_eq!(spoken.ack(&sibling, None), Err(Refused::NoOpenTerm));
    assert_eq!(spoken.close(), Err(Refused::NoOpenTerm));
    spoken.open_term(second);
    assert_eq!(spoken.last_ack(), voter.last_ack());
}

#[test]
fn an_incarnation_speaks_only_where_it_counts() {
    let mut term = term(&[1, 1, 1, 1], 8);
    let mut newer = Voter::new(domain(), keys_of(&term.set).remove(0), 1);
    newer.open_term(term.clone());
    let block = chain(&term, 1, 8)[0];
    assert!(matches!(newer.ack(&block, None), Err(Refused::NoVoice { incarnation: 1, .. })));
    assert!(matches!(newer.close(), Err(Refused::NoVoice { .. })));
    let me = newer.address();
    term.number = 2;
    term.set = term.set.with_incarnations(|signer| (*signer == me).then_some(1));
    newer.open_term(term.clone());
    assert!(newer.close().unwrap().statement.verify(&term).is_ok());
}

#[test]
fn seals_one_chain_in_its_own_slot() {
    let term = term(&[1, 1, 1, 1], 2);
    let (ours, other) = (leader(&term, 1), leader(&term, 2));
    assert_ne!(ours, other, "the schedule of the test has two leaders");
    let blocks = chain(&term, 3, 8);
    assert_eq!(voter(&term, other).begin_slot(1), Err(Refused::NotOurSlot { slot: 1 }));
    let mut voter = voter(&term, ours);
    assert_eq!(voter.seal(blocks[0].facts), Err(Refused::NotBegun { slot: 1 }));
    assert_eq!(voter.begin_slot(2), Err(Refused::NotOurSlot { slot: 2 }));
    assert_eq!(voter.begin_slot(1), Ok(Record::SlotBegun { incarnation: 0, term: 1, slot: 1 }));
    assert_eq!(voter.begin_slot(1), Err(Refused::NotOurSlot { slot: 1 }), "only once");
    assert_eq!(voter.seal(blocks[0].facts), Ok(blocks[0]));
    let sibling = child(&term, &term.parent, false, 4);
    assert!(voter.seal(sibling).is_err(), "one block a height");
    assert_eq!(voter.seal(blocks[1].facts), Ok(blocks[1]));
    assert_eq!(voter.seal(blocks[2].facts), Ok(blocks[2]), "one ahead of the window");
    voter.ack(&blocks[0], None).unwrap();
    voter.ack(&blocks[1], None).unwrap();
    assert!(matches!(voter.ack(&blocks[2], None), Err(Refused::WindowFull { .. })), "acked by none, not by itself");
}

#[test]
fn seals_nothing_in_a_slot_begun_before_a_restart() {
    let term = term(&[1, 1, 1, 1], 8);
    let at = leader(&term, 1);
    let key = || keys_of(&term.set).remove(at);
    let record = voter(&term, at).begin_slot(1).unwrap();
    let mut again = Voter::restore(domain(), key(), 0, [record]).unwrap();
    again.open_term(term.clone());
    assert_eq!(again.begun_before_restart(), Some(1));
    assert_eq!(again.begin_slot(1), Err(Refused::NotOurSlot { slot: 1 }));
    assert_eq!(again.seal(chain(&term, 1, 8)[0].facts), Err(Refused::NotBegun { slot: 1 }));
    assert!(again.close().is_ok());
    let mut fresh = voter(&term, at);
    fresh.begin_slot(1).unwrap();
    assert_eq!(fresh.begun_before_restart(), None);
}

#[test]
fn contradicting_records_are_refused() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks = chain(&term, 3, 8);
    let mut voter = voter(&term, 0);
    let acks: Vec<Record> = blocks.iter().map(|b| voter.ack(b, None).unwrap().record).collect();
    let close = voter.close().unwrap().record;
    let restore = |records: &[&Record]| {
        let records = records.iter().map(|r| (*r).clone());
        Voter::restore(domain(), keys_of(&term.set).remove(0), 0, records).map(|_| ())
    };
    assert_eq!(restore(&[&acks[0], &acks[1], &acks[1], &acks[2], &close, &close]), Ok(()));
    assert!(matches!(restore(&[&acks[0], &acks[2]]), Err(RestoreError::BrokenChain { at: 1, .. })));
    assert_eq!(restore(&[&close, &acks[0]]), Ok(()), "a log that was cut down says again what the vote lists");
    let early = Voter::restore(domain(), keys_of(&term.set).remove(0), 0, acks[..1].to_vec()).map(|mut voter| {
        voter.open_term(term.clone());
        voter.close().unwrap().record
    });
    assert!(matches!(restore(&[&early.unwrap(), &acks[1]]), Err(RestoreError::AfterClose { at: 1, term: 1 })));
    let stranger = keys_of(&term.set).remove(1);
    assert_eq!(Voter::restore(domain(), stranger, 0, acks).map(|_| ()), Err(RestoreError::NotOurs { at: 0 }));
}

/// What the world saw of one validator in one term.
#[derive(Default)]
struct Seen {
    acked: BTreeMap<u64, Ack>,
    sealed: BTreeMap<u64, SignedBlock>,
    closed: Option<CloseVote>,
    sent: Vec<Ack>,
}

#[test]
fn a_log_that_was_cut_down_may_say_again_what_it_still_has() {
    let term = term(&[1, 1, 1, 1], 8);
    let mut voter = voter(&term, 0);
    let blocks = chain(&term, 4, 8);
    let mut log: Vec<Record> = blocks.iter().map(|block| voter.ack(block, None).unwrap().record).collect();
    log.push(voter.hold_certificate(&certified(&term, &blocks[0])).unwrap().unwrap().record);
    let cut_down = log.len();
    log.extend(voter.compacted());
    let key = || keys_of(&term.set).remove(0);
    let open = |records: &[Record]| {
        let mut voter = Voter::restore(domain(), key(), 0, records.to_vec()).unwrap();
        voter.open_term(term.clone());
        voter
    };
    assert_eq!(open(&log).compacted(), voter.compacted());
    let vote = voter.close().unwrap();
    let closed = log.len();
    log.push(vote.record);
    log.extend(voter.compacted());
    for cut in [0, 1, 2, 3, cut_down, closed, closed + 1, log.len() - voter.compacted().len() - 1] {
        let mut again = open(&log[cut..]);
        assert_eq!(again.said(), voter.said(), "cut at {cut}");
        assert_eq!(again.close().unwrap().statement, vote.statement, "cut at {cut}");
    }
    let beyond = ack(&term, &chain(&term, 5, 8)[4].facts, None, &key());
    log.push(Record::Ack { block: chain(&term, 5, 8)[4], adopted: None, ack: beyond });
    assert!(matches!(Voter::restore(domain(), key(), 0, log), Err(RestoreError::AfterClose { .. })));
}

/// Random asking with crashes that lose what was not stored yet; compacted logs, too. Whatever it is asked, the world
/// never sees a contradiction.
#[test]
fn never_contradicts_itself_across_crashes() {
    let (mut crashes, mut closes, mut double_asked) = (0, 0, 0);
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let term = term(&[1, 1, 1, 1], 4);
        let at = leader(&term, 1);
        let key = || keys_of(&term.set).remove(at);
        let mut blocks: Vec<SignedBlock> = Vec::new();
        for salt in 0..14 {
            let parent = match rng.below(blocks.len() + 1) {
                0 => term.parent,
                _ => blocks[blocks.len() - 1 - rng.below(blocks.len().min(3))].facts,
            };
            blocks.push(seal(&term, child(&term, &parent, rng.chance(20), salt)));
        }
        let mut disk: Vec<Record> = Vec::new();
        let mut unsynced: Vec<(Record, Option<Ack>, Option<CloseVote>)> = Vec::new();
        let mut unsealed: Vec<SignedBlock> = Vec::new();
        let mut voter = voter(&term, at);
        let mut seen = Seen::default();
        for _ in 0..120 {
            let block = *rng.pick(&blocks).unwrap();
            match rng.below(20) {
                0..8 => {
                    double_asked += usize::from(seen.acked.contains_key(&block.facts.id.number));
                    let carried =
                        blocks.iter().find(|b| b.facts.id.hash == block.facts.parent).map(|b| certified(&term, b));
                    if let Ok(voted) = voter.ack(&block, carried.as_ref()) {
                        unsynced.push((voted.record, Some(voted.statement), None));
                    }
                }
                8..10 => {
                    // Certificates of one term are on one chain: those of what this validator acked.
                    let ours = seen.acked.get(&block.facts.id.number).is_some_and(|a| a.block == block.facts.id);
                    if ours && let Ok(Some(voted)) = voter.hold_certificate(&certified(&term, &block)) {
                        unsynced.push((voted.record, voted.statement, None));
                    }
                }
                10 => {
                    let ours = seen.acked.get(&block.facts.id.number).is_some_and(|a| a.block == block.facts.id);
                    if ours && let Ok(Some(voted)) = voter.hold_commit(&committed(&term, &block)) {
                        unsynced.push((voted.record, voted.statement, None));
                    }
                }
                11 => {
                    if let Ok(record) = voter.begin_slot(block.facts.slot) {
                        unsynced.push((record, None, None));
                    }
                }
                12..15 => {
                    if let Ok(sealed) = voter.seal(block.facts) {
                        unsealed.push(sealed);
                    }
                }
                15 if rng.chance(25) => {
                    if let Ok(voted) = voter.close() {
                        closes += 1;
                        unsynced.push((voted.record, None, Some(voted.statement)));
                    }
                }
                16 => {
                    crashes += 1;
                    unsynced.clear();
                    unsealed.clear();
                    voter = Voter::restore(domain(), key(), 0, disk.clone()).unwrap();
                    voter.open_term(term.clone());
                }
                17 => {
                    disk = voter.compacted();
                    let mut again = Voter::restore(domain(), key(), 0, disk.clone()).unwrap();
                    again.open_term(term.clone());
                    let said = |voter: &Voter| voter.spoken().cloned().unwrap_or_default();
                    assert_eq!(said(&again), said(&voter));
                    publish(&mut unsynced, &mut unsealed, &mut seen);
                }
                _ => {
                    disk.extend(unsynced.iter().map(|(record, ..)| record.clone()));
                    publish(&mut unsynced, &mut unsealed, &mut seen);
                }
            }
        }
        if let Some(vote) = &seen.closed {
            assert_eq!(vote.verify(&term), Ok(()));
            for ack in &seen.sent {
                assert_eq!(Evidence::between_ack_and_close(ack, vote), None, "seed {seed}");
            }
        }
    }
    assert!(crashes > 100 && closes > 20 && double_asked > 100, "{crashes} {closes} {double_asked}");
}

/// Sends what is stored, judging it against all that was sent before.
fn publish(
    unsynced: &mut Vec<(Record, Option<Ack>, Option<CloseVote>)>,
    unsealed: &mut Vec<SignedBlock>,
    seen: &mut Seen,
) {
    for (_, ack, close) in unsynced.drain(..) {
        if let Some(ack) = ack {
            let before = seen.acked.insert(ack.block.number, ack);
            assert!(before.is_none_or(|b| b.block == ack.block), "two acks at height {}", ack.block.number);
            let last = seen.sent.last().and_then(|a| a.certificate).map_or(0, |c| c.number);
            assert!(ack.certificate.map_or(0, |c| c.number) >= last, "a certificate was forgotten");
            assert!(seen.closed.is_none(), "an ack after the close vote");
            seen.sent.push(ack);
        }
        if let Some(vote) = close {
            assert!(seen.closed.as_ref().is_none_or(|v| *v == vote), "two close votes");
            seen.closed = Some(vote);
        }
    }
    for block in unsealed.drain(..) {
        let before = seen.sealed.insert(block.facts.id.number, block);
        assert!(before.is_none_or(|b| b == block), "two blocks at height {}", block.facts.id.number);
    }
}
