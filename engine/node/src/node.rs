//! The wiring: from a home directory to a running node, and back again. The only file that names every worker, every ring
//! and every edge.
//!
//! ```text
//!  JSON-RPC ─┐
//!  QUIC     ─┼─ door ─ front ─ ring ─ recoverer x N ─ ring ─┐
//!  TCP      ─┘         (decode, dedup)                      │
//!  peers ───────────── inbox ───────────────────────── replica ─── journal
//!                                 (admit, order, execute, seal)
//!  Tendermint ─ council ─ inbox ──────────────────────────┘ │
//!  L1 ───────────┘ └─ batches, signing                   events ─ keeper ─ store ─ JSON-RPC
//! ```

mod error;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use horae_control::{ControlState, Decision, SignedBlock, SignerKey};
use horae_runtime::{
    Bundle, Cell, Clock, Crew, IdlePolicy, Poll, Pool, Progress, StopReason, Stopper, Waker, Worker, door, ring,
};
use horae_stages::{Decode, DecodePolicy, Dedup, L1View, Recover, StateSource, limits};
use horae_tendermint as tendermint;
use horae_tuning::{Idle, Profile, WorkerName};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::chain_view::{self, KeeperOptions, SigningFaults};
use crate::config::NodeConfig;
use crate::council::task::{CouncilEdges, CouncilInputs, CouncilTask};
use crate::council::{self, CouncilError, CouncilParts, Ended, Inbox, WatchFrom, watch_l1};
use crate::edges::admin::{self, Admin};
use crate::edges::journal::{self, Journal};
use crate::edges::l1::{L1, Sender};
use crate::edges::peers::{self, PeerAddress, Peers, PeersError};
use crate::edges::rpc::{self, RpcOptions};
use crate::edges::store::{LatestState, Store, StoreError, StoreOptions};
use crate::edges::{metrics, quic_ingest, tcp_ingest};
use crate::feed::Decisions;
use crate::pipeline::{Desk, Entrance, Front, Recoverer, RecoveryWatch, TxCell};
use crate::replica::chain::{KEPT_BLOCKS, facts_of};
use crate::replica::io::Entry;
use crate::replica::message::PeerMessage;
use crate::replica::restore::{Origin, RestoreError, restore};
use crate::replica::worker::{ENTRY_KIND, NodeEdges, NodeIo, ReplicaWorker};
use crate::replica::{ControlUpdate, Received, Replica, ReplicaConfig, ReplicaInbox, RunningSlot};
use crate::roster::Roster;
use crate::{clock, serving, status};

pub use error::NodeError;

/// Of the places of the pool, those that wait for a nonce may take one in so many: half of what clients may take.
const WAITING_SHARE: usize = 4;
/// Hashes that may wait to be let through the duplicate check again.
const FORGOTTEN: usize = 16_384;
/// Questions for stored blocks that may wait.
const STORED_QUESTIONS: usize = 64;
/// News of L1 that may wait for the council.
const L1_NEWS: usize = 64;
/// How long the edges have to finish when the node stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Done when the node has been asked to stop. Boxed, so that everything below is compiled in this crate, with its optimisation.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a node until `shutdown` is done, it has to be started again, or something cannot go on. Blocks the calling thread.
pub fn run(config: NodeConfig, shutdown: Shutdown) -> Result<Ended, NodeError> {
    let profile = Profile::load(&config.settings.profile)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(profile.tokio_threads)
        .thread_name("horae-edge")
        .enable_all()
        .build()
        .map_err(NodeError::Runtime)?;
    let result = runtime.block_on(start(config, profile, shutdown));
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    result
}

