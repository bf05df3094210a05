//! Tests of the store: crashes, reopening, roots, pruning, and agreement with a plain map.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use horae_stages::root::state_root;
use horae_stages::{Account, BlockChanges, ExecutedBlock, Genesis, MemoryState, StateSource};
use proptest::prelude::*;
use tempfile::tempdir;

use super::tables::{META, META_SCHEMA};
use super::*;
use crate::chain_view::testing::{TestChain, certificate_of, commit_of, genesis, open, signer, transfer};

pub(super) fn committed(block: &Arc<ExecutedBlock>) -> CommittedBlock {
    CommittedBlock { block: block.clone(), signature: None }
}

/// What a kill -9 at this moment would leave on the disk.
fn crash(store: &Store, to: &Path) -> Store {
    std::fs::copy(store.path(), to).unwrap();
    open(to)
}

pub(super) fn transfers(chain: &mut TestChain, nonce: u64) -> Arc<ExecutedBlock> {
    let to = Address::repeat_byte(nonce as u8 + 1);
    chain.seal(vec![transfer(1, nonce, to, 1_000 + nonce), transfer(2, nonce, to, 5)]).unwrap()
}

/// The root by way of a plain map, not of the store's tables.
fn root_by_map(blocks: &[Arc<ExecutedBlock>]) -> B256 {
    let mut state = MemoryState::default();
    let genesis = genesis();
    state.apply(0, genesis.header().hash(), &genesis.changes());
    for block in blocks {
        state.apply(block.block.header.number, block.hash, &block.changes);
    }
    state_root(state.accounts())
}

#[test]
fn a_new_store_holds_genesis_and_opens_again() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    assert_eq!((store.stored_height(), store.durable_height()), (0, 0));
    let account = store.latest().account(signer(1).address()).unwrap().unwrap();
    assert_eq!(account.balance, genesis().alloc[&signer(1).address()].balance);
    assert_eq!(store.reader().hash(0).unwrap(), Some(genesis().header().hash()));
    assert_eq!(store.reader().compute_root().unwrap(), root_by_map(&[]));
    drop(store);
    assert_eq!(open(&path).stored_height(), 0);
}

#[test]
fn a_crash_goes_back_to_the_last_flush_and_replay_gives_the_same_root() {
    let home = tempdir().unwrap();
    let store = open(&home.path().join("state.redb"));
    let mut chain = TestChain::new(&store);
    let mut blocks = Vec::new();
    for nonce in 0..6 {
        let block = transfers(&mut chain, nonce);
        store.apply_executed(&block).unwrap();
        blocks.push(block);
        if nonce == 2 {
            store.flush().unwrap();
        }
    }
    assert_eq!((store.stored_height(), store.durable_height()), (6, 3));

    let after = crash(&store, &home.path().join("after.redb"));
    assert_eq!(after.stored_height(), 3);
    assert_eq!(after.reader().hash(3).unwrap(), Some(blocks[2].hash));
    assert_eq!(after.reader().hash(4).unwrap(), None);
    assert_eq!(after.reader().compute_root().unwrap(), root_by_map(&blocks[..3]));
    let sealed = |store: &Store, last| store.reader().sealed(1, last).unwrap();
    let by = |count| Some(BTreeMap::from([(blocks[0].block.header.sequencer, count)]));
    assert_eq!((sealed(&after, 3), sealed(&after, 4)), (by(3), None), "what is replayed is not counted yet");
    for block in &blocks[3..] {
        after.apply_executed(block).unwrap();
    }
    assert_eq!(after.reader().compute_root().unwrap(), store.reader().compute_root().unwrap());
    assert_eq!(after.reader().compute_root().unwrap(), root_by_map(&blocks));
    assert_eq!((sealed(&after, 6), sealed(&store, 6)), (by(6), by(6)), "each block is counted once");
}

#[test]
fn closing_in_order_loses_nothing_that_was_flushed() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    let mut chain = TestChain::new(&store);
    let block = transfers(&mut chain, 0);
    store.apply_executed(&block).unwrap();
    store.flush().unwrap();
    drop((store, chain));
    let store = open(&path);
    assert_eq!(store.stored_height(), 1);
    let stored = store.reader().block(1).unwrap().unwrap();
    assert_eq!((&stored.executed.block, &stored.executed.transactions), (&block.block, &block.transactions));
    assert_eq!(stored.executed.receipts, block.receipts);
    assert_eq!(store.reader().transaction(&block.transactions[1].hash).unwrap(), Some((1, 1)));
    assert_eq!(store.reader().number(&block.hash).unwrap(), Some(1));
}

#[test]
fn what_was_closed_without_an_index_is_indexed_at_the_next_start() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    let mut chain = TestChain::new(&store);
    let block = transfers(&mut chain, 0);
    store.apply(&[committed(&block)], &[]).unwrap();
    drop((store, chain));
    let store = open(&path);
    assert_eq!(store.stored_height(), 1, "closing the file has made the block durable");
    let found = |store: &Store| store.reader().transaction(&block.transactions[1].hash).unwrap();
    assert_eq!(found(&store), None);
    store.index_missing().unwrap();
    assert_eq!(found(&store), Some((1, 1)));
}

