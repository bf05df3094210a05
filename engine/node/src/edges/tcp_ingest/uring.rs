//! The twin on `io_uring`, by `tokio-uring`: one thread, one task a connection for reading and writing.
//!
//! No accept or receive is ever inside a `select!`: a future dropped there could take a connection or bytes with it. A
//! connection is ended by shutting its socket down, which completes what is under way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_uring::net::TcpStream;

use super::{ACCEPT_RETRY_MS, READ_BYTES, SWEEP_MS, Shared};
use crate::edges::intake::{Intake, Session, count};

/// Operations that are handed to the kernel at once.
const RING_ENTRIES: u32 = 256;

/// Spawns the thread and sets up the ring on it; returns what the kernel says.
pub(super) fn start(listener: TcpListener, shared: Shared, intake: impl Intake) -> io::Result<JoinHandle<()>> {
    let (report, reported) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("tcp-ingest".to_owned()).spawn(move || {
        let runtime = match tokio_uring::Runtime::new(tokio_uring::builder().entries(RING_ENTRIES)) {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error))),
        };
        shared.settle_thread();
        let bell = Arc::new(Notify::new());
        let ringer = Arc::clone(&bell);
        shared.replies.set_bell(move || ringer.notify_one());
        if report.send(Ok(())).is_err() {
            return;
        }
        runtime.block_on(run(listener, shared, intake, bell));
    })?;
    match reported.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the thread died while the ring was set up")),
    }
}

struct Twin<I> {
    intake: I,
    shared: Shared,
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    /// Rung when the first connection comes: without any, nothing need be swept.
    busy: Notify,
    started: Instant,
}

struct Connection {
    stream: TcpStream,
    session: RefCell<Session>,
    /// There is something to send, or nothing more will come.
    to_send: Notify,
    /// There may be room to read again.
    room: Notify,
}

async fn run<I: Intake>(listener: TcpListener, shared: Shared, intake: I, bell: Arc<Notify>) {
    let replies = Arc::clone(&shared.replies);
    let twin =
        Rc::new(Twin { intake, shared, connections: RefCell::default(), busy: Notify::new(), started: Instant::now() });
    tokio_uring::spawn(accept(Rc::clone(&twin), tokio_uring::net::TcpListener::from_std(listener)));
    tokio_uring::spawn(sweep(Rc::clone(&twin)));
    while !replies.is_stopped() {
        bell.notified().await;
        twin.take_replies();
    }
    twin.connections.borrow().values().for_each(|connection| connection.shut_down());
}

async fn accept<I: Intake>(twin: Rc<Twin<I>>, listener: tokio_uring::net::TcpListener) {
    for id in 0u64.. {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "framed TCP: cannot accept a connection");
                count(&twin.shared.counters.accept_errors);
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                continue;
            }
        };
        if twin.connections.borrow().len() >= twin.shared.limits.connections_max {
            count(&twin.shared.counters.turned_away);
            continue;
        }
        if stream.set_nodelay(true).is_err() {
            count(&twin.shared.counters.accept_errors);
            continue;
        }
        let connection = Rc::new(Connection {
            stream,
            session: RefCell::new(Session::new(twin.shared.bounds(), twin.now_ms())),
            to_send: Notify::new(),
            room: Notify::new(),
        });
        twin.connections.borrow_mut().insert(id, Rc::clone(&connection));
        twin.busy.notify_one();
        count(&twin.shared.counters.accepted);
        tokio_uring::spawn(serve(Rc::clone(&twin), connection, id));
    }
}

async fn serve<I: Intake>(twin: Rc<Twin<I>>, connection: Rc<Connection>, id: u64) {
    tokio::join!(receive(&twin, &connection, id), send(&twin, &connection));
    twin.connections.borrow_mut().remove(&id);
    count(&twin.shared.counters.ended);
}

