//! What the control plane decides.

use alloy_primitives::{Address, B256, U256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::dkg::{DkgCommitments, DkgConfirm, DkgShares};
use crate::l1::L1View;
use crate::next_epoch::EpochReadiness;
use crate::proof::Proof;
use crate::set::ValidatorSet;
use crate::sign::{Signature, SignerKey, recover};
use crate::statement::{BlockFacts, CloseVote, Readiness};

/// One decision of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ControlBlock {
    /// Control height, one above the last; the first is 1.
    pub height: u64,
    /// [`crate::ControlState::hash`] of the state it is applied to. Who decides the block vouches for that state, so one
    /// that was elsewhere can take it over, and a node whose state went astray notices.
    pub state: B256,
    /// Applied in order. None at all is a heartbeat.
    pub commands: Vec<Command>,
}

/// One thing decided.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Command {
    /// The L1 view moves on. Always alone in its block, so that L1 trouble cannot hold anything else up.
    L1View {
        /// New L1 block number.
        number: u64,
        /// Its hash.
        hash: B256,
        /// Events of the L1 blocks above the last view, up to this one, in L1 order.
        events: Vec<L1Event>,
    },
    /// First message of a key generation.
    DkgCommitments(DkgCommitments),
    /// Second message of a key generation.
    DkgShares(DkgShares),
    /// Last message of a key generation.
    DkgConfirm(DkgConfirm),
    /// The open term closes, its head is picked, and the next term opens. At most one in a block.
    CloseTerm(CloseTerm),
    /// A validator lost its log and starts anew from the next term on.
    RegisterIncarnation(RegisterIncarnation),
    /// A validator is convicted of an offence.
    Evidence(Box<Proof>),
    /// A validator can take its turns, or asks to be passed over.
    Readiness(Readiness),
    /// A validator of the next epoch is ready for it.
    EpochReadiness(EpochReadiness),
}

/// Close votes of > 2/3 of the weights.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CloseTerm {
    /// What the head is searched from: the block of the highest certificate among the votes, or the term's parent.
    pub base: BlockFacts,
    /// Strictly ascending by author.
    pub votes: Vec<CloseVote>,
}

/// A validator's registration of a new incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RegisterIncarnation {
    /// The author's signer address.
    pub validator: Address,
    /// The new incarnation, above the last one.
    pub incarnation: u64,
    /// Over [`RegisterIncarnation::digest`].
    pub signature: Signature,
}

impl RegisterIncarnation {
    /// What the author signs, as the new incarnation.
    pub fn digest(&self, domain: &Domain) -> B256 {
        let content = words(&[keccak256("incarnation"), word(self.incarnation)]);
        digest(domain, Kind::Command, self.incarnation, 0, 0, 0, content)
    }

    /// A signed registration.
    pub fn sign(domain: &Domain, incarnation: u64, key: &SignerKey) -> Self {
        let unsigned = Self { validator: key.address(), incarnation, signature: Signature([0; 65]) };
        Self { signature: key.sign(unsigned.digest(domain)), ..unsigned }
    }

    /// Whether a member of the set signed it.
    pub fn verify(&self, set: &ValidatorSet, domain: &Domain) -> bool {
        set.index_of(&self.validator).is_some() && recover(self.digest(domain), &self.signature) == Some(self.validator)
    }
}

/// What happened on L1.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum L1Event {
    /// A validator came on the list: it locked its stake, its turn came in the queue, or it was released from jail. So
    /// one that was there before may come again.
    ValidatorJoined {
        /// Number the Locking contract gave it.
        id: u64,
        /// Address of its signer key.
        signer: Address,
        /// Its ed25519 node key.
        node_key: [u8; 32],
        /// Locked stake in wei.
        stake: U256,
    },
    /// A validator's stake is now this much.
    StakeChanged {
        /// The validator.
        id: u64,
        /// Locked stake in wei.
        stake: U256,
    },
    /// A validator is leaving; it stays until a rotation leaves it out.
    ValidatorLeaving {
        /// The validator.
        id: u64,
    },
    /// L1 punished a validator for an offence.
    ValidatorPunished {
        /// The validator.
        id: u64,
        /// Epoch of the offence.
        epoch: u64,
        /// Term of the offence; 0 for Tendermint's.
        term: u64,
    },
    /// A validator came out of jail on L1. That it is on the list again, if it is, says [`L1Event::ValidatorJoined`].
    ValidatorReleased {
        /// The validator.
        id: u64,
    },
    /// A validator changed its signer key, from the next epoch on.
    SignerChanged {
        /// The validator.
        id: u64,
        /// Address of the new key.
        signer: Address,
    },
    /// The inbox took a group key.
    KeyInstalled {
        /// Index of the key.
        key_index: u64,
        /// x coordinate of the key.
        px: U256,
        /// Parity of its y coordinate, 27 or 28.
        parity: u8,
        /// Hash of the validator snapshot stored with the key.
        snapshot_hash: B256,
    },
    /// The inbox accepted a batch.
    BatchAccepted {
        /// Index of the batch; the first is 0.
        index: u64,
        /// The commitment that was signed.
        digest: B256,
        /// Its first L2 block.
        first_block: u64,
        /// Its last L2 block.
        last_block: u64,
        /// Hash of that block.
        last_block_hash: B256,
        /// State root after it.
        state_root: B256,
        /// L1 block that its last block names as its view.
        l1_view: u64,
        /// Entries of the forced queue executed up to that block.
        forced: u64,
        /// Who carried it.
        carrier: Address,
        /// L1 block of acceptance.
        l1_block: u64,
        /// Hash of that block.
        l1_hash: B256,
        /// L1 transaction of acceptance.
        l1_tx: B256,
    },
    /// The forced queue took a deposit or a forced transaction.
    Forced {
        /// Its index in the queue; the first is 0.
        index: u64,
        /// The L1 block with it.
        l1_block: u64,
        /// Hash of that block.
        l1_hash: B256,
        /// Hash of its encoding as a transaction of the L2, which every node makes of the entry itself.
        hash: B256,
        /// Gas that it may use.
        gas: u64,
        /// Length of that encoding.
        bytes: u64,
    },
}

/// What a validator must know to be true before it votes for a control block, and what the state machine cannot know.
///
/// While the answer is not known yet (a block is still missing, L1 does not answer), give no answer rather than a
/// refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Does this node hold each block, executed with the same result, does each header say **exactly** these facts, and
    /// is none more than `drift` ahead of the clock? Lowest first.
    HoldsBlocks(Vec<BlockFacts>),
    /// Does our own L1 endpoint have this hash at this number, as a descendant of `after`, deep enough, and are these
    /// exactly the events in between?
    L1Matches {
        /// The present view.
        after: L1View,
        /// Number of the new view.
        number: u64,
        /// Hash of the new view.
        hash: B256,
        /// Its events.
        events: Vec<L1Event>,
    },
}
