//! The groups that this node signs with: the present epoch's and, once its key is confirmed, the next one's, which signs
//! batches and settlements from the moment that the inbox has its key in force.

use alloy_primitives::{Address, B256};
use horae_control::{GroupKey, ValidatorSet};
use horae_mpc::SigningMessage;
use rand_core::{CryptoRng, RngCore};
use tracing::{debug, error, info};

use super::Council;
use super::io::CouncilIo;
use super::signing::{Signing, SigningOutput};

/// A key that the inbox has in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInForce {
    /// Its index there; the first is 1.
    pub index: u64,
    /// The key.
    pub key: GroupKey,
}

/// Signing under the keys that this node has shares of; at most two.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Signing>,
}

impl Groups {
    /// Signing under a key.
    pub(super) fn under(&mut self, key: &GroupKey) -> Option<&mut Signing> {
        self.groups.iter_mut().find(|group| group.is_under(key))
    }

    pub(super) fn has(&self, key: &GroupKey) -> bool {
        self.groups.iter().any(|group| group.is_under(key))
    }

    /// This node has checked what the digest stands for, whichever group is asked to sign it.
    pub(super) fn approve(
        &mut self,
        digest: B256,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Vec<SigningOutput> {
        self.groups.iter_mut().flat_map(|group| group.approve(digest, now_ms, rng)).collect()
    }

    /// Takes in a message of another validator, if this node signs under the key that it is about.
    pub(super) fn hear(
        &mut self,
        from: Address,
        message: SigningMessage,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Vec<SigningOutput> {
        match self.groups.iter_mut().find(|group| group.is_of(message.group)) {
            Some(group) => group.hear(from, message.body, now_ms, rng),
            None => {
                debug!(%from, "signing message for another group key");
                Vec::new()
            }
        }
    }

    /// A digest need not be signed any more: its place is free for another.
    pub(super) fn cancel(&mut self, digest: &B256) {
        self.groups.iter_mut().for_each(|group| group.cancel(digest));
    }

    pub(super) fn tick(&mut self, now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Vec<SigningOutput> {
        self.groups.iter_mut().flat_map(|group| group.tick(now_ms, rng)).collect()
    }
}

impl Council {
    /// Signs under the present epoch's key and the next one's from now on, as far as there are shares, and no other.
    pub(super) fn take_up_keys(&mut self) {
        let (present, next) = (self.state.epoch().group_key, self.state.next_epoch().and_then(|next| next.key()));
        let keys: Vec<GroupKey> = present.into_iter().chain(next).collect();
        self.groups.groups.retain(|group| keys.iter().any(|key| group.is_under(key)));
        for key in keys.iter().filter(|key| !self.groups.has(key)).collect::<Vec<_>>() {
            if let Some(material) = self.keygen.material(key) {
                self.groups.groups.push(Signing::new(&self.signer, material.clone()));
            } else if self.group_of(key).is_some_and(|set| set.get(&self.me()).is_some()) {
                error!(px = %key.px, "this node has no shares of the group key: it cannot sign under it");
            }
        }
    }

    /// The key in force at the inbox, as L1's head says; the present epoch's until it has been looked at.
    pub(super) fn key_in_force(&self) -> Option<GroupKey> {
        self.in_force.map(|in_force| in_force.key).or(self.state.epoch().group_key)
    }

    /// The validators that share a key.
    pub(super) fn group_of(&self, key: &GroupKey) -> Option<&ValidatorSet> {
        let next = self.state.next_epoch().filter(|next| next.key() == Some(*key));
        match next {
            Some(next) => Some(next.set()),
            None => (self.state.epoch().group_key == Some(*key)).then_some(&self.state.epoch().set),
        }
    }

    /// The inbox has this key in force at L1's head: what was under way under another one begins anew.
    pub(super) fn key_seen(&mut self, in_force: Option<KeyInForce>, io: &mut impl CouncilIo) {
        if self.in_force == in_force {
            return;
        }
        if let Some(KeyInForce { index, key }) = in_force {
            info!(index, px = %key.px, "L1 has this group key in force");
        }
        self.in_force = in_force;
        self.carrying.begin_anew();
        self.settle_anew(io);
    }

    /// How many members of a group come before this validator at the `n`th thing to be carried; nothing if it is no member.
    pub(super) fn turn(&self, key: &GroupKey, n: u64) -> Option<u64> {
        let set = self.group_of(key)?;
        let (at, count) = (set.index_of(&self.me())? as u64, set.len() as u64);
        Some((at + count - n % count) % count)
    }

    /// Carries out what signing asks for.
    pub(super) fn signed(&mut self, outputs: Vec<SigningOutput>, now_ms: u64, io: &mut impl CouncilIo) {
        for output in outputs {
            match output {
                SigningOutput::Send { to, message } => {
                    if let Some(node_key) = self.roster.node_key(&to) {
                        io.send(node_key, &super::message::LinkMessage::Signing(message));
                    }
                }
                SigningOutput::Fault { validator, fault } => io.note_signing_fault(validator, fault, now_ms),
                SigningOutput::Signed { digest, signature, signers } if self.is_rotation(&digest) => {
                    info!(?signers, "the rotation to the next group key is signed");
                    self.send_rotation(signature, io);
                }
                SigningOutput::Signed { digest, signature, signers } if self.is_settlement(&digest) => {
                    info!(?signers, "a settlement of rewards is signed");
                    self.send_settlement(signature, io);
                }
                SigningOutput::Signed { digest, signature, signers } => {
                    self.send_batch(digest, signature, signers, io);
                }
                SigningOutput::Failed { digest } => {
                    self.rotation_failed(&digest, now_ms);
                    self.batch_failed(&digest, now_ms);
                    self.settlement_failed(&digest, now_ms);
                }
            }
        }
    }
}
