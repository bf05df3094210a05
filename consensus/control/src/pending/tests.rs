//! What is kept for the next control block, what is dropped, and what a proposer makes of it.

use super::*;
use crate::command::{Command, ControlBlock};
use crate::proof::Offence;
use crate::statement::{BlockFacts, BlockId, SignedBlock};
use crate::term::Term;
use crate::testing::control::{KEY, commitments, confirm, decide, l1_view, open, shares, state};
use crate::testing::{certificate, chain, close_vote, domain, key, keys_of};

fn pending(command: Command) -> Pending {
    match command {
        Command::DkgCommitments(m) => Pending::DkgCommitments(m),
        Command::DkgShares(m) => Pending::DkgShares(m),
        Command::DkgConfirm(m) => Pending::DkgConfirm(m),
        _ => unreachable!("only key generation messages go this way"),
    }
}

fn nothing_held(_: &BlockId) -> Option<BlockFacts> {
    None
}

fn held(blocks: &[SignedBlock]) -> impl Fn(&BlockId) -> Option<BlockFacts> {
    let facts: Vec<BlockFacts> = blocks.iter().map(|b| b.facts).collect();
    move |id| facts.iter().find(|f| f.id == *id).copied()
}

fn opened() -> (ControlState, Term) {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let term = state.open_term().unwrap().clone();
    (state, term)
}

#[test]
fn key_generation_goes_through_the_pool_to_the_end() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    let mut pool = PendingCommands::new();
    for key in &keys {
        for command in [shares(0, key), commitments(0, key), confirm(0, KEY, key)] {
            assert_eq!(pool.add(pending(command.clone()), &state), Ok(Added::New));
            assert_eq!(pool.add(pending(command), &state), Ok(Added::Known));
        }
    }
    assert_eq!(pool.len(), 12);
    for _ in 0..3 {
        let block = state.propose(&pool, &nothing_held).unwrap();
        assert_eq!(block.commands.len(), 4);
        state.apply(&block).unwrap();
        pool.drop_stale(&state);
    }
    assert_eq!(state.dkg().key(), Some(KEY));
    assert!(pool.is_empty());
    assert_eq!(state.propose(&pool, &nothing_held), None);
}

#[test]
fn differing_confirmations_do_not_stop_the_proposer() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    decide(&mut state, keys.iter().map(|k| commitments(0, k)).collect());
    decide(&mut state, keys.iter().map(|k| shares(0, k)).collect());
    let mut pool = PendingCommands::new();
    let other = crate::dkg::GroupKey { parity: 28, ..KEY };
    for (at, key) in keys.iter().enumerate() {
        pool.add(pending(confirm(0, if at == 1 { other } else { KEY }, key)), &state).unwrap();
    }
    let block = state.propose(&pool, &nothing_held).unwrap();
    state.apply(&block).unwrap();
    assert_eq!(state.dkg().attempt(), 1);
    pool.drop_stale(&state);
    assert!(pool.is_empty());
}

#[test]
fn commands_that_do_not_count_are_not_kept() {
    let (state, term) = opened();
    let mut pool = PendingCommands::new();
    let keys = keys_of(&term.set);
    assert_eq!(pool.add(pending(commitments(0, &keys[0])), &state), Err(NotPending::Stale));
    assert_eq!(pool.add(pending(commitments(1, &keys[0])), &state), Err(NotPending::Early));
    let vote = close_vote(&term, None, vec![], &keys[0]);
    let mut forged = vote.clone();
    forged.validator = keys[1].address();
    assert!(matches!(pool.add(Pending::Close(forged), &state), Err(NotPending::Statement(_))));
    let stranger = close_vote(&term, None, vec![], &key(9));
    assert!(matches!(pool.add(Pending::Close(stranger), &state), Err(NotPending::Statement(_))));
    let later = close_vote(&Term { number: 2, ..term.clone() }, None, vec![], &keys[0]);
    assert_eq!(pool.add(Pending::Close(later), &state), Err(NotPending::Early));
    let register = RegisterIncarnation::sign(&domain(), 1, &key(9));
    assert_eq!(pool.add(Pending::RegisterIncarnation(register), &state), Err(NotPending::BadRegistration));
    assert!(pool.is_empty());
}

