//! What was printed already: after a broken link the feed begins again above the committed head, and is printed only as far as
//! it says anything new.

use std::collections::VecDeque;

use horae_control::BlockId;
use horae_node::feed::Item;

/// Blocks above the committed one that are remembered; beyond, the oldest are printed twice after a broken link.
const BLOCKS_KEPT: usize = 65_536;

/// What an item says beside those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Something new.
    New,
    /// Nothing.
    Known,
    /// A block in the place of one that was printed: that one and those above are void.
    Instead {
        /// Height that stays.
        above: u64,
    },
}

/// What was printed.
#[derive(Debug, Default)]
pub struct Shown {
    blocks: VecDeque<BlockId>,
    certified: u64,
    committed: u64,
    decisions: Option<u64>,
}

impl Shown {
    /// The highest block shown as committed.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The block to go on from, once anything is committed.
    pub fn resume(&self) -> Option<u64> {
        (self.committed > 0).then_some(self.committed + 1)
    }

    /// The decision to go on from, once there was one.
    pub fn next_decision(&self) -> Option<u64> {
        self.decisions.map(|height| height + 1)
    }

    /// Takes note of an item.
    pub fn take(&mut self, item: &Item) -> What {
        match item {
            Item::Block(block) => self.block(block.id()),
            Item::Certificate(certificate) => rise(&mut self.certified, certificate.block.number),
            Item::Commit(commit) => self.commit(commit.block().number),
            Item::Void { above } => match self.cut(*above) {
                true => What::New,
                false => What::Known,
            },
            Item::Decision(item) => {
                if let Some(closed) = item.closed {
                    self.commit(closed.head.number);
                }
                let height = item.decision.height;
                let new = self.decisions.is_none_or(|last| height > last);
                self.decisions = self.decisions.max(Some(height));
                if new { What::New } else { What::Known }
            }
            Item::End { .. } => What::New,
        }
    }

    fn block(&mut self, id: BlockId) -> What {
        if id.number <= self.committed || self.blocks.contains(&id) {
            return What::Known;
        }
        let above = id.number - 1;
        let instead = self.cut(above);
        self.blocks.push_back(id);
        if self.blocks.len() > BLOCKS_KEPT {
            self.blocks.pop_front();
        }
        if instead { What::Instead { above } } else { What::New }
    }

    fn commit(&mut self, number: u64) -> What {
        self.blocks.retain(|id| id.number > number);
        self.certified = self.certified.max(number);
        rise(&mut self.committed, number)
    }

    /// Whether anything was above.
    fn cut(&mut self, above: u64) -> bool {
        let before = self.blocks.len();
        self.blocks.retain(|id| id.number <= above);
        self.certified = self.certified.min(above.max(self.committed));
        self.blocks.len() < before
    }
}

fn rise(height: &mut u64, to: u64) -> What {
    let new = to > *height;
    *height = to.max(*height);
    if new { What::New } else { What::Known }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::B256;
    use horae_control::{Certificate, Commit};
    use horae_node::feed::item::{ClosedAt, DecisionItem};

    fn id(number: u64, salt: u8) -> BlockId {
        BlockId { number, hash: B256::repeat_byte(salt) }
    }

    fn commit(number: u64) -> Item {
        let certificate = Certificate { epoch: 0, term: 1, slot: 1, block: id(number, 1), acks: vec![] };
        Item::Commit(Box::new(Commit { certificate, acks: vec![] }))
    }

    #[test]
    fn what_comes_again_after_a_broken_link_is_known() {
        let mut shown = Shown::default();
        assert_eq!((1..=4).map(|n| shown.block(id(n, 1))).collect::<Vec<_>>(), [What::New; 4]);
        assert_eq!((shown.take(&commit(2)), shown.resume()), (What::New, Some(3)));
        assert_eq!((shown.take(&commit(2)), shown.take(&commit(1))), (What::Known, What::Known));
        assert_eq!((shown.block(id(3, 1)), shown.block(id(4, 1))), (What::Known, What::Known));
        assert_eq!(shown.block(id(5, 1)), What::New);
    }

    #[test]
    fn another_block_in_the_place_of_one_voids_what_was_printed() {
        let mut shown = Shown::default();
        (1..=4).for_each(|n| assert_eq!(shown.block(id(n, 1)), What::New));
        assert_eq!(shown.block(id(3, 2)), What::Instead { above: 2 });
        assert_eq!(shown.block(id(4, 2)), What::New);
        assert_eq!(shown.take(&Item::Void { above: 3 }), What::New);
        assert_eq!(shown.take(&Item::Void { above: 3 }), What::Known);
    }

    #[test]
    fn a_decision_commits_the_head_of_the_term_it_closes() {
        let mut shown = Shown::default();
        (1..=2).for_each(|n| assert_eq!(shown.block(id(n, 1)), What::New));
        let decision = horae_control::Decision { height: 7, round: 0, value: vec![], precommits: vec![] };
        let closed = Some(ClosedAt { term: 1, head: id(2, 1) });
        let item = Item::Decision(Box::new(DecisionItem { decision, closed }));
        assert_eq!((shown.take(&item), shown.take(&item)), (What::New, What::Known));
        assert_eq!((shown.committed(), shown.next_decision()), (2, Some(8)));
    }
}
