//! The control plane: opening, failover, L1, incarnations; two replicas; blocks that must not be decided.

use super::*;
use crate::command::CloseTerm;
use crate::dkg::{DkgError, DkgPhase, GroupKey};
use crate::failover::CloseError;
use crate::l1::L1Error;
use crate::statement::{CloseVote, SignedBlock};
use crate::testing::control::{KEY, commitments, confirm, decide, genesis, installed, l1_view, open, shares, state};
use crate::testing::{Rng, certificate, chain, child, close_vote, domain, key, keys_of};

fn block(state: &ControlState, commands: Vec<Command>) -> ControlBlock {
    state.next_block(commands)
}

/// Close votes of the first `count` members.
fn votes(term: &Term, count: usize, certified: Option<&SignedBlock>, acked: &[SignedBlock]) -> Vec<CloseVote> {
    let held = certified.map(|b| certificate(term, &b.facts, None, 3));
    keys_of(&term.set).iter().take(count).map(|key| close_vote(term, held.clone(), acked.to_vec(), key)).collect()
}

#[test]
fn term_one_opens_on_genesis_when_the_key_is_made_and_installed() {
    let mut state = state(&[1, 2, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    assert_eq!(state.opening(), Opening::KeyGeneration);
    let advanced = |phase| vec![Effect::DkgAdvanced { attempt: 0, phase }];
    let (last, first) = keys.split_last().unwrap();
    assert_eq!(decide(&mut state, first.iter().map(|k| commitments(0, k)).collect()), vec![]);
    assert_eq!(decide(&mut state, vec![commitments(0, last)]), advanced(DkgPhase::Shares));
    assert_eq!(decide(&mut state, keys.iter().map(|k| shares(0, k)).collect()), advanced(DkgPhase::Confirm));
    let mut done = advanced(DkgPhase::Done);
    done.push(Effect::GroupKeyConfirmed { epoch: 0, key: KEY });
    assert_eq!(decide(&mut state, keys.iter().map(|k| confirm(0, KEY, k)).collect()), done);
    assert_eq!(state.opening(), Opening::Installation { key: KEY });
    assert!(state.open_term().is_none());
    let event = installed(&state.epoch().set, KEY);
    let effects = decide(&mut state, vec![l1_view(101, vec![event])]);
    let parent = BlockId { number: 0, hash: B256::repeat_byte(0x99) };
    assert_eq!(effects[2], Effect::TermOpened { term: 1, epoch: 0, parent, first_slot: 1 }, "{effects:?}");
    assert_eq!(state.opening(), Opening::Ready);
    assert_eq!(state.sequencer_of(1), state.sequencer_after(&BlockFacts::genesis(parent.hash)));
    assert!(decide(&mut state, vec![]).is_empty(), "a heartbeat opens nothing more");
}

#[test]
fn the_key_may_be_seen_on_l1_before_the_last_confirmation_is_decided() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    let event = installed(&state.epoch().set, KEY);
    decide(&mut state, keys.iter().map(|k| commitments(0, k)).collect());
    decide(&mut state, keys.iter().map(|k| shares(0, k)).collect());
    decide(&mut state, vec![l1_view(101, vec![event])]);
    assert!(state.open_term().is_none());
    decide(&mut state, keys.iter().map(|k| confirm(0, KEY, k)).collect());
    assert!(state.open_term().is_some());
}

#[test]
fn another_key_or_snapshot_opens_nothing() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    decide(&mut state, keys.iter().map(|k| commitments(0, k)).collect());
    decide(&mut state, keys.iter().map(|k| shares(0, k)).collect());
    decide(&mut state, keys.iter().map(|k| confirm(0, KEY, k)).collect());
    let other = installed(&state.epoch().set, GroupKey { parity: 28, ..KEY });
    decide(&mut state, vec![l1_view(101, vec![other])]);
    assert!(matches!(state.opening(), Opening::OtherKeyInstalled { .. }));
    let elsewhere = installed(&crate::testing::set(&[1, 1, 1, 1, 1]), KEY);
    decide(&mut state, vec![l1_view(102, vec![elsewhere])]);
    assert!(matches!(state.opening(), Opening::OtherKeyInstalled { .. }));
    assert!(state.open_term().is_none());
}

