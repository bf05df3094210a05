//! Settlements of rewards: when an epoch has ended and L1 has its blocks, the group signs who sealed how many, and one of its
//! members carries that to the RewardSchedule, by turns and with stand-ins.
//!
//! What is signed follows from L1 and from this node's own blocks alone: the settlement begins where L1's last one ended, and goes to
//! the end of the newest ended epoch that is in accepted batches, however many epochs that is. So every signer works it out for itself,
//! and vouches for nothing else. The key in force at the inbox signs, whichever epoch's that is. A settlement names no batch: it neither
//! holds up batches and rotations nor is voided by them. One that a reorganisation drops is found missing and carried again.

use alloy_primitives::{Address, B256};
use horae_contracts::{Settlement, settlement_digest};
use horae_mpc::GroupSignature;
use metrics::counter;
use tracing::{debug, info, warn};

use super::Council;
use super::carrying::{RETRY_MS, UNHURRIED_MS};
use super::io::{CouncilIo, Work};
use super::own::Own;

/// While a settlement is due L1 is looked at this often, in milliseconds.
const LOOK_MS: u64 = 3_000;
/// And this often while none is: L1 may have dropped the last one, or the schedule may have begun.
const REST_MS: u64 = 30_000;
/// From when a settlement is due here until it is begun, in milliseconds: others look at L1 a little later, and would refuse.
const GRACE_MS: u64 = 3_000;
/// The wait after a settlement that did not go through doubles with each, so often at most.
const DOUBLINGS: u32 = 6;

/// What is to be settled, as this node reckons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSettle {
    /// The RewardSchedule.
    pub schedule: Address,
    /// What it takes.
    pub settlement: Settlement,
}

/// A settlement that the group has signed, and L1 does not have yet.
#[derive(Clone, Debug)]
pub struct SignedSettlement {
    /// The settlement.
    pub what: ToSettle,
    /// By the group of the key in force.
    pub signature: GroupSignature,
}

/// What came of a look at the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reckoned {
    /// There is no schedule, or it has not begun.
    NotBegun,
    /// L1 has settled as far as was asked about.
    Settled,
    /// This is to be settled.
    Due(Box<ToSettle>),
}

/// Settlements at this node.
#[derive(Default)]
pub(super) struct Settling {
    due: Option<Due>,
    looking: bool,
    look_at_ms: u64,
    /// The block that was looked for last.
    looked_for: u64,
}

struct Due {
    what: ToSettle,
    digest: B256,
    since_ms: u64,
    failed: u32,
    own: Own,
}

impl Council {
    /// Moves the next settlement along.
    pub(super) fn settle(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let Some(last_block) = self.last_ended_block() else { return };
        let Some(key) = self.key_in_force().filter(|key| self.groups.has(key)) else { return };
        let settling = &mut self.settling;
        if !settling.looking && (now_ms >= settling.look_at_ms || settling.looked_for != last_block) {
            (settling.looking, settling.looked_for) = (true, last_block);
            io.begin(Work::Reckon { last_block });
        }
        let Some(due) = &self.settling.due else { return };
        let Some(turn) = self.turn(&key, due.what.settlement.index) else { return };
        let Own::Idle { not_before_ms } = due.own else { return };
        let stands_in_ms = GRACE_MS.saturating_add(turn.saturating_mul(UNHURRIED_MS));
        let my_time = due.since_ms.saturating_add(stands_in_ms).max(not_before_ms);
        let digest = due.digest;
        let Some(group) = self.groups.under(&key).filter(|_| io.carries() && now_ms >= my_time) else { return };
        if let Some(due) = &mut self.settling.due {
            due.own = Own::Signing;
        }
        let outputs = group.begin(digest, now_ms, io.rng());
        self.signed(outputs, now_ms, io);
    }

    /// The last block of the newest epoch that has ended and is in accepted batches.
    fn last_ended_block(&self) -> Option<u64> {
        let accepted = self.carrying.head()?.last_block;
        let past = self.state.past_epochs().map(|epoch| epoch.first_block);
        let ends = past.chain([self.state.epoch().first_block]).map(|first_block| first_block.saturating_sub(1));
        ends.filter(|end| *end > 0 && *end <= accepted).max()
    }

