//! The world: seeded time, the faults drawn for it, and the loop that gives every node its turns.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use horae_control::{ControlParams, Domain, Pending};
use horae_node::replica::message::{BLOCKS_PER_ANSWER, PeerMessage};
use horae_node::replica::{ControlUpdate, Input, Received};
use horae_stages::genesis::GenesisAccount;
use horae_stages::{ChainParams, Genesis, L1View};

use super::clients::Clients;
use super::control::ControlPlane;
use super::edges::{Planted, Said};
use super::judge::{Judge, Violation};
use super::net::{Net, Weather};
use super::node::Node;
use super::rng::Rng;

const CHAIN_ID: u64 = 59_901;
/// Stakes of the validators, in multiples of the least.
const STAKES: [&[u64]; 5] = [&[1, 1, 1, 1], &[1, 1, 1, 1], &[2, 1, 3, 1], &[1, 1, 1, 1, 1], &[1, 2, 1, 2, 1, 1, 1]];
const START_MS: u64 = 1_700_000_000_000;
/// How often clients and the control plane take a step, in milliseconds.
const CLIENTS_MS: u64 = 25;
const CONTROL_MS: u64 = 10;
/// How often a store takes in what is committed.
const STORE_MS: u64 = 20;
/// Blocks between prunings of a journal.
const PRUNE_BLOCKS: u64 = 32;

/// What a run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How long faults go on, in simulated milliseconds.
    pub faults_ms: u64,
    /// A fault put in on purpose.
    pub planted: Planted,
    /// Tells where everybody stands once a simulated second.
    pub loud: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Hash over everything that was said and decided.
    pub trace: u64,
    /// Committed blocks.
    pub blocks: u64,
    /// Committed transactions.
    pub transactions: usize,
    /// Terms that were opened.
    pub terms: u64,
    /// Crashes.
    pub crashes: u64,
    /// Rollbacks that replicas told of.
    pub rollbacks: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Turns asked for and not needed.
    pub idle_turns: u64,
    /// Most inputs that waited at one node.
    pub most_waiting: usize,
    /// Transactions refused inside.
    pub refused: u64,
}

/// What the outage of one validator came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Terms that closed while it was away.
    pub failovers: u64,
    /// Validators whose turns were passed over when it came back.
    pub passed_over: usize,
    /// Nobody's turns are passed over at the end.
    pub takes_turns: bool,
    /// Terms that closed after it came back.
    pub terms_after: u64,
    /// Blocks committed after it came back.
    pub blocks: u64,
}

enum Due {
    Message { from: usize, to: usize, life: u64, bytes: bytes::Bytes },
    Written { node: usize, life: u64 },
    Stores { node: usize, life: u64 },
    Vote(Box<horae_control::CloseVote>),
    Applies { node: usize },
    Clients,
    Control,
    Fault,
    Starts { node: usize },
    Heals,
    DiskRecovers { node: usize },
}

/// One run.
pub struct World {
    now_ms: u64,
    rng: Rng,
    net: Net,
    nodes: Vec<Node>,
    control: ControlPlane,
    clients: Clients,
    judge: Judge,
    due: BTreeMap<(u64, u64), Due>,
    next: u64,
    out: Outcome,
    calm: bool,
    loud: bool,
    told_ms: u64,
    pruned: Vec<u64>,
    /// Nodes whose next control block is on its way.
    applying: Vec<bool>,
}

