//! Framed TCP ingest: the fastest way in for a client that has many transactions to send.
//!
//! Two twins do the moving: `io_uring` (on `tokio-uring`) and `epoll` (on `mio`), each on one thread of its own. What a
//! connection may do, and when it is closed, is decided by the same session for both. The wire format is in
//! [`super::intake`].
//!
//! Bounds: connections, frame length, unanswered frames and unsent bytes a connection (then it is not read from until the
//! client reads), unanswered frames in all (then [`Reply::Busy`](super::intake::Reply::Busy)), and silence.

mod epoll;
mod replies;
mod uring;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use self::replies::Replies;
use super::intake::{Bounds, Counters, Counts, Intake, TRANSACTION_BYTES_MAX};

/// Which twin to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// `io_uring` where the kernel grants it, else `epoll`, which is logged and counted.
    #[default]
    Auto,
    /// `io_uring`, or fail to start.
    IoUring,
    /// `epoll`, without asking for `io_uring`.
    Epoll,
}

/// Bounds of the edge. The defaults suit a public node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// Longest frame, bytes; a longer one closes the connection.
    pub frame_bytes_max: usize,
    /// Frames of one connection without an answer; at the limit it is not read from.
    pub unanswered_max: usize,
    /// Frames of all connections without an answer; at the limit they are told busy.
    pub unanswered_total_max: usize,
    /// Bytes of answers that a client has not read; at the limit it is not read from.
    pub unsent_bytes_max: usize,
    /// A connection on which no frame ends and no answer goes out for so long, with none owed to it, is closed.
    pub idle_timeout_ms: u64,
}

/// How often silence is looked for, milliseconds; only while there are connections.
const SWEEP_MS: u64 = 1_000;

/// Bytes read from a connection at a time.
const READ_BYTES: usize = 32 * 1024;

/// How long to wait when the system gives no connection (out of descriptors, say), milliseconds.
const ACCEPT_RETRY_MS: u64 = 100;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            frame_bytes_max: TRANSACTION_BYTES_MAX,
            unanswered_max: 4_096,
            unanswered_total_max: 65_536,
            unsent_bytes_max: 256 * 1024,
            idle_timeout_ms: 60_000,
        }
    }
}

/// How to run the edge.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which twin.
    pub backend: Backend,
    /// Bounds.
    pub limits: Limits,
    /// Core to bind the thread to, if any.
    pub core: Option<usize>,
}

/// Why the edge could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen for framed TCP on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// `io_uring` was demanded and the kernel refused it.
    #[error(
        "io_uring was asked for (backend = \"io-uring\") but the kernel refuses it: {0}; use \"auto\" or \"epoll\""
    )]
    UringRefused(io::Error),
    /// The twin could not be set up.
    #[error("cannot start the framed TCP edge: {0}")]
    Setup(#[from] io::Error),
}

/// A running edge. Dropping it closes the port and every connection.
pub struct TcpIngest {
    local_addr: SocketAddr,
    backend: Backend,
    counters: Arc<Counters>,
    replies: Arc<Replies>,
    thread: Option<JoinHandle<()>>,
}

impl TcpIngest {
    /// Starts listening and delivering to `intake`.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(config: Config, intake: impl Intake) -> Result<Self, StartError> {
        let listen = config.listen;
        let at = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).map_err(at)?;
        let local_addr = listener.local_addr().map_err(at)?;
        let counters = Arc::new(Counters::default());
        let shared = Shared {
            limits: config.limits,
            core: config.core,
            counters: Arc::clone(&counters),
            replies: Arc::new(Replies::new(config.limits.unanswered_total_max)),
        };
        let replies = Arc::clone(&shared.replies);
        let (backend, thread) = match config.backend {
            Backend::Epoll => (Backend::Epoll, epoll::start(listener, shared, intake)?),
            Backend::IoUring => {
                let thread = uring::start(listener, shared, intake).map_err(StartError::UringRefused)?;
                (Backend::IoUring, thread)
            }
            Backend::Auto => match uring::start(listener.try_clone()?, shared.clone(), intake.clone()) {
                Ok(thread) => (Backend::IoUring, thread),
                Err(refused) => {
                    tracing::warn!(%refused, "io_uring is not available: framed TCP runs on epoll");
                    metrics::counter!("horae_io_uring_refused_total", "edge" => "tcp_ingest").increment(1);
                    (Backend::Epoll, epoll::start(listener, shared, intake)?)
                }
            },
        };
        tracing::info!(%local_addr, ?backend, "framed TCP ingest listens");
        Ok(Self { local_addr, backend, counters, replies, thread: Some(thread) })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The twin that runs, never [`Backend::Auto`].
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What it has counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }
}

impl Drop for TcpIngest {
    fn drop(&mut self) {
        self.replies.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a twin is given. The seam between the two is one function each, `start(listener, shared, intake)`: it sets up and
/// spawns the twin's thread, which runs until [`Replies::stop`], and finds out on the way what the kernel refuses.
#[derive(Clone)]
struct Shared {
    limits: Limits,
    core: Option<usize>,
    counters: Arc<Counters>,
    replies: Arc<Replies>,
}

impl Shared {
    fn bounds(&self) -> Bounds {
        Bounds {
            frame_bytes_max: self.limits.frame_bytes_max,
            unanswered_max: self.limits.unanswered_max,
            unsent_bytes_max: self.limits.unsent_bytes_max,
            idle_timeout_ms: self.limits.idle_timeout_ms,
        }
    }

    /// First thing on the twin's thread.
    fn settle_thread(&self) {
        if let Some(core) = self.core
            && let Err(error) = horae_runtime::pin::pin_current_thread(core)
        {
            tracing::warn!(%error, "framed TCP ingest runs unpinned");
            metrics::counter!("horae_unpinned_total", "thread" => "tcp-ingest").increment(1);
        }
    }
}
