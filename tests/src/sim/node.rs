//! One simulated node: a whole replica with the stages in front of it, over a disk and a store that outlive it.

use std::collections::VecDeque;

use alloy_primitives::{Address, keccak256};
use horae_control::{ControlState, Domain, Pending, SignerKey};
use horae_node::council::readiness::SelfCheck;
use horae_node::pipeline::{Client, Parcel, TxCell};
use horae_node::replica::restore::restore;
use horae_node::replica::{ControlUpdate, Input, Replica, ReplicaConfig};
use horae_runtime::{Pool, Progress};
use horae_stages::{ChainParams, Decode, DecodePolicy, Dedup, Frame, Genesis, Recover, Recovered, Shed};

use super::disk::Disk;
use super::edges::{Edges, Planted};
use super::rng::Rng;
use super::store::{SharedStore, Store};

/// Transactions in flight in one node.
const POOL_CELLS: usize = 1_024;
/// Hashes that the duplicate check remembers.
const DEDUP_HASHES: usize = 4_096;
/// Inputs that may wait, as in a node.
const INBOX: usize = 8_192;
/// Turns in one millisecond.
const TURNS: usize = 256;

/// The `n`-th validator's signer key.
///
/// # Panics
/// Never: the hash of a short text is a key.
#[must_use]
pub fn signer_key(n: usize) -> SignerKey {
    SignerKey::from_bytes(&keccak256(format!("simulated validator {n}")).0).expect("a hash is a key")
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
    /// What it finds about itself.
    pub self_check: SelfCheck,
    /// Its edges.
    pub edges: Edges,
    front: Front,
    inbox: VecDeque<Input>,
    ready: VecDeque<Recovered<Parcel>>,
    /// When it wants a turn, in simulated time.
    pub wake_ms: u64,
    /// It has something to look at.
    pub woken: bool,
}

/// One node.
pub struct Node {
    /// Its place among the nodes.
    pub at: usize,
    /// Its validator.
    pub address: Address,
    /// How far its clock is ahead, in milliseconds.
    pub skew_ms: u64,
    /// Starts so far.
    pub life: u64,
    /// The process, while it runs.
    pub running: Option<Running>,
    /// Control blocks applied.
    pub applied: u64,
    /// What it stored.
    pub store: SharedStore,
    /// The disk, while the process does not run.
    disk: Disk,
    /// Milliseconds that a write takes, at most.
    pub write_ms: u64,
    genesis: Genesis,
    domain: Domain,
    planted: Planted,
    /// Turns taken without anything to do although the replica itself had asked for one.
    pub idle_turns: u64,
    /// Most inputs that ever waited.
    pub most_waiting: usize,
}

impl Node {
    /// A node that has never run.
    #[must_use]
    pub fn new(at: usize, skew_ms: u64, genesis: &Genesis, domain: Domain, planted: Planted) -> Self {
        Self {
            at,
            address: signer_key(at).address(),
            skew_ms,
            life: 0,
            running: None,
            applied: 0,
            store: SharedStore(std::rc::Rc::new(std::cell::RefCell::new(Store::new(genesis)))),
            disk: Disk::default(),
            write_ms: 3,
            genesis: genesis.clone(),
            domain,
            planted,
            idle_turns: 0,
            most_waiting: 0,
        }
    }

    /// What its clock says.
    #[must_use]
    pub fn clock_ms(&self, now_ms: u64) -> u64 {
        self.genesis.timestamp_ms + now_ms + self.skew_ms
    }

    /// Starts the process from what is on disk.
    ///
    /// # Errors
    /// The replica refuses what it left itself.
    pub fn start(&mut self, now_ms: u64, control: ControlUpdate) -> Result<(), String> {
        self.life += 1;
        let mut edges = Edges::new(std::mem::take(&mut self.disk), self.store.clone(), self.planted);
        let params = self.genesis.params.clone();
        let config = ReplicaConfig {
            params: params.clone(),
            fee_recipient: self.address,
            waiting_ms: horae_stages::limits::WAITING_MS,
        };
        let (entries, origin) = (edges.read(), self.store.origin());
        let key = signer_key(self.at);
        let replica = restore(config, self.domain, key, 0, origin, entries, control, &mut edges)
            .map_err(|why| format!("node {} cannot start again: {why}", self.at))?;
        let front = Front::new(&params);
        let (inbox, ready) = (VecDeque::from([Input::SpeakAs(0)]), VecDeque::new());
        let mut self_check = SelfCheck::default();
        self_check.l1_stands(Ok(()));
        self.running = Some(Running { replica, self_check, edges, front, inbox, ready, wake_ms: now_ms, woken: true });
        Ok(())
    }

    /// Kills the process and its machine.
    pub fn crash(&mut self, rng: &mut Rng) {
        if let Some(running) = self.running.take() {
            self.disk = running.edges.into_disk();
            self.disk.crash(rng);
            self.store.0.borrow_mut().crash();
        }
    }

    /// What the node has to say of its readiness, knowing this control state.
    pub fn readiness(&mut self, now_ms: u64, state: &ControlState) -> Option<Pending> {
        let (clock_ms, key) = (self.clock_ms(now_ms), signer_key(self.at));
        let Running { replica, self_check, .. } = self.running.as_mut()?;
        self_check.statement(clock_ms, &replica.running(), state, false, &key)
    }

    /// Hands an input to the replica.
    pub fn hear(&mut self, input: Input) {
        if let Some(running) = &mut self.running
            && running.inbox.len() < INBOX
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
        let ahead_ms = clock_ms - now_ms;
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
                    let at = wake_at_ms.map_or(u64::MAX, |at| at.saturating_sub(ahead_ms));
                    if turn == 0 && asked && at <= now_ms {
                        self.idle_turns += 1;
                    }
                    *wake_ms = at.max(now_ms + 1);
                    return;
                }
                _ => *woken = true,
            }
        }
    }
}
