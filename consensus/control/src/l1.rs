//! What the control plane has agreed to have read from L1.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::command::L1Event;
use crate::dkg::GroupKey;
use crate::limits::{MAX_L1_EVENTS, MAX_REGISTERED};
use crate::set::Candidate;

/// An L1 block that the control plane has agreed to read events up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct L1View {
    /// L1 block number.
    pub number: u64,
    /// L1 block hash.
    pub hash: B256,
}

/// A group key that the inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InstalledKey {
    /// Index of the key.
    pub key_index: u64,
    /// The key.
    pub key: GroupKey,
    /// Hash of the validator snapshot stored with it.
    pub snapshot_hash: B256,
}

/// Why a view cannot follow the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1Error {
    /// The number does not rise, or rises by more than one view may.
    #[error("L1 view {found} does not follow {present}")]
    OutOfReach {
        /// The number proposed.
        found: u64,
        /// The number of the present view.
        present: u64,
    },
    /// More events than one view may bring.
    #[error("an L1 view with {0} events")]
    TooManyEvents(usize),
    /// An event names a validator that never joined.
    #[error("an L1 event names validator {0}, which never joined")]
    UnknownValidator(u64),
    /// More validators than can be kept.
    #[error("more validators on L1 than can be kept")]
    TooManyValidators,
    /// An entry of the forced queue does not follow the one before.
    #[error("an L1 event brings entry {found} of the forced queue, the next one is {expected}")]
    ForcedGap {
        /// Its index.
        found: u64,
        /// The index that follows.
        expected: u64,
    },
    /// Events are not in the order of L1 blocks, or not of the blocks that the view brings.
    #[error("an L1 event of block {0} is out of order")]
    OutOfOrder(u64),
    /// More is due than can be kept, and no committed block has come to it.
    #[error("{0} entries and payments are due that no committed block has come to: no L1 view until some has")]
    TooMuchDue(usize),
    /// A key that is no point: parity is not 27 or 28, or x is zero.
    #[error("L1 key {0} is malformed")]
    BadKey(u64),
}

/// The agreed view and what it has brought.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct L1State {
    view: L1View,
    registered: BTreeMap<u64, Candidate>,
    leaving: BTreeSet<u64>,
    installed: Option<InstalledKey>,
}

impl L1State {
    pub(crate) fn new(view: L1View, candidates: &[Candidate]) -> Self {
        let registered = candidates.iter().map(|c| (c.id, c.clone())).collect();
        Self { view, registered, leaving: BTreeSet::new(), installed: None }
    }

    /// The agreed view.
    pub fn view(&self) -> L1View {
        self.view
    }

    /// The key in force at the inbox.
    pub fn installed(&self) -> Option<InstalledKey> {
        self.installed
    }

    /// All that ever locked stake, those that are leaving too, ascending by id: who may have a link.
    pub fn registered(&self) -> impl Iterator<Item = &Candidate> {
        self.registered.values()
    }

    /// Whether this validator ever was on the list. L1 tells of the punishment and release of others too, who only waited.
    pub(crate) fn is_registered(&self, id: u64) -> bool {
        self.registered.contains_key(&id)
    }

    /// Those that the next epoch's set is formed of: registered and not leaving, ascending by id.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.registered.values().filter(|c| !self.leaving.contains(&c.id))
    }

    pub(crate) fn check(&self, number: u64, events: &[L1Event], step_max: u64) -> Result<(), L1Error> {
        let present = self.view.number;
        if number <= present || number - present > step_max {
            return Err(L1Error::OutOfReach { found: number, present });
        }
        if events.len() > MAX_L1_EVENTS {
            return Err(L1Error::TooManyEvents(events.len()));
        }
        Ok(())
    }

    pub(crate) fn advance(&mut self, view: L1View) {
        self.view = view;
    }

    /// Applies an event about validators or keys; gives the key, if one was installed.
    pub(crate) fn apply(&mut self, event: &L1Event) -> Result<Option<InstalledKey>, L1Error> {
        match event {
            L1Event::ValidatorJoined { id, signer, node_key, stake } => {
                let joined = Candidate { id: *id, signer: *signer, node_key: *node_key, stake: *stake };
                self.registered.insert(*id, joined);
                self.leaving.remove(id);
                if self.registered.len() > MAX_REGISTERED {
                    return Err(L1Error::TooManyValidators);
                }
            }
            L1Event::StakeChanged { id, stake } => self.validator(*id)?.stake = *stake,
            L1Event::SignerChanged { id, signer } => self.validator(*id)?.signer = *signer,
            L1Event::ValidatorLeaving { id } => {
                self.validator(*id)?;
                self.leaving.insert(*id);
            }
            L1Event::KeyInstalled { key_index, px, parity, snapshot_hash } => {
                let key = GroupKey { px: *px, parity: *parity };
                if !key.is_well_formed() {
                    return Err(L1Error::BadKey(*key_index));
                }
                let installed = InstalledKey { key_index: *key_index, key, snapshot_hash: *snapshot_hash };
                self.installed = Some(installed);
                return Ok(Some(installed));
            }
            L1Event::BatchAccepted { .. }
            | L1Event::Forced { .. }
            | L1Event::ValidatorPunished { .. }
            | L1Event::ValidatorReleased { .. } => {}
        }
        Ok(None)
    }

    fn validator(&mut self, id: u64) -> Result<&mut Candidate, L1Error> {
        self.registered.get_mut(&id).ok_or(L1Error::UnknownValidator(id))
    }
}