async fn start(config: NodeConfig, profile: Profile, shutdown: Shutdown) -> Result<Ended, NodeError> {
    let NodeConfig { home, settings, genesis, keys, vault, lock } = config;
    let _lock = lock;
    let params = genesis.l2.params.clone();
    let me = keys.signer_address();
    let stopper = Stopper::new();
    info!(validator = %me, chain = params.chain_id, home = %home.root().display(), "starting");
    let recovery = settings.recovery.setup()?;
    recovery.clone().install();
    info!(backend = %recovery.backend(), sample = settings.recovery.sample, "senders are recovered by");
    if let Some(address) = settings.metrics.address {
        metrics::serve(address).map_err(|why| NodeError::Metrics(why.to_string()))?;
    }

    // The control plane's state comes first: it says which term is open.
    let l1 = L1::new(&settings.l1.urls, &genesis.l1)?;
    let state_file = home.control();
    let state = match council::load_state(&state_file).map_err(CouncilError::from)? {
        Some(state) => state,
        None => {
            l1.check().await?;
            genesis.check_locked(&l1.validators_at(genesis.l1.origin()).await?)?;
            ControlState::genesis(&genesis.control_genesis())?
        }
    };

    let incarnation_file = home.incarnation();
    let incarnation_floor = council::load_floor(&incarnation_file).map_err(CouncilError::from)?;

    // Store and journal, and the query side on top of them.
    let store = Store::open(&home.state(), &genesis.l2, StoreOptions::default())?;
    let keeper_options = KeeperOptions { kept_blocks: settings.retention.blocks, ..KeeperOptions::new(params.clone()) };
    let known_batches = store.reader().batches(..)?.iter().map(|batch| (batch.index, batch.digest)).collect();
    let last_batch = store.reader().last_batch()?;
    let origin = origin_of(&store)?;
    let (view, feed, keeper) = chain_view::start(store, keeper_options)?;
    let journal_options = journal::Options { core: profile.edges.journal_core, ..journal::Options::default() };
    let (opened, writer) = Journal::open(home.journal(), journal_options)?;
    let entries = read_entries(&opened)?;

    // The threads of the pipeline, so that every ring knows whom to wake.
    let mut bundles = bundles_of(&profile);
    let waker_of = |worker: WorkerName| -> Result<Waker, NodeError> {
        let at = profile.threads.iter().position(|thread| thread.workers.contains(&worker));
        at.map(|at| bundles[at].waker()).ok_or_else(|| NodeError::Worker { profile: settings.profile.clone(), worker })
    };
    let front_waker = waker_of(WorkerName::Decode)?;
    let replica_waker = waker_of(WorkerName::Execute)?;
    let pool = Pool::new(profile.pool_size, TxCell::default);
    let (door, hall) = door(pool, profile.door_depth, front_waker);
    let desk = Arc::new(Desk::new(settings.transactions.waiting_ms));
    let entrance = Entrance::new(door, params.max_transaction_bytes, desk.clone());
    let (inbox, inbox_reader) = ReplicaInbox::new(replica_waker.clone());
    let forgotten = Arc::new(crossbeam_queue::ArrayQueue::new(FORGOTTEN));
    writer.durable().watch(&replica_waker);

    // Peers.
    let roster = Roster::new(&state);
    let peers = listen_to_peers(&settings, &keys, roster.clone(), inbox.clone(), entrance.clone())?;

    // The replica.
    let (to_council, from_replica) = mpsc::unbounded_channel();
    let (questions, questions_received) = mpsc::channel(STORED_QUESTIONS);
    tokio::spawn(serving::answer(view.clone(), peers.clone(), questions_received));
    let edges = NodeEdges {
        journal: writer,
        view: view.clone(),
        feed: feed.clone(),
        peers: peers.clone(),
        roster: roster.clone(),
        council: to_council,
        questions,
        entrance: entrance.clone(),
        forgotten: forgotten.clone(),
    };
    let restoring = Restoring {
        config: ReplicaConfig {
            params: params.clone(),
            fee_recipient: me,
            waiting_ms: settings.transactions.waiting_ms,
            waiting_max: limits::WAITING_IN_ALL.min(profile.pool_size / WAITING_SHARE),
            kept_for_peers: entrance.kept_for_peers(),
        },
        domain: *state.domain(),
        signer: signer_of(&keys),
        incarnation: state.epoch().set.get(&me).map_or(0, |validator| validator.incarnation),
        origin,
        entries,
        control: ControlUpdate::of(&state),
    };

    // The workers.
    let running = Cell::new(RunningSlot::default());
    let mut lanes_in = Vec::new();
    let mut lanes_out = Vec::new();
    let mut workers: Vec<(WorkerName, Worker)> = Vec::new();
    for index in 0..profile.recover_workers {
        let name = WorkerName::Recover(index);
        let (to_recover, from_front) = ring(profile.rings.decode_to_recover, waker_of(name)?);
        let (to_replica, from_recover) = ring(profile.rings.recover_to_execute, replica_waker.clone());
        let recover = Recover::over(horae_recovery::Recoverer::new(recovery.clone()));
        let recoverer = Recoverer::new(from_front, recover, entrance.traffic(), to_replica);
        workers.push((name, Worker::new(name.to_string(), recoverer)));
        lanes_in.push(to_recover);
        lanes_out.push(from_recover);
    }
    let decode = Decode::new(DecodePolicy::new(&params));
    let dedup = Dedup::new(limits::RECENT_HASHES);
    let front = Front::new(hall, decode, dedup, forgotten, entrance.traffic(), lanes_in);
    workers.push((WorkerName::Decode, Worker::new("decode", front)));
    let (restored, restoration) = std::sync::mpsc::channel();
    let (slot, stop) = (running.clone(), stopper.clone());
    let make = move || -> Box<dyn Poll> {
        let mut io = NodeIo::new(edges);
        let replica = restoring.restore(&mut io);
        let (replica, result) = match replica {
            Ok(replica) => {
                let said = replica.said();
                (Some(replica), Ok(said))
            }
            Err(why) => (None, Err(why)),
        };
        // The node waits for this before it goes on.
        let _ = restored.send(result);
        match replica {
            Some(replica) => Box::new(ReplicaWorker::new(replica, inbox_reader, lanes_out, io, slot, stop)),
            None => Box::new(Stillborn),
        }
    };
    workers.push((WorkerName::Execute, Worker::made_there("execute", make)));
    place(&profile, &mut bundles, workers);
    let wall: Clock = Arc::new(clock::now_ms);
    let crew = Crew::start(bundles, &wall, stopper.clone())?;
    for failure in crew.unpinned() {
        warn!(thread = failure.thread, why = %failure.error, "a thread runs, but not on its own core");
    }
    let meters = crew.meters().to_vec();
    let said = tokio::task::block_in_place(|| restoration.recv())
        .map_err(|_| NodeError::Stopped(stopper.reason().unwrap_or(StopReason::Asked)))??;

    // The council.
    let (engine, events) = start_engine(&home, &settings, &keys, &state, &roster).await?;
    let signer = Arc::new(signer_of(&keys));
    let sender = settings.l1.submit.then(|| Arc::new(Sender::new(l1.clone(), signer_of(&keys))));
    let (agreed, agreed_seen) = watch::channel(L1View::default());
    let (published, control_state) = watch::channel(Arc::new(state.clone()));
    let (drained, drained_seen) = watch::channel(false);
    let (trouble, trouble_seen) = watch::channel(None);
    let (signing_faults, signing_faults_seen) = watch::channel(SigningFaults::default());
    let (settlement, settlement_seen) = watch::channel(None);
    let operator = Admin {
        me,
        replica: inbox.clone(),
        running: running.clone(),
        control_state: control_state.clone(),
        drained,
        trouble: trouble_seen,
    };
    let step_blocks = state.params().l1_step_blocks;
    let l1_inbox = Inbox { l1_chain_id: genesis.l1.chain_id, address: genesis.l1.inbox };
    let parts = CouncilParts {
        signer,
        params: params.clone(),
        inbox: l1_inbox,
        state_file: state_file.clone(),
        incarnation_floor,
        said,
        state,
        retained_heights: settings.retention.control_heights,
    };
    let edges = CouncilEdges {
        engine: engine.clone(),
        l1: l1.clone(),
        sender,
        replica: inbox,
        feed: feed.clone(),
        view: view.clone(),
        params: params.clone(),
        inbox: l1_inbox,
        vault,
        state_file,
        incarnation_file,
        roster,
        agreed,
        published,
        running: running.clone(),
        drained: drained_seen,
        trouble,
        signing_faults,
        settlement,
    };
    let council = CouncilTask::new(parts, edges)?;
    let (news, news_received) = mpsc::channel(L1_NEWS);
    let from = WatchFrom {
        l1_block: last_batch.map_or(genesis.l1.origin_number + 1, |batch| batch.l1_block),
        known: known_batches,
        every: Duration::from_millis(settings.l1.poll_ms),
        step_blocks,
    };
    tokio::spawn(watch_l1(l1, from, agreed_seen, news));
    let inputs = CouncilInputs { events, news: news_received, commands: from_replica };
    let council = tokio::spawn(council.run(inputs));

    // The doors open last.
    let _admin = admin::serve(&home.admin(), operator)?;
    let _tcp = settings.ingest.tcp.map(|listen| start_tcp(listen, &profile, entrance.clone())).transpose()?;
    let _quic = settings.ingest.quic.map(|listen| start_quic(listen, entrance.clone())).transpose()?;
    let (reported_params, traffic) = (params.clone(), entrance.traffic());
    let rpc_options = RpcOptions { listen: settings.rpc.address, params, min_priority_fee: 0 };
    let decided = Arc::new(DecidedLog { engine: engine.clone(), state: control_state.clone() });
    let rpc = rpc::serve(view.clone(), Arc::new(entrance), decided, rpc_options).await?;
    info!(rpc = %rpc.address(), "running");
    let reporting = status::Reporting {
        me,
        params: reported_params,
        view: view.clone(),
        feed,
        running,
        control_state,
        signing_faults: signing_faults_seen,
        settlement: settlement_seen,
        engine: engine.clone(),
        traffic,
        desk,
        meters,
        recovery: RecoveryWatch::new(recovery),
    };
    tokio::spawn(status::report(reporting));

    let ended = wait(shutdown, council, &stopper).await;
    info!("stopping");
    rpc.stop().await;
    engine.shutdown().await;
    peers.close();
    stopper.stop(StopReason::Asked);
    let reason = tokio::task::block_in_place(|| crew.wait());
    drop(view);
    if let Err(why) = tokio::task::block_in_place(|| keeper.stop()) {
        error!(%why, "the store did not end in order; the journal replays what is missing");
    }
    let ended = ended?;
    match reason {
        StopReason::Asked => Ok(ended),
        reason => Err(NodeError::Stopped(reason)),
    }
}

