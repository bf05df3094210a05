//! What a reader lacks: replay, live, rollback, pruning; on a chain that the real stages execute over the real store.
#![allow(clippy::unwrap_used, clippy::disallowed_types)]

use std::sync::Mutex;

use alloy_primitives::{Address, Bytes};
use horae_control::Precommit;
use tempfile::TempDir;

use super::*;
use crate::chain_view::ChainEvent;
use crate::chain_view::testing::{TestNode, certificate_of, transfer, wait_until};

const TO: Address = Address::repeat_byte(0x77);

fn node() -> (TempDir, TestNode) {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(&home.path().join("state.redb"), |_| {});
    (home, node)
}

fn pay(node: &mut TestNode, nonce: u64) -> Vec<Bytes> {
    vec![transfer(1, nonce, TO, 1 + node.chain.tip.number)]
}

/// Looks until nothing more comes; one word an item.
fn told(cursor: &mut Cursor, node: &TestNode) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let look = cursor.look(&node.view.snapshot()).unwrap();
        words.extend(look.steps.iter().map(|step| match &step.item {
            Item::Block(block) => format!("block {}", block.header.number),
            Item::Certificate(certificate) => format!("certificate {}", certificate.block.number),
            Item::Commit(commit) => format!("commit {}", commit.block().number),
            Item::Void { above } => format!("void above {above}"),
            Item::Decision(_) | Item::End { .. } => panic!("a look brings neither"),
        }));
        if !look.more {
            return words;
        }
    }
}

fn from(node: &TestNode, from: u64) -> Cursor {
    Cursor::new(&node.view.snapshot(), FeedStart { from: Some(from), decisions: None }).unwrap()
}

#[test]
fn replay_and_live_join_without_gap_or_repeat() {
    let (_home, mut node) = node();
    for nonce in 0..100 {
        let transactions = pay(&mut node, nonce);
        match nonce % 3 {
            0 => drop(node.seal_and_commit(transactions)),
            _ => drop(node.seal(transactions)),
        }
    }
    wait_until(&node.view, "block 100 committed and stored", |s| {
        s.heads().committed == 100 && s.store().height() == 100
    });
    let mut cursor = from(&node, 1);
    let replayed = told(&mut cursor, &node);
    let expected: Vec<String> = (1..=100)
        .flat_map(|n| match n % 3 {
            1 => vec![format!("block {n}"), format!("commit {n}")],
            _ => vec![format!("block {n}")],
        })
        .collect();
    assert_eq!(replayed, expected);
    assert!(told(&mut cursor, &node).is_empty());

    let transactions = pay(&mut node, 100);
    let block = node.seal(transactions);
    wait_until(&node.view, "block 101", |s| s.heads().ordered.number == 101);
    assert_eq!(told(&mut cursor, &node), ["block 101"]);
    node.feed.send(ChainEvent::Certified(certificate_of(&block))).unwrap();
    wait_until(&node.view, "its certificate", |s| s.heads().certified == 101);
    assert_eq!(told(&mut cursor, &node), ["certificate 101"]);
    node.commit(&block);
    wait_until(&node.view, "its commit", |s| s.store().height() == 101);
    assert_eq!(told(&mut cursor, &node), ["commit 101"]);
    assert_eq!(told(&mut from(&node, 100), &node), ["block 100", "commit 100", "block 101", "commit 101"]);
}

#[test]
fn ordered_blocks_that_a_rollback_took_are_void_and_told_anew() {
    let (_home, mut node) = node();
    let transactions = pay(&mut node, 0);
    node.seal_and_commit(transactions);
    let stays = node.chain.tip.clone();
    for nonce in 1..4 {
        let transactions = pay(&mut node, nonce);
        node.seal(transactions);
    }
    wait_until(&node.view, "four blocks", |s| s.heads().ordered.number == 4 && s.heads().committed == 1);
    let mut cursor = from(&node, 1);
    assert_eq!(told(&mut cursor, &node), ["block 1", "commit 1", "block 2", "block 3", "block 4"]);
    let mut late = from(&node, 4);
    assert_eq!(told(&mut late, &node), ["block 4"]);

    node.feed.send(ChainEvent::RolledBack { to: 1 }).unwrap();
    node.chain.roll_back(&stays);
    let block = node.seal_and_commit(vec![transfer(2, 0, TO, 9)]);
    wait_until(&node.view, "another block 2", |s| s.heads().committed == 2);
    assert_eq!(told(&mut cursor, &node), ["void above 1", "block 2", "commit 2"]);
    // A reader that began above the fork is told from the fork on, for it was told the old chain.
    assert_eq!(told(&mut late, &node), ["void above 3"]);
    drop(block);
}