#[test]
fn key_generation_starts_again_when_confirmations_differ_or_the_deadline_passes() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    decide(&mut state, keys.iter().map(|k| commitments(0, k)).collect());
    decide(&mut state, keys.iter().map(|k| shares(0, k)).collect());
    let other = GroupKey { parity: 28, ..KEY };
    let effects = decide(&mut state, vec![confirm(0, KEY, &keys[0]), confirm(0, other, &keys[1])]);
    assert_eq!(effects, [Effect::DkgRestarted { attempt: 1 }]);
    assert_eq!((state.dkg().phase(), state.dkg().commitments().len()), (DkgPhase::Commitments, 0));
    assert!(matches!(
        state.check(&block(&state, vec![commitments(0, &keys[0])])),
        Err(Invalid::Dkg(DkgError::OutOfPlace { attempt: 0, .. }))
    ));
    decide(&mut state, vec![commitments(1, &keys[0])]);
    let restarted: Vec<Effect> = (0..20).flat_map(|_| decide(&mut state, vec![])).collect();
    assert_eq!(restarted, [Effect::DkgRestarted { attempt: 2 }]);
    assert!(matches!(open(&mut state).last(), Some(Effect::TermOpened { term: 1, .. })));
}

#[test]
fn key_generation_takes_each_validator_once_and_signed() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    decide(&mut state, vec![commitments(0, &keys[0])]);
    let refused =
        |state: &ControlState, command| matches!(state.check(&block(state, vec![command])), Err(Invalid::Dkg(_)));
    assert!(refused(&state, commitments(0, &keys[0])));
    assert!(refused(&state, shares(0, &keys[1])));
    assert!(refused(&state, commitments(0, &key(9))));
    let Command::DkgCommitments(mut forged) = commitments(0, &keys[1]) else { unreachable!() };
    forged.payload.push(0);
    assert!(refused(&state, Command::DkgCommitments(forged)));
}

#[test]
fn a_closed_term_hands_its_head_to_the_next() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let term = state.open_term().unwrap().clone();
    let blocks = chain(&term, 5, 2);
    let closing =
        |count| CloseTerm { base: blocks[1].facts, votes: votes(&term, count, Some(&blocks[1]), &blocks[2..4]) };
    assert!(matches!(
        state.check(&block(&state, vec![Command::CloseTerm(closing(2))])),
        Err(Invalid::Close(CloseError::Vote(crate::StatementError::NoQuorum { .. })))
    ));
    let questions = state.questions(&block(&state, vec![Command::CloseTerm(closing(3))]));
    assert_eq!(questions, [Question::HoldsBlocks(blocks[1..4].iter().map(|b| b.facts).collect())]);
    let effects = decide(&mut state, vec![Command::CloseTerm(closing(3))]);
    let head = blocks[3].facts;
    assert_eq!(effects[0], Effect::TermClosed { term: 1, head: head.id });
    let next = state.open_term().unwrap().clone();
    assert_eq!((next.number, next.parent), (2, head));
    assert!(matches!(effects[1], Effect::TermOpened { term: 2, parent, .. } if parent == head.id));
    assert!(next.first_slot > term.child_slot(&head));
    let first = next.sequencer_of(next.first_slot).unwrap().signer;
    assert!(closing(3).votes.iter().any(|v| v.validator == first), "a close voter begins");
    for slot in term.child_slot(&head) + 1..next.first_slot {
        let skipped = term.sequencer_of(slot).unwrap().signer;
        assert!(closing(3).votes.iter().all(|v| v.validator != skipped), "slot {slot} was passed over");
    }
    assert_eq!(state.failed_in_a_row(), 1);
    let again = Command::CloseTerm(closing(3));
    assert!(state.check(&block(&state, vec![again])).is_err(), "the votes are for a closed term");
}

#[test]
fn a_term_without_blocks_closes_on_its_parent() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    for number in 1..5 {
        let term = state.open_term().unwrap().clone();
        assert_eq!((term.number, term.parent.id.number), (number, 0));
        assert_eq!(state.slot_timeout_ms(false), state.params().slot_timeout_ms << (number - 1));
        assert_eq!(state.slot_timeout_ms(true), state.params().slot_timeout_ms);
        let votes = votes(&term, 4, None, &[]);
        let slot = term.first_slot;
        decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
        assert_eq!(state.open_term().unwrap().first_slot, slot + 1);
    }
    assert_eq!(state.closed_terms().count(), 4);
}

