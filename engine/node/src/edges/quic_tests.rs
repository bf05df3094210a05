//! The QUIC edge through real sockets.

use std::sync::Mutex;

use alloy_primitives::keccak256;
use tokio::sync::mpsc;

use super::*;
use crate::edges::quic_client::{QuicClient, QuicClientError, Trust};

/// Hands every transaction to the test, which answers when it likes.
#[derive(Clone)]
struct Handed(UnboundedSender<(Vec<u8>, ReplyTo)>);

impl Intake for Handed {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        // A test that is over does not listen any more; the reply then goes back unanswered.
        let _ = self.0.send((bytes.to_vec(), reply));
    }
}

/// Answers at once, and remembers.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<Vec<u8>>>>);

impl Intake for Echo {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        self.0.lock().unwrap().push(bytes.to_vec());
        reply.send(Reply::Accepted(keccak256(bytes)));
    }
}

fn listen() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn connect(edge: &QuicIngest) -> Result<QuicClient, QuicClientError> {
    QuicClient::connect(edge.local_addr(), Trust::Certificate(edge.certificate().to_vec())).await
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

fn payload(n: u64) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.resize(8 + (n % 700) as usize, 7);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_of_every_stream_is_answered_with_its_number() {
    const FRAMES: u64 = 3_000;
    let edge = QuicIngest::start(listen(), Limits::default(), Echo::default()).unwrap();
    let client = QuicClient::connect(edge.local_addr(), Trust::AnyNode).await.unwrap();
    let mut streams = JoinSet::new();
    for _ in 0..3 {
        let (mut sender, mut receiver) = client.open().await.unwrap();
        streams.spawn(async move {
            for n in 0..FRAMES {
                assert_eq!(sender.send(&payload(n)).await.unwrap(), n);
            }
            sender.finish().await.unwrap();
        });
        streams.spawn(async move {
            let mut answered = 0;
            while let Some((sequence, reply)) = receiver.receive().await.unwrap() {
                assert_eq!(reply, Reply::Accepted(keccak256(payload(sequence))));
                answered += 1;
            }
            assert_eq!(answered, FRAMES);
        });
    }
    while let Some(done) = streams.join_next().await {
        done.unwrap();
    }
    client.close().await;
    until(|| edge.counts().ended == 1).await;
    assert_eq!((edge.counts().offered, edge.counts().answered), (3 * FRAMES, 3 * FRAMES));
}

#[tokio::test]
async fn one_way_streams_are_taken_and_not_answered() {
    let echo = Echo::default();
    let edge =
        QuicIngest::start(listen(), Limits { one_way_streams_max: 4, ..Limits::default() }, echo.clone()).unwrap();
    let client = connect(&edge).await.unwrap();
    for n in 0..50 {
        client.send_one_way(&payload(n)).await.unwrap();
    }
    until(|| edge.counts().offered == 50).await;
    let mut taken = echo.0.lock().unwrap().clone();
    taken.sort();
    let mut sent: Vec<_> = (0..50).map(payload).collect();
    sent.sort();
    assert_eq!((taken, edge.counts().answered), (sent, 0));
}

#[tokio::test]
async fn answers_go_out_as_they_come_and_without_a_place_a_frame_is_busy() {
    let (offered, mut waiting) = mpsc::unbounded_channel();
    let edge =
        QuicIngest::start(listen(), Limits { unanswered_total_max: 2, ..Limits::default() }, Handed(offered)).unwrap();
    let client = connect(&edge).await.unwrap();
    let (mut sender, mut receiver) = client.open().await.unwrap();
    for n in 0..3 {
        sender.send(&payload(n)).await.unwrap();
    }
    sender.flush().await.unwrap();
    assert_eq!(receiver.receive().await.unwrap(), Some((2, Reply::Busy)));
    let (_, first) = waiting.recv().await.unwrap();
    let (bytes, second) = waiting.recv().await.unwrap();
    assert_eq!(bytes, payload(1));
    second.send(Reply::Refused("second".into()));
    assert_eq!(receiver.receive().await.unwrap(), Some((1, Reply::Refused("second".into()))));
    drop(first);
    assert!(matches!(receiver.receive().await.unwrap(), Some((0, Reply::Refused(_)))));
    sender.send(&payload(3)).await.unwrap();
    sender.finish().await.unwrap();
    waiting.recv().await.unwrap().1.send(Reply::Busy);
    assert_eq!(receiver.receive().await.unwrap(), Some((3, Reply::Busy)));
    assert_eq!(receiver.receive().await.unwrap(), None);
}

#[tokio::test]
async fn junk_closes_its_connection_and_no_other() {
    let edge =
        QuicIngest::start(listen(), Limits { frame_bytes_max: 100, ..Limits::default() }, Echo::default()).unwrap();
    let good = connect(&edge).await.unwrap();
    for one_way in [true, false] {
        let bad = connect(&edge).await.unwrap();
        if one_way {
            bad.send_one_way(&[1; 101]).await.unwrap();
        } else {
            let (mut sender, _receiver) = bad.open().await.unwrap();
            sender.send(&[1; 101]).await.unwrap();
            sender.flush().await.unwrap();
        }
        match bad.closed().await {
            quinn::ConnectionError::ApplicationClosed(closed) => assert_eq!(closed.error_code, CLOSE_JUNK.into()),
            other => panic!("{other}"),
        }
    }
    let (mut sender, mut receiver) = good.open().await.unwrap();
    sender.send(&[1]).await.unwrap();
    sender.finish().await.unwrap();
    assert!(receiver.receive().await.unwrap().is_some());
    assert_eq!(edge.counts().junk_closed, 2);
}

#[tokio::test]
async fn one_connection_too_many_is_refused() {
    let edge =
        QuicIngest::start(listen(), Limits { connections_max: 1, ..Limits::default() }, Echo::default()).unwrap();
    let first = connect(&edge).await.unwrap();
    assert!(connect(&edge).await.is_err());
    assert_eq!(edge.counts().turned_away, 1);
    first.close().await;
    until(|| edge.counts().ended == 1).await;
    // The endpoint itself forgets a connection a little after its end.
    while connect(&edge).await.is_err() {}
}

#[tokio::test]
async fn another_certificate_is_not_trusted() {
    let edge = QuicIngest::start(listen(), Limits::default(), Echo::default()).unwrap();
    let other = QuicIngest::start(listen(), Limits::default(), Echo::default()).unwrap();
    let trust = Trust::Certificate(other.certificate().to_vec());
    assert!(QuicClient::connect(edge.local_addr(), trust).await.is_err());
    assert!(connect(&edge).await.is_ok());
}

#[tokio::test]
async fn a_silent_stream_is_closed_though_its_connection_lives() {
    let edge =
        QuicIngest::start(listen(), Limits { idle_timeout_ms: 100, ..Limits::default() }, Echo::default()).unwrap();
    let client = connect(&edge).await.unwrap();
    let (mut sender, mut receiver) = client.open().await.unwrap();
    sender.send(&[1]).await.unwrap();
    sender.flush().await.unwrap();
    assert!(receiver.receive().await.unwrap().is_some());
    assert!(receiver.receive().await.is_err());
    assert_eq!(edge.counts().idle_closed, 1);
    // Now the connection has no stream, and goes the same way.
    assert!(
        matches!(client.closed().await, quinn::ConnectionError::ApplicationClosed(closed) if closed.error_code == CLOSE_IDLE.into())
    );
}

#[tokio::test]
async fn stopping_closes_the_connections() {
    let edge = QuicIngest::start(listen(), Limits::default(), Echo::default()).unwrap();
    let client = connect(&edge).await.unwrap();
    until(|| edge.counts().accepted == 1).await;
    drop(edge);
    assert!(matches!(client.closed().await, quinn::ConnectionError::ApplicationClosed(_)));
}
