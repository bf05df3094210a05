//! What a decided closing leads to, worked out from the design's words and not with the nodes' code: whether its votes count,
//! and where they leave the term.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use horae_control::{BlockFacts, BlockId, CloseTerm, Term};

use super::judge::{Violation, is_quorum};

/// Where these votes leave their term: at the highest certificate of the term among them or at its parent, and from there
/// upwards at the child that votes of most weight list; of equals at that with the lowest hash.
///
/// # Errors
/// The votes are no quorum, or the head was searched from elsewhere.
pub fn head_of(term: &Term, closing: &CloseTerm) -> Result<BlockFacts, Violation> {
    let voters: BTreeSet<Address> = closing.votes.iter().map(|vote| vote.validator).collect();
    let weight = voters.iter().filter_map(|voter| Some(term.set.get(voter)?.weight)).sum();
    if !is_quorum(&term.set, weight) {
        let what = format!("term {} was closed by votes of weight {weight} of {}", term.number, term.set.total());
        return Err(Violation::new(3, what));
    }
    let from = base_of(term, closing);
    if closing.base.id != from {
        let what = format!("the head of term {} was searched from {}, not from {from}", term.number, closing.base.id);
        return Err(Violation::new(2, what));
    }
    let listed = listed(term, closing);
    let mut head = closing.base;
    let child = |head: &BlockFacts| {
        let children = listed.values().filter(|(facts, _)| term.check_child(facts, head).is_ok());
        children.max_by_key(|(facts, weight)| (*weight, std::cmp::Reverse(facts.id.hash))).map(|(facts, _)| *facts)
    };
    while let Some(higher) = child(&head) {
        head = higher;
    }
    Ok(head)
}

fn base_of(term: &Term, closing: &CloseTerm) -> BlockId {
    let certificates = closing.votes.iter().filter_map(|vote| vote.certificate.as_ref());
    let of_term = certificates.filter(|certificate| (certificate.epoch, certificate.term) == (term.epoch, term.number));
    let highest = of_term.map(|certificate| certificate.block).max_by_key(|id| (id.number, std::cmp::Reverse(id.hash)));
    highest.unwrap_or(term.parent.id)
}

/// Every listed block, with the weight of the votes that list it.
fn listed(term: &Term, closing: &CloseTerm) -> BTreeMap<B256, (BlockFacts, u64)> {
    let mut listed: BTreeMap<B256, (BlockFacts, u64)> = BTreeMap::new();
    for vote in &closing.votes {
        let weight = term.set.get(&vote.validator).map_or(0, |validator| validator.weight);
        for block in &vote.acked {
            listed.entry(block.facts.id.hash).or_insert((block.facts, 0)).1 += weight;
        }
    }
    listed
}