#[test]
fn a_shown_commit_ends_the_row_of_failures() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    for _ in 0..3 {
        let term = state.open_term().unwrap().clone();
        let votes = votes(&term, 3, None, &[]);
        decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
    }
    assert_eq!(state.failed_in_a_row(), 3);
    let term = state.open_term().unwrap().clone();
    let blocks = chain(&term, 2, 8);
    let held = certificate(&term, &blocks[1].facts, Some(blocks[0].facts.id), 3);
    let votes = keys_of(&term.set).iter().take(3).map(|k| close_vote(&term, Some(held.clone()), vec![], k)).collect();
    decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: blocks[1].facts, votes })]);
    assert_eq!(state.failed_in_a_row(), 1);
}

#[test]
fn an_l1_view_stands_alone_and_moves_on_step_by_step() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let keys = keys_of(&state.epoch().set);
    let mixed = block(&state, vec![l1_view(101, vec![]), commitments(0, &keys[0])]);
    assert_eq!(state.check(&mixed), Err(Invalid::Mixed));
    let question = state.questions(&block(&state, vec![l1_view(105, vec![])]));
    assert!(matches!(&question[..], [Question::L1Matches { after, number: 105, .. }] if after.number == 100));
    for wrong in [99, 100, 165] {
        assert!(matches!(
            state.check(&block(&state, vec![l1_view(wrong, vec![])])),
            Err(Invalid::L1(L1Error::OutOfReach { .. }))
        ));
    }
    let effects = decide(&mut state, vec![l1_view(164, vec![])]);
    assert_eq!(effects, [Effect::L1Advanced(state.l1_view())]);
    assert_eq!(state.l1_view().number, 164);
}

#[test]
fn l1_events_change_the_candidates_of_the_next_epoch_only() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let set = state.epoch().set.clone();
    let joined = crate::testing::candidate(7, 3);
    let events = vec![
        L1Event::ValidatorJoined {
            id: joined.id,
            signer: joined.signer,
            node_key: joined.node_key,
            stake: joined.stake,
        },
        L1Event::StakeChanged { id: 1, stake: joined.stake },
        L1Event::SignerChanged { id: 2, signer: Address::repeat_byte(9) },
        L1Event::ValidatorLeaving { id: 3 },
    ];
    decide(&mut state, vec![l1_view(101, events)]);
    assert_eq!(state.epoch().set, set);
    let candidates: Vec<&Candidate> = state.l1().candidates().collect();
    assert_eq!(candidates.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2, 4, 8]);
    assert_eq!((candidates[0].stake, candidates[1].signer), (joined.stake, Address::repeat_byte(9)));
    let unknown = block(&state, vec![l1_view(102, vec![L1Event::ValidatorLeaving { id: 77 }])]);
    assert_eq!(state.check(&unknown), Err(Invalid::L1(L1Error::UnknownValidator(77))));
}

fn accepted(index: u64, first_block: u64, last_block: u64) -> L1Event {
    L1Event::BatchAccepted {
        index,
        digest: B256::with_last_byte(index as u8),
        first_block,
        last_block,
        last_block_hash: B256::repeat_byte(3),
        state_root: B256::repeat_byte(4),
        l1_view: 100,
        forced: 0,
        carrier: Address::repeat_byte(6),
        l1_block: 101,
        l1_hash: B256::repeat_byte(7),
        l1_tx: B256::repeat_byte(5),
    }
}

#[test]
fn batches_are_contiguous() {
    let mut state = state(&[1, 1, 1, 1], 8);
    let effects = decide(&mut state, vec![l1_view(101, vec![accepted(0, 1, 5), accepted(1, 6, 6)])]);
    assert_eq!(effects.iter().filter(|e| matches!(e, Effect::BatchAccepted(_))).count(), 2);
    assert_eq!((state.batches().next_index(), state.batches().next_block()), (2, 7));
    assert_eq!(state.batches().last_digest(), B256::with_last_byte(1));
    let before = state.clone();
    for wrong in [accepted(2, 8, 9), accepted(3, 7, 9), accepted(1, 7, 9), accepted(2, 7, 6)] {
        let wrong = block(&state, vec![l1_view(102, vec![wrong])]);
        assert!(matches!(state.apply(&wrong), Err(Invalid::Batch(_))));
    }
    assert_eq!(state, before, "a refused block changes nothing");
}