/// The control plane's decisions, for feeds.
struct DecidedLog {
    engine: tendermint::Handle,
    state: watch::Receiver<Arc<ControlState>>,
}

impl Decisions for DecidedLog {
    fn read(&self, from: u64, to: u64) -> BoxFuture<'_, std::io::Result<(u64, Vec<Decision>)>> {
        Box::pin(self.engine.decisions(from, to))
    }

    fn state(&self) -> Arc<ControlState> {
        self.state.borrow().clone()
    }
}

/// What a replica is restored from, on the thread that will run it.
struct Restoring<S> {
    config: ReplicaConfig,
    domain: horae_control::Domain,
    signer: SignerKey,
    incarnation: u64,
    origin: Origin<S>,
    entries: Vec<Entry>,
    control: ControlUpdate,
}

impl<S: StateSource> Restoring<S> {
    fn restore(self, io: &mut NodeIo) -> Result<Replica<S>, RestoreError> {
        let Self { config, domain, signer, incarnation, origin, entries, control } = self;
        restore(config, domain, signer, incarnation, origin, entries, control, io)
    }
}

/// Stands where a replica could not be restored, until the node has stopped.
struct Stillborn;

impl Poll for Stillborn {
    fn poll(&mut self, _now_ms: u64) -> Progress {
        Progress::IDLE
    }
}