#[test]
fn the_first_message_of_a_phase_stays() {
    let state = state(&[1, 1, 1, 1], 8);
    let key = &keys_of(&state.epoch().set)[0];
    let mut pool = PendingCommands::new();
    let sign = |payload| Pending::DkgCommitments(DkgCommitments::sign(&domain(), 0, 0, 0, payload, key));
    assert_eq!(pool.add(sign(vec![1]), &state), Ok(Added::New));
    assert_eq!(pool.add(sign(vec![2]), &state), Ok(Added::Known));
    assert_eq!(pool.commands().collect::<Vec<_>>(), [&sign(vec![1])]);
}

#[test]
fn two_close_votes_are_evidence() {
    let (state, term) = opened();
    let mut pool = PendingCommands::new();
    let keys = keys_of(&term.set);
    let blocks = chain(&term, 1, 8);
    pool.add(Pending::Close(close_vote(&term, None, vec![], &keys[0])), &state).unwrap();
    let second = Pending::Close(close_vote(&term, None, blocks, &keys[0]));
    let Ok(Added::Evidence(evidence)) = pool.add(second, &state) else { panic!("two votes") };
    assert_eq!((evidence.validator, evidence.verify(&term)), (keys[0].address(), Ok(Offence::DoubleClose)));
    assert_eq!(pool.close_votes().next().map(|v| v.acked.len()), Some(0), "the first one is kept");
}

#[test]
fn a_closing_is_proposed_once_a_quorum_of_votes_is_held() {
    let (mut state, term) = opened();
    let keys = keys_of(&term.set);
    let blocks = chain(&term, 4, 3);
    let certified = certificate(&term, &blocks[0].facts, None, 3);
    let mut pool = PendingCommands::new();
    for key in &keys[..2] {
        pool.add(Pending::Close(close_vote(&term, Some(certified.clone()), blocks[1..3].to_vec(), key)), &state)
            .unwrap();
    }
    assert_eq!(state.propose(&pool, &held(&blocks)), None);
    pool.add(Pending::Close(close_vote(&term, None, blocks.clone(), &keys[2])), &state).unwrap();
    assert_eq!(state.propose(&pool, &held(&blocks[..3])), None, "one vote lists a block that is not held");
    let lying = |id: &BlockId| held(&blocks)(id).map(|f| BlockFacts { ends_slot: !f.ends_slot, ..f });
    assert_eq!(state.propose(&pool, &lying), None, "the headers say something else");
    pool.set_l1_view(Some((crate::l1::L1View { number: 102, hash: alloy_primitives::B256::ZERO }, vec![])));
    let block = state.propose(&pool, &held(&blocks)).unwrap();
    assert!(matches!(&block.commands[..], [Command::CloseTerm(closing)] if closing.votes.len() == 3));
    state.apply(&block).unwrap();
    assert_eq!(state.open_term().unwrap().parent, blocks[3].facts);
    pool.drop_stale(&state);
    assert_eq!(pool.len(), 0);
    let view = state.propose(&pool, &nothing_held).unwrap();
    assert!(matches!(&view.commands[..], [Command::L1View { number: 102, .. }]));
    state.apply(&view).unwrap();
    pool.drop_stale(&state);
    assert!(pool.is_empty());
}

#[test]
fn a_full_block_takes_the_smallest_votes_that_make_a_quorum() {
    let (mut state, term) = opened();
    let keys = keys_of(&term.set);
    let blocks = chain(&term, 8, 8);
    let mut pool = PendingCommands::new();
    for (at, key) in keys.iter().enumerate() {
        pool.add(Pending::Close(close_vote(&term, None, blocks[..2 * at].to_vec(), key)), &state).unwrap();
    }
    let all = state.propose(&pool, &held(&blocks)).unwrap();
    assert!(matches!(&all.commands[..], [Command::CloseTerm(closing)] if closing.votes.len() == 4));
    let mut bytes = borsh::to_vec(&state).unwrap();
    let limit = state.params().control_block_bytes.to_le_bytes();
    let at = bytes.windows(8).position(|w| w == limit).unwrap();
    bytes[at..at + 8].copy_from_slice(&1u64.to_le_bytes());
    state = borsh::from_slice(&bytes).unwrap();
    let ControlBlock { commands, .. } = state.propose(&pool, &held(&blocks)).unwrap();
    let [Command::CloseTerm(closing)] = &commands[..] else { panic!("a closing, whatever the limit") };
    assert_eq!(closing.votes.iter().map(|v| v.acked.len()).max(), Some(4));
    assert_eq!(closing.votes.len(), 3);
}