#[test]
fn a_new_incarnation_counts_from_the_next_term() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let keys = keys_of(&state.epoch().set);
    let me = keys[0].address();
    let register = |n| Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), n, &keys[0]));
    let effects = decide(&mut state, vec![register(2)]);
    let expected = Effect::IncarnationRegistered { validator: me, incarnation: 2, first_in_epoch: true };
    assert_eq!(effects, [expected]);
    for stale in [1, 2] {
        assert!(matches!(state.check(&block(&state, vec![register(stale)])), Err(Invalid::Incarnation { .. })));
    }
    let effects = decide(&mut state, vec![register(3)]);
    assert!(matches!(effects[..], [Effect::IncarnationRegistered { first_in_epoch: false, .. }]));
    let term = state.open_term().unwrap().clone();
    assert_eq!(term.set.get(&me).unwrap().incarnation, 0);
    let votes = keys[..3].iter().map(|key| close_vote(&term, None, vec![], key)).collect();
    decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
    let incarnations: Vec<u64> = state.open_term().unwrap().set.validators().iter().map(|v| v.incarnation).collect();
    assert_eq!(incarnations, [3, 0, 0, 0]);
    let mut forged = RegisterIncarnation::sign(&domain(), 9, &keys[0]);
    forged.validator = keys[1].address();
    assert!(state.check(&block(&state, vec![Command::RegisterIncarnation(forged)])).is_err());
}

#[test]
fn heights_follow_and_one_closing_is_enough() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let term = state.open_term().unwrap().clone();
    let closing = || Command::CloseTerm(CloseTerm { base: term.parent, votes: votes(&term, 3, None, &[]) });
    for height in [0, state.height(), state.height() + 2] {
        let wrong = ControlBlock { height, ..state.next_block(vec![]) };
        assert!(matches!(state.check(&wrong), Err(Invalid::Height { .. })));
    }
    assert_eq!(state.check(&block(&state, vec![closing(), closing()])), Err(Invalid::Mixed));
    let many = vec![closing(); MAX_COMMANDS + 1];
    assert!(matches!(state.check(&block(&state, many)), Err(Invalid::TooManyCommands(_))));
    let twice = votes(&term, 3, None, &[]).into_iter().flat_map(|v| [v.clone(), v]).collect();
    let twice = Command::CloseTerm(CloseTerm { base: term.parent, votes: twice });
    assert!(matches!(
        state.check(&block(&state, vec![twice])),
        Err(Invalid::Close(CloseError::Vote(crate::StatementError::Unordered)))
    ));
}

/// Two replicas that take the same blocks, one of them written out and read back on the way, stay equal byte for byte;
/// refused blocks in between change neither.
#[test]
fn replicas_stay_equal_byte_for_byte() {
    let (mut terms, mut refused) = (0, 0);
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let mut one = ControlState::genesis(&genesis(&[1, 2, 3, 1, 2], 6)).unwrap();
        let mut two = one.clone();
        let keys = keys_of(&one.epoch().set);
        for _ in 0..60 {
            let mut commands = Vec::new();
            let attempt = one.dkg().attempt();
            match (rng.below(6), one.open_term().cloned()) {
                (0, _) => {
                    let key = if rng.chance(80) { KEY } else { GroupKey { parity: 28, ..KEY } };
                    let event = installed(&one.epoch().set, key);
                    commands.push(l1_view(one.l1_view().number + 1 + rng.below(70) as u64, vec![event]));
                }
                (1, _) => {
                    let (n, at) = (rng.below(3) as u64, rng.below(5));
                    commands.push(Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), n, &keys[at])));
                }
                (2, Some(term)) => {
                    let blocks = chain_with_incarnations(&term, &keys, 1 + rng.below(4));
                    let votes = keys
                        .iter()
                        .zip(term.set.validators())
                        .filter(|_| rng.chance(90))
                        .map(|(key, v)| {
                            let mut vote = close_vote(&term, None, blocks.clone(), key);
                            vote.incarnation = v.incarnation;
                            vote.signed(&term.domain, key)
                        })
                        .collect();
                    commands.push(Command::CloseTerm(CloseTerm { base: term.parent, votes }));
                }
                (_, _) => {
                    for key in keys.iter().filter(|_| rng.chance(95)) {
                        commands.push(match one.dkg().phase() {
                            DkgPhase::Commitments => commitments(attempt, key),
                            DkgPhase::Shares => shares(attempt, key),
                            _ => confirm(attempt, KEY, key),
                        });
                    }
                }
            }
            let block = block(&one, commands);
            let block: ControlBlock = borsh::from_slice(&borsh::to_vec(&block).unwrap()).unwrap();
            let outcome = one.apply(&block);
            assert_eq!(two.check(&block).is_ok(), outcome.is_ok());
            assert_eq!(two.apply(&block), outcome);
            terms += outcome.iter().flatten().filter(|e| matches!(e, Effect::TermOpened { .. })).count();
            refused += usize::from(outcome.is_err());
            let bytes = borsh::to_vec(&one).unwrap();
            assert_eq!(bytes, borsh::to_vec(&two).unwrap());
            if rng.chance(20) {
                two = borsh::from_slice(&bytes).unwrap();
            }
        }
    }
    assert!(terms > 20 && refused > 20, "{terms} terms opened, {refused} blocks refused");
}

