//! Tests of the chain's rules, the keeper and the snapshots.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::mpsc::channel;

use alloy_primitives::{Address, B256, U256};
use horae_stages::{ExecutedBlock, MemoryState, StateSource};
use tempfile::tempdir;

use super::testing::{
    BATCH_BLOCKS, TestChain, TestNode, certificate_of, commit_of, genesis, id_of, open, transfer, wait_until,
};
use super::*;

const TO: Address = Address::repeat_byte(0x77);

fn balance(snapshot: &Snapshot, number: u64) -> U256 {
    snapshot.state(number).unwrap().account(TO).unwrap().unwrap_or_default().balance
}

fn blocks(count: u64) -> (tempfile::TempDir, Vec<Arc<ExecutedBlock>>) {
    let home = tempdir().unwrap();
    let mut chain = TestChain::new(&open(&home.path().join("state.redb")));
    let blocks = (0..count).map(|nonce| chain.seal(vec![transfer(1, nonce, TO, 1)]).unwrap()).collect();
    (home, blocks)
}

fn chain() -> chain::Chain {
    let genesis = horae_control::BlockId { number: 0, hash: genesis().header().hash() };
    chain::Chain::new(Arc::default(), genesis, 0, 0)
}

fn heads(chain: &chain::Chain) -> [u64; 5] {
    Strength::ALL.map(|strength| chain.heads().at(strength))
}

#[test]
fn heads_follow_what_is_known() {
    let (_home, blocks) = blocks(4);
    let mut chain = chain();
    blocks[..3].iter().for_each(|b| chain.executed(b.clone(), None).unwrap());
    assert_eq!(heads(&chain), [3, 0, 0, 0, 0]);
    chain.certified(certificate_of(&blocks[1]));
    assert_eq!(heads(&chain), [3, 2, 0, 0, 0]);
    chain.committed(commit_of(&blocks[0]));
    assert_eq!(heads(&chain), [3, 2, 1, 0, 0]);
    // A batch that reaches above the committed head makes only committed blocks safe.
    chain.batched(3);
    chain.final_on_l1(3);
    assert_eq!(heads(&chain), [3, 2, 1, 1, 1]);
    chain.committed_by_decision(id_of(&blocks[2]));
    assert_eq!(heads(&chain), [3, 3, 3, 3, 3]);
    // An L1 reorganisation takes the batch away.
    chain.batched(0);
    assert_eq!(heads(&chain), [3, 3, 3, 0, 0]);
    assert_eq!(chain.heads().strength_of(3), Some(Strength::Committed));
    assert_eq!(chain.heads().strength_of(4), None);
}

