//! The root of a list: of the Merkle-Patricia trie from `rlp(index)` to item, as headers have it for transactions and receipts
//! (Ethereum's yellow paper, section 4.4.3 and appendix D).
//!
//! The trie is laid out first and hashed from its leaves upwards, a level at a time: the nodes of a level do not depend on each
//! other, so `horae-recovery` hashes eight of them at once where the processor can.

use std::ops::Range;

use alloy_primitives::B256;
use alloy_rlp::{BufMut, Encodable, Header};
use alloy_trie::EMPTY_ROOT_HASH;
use horae_recovery::Recoverer;

/// Nibbles of the longest key: `rlp` of an index of four bytes.
const KEY_NIBBLES: usize = 10;
const CHILDREN: usize = 16;
/// A node that is not longer is part of the node above instead of its hash.
const EMBEDDED_BYTES: usize = 31;

/// The root of `count` items, each of which `item` appends to a buffer.
///
/// # Panics
/// If there are 2^32 items or more.
pub(crate) fn ordered_root(count: usize, item: impl FnMut(usize, &mut Vec<u8>)) -> B256 {
    if count == 0 {
        return EMPTY_ROOT_HASH;
    }
    let mut trie = Trie::default();
    let keys = sorted_keys(count);
    trie.lay_out(&keys, 0);
    trie.hash(item)
}

/// A key and the index it stands for.
#[derive(Clone, Copy)]
struct Key {
    nibbles: [u8; KEY_NIBBLES],
    len: u8,
    index: u32,
}

impl Key {
    fn of(index: u32) -> Self {
        let mut bytes = [0; KEY_NIBBLES / 2];
        let mut rest = &mut bytes[..];
        index.encode(&mut rest);
        let len = KEY_NIBBLES - 2 * rest.len();
        let mut nibbles = [0; KEY_NIBBLES];
        for (pair, byte) in nibbles.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[byte >> 4, byte & 0x0f]);
        }
        Self { nibbles, len: len as u8, index }
    }

    fn from(&self, depth: usize) -> &[u8] {
        &self.nibbles[depth..usize::from(self.len)]
    }
}

/// Zero is encoded as 0x80, above the indices of one byte and below all others.
fn sorted_keys(count: usize) -> Vec<Key> {
    let count = u32::try_from(count).expect("a block has fewer than 2^32 transactions");
    (1..count.min(0x80)).chain([0]).chain(0x80..count).map(Key::of).collect()
}

enum Node {
    Leaf { key: Key, depth: usize },
    Extension { key: Key, path: Range<usize>, child: usize },
    Branch { children: [Option<u32>; CHILDREN] },
}

/// What stands for a node in the one above: its hash as a string of RLP, or all of it.
#[derive(Clone, Copy)]
struct Reference {
    bytes: [u8; 33],
    len: u8,
}

impl Reference {
    const NONE: Self = Self { bytes: [0; 33], len: 0 };

    fn embedded(node: &[u8]) -> Self {
        let mut bytes = [0; 33];
        bytes[..node.len()].copy_from_slice(node);
        Self { bytes, len: node.len() as u8 }
    }

