//! The way from one epoch to the next: when it is begun, what it waits for, when it opens, and what is left as it was.

use alloy_primitives::U256;

use super::*;
use crate::checkpoint::{Checkpoint, NotACheckpoint};
use crate::command::{CloseTerm, Command, L1Event, RegisterIncarnation};
use crate::decision::Decision;
use crate::evidence::Evidence;
use crate::jail::Jailed;
use crate::pending::{Added, NotPending, Pending, PendingCommands};
use crate::proof::{NotEvidence, Offence, Proof};
use crate::set::Candidate;
use crate::state::{ControlParams, ControlState, Effect, Genesis, Invalid};
use crate::statement::{CloseVote, StatementError};
use crate::term::Term;
use crate::testing::control::{commitments_for, confirm_for, decide, genesis, l1_view, open, shares_for};
use crate::testing::{Rng, candidate, chain, close_vote, domain, key, keys_of, readiness};

const NEXT: GroupKey = GroupKey { px: U256::from_limbs([9, 9, 9, 9]), parity: 28 };
const EPOCH_SLOTS: u64 = 6;
const EPOCH_SLOTS_MAX: u64 = 20;

fn opened(epoch_slots: u64, epoch_slots_max: u64) -> ControlState {
    let genesis = genesis(&[1, 1, 1, 1], 8);
    let params = ControlParams { epoch_slots, epoch_slots_max, ..genesis.params };
    let mut state = ControlState::genesis(&Genesis { params, ..genesis }).unwrap();
    open(&mut state);
    state
}

/// Closes the open term on its parent by the votes of all.
fn close(state: &mut ControlState) -> Vec<Effect> {
    let term = state.open_term().unwrap().clone();
    let incarnation = |signer: &Address| term.set.get(signer).unwrap().incarnation;
    let votes: Vec<CloseVote> = keys_of_members(&term.set)
        .iter()
        .map(|key| {
            let mut vote = close_vote(&term, None, vec![], key);
            vote.incarnation = incarnation(&key.address());
            vote.signed(&term.domain, key)
        })
        .collect();
    decide(state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })])
}

fn keys_of_members(set: &ValidatorSet) -> Vec<SignerKey> {
    let key_of = |signer: &Address| (0..20).map(key).find(|key| key.address() == *signer).unwrap();
    set.validators().iter().map(|v| key_of(&v.signer)).collect()
}

/// All have come to this slot, by their word.
fn reach(state: &mut ControlState, slot: u64) -> Vec<Effect> {
    let term = state.open_term().unwrap().clone();
    let height = state.height();
    let said = keys_of_members(&term.set)
        .into_iter()
        .map(|key| Command::Readiness(readiness(&term, slot, height, true, &key)));
    decide(state, said.collect())
}

fn joined(n: usize) -> L1Event {
    let Candidate { id, signer, node_key, stake } = candidate(n, 1);
    L1Event::ValidatorJoined { id, signer, node_key, stake }
}

fn on_l1(state: &mut ControlState, events: Vec<L1Event>) -> Vec<Effect> {
    let number = state.l1_view().number + 1;
    decide(state, vec![l1_view(number, events)])
}

fn generate(state: &mut ControlState, group: GroupKey) -> Vec<Effect> {
    let (epoch, set) = state.keygen();
    let (keys, attempt) = (keys_of_members(set), state.dkg().attempt());
    decide(state, keys.iter().map(|key| commitments_for(epoch, attempt, key)).collect());
    decide(state, keys.iter().map(|key| shares_for(epoch, attempt, key)).collect());
    decide(state, keys.iter().map(|key| confirm_for(epoch, attempt, group, key)).collect())
}

fn installed(state: &ControlState, group: GroupKey) -> L1Event {
    let snapshot_hash = state.next_epoch().unwrap().set().snapshot_hash();
    L1Event::KeyInstalled { key_index: 2, px: group.px, parity: group.parity, snapshot_hash }
}

fn ready(state: &ControlState, count: usize) -> Vec<Command> {
    let next = state.next_epoch().unwrap();
    let committed = state.open_term().unwrap().parent.id;
    let say = |signer: &SignerKey| {
        let (validator, signature) = (signer.address(), Signature([0; 65]));
        let incarnation = next.set().get(&validator).unwrap().incarnation;
        let said = EpochReadiness { validator, incarnation, epoch: next.number(), key: NEXT, committed, signature };
        Command::EpochReadiness(said.signed(&domain(), signer))
    };
    keys_of_members(next.set()).iter().take(count).map(say).collect()
}