/// Waits for the first of: asked to stop, the council gave up, a worker cannot go on.
async fn wait(
    shutdown: Shutdown,
    council: tokio::task::JoinHandle<Result<Ended, CouncilError>>,
    stopper: &Stopper,
) -> Result<Ended, NodeError> {
    let stopped = Arc::new(tokio::sync::Notify::new());
    let notify = stopped.clone();
    stopper.watch(&Waker::from_fn(move || notify.notify_one()));
    tokio::select! {
        () = shutdown => Ok(Ended::Stopped),
        () = stopped.notified() => Ok(Ended::Stopped),
        ended = council => match ended {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(why)) => Err(why.into()),
            Err(panic) => {
                let message = panic.to_string();
                Err(NodeError::Stopped(StopReason::Panicked { worker: "council".to_owned(), message }))
            }
        },
    }
}

/// The store's tip, and the blocks below it that a peer or a close vote may still speak of.
fn origin_of(store: &Store) -> Result<Origin<LatestState>, NodeError> {
    let reader = store.reader();
    let number = reader.height();
    let header = reader.header(number)?.ok_or(StoreError::Gap { stored: number, given: number })?;
    let hash = header.hash();
    let mut below = Vec::new();
    for (block, signature) in reader.raw_blocks(number.saturating_sub(KEPT_BLOCKS as u64)..=number)? {
        let Some(signature) = signature else { continue };
        let carried = reader.certificate(block.header.number.saturating_sub(1))?;
        below.push((SignedBlock { facts: facts_of(&block.header, block.header.hash()), signature }, carried));
    }
    Ok(Origin { source: store.latest(), header, hash, below })
}

