//! Tests of the state trie: its roots against those of the whole state, through restarts, crashes, damage and long absence.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use alloy_primitives::{Address, U256};
use horae_stages::root::state_root;
use horae_stages::{Account, BlockChanges, MemoryState};
use proptest::prelude::*;
use redb::ReadableTable as _;
use tempfile::{TempDir, tempdir};

use super::super::tests::{any_changes, committed, transfers};
use super::super::{Store, StoreOptions};
use super::*;
use crate::chain_view::testing::{TestChain, genesis, open};

const CACHE_BYTES: usize = 4 << 20;

/// A store with its trie, and what both must agree with.
struct World {
    home: TempDir,
    store: Option<Store>,
    trie: Option<StateTrie>,
    chain: Option<TestChain>,
    map: MemoryState,
    /// How often the files were copied, as a crash would leave them.
    crashes: u64,
}

impl World {
    fn new() -> Self {
        let home = tempdir().unwrap();
        let mut map = MemoryState::default();
        map.apply(0, genesis().header().hash(), &genesis().changes());
        let mut world = Self { home, store: None, trie: None, chain: None, map, crashes: 0 };
        world.open();
        world
    }

    fn path(&self) -> PathBuf {
        self.home.path().join(format!("state{}.redb", self.crashes))
    }

    fn open(&mut self) {
        let store = open(&self.path());
        self.trie = Some(StateTrie::open(store.path(), CACHE_BYTES).unwrap());
        self.chain = Some(TestChain::new(&store));
        self.store = Some(store);
    }

