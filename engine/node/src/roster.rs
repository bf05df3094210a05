//! Who is behind which node key: validators of the present epoch, of the next one, and all that have locked stake on L1, so
//! that one who joins or leaves is heard, and can follow the chain, before and after it counts.

use std::collections::HashMap;

use alloy_primitives::Address;
use horae_control::ControlState;
use horae_runtime::Cell;

use crate::edges::peers::NodeKey;

/// Everyone that may have a link to this node. Clones are the same roster. It has one writer: whoever applies decisions.
#[derive(Clone)]
pub struct Roster {
    entries: Cell<Entries>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Entries {
    signers: HashMap<NodeKey, Address>,
    node_keys: HashMap<Address, NodeKey>,
}

impl Entries {
    fn of(state: &ControlState) -> Self {
        let present = state.epoch().set.validators().iter().map(|v| (v.signer, v.node_key));
        let next = state.next_epoch().into_iter().flat_map(|next| next.set().validators());
        let next = next.map(|v| (v.signer, v.node_key));
        let registered = state.l1().registered().map(|c| (c.signer, c.node_key));
        let mut entries = Self::default();
        // Who counts now goes first: a new signer key speaks for its node from the next epoch on.
        for (signer, node_key) in present.chain(next).chain(registered) {
            entries.signers.entry(node_key).or_insert(signer);
            entries.node_keys.entry(signer).or_insert(node_key);
        }
        entries
    }
}

impl Roster {
    /// The roster of a state.
    pub fn new(state: &ControlState) -> Self {
        Self { entries: Cell::new(Entries::of(state)) }
    }

    /// Follows the state; says whether that changed anything.
    pub fn follow(&self, state: &ControlState) -> bool {
        let entries = Entries::of(state);
        let changed = **self.entries.read() != entries;
        if changed {
            self.entries.set(entries);
        }
        changed
    }

    /// The signer behind a node key.
    pub fn signer(&self, node_key: &NodeKey) -> Option<Address> {
        self.entries.read().signers.get(node_key).copied()
    }

    /// The node key of a signer.
    pub fn node_key(&self, signer: &Address) -> Option<NodeKey> {
        self.entries.read().node_keys.get(signer).copied()
    }

    /// All node keys.
    pub fn node_keys(&self) -> Vec<NodeKey> {
        self.entries.read().signers.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use horae_control::L1View;
    use horae_control::command::{Command, L1Event};

    use super::*;
    use crate::genesis::testing::genesis;

    #[test]
    fn whoever_locks_stake_is_heard_and_whoever_leaves_stays() {
        let genesis = genesis();
        let mut state = ControlState::genesis(&genesis.control_genesis()).unwrap();
        let roster = Roster::new(&state);
        let one = &genesis.validators[0];
        assert_eq!(roster.signer(&one.node_key.0), Some(one.signer));
        assert_eq!((roster.node_key(&one.signer), roster.node_keys().len()), (Some(one.node_key.0), 4));
        assert!(!roster.follow(&state));

        let (joined, renewed) = (Address::repeat_byte(9), Address::repeat_byte(10));
        let L1View { number, .. } = state.l1_view();
        let events = vec![
            L1Event::ValidatorJoined { id: 5, signer: joined, node_key: [9; 32], stake: one.stake },
            L1Event::ValidatorLeaving { id: one.id },
            L1Event::SignerChanged { id: 2, signer: renewed },
        ];
        let view = Command::L1View { number: number + 1, hash: Default::default(), events };
        state.apply(&state.next_block(vec![view])).unwrap();
        assert!(roster.follow(&state));
        assert_eq!((roster.signer(&[9; 32]), roster.node_key(&joined)), (Some(joined), Some([9; 32])));
        assert_eq!(roster.signer(&one.node_key.0), Some(one.signer));
        let two = &genesis.validators[1];
        assert_eq!(roster.signer(&two.node_key.0), Some(two.signer), "the old key speaks until the epoch ends");
        assert_eq!(roster.node_key(&renewed), Some(two.node_key.0));
    }
}
