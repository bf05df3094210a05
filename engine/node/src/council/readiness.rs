//! Whether this node can take its turns, and saying so when something needs saying.
//!
//! It is ready when the open term is open here and it has not voted to close it, its head and what it has acked are near the
//! highest block that it knows to be committed (not what some peer says), it has come to the slot that > 1/3 of the weights have
//! stated, some peer keeps the decisions that it needs, no block of the chain gives another result here, its L1 endpoint answers and has the agreed view, and the operator has not drained it. What is wrong, or right, for a moment only
//! is not told. A node without shares of the group key takes its turns: it cannot sign batches, which it says in its log, but
//! it can order and execute.

use horae_control::{ControlState, Pending, Readiness, Signature, SignerKey};
use metrics::counter;
use tracing::error;

use super::Council;
use super::io::CouncilIo;
use crate::replica::RunningSlot;

/// Blocks that the head may be behind the highest block heard of.
const NEAR_BLOCKS: u64 = 32;
/// What is wrong for less than this, in milliseconds, is not told.
const GRACE_MS: u64 = 3_000;
/// Nor is this node called ready before all has been right for so long, in milliseconds: after a start it takes a moment to
/// hear how far the others are.
const STEADY_MS: u64 = 1_000;
/// How long no peer may keep what this node needs before an operator is told, and told again, in milliseconds.
const CUT_OFF_MS: u64 = 10_000;

/// What this node has found about itself. It is not ready before L1 has answered.
#[derive(Debug)]
pub struct SelfCheck {
    l1: Result<(), String>,
    /// Whether all was right when last looked at, and since when that has been so.
    since: Option<(bool, u64)>,
    /// That no peer keeps what this node needs to catch up, once that is sure.
    cut_off: Option<String>,
    /// Since when no peer does, or when that was said last.
    cut_off_ms: Option<u64>,
}

impl Default for SelfCheck {
    fn default() -> Self {
        Self { l1: Err("L1 has not answered yet".to_owned()), since: None, cut_off: None, cut_off_ms: None }
    }
}

impl SelfCheck {
    /// What L1 says here, looked at last.
    pub fn l1_stands(&mut self, standing: Result<(), String>) {
        self.l1 = standing;
    }

    /// The lowest control height that a peer keeps, as far as they have said, and the one that is needed here. An operator is told,
    /// now and then, while nobody keeps it.
    pub fn history(&mut self, now_ms: u64, next: u64, oldest_kept: Option<u64>) {
        let Some(oldest) = oldest_kept.filter(|oldest| *oldest > next) else {
            (self.cut_off, self.cut_off_ms) = (None, None);
            return;
        };
        let since_ms = *self.cut_off_ms.get_or_insert(now_ms);
        if now_ms < since_ms.saturating_add(CUT_OFF_MS) {
            return;
        }
        self.cut_off_ms = Some(now_ms);
        counter!("horae_cut_off").increment(1);
        let why = format!(
            "the peers keep decisions from control height {oldest} on, and this node needs {next}: it was away for too long; stop it and run \
             `horae node rejoin --home HOME --from URL --set-aside`"
        );
        error!("{why}");
        self.cut_off = Some(why);
    }

    /// Why this node cannot take its turns, if it cannot.
    pub fn trouble(&self, running: &RunningSlot, state: &ControlState) -> Option<String> {
        if self.cut_off.is_some() {
            return self.cut_off.clone();
        }
        if state.open_term().is_some_and(|term| term.number != running.term) {
            return Some("the open term is not open here yet".to_owned());
        }
        if running.disagrees {
            return Some(format!("block {} gives another result when it is executed here", running.head + 1));
        }
        let (head, committed) = (running.head, running.highest_committed);
        if committed.saturating_sub(head) > NEAR_BLOCKS {
            return Some(format!("the head is at block {head}, the others have committed block {committed}"));
        }
        // A node that hears no blocks knows of no commit either, but it hears what the others have stated.
        let reached = state.roll_call().reached_slot(&state.epoch().set);
        if reached > running.slot {
            return Some(format!("the head is before slot {}, the others have come to slot {reached}", running.slot));
        }
        if running.voted_to_close {
            return Some("this node has voted to close the open term".to_owned());
        }
        if head.saturating_sub(running.acked) > NEAR_BLOCKS {
            return Some(format!("the head is at block {head}, acked is block {}", running.acked));
        }
        if running.lacks_entries {
            return Some(format!(
                "what the forced queue brought above L1 block {} has not been read from L1 yet",
                running.l1_view
            ));
        }
        self.l1.as_ref().err().map(|why| format!("L1: {why}"))
    }

    /// The statement that is due now, if one is. `drained` says that the operator has taken the node out of its turns.
    pub fn statement(
        &mut self,
        now_ms: u64,
        running: &RunningSlot,
        state: &ControlState,
        drained: bool,
        key: &SignerKey,
    ) -> Option<Pending> {
        let term = state.open_term()?;
        let incarnation = term.set.get(&key.address())?.incarnation;
        let right = self.trouble(running, state).is_none();
        let since_ms = match self.since {
            Some((was, since_ms)) if was == right => since_ms,
            _ => now_ms,
        };
        self.since = Some((right, since_ms));
        let patience_ms = if right { STEADY_MS } else { GRACE_MS };
        if !drained && now_ms < since_ms.saturating_add(patience_ms) {
            return None;
        }
        let ready = right && !drained;
        if !state.readiness_is_due(&key.address(), running.committed_slot, ready) {
            return None;
        }
        let said = Readiness {
            validator: key.address(),
            incarnation,
            epoch: term.epoch,
            term: term.number,
            slot: running.committed_slot,
            committed: running.committed,
            l1_view: running.committed_l1_view,
            control_height: state.height(),
            ready,
            signature: Signature([0; 65]),
        };
        Some(Pending::Readiness(said.signed(state.domain(), key)))
    }
}

impl Council {
    /// Says whether this node can take its turns, when that needs saying and is not on its way already.
    pub(super) fn answer_roll_call(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let running = io.running();
        self.self_check.history(now_ms, self.state.height() + 1, io.oldest_kept());
        io.show_trouble(self.self_check.trouble(&running, &self.state));
        if !self.has_voice() {
            return;
        }
        let said = self.self_check.statement(now_ms, &running, &self.state, io.is_drained(), &self.signer);
        let Some(Pending::Readiness(said)) = said else { return };
        let waits = |command: &Pending| matches!(command, Pending::Readiness(of) if of.validator == said.validator && of.ready == said.ready);
        if !self.pending.commands().any(waits) {
            self.speak(Pending::Readiness(said), io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_nobody_can_bring_up_to_date_says_so_until_somebody_can() {
        let mut check = SelfCheck::default();
        check.history(0, 5, Some(6));
        check.history(CUT_OFF_MS - 1, 5, Some(6));
        assert_eq!(check.cut_off, None, "a peer that keeps more may still come");
        check.history(CUT_OFF_MS, 5, Some(6));
        assert!(check.cut_off.as_ref().is_some_and(|why| why.contains("horae node rejoin")));
        check.history(CUT_OFF_MS + 1, 6, Some(6));
        assert_eq!(check.cut_off, None);
        check.history(2 * CUT_OFF_MS, 5, None);
        assert_eq!(check.cut_off, None, "nobody has said anything yet");
    }
}
