//! One digest under way: its sessions, and how its signers have behaved.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};

use super::{
    CoordinatorConfig, CoordinatorOutput, Fault,
    session::{Outcome, Session, backed_off},
};
use crate::{group::GroupPublic, shares::ShareLayout};

#[derive(Default)]
struct Conduct {
    /// Times it was silent or refused: the last to be chosen.
    strikes: u32,
    refusals: u32,
    /// Refused, and is to be left alone until then.
    held_until_ms: u64,
}

pub(super) struct Signing {
    pub(super) give_up_at_ms: u64,
    /// By [`SigningRequest::session`](super::SigningRequest::session). Each has someone who has not answered.
    pub(super) sessions: BTreeMap<B256, Session>,
    conduct: BTreeMap<Address, Conduct>,
}

impl Signing {
    pub(super) fn new(give_up_at_ms: u64) -> Self {
        Self { give_up_at_ms, sessions: BTreeMap::new(), conduct: BTreeMap::new() }
    }

    /// Whether no session is running that deserves more time.
    pub(super) fn may_open(&self) -> bool {
        self.sessions.values().all(|session| session.lost || session.overdue)
    }

    /// Whether a session waits for `signer`.
    pub(super) fn awaits(&self, signer: Address) -> bool {
        self.sessions.values().any(|session| session.waiting.contains(&signer))
    }

    /// Whether `signer` can be put into a session.
    pub(super) fn is_free(&self, signer: Address, now_ms: u64) -> bool {
        !self.awaits(signer) && self.conduct.get(&signer).is_none_or(|conduct| now_ms >= conduct.held_until_ms)
    }

    /// Chooses a threshold of shares among `free`, the best behaved first and no more than needed; ascending by address.
    pub(super) fn choose(&self, mut free: Vec<Address>, layout: &ShareLayout) -> Option<Vec<Address>> {
        free.sort_by_key(|signer| (self.conduct.get(signer).map_or(0, |conduct| conduct.strikes), *signer));
        let threshold = layout.threshold();
        let mut held = 0u16;
        let mut chosen = Vec::new();
        for signer in free {
            if held >= threshold {
                break;
            }
            held += layout.share_count(signer);
            chosen.push(signer);
        }
        if held < threshold {
            return None;
        }
        for at in (0..chosen.len()).rev() {
            let shares = layout.share_count(chosen[at]);
            if held - shares >= threshold {
                held -= shares;
                chosen.remove(at);
            }
        }
        chosen.sort_unstable();
        Some(chosen)
    }

    /// Takes the shares of `from`, if they are awaited. Gives the end of the session if it comes to one.
    pub(super) fn on_shares(
        &mut self,
        name: &B256,
        from: Address,
        shares: &[[u8; 32]],
        public: &GroupPublic,
    ) -> Option<Outcome> {
        let session = self.sessions.get_mut(name)?;
        if !session.waiting.remove(&from) {
            return None;
        }
        let outcome = if !session.take(from, shares, public) {
            session.lost = true;
            Some(Outcome::Malformed(from))
        } else if session.waiting.is_empty() && !session.lost {
            Some(session.conclude(public))
        } else {
            None
        };
        self.sessions.retain(|_, session| !session.waiting.is_empty());
        outcome
    }

    /// Takes the refusal of `from`: the session is lost, and `from` left alone for a while. `false` if no answer is awaited.
    pub(super) fn on_refusal(&mut self, name: &B256, from: Address, retry_ms: u64, now_ms: u64) -> bool {
        let Some(session) = self.sessions.get_mut(name) else { return false };
        if !session.waiting.remove(&from) {
            return false;
        }
        session.lost = true;
        let conduct = self.conduct.entry(from).or_default();
        conduct.held_until_ms = now_ms.saturating_add(backed_off(retry_ms, conduct.refusals));
        conduct.refusals += 1;
        conduct.strikes += 1;
        self.sessions.retain(|_, session| !session.waiting.is_empty());
        true
    }

    /// Gives up every session that `signer` is in.
    pub(super) fn leave_out(&mut self, signer: Address) {
        for session in self.sessions.values_mut().filter(|session| session.includes(signer)) {
            session.lost = true;
            session.waiting.remove(&signer);
        }
        self.sessions.retain(|_, session| !session.waiting.is_empty());
    }

    /// Calls silent, and asks again, who has not answered in time.
    pub(super) fn repeat(&mut self, config: &CoordinatorConfig, now_ms: u64, outputs: &mut Vec<CoordinatorOutput>) {
        for session in self.sessions.values_mut().filter(|session| now_ms >= session.resend_at_ms) {
            if !session.overdue {
                session.overdue = true;
                for &validator in &session.waiting {
                    self.conduct.entry(validator).or_default().strikes += 1;
                    outputs.push(CoordinatorOutput::Fault { validator, fault: Fault::Silent });
                }
            }
            session.back_off(now_ms, config.patience_ms);
            let to = session.waiting.iter().copied().collect();
            outputs.push(CoordinatorOutput::Request { to, request: session.request.clone() });
        }
    }

    /// The times after `now_ms` at which something falls due.
    pub(super) fn deadlines_ms(&self, now_ms: u64) -> impl Iterator<Item = u64> + '_ {
        let sessions = self.sessions.values().map(|session| session.resend_at_ms);
        let held = self.conduct.values().map(|conduct| conduct.held_until_ms).filter(move |at| *at > now_ms);
        sessions.chain(held).chain([self.give_up_at_ms])
    }
}
