//! Engines that stop and come back: catching up, resuming, replaying, and files that are not as they were left.

use std::{fs, path::Path};

use crate::common::{App, DOMAIN, Net, Node, PATIENCE, busy, by};
use horae_tendermint::{Part, StartError};

fn prefix(node: &Node, height: u64) -> Vec<(u64, alloy_primitives::Bytes)> {
    node.values().into_iter().filter(|(h, _)| *h <= height).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_stopped_catches_up_and_takes_part_again() {
    let net = Net::four();
    let mut nodes = net.start_all(|n, app| busy(by(n, app))).await;
    for node in &nodes {
        node.until_height(20).await;
    }
    let stopped = nodes.remove(3);
    let applied = stopped.height();
    stopped.stop().await;
    // A dead proposer costs a round at each of its turns.
    nodes[0].until_height(applied + 40).await;

    let back = net.start(3, applied, busy(by(3, App::new(net.set(&[0, 1, 2, 3]))))).await;
    let target = nodes[0].height();
    back.until_height(target).await;
    assert_eq!(back.values()[0].0, applied + 1);
    let shared: Vec<_> = nodes[0].values().into_iter().filter(|(h, _)| (applied + 1..=target).contains(h)).collect();
    assert_eq!(prefix(&back, target), shared);

    // Without a second one, every decision needs the one that came back.
    nodes.remove(2).stop().await;
    let from = nodes[0].height().max(back.height()) + 10;
    nodes[0].until_height(from).await;
    back.until_height(from).await;
    assert_eq!(
        nodes[0].values().into_iter().find(|(h, _)| *h == from),
        back.values().into_iter().find(|(h, _)| *h == from)
    );
    for node in nodes.into_iter().chain([back]) {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_four_stopped_resume_and_deliver_again_what_was_not_applied() {
    let net = Net::four();
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    for node in &nodes {
        node.until_height(30).await;
    }
    let mut before = Vec::new();
    for node in nodes {
        let app = node.app.clone();
        node.stop().await;
        let decided = app.seen.borrow().decided.iter().map(|(h, v, _)| (*h, v.clone())).collect::<Vec<_>>();
        before.push(decided);
    }
    let mut nodes = Vec::new();
    for n in 0..4 {
        nodes.push(net.start(n, 10, busy(by(n, App::new(net.set(&[0, 1, 2, 3]))))).await);
    }
    for (node, before) in nodes.iter().zip(&before) {
        node.until_height(60).await;
        let again = node.values();
        assert_eq!(again.iter().map(|(h, _)| *h).take(50).collect::<Vec<_>>(), (11..=60).collect::<Vec<_>>());
        assert_eq!(again[..before.len() - 10], before[10..]);
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pruned_log_starts_where_it_was_cut() {
    let net = Net::four();
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    nodes[0].until_height(30).await;
    nodes[0].handle.prune_below(20).await.unwrap();
    nodes[0].until_height(35).await;
    for node in nodes {
        node.stop().await;
    }
    let set = net.set(&[0, 1, 2, 3]);
    let error = net.try_start(0, 5, App::new(set.clone())).await.err().unwrap();
    assert!(matches!(error, StartError::AppliedHeight { first: 20, applied: 5, .. }), "{error}");
    let node = net.start(0, 25, App::new(set)).await;
    node.until_height(30).await;
    assert_eq!(node.values()[0].0, 26);
    node.stop().await;
}

async fn stopped_at_some_height(net: &Net) -> u64 {
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    nodes[0].until_height(10).await;
    let mut height = 0;
    for node in nodes {
        let app = node.app.clone();
        node.stop().await;
        height = app.seen.borrow().decided.last().unwrap().0.max(height);
    }
    height
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_errors_that_name_them() {
    let net = Net::four();
    stopped_at_some_height(&net).await;
    let set = net.set(&[0, 1, 2, 3]);

    let log = net.home(0).join("decided.log");
    flip(&log, 60);
    let error = net.try_start(0, 5, App::new(set.clone())).await.err().unwrap();
    assert!(matches!(&error, StartError::LogCorrupt { path, .. } if *path == log), "{error}");

    let wal = net.home(1).join("consensus.wal");
    flip(&wal, 3);
    let error = net.try_start(1, 5, App::new(set.clone())).await.err().unwrap();
    assert!(matches!(&error, StartError::WalCorrupt { path, .. } if *path == wal), "{error}");
    assert!(error.to_string().contains("consensus.wal") && error.to_string().contains("incarnation"));

    let wal = net.home(2).join("consensus.wal");
    fs::remove_file(&wal).unwrap();
    let error = net.try_start(2, 5, App::new(set.clone())).await.err().unwrap();
    assert!(matches!(&error, StartError::WalCorrupt { path, .. } if *path == wal), "{error}");

    let error = net.try_start(3, 1_000_000, App::new(set)).await.err().unwrap();
    assert!(matches!(error, StartError::AppliedHeight { applied: 1_000_000, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_cannot_use_its_log_stops_and_says_why() {
    let net = Net::four();
    stopped_at_some_height(&net).await;
    let set = net.set(&[0, 1, 2, 3]);
    let node = net.start(0, 5, App::new(set.clone())).await;
    // Its decided log says which height is in progress.
    node.until_height(10).await;
    let last = node.height();
    node.stop().await;

    // A whole entry, by its checksum, that means nothing to the engine.
    let wal = net.home(0).join("consensus.wal");
    let entry: &[u8] = &[0xee; 40];
    let height = (last + 1).to_be_bytes();
    let header =
        [&1u32.to_be_bytes()[..], &height, &[0], &(entry.len() as u64).to_be_bytes(), &crc32(entry).to_be_bytes()]
            .concat();
    let whole = fs::read(&wal).unwrap();
    fs::write(&wal, [&header, entry].concat()).unwrap();
    let error = net.try_start(0, last, App::new(set.clone())).await.err().unwrap();
    assert!(matches!(&error, StartError::WalCorrupt { path, .. } if *path == wal), "{error}");

    // The same, after the check at the start.
    fs::write(&wal, whole).unwrap();
    let node = net.start_as(None, 0, last, App::new(set)).await.unwrap();
    fs::write(&wal, [&header, entry].concat()).unwrap();
    node.handle.take_part(Part::Validator);
    node.until("the fatal event", |seen| seen.fatal.is_some()).await;
    let (why, file) = node.app.seen.borrow().fatal.clone().unwrap();
    assert_eq!(file, Some(wal));
    assert!(why.contains("write-ahead log") && why.contains("incarnation"), "{why}");
    assert!(node.handle.peers().is_empty());
    node.stop().await;
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_without_files_catches_up_from_the_beginning() {
    let net = Net::four();
    let set = net.set(&[0, 1, 2, 3]);
    let mut nodes = Vec::new();
    for n in 0..3 {
        nodes.push(net.start(n, 0, busy(by(n, App::new(set.clone())))).await);
    }
    nodes[0].until_height(50).await;
    let late = net.start(3, 0, busy(by(3, App::new(set)))).await;
    let target = nodes[0].height();
    late.until_height(target).await;
    assert_eq!(prefix(&late, target), prefix(&nodes[0], target));
    for node in nodes.into_iter().chain([late]) {
        node.stop().await;
    }
}

/// What the log of a node says that it signed is never behind what the others saw of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_votes_are_in_the_log_before_anybody_sees_them() {
    let net = Net::four();
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    nodes[0].until_height(8).await;
    let (handle, app) = (nodes[3].handle.clone(), nodes[3].app.clone());
    handle.shutdown().await;
    let applied = app.seen.borrow().decided.last().map_or(0, |(height, ..)| *height);
    let seen: Vec<_> = nodes[..3].iter().filter_map(|node| node.handle.newest_of(net.signer(3))).collect();
    assert!(!seen.is_empty(), "nobody saw a vote of it");
    let again = net.start_as(None, 3, applied, App::new(net.set(&[0, 1, 2, 3]))).await.unwrap();
    let own = again.handle.own_votes();
    for witnessed in seen {
        assert!(witnessed.is_by(&net.signer(3), &DOMAIN));
        let place = witnessed.statement.place();
        let covered = place.height <= own.decided_height || own.newest >= Some(place);
        assert!(covered, "the others saw {place:?}, the log says {own:?}");
    }
    again.stop().await;
    for node in nodes.into_iter().take(3) {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_it_takes_part_a_node_hears_its_peers_and_says_nothing_to_the_log() {
    let net = Net::four();
    let set = net.set(&[0, 1, 2, 3]);
    let mut nodes = Vec::new();
    for n in 0..3 {
        let part = (n < 2).then_some(Part::Validator);
        nodes.push(net.start_as(part, n, 0, busy(by(n, App::new(set.clone())))).await.unwrap());
    }
    let sent = tokio::time::timeout(PATIENCE, async {
        while !nodes[0].handle.send(net.node_key(2), b"who am I?"[..].into()) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    sent.await.expect("the links come up before the engine");
    nodes[2].until("the message", |seen| !seen.messages.is_empty()).await;
    assert_eq!(nodes[0].height(), 0, "two of four decide nothing");
    assert_eq!(nodes[0].handle.newest_of(net.signer(2)), None);
    nodes[2].handle.take_part(Part::Validator);
    nodes[0].until_height(3).await;
    assert!(nodes[0].handle.newest_of(net.signer(2)).is_some());
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_follows_and_signs_nothing() {
    let net = Net::four();
    let set = net.set(&[0, 1, 2, 3]);
    let mut nodes = Vec::new();
    for n in 0..4 {
        let part = if n == 3 { Part::Observer } else { Part::Validator };
        nodes.push(net.start_as(Some(part), n, 0, busy(by(n, App::new(set.clone())))).await.unwrap());
    }
    nodes[3].until_height(12).await;
    nodes[0].until_height(12).await;
    assert_eq!(prefix(&nodes[3], 12), prefix(&nodes[0], 12));
    assert!(nodes[..3].iter().all(|node| node.handle.newest_of(net.signer(3)).is_none()));
    for node in nodes {
        node.stop().await;
    }
}