async fn receive<I: Intake>(twin: &Twin<I>, connection: &Connection, id: u64) {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    loop {
        // What was read beyond the bounds comes first, then the socket.
        let taken_apart =
            connection.session.borrow_mut().resume(twin.now_ms(), |sequence, frame| twin.offer(id, sequence, frame));
        if twin.is_violation(connection, taken_apart) {
            break;
        }
        connection.to_send.notify_one();
        let (may_read, is_done) = {
            let session = connection.session.borrow();
            (session.may_read(), session.is_closed() || session.is_input_done())
        };
        if is_done {
            break;
        }
        if !may_read {
            connection.room.notified().await;
            continue;
        }
        buffer.clear();
        let (read, returned) = connection.stream.read(buffer).await;
        buffer = returned;
        let Ok(bytes @ 1..) = read else {
            connection.session.borrow_mut().end_input();
            continue;
        };
        let taken_apart = connection
            .session
            .borrow_mut()
            .read(&buffer[..bytes], twin.now_ms(), |sequence, frame| twin.offer(id, sequence, frame));
        if twin.is_violation(connection, taken_apart) {
            break;
        }
    }
    connection.to_send.notify_one();
}

async fn send<I: Intake>(twin: &Twin<I>, connection: &Connection) {
    let mut spare = Vec::new();
    loop {
        {
            let session = connection.session.borrow();
            if session.is_finished() || session.is_closed() {
                break;
            }
        }
        if connection.session.borrow().out().is_empty() {
            connection.to_send.notified().await;
            continue;
        }
        let bytes = connection.session.borrow_mut().take_out(spare);
        let (sent, mut returned) = connection.stream.write_all(bytes).await;
        if sent.is_err() {
            connection.shut_down();
            break;
        }
        returned.clear();
        spare = returned;
        connection.session.borrow_mut().sending_done(twin.now_ms());
        connection.room.notify_one();
    }
    connection.room.notify_one();
}

async fn sweep<I: Intake>(twin: Rc<Twin<I>>) {
    loop {
        if twin.connections.borrow().is_empty() {
            twin.busy.notified().await;
        }
        tokio::time::sleep(Duration::from_millis(SWEEP_MS)).await;
        let now_ms = twin.now_ms();
        for connection in twin.connections.borrow().values() {
            let stalled = connection.session.borrow().is_stalled(now_ms);
            if stalled && !connection.session.borrow().is_closed() {
                count(&twin.shared.counters.idle_closed);
                connection.shut_down();
            }
        }
        twin.shared.counters.publish("tcp");
    }
}

impl<I: Intake> Twin<I> {
    fn offer(&self, connection: u64, sequence: u64, frame: &[u8]) -> bool {
        let taken = self.shared.replies.offer(&self.intake, connection, sequence, frame);
        count(if taken { &self.shared.counters.offered } else { &self.shared.counters.busy });
        taken
    }

    fn is_violation(&self, connection: &Connection, taken_apart: Result<(), crate::edges::intake::Violation>) -> bool {
        let Err(violation) = taken_apart else { return false };
        tracing::debug!(%violation, "framed TCP: a connection is closed");
        count(&self.shared.counters.junk_closed);
        connection.shut_down();
        true
    }

    fn take_replies(&self) {
        self.shared.replies.answer_bell();
        let connections = self.connections.borrow();
        let now_ms = self.now_ms();
        while let Some(settled) = self.shared.replies.take() {
            let Some(connection) = connections.get(&settled.connection) else { continue };
            connection.session.borrow_mut().settle(settled.sequence, &settled.reply, now_ms);
            count(&self.shared.counters.answered);
            connection.to_send.notify_one();
            connection.room.notify_one();
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Connection {
    /// Ends the connection now: completes a read or write that is under way, and both loops then end.
    fn shut_down(&self) {
        self.session.borrow_mut().close();
        // It fails when the other side was faster, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.to_send.notify_one();
        self.room.notify_one();
    }
}
