//! Engines on 127.0.0.1 with a small application behind each.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes};
use ed25519_consensus::SigningKey;
use horae_control::Proof;
use horae_tendermint::{
    Config, Domain, Event, Handle, Listen, NextHeight, NodeKey, Part, Peer, SignerKey, StartError, Timeouts, Validator,
    Verdict,
};
use tokio::{sync::watch, task::JoinHandle};

pub const DOMAIN: Domain = Domain { chain_id: 1088, locking: Address::repeat_byte(0x10) };

/// Waits this long for what must happen; only a failing test waits it out.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// No heartbeat happens within a test.
pub const NEVER: Duration = Duration::from_secs(3600);

type Propose = Box<dyn Fn(u64, u32) -> Bytes + Send + Sync>;
type Check = Box<dyn Fn(u64, &Bytes) -> Answer + Send + Sync>;

/// What an application answers to a proposed value.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Now(Verdict),
    After(Duration, Verdict),
    Never,
}

/// What the application behind an engine does and has seen.
pub struct App {
    pub propose: Propose,
    pub check: Check,
    /// Whether there is always something more to decide.
    pub busy: AtomicBool,
    pub set: Mutex<NextHeight>,
    pub seen: watch::Sender<Seen>,
}

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub decided: Vec<(u64, Bytes, Instant)>,
    pub messages: Vec<(NodeKey, Bytes)>,
    pub evidence: Vec<Proof>,
    pub fatal: Option<(String, Option<PathBuf>)>,
    pub checks: usize,
}

impl App {
    pub fn new(set: NextHeight) -> Self {
        Self {
            propose: Box::new(|height, round| format!("height {height} round {round}").into_bytes().into()),
            check: Box::new(|_, _| Answer::Now(Verdict::Accept)),
            busy: AtomicBool::new(false),
            set: Mutex::new(set),
            seen: watch::channel(Seen::default()).0,
        }
    }

    fn next(&self) -> NextHeight {
        NextHeight { pending: self.busy.load(Ordering::SeqCst), ..self.set.lock().unwrap().clone() }
    }

    fn on(&self, event: Event) {
        match event {
            Event::Propose { height, round, reply, .. } => {
                let _ = reply.send((self.propose)(height, round));
            }
            Event::Check { height, value, reply, .. } => {
                self.seen.send_modify(|seen| seen.checks += 1);
                match (self.check)(height, &value) {
                    Answer::Now(verdict) => {
                        let _ = reply.send(verdict);
                    }
                    Answer::After(wait, verdict) => {
                        tokio::spawn(async move {
                            tokio::time::sleep(wait).await;
                            let _ = reply.send(verdict);
                        });
                    }
                    Answer::Never => {
                        tokio::spawn(async move {
                            let mut reply = reply;
                            reply.closed().await;
                        });
                    }
                }
            }
            Event::Decided { height, value, reply } => {
                self.seen.send_modify(|seen| seen.decided.push((height, value, Instant::now())));
                let _ = reply.send(self.next());
            }
            Event::Message { from, bytes } => self.seen.send_modify(|seen| seen.messages.push((from, bytes))),
            Event::Evidence(evidence) => self.seen.send_modify(|seen| seen.evidence.push(*evidence)),
            Event::Fatal { why, file } => self.seen.send_modify(|seen| seen.fatal = Some((why, file))),
            Event::PeerUp { .. } | Event::PeerDown { .. } => {}
        }
    }
}

/// A running engine and its application.
pub struct Node {
    pub handle: Handle,
    pub app: Arc<App>,
    task: JoinHandle<()>,
}

impl Node {
    pub async fn stop(self) {
        self.handle.shutdown().await;
        self.task.await.unwrap();
    }

    pub fn height(&self) -> u64 {
        self.app.seen.borrow().decided.last().map_or(0, |(height, ..)| *height)
    }

    pub fn values(&self) -> Vec<(u64, Bytes)> {
        self.app.seen.borrow().decided.iter().map(|(height, value, _)| (*height, value.clone())).collect()
    }

    pub async fn until(&self, what: &str, holds: impl FnMut(&Seen) -> bool) {
        let mut seen = self.app.seen.subscribe();
        let found = tokio::time::timeout(PATIENCE, seen.wait_for(holds)).await;
        assert!(found.is_ok(), "{what} never held; at height {}", self.height());
    }

