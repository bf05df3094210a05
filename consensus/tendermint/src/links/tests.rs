//! Links over real sockets: strangers, hostile handshakes, junk, reconnection.

#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    sync::mpsc,
};

use ed25519_consensus::SigningKey;

use super::*;

/// Waits this long for what must happen; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Up(NodeKey),
    Down(NodeKey),
    Message(NodeKey, Bytes),
}

struct Ear(Mutex<mpsc::Sender<Heard>>);

impl Sink for Ear {
    fn up(&self, peer: NodeKey) {
        let _ = lock(&self.0).send(Heard::Up(peer));
    }
    fn down(&self, peer: NodeKey) {
        let _ = lock(&self.0).send(Heard::Down(peer));
    }
    fn message(&self, from: NodeKey, bytes: Bytes) -> Result<(), Junk> {
        if bytes == b"junk"[..] {
            return Err(Junk("junk".into()));
        }
        let _ = lock(&self.0).send(Heard::Message(from, bytes));
        Ok(())
    }
}

/// Keys in ascending order of their public halves.
fn keys(n: u8) -> Vec<SigningKey> {
    let mut keys: Vec<SigningKey> = (1..=n).map(|seed| SigningKey::from([seed; 32])).collect();
    keys.sort_by_key(public);
    keys
}

fn public(key: &SigningKey) -> NodeKey {
    key.verification_key().to_bytes()
}

fn start_at(
    key: &SigningKey,
    address: &str,
    peers: &[Peer],
    allowed: &[NodeKey],
) -> (Arc<Links>, mpsc::Receiver<Heard>) {
    let (sender, heard) = mpsc::channel();
    let listener = TcpListener::bind(address).unwrap();
    let links = Links::start(key.clone(), listener, peers, allowed, Arc::new(Ear(Mutex::new(sender)))).unwrap();
    (links, heard)
}

fn start(key: &SigningKey, peers: &[Peer], allowed: &[NodeKey]) -> (Arc<Links>, mpsc::Receiver<Heard>) {
    start_at(key, "127.0.0.1:0", peers, allowed)
}

fn peer(key: &SigningKey, links: &Links) -> Peer {
    Peer { node_key: public(key), address: links.local_address() }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the condition never held");
}

fn shake(address: SocketAddr, key: &SigningKey) -> SecretConnection<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    SecretConnection::new(stream, key.clone(), Version::V0_34).unwrap()
}

/// The other end closes without sending a byte.
fn is_closed(mut stream: impl Read) -> bool {
    !matches!(stream.read(&mut [0; 4096]), Ok(n) if n > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_dials_both_ways_ends_up_with_one_link_each_and_talks() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard_a) = start(&keys[0], &[], &all);
    let (b, heard_b) = start(&keys[1], &[peer(&keys[0], &a)], &all);
    a.set_peer(peer(&keys[1], &b));
    until(|| a.peers().len() == 1 && b.peers().len() == 1).await;
    assert_eq!(heard_a.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    assert_eq!(heard_b.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[0]));

    let large = Bytes::from((0..limits::MESSAGE_MAX_BYTES).map(|n| n as u8).collect::<Vec<u8>>());
    for message in [Bytes::from_static(b"hello"), large, Bytes::from_static(b"again")] {
        assert!(a.send(&all[1], message.clone()));
        assert_eq!(heard_b.recv_timeout(PATIENCE).unwrap(), Heard::Message(all[0], message));
    }
    assert_eq!(b.broadcast(&Bytes::from_static(b"back")), 1);
    assert_eq!(heard_a.recv_timeout(PATIENCE).unwrap(), Heard::Message(all[1], Bytes::from_static(b"back")));
    assert!(!a.send(&[9; 32], Bytes::from_static(b"nobody")));
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_is_refused_and_counted() {
    let keys = keys(3);
    let (a, heard) = start(&keys[0], &[], &[public(&keys[1])]);
    let stranger = keys[2].clone();
    let address = a.local_address();
    let closed = tokio::task::spawn_blocking(move || is_closed(shake(address, &stranger))).await.unwrap();
    assert!(closed);
    until(|| a.counts().refused == 1).await;
    assert!(a.peers().is_empty());
    assert!(heard.try_recv().is_err());
    a.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_no_longer_allowed_loses_its_link_and_may_come_back() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard) = start(&keys[0], &[], &all);
    let (b, _heard_b) = start(&keys[1], &[peer(&keys[0], &a)], &all);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    a.set_allowed(&[]);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Down(all[1]));
    until(|| a.counts().refused >= 1).await;
    a.set_allowed(&all);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    a.close().await;
    b.close().await;
}

