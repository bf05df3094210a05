//! Where a closed term ends (design section 5, "Picking the head").

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::planted;
use crate::statement::{BlockFacts, BlockId, Certificate, CloseVote};
use crate::term::Term;

/// Why no head follows from the close votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The base given is not the block that the votes start from.
    #[error("the votes start from {expected}, not from {found}")]
    WrongBase {
        /// What was given.
        found: BlockId,
        /// The block of the highest certificate, or the term's parent.
        expected: BlockId,
    },
    /// Two votes list one block above the base with different facts; at most one of them can be true.
    #[error("{block} is listed with different facts")]
    ConflictingFacts {
        /// The block.
        block: BlockId,
    },
}

/// The highest certificate that the votes show.
///
/// Two at one height cannot exist while fewer than 1/3 lie; the lower hash then makes the choice the same everywhere.
pub fn highest_certificate(votes: &[CloseVote]) -> Option<&Certificate> {
    let shown = votes.iter().filter_map(|vote| vote.certificate.as_ref()).filter(|_| !planted!(HeadByAcksAlone));
    shown.min_by_key(|c| (std::cmp::Reverse(c.block.number), c.block.hash))
}

/// The block that the head is searched from: that of the highest certificate, or the term's parent.
pub fn base_of(term: &Term, votes: &[CloseVote]) -> BlockId {
    highest_certificate(votes).map_or(term.parent.id, |c| c.block)
}

/// The listed blocks that stand on the base, lowest first: by what they say of their parents there is a path down to it.
///
/// Only of these the head is one, and only these have to be held by whoever votes for a closing. An honest validator that
/// acked one branch of a sequencer that signed twice must list it, though the other branch may be committed by now, and
/// nobody can execute both.
pub fn standing_on(base: &BlockId, votes: &[CloseVote]) -> Vec<BlockFacts> {
    let mut listed: Vec<BlockFacts> = votes.iter().flat_map(|vote| &vote.acked).map(|block| block.facts).collect();
    listed.sort_by_key(|facts| facts.id);
    let mut below = BTreeSet::from([base.hash]);
    let mut standing: Vec<BlockFacts> = Vec::new();
    for facts in listed {
        if below.contains(&facts.parent) && standing.last() != Some(&facts) {
            below.insert(facts.id.hash);
            standing.push(facts);
        }
    }
    standing
}

/// The head that follows from decided close votes.
///
/// The votes have been verified and have different authors. `base` is what the header of [`base_of`] says; like the
/// facts of [`standing_on`] it is believed because > 2/3 voted for the control block, each holding these headers.
pub fn pick_head(term: &Term, base: &BlockFacts, votes: &[CloseVote]) -> Result<BlockFacts, HeadError> {
    let expected = base_of(term, votes);
    let slot_fits =
        highest_certificate(votes).is_none_or(|c| (base.epoch, base.term, base.slot) == (c.epoch, c.term, c.slot));
    if base.id != expected || !slot_fits || (expected == term.parent.id && *base != term.parent) {
        return Err(HeadError::WrongBase { found: base.id, expected });
    }
    let listed = weigh(term, &base.id, votes)?;
    if planted!(HeadByLongestChain)
        && let Some((highest, _)) = listed.values().max_by_key(|(facts, _)| facts.id)
    {
        return Ok(*highest);
    }
    let mut head = *base;
    loop {
        let children = listed.values().filter(|(facts, _)| term.check_child(facts, &head).is_ok());
        match children.min_by_key(|(facts, weight)| (std::cmp::Reverse(*weight), facts.id.hash)) {
            Some((child, _)) => head = *child,
            None => return Ok(head),
        }
    }
}

/// Every listed block that stands on the base, with the weight of the votes that list it.
fn weigh(term: &Term, base: &BlockId, votes: &[CloseVote]) -> Result<BTreeMap<B256, (BlockFacts, u64)>, HeadError> {
    let mut listed: BTreeMap<B256, (BlockFacts, u64)> = BTreeMap::new();
    for facts in standing_on(base, votes) {
        if listed.insert(facts.id.hash, (facts, 0)).is_some() {
            return Err(HeadError::ConflictingFacts { block: facts.id });
        }
    }
    for vote in votes {
        let weight = term.set.get(&vote.validator).map_or(0, |v| v.weight);
        for block in &vote.acked {
            if let Some((_, behind)) = listed.get_mut(&block.facts.id.hash).filter(|(known, _)| *known == block.facts) {
                *behind += weight;
            }
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests;
