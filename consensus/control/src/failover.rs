//! Closing a term: whether the close votes count, and who begins the next one.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, keccak256};

use crate::command::CloseTerm;
use crate::head::{HeadError, pick_head};
use crate::statement::{BlockFacts, CloseVote, StatementError};
use crate::term::Term;

/// Why a term does not close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// A vote does not count, or the votes are not in order.
    #[error(transparent)]
    Vote(#[from] StatementError),
    /// No head follows from the votes.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// What a decided closing leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Where the term ends.
    pub(crate) head: BlockFacts,
    /// The slot that a child of the head would belong to: it came to nothing.
    pub(crate) failed_slot: u64,
    /// First slot of the next term, if it is of the same epoch.
    pub(crate) next_slot: u64,
    /// The votes show that something of the term was committed by acks.
    pub(crate) had_commit: bool,
}

/// Checks a closing of the open term and works out what follows; `passed_over` says who gets no turn, given the voters.
pub(crate) fn close(
    term: &Term,
    closing: &CloseTerm,
    passed_over: impl Fn(&BTreeSet<Address>) -> Vec<Address>,
) -> Result<Closing, CloseError> {
    verify_votes(term, &closing.votes)?;
    let head = pick_head(term, &closing.base, &closing.votes)?;
    let voters: BTreeSet<Address> = closing.votes.iter().map(|vote| vote.validator).collect();
    let had_commit = closing
        .votes
        .iter()
        .filter_map(|vote| vote.certificate.as_ref())
        .any(|c| c.committed_number(&term.set).is_some_and(|number| number > term.parent.id.number));
    let passed_over = passed_over(&voters);
    let failed_slot = term.child_slot(&head);
    Ok(Closing { head, failed_slot, next_slot: next_slot(term, &head, &voters, &passed_over), had_commit })
}

/// The next slot in the schedule, after the one that a child of the head would belong to, whose validator is among the
/// close voters, and not one that is passed over, if there is another.
fn next_slot(term: &Term, head: &BlockFacts, voters: &BTreeSet<Address>, passed_over: &[Address]) -> u64 {
    let after = term.child_slot(head).saturating_add(1);
    let turns = after..after.saturating_add(2 * term.schedule.cycle_slots());
    let voted = |slot: &u64| term.sequencer_of(*slot).is_some_and(|v| voters.contains(&v.signer));
    let stands = |slot: &u64| term.sequencer_of(*slot).is_some_and(|v| !passed_over.contains(&v.signer));
    let mut of_voters = turns.filter(voted);
    of_voters.clone().find(stands).or_else(|| of_voters.next()).unwrap_or(after)
}

/// Checks that the votes are of different authors, each whole, and > 2/3 together.
///
/// Most votes carry the same certificate and list the same blocks: each is checked once.
fn verify_votes(term: &Term, votes: &[CloseVote]) -> Result<(), StatementError> {
    if !votes.is_sorted_by(|a, b| a.validator < b.validator) {
        return Err(StatementError::Unordered);
    }
    let mut certificates: BTreeSet<B256> = BTreeSet::new();
    let mut blocks: BTreeSet<(B256, [u8; 65])> = BTreeSet::new();
    let mut weight = 0;
    for vote in votes {
        vote.verify_author(term)?;
        vote.verify_shape(term)?;
        if let Some(certificate) = &vote.certificate {
            let bytes = borsh::to_vec(certificate).expect("writing to memory does not fail");
            if certificates.insert(keccak256(bytes)) {
                certificate.verify(&term.set, &term.domain)?;
            }
        }
        for block in &vote.acked {
            let bytes = borsh::to_vec(&block.facts).expect("writing to memory does not fail");
            if blocks.insert((keccak256(bytes), block.signature.0)) {
                block.verify(term)?;
            }
        }
        weight += term.set.get(&vote.validator).map_or(0, |v| v.weight);
    }
    if !term.set.is_quorum(weight) {
        return Err(StatementError::NoQuorum { weight, total: term.set.total() });
    }
    Ok(())
}