    fn hashed(hash: &[u8; 32]) -> Self {
        let mut bytes = [0xa0; 33];
        bytes[1..].copy_from_slice(hash);
        Self { bytes, len: 33 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[derive(Default)]
struct Trie {
    nodes: Vec<Node>,
    /// Nodes by their height above the leaves.
    levels: Vec<Vec<usize>>,
    references: Vec<Reference>,
}

impl Trie {
    /// Lays out the nodes for these keys, which agree in their first `depth` nibbles; gives the topmost and its height.
    fn lay_out(&mut self, keys: &[Key], depth: usize) -> (usize, usize) {
        let (first, last) = (keys[0], keys[keys.len() - 1]);
        if keys.len() == 1 {
            return self.add(Node::Leaf { key: first, depth }, 0);
        }
        let shared = first.from(depth).iter().zip(last.from(depth)).take_while(|(a, b)| a == b).count();
        if shared > 0 {
            let path = depth..depth + shared;
            let (child, height) = self.lay_out(keys, path.end);
            return self.add(Node::Extension { key: first, path, child }, height + 1);
        }
        let mut children = [None; CHILDREN];
        let mut height = 0;
        for keys in keys.chunk_by(|a, b| a.nibbles[depth] == b.nibbles[depth]) {
            let (child, child_height) = self.lay_out(keys, depth + 1);
            children[usize::from(keys[0].nibbles[depth])] = Some(child as u32);
            height = height.max(child_height + 1);
        }
        self.add(Node::Branch { children }, height)
    }

    fn add(&mut self, node: Node, height: usize) -> (usize, usize) {
        let at = self.nodes.len();
        self.nodes.push(node);
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Vec::new);
        }
        self.levels[height].push(at);
        (at, height)
    }

    /// Hash of the topmost node, which is alone on the last level; it is hashed however short it is.
    fn hash(&mut self, mut item: impl FnMut(usize, &mut Vec<u8>)) -> B256 {
        let recoverer = Recoverer::default();
        self.references = vec![Reference::NONE; self.nodes.len()];
        let (mut bytes, mut spans, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        let mut scratch = Vec::new();
        for level in std::mem::take(&mut self.levels) {
            bytes.clear();
            spans.clear();
            for at in &level {
                let start = bytes.len();
                self.encode(*at, &mut item, &mut scratch, &mut bytes);
                spans.push(start..bytes.len());
            }
            hashes.resize(spans.len(), [0; 32]);
            recoverer.hash_batch(&bytes, &spans, &mut hashes);
            for ((at, span), hash) in level.iter().zip(&spans).zip(&hashes) {
                self.references[*at] = if span.len() > EMBEDDED_BYTES {
                    Reference::hashed(hash)
                } else {
                    Reference::embedded(&bytes[span.clone()])
                };
            }
        }
        hashes.first().map_or(EMPTY_ROOT_HASH, B256::from)
    }

    fn encode(&self, at: usize, item: &mut impl FnMut(usize, &mut Vec<u8>), scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        match &self.nodes[at] {
            Node::Leaf { key, depth } => {
                scratch.clear();
                item(key.index as usize, scratch);
                let path = CompactPath::new(key.from(*depth), true);
                let payload_length = path.as_slice().length() + scratch.as_slice().length();
                Header { list: true, payload_length }.encode(out);
                path.as_slice().encode(out);
                scratch.as_slice().encode(out);
            }
            Node::Extension { key, path, child } => {
                let path = CompactPath::new(&key.nibbles[path.clone()], false);
                let child = self.references[*child].as_slice();
                Header { list: true, payload_length: path.as_slice().length() + child.len() }.encode(out);
                path.as_slice().encode(out);
                out.put_slice(child);
            }
            Node::Branch { children } => {
                let references = children.map(|child| child.map(|child| &self.references[child as usize]));
                // A child that is not there takes one byte, and so does the value, which no branch has: no key is the beginning of another.
                let length: usize =
                    references.iter().map(|child| child.map_or(1, |child| usize::from(child.len))).sum();
                Header { list: true, payload_length: length + 1 }.encode(out);
                for child in references {
                    match child {
                        Some(child) => out.put_slice(child.as_slice()),
                        None => out.push(alloy_rlp::EMPTY_STRING_CODE),
                    }
                }
                out.push(alloy_rlp::EMPTY_STRING_CODE);
            }
        }
    }
}

/// Nibbles with a flag for leaves, two a byte (yellow paper, appendix C).
struct CompactPath {
    bytes: [u8; 1 + KEY_NIBBLES / 2],
    len: usize,
}

impl CompactPath {
    fn new(nibbles: &[u8], leaf: bool) -> Self {
        let mut bytes = [0; 1 + KEY_NIBBLES / 2];
        let flag = u8::from(leaf) << 5;
        let even = if nibbles.len() % 2 == 1 {
            bytes[0] = flag | 0x10 | nibbles[0];
            &nibbles[1..]
        } else {
            bytes[0] = flag;
            nibbles
        };
        for (byte, pair) in bytes[1..].iter_mut().zip(even.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Self { bytes, len: 1 + even.len() / 2 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::proofs::ordered_trie_root_encoded;
    use alloy_primitives::Bytes;
    use proptest::prelude::*;

    fn ours(items: &[Bytes]) -> B256 {
        ordered_root(items.len(), |at, out| out.extend_from_slice(&items[at]))
    }

    #[test]
    fn every_count_up_to_where_keys_grow_twice_gives_ethereums_root() {
        let items: Vec<Bytes> = (0..700u32).map(|at| Bytes::from(vec![at as u8; 30 + at as usize % 40])).collect();
        for count in (0..=items.len()).filter(|count| *count < 300 || count % 37 == 0) {
            assert_eq!(ours(&items[..count]), ordered_trie_root_encoded(&items[..count]), "{count} items");
        }
    }

    #[test]
    fn more_items_than_two_bytes_count_give_ethereums_root() {
        let items: Vec<Bytes> = (0..66_000u32).map(|at| Bytes::from(at.to_be_bytes().repeat(9))).collect();
        assert_eq!(ours(&items), ordered_trie_root_encoded(&items));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn items_of_any_length_give_ethereums_root(
            items in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..90), 0..300),
        ) {
            let items: Vec<Bytes> = items.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(ours(&items), ordered_trie_root_encoded(&items));
        }
    }
}