#[test]
fn registrations_are_dropped_once_decided() {
    let (mut state, term) = opened();
    let mut pool = PendingCommands::new();
    let keys = keys_of(&term.set);
    let register = |n| Pending::RegisterIncarnation(RegisterIncarnation::sign(&domain(), n, &keys[0]));
    assert_eq!(pool.add(register(1), &state), Ok(Added::New));
    assert_eq!(pool.add(register(2), &state), Ok(Added::New));
    assert_eq!(pool.add(register(1), &state), Ok(Added::Known), "the later one stays");
    assert_eq!(pool.len(), 1, "one of a kind for each validator");
    let block = state.propose(&pool, &nothing_held).unwrap();
    state.apply(&block).unwrap();
    pool.drop_stale(&state);
    assert!(pool.is_empty());
    assert_eq!(pool.add(register(2), &state), Err(NotPending::Stale));
    let _ = decide(&mut state, vec![l1_view(102, vec![])]);
}

#[test]
fn evidence_waits_once_a_validator_and_goes_into_the_next_block() {
    let (mut state, term) = opened();
    let mut pool = PendingCommands::new();
    let blocks = chain(&term, 1, 8);
    for key in &keys_of(&term.set)[..2] {
        pool.add(Pending::Close(close_vote(&term, None, vec![], key)), &state).unwrap();
        let second = Pending::Close(close_vote(&term, None, blocks.clone(), key));
        let Ok(Added::Evidence(proof)) = pool.add(second, &state) else { panic!("two votes") };
        assert_eq!(pool.add(Pending::Evidence(proof.clone()), &state), Ok(Added::New));
        let turned = Box::new(Proof { first: proof.second.clone(), second: proof.first.clone(), ..*proof.clone() });
        assert_eq!(pool.add(Pending::Evidence(turned), &state), Ok(Added::Known), "the first proof stays");
        let later = Pending::Evidence(Box::new(Proof { term: 2, ..*proof.clone() }));
        let stranger = Proof { validator: crate::testing::key(9).address(), ..*proof };
        assert!(matches!(pool.add(Pending::Evidence(Box::new(stranger)), &state), Err(NotPending::Evidence(_))));
        let Pending::Evidence(mut early) = later else { unreachable!() };
        early.validator = keys_of(&term.set)[3].address();
        assert_eq!(pool.add(Pending::Evidence(early), &state), Err(NotPending::Early));
    }
    let block = state.propose(&pool, &nothing_held).unwrap();
    assert_eq!(block.commands.iter().filter(|c| matches!(c, Command::Evidence(_))).count(), 2);
    state.apply(&block).unwrap();
    assert_eq!(state.jail().iter().count(), 2);
    let again = pool.commands().find(|c| matches!(c, Pending::Evidence(_))).unwrap().clone();
    pool.drop_stale(&state);
    assert!(!pool.commands().any(|c| matches!(c, Pending::Evidence(_))));
    assert_eq!(pool.add(again, &state), Err(NotPending::Stale));
}

#[test]
fn the_newest_word_on_readiness_stays() {
    let (mut state, term) = opened();
    let mut pool = PendingCommands::new();
    let me = &keys_of(&term.set)[0];
    let height = state.height();
    let said = |slot, height, ready| Pending::Readiness(crate::testing::readiness(&term, slot, height, ready, me));
    assert_eq!(pool.add(said(1, height, true), &state), Err(NotPending::Stale), "nothing new");
    assert_eq!(pool.add(said(2, height, true), &state), Ok(Added::New));
    assert_eq!(pool.add(said(3, height, false), &state), Ok(Added::New));
    assert_eq!(pool.add(said(2, height, true), &state), Ok(Added::Known));
    assert_eq!(pool.len(), 1);
    let block = state.propose(&pool, &nothing_held).unwrap();
    state.apply(&block).unwrap();
    pool.drop_stale(&state);
    assert!(pool.is_empty());
    assert_eq!(state.open_term().unwrap().skips.latest(), [me.address()]);
    let replayed = said(2, height, true);
    assert_eq!(pool.add(replayed, &state), Err(NotPending::Stale));
    let later = Term { number: 2, ..term.clone() };
    let early = crate::testing::readiness(&later, 9, height + 1, true, me);
    assert_eq!(pool.add(Pending::Readiness(early), &state), Err(NotPending::Early));
    let stranger = crate::testing::readiness(&term, 9, height + 1, true, &key(9));
    assert!(matches!(pool.add(Pending::Readiness(stranger), &state), Err(NotPending::Statement(_))));
}
