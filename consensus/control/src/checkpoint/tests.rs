//! Checkpoints: what convinces one that lost everything, and what does not.
#![allow(clippy::unwrap_used)]

use alloy_primitives::B256;

use super::*;
use crate::decision::Precommit;
use crate::l1::L1View;
use crate::testing::control::{KEY, decide, genesis, open};
use crate::testing::keys_of;

fn opened() -> ControlState {
    let mut state = ControlState::genesis(&genesis(&[1, 1, 1, 1], 8)).unwrap();
    open(&mut state);
    decide(&mut state, vec![]);
    state
}

fn in_force(state: &ControlState) -> InstalledKey {
    state.l1().installed().unwrap()
}

/// The state with `block` decided above it by the first `count` of its validators.
fn checkpoint(state: &ControlState, block: &ControlBlock, count: usize) -> Checkpoint {
    let epoch = state.epoch();
    let value = borsh::to_vec(block).unwrap();
    let mut decision = Decision { height: block.height, round: 0, value, precommits: Vec::new() };
    for key in keys_of(&epoch.set).iter().take(count) {
        let signature = key.sign(decision.digest(state.domain(), epoch.number, 0));
        decision.precommits.push(Precommit { validator: key.address(), signature });
    }
    Checkpoint { state: state.clone(), decision }
}

#[test]
fn the_decision_above_vouches_for_the_state() {
    let state = opened();
    let good = checkpoint(&state, &state.next_block(vec![]), 3);
    assert_eq!(good.verify(&genesis(&[1, 1, 1, 1], 8), &in_force(&state)).unwrap(), state);
}

#[test]
fn nothing_else_convinces() {
    let state = opened();
    let (genesis, key, next) = (genesis(&[1, 1, 1, 1], 8), in_force(&state), state.next_block(vec![]));
    let refused = |checkpoint: Checkpoint| checkpoint.verify(&genesis, &key).unwrap_err();

    assert!(matches!(refused(checkpoint(&state, &next, 2)), NotACheckpoint::Decision(_)));
    let elsewhere = ControlBlock { state: B256::repeat_byte(1), ..next.clone() };
    assert_eq!(refused(checkpoint(&state, &elsewhere, 3)), NotACheckpoint::OtherState);
    let mut other = state.clone();
    decide(&mut other, vec![]);
    let swapped = Checkpoint { state: other.clone(), ..checkpoint(&state, &next, 3) };
    assert_eq!(refused(swapped), NotACheckpoint::OtherHeight { found: next.height, height: other.height() });
    let mut junk = checkpoint(&state, &next, 0);
    junk.decision.value = vec![1, 2, 3];
    for key in keys_of(&state.epoch().set) {
        let signature = key.sign(junk.decision.digest(state.domain(), 0, 0));
        junk.decision.precommits.push(Precommit { validator: key.address(), signature });
    }
    assert!(matches!(refused(junk), NotACheckpoint::Unreadable(_)));
}

#[test]
fn its_chain_and_its_validators_are_those_of_genesis_and_l1() {
    let state = opened();
    let good = || checkpoint(&state, &state.next_block(vec![]), 3);
    let (genesis, key) = (genesis(&[1, 1, 1, 1], 8), in_force(&state));
    let mut elsewhere = genesis.clone();
    elsewhere.domain.chain_id += 1;
    assert_eq!(good().verify(&elsewhere, &key), Err(NotACheckpoint::OtherChain));
    let mut slower = genesis.clone();
    slower.params.slot_timeout_ms += 1;
    assert_eq!(good().verify(&slower, &key), Err(NotACheckpoint::OtherChain));
    let set = InstalledKey { snapshot_hash: B256::repeat_byte(2), ..key };
    assert_eq!(good().verify(&genesis, &set), Err(NotACheckpoint::OtherSet));
    let mut group = key;
    group.key.px += alloy_primitives::U256::ONE;
    assert_eq!(good().verify(&genesis, &group), Err(NotACheckpoint::OtherSet));
    assert_eq!((key.key, state.l1_view()), (KEY, L1View { number: 101, hash: B256::with_last_byte(101) }));
}
