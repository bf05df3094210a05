//! The two threads of an established link.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tendermint_p2p::secret_connection::{Receiver, Sender};

use super::{
    Junk, Links,
    frames::{Reframer, put},
    name,
    queue::Queue,
};
use crate::{NodeKey, limits};

/// `tendermint-p2p` 0.41 panics when a read has less room than the frame that arrives (1,024 bytes at most).
const READ_BYTES: usize = 4096;
/// Messages are joined up to about this size before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// Why a link ended.
enum End {
    Io(io::Error),
    Junk(Junk),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Junk> for End {
    fn from(junk: Junk) -> Self {
        Self::Junk(junk)
    }
}

/// Starts the threads. The reading one removes the link when it ends; the writing one ends it by closing the socket.
pub(super) fn run(
    links: Arc<Links>,
    peer: NodeKey,
    generation: u64,
    (sender, receiver): (Sender<TcpStream>, Receiver<TcpStream>),
    queue: Arc<Queue>,
    stream: TcpStream,
) {
    let writing = {
        let (queue, stream) = (queue, stream.try_clone());
        let builder = thread::Builder::new().name(format!("link-out-{}", name(&peer)));
        builder.spawn(move || {
            let _ = catch_unwind(AssertUnwindSafe(|| write(sender, &queue)));
            queue.close();
            if let Ok(stream) = stream {
                let _ = stream.shutdown(Shutdown::Both);
            }
        })
    };
    let reading = {
        let links = links.clone();
        let builder = thread::Builder::new().name(format!("link-in-{}", name(&peer)));
        builder.spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| read(&links, peer, receiver)));
            let why = match ended {
                Ok(End::Io(error)) => error.to_string(),
                Ok(End::Junk(Junk(what))) => {
                    tracing::warn!(peer = %name(&peer), what, "a peer sent junk: link closed");
                    links.junk();
                    format!("junk: {what}")
                }
                Err(_) => {
                    links.junk();
                    "what it sent made the reader panic".into()
                }
            };
            links.leave(peer, generation, &why);
        })
    };
    if let Some(error) = writing.err().or(reading.err()) {
        tracing::error!(%error, "cannot start the threads of a link");
        let _ = stream.shutdown(Shutdown::Both);
        // Not here: the caller holds the lock that `leave` takes.
        tokio::task::spawn_blocking(move || links.leave(peer, generation, "no threads"));
    }
}

fn write(mut sender: Sender<TcpStream>, queue: &Queue) -> io::Result<()> {
    let mut out = Vec::new();
    while let Some(messages) = queue.take(limits::KEEPALIVE) {
        out.clear();
        if messages.is_empty() {
            put(&mut out, &[]);
        }
        for message in messages {
            put(&mut out, &message);
            if out.len() >= WRITE_BYTES {
                sender.write_all(&out)?;
                out.clear();
            }
        }
        if !out.is_empty() {
            sender.write_all(&out)?;
        }
    }
    Ok(())
}

fn read(links: &Links, peer: NodeKey, mut receiver: Receiver<TcpStream>) -> End {
    let mut pace = Pace::new();
    let mut frames = Reframer::default();
    let mut chunk = [0; READ_BYTES];
    let mut step = || -> Result<(), End> {
        let n = receiver.read(&mut chunk)?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        frames.push(&chunk[..n]);
        while let Some(message) = frames.next()? {
            pace.wait();
            if !message.is_empty() {
                links.sink.message(peer, message)?;
            }
        }
        Ok(())
    };
    loop {
        if let Err(end) = step() {
            return end;
        }
    }
}

/// Keeps the messages of one peer to a rate, since what they lead to is queued without a bound inside the engine.
struct Pace {
    credit: f64,
    at: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { credit: f64::from(limits::PEER_MESSAGE_BURST), at: Instant::now() }
    }

    fn wait(&mut self) {
        if self.credit < 1.0 {
            let now = Instant::now();
            let rate = f64::from(limits::PEER_MESSAGES_PER_SECOND);
            self.credit =
                (self.credit + (now - self.at).as_secs_f64() * rate).min(f64::from(limits::PEER_MESSAGE_BURST));
            self.at = now;
            if self.credit < 1.0 {
                metrics::counter!("horae_tendermint_peer_throttled_total").increment(1);
                thread::sleep(Duration::from_secs_f64((1.0 - self.credit) / rate));
                self.credit = 1.0;
            }
        }
        self.credit -= 1.0;
    }
}
