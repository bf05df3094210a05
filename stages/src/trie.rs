//! A Merkle-Patricia trie that is kept branch by branch, so that a root after some changes costs the paths of the changed keys and
//! nothing else.
//!
//! The trie is *secure*: a key is the Keccak-256 of a *name* (an address, a slot), so all keys are 64 nibbles and none is a prefix of
//! another. Every branch node is a record of its own ([`Branch`]) under its path, the nibbles that lead to it; leaves and
//! extensions are part of the branch above them, and what hangs from the root is the trie's *top*. A leaf's value is not kept: its node
//! is, and the value is asked for ([`Records::value`]) only when the leaf moves up or down, which changes its node.
//!
//! Node encoding is `alloy-trie`'s. Names of what is where follow the yellow paper, appendix D.

mod branch;

use std::ops::Range;

use alloy_primitives::{B256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::nodes::{LeafNodeRef, RlpNode};

pub use alloy_trie::Nibbles;
pub use branch::{BadRecord, Branch, Child, KEY_NIBBLES};

/// Where the branches of one trie are kept. `N` is the length of a name.
pub trait Records<const N: usize> {
    /// Why a record cannot be read or written.
    type Error;

    /// The branch at a path, which is there unless the records are damaged: then it is an error.
    ///
    /// # Errors
    /// As the records' keeper has it.
    fn load(&self, path: &Nibbles) -> Result<Branch<N>, Self::Error>;

    /// Keeps a branch in place of any at the same path.
    ///
    /// # Errors
    /// As the records' keeper has it.
    fn save(&mut self, path: &Nibbles, branch: &Branch<N>) -> Result<(), Self::Error>;

    /// Forgets the branch at a path.
    ///
    /// # Errors
    /// As the records' keeper has it.
    fn remove(&mut self, path: &Nibbles) -> Result<(), Self::Error>;

    /// The value of a leaf that is in the trie and that no change names.
    ///
    /// # Errors
    /// As the records' keeper has it; also if there is no such value, for the leaf says there is.
    fn value(&self, name: &[u8; N]) -> Result<Vec<u8>, Self::Error>;
}

/// A key to put in or take out.
#[derive(Clone, Debug)]
pub struct KeyChange<const N: usize> {
    key: Nibbles,
    name: [u8; N],
    value: Option<Vec<u8>>,
}

impl<const N: usize> KeyChange<N> {
    /// The key of `name` has this value (its RLP) from now on, or is in the trie no more.
    pub fn new(name: [u8; N], value: Option<Vec<u8>>) -> Self {
        Self { key: key_of(&name), name, value }
    }
}

/// The hash of a trie, by its top.
pub fn root_of<const N: usize>(top: Option<&Child<N>>) -> B256 {
    let Some(top) = top else { return EMPTY_ROOT_HASH };
    let node = top.reference(&mut Vec::new());
    // A node that is shorter than a hash stands for itself everywhere but here.
    node.as_hash().unwrap_or_else(|| keccak256(&node))
}

/// Makes `changes`, of which each has another name, and gives the new top.
///
/// # Errors
/// Of `records`. The trie is then to be given up: some records are of before, some of after.
pub fn apply<S: Records<N>, const N: usize>(
    records: &mut S,
    top: Option<Child<N>>,
    changes: &mut [KeyChange<N>],
) -> Result<Option<Child<N>>, S::Error> {
    changes.sort_unstable_by_key(|change| change.key);
    let mut walk = Walk { records, stack: Vec::with_capacity(16), scratch: Vec::new() };
    let subtree = walk.change(Nibbles::new(), top, changes)?;
    walk.hang(0, subtree)
}

fn key_of<const N: usize>(name: &[u8; N]) -> Nibbles {
    Nibbles::unpack(keccak256(name))
}

/// All that is below some path, not yet hung from a parent: where it will hang decides how much of a key its node names.
enum Subtree<'c, const N: usize> {
    Empty,
    Leaf(Leaf<'c, N>),
    Branch { path: Nibbles, node: RlpNode },
}

#[derive(Clone)]
struct Leaf<'c, const N: usize> {
    key: Nibbles,
    name: [u8; N],
    body: Body<'c>,
}

