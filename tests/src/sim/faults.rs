//! Faults: which there are, when they come, and who may suffer those that count as faulty.

use serde::Serialize;

use super::l1::Endpoint;
use super::net::Weather;
use super::node::WRITE_MS;
use super::rng::Rng;
use super::world::{Due, World};

/// How often each kind of fault came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Machines that died, with the bytes that were not on stable storage.
    pub crashes: u64,
    /// Times that most machines died together.
    pub blackouts: u64,
    /// Partitions both ways.
    pub partitions: u64,
    /// Partitions one way.
    pub one_way_partitions: u64,
    /// Times of loss, delay, repetition and reordering.
    pub storms: u64,
    /// Disks that were slow for a while.
    pub slow_disks: u64,
    /// Disks that were full until the process gave up.
    pub full_disks: u64,
    /// Machines that were slow for a while.
    pub slow_nodes: u64,
    /// Clocks that jumped.
    pub clock_jumps: u64,
    /// Disks that were lost.
    pub lost_disks: u64,
    /// Old copies of disks that were put back.
    pub old_backups: u64,
    /// Validators that began a new incarnation.
    pub reincarnations: u64,
    /// L1 endpoints that lagged, lied or fell silent for a while.
    pub bad_endpoints: u64,
    /// Reorganisations of L1.
    pub l1_reorganisations: u64,
    /// Messages of Byzantine nodes that were lies.
    pub lies: u64,
    /// Byzantine nodes whose own lies led their code where it could not go on.
    pub liars_that_gave_up: u64,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let Self {
            crashes,
            blackouts,
            partitions,
            one_way_partitions,
            storms,
            slow_disks,
            full_disks,
            slow_nodes,
            clock_jumps,
            lost_disks,
            old_backups,
            reincarnations,
            bad_endpoints,
            l1_reorganisations,
            lies,
            liars_that_gave_up,
        } = other;
        self.crashes += crashes;
        self.blackouts += blackouts;
        self.partitions += partitions;
        self.one_way_partitions += one_way_partitions;
        self.storms += storms;
        self.slow_disks += slow_disks;
        self.full_disks += full_disks;
        self.slow_nodes += slow_nodes;
        self.clock_jumps += clock_jumps;
        self.lost_disks += lost_disks;
        self.old_backups += old_backups;
        self.reincarnations += reincarnations;
        self.bad_endpoints += bad_endpoints;
        self.l1_reorganisations += l1_reorganisations;
        self.lies += lies;
        self.liars_that_gave_up += liars_that_gave_up;
    }
}

/// The nodes of less than 1/3 of the weights that may be faulty beyond crashes: either they lie, or they lose their disks.
#[derive(Clone, Debug, Default)]
pub struct Fragile {
    liars: Vec<usize>,
    forgetful: Vec<usize>,
}

impl Fragile {
    /// Draws them.
    #[must_use]
    pub fn draw(rng: &mut Rng, weights: &[u64]) -> Self {
        let total: u64 = weights.iter().sum();
        let mut faulty = Vec::new();
        let mut weight = 0;
        for _ in 0..2 * weights.len() {
            let at = rng.below(weights.len());
            if !faulty.contains(&at) && 3 * (weight + weights[at]) < total {
                weight += weights[at];
                faulty.push(at);
            }
        }
        match rng.below(3) {
            0 => Self::default(),
            1 => Self { liars: faulty, forgetful: Vec::new() },
            _ => Self { liars: Vec::new(), forgetful: faulty },
        }
    }

    /// Nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Who lies.
    #[must_use]
    pub fn liars(&self) -> &[usize] {
        &self.liars
    }
}

