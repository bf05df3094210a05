//! The operator's way in: a Unix socket in the home directory, for whoever may enter it. What is here can stop a node from
//! taking its turns, so it is never served on the JSON-RPC address.
//!
//! One line of JSON is a request ([`Request`]), one line the answer ([`Answer`]); then the connection is closed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use horae_control::ControlState;
use horae_runtime::Cell;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tracing::{info, warn};

use crate::replica::{EndSlotQuestion, Input, ReplicaInbox, RunningSlot};

/// Longest request or answer, in bytes.
const LINE_BYTES: u64 = 4 * 1024;
/// Connections at a time.
const CONNECTIONS: usize = 8;
/// Longest that a connection may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How this node stands.
    Standing,
    /// Take this node out of its turns: planned downtime.
    Drain,
    /// Put it back.
    Resume,
    /// End the running slot at its next block, if it is this node's.
    EndSlot,
}

/// What the node says to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// How this node stands, after what was asked for.
    Standing(Standing),
    /// The slot ends at its next block.
    Ends {
        /// The slot.
        slot: u64,
    },
    /// The running slot is not this node's.
    NotOurs {
        /// The running slot.
        slot: u64,
        /// Whose it is, if a term is open.
        sequencer: Option<Address>,
    },
    /// Not understood.
    Refused {
        /// Why.
        why: String,
    },
}

/// How a node stands with its turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The validator.
    pub validator: Address,
    /// The operator has taken it out of its turns.
    pub drained: bool,
    /// Why it cannot take its turns, apart from that.
    pub trouble: Option<String>,
    /// Its turns are passed over by decision.
    pub skipped: bool,
    /// The decision holds at the next handover, and the running slot is another's.
    pub out: bool,
    /// The running slot.
    pub slot: u64,
    /// Whose it is, if a term is open.
    pub sequencer: Option<Address>,
    /// Validators whose turns are passed over by decision.
    pub passed_over: Vec<Address>,
}

/// What the edge needs of the node.
pub struct Admin {
    /// This validator.
    pub me: Address,
    /// The replica.
    pub replica: ReplicaInbox,
    /// The slot that runs.
    pub running: Cell<RunningSlot>,
    /// What the control plane has decided.
    pub control_state: watch::Receiver<Arc<ControlState>>,
    /// For the council: the operator has taken this node out of its turns.
    pub drained: watch::Sender<bool>,
    /// Why this node cannot take its turns, if it cannot.
    pub trouble: watch::Receiver<Option<String>>,
}

/// Why the operator got no answer, or the edge did not start.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Nobody listens.
    #[error("no node runs on this home: nobody listens on {}", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket.
    #[error("{}: {source}", socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer is none.
    #[error("the node gave no answer that can be read: {0}")]
    Unreadable(String),
}

impl Admin {
    fn standing(&self) -> Standing {
        let running = self.running.latest();
        let state = self.control_state.borrow().clone();
        let skips = state.open_term().map(|term| &term.skips);
        let since = skips.and_then(|skips| skips.since(&self.me));
        let is_member = state.epoch().set.get(&self.me).is_some();
        let holds = since.is_some_and(|height| height <= running.control_height);
        Standing {
            validator: self.me,
            drained: *self.drained.borrow(),
            trouble: self.trouble.borrow().clone(),
            skipped: since.is_some(),
            out: (holds || !is_member) && running.sequencer != Some(self.me),
            slot: running.slot,
            sequencer: running.sequencer,
            passed_over: skips.map_or(Vec::new(), |skips| skips.latest().to_vec()),
        }
    }