fn read_entries(opened: &journal::Opened) -> Result<Vec<Entry>, NodeError> {
    let mut entries = Vec::new();
    for found in opened.records()? {
        let found = found?;
        let bad = |why: String| NodeError::Record { at: found.lsn.0, why };
        if found.record.kind != ENTRY_KIND {
            return Err(bad(format!("kind {}", found.record.kind)));
        }
        entries.push(borsh::from_slice(&found.record.payload).map_err(|why| bad(why.to_string()))?);
    }
    Ok(entries)
}

fn signer_of(keys: &crate::keys::Keys) -> SignerKey {
    SignerKey::from_bytes(&keys.signer.to_secret_bytes()).expect("a secret key is a valid signer key")
}

fn bundles_of(profile: &Profile) -> Vec<Bundle> {
    let idle = |idle: Idle| match idle {
        Idle::Spin {} => IdlePolicy::Spin,
        Idle::Park { spins, yields, gather_us } => IdlePolicy::Park { spins, yields, gather_us },
    };
    profile.threads.iter().map(|thread| Bundle::new(thread.name.clone(), thread.core, idle(thread.idle))).collect()
}

/// Puts each worker on its thread, in the order that the profile names them.
fn place(profile: &Profile, bundles: &mut [Bundle], mut workers: Vec<(WorkerName, Worker)>) {
    for (thread, bundle) in profile.threads.iter().zip(bundles) {
        for name in &thread.workers {
            if let Some(at) = workers.iter().position(|(worker, _)| worker == name) {
                bundle.push(workers.swap_remove(at).1);
            }
        }
    }
}

fn listen_to_peers(
    settings: &crate::config::Settings,
    keys: &crate::keys::Keys,
    roster: Roster,
    inbox: ReplicaInbox,
    entrance: Entrance,
) -> Result<Peers, PeersError> {
    let addresses: Vec<PeerAddress> =
        settings.peers.iter().map(|peer| PeerAddress { node_key: peer.node_key, address: peer.stream }).collect();
    let deliver = move |key: [u8; 32], bytes: Vec<u8>| {
        let Some(from) = roster.signer(&key) else { return false };
        match PeerMessage::decode(&bytes) {
            Ok(PeerMessage::Transactions(batch)) => {
                // What finds no room is sent again by the peer that keeps it.
                batch.iter().for_each(|raw| {
                    entrance.offer_unanswered(raw);
                });
                true
            }
            Ok(message) => match Received::prepare(message) {
                Ok(message) => {
                    inbox.hear(from, message);
                    true
                }
                Err(why) => {
                    warn!(%from, %why, "a peer sent a block that cannot be one");
                    false
                }
            },
            Err(why) => {
                warn!(%from, %why, "a peer does not speak our protocol");
                false
            }
        }
    };
    peers::spawn(&keys.node.to_bytes(), settings.links.stream, &addresses, deliver)
}

async fn start_engine(
    home: &crate::home::Home,
    settings: &crate::config::Settings,
    keys: &crate::keys::Keys,
    state: &ControlState,
    roster: &Roster,
) -> Result<(tendermint::Handle, mpsc::Receiver<tendermint::Event>), tendermint::StartError> {
    let peers = settings.peers.iter();
    let config = tendermint::Config {
        node_key: keys.node.clone(),
        signer: signer_of(keys),
        domain: *state.domain(),
        home: home.consensus(),
        listen: tendermint::Listen::Address(settings.links.control),
        peers: peers.map(|peer| tendermint::Peer { node_key: peer.node_key, address: peer.control }).collect(),
        allowed: roster.node_keys(),
        timeouts: tendermint::Timeouts::default(),
        heartbeat: tendermint::Config::HEARTBEAT,
        applied_height: state.height(),
        first: council::next_height(state, false),
        part: None,
    };
    tendermint::spawn(config).await
}

fn start_tcp(
    listen: std::net::SocketAddr,
    profile: &Profile,
    entrance: Entrance,
) -> Result<tcp_ingest::TcpIngest, tcp_ingest::StartError> {
    let config = tcp_ingest::Config {
        listen,
        backend: tcp_ingest::Backend::Auto,
        limits: tcp_ingest::Limits::default(),
        core: profile.edges.tcp_ingest_core,
    };
    tcp_ingest::TcpIngest::start(config, entrance)
}

fn start_quic(
    listen: std::net::SocketAddr,
    entrance: Entrance,
) -> Result<quic_ingest::QuicIngest, quic_ingest::StartError> {
    quic_ingest::QuicIngest::start(listen, quic_ingest::Limits::default(), entrance)
}
