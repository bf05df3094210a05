//! The twin on epoll, by `mio`: one thread, readiness events, one read buffer for all.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};

use super::{ACCEPT_RETRY_MS, READ_BYTES, SWEEP_MS, Shared};
use crate::edges::intake::{Intake, Session, count};

const LISTENER: Token = Token(usize::MAX);
const BELL: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 256;

/// Reads from one connection before the others have their turn.
const READS_A_TURN_MAX: usize = 8;

/// Sets up the listener and spawns the thread.
pub(super) fn start(listener: TcpListener, shared: Shared, intake: impl Intake) -> io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let poll = Poll::new()?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Waker::new(poll.registry(), BELL)?;
    shared.replies.set_bell(move || {
        if let Err(error) = waker.wake() {
            tracing::error!(%error, "framed TCP: cannot wake the epoll thread");
        }
    });
    std::thread::Builder::new().name("tcp-ingest".to_owned()).spawn(move || {
        shared.settle_thread();
        let twin = Epoll {
            poll,
            listener,
            intake,
            connections: Vec::new(),
            free: Vec::new(),
            open: 0,
            turns: Vec::new(),
            buffer: vec![0; READ_BYTES],
            accept_again: false,
            started: Instant::now(),
            swept_ms: 0,
            shared,
        };
        twin.run();
    })
}

struct Epoll<I> {
    poll: Poll,
    listener: mio::net::TcpListener,
    intake: I,
    shared: Shared,
    connections: Vec<Place>,
    free: Vec<usize>,
    open: usize,
    /// Connections that have something to do, by place.
    turns: Vec<usize>,
    buffer: Vec<u8>,
    accept_again: bool,
    started: Instant,
    swept_ms: u64,
}

/// A place for a connection; the generation tells late answers for an earlier one apart.
#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Connection>,
}

struct Connection {
    stream: mio::net::TcpStream,
    session: Session,
    readable: bool,
    writable: bool,
    has_turn: bool,
}