/// A chain whose sequencers sign as the incarnations that count.
fn chain_with_incarnations(term: &Term, keys: &[crate::sign::SignerKey], blocks: usize) -> Vec<SignedBlock> {
    let mut parent = term.parent;
    (0..blocks)
        .map(|n| {
            parent = child(term, &parent, n == 1, 0);
            let at = term.schedule.leader(parent.slot).unwrap();
            SignedBlock::sign(parent, &term.domain, term.set.validators()[at].incarnation, &keys[at])
        })
        .collect()
}

#[test]
fn random_bytes_are_no_state() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let bytes = borsh::to_vec(&state).unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        let mut altered = bytes.clone();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(altered.len());
            altered[at] ^= 1 << rng.below(8);
        }
        if let Ok(mut read) = borsh::from_slice::<ControlState>(&altered) {
            let next = block(&read, vec![]);
            let _ = read.apply(&next);
        }
    }
}

/// Proof that a member signed two Tendermint votes at this height.
fn voted_twice(state: &ControlState, at: usize, height: u64) -> Proof {
    let vote = |value| crate::EngineStatement {
        step: crate::Step::Precommit,
        height,
        round: 0,
        value: B256::repeat_byte(value),
        pol_round: None,
    };
    crate::testing::engine_proof(state.epoch().number, vote(1), vote(2), &keys_of(&state.epoch().set)[at])
}

fn evidence(proof: &Proof) -> Command {
    Command::Evidence(Box::new(proof.clone()))
}

#[test]
fn a_convicted_validator_gets_no_turns_at_once_but_keeps_its_weight() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let term = state.open_term().unwrap().clone();
    let at = term.schedule.leader(2).unwrap();
    let proof = voted_twice(&state, at, state.height());
    assert!(
        state.check(&block(&state, vec![evidence(&proof)])).is_err(),
        "the height that opened the term was of no term"
    );
    let proof = voted_twice(&state, at, state.height() + 1);
    let (validator, offence) = (proof.validator, Offence::DoubleVote);
    let effects = decide(&mut state, vec![evidence(&proof)]);
    assert_eq!(effects, [Effect::Jailed { validator, offence }, Effect::Skipped { skipped: vec![validator] }]);
    let now = state.open_term().unwrap().clone();
    assert_eq!((term.slot_after(1, state.height()), now.slot_after(1, state.height())), (2, 3));
    assert_eq!(now.slot_after(1, state.height() - 1), 2, "a block that names the height before");
    assert_eq!((now.set.total(), &now.set), (4, &term.set));
    let kept = state.jail().get(now.set.get(&validator).unwrap().id).unwrap();
    assert_eq!((kept.validator, kept.height, &kept.proof), (validator, state.height(), &proof));
    let again = block(&state, vec![evidence(&voted_twice(&state, at, state.height() + 1))]);
    assert_eq!(state.check(&again), Err(Invalid::Evidence(NotEvidence::InJail(validator))));
    let early = block(&state, vec![evidence(&voted_twice(&state, (at + 1) % 4, state.height() + 2))]);
    assert_eq!(state.check(&early), Err(Invalid::Evidence(NotEvidence::OutOfReach)));

    let blocks = chain(&now, 1, 8);
    let votes = votes(&now, 4, None, &blocks);
    decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: now.parent, votes })]);
    let next = state.open_term().unwrap();
    assert_ne!(next.sequencer_of(next.first_slot).unwrap().signer, validator, "nor does it begin a term");
    assert_eq!(next.skips.latest(), [validator]);
}

