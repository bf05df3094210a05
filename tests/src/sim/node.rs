//! One simulated node: a whole replica with the stages in front of it and a whole council, over disks that outlive them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use alloy_primitives::{Address, keccak256};
use horae_control::{ControlState, SignerKey};
use horae_node::council::{Council, CouncilParts};
use horae_node::pipeline::{Client, Parcel, TxCell};
use horae_node::replica::restore::restore;
use horae_node::replica::{ControlUpdate, Input, Replica, ReplicaConfig};
use horae_runtime::{Pool, Progress};
use horae_stages::{ChainParams, Decode, DecodePolicy, Dedup, Frame, Genesis, Recover, Recovered, Shed};
use horae_tendermint::NodeKey;

use super::byzantine::Mask;
use super::council::{CouncilSide, Files};
use super::disk::Disk;
use super::edges::Edges;
use super::l1::{Endpoint, INBOX, Watch};
use super::rng::Rng;
use super::store::{SharedStore, Store};

/// Transactions in flight in one node.
const POOL_CELLS: usize = 1_024;
/// Hashes that the duplicate check remembers.
const DEDUP_HASHES: usize = 4_096;
/// Inputs that may wait, as in a node.
const INPUTS: usize = 8_192;
/// Turns in one millisecond.
const TURNS: usize = 256;
/// What a write takes at most on a good disk, in milliseconds.
pub const WRITE_MS: u64 = 3;

/// The `n`-th validator's signer key.
///
/// # Panics
/// Never: the hash of a short text is a key.
#[must_use]
pub fn signer_key(n: usize) -> SignerKey {
    SignerKey::from_bytes(&keccak256(format!("simulated validator {n}")).0).expect("a hash is a key")
}

/// The `n`-th node's key on the links.
#[must_use]
pub fn node_key(n: usize) -> NodeKey {
    keccak256(format!("simulated link {n}")).0
}

struct Front {
    pool: Pool<TxCell>,
    decode: Decode,
    dedup: Dedup,
    recover: Recover,
}

impl Front {
    fn new(params: &ChainParams) -> Self {
        Self {
            pool: Pool::new(POOL_CELLS, TxCell::default),
            decode: Decode::new(DecodePolicy::new(params)),
            dedup: Dedup::new(DEDUP_HASHES),
            recover: Recover::new(),
        }
    }

    fn step(&mut self, raw: &[u8], now_ms: u64, client: Option<Client>) -> Result<Recovered<Parcel>, Option<Shed>> {
        let Some(mut cell) = self.pool.try_take() else {
            if let Some(client) = client {
                client.answer(Err(Shed::Busy));
            }
            return Err(Some(Shed::Busy));
        };
        cell.fill(raw, now_ms, client);
        let decoded = self.decode.step(Frame::new(Parcel::new(cell)));
        decoded.and_then(|tx| self.dedup.step(tx)).and_then(|tx| self.recover.step(tx)).map_err(|rejected| {
            if let Some(client) = rejected.parcel.take_client() {
                client.answer(Err(rejected.why));
            }
            None
        })
    }
}

/// What a crash takes.
pub struct Running {
    /// The replica.
    pub replica: Replica<SharedStore>,
    /// Its edges.
    pub edges: Edges,
    /// The council.
    pub council: Council,
    /// Its edges.
    pub side: CouncilSide,
    /// Its watch of L1.
    pub watch: Watch,
    front: Front,
    inbox: VecDeque<Input>,
    ready: VecDeque<Recovered<Parcel>>,
    /// When it wants a turn, in simulated time.
    pub wake_ms: u64,
    /// It has something to look at.
    pub woken: bool,
}

/// A copy of a node's disks, as an operator may put it back.
pub struct Backup {
    disk: Disk,
    files: Files,
    store: Store,
}

/// What all nodes of a world begin with.
pub struct Beginning {
    /// Block 0.
    pub genesis: Genesis,
    /// The control state at height 0.
    pub control: ControlState,
}