/// A fifth validator has joined; the next epoch waits for whatever is left out.
fn due(state: &mut ControlState) {
    on_l1(state, vec![joined(4)]);
    reach(state, EPOCH_SLOTS + 1);
    generate(state, NEXT);
    let event = installed(state, NEXT);
    on_l1(state, vec![event]);
    let said = ready(state, 4);
    assert_eq!(decide(state, said), [Effect::EpochDue { epoch: 1 }]);
}

#[test]
fn a_set_that_never_changes_keeps_its_epoch() {
    for (shortest, longest) in [(0, 0), (0, EPOCH_SLOTS), (EPOCH_SLOTS, 0)] {
        let mut state = opened(shortest, longest);
        for _ in 0..10 {
            close(&mut state);
        }
        reach(&mut state, 1_000);
        assert_eq!((state.epoch().number, state.next_epoch()), (0, None), "{shortest} to {longest} slots");
        assert!(!state.epoch_is_due());
    }
    let mut state = opened(0, 0);
    on_l1(&mut state, vec![joined(4)]);
    reach(&mut state, 1_000);
    assert_eq!(state.next_epoch(), None, "without epochs the first one stays whoever joins");
}

#[test]
fn a_joiner_is_in_force_once_key_rotation_and_readiness_are_there() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let old = state.epoch().clone();
    on_l1(&mut state, vec![joined(4)]);
    assert_eq!(state.next_epoch(), None, "the epoch has just begun");
    assert_eq!(reach(&mut state, EPOCH_SLOTS + 1), [Effect::EpochBegun { epoch: 1 }]);
    assert_eq!((state.keygen().0, state.keygen().1.len()), (1, 5));
    assert_eq!(state.epoch(), &old);

    let early = state.next_block(ready(&state, 1));
    assert!(matches!(state.check(&early), Err(Invalid::EpochReadiness { epoch: 1, .. })), "there is no key yet");
    assert_eq!(generate(&mut state, NEXT).last(), Some(&Effect::GroupKeyConfirmed { epoch: 1, key: NEXT }));
    assert_eq!(state.epoch().group_key, old.group_key, "the old key signs on");
    let other = GroupKey { parity: 27, ..NEXT };
    let event = installed(&state, other);
    on_l1(&mut state, vec![event]);
    assert_eq!(state.next_epoch().unwrap().shown(), None, "L1 holds another key");
    let event = installed(&state, NEXT);
    on_l1(&mut state, vec![event]);
    assert_eq!(state.next_epoch().unwrap().shown(), Some(state.l1_view()));

    let three = ready(&state, 3);
    assert!(decide(&mut state, three).is_empty(), "3 of 5");
    let effects = close(&mut state);
    assert!(!effects.iter().any(|e| matches!(e, Effect::EpochOpened { .. })), "until then the old epoch goes on");
    assert_eq!(state.epoch().number, 0);
    let fourth = ready(&state, 4).split_off(3);
    assert_eq!(decide(&mut state, fourth), [Effect::EpochDue { epoch: 1 }]);
    assert!(state.epoch_is_due());
    assert_eq!(state.next_epoch().unwrap().due_height(), Some(state.height()));
    decide(&mut state, vec![]);
    assert_eq!(state.next_epoch().unwrap().due_height(), Some(state.height() - 1), "it has been since then");

    let term = state.open_term().unwrap().clone();
    let from = term.first_slot + 1;
    let failed = state.failed_in_a_row();
    assert!(close(&mut state).contains(&Effect::EpochOpened { epoch: 1, first_slot: from }));
    assert_eq!((state.epoch().number, state.epoch().first_slot, state.epoch().set.len()), (1, from, 5));
    assert_eq!((state.epoch().group_key, state.next_epoch()), (Some(NEXT), None));
    assert_eq!(state.epoch().first_block, state.open_term().unwrap().parent.id.number + 1);
    assert_eq!(state.past_epochs().map(|epoch| &**epoch).collect::<Vec<_>>(), [&old]);
    assert_eq!(state.failed_in_a_row(), failed, "opening an epoch is no failure");
    let opened = state.open_term().unwrap().clone();
    assert_eq!((opened.number, opened.epoch, opened.set.len()), (term.number + 1, 1, 5));
    let first = opened.sequencer_of(opened.first_slot).unwrap().signer;
    assert!(state.roll_call().of(&first).unwrap().ready, "a ready one begins");
    let silent = state.roll_call();
    assert_eq!(opened.set.validators().iter().filter(|v| !silent.of(&v.signer).unwrap().ready).count(), 1);
    assert_eq!(opened.skips.latest().len(), 1);

    let of_old = close_vote(&term, None, vec![], &key(0));
    assert!(matches!(of_old.verify(&opened), Err(StatementError::WrongTerm { .. })));
    let pair = Evidence::DoubleClose {
        first: Box::new(of_old),
        second: Box::new(close_vote(&term, None, chain(&term, 1, 8), &key(0))),
    };
    let proof = Box::new(pair.proof(&term).unwrap());
    assert!(matches!(decide(&mut state, vec![Command::Evidence(proof)])[0], Effect::Jailed { .. }), "of the old epoch");
    assert_eq!(borsh::from_slice::<ControlState>(&borsh::to_vec(&state).unwrap()).unwrap(), state);
}