#[test]
fn less_than_a_third_of_the_weights_is_passed_over() {
    let mut state = state(&[2, 1, 1, 1, 1, 1], 8);
    open(&mut state);
    let set = state.epoch().set.clone();
    let heavy = set.validators().iter().position(|v| v.weight == 2).unwrap();
    let order: Vec<usize> = (0..6).filter(|at| *at != heavy).take(2).chain([heavy]).collect();
    for at in &order {
        let proof = voted_twice(&state, *at, state.height());
        let early = state.check(&block(&state, vec![evidence(&proof)])).is_err();
        let proof = if early { voted_twice(&state, *at, state.height() + 1) } else { proof };
        decide(&mut state, vec![evidence(&proof)]);
    }
    let mut first_two: Vec<Address> = order[..2].iter().map(|at| set.validators()[*at].signer).collect();
    first_two.sort_unstable();
    assert_eq!(state.open_term().unwrap().skips.latest(), first_two, "the third would make it 4 of 7");
    assert_eq!(state.jail().iter().count(), 3);
}

#[test]
fn evidence_is_judged_against_the_last_closed_terms() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let first = state.open_term().unwrap().clone();
    let (blocks, key) = (chain(&first, 2, 8), &keys_of(&first.set)[0]);
    let pair = |term: &Term, blocks: &[SignedBlock]| crate::Evidence::DoubleClose {
        first: Box::new(close_vote(term, None, vec![], key)),
        second: Box::new(close_vote(term, None, blocks.to_vec(), key)),
    };
    let proof = pair(&first, &blocks).proof(&first).unwrap();
    let height = first.opened_height + 1;
    for closed in 1..=MAX_JUDGED_TERMS + 1 {
        let term = state.open_term().unwrap().clone();
        let votes = votes(&term, 4, None, &[]);
        decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
        let in_reach = closed <= MAX_JUDGED_TERMS;
        assert_eq!(state.check(&block(&state, vec![evidence(&proof)])).is_ok(), in_reach, "{closed} terms closed");
        let twice = voted_twice(&state, 1, height);
        assert_eq!(state.check(&block(&state, vec![evidence(&twice)])).is_ok(), in_reach, "{closed} terms closed");
    }
    let bytes = borsh::to_vec(&state).unwrap();
    assert_eq!(borsh::from_slice::<ControlState>(&bytes).unwrap(), state);
}

#[test]
fn what_an_older_incarnation_signed_convicts_nobody_in_a_later_term() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let keys = keys_of(&state.epoch().set);
    decide(&mut state, vec![Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), 1, &keys[0]))]);
    let before = voted_twice(&state, 0, state.height());
    assert!(state.check(&block(&state, vec![evidence(&before)])).is_ok(), "it counted when it was signed");
    let term = state.open_term().unwrap().clone();
    let votes = votes(&term, 4, None, &[]);
    decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
    let after = voted_twice(&state, 0, state.height() + 1);
    assert!(matches!(
        state.check(&block(&state, vec![evidence(&after)])),
        Err(Invalid::Evidence(NotEvidence::Statement(crate::StatementError::WrongIncarnation { .. })))
    ));
}

fn ready(state: &ControlState, slot: u64, ready: bool, at: usize) -> Command {
    let term = state.open_term().unwrap();
    Command::Readiness(crate::testing::readiness(term, slot, state.height(), ready, &keys_of(&term.set)[at]))
}

