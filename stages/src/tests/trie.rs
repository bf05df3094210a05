//! The kept trie against one built from scratch (`alloy-trie`'s, which `tests/root.rs` holds against the definition), over random
//! changes to names some of whose keys share long prefixes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::Nibbles;
use alloy_trie::root::storage_root_unhashed;
use proptest::prelude::*;

use crate::root::slot_leaf;
use crate::trie::{BadRecord, Branch, Child, KeyChange, Records, apply, root_of};

/// Slots, the first of which come in groups whose keys begin alike, the longest shared prefixes first.
static NAMES: LazyLock<Vec<U256>> = LazyLock::new(|| {
    let mut by_key: Vec<(B256, u64)> =
        (0..60_000u64).map(|n| (keccak256(U256::from(n).to_be_bytes::<32>()), n)).collect();
    by_key.sort_unstable();
    let shared = |pair: &[(B256, u64)]| Nibbles::unpack(pair[0].0).common_prefix_length(&Nibbles::unpack(pair[1].0));
    let mut pairs: Vec<_> = by_key.windows(2).collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(shared(pair)));
    assert!(shared(pairs[0]) >= 6 && shared(pairs[11]) >= 5);
    let close = pairs[..12].iter().flat_map(|pair| pair.iter().map(|(_, n)| *n));
    let neighbours = by_key[..16].iter().map(|(_, n)| *n);
    let all: BTreeSet<u64> = close.chain(neighbours).chain(0..12).collect();
    all.into_iter().map(U256::from).collect()
});

#[derive(Default)]
struct Kept {
    records: BTreeMap<Nibbles, Vec<u8>>,
    values: BTreeMap<U256, U256>,
    changed: BTreeSet<U256>,
}

impl Records<32> for Kept {
    type Error = BadRecord;

    fn load(&self, path: &Nibbles) -> Result<Branch<32>, BadRecord> {
        Branch::decode(self.records.get(path).ok_or(BadRecord)?)
    }

    fn save(&mut self, path: &Nibbles, branch: &Branch<32>) -> Result<(), BadRecord> {
        let mut bytes = Vec::new();
        branch.encode(&mut bytes);
        assert_eq!(Branch::decode(&bytes).as_ref(), Ok(branch));
        self.records.insert(*path, bytes);
        Ok(())
    }

    fn remove(&mut self, path: &Nibbles) -> Result<(), BadRecord> {
        assert!(self.records.remove(path).is_some(), "{path:?} is not kept");
        Ok(())
    }

    fn value(&self, name: &[u8; 32]) -> Result<Vec<u8>, BadRecord> {
        let slot = U256::from_be_bytes(*name);
        assert!(!self.changed.contains(&slot), "asked for a value that came with the change");
        self.values.get(&slot).and_then(slot_leaf).ok_or(BadRecord)
    }
}

impl Kept {
    /// Makes the changes; a value of zero takes the slot out.
    fn change(&mut self, top: Option<Child<32>>, changes: &BTreeMap<U256, U256>) -> Option<Child<32>> {
        self.changed = changes.keys().copied().collect();
        for (slot, value) in changes {
            match value.is_zero() {
                true => self.values.remove(slot),
                false => self.values.insert(*slot, *value),
            };
        }
        let change = |(slot, value): (&U256, &U256)| KeyChange::new(slot.to_be_bytes::<32>(), slot_leaf(value));
        apply(self, top, &mut changes.iter().map(change).collect::<Vec<_>>()).unwrap()
    }

    fn root(&self) -> B256 {
        storage_root_unhashed(self.values.iter().map(|(slot, value)| (B256::from(*slot), *value)))
    }

    /// Paths of the branches that hang together below a child.
    fn reachable(&self, path: Nibbles, child: &Child<32>, found: &mut BTreeSet<Nibbles>) {
        let Child::Branch { extension, .. } = child else { return };
        let path = path.join(extension);
        found.insert(path);
        for (nibble, child) in self.load(&path).unwrap().children.iter().enumerate() {
            let mut below = path;
            below.push(nibble as u8);
            child.iter().for_each(|child| self.reachable(below, child, found));
        }
    }
}

fn any_rounds() -> impl Strategy<Value = Vec<BTreeMap<usize, u64>>> {
    // Half of the values are zero: keys go as often as they come, and some never were.
    let value = prop_oneof![Just(0u64), 1u64..4, any::<u64>()];
    let some = prop::collection::btree_map(0usize..40, value.clone(), 0..12);
    let many = prop::collection::btree_map(0usize..40, value, 20..40);
    let wiped = Just((0usize..40).map(|at| (at, 0)).collect());
    prop::collection::vec(prop_oneof![6 => some, 2 => many, 1 => wiped], 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn agrees_with_a_trie_built_from_scratch_and_keeps_no_record_in_vain(rounds in any_rounds()) {
        let mut kept = Kept::default();
        let mut top = None;
        for round in rounds {
            let changes = round.into_iter().map(|(at, value)| (NAMES[at % NAMES.len()], U256::from(value))).collect();
            top = kept.change(top, &changes);
            prop_assert_eq!(root_of(top.as_ref()), kept.root());
            let mut reachable = BTreeSet::new();
            top.iter().for_each(|top| kept.reachable(Nibbles::new(), top, &mut reachable));
            prop_assert_eq!(kept.records.keys().copied().collect::<BTreeSet<_>>(), reachable);
            if let Some(child) = &top {
                let mut bytes = Vec::new();
                child.encode(&mut bytes);
                prop_assert_eq!(Child::decode(&bytes), Ok(child.clone()));
            }
        }
    }
}

#[test]
fn one_change_of_many_keys_writes_only_its_path() {
    let mut kept = Kept::default();
    let all: BTreeMap<_, _> = (0..20_000u64).map(|n| (U256::from(n), U256::from(n + 1))).collect();
    let top = kept.change(None, &all);
    let before = kept.records.clone();
    let top = kept.change(top, &BTreeMap::from([(U256::from(77), U256::from(1))]));
    assert_eq!(root_of(top.as_ref()), kept.root());
    let written = kept.records.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).count();
    assert!((2..=6).contains(&written), "{written} records for one key");
    let again = kept.change(top.clone(), &BTreeMap::from([(U256::from(77), U256::from(1))]));
    assert_eq!(again, top);
}

#[test]
fn what_is_no_record_is_refused() {
    let mut kept = Kept::default();
    let changes: BTreeMap<_, _> = NAMES.iter().map(|slot| (*slot, U256::from(9))).collect();
    kept.change(None, &changes);
    for bytes in kept.records.values() {
        for end in 0..bytes.len() {
            assert_eq!(Branch::<32>::decode(&bytes[..end]), Err(BadRecord), "{end} of {} bytes", bytes.len());
        }
        assert_eq!(Branch::<32>::decode(&[bytes.as_slice(), &[0]].concat()), Err(BadRecord));
    }
}
