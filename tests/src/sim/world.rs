//! The world: seeded time, and the loop that gives every node its turns.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use alloy_primitives::{Address, keccak256};
use bytes::Bytes;
use horae_control::Domain;
use horae_node::council::{Report, TICK_MS};

use super::beginning::{CHAIN_ID, START_MS, control_genesis, draw_params, genesis};
use super::byzantine::{Lie, Mask};
use super::clients::Clients;
use super::engine::Engine;
use super::faults::{Fragile, Tally};
use super::judge::{Judge, Violation};
use super::l1::L1;
use super::net::{Net, Weather};
use super::node::{Beginning, Node, Running, signer_key};
use super::outage::Rounds;
use super::rng::Rng;

/// Stakes of the validators, in multiples of the least.
const STAKES: [&[u64]; 5] = [&[1, 1, 1, 1], &[1, 1, 1, 1], &[2, 1, 3, 1], &[1, 1, 1, 1, 1], &[1, 2, 1, 2, 1, 1, 1]];
/// Slots that an epoch lasts at least; none means that the first one lasts for ever.
const EPOCH_SLOTS: [u64; 4] = [0, 0, 2, 6];
/// Makes another seed of a plan's, for those who use L1 only.
const L1_USERS: u64 = 0x4c31;
/// How often clients and the engine take a step, in milliseconds.
const CLIENTS_MS: u64 = 25;
const ENGINE_MS: u64 = 10;
/// How often a store takes in what is committed.
pub(super) const STORE_MS: u64 = 20;
/// How often a node looks at L1.
pub(super) const LOOK_MS: u64 = 500;
/// Blocks between prunings of a journal.
const PRUNE_BLOCKS: u64 = 32;
/// How long the calm at the end may take to bring new blocks and a batch everywhere, beside two slot timeouts.
const PATIENCE_MS: u64 = 60_000;
/// Blocks that the calm at the end has to bring.
const CALM_BLOCKS: u64 = 5;

/// What a run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Events that happen before faults stop.
    pub events: u64,
    /// How many validators there are; drawn if nothing is said.
    pub nodes: Option<usize>,
    /// Tells where everybody stands once a simulated second.
    pub loud: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Hash over everything that was said and decided.
    pub trace: u64,
    /// Things that happened.
    pub events: u64,
    /// Committed blocks.
    pub blocks: u64,
    /// Committed transactions.
    pub transactions: usize,
    /// Terms that were closed.
    pub failovers: u64,
    /// Epochs that opened after the first.
    pub epochs: u64,
    /// Batches on L1 at the end.
    pub batches: u64,
    /// Entries of the forced queue that were executed.
    pub forced: u64,
    /// Settlements of rewards on L1 at the end.
    pub settlements: u64,
    /// Offences that L1 has punished.
    pub punished: u64,
    /// Faults, by kind.
    pub faults: Tally,
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

/// What is due at some moment.
pub(super) enum Due {
    Message {
        from: usize,
        to: usize,
        life: u64,
        bytes: Bytes,
    },
    /// `recalls`: it tells the hearer what it said.
    Link {
        from: usize,
        to: usize,
        life: u64,
        bytes: alloy_primitives::Bytes,
        recalls: bool,
    },
    PeerUp {
        node: usize,
        peer: usize,
    },
    Written {
        node: usize,
        life: u64,
    },
    Stores {
        node: usize,
        life: u64,
    },
    Ticks {
        node: usize,
        life: u64,
    },
    Looks {
        node: usize,
        life: u64,
    },
    Reports {
        node: usize,
        life: u64,
        report: Report,
    },
    Applies {
        node: usize,
    },
    Clients,
    Engine,
    L1Block,
    Fault,
    Starts {
        node: usize,
    },
    DiskRecovers {
        node: usize,
    },
    Endpoint {
        node: usize,
    },
}