    fn drain(&self, drained: bool) -> Answer {
        info!(drained, "the operator's word on this node's turns");
        self.replica.tell(Input::Drain(drained));
        self.drained.send_replace(drained);
        Answer::Standing(self.standing())
    }

    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Standing => Answer::Standing(self.standing()),
            Request::Drain => self.drain(true),
            Request::Resume => self.drain(false),
            Request::EndSlot => {
                let (reply, ends) = oneshot::channel();
                self.replica.tell(Input::EndSlot(EndSlotQuestion { reply }));
                match ends.await {
                    Ok(Some(slot)) => Answer::Ends { slot },
                    _ => {
                        let running = self.running.latest();
                        Answer::NotOurs { slot: running.slot, sequencer: running.sequencer }
                    }
                }
            }
        }
    }

    async fn serve_one(&self, mut stream: UnixStream) -> io::Result<()> {
        let answer = match read_line(&mut stream).await {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(request) => self.answer(request).await,
                Err(why) => Answer::Refused { why: why.to_string() },
            },
            Err(why) => Answer::Refused { why: why.to_string() },
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        stream.write_all(&line).await
    }
}

/// A path to the socket that is short enough for the system, whatever the home is called: by its open directory, which is
/// to be kept open while the path is used.
fn short(socket: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(socket.parent().unwrap_or(Path::new(".")))?;
    let name = socket.file_name().unwrap_or_default();
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((directory, path))
}

/// Listens on the socket, readable by the owner only; what an earlier process left there is removed. The caller holds the
/// home's lock.
pub fn serve(socket: &Path, admin: Admin) -> Result<Serving, AdminError> {
    let io = |source| AdminError::Io { socket: socket.to_owned(), source };
    match std::fs::remove_file(socket) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(io(why)),
        _ => {}
    }
    let (_directory, path) = short(socket).map_err(io)?;
    let listener = UnixListener::bind(path).map_err(io)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    let listening = tokio::spawn(listen(listener, Arc::new(admin)));
    Ok(Serving { socket: socket.to_owned(), listening })
}

/// The socket while it is served; it goes with this value.
#[derive(Debug)]
pub struct Serving {
    socket: PathBuf,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.listening.abort();
        // Whoever starts next on this home removes what is left.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn listen(listener: UnixListener, admin: Arc<Admin>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let admin = admin.clone();
                tokio::spawn(async move {
                    match tokio::time::timeout(TIMEOUT, admin.serve_one(stream)).await {
                        Ok(Err(why)) => warn!(%why, "an admin connection broke"),
                        Err(_) => warn!("an admin connection took too long"),
                        Ok(Ok(())) => {}
                    }
                    drop(permit);
                });
            }
            Err(why) => {
                warn!(%why, "no admin connection");
                tokio::time::sleep(TIMEOUT).await;
            }
        }
    }
}

