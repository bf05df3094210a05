//! A small snapshot of what the node is doing, for `horae_slot`, `horae_epoch`, `horae_validators` and `horae_status`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes};
use horae_control::{Awaits, Offence};
use horae_mpc::Fault;
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
    /// L1 has punished it for that, as the agreed view shows.
    #[serde(default)]
    pub punished: bool,
    /// Its turns are passed over by decision.
    pub skipped: bool,
    /// It can take its turns, by its own last word.
    pub ready: bool,
    /// The slot it had come to when it said so.
    pub ready_slot: u64,
    /// What it did wrong in signatures that this node coordinated since its start, one entry a kind.
    #[serde(default)]
    pub signing_faults: Vec<SigningFault>,
}

/// How a validator failed in signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningFault {
    /// What it did.
    pub kind: SigningFaultKind,
    /// How often.
    pub count: u64,
    /// When last, in unix milliseconds.
    pub last_ms: u64,
}

/// What a signer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SigningFaultKind {
    /// It did not answer in time.
    Silent,
    /// It did not sign: it had lost its nonces, or could not vouch for the batch.
    Refused,
    /// What it sent is not what it owes.
    Malformed,
    /// Its share is wrong. No correct signer sends one.
    BadShare,
}

impl From<&Fault> for SigningFaultKind {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Silent => Self::Silent,
            Fault::Refused(_) => Self::Refused,
            Fault::Malformed => Self::Malformed,
            Fault::BadShare => Self::BadShare,
        }
    }
}

impl SigningFaultKind {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::BadShare => "bad share",
        }
    }
}

/// The signing faults that were seen, of the last validators that had any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningFaults(BTreeMap<Address, Vec<SigningFault>>);

impl SigningFaults {
    /// Validators of which faults are kept.
    const VALIDATORS: usize = 512;

    /// Notes one.
    pub fn note(&mut self, validator: Address, fault: &Fault, now_ms: u64) {
        let kind = SigningFaultKind::from(fault);
        let of = self.0.entry(validator).or_default();
        match of.iter_mut().find(|noted| noted.kind == kind) {
            Some(noted) => (noted.count, noted.last_ms) = (noted.count + 1, now_ms),
            None => of.push(SigningFault { kind, count: 1, last_ms: now_ms }),
        }
        if self.0.len() > Self::VALIDATORS {
            let last = |faults: &Vec<SigningFault>| faults.iter().map(|fault| fault.last_ms).max();
            if let Some(oldest) = self.0.iter().min_by_key(|(_, faults)| last(faults)).map(|(of, _)| *of) {
                self.0.remove(&oldest);
            }
        }
    }

    /// Those of a validator.
    #[must_use]
    pub fn of(&self, validator: &Address) -> Vec<SigningFault> {
        self.0.get(validator).cloned().unwrap_or_default()
    }
}

/// A signed settlement of rewards, for anyone to carry to `RewardSchedule.settle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettlementStatus {
    /// The contract.
    pub schedule: Address,
    /// Index of the settlement.
    pub index: u64,
    /// First block settled.
    pub first_block: u64,
    /// Last block settled.
    pub last_block: u64,
    /// Validators by number, ascending.
    pub ids: Vec<u64>,
    /// Blocks of each.
    pub blocks: Vec<u64>,
    /// x coordinate of the signature's point.
    pub rx: B256,
    /// y coordinate of it.
    pub ry: B256,
    /// Its scalar.
    pub z: B256,
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

/// How far the forced queue is: entries from the first one on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForcedStatus {
    /// Brought by the agreed L1 view.
    pub brought: u64,
    /// Executed up to the highest block here.
    pub executed: u64,
    /// Brought and not known to be in an accepted batch.
    pub waiting: usize,
    /// L1 view of the highest block here: it follows the agreed one as far as the entries fit into blocks.
    pub l1_view: u64,
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
    /// How far the forced queue is.
    pub forced: ForcedStatus,
    /// Validators this node has a link to, itself not counted.
    pub peers: u32,
    /// What clients sent.
    pub traffic: TrafficStatus,
    /// A settlement of rewards that the group has signed, and that L1 did not have when this node looked last.
    #[serde(default)]
    pub settlement: Option<SettlementStatus>,
    /// Highest block a peer is known to hold: above this node's head while it catches up.
    pub highest_known_block: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_faults_are_counted_by_kind_and_bounded() {
        let mut faults = SigningFaults::default();
        let of = |n: u64| Address::left_padding_from(&n.to_be_bytes());
        faults.note(of(1), &Fault::Silent, 5);
        faults.note(of(1), &Fault::BadShare, 6);
        faults.note(of(1), &Fault::Silent, 7);
        let expected = [(SigningFaultKind::Silent, 2, 7), (SigningFaultKind::BadShare, 1, 6)];
        let expected = expected.map(|(kind, count, last_ms)| SigningFault { kind, count, last_ms });
        assert_eq!(faults.of(&of(1)), expected);
        for n in 2..2_000 {
            faults.note(of(n), &Fault::Malformed, 10 + n);
        }
        assert_eq!(faults.0.len(), SigningFaults::VALIDATORS);
        assert!(faults.of(&of(1)).is_empty() && faults.of(&of(1_999)).len() == 1);
    }
}