impl World {
    /// The next fault.
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let nodes = self.nodes.len();
        let any = self.rng.below(nodes);
        match self.rng.below(16) {
            0..=3 => {
                let running = self.nodes.iter().find_map(|node| node.running.as_ref()?.replica.sequencer());
                let sequencer = self.nodes.iter().position(|node| Some(node.address) == running);
                let aimed = self.rng.chance(500);
                self.crash(sequencer.filter(|_| aimed).unwrap_or(any));
            }
            4 => {
                self.out.faults.blackouts += 1;
                for node in 0..nodes {
                    if self.rng.chance(600) {
                        self.crash(node);
                    }
                }
            }
            5 => {
                let sides: Vec<u8> = (0..nodes).map(|_| u8::from(self.rng.chance(350))).collect();
                self.out.faults.partitions += 1;
                self.part(&sides);
            }
            6 => {
                let says = self.rng.chance(500);
                self.out.faults.one_way_partitions += 1;
                self.net.cut_one_way(any, says);
            }
            7 => {
                self.out.faults.storms += 1;
                let weather = Weather {
                    least_ms: 1,
                    most_ms: self.rng.between(2, 150),
                    lost_per_mille: self.rng.between(0, 120),
                    late_per_mille: self.rng.between(0, 40),
                    twice_per_mille: self.rng.between(0, 50),
                    shuffled_per_mille: self.rng.between(0, 100),
                };
                self.net.set_weather(weather);
            }
            8 => {
                self.out.faults.slow_disks += 1;
                self.nodes[any].write_ms = Some(self.rng.between(20, 1_200));
                let after_ms = self.rng.between(500, 5_000);
                self.at(after_ms, Due::DiskRecovers { node: any });
            }
            9 => {
                self.out.faults.full_disks += 1;
                self.nodes[any].write_ms = None;
                let after_ms = self.rng.between(500, 3_000);
                self.at(after_ms, Due::DiskRecovers { node: any });
            }
            10 => {
                self.out.faults.slow_nodes += 1;
                self.nodes[any].slow_ms = self.rng.between(5, 400);
                let after_ms = self.rng.between(500, 5_000);
                self.at(after_ms, Due::DiskRecovers { node: any });
            }
            11 => {
                let most = self.beginning.genesis.params.drift_ms / 2;
                self.out.faults.clock_jumps += 1;
                self.nodes[any].skew_ms = self.rng.between(0, most);
            }
            12 => {
                self.out.faults.bad_endpoints += 1;
                let behind = Endpoint::Behind(self.rng.between(1, 12));
                let drawn = *self.rng.pick(&[behind, behind, Endpoint::Silent, Endpoint::Lying]);
                let one_too_many = drawn == Endpoint::Lying && !self.may_be_lied_to(any);
                self.nodes[any].endpoint = if one_too_many { behind } else { drawn };
                let after_ms = self.rng.between(1_000, 12_000);
                self.at(after_ms, Due::Endpoint { node: any });
            }
            13 => self.forget(),
            _ => {
                self.part(&vec![0; nodes]);
                self.net.set_weather(Weather::CALM);
            }
        }
        let after_ms = self.rng.between(50, 2_500);
        self.at(after_ms, Due::Fault);
    }

    /// A node whose endpoint lies counts as faulty: with the liars, those are less than 1/3 of the weights.
    fn may_be_lied_to(&self, node: usize) -> bool {
        let set = &self.engine.state().epoch().set;
        let faulty =
            self.nodes.iter().filter(|other| other.at == node || other.is_liar() || other.endpoint == Endpoint::Lying);
        let weight: u64 = faulty.filter_map(|node| Some(set.get(&node.address)?.weight)).sum();
        3 * weight < set.validators().iter().map(|validator| validator.weight).sum()
    }

    /// Takes a copy of a disk, puts one back, or loses a disk.
    fn forget(&mut self) {
        if self.fragile.forgetful.is_empty() || self.engine.state().open_term().is_none() {
            return;
        }
        let node = *self.rng.pick(&self.fragile.forgetful);
        if self.nodes[node].running.is_some() && self.rng.chance(400) {
            return self.nodes[node].back_up();
        }
        self.crash(node);
        if self.nodes[node].running.is_some() {
            return;
        }
        self.judge.has_forgotten(self.nodes[node].address);
        if self.rng.chance(600) && self.nodes[node].put_back() {
            self.out.faults.old_backups += 1;
            self.tell(|| format!("node {node} gets an old copy of its disks"));
        } else {
            self.out.faults.lost_disks += 1;
            self.tell(|| format!("node {node} loses its disks"));
            self.nodes[node].lose_disk();
        }
    }

    fn part(&mut self, sides: &[u8]) {
        for (node, peer) in self.net.part(sides) {
            let after_ms = self.rng.between(1, 300);
            self.at(after_ms, Due::PeerUp { node, peer });
        }
    }

    pub(super) fn crash(&mut self, node: usize) {
        if self.nodes[node].running.is_some() {
            self.out.faults.crashes += 1;
            self.tell(|| format!("node {node} crashes"));
            self.nodes[node].crash(&mut self.rng);
            let after_ms = self.rng.between(20, 3_500);
            self.at(after_ms, Due::Starts { node });
        }
    }

    /// The disk has room and is quick again, and so is the machine. A process that found its disk full has given up meanwhile.
    pub(super) fn recover_disk(&mut self, node: usize) {
        if self.nodes[node].write_ms.is_none() {
            self.crash(node);
        }
        (self.nodes[node].write_ms, self.nodes[node].slow_ms) = (Some(WRITE_MS), 0);
    }

    pub(super) fn recover_endpoint(&mut self, node: usize) {
        self.nodes[node].endpoint = Endpoint::Behind(0);
    }

    /// Faults are over.
    pub(super) fn heal(&mut self) {
        (self.calm, self.clients_send) = (true, false);
        self.part(&vec![0; self.nodes.len()]);
        self.net.set_weather(Weather::CALM);
        for node in 0..self.nodes.len() {
            self.recover_disk(node);
            self.recover_endpoint(node);
            self.at(1, Due::Starts { node });
        }
    }
}