/// One node.
pub struct Node {
    /// Its place among the nodes.
    pub at: usize,
    /// Its validator.
    pub address: Address,
    /// Its key on the links.
    pub node_key: NodeKey,
    /// How far its clock is ahead, in milliseconds.
    pub skew_ms: u64,
    /// Starts so far.
    pub life: u64,
    /// The process, while it runs.
    pub running: Option<Running>,
    /// What it stored.
    pub store: SharedStore,
    /// How it lies, if it does.
    pub mask: Option<Mask>,
    /// How its endpoint tells of L1.
    pub endpoint: Endpoint,
    /// Milliseconds that a write takes, at most; none while the disk is full.
    pub write_ms: Option<u64>,
    /// Milliseconds between two turns, at least.
    pub slow_ms: u64,
    /// Up to where its journal was pruned.
    pub pruned: u64,
    /// The next control block is on its way to it.
    pub applying: bool,
    /// An older copy of its disks.
    pub backup: Option<Box<Backup>>,
    files: Files,
    /// The journal, while the process does not run.
    disk: Disk,
    beginning: Rc<Beginning>,
    /// Turns taken without anything to do although the replica itself had asked for one.
    pub idle_turns: u64,
    /// Most inputs that ever waited.
    pub most_waiting: usize,
    /// Blocks that it sealed.
    pub sealed: u64,
    /// Times that it came upon a block that gives another result here, after one that did not.
    pub disagreements: u64,
    disagrees: bool,
}

impl Node {
    /// A node that has never run.
    #[must_use]
    pub fn new(at: usize, skew_ms: u64, beginning: Rc<Beginning>) -> Self {
        Self {
            at,
            address: signer_key(at).address(),
            node_key: node_key(at),
            skew_ms,
            life: 0,
            running: None,
            store: SharedStore(Rc::new(RefCell::new(Store::new(&beginning.genesis)))),
            mask: None,
            endpoint: Endpoint::Behind(0),
            write_ms: Some(WRITE_MS),
            slow_ms: 0,
            pruned: 0,
            applying: false,
            backup: None,
            files: Files::default(),
            disk: Disk::default(),
            beginning,
            idle_turns: 0,
            most_waiting: 0,
            sealed: 0,
            disagreements: 0,
            disagrees: false,
        }
    }

    /// Whether it lies.
    #[must_use]
    pub fn is_liar(&self) -> bool {
        self.mask.is_some()
    }

    /// What its clock says.
    #[must_use]
    pub fn clock_ms(&self, now_ms: u64) -> u64 {
        self.beginning.genesis.timestamp_ms + now_ms + self.skew_ms
    }

    /// Starts the process from what is on disk.
    ///
    /// # Errors
    /// Replica or council refuse what they left themselves.
    pub fn start(&mut self, now_ms: u64, seed: u64) -> Result<(), String> {
        self.life += 1;
        let params = self.beginning.genesis.params.clone();
        let mut edges = Edges::new(std::mem::take(&mut self.disk), self.store.clone());
        let config = ReplicaConfig {
            params: params.clone(),
            fee_recipient: self.address,
            waiting_ms: horae_stages::limits::WAITING_MS,
            waiting_max: POOL_CELLS / 4,
            kept_for_peers: POOL_CELLS / 2,
        };
        let state = self.files.state.as_ref().unwrap_or(&self.beginning.control);
        let bytes = borsh::to_vec(state).expect("writing to memory does not fail");
        let state: ControlState = borsh::from_slice(&bytes).map_err(|why| why.to_string())?;
        let incarnation = state.epoch().set.get(&self.address).map_or(0, |validator| validator.incarnation);
        let (entries, origin) = (edges.disk.read(), self.store.origin());
        let control = ControlUpdate::of(&state);
        let (domain, key) = (*state.domain(), signer_key(self.at));
        let replica = restore(config, domain, key, incarnation, origin, entries, control, &mut edges)
            .map_err(|why| format!("node {} cannot start again: {why}", self.at))?;
        let files = std::mem::take(&mut self.files);
        let parts = CouncilParts {
            signer: Arc::new(signer_key(self.at)),
            params: params.clone(),
            inbox: INBOX,
            state_file: PathBuf::from("control"),
            incarnation_floor: files.incarnation,
            said: replica.said(),
            state,
            retained_heights: u64::MAX,
        };
        let mut side = CouncilSide::new(files, seed);
        let council = Council::new(parts, &mut side).map_err(|why| format!("node {}: {why}", self.at))?;
        let watch = Watch::new(self.endpoint);
        let (front, inbox, ready) = (Front::new(&params), VecDeque::new(), VecDeque::new());
        let (wake_ms, woken) = (now_ms, true);
        self.running = Some(Running { replica, edges, council, side, watch, front, inbox, ready, wake_ms, woken });
        Ok(())
    }