#[test]
fn who_asks_for_it_is_passed_over_until_it_says_that_it_is_ready() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let first = state.open_term().unwrap().clone();
    let at = first.schedule.leader(2).unwrap();
    let me = first.set.validators()[at].signer;
    assert!(!state.readiness_is_due(&me, 1, true) && state.readiness_is_due(&me, 1, false));
    let drains = ready(&state, 1, false, at);
    assert_eq!(decide(&mut state, vec![drains.clone()]), [Effect::Skipped { skipped: vec![me] }]);
    assert_eq!(state.check(&block(&state, vec![drains])), Err(Invalid::NothingNew(me)));
    assert!(state.readiness_is_due(&me, 1, true) && !state.readiness_is_due(&me, 500, false));
    let out = state.height();
    let resumes = ready(&state, 1, true, at);
    assert_eq!(decide(&mut state, vec![resumes]), [Effect::Skipped { skipped: vec![] }]);
    let term = state.open_term().unwrap();
    let after = |named| term.slot_after(1, named);
    assert_eq!((after(out - 1), after(out), after(out + 1)), (2, 3, 2));
    assert_eq!(term.skips.since(&me), None);
    let Command::Readiness(mut forged) = ready(&state, 9, true, at) else { unreachable!() };
    forged.slot = 10;
    let forged = block(&state, vec![Command::Readiness(forged)]);
    assert!(matches!(state.check(&forged), Err(Invalid::Readiness(_))));
}

#[test]
fn an_idle_chain_stays_idle_and_a_silent_validator_is_passed_over() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let ControlParams { readiness_slots, stale_slots, .. } = *state.params();
    let members: Vec<Address> = state.epoch().set.validators().iter().map(|v| v.signer).collect();
    let (mut blocks, mut slot) = (0, 1);
    while state.open_term().unwrap().skips.latest().is_empty() {
        let due: Vec<usize> = (0..3).filter(|at| state.readiness_is_due(&members[*at], slot, true)).collect();
        if !due.is_empty() {
            blocks += 1;
            let said = due.into_iter().map(|at| ready(&state, slot, true, at)).collect();
            decide(&mut state, said);
        }
        slot += 1;
        assert!(slot < 2 * stale_slots + 2 * readiness_slots, "the silent one is never passed over");
    }
    assert_eq!(state.open_term().unwrap().skips.latest(), [members[3]]);
    assert!(slot > stale_slots && blocks <= slot / readiness_slots + 1, "{blocks} control blocks in {slot} slots");
    let back = ready(&state, slot, true, 3);
    assert_eq!(decide(&mut state, vec![back]), [Effect::Skipped { skipped: vec![] }]);
}

/// A dead sequencer costs one failover; then its turns are passed over.
#[test]
fn a_validator_whose_slot_failed_gets_no_more_turns_before_it_is_heard() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let first = state.open_term().unwrap().clone();
    let dead = first.schedule.leader(1).unwrap();
    let me = first.set.validators()[dead].signer;
    let alive = |term: &Term| -> Vec<CloseVote> {
        let keys = keys_of(&term.set);
        keys.iter().filter(|key| key.address() != me).map(|key| close_vote(term, None, vec![], key)).collect()
    };
    let votes = alive(&first);
    decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: first.parent, votes })]);
    let term = state.open_term().unwrap().clone();
    let mut tip = BlockFacts { control_height: state.height(), ..child(&term, &term.parent, true, 0) };
    for _ in 0..20 {
        assert_ne!(term.sequencer_of(tip.slot).unwrap().signer, me);
        tip = child(&term, &tip, true, 0);
    }
    assert!(state.readiness_is_due(&me, 1, true), "once it is back it says so");
    let back = ready(&state, 1, true, dead);
    assert_eq!(decide(&mut state, vec![back]), [Effect::Skipped { skipped: vec![] }]);
}

#[test]
fn a_block_is_about_one_state() {
    let mut state = state(&[1, 1, 1, 1], 8);
    open(&mut state);
    let here = state.hash();
    let elsewhere = ControlBlock { state: B256::repeat_byte(1), ..state.next_block(vec![]) };
    let named = elsewhere.state;
    let refused = Invalid::OtherState { height: elsewhere.height, named, here };
    assert_eq!(state.check(&elsewhere), Err(refused.clone()));
    assert_eq!(state.apply(&elsewhere), Err(refused));
    assert_eq!(state.hash(), here, "a refused block changes nothing");
    let read: ControlState = borsh::from_slice(&borsh::to_vec(&state).unwrap()).unwrap();
    assert_eq!(read.next_block(vec![]), state.next_block(vec![]));
    decide(&mut state, vec![]);
    assert_ne!(state.hash(), here, "a heartbeat is a step too");
}
