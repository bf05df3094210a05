//! A small snapshot of what the node is doing, for `horae_slot`, `horae_epoch`, `horae_validators` and `horae_status`.

use alloy_primitives::{Address, B256, Bytes};
use horae_control::{Awaits, Offence};
use serde::{Deserialize, Serialize};

/// The slot that runs now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    /// Number of the slot.
    pub slot: u64,
    /// Its term.
    pub term: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Who holds it.
    pub sequencer: Address,
    /// Who holds the next one, by schedule.
    pub next_sequencer: Address,
    /// Its first block, or the block after the head if it has none yet.
    pub first_block: u64,
    /// When it began, in unix milliseconds by the timestamp of its first block; 0 before that.
    pub began_ms: u64,
    /// Longest duration of a slot, in milliseconds.
    pub slot_ms: u64,
    /// Most blocks of a slot.
    pub slot_blocks: u64,
    /// Validators whose turns are passed over by decision.
    pub passed_over: Vec<Address>,
}

/// The epoch in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochStatus {
    /// Number of the epoch.
    pub epoch: u64,
    /// First slot in it.
    pub first_slot: u64,
    /// First block in it.
    pub first_block: u64,
    /// The group key in force (compressed point), if there is one.
    pub group_key: Option<Bytes>,
    /// Index of that key in the inbox contract.
    pub key_index: u64,
    /// Signing shares in all.
    pub shares: u32,
    /// Shares it takes to sign.
    pub threshold: u32,
    /// Sum of the weights.
    pub total_weight: u64,
    /// The epoch that is being prepared, if one is.
    pub next: Option<NextEpochStatus>,
}

/// The epoch that is being prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextEpochStatus {
    /// Its number.
    pub epoch: u64,
    /// Its validators.
    pub validators: Vec<Address>,
    /// Sum of their weights.
    pub total_weight: u64,
    /// The group key that they have confirmed (compressed point).
    pub group_key: Option<Bytes>,
    /// Weight of those that have said that they are ready.
    pub ready_weight: u64,
    /// What it waits for.
    pub awaits: EpochStep,
}

/// What the next epoch waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochStep {
    /// All its validators are to confirm one group key.
    #[default]
    Key,
    /// The present group is to sign that key, and the agreed L1 view to show it in force.
    Rotation,
    /// More than 2/3 of its weights are to say that they are ready.
    Readiness,
    /// The open term is to be closed at the end of the running slot.
    Closing,
}

impl From<Awaits> for EpochStep {
    fn from(awaits: Awaits) -> Self {
        match awaits {
            Awaits::Key => Self::Key,
            Awaits::Rotation => Self::Rotation,
            Awaits::Readiness => Self::Readiness,
            Awaits::Closing => Self::Closing,
        }
    }
}

/// One validator of the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorStatus {
    /// The address it signs with.
    pub signer: Address,
    /// The ed25519 key that authenticates its links.
    pub node_key: B256,
    /// Locked stake, in wei METIS, as a decimal string (it does not fit a JSON number).
    pub stake: String,
    /// Its weight.
    pub weight: u64,
    /// This node has a link to it (or is it).
    pub connected: bool,
    /// Highest block for which this node has seen a certificate with an ack of it.
    pub acked: u64,
    /// What it was convicted of; nothing for all others.
    pub offence: Option<Offence>,
    /// Its turns are passed over by decision.
    pub skipped: bool,
    /// It can take its turns, by its own last word.
    pub ready: bool,
    /// The slot it had come to when it said so.
    pub ready_slot: u64,
}

/// Counters since the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficStatus {
    /// Transactions that came in from clients.
    pub received: u64,
    /// Of these, refused with a reason.
    pub refused: u64,
    /// Of these, passed on to the sequencer.
    pub forwarded: u64,
}

/// What the node core publishes with [`super::ChainEvent::Status`], a few times a second and at every change of slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Address this node signs with; `None` for a node that is no validator.
    pub own: Option<Address>,
    /// The slot.
    pub slot: SlotStatus,
    /// The epoch.
    pub epoch: EpochStatus,
    /// Validators of the epoch, in order of their signer addresses.
    pub validators: Vec<ValidatorStatus>,
    /// Highest decided control-plane height.
    pub control_height: u64,
    /// Number of the agreed L1 view.
    pub l1_view_number: u64,
    /// Hash of the agreed L1 view.
    pub l1_view_hash: B256,
    /// Validators this node has a link to, itself not counted.
    pub peers: u32,
    /// What clients sent.
    pub traffic: TrafficStatus,
    /// Highest block a peer is known to hold: above this node's head while it catches up.
    pub highest_known_block: u64,
}