    fn close(&mut self) {
        (self.trie, self.chain, self.store) = (None, None, None);
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn trie(&mut self) -> &mut StateTrie {
        self.trie.as_mut().unwrap()
    }

    /// A block with these changes instead of its own.
    fn apply(&mut self, changes: BlockChanges) {
        let mut block = self.chain.as_mut().unwrap().seal(Vec::new()).unwrap().as_ref().clone();
        self.map.apply(block.block.header.number, block.hash, &changes);
        block.changes = changes;
        self.store().apply(&[committed(&block.into())], &[]).unwrap();
    }

    /// The root, which has to be the one of the whole state, whichever way that is reckoned.
    fn root(&mut self) -> RootWork {
        let reader = self.store().reader();
        let work = self.trie().root_at(&reader).unwrap();
        assert_eq!(work.root, state_root(self.map.accounts()));
        assert_eq!(work.root, reader.compute_root().unwrap());
        work
    }

    /// As the keeper flushes.
    fn flush(&mut self) {
        self.store().flush().unwrap();
        self.trie().sync().unwrap();
        let durable = self.trie().durable_height();
        self.store().forget_changed(durable).unwrap();
    }

    /// Goes on with what a kill -9 at this moment would leave on the disk.
    fn crash(&mut self) {
        let before = self.path();
        self.crashes += 1;
        std::fs::copy(&before, self.path()).unwrap();
        std::fs::copy(path_of(&before), path_of(&self.path())).unwrap();
        self.close();
        self.open();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(BlockChanges),
    Root,
    Flush,
    Restart,
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_changes().prop_map(Step::Apply),
        4 => Just(Step::Root),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_root_is_that_of_the_whole_state(steps in prop::collection::vec(any_step(), 4..40)) {
        let mut world = World::new();
        let mut since_flush: Vec<BlockChanges> = Vec::new();
        let (mut built, mut synced) = (false, false);
        for step in steps {
            match step {
                Step::Apply(changes) => {
                    since_flush.push(changes.clone());
                    world.apply(changes);
                }
                Step::Root => {
                    let work = world.root();
                    prop_assert_eq!(work.rebuilt, (!built).then_some(Rebuilt::New));
                    built = true;
                }
                Step::Flush => {
                    // The keeper flushes no store whose root is under way, but its trie may be behind.
                    world.flush();
                    (since_flush, synced) = (Vec::new(), built);
                }
                Step::Restart => {
                    world.flush();
                    (since_flush, synced) = (Vec::new(), built);
                    world.close();
                    world.open();
                }
                Step::Crash => {
                    world.crash();
                    let stored = world.store().stored_height();
                    prop_assert!(world.trie().durable_height() <= stored);
                    // The journal replays what is missing.
                    for changes in std::mem::take(&mut since_flush) {
                        let mut block = world.chain.as_mut().unwrap().seal(Vec::new()).unwrap().as_ref().clone();
                        block.changes = changes.clone();
                        world.store().apply(&[committed(&block.into())], &[]).unwrap();
                        since_flush.push(changes);
                    }
                    built = synced;
                }
            }
        }
        world.root();
    }
}

/// A world whose trie stands at height 3, durably, and a state that is not trivial.
fn grown() -> World {
    let mut world = World::new();
    for n in 0..3u8 {
        let address = |at: u8| Address::repeat_byte(16 * n + at);
        let account = |at: u8| Account { nonce: u64::from(at) + 1, ..Account::default() };
        let slot = |at: u8| ((address(at / 4), U256::from(at)), U256::from(at % 5 + 1));
        world.apply(BlockChanges {
            accounts: (0..16).map(|at| (address(at), Some(account(at)))).collect(),
            storage: (0..40).map(slot).collect(),
            codes: Vec::new(),
        });
    }
    assert_eq!(world.root().rebuilt, Some(Rebuilt::New));
    world.flush();
    world
}

fn one_more(world: &mut World) {
    let address = Address::repeat_byte(0x77);
    world.apply(BlockChanges {
        accounts: vec![(address, Some(Account { nonce: 7, ..Account::default() }))],
        storage: vec![((address, U256::from(1)), U256::from(2))],
        codes: Vec::new(),
    });
}

#[test]
fn a_root_costs_what_changed_and_the_same_height_nothing() {
    let mut world = grown();
    one_more(&mut world);
    let work = world.root();
    assert_eq!((work.keys, work.rebuilt), (2, None));
    assert!((1..=4).contains(&work.branches), "{work:?}");
    let again = world.root();
    assert_eq!((again.root, again.keys, again.branches), (work.root, 0, 0));
}

#[test]
fn a_trie_whose_changes_are_gone_is_built_anew_and_goes_on() {
    let mut world = grown();
    one_more(&mut world);
    world.store().forget_changed(4).unwrap();
    one_more(&mut world);
    assert_eq!(world.root().rebuilt, Some(Rebuilt::FarBehind));
    one_more(&mut world);
    assert_eq!(world.root().rebuilt, None);
}

#[test]
fn a_trie_ahead_of_its_store_is_built_anew() {
    let mut world = grown();
    let old = world.home.path().join("old.redb");
    std::fs::copy(world.path(), &old).unwrap();
    let before = world.map.clone();
    one_more(&mut world);
    world.root();
    world.flush();
    world.close();
    std::fs::copy(old, world.path()).unwrap();
    world.open();
    world.map = before;
    assert_eq!(world.root().rebuilt, Some(Rebuilt::OtherChain));
    one_more(&mut world);
    assert_eq!(world.root().rebuilt, None);
}

#[test]
fn a_damaged_trie_is_built_anew_and_a_file_that_is_none_is_replaced() {
    let mut world = grown();
    let write = world.trie().db.begin_write().unwrap();
    let table: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("account_branches");
    let mut branches = write.open_table(table).unwrap();
    let first = branches.first().unwrap().unwrap().0.value().to_vec();
    assert!(first.is_empty(), "the root is a branch");
    branches.remove(first.as_slice()).unwrap();
    drop(branches);
    write.commit().unwrap();
    one_more(&mut world);
    assert_eq!(world.root().rebuilt, Some(Rebuilt::Damaged));
    world.flush();
    world.close();
    std::fs::write(path_of(&world.path()), vec![7; 100_000]).unwrap();
    world.open();
    assert_eq!(world.root().rebuilt, Some(Rebuilt::New));
    let in_use = StateTrie::open(&world.path(), CACHE_BYTES).err().unwrap();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
}

#[test]
fn a_trie_built_in_pieces_is_the_same() {
    let mut world = grown();
    for piece_keys in [1, 7, 50] {
        let reader = world.store().reader();
        let work = build::build_by(world.trie(), &reader, piece_keys).unwrap();
        assert_eq!(work.root, reader.compute_root().unwrap(), "{piece_keys} keys a piece");
    }
}

#[test]
fn a_store_of_before_there_was_a_trie_opens_and_gets_one() {
    let mut world = grown();
    world.close();
    let db = Database::create(world.path()).unwrap();
    let write = db.begin_write().unwrap();
    assert!(write.delete_table(crate::edges::store::tables::CHANGED).unwrap());
    write.commit().unwrap();
    drop(db);
    std::fs::remove_file(path_of(&world.path())).unwrap();
    world.open();
    assert_eq!(world.root().rebuilt, Some(Rebuilt::New));
    one_more(&mut world);
    assert_eq!(world.root().rebuilt, None);
}

#[test]
fn real_blocks_give_the_roots_of_the_whole_state() {
    let home = tempdir().unwrap();
    let store = Store::open(&home.path().join("state.redb"), &genesis(), StoreOptions::default()).unwrap();
    let mut trie = StateTrie::open(store.path(), CACHE_BYTES).unwrap();
    let mut chain = TestChain::new(&store);
    for nonce in 0..8 {
        store.apply_executed(&transfers(&mut chain, nonce)).unwrap();
        let reader = store.reader();
        assert_eq!(trie.root_at(&reader).unwrap().root, reader.compute_root().unwrap());
    }
}