#[test]
fn any_closing_opens_an_epoch_that_is_due() {
    let mut state = opened(EPOCH_SLOTS, 0);
    due(&mut state);
    let term = state.open_term().unwrap().clone();
    let blocks = chain(&term, 3, 2);
    let votes = keys_of(&term.set)[..3].iter().map(|key| close_vote(&term, None, blocks.clone(), key)).collect();
    let effects = decide(&mut state, vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]);
    let opened = state.open_term().unwrap();
    assert_eq!(opened.parent, blocks[2].facts, "the head is picked as always");
    assert!(effects.contains(&Effect::EpochOpened { epoch: 1, first_slot: blocks[2].facts.slot + 1 }));
    assert!(opened.first_slot > blocks[2].facts.slot);
}

#[test]
fn the_next_set_is_formed_anew_until_its_key_is_confirmed() {
    let mut state = opened(EPOCH_SLOTS, 0);
    on_l1(&mut state, vec![joined(4)]);
    reach(&mut state, EPOCH_SLOTS + 1);
    let stale = commitments_for(1, 0, &key(0));
    assert_eq!(on_l1(&mut state, vec![joined(5)]).last(), Some(&Effect::EpochBegun { epoch: 1 }));
    assert_eq!((state.keygen().1.len(), state.dkg().attempt()), (6, 1));
    let replayed = state.next_block(vec![stale]);
    assert!(matches!(state.check(&replayed), Err(Invalid::Dkg(_))), "what was said for the other set does not count");
    generate(&mut state, NEXT);
    let stands = on_l1(&mut state, vec![joined(6)]);
    assert!(!stands.iter().any(|e| matches!(e, Effect::EpochBegun { .. })), "its rotation may be signed");
    assert_eq!(state.next_epoch().unwrap().set().len(), 6);
}

#[test]
fn validators_say_how_far_they_are_as_soon_as_an_epoch_waits_for_it() {
    let mut state = opened(EPOCH_SLOTS, EPOCH_SLOTS_MAX);
    let me = key(0).address();
    let from = state.epoch().first_slot;
    assert!(
        EPOCH_SLOTS < state.params().readiness_slots && EPOCH_SLOTS_MAX < from + 2 * state.params().readiness_slots
    );
    assert!(!state.readiness_is_due(&me, from + EPOCH_SLOTS, true), "nothing waits");
    let mut changed = state.clone();
    on_l1(&mut changed, vec![joined(4)]);
    assert!(!changed.readiness_is_due(&me, from + EPOCH_SLOTS - 1, true), "too early");
    assert!(changed.readiness_is_due(&me, from + EPOCH_SLOTS, true));
    let begun = reach(&mut changed, from + EPOCH_SLOTS);
    assert!(begun.contains(&Effect::EpochBegun { epoch: 1 }), "{begun:?}");
    assert!(!changed.readiness_is_due(&me, from + EPOCH_SLOTS + 1, true), "it has begun");

    reach(&mut state, from + EPOCH_SLOTS_MAX - 2);
    assert!(!state.readiness_is_due(&me, from + EPOCH_SLOTS_MAX - 1, true));
    assert!(state.readiness_is_due(&me, from + EPOCH_SLOTS_MAX, true), "the key grows old");
}