#[test]
fn blocks_that_do_not_follow_are_refused_whole() {
    let home = tempdir().unwrap();
    let store = open(&home.path().join("state.redb"));
    let mut chain = TestChain::new(&store);
    let blocks: Vec<_> = (0..3).map(|nonce| transfers(&mut chain, nonce)).collect();
    let gap = store.apply(&[committed(&blocks[0]), committed(&blocks[2])], &[]);
    assert!(matches!(gap, Err(StoreError::Gap { stored: 1, given: 3 })), "{gap:?}");
    assert_eq!(store.stored_height(), 0);
    store.apply(&[committed(&blocks[0])], &[]).unwrap();
    let twice = store.apply(&[committed(&blocks[0])], &[]);
    assert!(matches!(twice, Err(StoreError::Gap { stored: 1, given: 1 })), "{twice:?}");
}

#[test]
fn a_reader_stays_as_it_was() {
    let home = tempdir().unwrap();
    let store = open(&home.path().join("state.redb"));
    let mut chain = TestChain::new(&store);
    let before = store.reader();
    let block = transfers(&mut chain, 0);
    store.apply_executed(&block).unwrap();
    let to = Address::repeat_byte(1);
    assert_eq!(before.account(to).unwrap(), None);
    assert_eq!(before.height(), 0);
    assert_eq!(store.latest().account(to).unwrap().unwrap().balance, U256::from(1_005));
}

#[test]
fn pruning_takes_old_blocks_and_leaves_state_hashes_and_the_window() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    let mut chain = TestChain::new(&store);
    let blocks: Vec<_> = (0..300).map(|_| chain.seal(Vec::new()).unwrap()).collect();
    let with = transfers(&mut chain, 0);
    let run: Vec<_> = blocks.iter().chain([&with]).map(committed).collect();
    store
        .apply(&run, &[Finality::Committed(commit_of(&blocks[4])), Finality::Certified(certificate_of(&with))])
        .unwrap();
    let root = store.reader().compute_root().unwrap();

    assert_eq!(store.prune(0).unwrap(), 0);
    assert_eq!(store.prune(290).unwrap(), PRUNED_AT_ONCE);
    assert_eq!(store.prune(290).unwrap(), 289 - PRUNED_AT_ONCE);
    assert_eq!(store.prune(290).unwrap(), 0);
    let reader = store.reader();
    assert_eq!(reader.lowest_height().unwrap(), 290);
    assert!(reader.block(289).unwrap().is_none());
    assert!(reader.block(290).unwrap().is_some());
    assert!(reader.block(0).unwrap().is_some());
    assert_eq!(reader.number(&blocks[0].hash).unwrap(), None);
    assert!(reader.commit(1).unwrap().is_none());
    assert_eq!(reader.certificate(301).unwrap().unwrap().block.number, 301);
    assert_eq!(reader.hash(290 - 200).unwrap(), Some(blocks[89].hash));
    assert_eq!(reader.compute_root().unwrap(), root);
    assert_eq!(reader.raw_blocks(1..).unwrap().len(), 12);
    // Nothing above the stored height is ever taken.
    assert_eq!(store.prune(u64::MAX).unwrap(), 11);
    assert!(store.reader().block(301).unwrap().is_some());
}

#[test]
fn other_files_are_refused_with_the_way_out() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    let in_use = Store::open(&path, &genesis(), StoreOptions::default()).err().unwrap();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
    drop(store);

    let other = Genesis { timestamp_ms: 1, ..genesis() };
    let refused = Store::open(&path, &other, StoreOptions::default()).err().unwrap();
    assert!(matches!(refused, StoreError::OtherChain { .. }), "{refused}");

    let db = redb::Database::create(&path).unwrap();
    let write = db.begin_write().unwrap();
    write.open_table(META).unwrap().insert(META_SCHEMA, 99u64.to_le_bytes().as_slice()).unwrap();
    write.commit().unwrap();
    drop(db);
    let refused = Store::open(&path, &genesis(), StoreOptions::default()).err().unwrap();
    assert!(matches!(refused, StoreError::Schema { found: 99, .. }), "{refused}");
    assert!(refused.to_string().contains("state.redb"), "{refused}");

    let junk = home.path().join("junk.redb");
    std::fs::write(&junk, vec![7; 100_000]).unwrap();
    let refused = Store::open(&junk, &genesis(), StoreOptions::default()).err().unwrap();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("junk.redb") && refused.to_string().contains("horae derive"), "{refused}");
}