#[test]
fn a_feed_begins_where_it_is_asked_to_or_says_why_not() {
    let (_home, mut node) = node();
    for nonce in 0..3 {
        let transactions = pay(&mut node, nonce);
        match nonce {
            2 => drop(node.seal(transactions)),
            _ => drop(node.seal_and_commit(transactions)),
        }
    }
    let snapshot =
        wait_until(&node.view, "three blocks", |s| s.heads().ordered.number == 3 && s.heads().committed == 2);
    let mut latest = Cursor::new(&snapshot, FeedStart::default()).unwrap();
    assert_eq!(told(&mut latest, &node), ["block 3"]);
    assert!(told(&mut from(&node, 4), &node).is_empty());
    let ahead = Cursor::new(&snapshot, FeedStart { from: Some(5), decisions: None }).unwrap_err();
    assert!(matches!(ahead, SourceError::Ahead { from: 5, next: 4 }), "{ahead}");
    assert_eq!(told(&mut from(&node, 0), &node)[0], "block 1", "genesis is not told");
}

#[test]
fn pruned_blocks_are_an_error_that_says_what_is_left() {
    let (_home, mut node) = node();
    for nonce in 0..6 {
        let transactions = pay(&mut node, nonce);
        node.seal_and_commit(transactions);
    }
    wait_until(&node.view, "six blocks stored", |s| s.store().height() == 6);
    node.view.store().prune(4).unwrap();
    let transactions = pay(&mut node, 6);
    node.seal_and_commit(transactions);
    let snapshot = wait_until(&node.view, "one more", |s| s.store().height() == 7);
    let pruned = Cursor::new(&snapshot, FeedStart { from: Some(3), decisions: None }).unwrap_err();
    assert_eq!(pruned.to_string(), "pruned history unavailable: this node keeps blocks from 4 on");
    assert_eq!(told(&mut from(&node, 7), &node), ["block 7", "commit 7"]);
}

/// A decided log of heights from `lowest` to `highest`, `at_once` in an answer.
struct Log {
    lowest: u64,
    highest: u64,
    at_once: u64,
    read: Mutex<u32>,
}

impl Decisions for Log {
    fn read(&self, from: u64, to: u64) -> BoxFuture<'_, io::Result<(u64, Vec<Decision>)>> {
        *self.read.lock().unwrap() += 1;
        let decision = |height| Decision { height, round: 0, value: vec![], precommits: Vec::<Precommit>::new() };
        let found = match from < self.lowest {
            true => Vec::new(),
            false => (from..=to.min(self.highest).min(from + self.at_once - 1)).map(decision).collect(),
        };
        Box::pin(std::future::ready(Ok((self.lowest, found))))
    }

    fn state(&self) -> Arc<ControlState> {
        Arc::new(ControlState::genesis(&crate::feed::testing::genesis()).unwrap())
    }
}

#[tokio::test]
async fn decisions_come_in_order_once_and_in_readings_of_bounded_size() {
    let (_home, node) = node();
    let start = FeedStart { from: Some(1), decisions: Some(2) };
    let mut cursor = Cursor::new(&node.view.snapshot(), start).unwrap();
    let log = Log { lowest: 2, highest: 9, at_once: 3, read: Mutex::new(0) };
    let mut heights = Vec::new();
    loop {
        let items = cursor.decisions_to(8, &log).await.unwrap();
        if items.is_empty() {
            break;
        }
        assert!(items.len() <= 3);
        heights.extend(items.iter().map(|item| match item {
            Item::Decision(item) => item.decision.height,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(heights, (2..=8).collect::<Vec<u64>>());
    assert_eq!(*log.read.lock().unwrap(), 3, "what was told is not read again");
    let missing = cursor.decisions_to(12, &Log { highest: 8, ..log }).await.unwrap_err();
    assert!(matches!(missing, SourceError::Decisions(_)), "{missing}");

    let early = FeedStart { from: Some(1), decisions: Some(1) };
    let mut cursor = Cursor::new(&node.view.snapshot(), early).unwrap();
    let log = Log { lowest: 5, highest: 9, at_once: 3, read: Mutex::new(0) };
    let pruned = cursor.decisions_to(8, &log).await.unwrap_err();
    assert!(matches!(pruned, SourceError::DecisionsPruned { lowest: 5 }), "{pruned}");
}
