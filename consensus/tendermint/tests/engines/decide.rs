//! Four engines over real sockets: agreement, rejection, late verdicts, rest, evidence, changing sets.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::common::{Answer, App, DOMAIN, NEVER, Net, Node, PATIENCE, busy, by};
use alloy_primitives::Bytes;
use horae_control::{Offence, Said};
use horae_tendermint::Verdict;

fn agree(nodes: &[&Node], from: u64, to: u64) -> Vec<(u64, Bytes)> {
    let cut = |node: &Node| -> Vec<(u64, Bytes)> {
        node.values().into_iter().filter(|(h, _)| (from..=to).contains(h)).collect()
    };
    let first = cut(nodes[0]);
    assert_eq!(first.iter().map(|(height, _)| *height).collect::<Vec<_>>(), (from..=to).collect::<Vec<_>>());
    for node in nodes {
        assert_eq!(cut(node), first);
    }
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_engines_decide_the_same_values_in_order() {
    let net = Net::four();
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    for node in &nodes {
        node.until_height(300).await;
    }
    let all: Vec<&Node> = nodes.iter().collect();
    let values = agree(&all, 1, 300);
    let proposers: BTreeMap<_, usize> = values.iter().fold(BTreeMap::new(), |mut count, (_, value)| {
        *count.entry(value[value.len() - 1]).or_default() += 1;
        count
    });
    assert_eq!(proposers.len(), 4, "{proposers:?}");

    let seen = nodes[0].app.seen.borrow().clone();
    let mut gaps: Vec<Duration> = seen.decided.windows(2).skip(50).map(|pair| pair[1].2 - pair[0].2).collect();
    gaps.sort();
    println!("from one decision to the next: p50 {:?}, p99 {:?}", gaps[gaps.len() / 2], gaps[gaps.len() * 99 / 100]);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_rejected_by_more_than_a_third_is_not_decided_and_the_next_is() {
    let net = Net::four();
    let nodes = net
        .start_all(|n, mut app| {
            app.propose = Box::new(|height, round| {
                format!("{} {height}", if round == 0 { "bad" } else { "good" }).into_bytes().into()
            });
            app.check = Box::new(move |_, value| {
                let bad = value.starts_with(b"bad") && n < 2;
                Answer::Now(if bad { Verdict::Reject } else { Verdict::Accept })
            });
            busy(app)
        })
        .await;
    for node in &nodes {
        node.until_height(5).await;
    }
    let values = agree(&nodes.iter().collect::<Vec<_>>(), 1, 5);
    // A rejecting proposer does not ask itself, so at its turns only one of the others rejects, and the value passes.
    let rejecting: Vec<_> = [net.signer(0), net.signer(1)].to_vec();
    let mut order: Vec<_> = (0..4).map(|n| net.signer(n)).collect();
    order.sort();
    for (height, value) in values {
        let proposer = order[(height % 4) as usize];
        let expected: &[u8] = if rejecting.contains(&proposer) { b"bad" } else { b"good" };
        assert!(value.starts_with(expected), "height {height}: {value}");
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_later_than_the_propose_timeout_still_lead_to_a_decision() {
    let net = Net::four();
    let late = Duration::from_millis(600);
    let nodes = net
        .start_all(|n, mut app| {
            app.check = Box::new(move |_, _| Answer::After(late, Verdict::Accept));
            by(n, app)
        })
        .await;
    for node in &nodes {
        node.until_height(1).await;
    }
    agree(&nodes.iter().collect::<Vec<_>>(), 1, 1);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_answers_still_learns_what_was_decided() {
    let net = Net::four();
    let nodes = net
        .start_all(|n, mut app| {
            if n == 3 {
                app.check = Box::new(|_, _| Answer::Never);
            }
            busy(by(n, app))
        })
        .await;
    for node in &nodes {
        node.until_height(12).await;
    }
    agree(&nodes.iter().collect::<Vec<_>>(), 1, 12);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_engines_decide_only_heartbeats_and_what_they_are_woken_for() {
    let mut net = Net::four();
    net.heartbeat = NEVER;
    let nodes = net.start_all(by).await;
    for node in &nodes {
        node.until_height(1).await;
    }
    // Every wake leads to one height, whoever is woken; nothing else does.
    for wake in 0..8 {
        nodes[wake % 4].handle.wake();
        for node in &nodes {
            node.until_height(2 + wake as u64).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in &nodes {
        assert_eq!(node.height(), 9);
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_decides_a_height_without_an_extra_round() {
    let mut net = Net::four();
    net.heartbeat = Duration::from_millis(400);
    let start = Instant::now();
    let nodes = net.start_all(by).await;
    for node in &nodes {
        node.until_height(8).await;
    }
    let most = start.elapsed().as_millis() as u64 / 400 + 1;
    for node in &nodes {
        assert!(node.height() <= most, "{} heights in {:?}", node.height(), start.elapsed());
    }
    let later_rounds =
        nodes[0].values().iter().skip(1).filter(|(_, v)| !String::from_utf8_lossy(v).contains("round 0")).count();
    println!("later rounds: {later_rounds} of 7");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_machines_with_one_signer_key_are_caught() {
    let net = Net::new(&[1, 2, 3, 4, 4]);
    let nodes = net
        .start_all(|n, mut app| {
            if n == 4 {
                app.check = Box::new(|_, _| Answer::Now(Verdict::Reject));
            }
            by(n, app)
        })
        .await;
    // One of the two prevotes the value, the other one nil: in time for the decision, sooner or later.
    let caught = || !nodes[0].app.seen.borrow().evidence.is_empty();
    let start = Instant::now();
    while !caught() && start.elapsed() < PATIENCE {
        nodes[0].handle.wake();
        let height = nodes[0].height();
        for node in &nodes {
            node.until_height(height + 1).await;
        }
    }
    assert!(caught(), "no evidence in {} heights", nodes[0].height());
    let evidence = nodes[0].app.seen.borrow().evidence[0].clone();
    assert_eq!(evidence.validator, net.signer(3));
    assert_eq!((evidence.epoch, evidence.incarnation), (3, 7));
    assert!(matches!(evidence.offence(), Ok(Offence::DoubleVote | Offence::DoubleProposal)));
    for signed in [&evidence.first, &evidence.second] {
        let Said::Engine(statement) = &signed.said else { panic!("a Tendermint statement") };
        let digest = statement.digest(&DOMAIN, evidence.incarnation, evidence.epoch);
        assert_eq!(horae_control::recover(digest, &signed.signature), Some(evidence.validator));
    }
    for node in nodes {
        node.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_changes_when_the_node_says_so() {
    let net = Net::four();
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    for node in &nodes {
        node.until_height(5).await;
    }
    // A set is a function of the decided values: all must change it at the same height, so they agree on one far ahead first.
    for node in &nodes {
        node.app.busy.store(false, Ordering::SeqCst);
    }
    let rest = loop {
        let before: Vec<u64> = nodes.iter().map(Node::height).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after: Vec<u64> = nodes.iter().map(Node::height).collect();
        if before == after && after.iter().all(|h| *h == after[0]) {
            break after[0];
        }
    };
    for node in &nodes {
        *node.app.set.lock().unwrap() = net.set(&[0, 1, 2]);
    }
    nodes[0].handle.wake();
    for node in &nodes {
        node.until_height(rest + 1).await;
    }
    for node in &nodes[..3] {
        node.app.busy.store(true, Ordering::SeqCst);
    }
    nodes[0].handle.wake();
    for node in &nodes {
        node.until_height(rest + 20).await;
    }
    let values = agree(&nodes.iter().collect::<Vec<_>>(), rest + 2, rest + 20);
    assert!(values.iter().all(|(_, value)| value[value.len() - 1] != b'3'));
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn application_messages_reach_one_or_all() {
    let net = Net::four();
    let nodes = net.start_all(|_, app: App| app).await;
    for node in &nodes {
        let mut peers = 0;
        while peers < 3 {
            peers = node.handle.peers().len();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let large = Bytes::from(vec![7; 3 << 20]);
    assert!(nodes[0].handle.send(net.node_key(2), large.clone()));
    assert_eq!(nodes[1].handle.broadcast(Bytes::from_static(b"to all")), 3);
    assert!(!nodes[0].handle.send([0; 32], Bytes::from_static(b"nobody")));
    let from_zero = (net.node_key(0), large);
    let from_one = (net.node_key(1), Bytes::from_static(b"to all"));
    nodes[2]
        .until("both messages", |seen| seen.messages.contains(&from_zero) && seen.messages.contains(&from_one))
        .await;
    nodes[3].until("the message to all", |seen| seen.messages == [from_one.clone()]).await;
    for node in nodes {
        node.stop().await;
    }
}
