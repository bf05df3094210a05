//! The record of a branch: what hangs from each nibble, with the reference that its parent's hash is made of, and its bytes.
//!
//! ```text
//! 0  u16  nibbles that have a child                        numbers little-endian, bit n for nibble n
//! 2  u16  those whose child is a leaf
//! 4  u16  those whose child is an extension to a branch
//! 6  for each child in the order of nibbles: its node (RLP, 33 bytes or less: the first byte tells);
//!    then a leaf's name (N bytes), or an extension's length (u8) and its nibbles, two to a byte
//! ```

use alloy_trie::nodes::{BranchNodeRef, ExtensionNodeRef, RlpNode};
use alloy_trie::{Nibbles, TrieMask};

/// Nibbles of a key, which is a Keccak-256 hash.
pub const KEY_NIBBLES: usize = 64;
/// First byte of the RLP of a hash, and how long the whole is.
const HASH_TAG: u8 = 0x80 + 32;
const HASH_RLP_BYTES: usize = 33;
/// First byte of the RLP of a list without bytes.
const LIST_TAG: u8 = 0xc0;
const MASKS_BYTES: usize = 6;

/// What hangs from a nibble. `N` is the length of a name: 20 for accounts, 32 for slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child<const N: usize> {
    /// The only key below.
    Leaf {
        /// What the key is the Keccak-256 of: an address, or a slot.
        name: [u8; N],
        /// The leaf as its parent refers to it.
        node: RlpNode,
    },
    /// A branch, with nothing else between it and the nibble but `extension`.
    Branch {
        /// Nibbles up to the branch; often none.
        extension: Nibbles,
        /// The branch (not the extension) as a parent refers to it.
        node: RlpNode,
    },
}

/// A branch: at least two of its sixteen nibbles have a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch<const N: usize> {
    /// By nibble.
    pub children: [Option<Child<N>>; 16],
}

/// Bytes that are not the record of a branch or a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the record of a branch of a trie")]
pub struct BadRecord;

impl<const N: usize> Default for Branch<N> {
    fn default() -> Self {
        Self { children: [const { None }; 16] }
    }
}

impl<const N: usize> Child<N> {
    /// The node as its parent refers to it: an extension's own if there is one.
    pub fn reference(&self, scratch: &mut Vec<u8>) -> RlpNode {
        match self {
            Self::Branch { extension, node } if !extension.is_empty() => {
                scratch.clear();
                ExtensionNodeRef::new(extension, node).rlp(scratch)
            }
            Self::Leaf { node, .. } | Self::Branch { node, .. } => node.clone(),
        }
    }

    /// The bytes that [`Child::decode`] reads: a branch's record with this child alone.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut branch = Branch::default();
        branch.children[0] = Some(self.clone());
        branch.encode(out);
    }

    /// Reads what [`Child::encode`] wrote.
    ///
    /// # Errors
    /// [`BadRecord`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let [child, ..] = Branch::decode(bytes)?.children;
        child.ok_or(BadRecord)
    }
}

impl<const N: usize> Branch<N> {
    /// The branch as a parent refers to it; both arguments are working memory.
    pub fn reference(&self, stack: &mut Vec<RlpNode>, scratch: &mut Vec<u8>) -> RlpNode {
        stack.clear();
        stack.extend(self.children.iter().flatten().map(|child| child.reference(scratch)));
        scratch.clear();
        BranchNodeRef::new(stack, TrieMask::new(self.mask(|_| true))).rlp(scratch)
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let extended = |child: &Child<N>| matches!(child, Child::Branch { extension, .. } if !extension.is_empty());
        out.extend(self.mask(|_| true).to_le_bytes());
        out.extend(self.mask(|child| matches!(child, Child::Leaf { .. })).to_le_bytes());
        out.extend(self.mask(extended).to_le_bytes());
        for child in self.children.iter().flatten() {
            match child {
                Child::Leaf { name, node } => {
                    out.extend_from_slice(node);
                    out.extend_from_slice(name);
                }
                Child::Branch { extension, node } => {
                    out.extend_from_slice(node);
                    if !extension.is_empty() {
                        out.push(extension.len() as u8);
                        out.extend_from_slice(&extension.pack());
                    }
                }
            }
        }
    }

    /// Reads what [`Branch::encode`] wrote.
    ///
    /// # Errors
    /// [`BadRecord`].
    pub fn decode(mut bytes: &[u8]) -> Result<Self, BadRecord> {
        let masks = take(&mut bytes, MASKS_BYTES)?;
        let mask = |at: usize| u16::from_le_bytes([masks[at], masks[at + 1]]);
        let (present, leaves, extended) = (mask(0), mask(2), mask(4));
        let mut branch = Self::default();
        for (nibble, slot) in branch.children.iter_mut().enumerate() {
            let has = |mask: u16| mask & (1 << nibble) != 0;
            if !has(present) {
                continue;
            }
            let node = take_node(&mut bytes)?;
            *slot = Some(match has(leaves) {
                true => Child::Leaf { name: take(&mut bytes, N)?.try_into().map_err(|_| BadRecord)?, node },
                false => {
                    let extension = if has(extended) { take_nibbles(&mut bytes)? } else { Nibbles::new() };
                    Child::Branch { extension, node }
                }
            });
        }
        if bytes.is_empty() { Ok(branch) } else { Err(BadRecord) }
    }

    fn mask(&self, which: impl Fn(&Child<N>) -> bool) -> u16 {
        let bits = self.children.iter().enumerate();
        bits.filter(|(_, child)| child.as_ref().is_some_and(&which)).fold(0, |mask, (nibble, _)| mask | 1 << nibble)
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], BadRecord> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(BadRecord)?;
    *bytes = rest;
    Ok(taken)
}

fn take_node(bytes: &mut &[u8]) -> Result<RlpNode, BadRecord> {
    let count = match *bytes.first().ok_or(BadRecord)? {
        HASH_TAG => HASH_RLP_BYTES,
        tag => 1 + usize::from(tag.checked_sub(LIST_TAG).ok_or(BadRecord)?),
    };
    RlpNode::from_raw(take(bytes, count)?).ok_or(BadRecord)
}

fn take_nibbles(bytes: &mut &[u8]) -> Result<Nibbles, BadRecord> {
    let count = usize::from(take(bytes, 1)?[0]);
    if count == 0 || count > KEY_NIBBLES {
        return Err(BadRecord);
    }
    let mut nibbles = Nibbles::unpack(take(bytes, count.div_ceil(2))?);
    nibbles.truncate(count);
    Ok(nibbles)
}