#[test]
fn a_convicted_validator_is_out_of_the_next_set() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let term = state.open_term().unwrap().clone();
    let blocks = chain(&term, 1, 8);
    let pair = Evidence::DoubleClose {
        first: Box::new(close_vote(&term, None, vec![], &key(0))),
        second: Box::new(close_vote(&term, None, blocks, &key(0))),
    };
    decide(&mut state, vec![Command::Evidence(Box::new(pair.proof(&term).unwrap()))]);
    assert_eq!(reach(&mut state, EPOCH_SLOTS + 1), [Effect::EpochBegun { epoch: 1 }]);
    let set = state.next_epoch().unwrap().set();
    assert_eq!((set.len(), set.index_of(&key(0).address())), (3, None));
    assert!(state.epoch().set.index_of(&key(0).address()).is_some(), "weights never change inside an epoch");
    let kept: Vec<Offence> = state.jail().iter().map(|(_, Jailed { offence, .. })| *offence).collect();
    assert_eq!(kept, [Offence::DoubleClose]);
}

/// The conviction of the first key in the open term, and its number.
fn convicted(state: &mut ControlState) -> (u64, Proof) {
    let term = state.open_term().unwrap().clone();
    let pair = Evidence::DoubleClose {
        first: Box::new(close_vote(&term, None, vec![], &key(0))),
        second: Box::new(close_vote(&term, None, chain(&term, 1, 8), &key(0))),
    };
    let proof = pair.proof(&term).unwrap();
    let effects = decide(state, vec![Command::Evidence(Box::new(proof.clone()))]);
    assert!(matches!(effects[0], Effect::Jailed { .. }), "{effects:?}");
    (candidate(0, 1).id, proof)
}

#[test]
fn a_validator_that_l1_punished_and_released_is_in_the_next_set() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let (id, proof) = convicted(&mut state);
    let (epoch, term) = (proof.epoch, proof.term);
    on_l1(&mut state, vec![L1Event::ValidatorPunished { id, epoch, term }, L1Event::ValidatorLeaving { id }]);
    assert!(state.jail().is_punished(id, &proof) && state.jail().get(id).is_some());
    reach(&mut state, EPOCH_SLOTS + 1);
    assert_eq!(state.next_epoch().unwrap().set().len(), 3);
    let effects = on_l1(&mut state, vec![L1Event::ValidatorReleased { id }, joined(0)]);
    assert!(effects.contains(&Effect::Released { id }), "{effects:?}");
    assert!(effects.contains(&Effect::Skipped { skipped: vec![] }), "it has its turns again: {effects:?}");
    assert_eq!((state.jail().get(id), state.next_epoch().unwrap().set().len()), (None, 4), "a set formed anew");

    let again = state.next_block(vec![Command::Evidence(Box::new(proof.clone()))]);
    let served = NotEvidence::Served(proof.validator);
    assert_eq!(state.check(&again), Err(Invalid::Evidence(served)), "nobody is punished twice for one offence");
    let mut pool = PendingCommands::new();
    assert_eq!(pool.add(Pending::Evidence(Box::new(proof)), &state), Err(NotPending::Stale));
    close(&mut state);
    convicted(&mut state);
    assert!(state.jail().get(id).is_some(), "for what it does later it is");
}

#[test]
fn a_release_that_came_before_the_punishment_clears_nothing() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let (id, proof) = convicted(&mut state);
    let (epoch, term) = (proof.epoch, proof.term);
    let elsewhere = L1Event::ValidatorPunished { id, epoch, term: term + 7 };
    on_l1(&mut state, vec![elsewhere, L1Event::ValidatorReleased { id }, joined(0)]);
    assert!(state.jail().get(id).is_some(), "it was released from what it had done before");
    let effects = on_l1(&mut state, vec![L1Event::ValidatorPunished { id, epoch, term }]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Released { .. })));
    on_l1(&mut state, vec![L1Event::ValidatorReleased { id }]);
    assert!(state.jail().get(id).is_none());
}