impl World {
    /// A world at its start.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let stakes = rng.pick(&STAKES);
        let units: &[u64] = stakes;
        let window_blocks = *rng.pick(&[4, 16, 128]);
        let params = ChainParams {
            heartbeat_ms: *rng.pick(&[100, 300]),
            slot_ms: *rng.pick(&[300, 1_000, 3_000]),
            slot_blocks: *rng.pick(&[4, 24, 200]),
            window_blocks,
            ..ChainParams::devnet(CHAIN_ID)
        };
        let accounts = rng.between(2, 6) as usize;
        let clients = Clients::new(rng.fork(), accounts, CHAIN_ID);
        let rich = GenesisAccount { balance: U256::from(10u128.pow(24)), ..GenesisAccount::default() };
        let genesis = Genesis {
            params: params.clone(),
            timestamp_ms: START_MS,
            l1_view: L1View { number: 1, hash: B256::repeat_byte(1) },
            prevrandao: B256::ZERO,
            alloc: clients.addresses().map(|address| (address, rich.clone())).collect(),
        };
        let domain = Domain { chain_id: CHAIN_ID, locking: Address::repeat_byte(0x11) };
        let numbers = ControlParams { window_blocks, ..ControlParams::devnet() };
        let control = ControlPlane::new(rng.fork(), units, domain, numbers, genesis.header().hash());
        let drift_ms = params.drift_ms;
        let nodes: Vec<Node> = (0..units.len())
            .map(|at| Node::new(at, rng.between(0, drift_ms / 2), &genesis, domain, plan.planted))
            .collect();
        let net = Net::new(rng.fork(), units.len(), Weather::CALM);
        let mut world = Self {
            now_ms: 0,
            rng,
            net,
            pruned: vec![0; nodes.len()],
            applying: vec![false; nodes.len()],
            nodes,
            control,
            clients,
            judge: Judge::default(),
            due: BTreeMap::new(),
            next: 0,
            out: Outcome::default(),
            calm: false,
            loud: plan.loud,
            told_ms: 0,
        };
        for node in 0..world.nodes.len() {
            world.at(1, Due::Starts { node });
        }
        world.at(1, Due::Clients);
        world.at(1, Due::Control);
        world.at(500, Due::Fault);
        world.at(plan.faults_ms, Due::Heals);
        world
    }

    fn at(&mut self, after_ms: u64, due: Due) {
        self.next += 1;
        self.due.insert((self.now_ms + after_ms, self.next), due);
    }

    fn trace(&mut self, bytes: &[u8]) {
        let digest = keccak256(bytes);
        let word = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
        let mixed = self.out.trace.rotate_left(5) ^ word ^ self.now_ms;
        self.out.trace = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Runs to the end: faults, then a calm in which everything must come right.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn run(mut self) -> Result<Outcome, (u64, Violation)> {
        match self.go() {
            Ok(()) => Ok(self.out),
            Err(violation) => Err((self.now_ms, violation)),
        }
    }

    /// One validator dies at `dies_ms` and comes back at `back_ms`; nothing else goes wrong. Gives the terms open before, when
    /// it comes back and at the end, and whose turns are passed over at the latter two.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn outage(mut self, node: usize, dies_ms: u64, back_ms: u64, ends_ms: u64) -> Result<Outage, Violation> {
        self.calm = true;
        self.judge.decided(self.control.state())?;
        let open = |world: &Self| world.control.state().open_term().map_or(0, |term| term.number);
        let skipped = |world: &Self| world.control.state().open_term().map_or(0, |term| term.skips.latest().len());
        self.run_to(dies_ms)?;
        let before = open(&self);
        self.nodes[node].crash(&mut self.rng);
        self.run_to(back_ms)?;
        let (after, passed_over) = (open(&self), skipped(&self));
        let committed = self.judge.committed();
        self.start(node)?;
        self.run_to(ends_ms)?;
        let takes_turns = skipped(&self) == 0;
        let blocks = self.judge.committed() - committed;
        Ok(Outage { failovers: after - before, passed_over, takes_turns, terms_after: open(&self) - after, blocks })
    }

    fn run_to(&mut self, end_ms: u64) -> Result<(), Violation> {
        while self.now_ms < end_ms {
            self.turn()?;
        }
        Ok(())
    }

    /// Goes on to the next moment at which something is due, and does it.
    fn turn(&mut self) -> Result<(), Violation> {
        let wakes = self.nodes.iter().filter_map(|node| {
            let running = node.running.as_ref()?;
            Some(if running.woken { self.now_ms + 1 } else { running.wake_ms })
        });
        let next = wakes.chain(self.due.keys().next().map(|(at, _)| *at)).min().unwrap_or(u64::MAX);
        self.now_ms = next.max(self.now_ms);
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            let due = entry.remove();
            self.take(due)?;
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_due(self.now_ms) {
                self.nodes[node].run(self.now_ms);
                self.carry(node)?;
            }
        }
        Ok(())
    }

    fn go(&mut self) -> Result<(), Violation> {
        self.judge.decided(self.control.state())?;
        let mut goal = None;
        loop {
            self.turn()?;
            if self.loud && self.now_ms >= self.told_ms {
                self.told_ms = self.now_ms + 1_000;
                eprintln!("{} ms: {} due, {}", self.now_ms, self.due.len(), self.stuck(0).what);
            }
            if self.calm {
                let (height, deadline_ms) = *goal.get_or_insert_with(|| {
                    let patience_ms = 2 * self.control.state().slot_timeout_ms(false) + 30_000;
                    (self.judge.committed() + 5, self.now_ms + patience_ms)
                });
                let reached = |node: &Node| node.running.as_ref().is_some_and(|r| r.replica.committed() >= height);
                if self.nodes.iter().all(reached) && self.clients.is_done() {
                    return self.finish();
                }
                if self.now_ms > deadline_ms {
                    return Err(self.stuck(height));
                }
            }
        }
    }

    fn stuck(&self, goal: u64) -> Violation {
        let nodes = self.nodes.iter().map(|node| match &node.running {
            Some(running) => {
                let replica = &running.replica;
                let slot = replica.running();
                format!(
                    "[{}: head {} committed {} stored {} applied {} term {} slot {} sequencer {:?}]",
                    node.at,
                    replica.head().number,
                    replica.committed(),
                    node.store.0.borrow().height(),
                    node.applied,
                    slot.term,
                    slot.slot,
                    slot.sequencer.and_then(|s| self.nodes.iter().position(|n| n.address == s)),
                )
            }
            None => format!("[{}: down]", node.at),
        });
        let nodes = nodes.collect::<Vec<_>>().join(" ");
        let open = self.clients.open();
        let invariant = if open.is_empty() { 0 } else { 9 };
        let control = self.control.height();
        Violation::new(invariant, format!("no progress to {goal} (control {control}): {nodes}; open: {open}"))
    }

    fn finish(&mut self) -> Result<(), Violation> {
        for node in &mut self.nodes {
            self.out.idle_turns += node.idle_turns;
            self.out.most_waiting = self.out.most_waiting.max(node.most_waiting);
            if let Some(running) = &mut node.running {
                self.out.refused += running.edges.refused;
                while running.edges.view.store(usize::MAX) {}
            }
        }
        for pair in self.nodes.windows(2) {
            let (a, b) = (pair[0].store.0.borrow(), pair[1].store.0.borrow());
            if a.height() == b.height() && a.state() != b.state() {
                return Err(Violation::new(
                    5,
                    format!("nodes {} and {} have different states", pair[0].at, pair[1].at),
                ));
            }
        }
        self.out.blocks = self.judge.committed();
        self.out.transactions = self.judge.transactions();
        self.out.terms = self.control.state().open_term().map_or(0, |term| term.number);
        self.out.simulated_ms = self.now_ms;
        Ok(())
    }

    fn take(&mut self, due: Due) -> Result<(), Violation> {
        match due {
            Due::Message { from, to, life, bytes } => self.deliver(from, to, life, &bytes)?,
            Due::Written { node, life } => {
                if let Some(running) = self.alive(node, life) {
                    running.edges.disk.finish_write();
                    running.woken = true;
                    self.write(node);
                }
            }
            Due::Stores { node, life } => self.stores(node, life),
            Due::Vote(vote) => {
                for node in &mut self.nodes {
                    node.hear(Input::CloseVote(vote.clone()));
                }
                self.control.hear(Pending::Close(*vote)).map_err(|why| Violation::new(8, why))?;
            }
            Due::Applies { node } => self.apply(node),
            Due::Clients => {
                let sending = !self.calm;
                self.clients.step(self.now_ms, &mut self.nodes, &self.judge, sending)?;
                self.at(CLIENTS_MS, Due::Clients);
            }
            Due::Control => {
                if self.control.step(self.now_ms, &mut self.nodes, &self.net) {
                    let height = self.control.height();
                    self.trace(&height.to_be_bytes());
                    self.judge.decided(self.control.state())?;
                }
                self.answer_roll_call()?;
                self.spread();
                self.at(CONTROL_MS, Due::Control);
            }
            Due::Fault => self.fault(),
            Due::Starts { node } => self.start(node)?,
            Due::Heals => self.heal(),
            Due::DiskRecovers { node } => self.nodes[node].write_ms = 3,
        }
        Ok(())
    }

    fn alive(&mut self, node: usize, life: u64) -> Option<&mut super::node::Running> {
        let node = &mut self.nodes[node];
        if node.life == life { node.running.as_mut() } else { None }
    }

    fn deliver(&mut self, from: usize, to: usize, life: u64, bytes: &[u8]) -> Result<(), Violation> {
        if self.alive(to, life).is_none() {
            return Ok(());
        }
        let message = PeerMessage::decode(bytes).map_err(|why| Violation::new(0, why.to_string()))?;
        if let PeerMessage::Transactions(transactions) = message {
            for raw in transactions {
                self.nodes[to].offer(self.now_ms, &raw, None);
            }
            return Ok(());
        }
        let message = Received::prepare(message).map_err(|why| Violation::new(0, why))?;
        let from = self.nodes[from].address;
        self.nodes[to].hear(Input::Peer { from, message });
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<(), Violation> {
        if self.nodes[node].running.is_some() {
            return Ok(());
        }
        if self.nodes[node].applied == 0 {
            self.nodes[node].applied = self.control.height();
        }
        let update = ControlUpdate::of(self.control.state_at(self.nodes[node].applied));
        self.nodes[node].start(self.now_ms, update).map_err(|why| Violation::new(8, why))?;
        let life = self.nodes[node].life;
        self.at(STORE_MS, Due::Stores { node, life });
        self.carry(node)
    }

    fn stores(&mut self, node: usize, life: u64) {
        let (flush, most) = (self.rng.chance(150), self.rng.between(0, 40) as usize);
        let pruned = self.pruned[node];
        let Some(running) = self.alive(node, life) else { return };
        let before = running.edges.view.committed();
        running.edges.view.store(most);
        running.woken |= before > 0;
        let store = self.nodes[node].store.clone();
        if flush {
            store.0.borrow_mut().flush();
        }
        let flushed = store.0.borrow().flushed();
        if flushed >= pruned + PRUNE_BLOCKS {
            self.pruned[node] = flushed;
            if let Some(running) = self.alive(node, life) {
                let promises = running.replica.promises();
                running.edges.disk.prune(flushed, promises);
            }
            self.write(node);
        }
        self.at(STORE_MS, Due::Stores { node, life });
    }

    /// Nodes that reach the control plane say whether they can take their turns, when that needs saying.
    fn answer_roll_call(&mut self) -> Result<(), Violation> {
        let side = self.control.quorum(&self.nodes, &self.net).unwrap_or_default();
        for node in side {
            let state = self.control.state_at(self.nodes[node].applied);
            if let Some(said) = self.nodes[node].readiness(self.now_ms, state) {
                self.control.hear(said).map_err(|why| Violation::new(8, why))?;
            }
        }
        Ok(())
    }

    /// Hands the next control block to every node that can have it.
    fn spread(&mut self) {
        for node in 0..self.nodes.len() {
            let behind = self.nodes[node].applied < self.control.height() && self.nodes[node].running.is_some();
            let told = (0..self.nodes.len())
                .any(|n| self.net.joined(n, node) && self.nodes[n].applied > self.nodes[node].applied);
            let deciding = self.control.quorum(&self.nodes, &self.net).is_some_and(|side| side.contains(&node));
            if behind && (told || deciding) && !self.applying[node] {
                self.applying[node] = true;
                let late = self.rng.chance(20) && !self.calm;
                let after_ms = if late { self.rng.between(200, 2_500) } else { self.rng.between(1, 60) };
                self.at(after_ms, Due::Applies { node });
            }
        }
    }

    fn apply(&mut self, node: usize) {
        self.applying[node] = false;
        if self.nodes[node].running.is_some() && self.nodes[node].applied < self.control.height() {
            self.nodes[node].applied += 1;
            let update = ControlUpdate::of(self.control.state_at(self.nodes[node].applied));
            self.nodes[node].hear(Input::Control(Box::new(update)));
        }
    }

    fn write(&mut self, node: usize) {
        let most = self.nodes[node].write_ms;
        let life = self.nodes[node].life;
        let begun = match &mut self.nodes[node].running {
            Some(running) => running.edges.disk.begin_write(&mut self.rng),
            None => false,
        };
        if begun {
            let after_ms = self.rng.between(1, most);
            self.at(after_ms, Due::Written { node, life });
        }
    }

    /// Carries what a node said, and judges it.
    fn carry(&mut self, node: usize) -> Result<(), Violation> {
        let Some(running) = &mut self.nodes[node].running else { return Ok(()) };
        let said = std::mem::take(&mut running.edges.said);
        let votes = std::mem::take(&mut running.edges.votes);
        let accusation = running.edges.accusations.pop();
        let events = std::mem::take(&mut running.edges.events);
        if let Some(why) = running.edges.fault.take() {
            return Err(Violation::new(5, format!("node {node}: {why}")));
        }
        if let Some(proof) = accusation {
            return Err(Violation::new(
                8,
                format!("node {node} can convict {}: {:?}", proof.validator, proof.offence()),
            ));
        }
        let head = running.replica.head();
        let committed = running.edges.view.committed();
        let hash = running.edges.view.hash(committed);
        for event in &events {
            self.out.rollbacks +=
                u64::from(matches!(event, horae_node::chain_view::ChainEvent::RolledBack { to } if *to < u64::MAX));
            self.judge.told(event)?;
        }
        if let Some(hash) = hash {
            self.judge.holds(node, committed, hash)?;
        }
        if head.number < committed {
            return Err(Violation::new(5, format!("node {node}: head {head} below committed {committed}")));
        }
        self.write(node);
        let address = self.nodes[node].address;
        for said in said {
            match said {
                Said::To(to, message) => {
                    self.judge.said(address, &message)?;
                    if let Some(to) = self.nodes.iter().position(|other| other.address == to) {
                        self.send(node, to, &message);
                    }
                }
                Said::All(message) => {
                    self.judge.said(address, &message)?;
                    for to in (0..self.nodes.len()).filter(|to| *to != node) {
                        self.send(node, to, &message);
                    }
                }
                Said::Stored(to, from) => {
                    let store = self.nodes[node].store.clone();
                    let blocks: Vec<_> =
                        (from..from + BLOCKS_PER_ANSWER).map_while(|number| store.0.borrow().block(number)).collect();
                    if let Some(to) = self.nodes.iter().position(|other| other.address == to)
                        && !blocks.is_empty()
                    {
                        self.send(node, to, &PeerMessage::Blocks { blocks, commit: None });
                    }
                }
            }
        }
        for vote in votes {
            self.judge.closes(&vote)?;
            let heard = self.control.quorum(&self.nodes, &self.net).is_some_and(|side| side.contains(&node));
            if heard && (self.calm || !self.rng.chance(50)) {
                let after_ms = self.rng.between(1, 40);
                self.at(after_ms, Due::Vote(Box::new(vote)));
            }
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize, message: &PeerMessage) {
        let bytes = message.encode();
        self.trace(&bytes);
        if let Some(at) = self.net.carry(self.now_ms, from, to) {
            let life = self.nodes[to].life;
            self.at(at - self.now_ms, Due::Message { from, to, life, bytes });
        }
    }

    fn fault(&mut self) {
        if self.calm {
            return;
        }
        let nodes = self.nodes.len();
        match self.rng.below(8) {
            0..=2 => {
                let any = self.rng.below(nodes);
                let running = self.nodes.iter().find_map(|node| node.running.as_ref()?.replica.sequencer());
                let sequencer = self.nodes.iter().position(|node| Some(node.address) == running);
                let aimed = self.rng.chance(500);
                self.crash(sequencer.filter(|_| aimed).unwrap_or(any));
            }
            3 => {
                for node in 0..nodes {
                    if self.rng.chance(600) {
                        self.crash(node);
                    }
                }
            }
            4 => {
                let sides = (0..nodes).map(|_| u8::from(self.rng.chance(350))).collect();
                self.net.part(sides);
            }
            5 => {
                let weather = Weather {
                    least_ms: 1,
                    most_ms: self.rng.between(2, 150),
                    lost_per_mille: self.rng.between(0, 120),
                    late_per_mille: self.rng.between(0, 40),
                };
                self.net.set_weather(weather);
            }
            6 => {
                let node = self.rng.below(nodes);
                self.nodes[node].write_ms = self.rng.between(20, 1_200);
                let after_ms = self.rng.between(500, 5_000);
                self.at(after_ms, Due::DiskRecovers { node });
            }
            _ => {
                self.net.part(vec![0; nodes]);
                self.net.set_weather(Weather::CALM);
            }
        }
        let after_ms = self.rng.between(50, 2_500);
        self.at(after_ms, Due::Fault);
    }

    fn crash(&mut self, node: usize) {
        if self.nodes[node].running.is_some() {
            self.out.crashes += 1;
            self.nodes[node].crash(&mut self.rng);
            let after_ms = self.rng.between(20, 3_500);
            self.at(after_ms, Due::Starts { node });
        }
    }

    fn heal(&mut self) {
        self.calm = true;
        self.net.part(vec![0; self.nodes.len()]);
        self.net.set_weather(Weather::CALM);
        for node in 0..self.nodes.len() {
            self.nodes[node].write_ms = 3;
            self.at(1, Due::Starts { node });
        }
    }
}
