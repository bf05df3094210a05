//! A control plane for tests: genesis, key generation, the opening of term 1.

use alloy_primitives::{B256, U256};

use super::{candidate, domain, keys_of};
use crate::command::{Command, L1Event};
use crate::dkg::{DkgCommitments, DkgConfirm, DkgShares, GroupKey};
use crate::l1::L1View;
use crate::set::ValidatorSet;
use crate::sign::SignerKey;
use crate::state::{ControlParams, ControlState, Effect, Genesis};

pub(crate) const KEY: GroupKey = GroupKey { px: U256::from_limbs([5, 6, 7, 8]), parity: 27 };

pub(crate) fn genesis(units: &[u64], window_blocks: u64) -> Genesis {
    Genesis {
        domain: domain(),
        l1_view: L1View { number: 100, hash: B256::repeat_byte(1) },
        validators: units.iter().enumerate().map(|(n, u)| candidate(n, *u)).collect(),
        seed: B256::repeat_byte(7),
        block_hash: B256::repeat_byte(0x99),
        params: ControlParams { window_blocks, dkg_deadline_heights: 20, ..ControlParams::devnet() },
    }
}

pub(crate) fn state(units: &[u64], window_blocks: u64) -> ControlState {
    ControlState::genesis(&genesis(units, window_blocks)).unwrap()
}

/// Decides these commands as the next block.
pub(crate) fn decide(state: &mut ControlState, commands: Vec<Command>) -> Vec<Effect> {
    let block = state.next_block(commands);
    state.check(&block).unwrap();
    state.apply(&block).unwrap()
}

pub(crate) fn commitments(attempt: u64, key: &SignerKey) -> Command {
    commitments_for(0, attempt, key)
}

pub(crate) fn commitments_for(epoch: u64, attempt: u64, key: &SignerKey) -> Command {
    Command::DkgCommitments(DkgCommitments::sign(&domain(), 0, epoch, attempt, vec![1, 2], key))
}

pub(crate) fn shares(attempt: u64, key: &SignerKey) -> Command {
    shares_for(0, attempt, key)
}

pub(crate) fn shares_for(epoch: u64, attempt: u64, key: &SignerKey) -> Command {
    Command::DkgShares(DkgShares::sign(&domain(), 0, epoch, attempt, vec![3, 4], key))
}

pub(crate) fn confirm(attempt: u64, group: GroupKey, key: &SignerKey) -> Command {
    confirm_for(0, attempt, group, key)
}

pub(crate) fn confirm_for(epoch: u64, attempt: u64, group: GroupKey, key: &SignerKey) -> Command {
    Command::DkgConfirm(DkgConfirm::sign(&domain(), 0, epoch, attempt, group, key))
}

pub(crate) fn installed(set: &ValidatorSet, key: GroupKey) -> L1Event {
    L1Event::KeyInstalled { key_index: 0, px: key.px, parity: key.parity, snapshot_hash: set.snapshot_hash() }
}

pub(crate) fn l1_view(number: u64, events: Vec<L1Event>) -> Command {
    Command::L1View { number, hash: B256::with_last_byte(number as u8), events }
}

/// Brings `state` from genesis to the opening of term 1.
pub(crate) fn open(state: &mut ControlState) -> Vec<Effect> {
    let keys = keys_of(&state.epoch().set);
    let attempt = state.dkg().attempt();
    decide(state, keys.iter().map(|key| commitments(attempt, key)).collect());
    decide(state, keys.iter().map(|key| shares(attempt, key)).collect());
    decide(state, keys.iter().map(|key| confirm(attempt, KEY, key)).collect());
    let event = installed(&state.epoch().set, KEY);
    let number = state.l1_view().number + 1;
    decide(state, vec![l1_view(number, vec![event])])
}