/// What a leaf's node is made from.
#[derive(Clone)]
enum Body<'c> {
    Value(&'c [u8]),
    /// It hung at `depth` before, where its node was this.
    Kept {
        depth: usize,
        node: RlpNode,
    },
}

struct Walk<'s, S, const N: usize> {
    records: &'s mut S,
    stack: Vec<RlpNode>,
    scratch: Vec<u8>,
}

impl<S: Records<N>, const N: usize> Walk<'_, S, N> {
    /// Makes the changes below `path`, from which `child` hangs now; all their keys begin with it.
    fn change<'c>(
        &mut self,
        path: Nibbles,
        child: Option<Child<N>>,
        changes: &'c [KeyChange<N>],
    ) -> Result<Subtree<'c, N>, S::Error> {
        match child {
            None => self.build(&inserted(changes)),
            Some(Child::Leaf { name, node }) => {
                let mut leaves = inserted(changes);
                let key = key_of(&name);
                if changes.binary_search_by(|change| change.key.cmp(&key)).is_err() {
                    let at = leaves.partition_point(|leaf| leaf.key < key);
                    leaves.insert(at, Leaf { key, name, body: Body::Kept { depth: path.len(), node } });
                }
                self.build(&leaves)
            }
            Some(Child::Branch { extension, node }) => {
                let branch = path.join(&extension);
                let shared = |change: &KeyChange<N>| change.key.common_prefix_length(&branch);
                let fork = changes.iter().filter(|c| c.value.is_some()).map(shared).min().unwrap_or(KEY_NIBBLES);
                match fork < branch.len() {
                    true => self.fork(branch.slice(..fork), branch, node, changes),
                    false => self.change_branch(branch, node, &changes[below(changes, &branch)]),
                }
            }
        }
    }

    /// Puts a branch at `path` where there was none but further down, at `old`.
    fn fork<'c>(
        &mut self,
        path: Nibbles,
        old: Nibbles,
        node: RlpNode,
        changes: &'c [KeyChange<N>],
    ) -> Result<Subtree<'c, N>, S::Error> {
        let mut branch = Branch::default();
        let extension = old.slice(path.len() + 1..);
        branch.children[usize::from(old.get_unchecked(path.len()))] = Some(Child::Branch { extension, node });
        self.settle(path, branch, None, &changes[below(changes, &path)])
    }

    /// Makes changes whose keys begin with the path of a branch.
    fn change_branch<'c>(
        &mut self,
        path: Nibbles,
        node: RlpNode,
        changes: &'c [KeyChange<N>],
    ) -> Result<Subtree<'c, N>, S::Error> {
        if changes.is_empty() {
            return Ok(Subtree::Branch { path, node });
        }
        let branch = self.records.load(&path)?;
        self.settle(path, branch, Some(node), changes)
    }

    /// Makes the changes below a branch, whose record is kept if `before` is something, and gives what becomes of it: it may have no
    /// child left, or one, which then takes its place.
    fn settle<'c>(
        &mut self,
        path: Nibbles,
        mut branch: Branch<N>,
        before: Option<RlpNode>,
        changes: &'c [KeyChange<N>],
    ) -> Result<Subtree<'c, N>, S::Error> {
        let mut changed: [Option<Subtree<'c, N>>; 16] = [const { None }; 16];
        for group in changes.chunk_by(|a, b| a.key.get_unchecked(path.len()) == b.key.get_unchecked(path.len())) {
            let below = group[0].key.slice(..path.len() + 1);
            let nibble = usize::from(group[0].key.get_unchecked(path.len()));
            let child = branch.children[nibble].take();
            changed[nibble] = Some(self.change(below, child, group)?).filter(|s| !matches!(s, Subtree::Empty));
        }
        let kept = branch.children.iter().flatten().count();
        if kept + changed.iter().flatten().count() < 2 {
            if before.is_some() {
                self.records.remove(&path)?;
            }
            let changed = changed.into_iter().flatten().next();
            let kept = branch.children.into_iter().enumerate().find_map(|(nibble, child)| Some((nibble as u8, child?)));
            return Ok(changed
                .or_else(|| kept.map(|(nibble, child)| lift(&path, nibble, child)))
                .unwrap_or(Subtree::Empty));
        }
        for (child, subtree) in branch.children.iter_mut().zip(changed) {
            if let Some(subtree) = subtree {
                *child = self.hang(path.len() + 1, subtree)?;
            }
        }
        let node = branch.reference(&mut self.stack, &mut self.scratch);
        if before.as_ref() != Some(&node) {
            self.records.save(&path, &branch)?;
        }
        Ok(Subtree::Branch { path, node })
    }

    /// A new subtree of these leaves, sorted by key.
    fn build<'c>(&mut self, leaves: &[Leaf<'c, N>]) -> Result<Subtree<'c, N>, S::Error> {
        let (first, last) = match leaves {
            [] => return Ok(Subtree::Empty),
            [only] => return Ok(Subtree::Leaf(only.clone())),
            [first, .., last] => (first, last),
        };
        let depth = first.key.common_prefix_length(&last.key);
        let mut branch = Branch::default();
        for group in leaves.chunk_by(|a, b| a.key.get_unchecked(depth) == b.key.get_unchecked(depth)) {
            let subtree = self.build(group)?;
            branch.children[usize::from(group[0].key.get_unchecked(depth))] = self.hang(depth + 1, subtree)?;
        }
        let path = first.key.slice(..depth);
        let node = branch.reference(&mut self.stack, &mut self.scratch);
        self.records.save(&path, &branch)?;
        Ok(Subtree::Branch { path, node })
    }

    /// The subtree as it hangs `depth` nibbles below the root.
    fn hang(&mut self, depth: usize, subtree: Subtree<'_, N>) -> Result<Option<Child<N>>, S::Error> {
        Ok(match subtree {
            Subtree::Empty => None,
            Subtree::Branch { path, node } => Some(Child::Branch { extension: path.slice(depth..), node }),
            Subtree::Leaf(Leaf { key, name, body }) => {
                let node = match body {
                    Body::Kept { depth: before, node } if before == depth => node,
                    Body::Kept { .. } => self.leaf(&key.slice(depth..), &self.records.value(&name)?),
                    Body::Value(value) => self.leaf(&key.slice(depth..), value),
                };
                Some(Child::Leaf { name, node })
            }
        })
    }

    fn leaf(&mut self, rest: &Nibbles, value: &[u8]) -> RlpNode {
        self.scratch.clear();
        LeafNodeRef::new(rest, value).rlp(&mut self.scratch)
    }
}

/// The only child of a branch at `path` without the branch.
fn lift<'c, const N: usize>(path: &Nibbles, nibble: u8, child: Child<N>) -> Subtree<'c, N> {
    match child {
        Child::Leaf { name, node } => {
            Subtree::Leaf(Leaf { key: key_of(&name), name, body: Body::Kept { depth: path.len() + 1, node } })
        }
        Child::Branch { extension, node } => {
            let mut below = *path;
            below.push(nibble);
            Subtree::Branch { path: below.join(&extension), node }
        }
    }
}

/// The changes that put a key in.
fn inserted<const N: usize>(changes: &[KeyChange<N>]) -> Vec<Leaf<'_, N>> {
    let leaf = |change: &KeyChange<N>, value| Leaf { key: change.key, name: change.name, body: Body::Value(value) };
    changes.iter().filter_map(|change| Some(leaf(change, change.value.as_deref()?))).collect()
}

/// Where in the sorted changes the keys are that begin with `path`.
fn below<const N: usize>(changes: &[KeyChange<N>], path: &Nibbles) -> Range<usize> {
    let start = changes.partition_point(|change| change.key < *path);
    let count = changes[start..].partition_point(|change| change.key.starts_with(path));
    start..start + count
}