/// Asks the node that runs on the home with this socket.
pub async fn ask(socket: &Path, request: Request) -> Result<Answer, AdminError> {
    let io = |source| AdminError::Io { socket: socket.to_owned(), source };
    let not_there = |why: io::Error| match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AdminError::NotRunning { socket: socket.to_owned() }
        }
        _ => io(why),
    };
    let (_directory, path) = short(socket).map_err(not_there)?;
    let mut stream = UnixStream::connect(path).await.map_err(not_there)?;
    let mut line = serde_json::to_vec(&request).map_err(|why| AdminError::Unreadable(why.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(io)?;
    let answer = tokio::time::timeout(2 * TIMEOUT, read_line(&mut stream)).await;
    let line = answer.map_err(|_| AdminError::Unreadable("nothing came".to_owned()))?.map_err(io)?;
    serde_json::from_str(&line).map_err(|why| AdminError::Unreadable(why.to_string()))
}

async fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES)).read_line(&mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::{B256, U256};
    use horae_control::{Candidate, ControlParams, Domain, Genesis, L1View, limits::MIN_STAKE};
    use horae_runtime::Waker;

    use super::*;
    use crate::replica::inbox::InboxReader;

    struct Setup {
        _dir: tempfile::TempDir,
        socket: PathBuf,
        _serving: Serving,
        inbox: InboxReader,
        drained: watch::Receiver<bool>,
        _state: watch::Sender<Arc<ControlState>>,
        _trouble: watch::Sender<Option<String>>,
    }

    fn setup(running: RunningSlot) -> Setup {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a-home-with-a-long-name".repeat(5));
        std::fs::create_dir(&deep).unwrap();
        let me = Address::repeat_byte(7);
        let genesis = Genesis {
            domain: Domain { chain_id: 1, locking: Address::ZERO },
            l1_view: L1View { number: 1, hash: B256::ZERO },
            validators: vec![Candidate { id: 1, signer: me, node_key: [1; 32], stake: U256::from(MIN_STAKE) }],
            seed: B256::ZERO,
            block_hash: B256::ZERO,
            params: ControlParams::devnet(),
        };
        let (state, control_state) = watch::channel(Arc::new(ControlState::genesis(&genesis).unwrap()));
        let (drained, drained_seen) = watch::channel(false);
        let (trouble, trouble_seen) = watch::channel(Some("a reason".to_owned()));
        let (replica, inbox) = ReplicaInbox::new(Waker::from_fn(|| {}));
        let socket = deep.join("admin.sock");
        let running = Cell::new(running);
        let admin = Admin { me, replica, running, control_state, drained, trouble: trouble_seen };
        let serving = serve(&socket, admin).unwrap();
        Setup { _dir: dir, socket, _serving: serving, inbox, drained: drained_seen, _state: state, _trouble: trouble }
    }

    #[tokio::test]
    async fn drain_and_resume_reach_replica_and_council() {
        let setup = setup(RunningSlot { slot: 4, ..RunningSlot::default() });
        for (request, drained) in [(Request::Drain, true), (Request::Resume, false)] {
            let Answer::Standing(standing) = ask(&setup.socket, request).await.unwrap() else { panic!("no standing") };
            assert_eq!((standing.drained, standing.slot, standing.out), (drained, 4, false));
            assert_eq!(standing.trouble.as_deref(), Some("a reason"));
            assert_eq!(*setup.drained.borrow(), drained);
            assert!(matches!(setup.inbox.pop(), Some(Input::Drain(said)) if said == drained));
        }
    }

    #[tokio::test]
    async fn a_slot_that_is_not_ours_is_not_ended() {
        let other = Address::repeat_byte(9);
        let setup = setup(RunningSlot { slot: 4, sequencer: Some(other), ..RunningSlot::default() });
        for ours in [None, Some(4)] {
            let asked = ask(&setup.socket, Request::EndSlot);
            let answered = async {
                loop {
                    if let Some(Input::EndSlot(EndSlotQuestion { reply })) = setup.inbox.pop() {
                        return reply.send(ours).unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            };
            let both = async { tokio::join!(asked, answered) };
            let (answer, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
            let expected = match ours {
                Some(slot) => Answer::Ends { slot },
                None => Answer::NotOurs { slot: 4, sequencer: Some(other) },
            };
            assert_eq!(answer.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn only_the_owner_may_ask_and_nonsense_is_refused() {
        let setup = setup(RunningSlot::default());
        assert_eq!(std::fs::metadata(&setup.socket).unwrap().permissions().mode() & 0o777, 0o600);
        for nonsense in ["{\"command\":\"explode\"}\n".to_owned(), "x".repeat(2 * LINE_BYTES as usize) + "\n"] {
            let (_directory, path) = short(&setup.socket).unwrap();
            let mut stream = UnixStream::connect(path).await.unwrap();
            // The node may have answered and gone before all is written.
            let _ = stream.write_all(nonsense.as_bytes()).await;
            let answer = read_line(&mut stream).await;
            assert!(answer.map_or(true, |line| line.contains("refused")));
        }
        assert!(matches!(ask(&setup.socket, Request::Standing).await, Ok(Answer::Standing(_))));
        let nobody = setup.socket.with_file_name("other.sock");
        assert!(matches!(ask(&nobody, Request::Standing).await, Err(AdminError::NotRunning { .. })));
    }
}
