//! Both twins through real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use alloy_primitives::keccak256;

use super::*;
use crate::edges::intake::{Reply, ReplyTo, encode_request};
use crate::edges::tcp_client::{self, TcpReceiver};

type Offered = (Vec<u8>, ReplyTo);

/// Hands every transaction to the test, which answers when it likes.
#[derive(Clone)]
struct Handed(Arc<Mutex<Sender<Offered>>>);

impl Intake for Handed {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        // A test that is over does not listen any more; the reply then goes back unanswered.
        let _ = self.0.lock().unwrap().send((bytes.to_vec(), reply));
    }
}

/// Answers at once.
#[derive(Clone)]
struct Echo;

impl Intake for Echo {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        match bytes[0] {
            0 => reply.send(Reply::Refused("no zeros".into())),
            _ => reply.send(Reply::Accepted(keccak256(bytes))),
        }
    }
}

fn config(backend: Backend, limits: Limits) -> Config {
    Config { listen: "127.0.0.1:0".parse().unwrap(), backend, limits, core: None }
}

fn handed(backend: Backend, limits: Limits) -> (TcpIngest, Receiver<Offered>) {
    let (sender, receiver) = channel();
    let intake = Handed(Arc::new(Mutex::new(sender)));
    (TcpIngest::start(config(backend, limits), intake).unwrap(), receiver)
}

/// Blocks until the counters satisfy `condition`.
fn until(edge: &TcpIngest, condition: impl Fn(&Counts) -> bool) {
    while !condition(&edge.counts()) {
        std::thread::yield_now();
    }
}

/// Runs a test against both twins; where the kernel refuses io_uring, against the one that takes over.
fn both(test: impl Fn(Backend)) {
    test(Backend::Epoll);
    test(Backend::Auto);
}

fn is_at_end(receiver: &mut TcpReceiver) -> bool {
    matches!(receiver.receive(), Ok(None) | Err(_))
}