#[test]
fn what_l1_did_before_the_conviction_counts_too() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let (mut later, id) = (state.clone(), candidate(0, 1).id);
    let (epoch, term) = (0, state.open_term().unwrap().number);
    on_l1(&mut state, vec![L1Event::ValidatorPunished { id, epoch, term }]);
    convicted(&mut state);
    on_l1(&mut state, vec![L1Event::ValidatorReleased { id }]);
    assert!(state.jail().get(id).is_none());

    let stranger = 77;
    let unlisted =
        [L1Event::ValidatorPunished { id: stranger, epoch, term }, L1Event::ValidatorReleased { id: stranger }];
    let before = later.jail().clone();
    on_l1(&mut later, unlisted.to_vec());
    assert_eq!(later.jail(), &before, "one that never was on the list leaves no trace");
    let many = (0..100).map(|term| L1Event::ValidatorPunished { id, epoch, term });
    on_l1(&mut later, many.chain([L1Event::ValidatorReleased { id }]).collect());
    let size = borsh::to_vec(later.jail()).unwrap().len();
    assert!(size < 1_000, "{size} bytes for a hundred offences");
}

#[test]
fn a_lost_share_or_an_old_key_is_a_reason_too() {
    let mut state = opened(EPOCH_SLOTS, EPOCH_SLOTS_MAX);
    reach(&mut state, EPOCH_SLOTS + 1);
    assert_eq!(state.next_epoch(), None);
    let mut reborn = state.clone();
    let register = Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), 1, &key(0)));
    assert!(decide(&mut reborn, vec![register]).contains(&Effect::EpochBegun { epoch: 1 }));
    let of = |state: &ControlState| state.next_epoch().unwrap().set().get(&key(0).address()).unwrap().incarnation;
    assert_eq!(of(&reborn), 1);
    let again = Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), 2, &key(0)));
    assert!(decide(&mut reborn, vec![again]).contains(&Effect::DkgRestarted { attempt: 1 }));
    assert_eq!(of(&reborn), 2);

    assert_eq!(reach(&mut state, EPOCH_SLOTS_MAX + 1), [Effect::EpochBegun { epoch: 1 }]);
    assert!(same_set(state.next_epoch().unwrap().set(), &state.epoch().set));
}

#[test]
fn a_share_lost_after_the_key_was_confirmed_is_a_reason_for_the_epoch_after() {
    let mut state = opened(EPOCH_SLOTS, 0);
    on_l1(&mut state, vec![joined(4)]);
    reach(&mut state, EPOCH_SLOTS + 1);
    generate(&mut state, NEXT);
    let event = installed(&state, NEXT);
    on_l1(&mut state, vec![event]);
    let said = ready(&state, 5);
    decide(&mut state, said);
    assert!(state.epoch_is_due());
    let lost = keys_of_members(state.next_epoch().unwrap().set()).into_iter().find(|k| k.address() != key(4).address());
    let register = Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), 1, &lost.unwrap()));
    decide(&mut state, vec![register]);
    assert!(state.epoch_is_due(), "four of five are left");
    let mut two = state.clone();
    let mut second =
        keys_of_members(two.next_epoch().unwrap().set()).into_iter().filter(|k| k.address() != key(4).address());
    let register = Command::RegisterIncarnation(RegisterIncarnation::sign(&domain(), 1, &second.next_back().unwrap()));
    decide(&mut two, vec![register]);
    assert_eq!(two.next_epoch().unwrap().due_height(), None, "three of five are not enough any more");
    close(&mut state);
    assert_eq!((state.epoch().number, state.next_epoch()), (1, None));
    (0..EPOCH_SLOTS).for_each(|_| drop(close(&mut state)));
    assert_eq!(state.next_epoch().unwrap().number(), 2);
}

#[test]
fn the_pool_keeps_what_the_next_epoch_waits_for() {
    let mut state = opened(EPOCH_SLOTS, 0);
    on_l1(&mut state, vec![joined(4)]);
    reach(&mut state, EPOCH_SLOTS + 1);
    let mut pool = PendingCommands::new();
    let pending = |command: Command| match command {
        Command::DkgCommitments(m) => Pending::DkgCommitments(m),
        Command::EpochReadiness(m) => Pending::EpochReadiness(m),
        _ => unreachable!("only these go this way"),
    };
    let joiner = commitments_for(1, 0, &key(4));
    assert_eq!(pool.add(pending(joiner), &state), Ok(Added::New), "a joiner takes part in the key generation");
    let of_present = pool.add(pending(commitments_for(0, 0, &key(0))), &state);
    assert!(matches!(of_present, Err(NotPending::Dkg(_))), "{of_present:?}");
    let early = ready(&state, 1).remove(0);
    assert_eq!(pool.add(pending(early.clone()), &state), Err(NotPending::Early), "there is no key yet");
    generate(&mut state, NEXT);
    pool.drop_stale(&state);
    assert!(pool.is_empty());
    assert_eq!(pool.add(pending(early.clone()), &state), Ok(Added::New));
    assert_eq!(pool.add(pending(early.clone()), &state), Ok(Added::Known));
    let Command::EpochReadiness(mut forged) = ready(&state, 2).remove(1) else { unreachable!() };
    forged.committed.number += 1;
    assert_eq!(pool.add(Pending::EpochReadiness(forged), &state), Err(NotPending::BadEpochReadiness));
    let block = state.propose(&pool, &|_: &BlockId| None).unwrap();
    state.apply(&block).unwrap();
    pool.drop_stale(&state);
    assert!(pool.is_empty());
    assert_eq!(pool.add(pending(early), &state), Err(NotPending::Stale));
}