#[test]
fn a_commit_of_a_block_not_executed_yet_waits_for_it() {
    let (_home, blocks) = blocks(3);
    let mut chain = chain();
    chain.executed(blocks[0].clone(), None).unwrap();
    chain.certified(certificate_of(&blocks[2]));
    chain.committed(commit_of(&blocks[2]));
    assert_eq!(heads(&chain), [1, 0, 0, 0, 0]);
    chain.executed(blocks[1].clone(), None).unwrap();
    assert_eq!(heads(&chain), [2, 0, 0, 0, 0]);
    chain.executed(blocks[2].clone(), None).unwrap();
    assert_eq!(heads(&chain), [3, 3, 3, 0, 0]);
    let committed = chain.take_changes().into_iter().filter_map(|change| match change {
        Change::Committed(block) => Some(block.header().number),
        _ => None,
    });
    assert_eq!(committed.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_commit_of_another_block_at_a_height_commits_nothing() {
    let (_home, blocks) = blocks(2);
    let mut chain = chain();
    blocks.iter().for_each(|b| chain.executed(b.clone(), None).unwrap());
    chain.committed_by_decision(horae_control::BlockId { number: 2, hash: B256::repeat_byte(1) });
    assert_eq!(heads(&chain), [2, 0, 0, 0, 0]);
}

#[test]
fn events_that_do_not_fit_are_faults() {
    let (_home, blocks) = blocks(3);
    let mut chain = chain();
    chain.executed(blocks[0].clone(), None).unwrap();
    assert_eq!(chain.executed(blocks[2].clone(), None), Err(ChainFault::Gap { head: 1, given: 3 }));
    assert_eq!(chain.executed(blocks[0].clone(), None), Err(ChainFault::Gap { head: 1, given: 1 }));
    chain.committed(commit_of(&blocks[0]));
    assert_eq!(chain.rolled_back(0), Err(ChainFault::CommittedRolledBack { to: 0, committed: 1 }));
    assert_eq!(chain.rolled_back(1), Ok(()));
}

#[test]
fn pending_is_ordered_and_latest_is_committed() {
    let home = tempdir().unwrap();
    let mut node = TestNode::start(&home.path().join("state.redb"), |_| {});
    let first = node.seal_and_commit(vec![transfer(1, 0, TO, 5)]);
    let second = node.seal(vec![transfer(1, 1, TO, 7)]);
    let snapshot = wait_until(&node.view, "two blocks", |s| s.heads().ordered.number == 2 && s.heads().committed == 1);
    assert_eq!(balance(&snapshot, 0), U256::ZERO);
    assert_eq!(balance(&snapshot, 1), U256::from(5));
    assert_eq!(balance(&snapshot, 2), U256::from(12));
    let located = snapshot.transaction(&second.transactions[0].hash).unwrap().unwrap();
    assert_eq!((located.block.header().number, located.index), (2, 0));
    assert_eq!(snapshot.number(&first.hash).unwrap(), Some(1));
    // The snapshot stays as it is while the chain goes on and the store with it.
    node.commit(&second);
    wait_until(&node.view, "the store", |s| s.store().height() == 2);
    assert_eq!((balance(&snapshot, 1), balance(&snapshot, 2)), (U256::from(5), U256::from(12)));
    assert_eq!(snapshot.heads().committed, 1);
}

#[test]
fn uncommitted_blocks_are_rolled_back_and_replaced() {
    let home = tempdir().unwrap();
    let mut node = TestNode::start(&home.path().join("state.redb"), |_| {});
    let kept = node.seal_and_commit(vec![transfer(1, 0, TO, 5)]);
    let void = node.seal(vec![transfer(1, 1, TO, 7)]);
    node.seal(vec![transfer(1, 2, TO, 7)]);
    wait_until(&node.view, "three blocks", |s| s.heads().ordered.number == 3);
    node.feed.send(ChainEvent::RolledBack { to: 1 }).unwrap();
    let snapshot = wait_until(&node.view, "the rollback", |s| s.heads().ordered.number == 1);
    assert_eq!(snapshot.heads().ordered, id_of(&kept));
    assert!(snapshot.transaction(&void.transactions[0].hash).unwrap().is_none());
    assert_eq!(snapshot.number(&void.hash).unwrap(), None);
    node.chain.roll_back(&kept.block.header);
    let other = node.seal_and_commit(vec![transfer(2, 0, TO, 100), transfer(1, 1, TO, 7)]);
    let snapshot = wait_until(&node.view, "the other block", |s| s.store().height() == 2);
    assert_eq!(balance(&snapshot, 2), U256::from(112));
    assert_eq!(snapshot.store().hash(2).unwrap(), Some(other.hash));
    let located = snapshot.transaction(&void.transactions[0].hash).unwrap().unwrap();
    assert_eq!((located.block.executed.hash, located.index), (other.hash, 1));
}

#[test]
fn past_states_can_be_read_until_they_are_too_far_back() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let mut node = TestNode::start(&path, |_| {});
    for nonce in 0..6 {
        node.seal_and_commit(vec![transfer(1, nonce, TO, 1)]);
    }
    let snapshot = wait_until(&node.view, "the store", |s| s.store().height() == 6);
    for number in 0..=6 {
        assert_eq!(balance(&snapshot, number), U256::from(number));
    }
    assert_eq!(snapshot.state(3).unwrap().block_hash(4).unwrap(), None);
    node.keeper.stop().unwrap();
    drop((node.view, node.feed, node.chain, snapshot));
    // Undo is kept in memory only, so a restart forgets it and says so.
    let node = TestNode::start(&path, |_| {});
    let snapshot = node.view.snapshot();
    assert_eq!(balance(&snapshot, 6), U256::from(6));
    let refused = snapshot.state(5).err().unwrap();
    assert!(matches!(refused, StateUnavailable::Pruned { asked: 5, lowest: 6 }), "{refused}");
}

#[test]
fn roots_are_computed_where_batches_end() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let (told, roots) = channel();
    let mut node = TestNode::start(&path, |o| o.on_root = Box::new(move |root| told.send(root).unwrap()));
    let mut state = MemoryState::default();
    state.apply(0, genesis().header().hash(), &genesis().changes());
    for nonce in 0..BATCH_BLOCKS * 2 + 1 {
        let block = node.seal_and_commit(vec![transfer(1, nonce, TO, 1)]);
        state.apply(nonce + 1, block.hash, &block.changes);
        if (nonce + 1) % BATCH_BLOCKS == 0 {
            let root = horae_stages::root::state_root(state.accounts());
            assert_eq!(roots.recv().unwrap(), BatchRoot { block: nonce + 1, hash: block.hash, root });
            assert_eq!(node.view.state_root(nonce + 1).unwrap(), Some(root));
        }
    }
    assert_eq!(node.view.state_root(1).unwrap(), None);
    let before = node.view.state_root(BATCH_BLOCKS).unwrap();
    node.keeper.stop().unwrap();
    drop((node.view, node.feed, node.chain));
    let store = open(&path);
    assert_eq!(store.reader().state_root(BATCH_BLOCKS).unwrap(), before);
    assert_eq!(store.stored_height(), BATCH_BLOCKS * 2 + 1);
}