    pub async fn until_height(&self, height: u64) {
        self.until(&format!("height {height}"), |seen| seen.decided.last().is_some_and(|(at, ..)| *at >= height)).await;
    }
}

/// Four validators of weight 1, or more of them that share signer keys.
pub struct Net {
    pub dir: tempfile::TempDir,
    pub node_keys: Vec<SigningKey>,
    /// Signer secret of each node.
    pub signers: Vec<[u8; 32]>,
    pub addresses: Vec<SocketAddr>,
    pub heartbeat: Duration,
    listeners: Mutex<Vec<Option<TcpListener>>>,
}

impl Net {
    pub fn new(signers: &[u8]) -> Self {
        let listeners: Vec<TcpListener> = signers.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        Self {
            dir: tempfile::tempdir().unwrap(),
            node_keys: (0..signers.len()).map(|n| SigningKey::from([n as u8 + 1; 32])).collect(),
            signers: signers.iter().map(|n| [*n; 32]).collect(),
            addresses: listeners.iter().map(|l| l.local_addr().unwrap()).collect(),
            heartbeat: NEVER,
            listeners: Mutex::new(listeners.into_iter().map(Some).collect()),
        }
    }

    pub fn four() -> Self {
        Self::new(&[1, 2, 3, 4])
    }

    pub fn node_key(&self, n: usize) -> NodeKey {
        self.node_keys[n].verification_key().to_bytes()
    }

    pub fn signer(&self, n: usize) -> Address {
        SignerKey::from_bytes(&self.signers[n]).unwrap().address()
    }

    pub fn home(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("node{n}"))
    }

    /// The set of these nodes, weight 1 each.
    pub fn set(&self, nodes: &[usize]) -> NextHeight {
        let validator =
            |n: &usize| Validator { signer: self.signer(*n), node_key: self.node_key(*n), weight: 1, incarnation: 7 };
        NextHeight { epoch: 3, validators: nodes.iter().map(validator).collect(), pending: false }
    }

    pub fn config(&self, n: usize, applied_height: u64, first: NextHeight) -> Config {
        let listener = self.listeners.lock().unwrap()[n].take();
        let peers = (0..self.node_keys.len()).filter(|p| *p != n);
        Config {
            node_key: self.node_keys[n].clone(),
            signer: SignerKey::from_bytes(&self.signers[n]).unwrap(),
            domain: DOMAIN,
            home: self.home(n),
            listen: listener.map_or(Listen::Address(self.addresses[n]), Listen::Bound),
            peers: peers.map(|p| Peer { node_key: self.node_key(p), address: self.addresses[p] }).collect(),
            allowed: (0..self.node_keys.len()).map(|p| self.node_key(p)).collect(),
            timeouts: Timeouts::default(),
            heartbeat: self.heartbeat,
            applied_height,
            first,
            part: Some(Part::Validator),
        }
    }

    pub async fn try_start(&self, n: usize, applied_height: u64, app: App) -> Result<Node, StartError> {
        self.start_as(Some(Part::Validator), n, applied_height, app).await
    }

    pub async fn start_as(
        &self,
        part: Option<Part>,
        n: usize,
        applied_height: u64,
        app: App,
    ) -> Result<Node, StartError> {
        let first = app.next();
        let config = Config { part, ..self.config(n, applied_height, first) };
        let (handle, mut events) = horae_tendermint::spawn(config).await?;
        let app = Arc::new(app);
        let task = tokio::spawn({
            let app = app.clone();
            async move {
                while let Some(event) = events.recv().await {
                    app.on(event);
                }
            }
        });
        Ok(Node { handle, app, task })
    }

    pub async fn start(&self, n: usize, applied_height: u64, app: App) -> Node {
        self.try_start(n, applied_height, app).await.unwrap()
    }

    /// All nodes, each with the set of the first four and the application that `app` makes of it.
    pub async fn start_all(&self, app: impl Fn(usize, App) -> App) -> Vec<Node> {
        let mut nodes = Vec::new();
        for n in 0..self.node_keys.len() {
            let base = App::new(self.set(&[0, 1, 2, 3]));
            nodes.push(self.start(n, 0, app(n, base)).await);
        }
        nodes
    }
}

pub fn busy(app: App) -> App {
    app.busy.store(true, Ordering::SeqCst);
    app
}

pub fn by(n: usize, mut app: App) -> App {
    app.propose = Box::new(move |height, round| format!("height {height} round {round} by {n}").into_bytes().into());
    app
}
