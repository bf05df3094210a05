//! The present group signs the next one's key, and one of its members carries that to L1, by turns and with stand-ins.
//!
//! What is signed names the last batch that the inbox has accepted, so a rotation and a batch that were begun on the same one
//! shut each other out, and L1 says which came first; the other is signed again, on what came. So that they do not race for
//! ever, nobody begins a batch while a rotation can be carried, for [`GOES_FIRST_MS`] at most: a rotation that does not come
//! through lets the next batch pass, and then has its time again.

use alloy_primitives::{Address, B256, U256};
use horae_contracts::{Succession, rotation_digest};
use horae_mpc::GroupSignature;
use tracing::{debug, info};

use super::Council;
use super::carrying::{RETRY_MS, STAND_IN_MS};
use super::io::{CouncilIo, Work};
use super::own::Own;

/// A rotation that waits holds up batches for so long, in milliseconds.
const GOES_FIRST_MS: u64 = 20_000;

/// What `BatchInbox.rotate` takes.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// x coordinate of the next key.
    pub px: U256,
    /// Parity of its y coordinate, 27 or 28.
    pub parity: u8,
    /// The next epoch's validators, ascending by address.
    pub signers: Vec<Address>,
    /// Their weights.
    pub weights: Vec<u64>,
    /// By the group of the key in force.
    pub signature: GroupSignature,
}

/// A rotation on its way, on the batch that L1 has accepted last.
pub(super) struct Rotating {
    digest: B256,
    since_ms: u64,
    own: Own,
}

impl Council {
    /// Moves the rotation along, if one is due.
    pub(super) fn rotate(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let due = self.succession();
        let (Some(succession), Some(key)) = (due, self.state.epoch().group_key) else {
            self.rotating = None;
            return;
        };
        let digest = rotation_digest(self.inbox.l1_chain_id, self.inbox.address, &succession);
        if self.rotating.as_ref().is_none_or(|rotating| rotating.digest != digest) {
            info!(key_index = succession.key_index, px = %succession.px, "the next group key is to be signed");
            self.rotating = Some(Rotating { digest, since_ms: now_ms, own: Own::Idle { not_before_ms: 0 } });
            let outputs = self.groups.under(&key).map(|group| group.approve(digest, now_ms, io.rng()));
            self.signed(outputs.unwrap_or_default(), now_ms, io);
        }
        let turn = self.turn(&key, succession.key_index);
        let (Some(rotating), Some(turn)) = (&mut self.rotating, turn) else { return };
        let Own::Idle { not_before_ms } = rotating.own else { return };
        let my_time = rotating.since_ms.saturating_add(turn.saturating_mul(STAND_IN_MS)).max(not_before_ms);
        let Some(group) = self.groups.under(&key).filter(|_| io.carries() && now_ms >= my_time) else { return };
        rotating.own = Own::Signing;
        let outputs = group.begin(digest, now_ms, io.rng());
        self.signed(outputs, now_ms, io);
    }

    /// Whether batches wait for a rotation.
    pub(super) fn rotation_goes_first(&self, now_ms: u64) -> bool {
        self.rotating.as_ref().is_some_and(|rotating| now_ms < rotating.since_ms.saturating_add(GOES_FIRST_MS))
    }

    pub(super) fn is_rotation(&self, digest: &B256) -> bool {
        self.rotating.as_ref().is_some_and(|rotating| rotating.digest == *digest)
    }

    pub(super) fn send_rotation(&mut self, signature: GroupSignature, io: &mut impl CouncilIo) {
        let (Some(next), Some(rotating)) = (self.state.next_epoch(), &mut self.rotating) else { return };
        let (Some(key), Own::Signing) = (next.key(), &rotating.own) else { return };
        rotating.own = Own::Sending;
        let members = next.set().validators();
        io.begin(Work::Rotate(Rotation {
            px: key.px,
            parity: key.parity,
            signers: members.iter().map(|v| v.signer).collect(),
            weights: members.iter().map(|v| v.weight).collect(),
            signature,
        }));
    }

    pub(super) fn rotation_failed(&mut self, digest: &B256, now_ms: u64) {
        if let Some(rotating) = self.rotating.as_mut().filter(|rotating| rotating.digest == *digest) {
            rotating.own = Own::Idle { not_before_ms: now_ms.saturating_add(RETRY_MS) };
        }
    }

    /// Ours was carried, or not. Another member may have been first.
    pub(super) fn rotated(&mut self, result: Result<(), String>, now_ms: u64) {
        if let Err(why) = result {
            debug!(%why, "the rotation did not go through here");
        }
        if let Some(rotating) = self.rotating.as_mut().filter(|rotating| matches!(rotating.own, Own::Sending)) {
            rotating.own = Own::Idle { not_before_ms: now_ms.saturating_add(RETRY_MS) };
        }
    }

    /// What the present group is to sign: the next key is confirmed, and L1 still has the present one.
    fn succession(&self) -> Option<Succession> {
        let next = self.state.next_epoch().filter(|next| next.shown().is_none())?;
        let (key, head) = (next.key()?, self.carrying.head()?);
        let in_force = self.in_force.filter(|in_force| Some(in_force.key) == self.state.epoch().group_key)?;
        Some(Succession {
            key_index: in_force.index.saturating_add(1),
            px: key.px,
            parity: key.parity,
            snapshot_hash: next.set().snapshot_hash(),
            last_batch_digest: head.digest,
        })
    }
}