impl<I: Intake> Epoll<I> {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.shared.replies.is_stopped() {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "framed TCP: epoll failed, the edge closes");
                    metrics::counter!("horae_ingest_edge_failures_total", "edge" => "tcp").increment(1);
                    return;
                }
            }
            for event in &events {
                self.note(event);
            }
            if std::mem::take(&mut self.accept_again) {
                self.accept();
            }
            for place in std::mem::take(&mut self.turns) {
                self.turn(place);
            }
            self.sweep();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.turns.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.accept_again {
            return Some(Duration::from_millis(ACCEPT_RETRY_MS));
        }
        (self.open > 0).then_some(Duration::from_millis(SWEEP_MS))
    }

    fn note(&mut self, event: &Event) {
        match event.token() {
            LISTENER => self.accept_again = true,
            BELL => self.take_replies(),
            Token(place) => {
                if let Some(connection) = self.connections.get_mut(place).and_then(|place| place.connection.as_mut()) {
                    connection.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                    connection.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
                    self.give_turn(place);
                }
            }
        }
    }

    fn take_replies(&mut self) {
        self.shared.replies.answer_bell();
        let now_ms = self.now_ms();
        while let Some(settled) = self.shared.replies.take() {
            let (place, generation) = split(settled.connection);
            let Some(found) = self.connections.get_mut(place).filter(|found| found.generation == generation) else {
                continue;
            };
            let Some(connection) = &mut found.connection else { continue };
            connection.session.settle(settled.sequence, &settled.reply, now_ms);
            count(&self.shared.counters.answered);
            self.give_turn(place);
        }
    }

    fn give_turn(&mut self, place: usize) {
        if let Some(connection) = self.connections.get_mut(place).and_then(|place| place.connection.as_mut())
            && !connection.has_turn
        {
            connection.has_turn = true;
            self.turns.push(place);
        }
    }

    fn accept(&mut self) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(%error, "framed TCP: cannot accept a connection");
                    count(&self.shared.counters.accept_errors);
                    self.accept_again = true;
                    return;
                }
            };
            if self.open >= self.shared.limits.connections_max {
                count(&self.shared.counters.turned_away);
                continue;
            }
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(Place::default());
                self.connections.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut stream, Token(place), interest);
            if registered.and_then(|()| stream.set_nodelay(true)).is_err() {
                count(&self.shared.counters.accept_errors);
                self.free.push(place);
                continue;
            }
            let session = Session::new(self.shared.bounds(), self.now_ms());
            self.connections[place].connection =
                Some(Connection { stream, session, readable: true, writable: true, has_turn: false });
            self.open += 1;
            count(&self.shared.counters.accepted);
            self.give_turn(place);
        }
    }

    /// Reads, offers and writes as far as the connection and its bounds allow.
    fn turn(&mut self, place: usize) {
        let now_ms = self.now_ms();
        let Some(found) = self.connections.get_mut(place) else { return };
        let id = join(place, found.generation);
        let Some(connection) = &mut found.connection else { return };
        connection.has_turn = false;
        match connection.turn(id, now_ms, &mut self.buffer, &self.shared, &self.intake) {
            Turn::Done => {}
            Turn::More => self.give_turn(place),
            Turn::Close => self.close(place),
        }
    }

    fn close(&mut self, place: usize) {
        let Some(found) = self.connections.get_mut(place) else { return };
        if let Some(mut connection) = found.connection.take() {
            // Dropping the stream closes it, whatever epoll says here.
            let _ = self.poll.registry().deregister(&mut connection.stream);
            found.generation = found.generation.wrapping_add(1);
            self.free.push(place);
            self.open -= 1;
            count(&self.shared.counters.ended);
        }
    }

    fn sweep(&mut self) {
        let now_ms = self.now_ms();
        if now_ms.saturating_sub(self.swept_ms) < SWEEP_MS {
            return;
        }
        self.swept_ms = now_ms;
        for place in 0..self.connections.len() {
            let stalled =
                self.connections[place].connection.as_ref().is_some_and(|open| open.session.is_stalled(now_ms));
            if stalled {
                count(&self.shared.counters.idle_closed);
                self.close(place);
            }
        }
        self.shared.counters.publish("tcp");
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

enum Turn {
    Done,
    More,
    Close,
}

impl Connection {
    fn turn(&mut self, id: u64, now_ms: u64, buffer: &mut [u8], shared: &Shared, intake: &impl Intake) -> Turn {
        let mut offer = |sequence: u64, frame: &[u8]| {
            let taken = shared.replies.offer(intake, id, sequence, frame);
            count(if taken { &shared.counters.offered } else { &shared.counters.busy });
            taken
        };
        let mut taken_apart = self.session.resume(now_ms, &mut offer);
        let mut reads = 0;
        while taken_apart.is_ok() && self.readable && self.session.may_read() && reads < READS_A_TURN_MAX {
            reads += 1;
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.session.end_input();
                    self.readable = false;
                }
                Ok(bytes) => taken_apart = self.session.read(&buffer[..bytes], now_ms, &mut offer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Turn::Close,
            }
        }
        if let Err(violation) = taken_apart {
            tracing::debug!(%violation, "framed TCP: a connection is closed");
            count(&shared.counters.junk_closed);
            return Turn::Close;
        }
        while self.writable && !self.session.out().is_empty() {
            match self.stream.write(self.session.out()) {
                Ok(bytes) => self.session.sent(bytes, now_ms),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Turn::Close,
            }
        }
        if self.session.is_finished() {
            Turn::Close
        } else if self.session.may_resume() || (self.readable && self.session.may_read()) {
            Turn::More
        } else {
            Turn::Done
        }
    }
}

fn join(place: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | place as u64
}

fn split(id: u64) -> (usize, u32) {
    ((id & u64::from(u32::MAX)) as usize, (id >> 32) as u32)
}
