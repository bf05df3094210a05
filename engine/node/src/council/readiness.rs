//! Whether this node can take its turns, and saying so when something needs saying.
//!
//! It is ready when the open term is open here, its head is near the highest block it has heard of, no block of the chain
//! gives another result here, its L1 endpoint answers and has the agreed view, and the operator has not drained it. What is
//! wrong for a moment only is not told. A node without shares of the group key takes its turns: it cannot sign batches,
//! which it says in its log, but it can order and execute.

use horae_control::{ControlState, Pending, Readiness, Signature, SignerKey};

use crate::replica::RunningSlot;

/// Blocks that the head may be behind the highest block heard of.
const NEAR_BLOCKS: u64 = 32;
/// What is wrong for less than this, in milliseconds, is not told.
const GRACE_MS: u64 = 3_000;

/// What this node has found about itself.
#[derive(Debug)]
pub(super) struct SelfCheck {
    l1: Result<(), String>,
    /// Since when something has been wrong.
    wrong_since_ms: Option<u64>,
}

impl SelfCheck {
    pub(super) fn new() -> Self {
        Self { l1: Err("L1 has not answered yet".to_owned()), wrong_since_ms: None }
    }

    pub(super) fn l1_stands(&mut self, standing: Result<(), String>) {
        self.l1 = standing;
    }

    /// Why this node cannot take its turns, if it cannot.
    pub(super) fn trouble(&self, running: &RunningSlot, state: &ControlState) -> Option<String> {
        if state.open_term().is_some_and(|term| term.number != running.term) {
            return Some("the open term is not open here yet".to_owned());
        }
        if running.disagrees {
            return Some(format!("block {} gives another result when it is executed here", running.head + 1));
        }
        let (head, highest) = (running.head, running.highest_known);
        if highest.saturating_sub(head) > NEAR_BLOCKS {
            return Some(format!("the head is at block {head}, peers are at {highest}"));
        }
        self.l1.as_ref().err().map(|why| format!("L1: {why}"))
    }

    /// The statement that is due now, if one is. `drained` says that the operator has taken the node out of its turns.
    pub(super) fn statement(
        &mut self,
        now_ms: u64,
        running: &RunningSlot,
        state: &ControlState,
        drained: bool,
        key: &SignerKey,
    ) -> Option<Pending> {
        let term = state.open_term()?;
        let incarnation = term.set.get(&key.address())?.incarnation;
        let ready = match self.trouble(running, state) {
            _ if drained => false,
            None => {
                self.wrong_since_ms = None;
                true
            }
            Some(_) => {
                let since_ms = *self.wrong_since_ms.get_or_insert(now_ms);
                if now_ms < since_ms.saturating_add(GRACE_MS) {
                    return None;
                }
                false
            }
        };
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
            control_height: state.height(),
            ready,
            signature: Signature([0; 65]),
        };
        Some(Pending::Readiness(said.signed(state.domain(), key)))
    }
}