    /// Kills the process and its machine.
    pub fn crash(&mut self, rng: &mut Rng) {
        if let Some(running) = self.running.take() {
            self.files = running.side.files;
            self.disk = running.edges.into_disk();
            self.disk.crash(rng);
            self.store.0.borrow_mut().crash();
        }
    }

    /// Takes a copy of the disks, as they would be after a crash now.
    pub fn back_up(&mut self) {
        let (disk, files) = match &self.running {
            Some(running) => (&running.edges.disk, &running.side.files),
            None => (&self.disk, &self.files),
        };
        let mut store = self.store.0.borrow().clone();
        store.crash();
        self.backup = Some(Box::new(Backup { disk: disk.durable_part(), files: files.clone(), store }));
    }

    /// Puts the copy back; false if there is none. The process must not run.
    pub fn put_back(&mut self) -> bool {
        let Some(backup) = self.backup.take() else { return false };
        let Backup { disk, files, store } = *backup;
        (self.disk, self.files, self.pruned) = (disk, files, 0);
        self.store = SharedStore(Rc::new(RefCell::new(store)));
        true
    }

    /// Loses the newer half of its journal; how many entries. The process must not run.
    pub fn cut_journal(&mut self) -> u64 {
        self.disk.cut()
    }

    /// Loses the newer half of the decided log and its newest vote; how many heights. The process must not run.
    pub fn cut_decisions(&mut self) -> u64 {
        self.files.cut_decisions()
    }

    /// Loses the decided log, its newest vote and the control state; how many heights. The process must not run.
    pub fn lose_control_plane(&mut self) -> u64 {
        self.files.lose_control_plane()
    }

    /// Loses everything but the validator's keys. The process must not run.
    pub fn lose_disk(&mut self) {
        (self.disk, self.files, self.pruned) = (Disk::default(), Files::default(), 0);
        self.store = SharedStore(Rc::new(RefCell::new(Store::new(&self.beginning.genesis))));
    }

    /// Hands an input to the replica.
    pub fn hear(&mut self, input: Input) {
        if let Some(running) = &mut self.running
            && running.inbox.len() < INPUTS
        {
            running.inbox.push_back(input);
            running.woken = true;
            self.most_waiting = self.most_waiting.max(running.inbox.len());
        }
    }

    /// A transaction at the node's door; false when there is no room.
    pub fn offer(&mut self, now_ms: u64, raw: &[u8], client: Option<Client>) -> bool {
        let clock_ms = self.clock_ms(now_ms);
        let Some(running) = &mut self.running else { return false };
        for hash in running.edges.forgotten.drain(..) {
            running.front.dedup.forget(hash);
        }
        match running.front.step(raw, clock_ms, client) {
            Ok(tx) => {
                running.ready.push_back(tx);
                running.woken = true;
                true
            }
            Err(why) => why.is_none(),
        }
    }

    /// Whether the replica wants a turn now.
    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.running.as_ref().is_some_and(|running| running.woken || running.wake_ms <= now_ms)
    }

    /// Takes turns until there is nothing left to do.
    pub fn run(&mut self, now_ms: u64) {
        let clock_ms = self.clock_ms(now_ms);
        let (ahead_ms, slow_ms) = (clock_ms - now_ms, self.slow_ms);
        for turn in 0..TURNS {
            let resubmitted = match &mut self.running {
                Some(running) => std::mem::take(&mut running.edges.resubmitted),
                None => return,
            };
            let mut left = resubmitted.into_iter();
            while let Some(raw) = left.next() {
                if !self.offer(now_ms, &raw, None) {
                    let Some(running) = &mut self.running else { return };
                    running.edges.resubmitted.push(raw);
                    running.edges.resubmitted.extend(left);
                    break;
                }
            }
            let Some(Running { replica, edges, inbox, ready, wake_ms, woken, .. }) = &mut self.running else { return };
            let asked = !*woken;
            *woken = false;
            let progress = replica.poll(clock_ms, &mut || inbox.pop_front(), &mut || ready.pop_front(), edges);
            match progress {
                Progress::Idle { wake_at_ms } => {
                    let disagrees = replica.running().disagrees;
                    self.disagreements += u64::from(disagrees && !self.disagrees);
                    self.disagrees = disagrees;
                    let at = wake_at_ms.map_or(u64::MAX, |at| at.saturating_sub(ahead_ms));
                    if turn == 0 && asked && at <= now_ms {
                        self.idle_turns += 1;
                    }
                    *wake_ms = at.max(now_ms + 1 + slow_ms);
                    return;
                }
                _ => *woken = true,
            }
        }
    }
}