    /// The schedule was looked at, and what is due reckoned.
    pub(super) fn reckoned(&mut self, reckoned: Result<Reckoned, String>, now_ms: u64, io: &mut impl CouncilIo) {
        self.settling.looking = false;
        let what = match reckoned {
            Ok(Reckoned::Due(what)) => *what,
            Ok(Reckoned::NotBegun | Reckoned::Settled) => {
                self.settling.look_at_ms = now_ms.saturating_add(REST_MS);
                if let Some(due) = self.settling.due.take() {
                    self.groups.cancel(&due.digest);
                    io.show_settlement(None);
                }
                return;
            }
            Err(why) => {
                debug!(%why, "cannot tell what is to be settled");
                self.settling.look_at_ms = now_ms.saturating_add(LOOK_MS);
                return;
            }
        };
        self.settling.look_at_ms = now_ms.saturating_add(LOOK_MS);
        let digest = settlement_digest(self.inbox.l1_chain_id, what.schedule, &what.settlement);
        if self.settling.due.as_ref().is_none_or(|due| due.digest != digest) {
            let Settlement { index, firstBlock, lastBlock, .. } = what.settlement;
            info!(index, first = firstBlock, last = lastBlock, "rewards are to be settled");
            io.show_settlement(None);
            let own = Own::Idle { not_before_ms: 0 };
            let before = self.settling.due.replace(Due { what, digest, since_ms: now_ms, failed: 0, own });
            before.iter().for_each(|due| self.groups.cancel(&due.digest));
        }
        // At every look: of what was approved only the newest is remembered.
        let outputs = self.groups.approve(digest, now_ms, io.rng());
        self.signed(outputs, now_ms, io);
    }

    pub(super) fn is_settlement(&self, digest: &B256) -> bool {
        self.settling.due.as_ref().is_some_and(|due| due.digest == *digest)
    }

    pub(super) fn send_settlement(&mut self, signature: GroupSignature, io: &mut impl CouncilIo) {
        let Some(due) = self.settling.due.as_mut().filter(|due| matches!(due.own, Own::Signing)) else { return };
        due.own = Own::Sending;
        let signed = SignedSettlement { what: due.what.clone(), signature };
        io.show_settlement(Some(&signed));
        io.begin(Work::Settle(Box::new(signed)));
    }

    /// A digest was given up.
    pub(super) fn settlement_failed(&mut self, digest: &B256, now_ms: u64) {
        if let Some(due) = self.settling.due.as_mut().filter(|due| due.digest == *digest) {
            due.wait(now_ms);
        }
    }

    /// Ours was carried, or not. Another member may have been first: the next look says so.
    pub(super) fn settled(&mut self, index: u64, result: Result<(), String>, now_ms: u64) {
        let due = self.settling.due.as_mut().filter(|due| due.what.settlement.index == index);
        let Some(due) = due.filter(|due| matches!(due.own, Own::Sending)) else { return };
        self.settling.look_at_ms = now_ms;
        if let Err(why) = result {
            counter!("horae_settlements_not_carried").increment(1);
            warn!(index, %why, "settlement not carried");
            due.wait(now_ms);
        } else {
            counter!("horae_settlements_carried").increment(1);
            due.own = Own::Idle { not_before_ms: now_ms.saturating_add(REST_MS) };
        }
    }

    /// The inbox has another key in force: what was signed under the one before serves no more.
    pub(super) fn settle_anew(&mut self, io: &mut impl CouncilIo) {
        if let Some(due) = &mut self.settling.due {
            self.groups.cancel(&due.digest);
            (due.own, due.failed) = (Own::Idle { not_before_ms: 0 }, 0);
            io.show_settlement(None);
        }
    }
}

impl Due {
    fn wait(&mut self, now_ms: u64) {
        let wait_ms = RETRY_MS << self.failed.min(DOUBLINGS);
        self.failed = self.failed.saturating_add(1);
        self.own = Own::Idle { not_before_ms: now_ms.saturating_add(wait_ms) };
    }
}