#[test]
fn a_full_disk_has_an_error_of_its_own() {
    let full = redb::Error::Io(std::io::Error::from(ErrorKind::StorageFull));
    assert!(matches!(StoreError::sort(Path::new("x"), full), StoreError::DiskFull { .. }));
    let denied = redb::Error::Io(std::io::Error::from(ErrorKind::PermissionDenied));
    assert!(matches!(StoreError::sort(Path::new("x"), denied), StoreError::Io { .. }));
}

#[test]
fn batches_and_roots_are_kept_and_dropped() {
    let home = tempdir().unwrap();
    let store = open(&home.path().join("state.redb"));
    let record = |index| crate::chain_view::BatchRecord {
        index,
        digest: B256::repeat_byte(1),
        first_block: index * 10 + 1,
        last_block: index * 10 + 10,
        last_block_hash: B256::ZERO,
        state_root: B256::ZERO,
        data_hash: B256::ZERO,
        transactions: 3,
        raw_bytes: 400,
        posted_bytes: 300,
        signers: vec![Address::repeat_byte(9)],
        l1_tx: B256::repeat_byte(2),
        l1_block: 7,
        l1_block_hash: B256::ZERO,
        l1_gas: 0,
    };
    (0..3).for_each(|index| store.record_batch(&record(index)).unwrap());
    assert_eq!(store.reader().last_batch().unwrap(), Some(record(2)));
    store.drop_batches(1).unwrap();
    assert_eq!(store.reader().batches(..).unwrap(), vec![record(0)]);
    assert_eq!(store.reader().finalized_batch().unwrap(), None);
    store.record_finalized(0).unwrap();
    assert_eq!(store.reader().finalized_batch().unwrap(), Some(0));
    store.record_root(10, B256::repeat_byte(3)).unwrap();
    assert_eq!(store.reader().state_root(10).unwrap(), Some(B256::repeat_byte(3)));
}

/// Changes to a few accounts and slots, so that the same ones come up again and again.
pub(super) fn any_changes() -> impl Strategy<Value = BlockChanges> {
    let account = prop::option::of((0u64..3, 0u64..3, any::<bool>()));
    let accounts = prop::collection::btree_map(0u8..6, account, 0..5);
    let storage = prop::collection::btree_map((0u8..6, 0u64..4), 0u64..3, 0..8);
    (accounts, storage).prop_map(|(accounts, storage)| {
        let code = Bytes::from_static(&[0x60, 0x00]);
        let account = |(nonce, balance, has_code): (u64, u64, bool)| Account {
            nonce,
            balance: U256::from(balance),
            code_hash: if has_code { keccak256(&code) } else { Account::default().code_hash },
        };
        let accounts: Vec<_> = accounts.into_iter().map(|(a, v)| (Address::repeat_byte(a), v.map(account))).collect();
        let storage = storage.into_iter();
        BlockChanges {
            storage: storage.map(|((a, k), v)| ((Address::repeat_byte(a), U256::from(k)), U256::from(v))).collect(),
            codes: vec![(keccak256(&code), code.clone())],
            accounts,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn agrees_with_a_plain_map_and_undoes_exactly(rounds in prop::collection::vec(any_changes(), 1..12)) {
        let home = tempdir().unwrap();
        let store = open(&home.path().join("state.redb"));
        let mut chain = TestChain::new(&store);
        let mut map = MemoryState::default();
        map.apply(0, genesis().header().hash(), &genesis().changes());
        let mut before: BTreeMap<u64, (Vec<Option<Account>>, Vec<U256>)> = BTreeMap::new();
        let addresses: Vec<_> = (0u8..6).map(Address::repeat_byte).collect();
        let slots: Vec<_> = addresses.iter().flat_map(|a| (0u64..4).map(move |k| (*a, U256::from(k)))).collect();
        for changes in rounds {
            let mut block = chain.seal(Vec::new()).unwrap().as_ref().clone();
            let number = block.block.header.number;
            let accounts = addresses.iter().map(|a| map.account(*a).unwrap()).collect();
            let values = slots.iter().map(|(a, k)| map.storage(*a, *k).unwrap()).collect();
            before.insert(number, (accounts, values));
            map.apply(number, block.hash, &changes);
            block.changes = changes;
            let undo = store.apply(&[committed(&Arc::new(block.clone()))], &[]).unwrap();
            let (accounts, values) = &before[&number];
            for (address, was) in &undo[0].accounts {
                let at = addresses.iter().position(|a| a == address).unwrap();
                prop_assert_eq!(was, &accounts[at]);
            }
            for (key, was) in &undo[0].storage {
                let at = slots.iter().position(|k| k == key).unwrap();
                prop_assert_eq!(was, &values[at]);
            }
            let reader = store.reader();
            for address in &addresses {
                prop_assert_eq!(reader.account(*address).unwrap(), map.account(*address).unwrap());
            }
            for (address, slot) in &slots {
                prop_assert_eq!(reader.storage(*address, *slot).unwrap(), map.storage(*address, *slot).unwrap());
            }
            prop_assert_eq!(reader.compute_root().unwrap(), state_root(map.accounts()));
        }
    }
}