#[test]
fn a_root_that_is_missing_where_the_store_stands_is_computed_at_the_start() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let store = open(&path);
    let mut chain = TestChain::new(&store);
    for nonce in 0..BATCH_BLOCKS {
        store.apply_executed(&chain.seal(vec![transfer(1, nonce, TO, 1)]).unwrap()).unwrap();
    }
    let root = store.reader().compute_root().unwrap();
    store.flush().unwrap();
    drop((chain, store));
    let (told, roots) = channel();
    let node = TestNode::start(&path, |o| o.on_root = Box::new(move |root| told.send(root).unwrap()));
    let computed = roots.recv().unwrap();
    assert_eq!((computed.block, computed.root), (BATCH_BLOCKS, root));
    node.keeper.stop().unwrap();
    assert_eq!(node.view.store().reader().state_root(BATCH_BLOCKS).unwrap(), Some(root));
}

#[test]
fn stopping_makes_everything_committed_durable_and_nothing_else() {
    let home = tempdir().unwrap();
    let path = home.path().join("state.redb");
    let mut node = TestNode::start(&path, |o| o.flush_interval_ms = 3_600_000);
    node.seal_and_commit(vec![transfer(1, 0, TO, 1)]);
    node.seal(vec![transfer(1, 1, TO, 1)]);
    node.keeper.stop().unwrap();
    assert_eq!(node.view.durable_height(), 1);
    assert!(matches!(node.feed.send(ChainEvent::RolledBack { to: 1 }), Err(FeedError::Stopped)));
    drop((node.view, node.chain));
    assert_eq!(open(&path).stored_height(), 1);
}

#[test]
fn a_fault_stops_the_keeper_and_is_shown() {
    let home = tempdir().unwrap();
    let mut node = TestNode::start(&home.path().join("state.redb"), |_| {});
    let block = node.seal_and_commit(vec![]);
    node.feed.send(ChainEvent::Executed { block, signature: None }).unwrap();
    let fault = node.keeper.join().unwrap_err();
    assert!(matches!(*fault, KeeperError::Chain(ChainFault::Gap { head: 1, given: 1 })), "{fault}");
    assert!(node.view.fault().is_some());
}

#[test]
fn certificates_and_commits_are_found_in_memory_and_in_the_store() {
    let home = tempdir().unwrap();
    let mut node = TestNode::start(&home.path().join("state.redb"), |_| {});
    let first = node.seal(vec![]);
    let second = node.seal(vec![]);
    let third = node.seal(vec![]);
    node.feed.send(ChainEvent::Certified(certificate_of(&second))).unwrap();
    let snapshot = wait_until(&node.view, "the certificate", |s| s.heads().certified == 2);
    assert_eq!(snapshot.certificate(1).unwrap().unwrap().block, id_of(&second));
    assert!(snapshot.certificate(3).unwrap().is_none());
    assert!(snapshot.commit(1).unwrap().is_none());
    node.commit(&second);
    let snapshot = wait_until(&node.view, "the store", |s| s.store().height() == 2);
    assert_eq!(snapshot.commit(1).unwrap().unwrap().block(), id_of(&second));
    assert_eq!(snapshot.certificate(1).unwrap().unwrap().block, id_of(&second));
    assert_eq!(snapshot.store().raw_block(1).unwrap(), Some(first.block.clone()));
    assert_eq!(snapshot.block(3).unwrap().unwrap().id(), id_of(&third));
}

#[test]
fn old_blocks_leave_memory_and_are_found_in_the_store() {
    let home = tempdir().unwrap();
    let mut node = TestNode::start(&home.path().join("state.redb"), |_| {});
    let first = node.seal_and_commit(vec![transfer(1, 0, TO, 1)]);
    let count = RECENT_BLOCKS as u64 + 20;
    for _ in 1..count {
        node.seal_and_commit(vec![]);
    }
    let snapshot = wait_until(&node.view, "the store", |s| s.store().height() == count);
    let snapshot = if snapshot.recent().len() > RECENT_BLOCKS {
        wait_until(&node.view, "old blocks to leave", |s| s.recent().len() <= RECENT_BLOCKS)
    } else {
        snapshot
    };
    assert!(snapshot.recent()[0].header().number > 1);
    let located = snapshot.transaction(&first.transactions[0].hash).unwrap().unwrap();
    assert_eq!(located.block.executed.receipts, first.receipts);
    assert_eq!(located.block.signature, Some(horae_control::Signature([1; 65])));
    assert_eq!(snapshot.number(&first.hash).unwrap(), Some(1));
}