/// One run.
pub struct World {
    pub(super) now_ms: u64,
    pub(super) rng: Rng,
    pub(super) net: Net,
    pub(super) nodes: Vec<Node>,
    pub(super) engine: Engine,
    pub(super) l1: L1,
    pub(super) clients: Clients,
    pub(super) judge: Judge,
    pub(super) beginning: Rc<Beginning>,
    due: BTreeMap<(u64, u64), Due>,
    next: u64,
    pub(super) out: Outcome,
    pub(super) fragile: Fragile,
    pub(super) rounds: Rounds,
    pub(super) calm: bool,
    /// The agreed L1 view.
    pub(super) agreed: horae_control::L1View,
    /// The term that a registered incarnation is to close.
    pub(super) outdated: Option<u64>,
    pub(super) clients_send: bool,
    /// Draws what users enter in the forced queue.
    pub(super) l1_users: Rng,
    plan: Plan,
    told_ms: u64,
}

impl World {
    /// A world at its start.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self::with(plan, true, *Rng::new(!plan.seed).pick(&EPOCH_SLOTS))
    }

    /// A world in which nothing goes wrong by itself.
    #[must_use]
    pub fn without_faults(plan: Plan) -> Self {
        Self::with(plan, false, 0)
    }

    /// The same, with epochs that last this many slots at least, and twice as many at most.
    #[must_use]
    pub fn without_faults_in_epochs(plan: Plan, epoch_slots: u64) -> Self {
        Self::with(plan, false, epoch_slots)
    }

    fn with(plan: Plan, faults: bool, epoch_slots: u64) -> Self {
        let mut rng = Rng::new(plan.seed);
        let drawn = *rng.pick(&STAKES);
        let units: Vec<u64> = plan.nodes.map_or(drawn.to_vec(), |nodes| vec![1; nodes]);
        let params = draw_params(&mut rng);
        let accounts = rng.between(2, 6) as usize;
        let clients = Clients::new(rng.fork(), accounts, CHAIN_ID);
        let genesis = genesis(&params, clients.addresses());
        let domain = Domain { chain_id: CHAIN_ID, locking: Address::repeat_byte(0x11) };
        let control = control_genesis(&mut rng, &units, domain, &genesis, epoch_slots);
        let set = control.epoch().set.clone();
        let beginning = Rc::new(Beginning { genesis, control: control.clone() });
        let skew_ms = params.drift_ms / 2;
        let nodes: Vec<Node> =
            (0..units.len()).map(|at| Node::new(at, rng.between(0, skew_ms), beginning.clone())).collect();
        let weights: Vec<u64> =
            nodes.iter().map(|node| set.get(&node.address).map_or(0, |validator| validator.weight)).collect();
        let fragile = if faults { Fragile::draw(&mut rng, &weights) } else { Fragile::nobody() };
        let net = Net::new(rng.fork(), units.len(), Weather::CALM);
        let agreed = control.l1_view();
        let engine = Engine::new(rng.fork(), control);
        let l1 = L1::new(rng.fork(), set);
        let mut world = Self {
            now_ms: 0,
            rng,
            net,
            nodes,
            engine,
            l1,
            clients,
            judge: Judge::default(),
            beginning,
            due: BTreeMap::new(),
            next: 0,
            out: Outcome::default(),
            fragile,
            rounds: Rounds::default(),
            calm: !faults,
            agreed,
            outdated: None,
            clients_send: faults,
            l1_users: Rng::new(plan.seed ^ L1_USERS),
            plan,
            told_ms: 0,
        };
        world.put_masks_on(domain);
        for node in 0..world.nodes.len() {
            world.at(1, Due::Starts { node });
        }
        for due in [Due::Clients, Due::Engine, Due::L1Block] {
            world.at(1, due);
        }
        world.at(500, Due::Fault);
        world
    }

    fn put_masks_on(&mut self, domain: Domain) {
        for at in self.fragile.liars().to_vec() {
            let lies: Vec<Lie> = Lie::ALL.into_iter().filter(|_| self.rng.chance(450)).collect();
            let mask = Mask::new(lies, self.rng.fork(), signer_key(at), domain);
            self.nodes[at].mask = Some(mask);
            self.judge.expect_lies_of(self.nodes[at].address);
        }
    }

    pub(super) fn at(&mut self, after_ms: u64, due: Due) {
        self.next += 1;
        self.due.insert((self.now_ms + after_ms, self.next), due);
    }

    /// Tells of what happens, if anybody wants to hear.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.plan.loud {
            eprintln!("{:>7} ms: {}", self.now_ms, what());
        }
    }

    pub(super) fn trace(&mut self, bytes: &[u8]) {
        let digest = keccak256(bytes);
        let word = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
        let mixed = self.out.trace.rotate_left(5) ^ word ^ self.now_ms;
        self.out.trace = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Runs to the end: faults, then a calm in which everything must come right.
    ///
    /// # Errors
    /// The first thing seen that must not be, and when.
    pub fn run(mut self) -> Result<Outcome, (u64, Violation)> {
        match self.go() {
            Ok(()) => Ok(self.out),
            Err(violation) => Err((self.now_ms, violation)),
        }
    }

    pub(super) fn run_to(&mut self, end_ms: u64) -> Result<(), Violation> {
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
        let drift_ms = self.beginning.genesis.params.drift_ms;
        self.judge.clock(START_MS + self.now_ms + drift_ms / 2 + drift_ms);
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            let due = entry.remove();
            self.out.events += u64::from(!matches!(due, Due::Clients | Due::Engine | Due::Ticks { .. }));
            self.take(due)?;
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_due(self.now_ms) {
                self.run_node(node);
                self.out.events += 1;
                self.carry(node)?;
            }
        }
        Ok(())
    }

    /// A liar's own code may find itself where no honest node can be, and give up.
    fn run_node(&mut self, node: usize) {
        let now_ms = self.now_ms;
        if !self.nodes[node].is_liar() {
            return self.nodes[node].run(now_ms);
        }
        let liar = &mut self.nodes[node];
        if catch_unwind(AssertUnwindSafe(|| liar.run(now_ms))).is_err() {
            self.out.faults.liars_that_gave_up += 1;
            self.crash(node);
        }
    }

    fn go(&mut self) -> Result<(), Violation> {
        let mut goal = None;
        loop {
            self.turn()?;
            if self.plan.loud && self.now_ms >= self.told_ms {
                self.told_ms = self.now_ms + 1_000;
                eprintln!("{} ms: {} due, {}", self.now_ms, self.due.len(), self.standing());
            }
            if !self.calm && self.out.events >= self.plan.events {
                self.heal();
            }
            if self.calm {
                let (height, batches, deadline_ms) = *goal.get_or_insert_with(|| {
                    let patience_ms = 2 * self.engine.state().slot_timeout_ms(false) + PATIENCE_MS;
                    let batches = self.l1.batches().count() + 1;
                    (self.judge.committed() + CALM_BLOCKS, batches, self.now_ms + patience_ms)
                });
                if self.has_come_right(height, batches) {
                    return self.finish();
                }
                if self.now_ms > deadline_ms {
                    if let Some(term) = self.outdated.filter(|term| !self.has_closed(*term)) {
                        let what = format!("term {term} outlives the incarnation that was registered in it");
                        return Err(Violation::new(0, what));
                    }
                    let open = self.clients.open();
                    let invariant = if open.is_empty() { 0 } else { 9 };
                    let what = format!("no progress to block {height} and {batches} batches: {}", self.standing());
                    return Err(Violation::new(invariant, what));
                }
            }
        }
    }

    fn has_come_right(&self, height: u64, batches: usize) -> bool {
        let honest = || self.nodes.iter().filter(|node| !node.is_liar());
        let reached = |node: &Node| node.running.as_ref().is_some_and(|r| r.replica.committed() >= height);
        let closed = |term| self.has_closed(term);
        honest().all(reached)
            && self.outdated.is_none_or(closed)
            && self.clients.is_done()
            && self.judge.forced() == self.l1.entered()
            && self.l1.batches().count() >= batches
    }

    fn has_closed(&self, term: u64) -> bool {
        self.engine.state().open_term().is_some_and(|open| open.number > term)
    }

    /// Where everybody stands, in words.
    pub(super) fn standing(&self) -> String {
        let nodes = self.nodes.iter().map(|node| {
            let Some(running) = &node.running else { return format!("[{}: down]", node.at) };
            let (replica, slot) = (&running.replica, running.replica.running());
            let sequencer = slot.sequencer.and_then(|s| self.nodes.iter().position(|n| n.address == s));
            format!(
                "[{}{}: head {} committed {} stored {} control {} part {:?} term {} slot {} sequencer {sequencer:?}]",
                node.at,
                if node.is_liar() { " (liar)" } else { "" },
                replica.head().number,
                replica.committed(),
                node.store.0.borrow().height(),
                running.council.state().height(),
                running.side.part,
                slot.term,
                slot.slot,
            )
        });
        let nodes = nodes.collect::<Vec<_>>().join(" ");
        let (control, batches) = (self.engine.height(), self.l1.batches().count());
        let (forced, entered) = (self.judge.forced(), self.l1.entered());
        format!(
            "control {control}, {batches} batches, {forced} of {entered} forced, {nodes}; open: {}",
            self.clients.open()
        )
    }

    fn finish(&mut self) -> Result<(), Violation> {
        for node in &mut self.nodes {
            self.out.idle_turns += node.idle_turns;
            self.out.most_waiting = self.out.most_waiting.max(node.most_waiting);
            if let Some(running) = &mut node.running {
                self.out.refused += running.edges.refused;
                while running.edges.view.store(usize::MAX) {}
            }
            self.out.faults.lies += node.mask.as_ref().map_or(0, |mask| mask.told);
        }
        let honest: Vec<&Node> = self.nodes.iter().filter(|node| !node.is_liar()).collect();
        for pair in honest.windows(2) {
            let (a, b) = (pair[0].store.0.borrow(), pair[1].store.0.borrow());
            if a.height() == b.height() && a.state() != b.state() {
                let what = format!("nodes {} and {} have different states", pair[0].at, pair[1].at);
                return Err(Violation::new(5, what));
            }
        }
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        self.out.blocks = self.judge.committed();
        self.out.transactions = self.judge.transactions();
        self.out.epochs = self.engine.state().epoch().number;
        let terms = self.engine.state().open_term().map_or(0, |term| term.number - 1);
        self.out.failovers = terms.saturating_sub(self.out.epochs);
        self.out.batches = self.l1.batches().count() as u64;
        self.out.forced = self.judge.forced();
        self.out.settlements = self.l1.settlements().count() as u64;
        self.out.punished = self.l1.payroll().punished();
        self.out.simulated_ms = self.now_ms;
        Ok(())
    }

    fn take(&mut self, due: Due) -> Result<(), Violation> {
        match due {
            Due::Message { from, to, life, bytes } => self.deliver(from, to, life, &bytes)?,
            Due::Link { from, to, life, bytes, recalls } => {
                if recalls && self.alive(to, life).is_some() {
                    self.judge.is_told(self.nodes[to].address, self.nodes[from].address);
                }
                let (from, now_ms) = (self.nodes[from].node_key, self.nodes[to].clock_ms(self.now_ms));
                if let Some(Running { council, side, .. }) = self.alive(to, life) {
                    council.hear(from, &bytes, now_ms, side);
                    self.settle(to)?;
                }
            }
            Due::PeerUp { node, peer } => {
                let key = self.nodes[peer].node_key;
                let both = self.net.joined(node, peer) && self.nodes[peer].running.is_some();
                if let Some(Running { council, side, .. }) = self.nodes[node].running.as_mut().filter(|_| both) {
                    council.peer_up(key, side);
                    self.settle(node)?;
                }
            }
            Due::Written { node, life } => {
                if let Some(running) = self.alive(node, life) {
                    running.edges.disk.finish_write();
                    running.woken = true;
                    self.write(node);
                }
            }
            Due::Stores { node, life } => self.stores(node, life),
            Due::Ticks { node, life } => {
                let now_ms = self.nodes[node].clock_ms(self.now_ms);
                if let Some(Running { replica, council, side, .. }) = self.alive(node, life) {
                    side.running = std::sync::Arc::new(replica.running());
                    council.tick(now_ms, side).map_err(|why| Violation::new(0, format!("node {node}: {why}")))?;
                    self.at(TICK_MS, Due::Ticks { node, life });
                    self.settle(node)?;
                }
            }
            Due::Looks { node, life } => self.look(node, life)?,
            Due::Reports { node, life, report } => {
                let now_ms = self.nodes[node].clock_ms(self.now_ms);
                if let Some(Running { council, side, .. }) = self.alive(node, life) {
                    council.report(report, now_ms, side);
                    self.settle(node)?;
                }
            }
            Due::Applies { node } => self.apply(node)?,
            Due::Clients => {
                self.clients.step(self.now_ms, &mut self.nodes, &self.judge, self.clients_send)?;
                self.at(CLIENTS_MS, Due::Clients);
            }
            Due::Engine => {
                let decided = self.engine.step(self.now_ms, &mut self.nodes, &self.net, &self.l1)?;
                if let Some(effects) = decided {
                    let height = self.engine.height();
                    self.trace(&height.to_be_bytes());
                    self.tell(|| format!("control height {height} decided: {effects:?}"));
                    self.judge_decision(height, &effects)?;
                }
                self.spread();
                self.at(ENGINE_MS, Due::Engine);
            }
            Due::L1Block => self.make_l1_block()?,
            Due::Fault => self.fault(),
            Due::Starts { node } => self.start(node)?,
            Due::DiskRecovers { node } => self.recover_disk(node),
            Due::Endpoint { node } => self.recover_endpoint(node),
        }
        Ok(())
    }

    pub(super) fn alive(&mut self, node: usize, life: u64) -> Option<&mut Running> {
        let node = &mut self.nodes[node];
        if node.life == life { node.running.as_mut() } else { None }
    }

    fn start(&mut self, node: usize) -> Result<(), Violation> {
        if self.nodes[node].running.is_some() {
            return Ok(());
        }
        let seed = self.rng.draw();
        self.tell(|| format!("node {node} starts"));
        self.nodes[node].start(self.now_ms, seed).map_err(|why| Violation::new(8, why))?;
        if let Some(Running { replica, council, .. }) = &self.nodes[node].running {
            let set = council.state().epoch().set.clone();
            self.judge.starts(self.nodes[node].address, set, &replica.said())?;
        }
        let life = self.nodes[node].life;
        self.at(STORE_MS, Due::Stores { node, life });
        self.at(1, Due::Ticks { node, life });
        let look_ms = self.rng.between(1, LOOK_MS);
        self.at(look_ms, Due::Looks { node, life });
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            for (node, peer) in [(node, peer), (peer, node)] {
                let after_ms = self.rng.between(1, 50);
                self.at(after_ms, Due::PeerUp { node, peer });
            }
        }
        self.carry(node)
    }

    fn stores(&mut self, node: usize, life: u64) {
        let (flush, most) = (self.rng.chance(150), self.rng.between(0, 40) as usize);
        let pruned = self.nodes[node].pruned;
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
            self.nodes[node].pruned = flushed;
            if let Some(running) = self.alive(node, life) {
                let promises = running.replica.promises();
                running.edges.disk.prune(flushed, promises);
            }
            self.write(node);
        }
        self.at(STORE_MS, Due::Stores { node, life });
    }

    pub(super) fn write(&mut self, node: usize) {
        let life = self.nodes[node].life;
        let Some(most) = self.nodes[node].write_ms else { return };
        let begun = match &mut self.nodes[node].running {
            Some(running) => running.edges.disk.begin_write(&mut self.rng),
            None => false,
        };
        if begun {
            let after_ms = self.rng.between(1, most);
            self.at(after_ms, Due::Written { node, life });
        }
    }
}
