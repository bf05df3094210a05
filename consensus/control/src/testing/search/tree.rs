//! The blocks that may be sealed in a term: every child that a bound allows, of every block.

use alloy_primitives::B256;
use alloy_primitives::map::HashMap;

use super::super::{child, keys_of};
use crate::statement::{BlockFacts, SignedBlock};
use crate::term::Term;

/// Set of blocks of a tree: bit `n` is block `n`.
pub(super) type Mask = u32;

/// How wide and high a tree grows. For each height, lowest first: the children of each block, by whether they end their
/// slot, and in the order of their hashes, so the first wins a tie of weights. Where the Byzantine validator leads, it can seal all of them; an honest sequencer seals one at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) byzantine: &'static [&'static [bool]],
    pub(super) honest: &'static [&'static [bool]],
    /// The Byzantine validator also signs a block on the term's parent that it shows to nobody.
    pub(super) phantom: bool,
}

/// A block that may be sealed.
pub(super) struct Node {
    pub(super) block: SignedBlock,
    pub(super) parent: usize,
    /// Place in the set of the one that signs it.
    pub(super) leader: usize,
    /// Nobody but the Byzantine validator ever holds it.
    pub(super) phantom: bool,
}

/// The blocks of one term. Block 0 is the term's parent, which is of no term here.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Each block and all below it.
    pub(super) chain: Vec<Mask>,
    by_hash: HashMap<B256, usize>,
}

impl Tree {
    pub(super) fn grow(term: &Term, byzantine: usize, shape: &Shape) -> Self {
        let root = SignedBlock { facts: term.parent, signature: crate::sign::Signature([0; 65]) };
        let mut tree = Self {
            nodes: vec![Node { block: root, parent: 0, leader: usize::MAX, phantom: false }],
            chain: vec![1],
            by_hash: HashMap::from_iter([(term.parent.id.hash, 0)]),
        };
        let mut at = 0;
        while at < tree.nodes.len() {
            let facts = tree.nodes[at].block.facts;
            let above = (facts.id.number - term.parent.id.number) as usize;
            let leader = term.schedule.leader(term.child_slot(&facts)).unwrap();
            let kinds = if leader == byzantine { shape.byzantine } else { shape.honest };
            for ends in kinds.get(above).copied().unwrap_or_default() {
                tree.add(term, at, leader, *ends, false);
            }
            if at == 0 && shape.phantom && leader == byzantine {
                tree.add(term, at, leader, false, true);
            }
            at += 1;
        }
        assert!(tree.nodes.len() <= Mask::BITS as usize, "{} blocks are too many", tree.nodes.len());
        tree
    }

    /// Adds a child of `parent` with a higher hash than its siblings before it.
    fn add(&mut self, term: &Term, parent: usize, leader: usize, ends: bool, phantom: bool) {
        if self.nodes[parent].phantom {
            return;
        }
        let below = self.nodes[parent].block.facts;
        let before = self.nodes.iter().map(|node| node.block.facts).filter(|facts| facts.parent == below.id.hash);
        let lowest = before.map(|facts| facts.id.hash).max();
        let children = (0..).map(|salt| child(term, &below, ends, salt));
        let mut later = children.filter(|facts| lowest.is_none_or(|lowest| facts.id.hash > lowest));
        let facts = later.next().expect("some hash is higher");
        let block = SignedBlock::sign(facts, &term.domain, 0, &keys_of(&term.set)[leader]);
        let at = self.nodes.len();
        self.by_hash.insert(facts.id.hash, at);
        self.nodes.push(Node { block, parent, leader, phantom });
        self.chain.push(self.chain[parent] | 1 << at);
    }

    pub(super) fn facts(&self, at: usize) -> &BlockFacts {
        &self.nodes[at].block.facts
    }

    pub(super) fn number(&self, at: usize) -> u64 {
        self.facts(at).id.number
    }

    /// Blocks but for the term's parent.
    pub(super) fn blocks(&self) -> std::ops::Range<usize> {
        1..self.nodes.len()
    }

    pub(super) fn find(&self, hash: &B256) -> Option<usize> {
        self.by_hash.get(hash).copied()
    }

    /// Whether `low` is `high` or below it.
    pub(super) fn is_on_chain(&self, low: usize, high: usize) -> bool {
        self.chain[high] >> low & 1 == 1
    }

    /// Blocks that the member at `leader` signs.
    pub(super) fn led_by(&self, leader: usize) -> Mask {
        self.blocks().filter(|at| self.nodes[*at].leader == leader).fold(0, |mask, at| mask | 1 << at)
    }
}

/// The blocks in a mask.
pub(super) fn each(mut mask: Mask) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (at < Mask::BITS).then_some(at as usize)
    })
}