/// A handshake up to an auth frame of 200 bytes, where `tendermint-p2p` 0.41 has room for 103 and panics.
///
/// The ephemeral secret is 1, so that the shared secret is the other end's ephemeral public key.
fn send_oversized_auth_frame(address: SocketAddr) {
    use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
    use tendermint_p2p::secret_connection::Kdf;

    let mut ours = [0; 32];
    ours[0] = 9;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[&[34, 10, 32][..], &ours].concat()).unwrap();
    let mut theirs = [0; 35];
    stream.read_exact(&mut theirs).unwrap();
    let theirs: [u8; 32] = theirs[3..].try_into().unwrap();

    let kdf = Kdf::derive_secrets_and_challenge(&theirs, ours < theirs);
    let mut frame = vec![0x55; 4 + 1024];
    frame[..4].copy_from_slice(&200u32.to_le_bytes());
    let tag =
        ChaCha20Poly1305::new(&kdf.send_secret.into()).encrypt_in_place_detached(&[0; 12].into(), b"", &mut frame);
    stream.write_all(&[&frame[..], &tag.unwrap()].concat()).unwrap();
    assert!(is_closed(AfterAuthFrame(stream)));
}

/// Skips the other end's own auth frame.
struct AfterAuthFrame(TcpStream);

impl Read for AfterAuthFrame {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_exact(&mut [0; 1044])?;
        self.0.read(buffer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_auth_frame_kills_neither_the_process_nor_the_listener() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard) = start(&keys[0], &[], &all);
    let address = a.local_address();
    let attempts = limits::HANDSHAKES_MAX as u64 + 4;
    for attempt in 1..=attempts {
        tokio::task::spawn_blocking(move || send_oversized_auth_frame(address)).await.unwrap();
        until(|| a.counts().failed == attempt).await;
    }
    let (b, _heard_b) = start(&keys[1], &[peer(&keys[0], &a)], &all);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_and_silence_before_the_handshake_do_not_stop_the_listener() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard) = start(&keys[0], &[], &all);
    let address = a.local_address();
    let silent = TcpStream::connect(address).unwrap();
    for junk in [&[0xff; 2000][..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64]] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(junk).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    until(|| a.counts().failed >= 3).await;
    let (b, _heard_b) = start(&keys[1], &[peer(&keys[0], &a)], &all);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    until(|| a.counts().failed >= 4).await;
    drop(silent);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_on_a_link_closes_that_link_only_and_it_is_dialled_again() {
    let keys = keys(3);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard) = start(&keys[0], &[], &all);
    let (b, _heard_b) = start(&keys[1], &[peer(&keys[0], &a)], &all);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));

    let address = a.local_address();
    let key = keys[2].clone();
    let announced = (limits::MESSAGE_MAX_BYTES as u32 + 1).to_be_bytes();
    let hostile = tokio::task::spawn_blocking(move || {
        let mut connection = shake(address, &key);
        connection.write_all(&announced).unwrap();
        is_closed(connection)
    });
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[2]));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Down(all[2]));
    assert!(hostile.await.unwrap());
    assert_eq!(a.counts().junk, 1);
    assert_eq!(a.peers().len(), 1);

    assert!(b.send(&all[0], Bytes::from_static(b"junk")));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Down(all[1]));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    assert_eq!(a.counts().junk, 2);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_is_disconnected() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (a, heard) = start(&keys[0], &[], &all);
    let (address, key) = (a.local_address(), keys[1].clone());
    let _deaf = tokio::task::spawn_blocking(move || shake(address, &key)).await.unwrap();
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    let message = Bytes::from(vec![0; 1 << 20]);
    until(|| {
        a.broadcast(&message);
        a.counts().slow == 1
    })
    .await;
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Heard::Down(all[1]));
    a.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_is_linked_again() {
    let keys = keys(2);
    let all: Vec<NodeKey> = keys.iter().map(public).collect();
    let (b, heard_b) = start(&keys[1], &[], &all);
    let address = b.local_address();
    let (a, heard_a) = start(&keys[0], &[peer(&keys[1], &b)], &all);
    assert_eq!(heard_a.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    assert_eq!(heard_b.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[0]));
    b.close().await;
    assert_eq!(heard_a.recv_timeout(PATIENCE).unwrap(), Heard::Down(all[1]));
    let (b, heard_b) = start_at(&keys[1], &address.to_string(), &[], &all);
    assert_eq!(heard_b.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[0]));
    assert_eq!(heard_a.recv_timeout(PATIENCE).unwrap(), Heard::Up(all[1]));
    a.close().await;
    b.close().await;
}