/// Two replicas that take the same random blocks stay equal; epochs open, and never but by a decision that closes a term.
#[test]
fn replicas_agree_on_epochs() {
    let (mut epochs, mut refused) = (0, 0);
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let mut one = opened(2, 12);
        let mut two = one.clone();
        for _ in 0..120 {
            let term: Term = one.open_term().unwrap().clone();
            let keys = keys_of_members(&term.set);
            let commands = match rng.below(7) {
                0 => vec![l1_view(one.l1_view().number + 1, vec![joined(rng.below(7))])],
                1 => vec![l1_view(
                    one.l1_view().number + 1,
                    one.next_epoch().map(|_| installed(&one, NEXT)).into_iter().collect(),
                )],
                2 if one.next_epoch().is_some() => {
                    let next = one.next_epoch().unwrap();
                    let silent = |c: &Command| matches!(c, Command::EpochReadiness(said) if !next.ready().contains(&said.validator));
                    ready(&one, 1 + rng.below(7)).into_iter().filter(silent).collect()
                }
                3 => {
                    let votes = keys.iter().map(|key| close_vote(&term, None, vec![], key)).collect();
                    vec![Command::CloseTerm(CloseTerm { base: term.parent, votes })]
                }
                _ => {
                    let ((epoch, set), attempt) = (one.keygen(), one.dkg().attempt());
                    let group = if rng.chance(90) { NEXT } else { GroupKey { parity: 27, ..NEXT } };
                    keys_of_members(set)
                        .iter()
                        .map(|key| match one.dkg().phase() {
                            crate::DkgPhase::Commitments => commitments_for(epoch, attempt, key),
                            crate::DkgPhase::Shares => shares_for(epoch, attempt, key),
                            _ => confirm_for(epoch, attempt, group, key),
                        })
                        .collect()
                }
            };
            let closes = commands.iter().any(|c| matches!(c, Command::CloseTerm(_)));
            let block = one.next_block(commands);
            let before = one.epoch().number;
            let outcome = one.apply(&block);
            assert_eq!(two.apply(&block), outcome);
            assert_eq!(borsh::to_vec(&one).unwrap(), borsh::to_vec(&two).unwrap());
            if rng.chance(20) {
                two = borsh::from_slice(&borsh::to_vec(&one).unwrap()).unwrap();
            }
            assert!(one.epoch().number == before || closes);
            assert_eq!(one.open_term().unwrap().epoch, one.epoch().number);
            epochs += one.epoch().number - before;
            refused += u64::from(outcome.is_err());
        }
    }
    assert!(epochs >= 8 && refused > 8, "{epochs} epochs opened, {refused} blocks refused");
}

#[test]
fn between_rotation_and_opening_no_checkpoint_can_be_checked() {
    let mut state = opened(EPOCH_SLOTS, 0);
    let genesis = Genesis { params: *state.params(), ..genesis(&[1, 1, 1, 1], 8) };
    due(&mut state);
    let in_force = state.l1().installed().unwrap();
    let unsigned = |state: &ControlState| {
        let value = borsh::to_vec(&state.next_block(vec![])).unwrap();
        let decision = Decision { height: state.height() + 1, round: 0, value, precommits: vec![] };
        Checkpoint { state: state.clone(), decision }
    };
    let early = unsigned(&state).verify(&genesis, &in_force);
    assert_eq!(early, Err(NotACheckpoint::EpochEnds { epoch: 0 }), "the set on L1 is not the one that decides");
    close(&mut state);
    let unvouched = Err(NotACheckpoint::Decision(StatementError::NoQuorum { weight: 0, total: 5 }));
    assert_eq!(unsigned(&state).verify(&genesis, &in_force), unvouched, "the set is the right one now");
}