#[test]
fn every_frame_is_answered_with_its_number() {
    const FRAMES: u64 = 20_000;
    both(|backend| {
        let edge = TcpIngest::start(config(backend, Limits::default()), Echo).unwrap();
        let clients: Vec<_> = (0..3u8)
            .map(|client| {
                let address = edge.local_addr();
                std::thread::spawn(move || {
                    let (mut sender, mut receiver) = tcp_client::connect(address).unwrap();
                    let payload = move |n: u64| -> Vec<u8> {
                        let mut bytes = n.to_le_bytes().to_vec();
                        bytes[0] = (n % 3) as u8;
                        bytes.resize(8 + (n % 500) as usize, client);
                        bytes
                    };
                    let sending = std::thread::spawn(move || {
                        for n in 0..FRAMES {
                            assert_eq!(sender.send(&payload(n)).unwrap(), n);
                        }
                    });
                    let mut answered = vec![false; FRAMES as usize];
                    while let Some((sequence, reply)) = receiver.receive().unwrap() {
                        let bytes = payload(sequence);
                        match reply {
                            Reply::Refused(reason) => assert!(bytes[0] == 0 && reason == "no zeros"),
                            Reply::Accepted(hash) => assert!(bytes[0] != 0 && hash == keccak256(&bytes)),
                            Reply::Busy => panic!("busy below the limit"),
                        }
                        assert!(!std::mem::replace(&mut answered[sequence as usize], true));
                    }
                    sending.join().unwrap();
                    assert!(answered.iter().all(|&answered| answered));
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        until(&edge, |counts| counts.ended == 3);
        let counts = edge.counts();
        assert_eq!((counts.accepted, counts.offered, counts.answered), (3, 3 * FRAMES, 3 * FRAMES));
    });
}

#[test]
fn answers_go_out_as_they_come_and_late_ones_harm_nobody() {
    both(|backend| {
        let (edge, offered) = handed(backend, Limits::default());
        let (mut sender, mut receiver) = tcp_client::connect(edge.local_addr()).unwrap();
        for n in 1..=3 {
            sender.send(&[n]).unwrap();
        }
        sender.flush().unwrap();
        let mut waiting: Vec<_> = offered.iter().take(3).collect();
        for n in (1..=3u8).rev() {
            let (bytes, reply) = waiting.pop().unwrap();
            assert_eq!(bytes, [n]);
            reply.send(Reply::Busy);
            assert_eq!(receiver.receive().unwrap(), Some((u64::from(n) - 1, Reply::Busy)));
        }
        sender.send(&[4]).unwrap();
        sender.flush().unwrap();
        let (_, late) = offered.recv().unwrap();
        drop((sender, receiver));
        // A new client gets the place of the old one; the late answer is not for it.
        let (mut sender, mut receiver) = tcp_client::connect(edge.local_addr()).unwrap();
        late.send(Reply::Busy);
        sender.send(&[5]).unwrap();
        sender.flush().unwrap();
        offered.recv().unwrap().1.send(Reply::Refused("fifth".into()));
        assert_eq!(receiver.receive().unwrap(), Some((0, Reply::Refused("fifth".into()))));
    });
}

#[test]
fn junk_closes_its_connection_and_no_other() {
    both(|backend| {
        let edge = TcpIngest::start(config(backend, Limits::default()), Echo).unwrap();
        let (mut good, mut answers) = tcp_client::connect(edge.local_addr()).unwrap();
        for junk in [u32::MAX, TRANSACTION_BYTES_MAX as u32 + 1, 0] {
            let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
            stream.write_all(&junk.to_be_bytes()).unwrap();
            assert!(matches!(stream.read(&mut [0; 9]), Ok(0) | Err(_)));
        }
        good.send(&[1]).unwrap();
        good.flush().unwrap();
        assert!(matches!(answers.receive().unwrap(), Some((0, Reply::Accepted(_)))));
        assert_eq!(edge.counts().junk_closed, 3);
    });
}

#[test]
fn one_connection_too_many_is_turned_away() {
    both(|backend| {
        let edge = TcpIngest::start(config(backend, Limits { connections_max: 2, ..Limits::default() }), Echo).unwrap();
        let mut first = tcp_client::connect(edge.local_addr()).unwrap();
        let second = tcp_client::connect(edge.local_addr()).unwrap();
        until(&edge, |counts| counts.accepted == 2);
        let (_sender, mut third) = tcp_client::connect(edge.local_addr()).unwrap();
        assert!(is_at_end(&mut third));
        assert_eq!(edge.counts().turned_away, 1);
        drop(second);
        until(&edge, |counts| counts.ended == 1);
        let (mut sender, mut fourth) = tcp_client::connect(edge.local_addr()).unwrap();
        sender.send(&[1]).unwrap();
        first.0.send(&[1]).unwrap();
        sender.flush().unwrap();
        first.0.flush().unwrap();
        assert!(fourth.receive().unwrap().is_some() && first.1.receive().unwrap().is_some());
    });
}

#[test]
fn without_a_place_for_the_answer_a_frame_is_busy() {
    both(|backend| {
        let (edge, offered) = handed(backend, Limits { unanswered_total_max: 2, ..Limits::default() });
        let (mut sender, mut receiver) = tcp_client::connect(edge.local_addr()).unwrap();
        for n in 0..3 {
            sender.send(&[n]).unwrap();
        }
        sender.flush().unwrap();
        assert_eq!(receiver.receive().unwrap(), Some((2, Reply::Busy)));
        // One let go unanswered frees its place, and the client hears of it.
        drop(offered.recv().unwrap());
        assert!(matches!(receiver.receive().unwrap(), Some((0, Reply::Refused(_)))));
        sender.send(&[3]).unwrap();
        sender.flush().unwrap();
        assert_eq!(offered.iter().take(2).map(|(bytes, _)| bytes[0]).collect::<Vec<_>>(), [1, 3]);
        until(&edge, |counts| counts.offered == 3);
        assert_eq!(edge.counts().busy, 1);
    });
}

#[test]
fn a_client_with_much_unanswered_is_not_read_from_until_it_is_answered() {
    both(|backend| {
        let (edge, offered) = handed(backend, Limits { unanswered_max: 3, ..Limits::default() });
        let (mut sender, mut receiver) = tcp_client::connect(edge.local_addr()).unwrap();
        for n in 0..10 {
            sender.send(&[n]).unwrap();
        }
        // The client says that nothing more will come: what was sent is still taken, three at a time.
        drop(sender);
        for n in 0..10u64 {
            until(&edge, |counts| counts.offered == (n + 3).min(10));
            let (_, reply) = offered.recv().unwrap();
            reply.send(Reply::Busy);
            assert_eq!(receiver.receive().unwrap(), Some((n, Reply::Busy)));
        }
        assert_eq!(receiver.receive().unwrap(), None);
    });
}

#[test]
fn a_client_that_does_not_read_its_answers_is_not_read_from_and_then_closed() {
    both(|backend| {
        let limits = Limits { unsent_bytes_max: 4_096, idle_timeout_ms: 100, ..Limits::default() };
        let edge = TcpIngest::start(config(backend, limits), Echo).unwrap();
        let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
        let mut frames = Vec::new();
        (0..1_000).for_each(|_| encode_request(&[0], &mut frames));
        // It writes until the edge has had enough and hangs up.
        while stream.write_all(&frames).is_ok() {}
        until(&edge, |counts| counts.ended == 1);
        assert_eq!(edge.counts().idle_closed, 1);
    });
}

#[test]
fn silence_closes_a_connection() {
    both(|backend| {
        let edge =
            TcpIngest::start(config(backend, Limits { idle_timeout_ms: 50, ..Limits::default() }), Echo).unwrap();
        let (_sender, mut receiver) = tcp_client::connect(edge.local_addr()).unwrap();
        assert!(is_at_end(&mut receiver));
        assert_eq!(edge.counts().idle_closed, 1);
    });
}

#[test]
fn stopping_closes_port_and_connections() {
    both(|backend| {
        let (edge, offered) = handed(backend, Limits::default());
        let address = edge.local_addr();
        let (mut sender, mut receiver) = tcp_client::connect(address).unwrap();
        sender.send(&[1]).unwrap();
        sender.flush().unwrap();
        let (_, reply) = offered.recv().unwrap();
        drop(edge);
        assert!(is_at_end(&mut receiver));
        reply.send(Reply::Busy);
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn an_address_in_use_is_said() {
    let edge = TcpIngest::start(config(Backend::Epoll, Limits::default()), Echo).unwrap();
    let mut second = config(Backend::Epoll, Limits::default());
    second.listen = edge.local_addr();
    let Err(error) = TcpIngest::start(second, Echo) else { panic!("two edges on one port") };
    assert!(error.to_string().contains(&edge.local_addr().to_string()), "{error}");
}
