//! The control plane as Tendermint promises it: one log of decided blocks. A block is proposed by a live node from what its
//! replica holds, and decided once replicas of > 2/3 have answered that they hold what it speaks of.

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256, keccak256};
use horae_control::command::{Command, L1Event, Question};
use horae_control::limits::MIN_STAKE;
use horae_control::pending::{Pending, PendingCommands};
use horae_control::{
    BlockFacts, BlockId, Candidate, ControlBlock, ControlParams, ControlState, DkgCommitments, DkgConfirm, DkgShares,
    Domain, Genesis, GroupKey, L1View,
};
use horae_node::replica::{FactsQuestion, HoldsQuestion, Input};
use tokio::sync::oneshot;

use super::net::Net;
use super::node::{Node, signer_key};
use super::rng::Rng;

/// A round without a decision is given up after this long.
const ROUND_MS: u64 = 1_500;

enum Round {
    Asking { began_ms: u64, facts: oneshot::Receiver<Vec<BlockFacts>> },
    Checking(Checking),
}

struct Asked {
    node: usize,
    life: u64,
    answer: oneshot::Receiver<()>,
}

/// The decided log and what is on its way into it.
pub struct ControlPlane {
    states: Vec<ControlState>,
    pending: PendingCommands,
    round: Option<Round>,
    rng: Rng,
    weights: Vec<u64>,
    next_heartbeat_ms: u64,
}

impl ControlPlane {
    /// A control plane of validators with these stakes, brought to the opening of term 1.
    ///
    /// # Panics
    /// If term 1 does not open as `horae-control` says it does.
    #[must_use]
    pub fn new(rng: Rng, units: &[u64], domain: Domain, params: ControlParams, block_hash: B256) -> Self {
        let validators = units.iter().enumerate().map(|(n, units)| Candidate {
            id: n as u64 + 1,
            signer: signer_key(n).address(),
            node_key: keccak256(format!("simulated link {n}")).0,
            stake: U256::from(MIN_STAKE) * U256::from(*units),
        });
        let mut rng = rng;
        let genesis = Genesis {
            domain,
            l1_view: L1View { number: 1, hash: B256::repeat_byte(1) },
            validators: validators.collect(),
            seed: keccak256(rng.draw().to_be_bytes()),
            block_hash,
            params,
        };
        let state = ControlState::genesis(&genesis).expect("the validators form a set");
        let weights = (0..units.len())
            .map(|n| state.epoch().set.get(&signer_key(n).address()).map_or(0, |validator| validator.weight))
            .collect();
        let mut plane = Self {
            states: vec![state],
            pending: PendingCommands::new(),
            round: None,
            rng,
            weights,
            next_heartbeat_ms: 0,
        };
        plane.open(units.len(), &domain);
        plane
    }

    fn open(&mut self, nodes: usize, domain: &Domain) {
        let key = GroupKey { px: U256::from(5), parity: 27 };
        let by_all = |make: &dyn Fn(usize) -> Command| (0..nodes).map(make).collect::<Vec<_>>();
        let steps = [
            by_all(&|n| Command::DkgCommitments(DkgCommitments::sign(domain, 0, 0, 0, vec![1], &signer_key(n)))),
            by_all(&|n| Command::DkgShares(DkgShares::sign(domain, 0, 0, 0, vec![2], &signer_key(n)))),
            by_all(&|n| Command::DkgConfirm(DkgConfirm::sign(domain, 0, 0, 0, key, &signer_key(n)))),
        ];
        for commands in steps {
            self.decide(&ControlBlock { height: self.height() + 1, commands });
        }
        let snapshot_hash = self.state().epoch().set.snapshot_hash();
        let event = L1Event::KeyInstalled { key_index: 0, px: key.px, parity: key.parity, snapshot_hash };
        let view = Command::L1View { number: 2, hash: B256::repeat_byte(2), events: vec![event] };
        self.decide(&ControlBlock { height: self.height() + 1, commands: vec![view] });
        assert!(self.state().open_term().is_some(), "term 1 opens");
    }

    /// Height of the last decided block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// The state after the last decided block.
    #[must_use]
    pub fn state(&self) -> &ControlState {
        self.states.last().expect("there is the genesis state")
    }

    /// The state after the block of this height.
    #[must_use]
    pub fn state_at(&self, height: u64) -> &ControlState {
        &self.states[height as usize]
    }

    /// The weight of these nodes is more than 2/3.
    #[must_use]
    pub fn is_quorum<'a>(&self, nodes: impl IntoIterator<Item = &'a usize>) -> bool {
        3 * nodes.into_iter().map(|n| self.weights[*n]).sum::<u64>() > 2 * self.weights.iter().sum::<u64>()
    }

    /// Live nodes on one side of a partition that are a quorum, if there are any.
    #[must_use]
    pub fn quorum(&self, nodes: &[Node], net: &Net) -> Option<Vec<usize>> {
        (0..nodes.len()).find_map(|n| {
            let side: Vec<usize> =
                (0..nodes.len()).filter(|m| net.joined(n, *m) && nodes[*m].running.is_some()).collect();
            self.is_quorum(&side).then_some(side)
        })
    }

    fn decide(&mut self, block: &ControlBlock) {
        let mut next = self.state().clone();
        next.apply(block).unwrap_or_else(|why| panic!("a checked block can be applied, yet: {why}"));
        self.pending.drop_stale(&next);
        self.states.push(next);
    }

    /// A validator's command has come to the others.
    ///
    /// # Errors
    /// It is not what its author may say.
    pub fn hear(&mut self, command: Pending) -> Result<(), String> {
        use horae_control::{Added, NotPending};
        match self.pending.add(command, self.states.last().expect("there is the genesis state")) {
            Ok(Added::Evidence(evidence)) => Err(format!("evidence: {evidence:?}")),
            Ok(_) | Err(NotPending::Stale | NotPending::Early) => Ok(()),
            Err(why) => Err(format!("a command does not count: {why}")),
        }
    }

    /// One step of the running round; true if a block was decided.
    pub fn step(&mut self, now_ms: u64, nodes: &mut [Node], net: &Net) -> bool {
        let Some(live) = self.quorum(nodes, net) else {
            self.round = None;
            return false;
        };
        match self.round.take() {
            None => self.begin(now_ms, nodes, &live),
            Some(Round::Asking { began_ms, mut facts }) => match facts.try_recv() {
                Ok(held) => self.propose(now_ms, &held),
                Err(oneshot::error::TryRecvError::Empty) if now_ms < began_ms + ROUND_MS => {
                    self.round = Some(Round::Asking { began_ms, facts });
                }
                Err(_) => {}
            },
            Some(Round::Checking(checking)) => return self.check(now_ms, nodes, &live, checking),
        }
        false
    }

    fn begin(&mut self, now_ms: u64, nodes: &mut [Node], live: &[usize]) {
        let state = self.state();
        let up_to_date: Vec<usize> = live.iter().copied().filter(|n| nodes[*n].applied == self.height()).collect();
        if up_to_date.is_empty() {
            return;
        }
        let closes = self.pending.commands().any(|pending| matches!(pending, Pending::Close(_)));
        if closes && state.open_term().is_some() {
            let proposer = *self.rng.pick(&up_to_date);
            let blocks: BTreeSet<BlockId> = self
                .pending
                .commands()
                .filter_map(|pending| match pending {
                    Pending::Close(vote) => Some(vote),
                    _ => None,
                })
                .flat_map(|vote| {
                    let certified = vote.certificate.as_ref().map(|certificate| certificate.block);
                    vote.acked.iter().map(|block| block.facts.id).chain(certified)
                })
                .collect();
            let (reply, facts) = oneshot::channel();
            nodes[proposer].hear(Input::Facts(FactsQuestion { blocks: blocks.into_iter().collect(), reply }));
            self.round = Some(Round::Asking { began_ms: now_ms, facts });
        } else if !self.pending.is_empty() {
            self.propose(now_ms, &[]);
        } else if now_ms >= self.next_heartbeat_ms {
            self.next_heartbeat_ms = now_ms + self.rng.between(200, 3_000);
            let view = self.state().l1_view();
            let mut commands = Vec::new();
            if self.rng.chance(500) {
                let number = view.number + 1;
                commands.push(Command::L1View { number, hash: keccak256(number.to_be_bytes()), events: Vec::new() });
            }
            let block = ControlBlock { height: self.height() + 1, commands };
            self.round = Some(Round::Checking(Checking::new(now_ms, block)));
        }
    }

    fn propose(&mut self, now_ms: u64, held: &[BlockFacts]) {
        let facts = |id: &BlockId| held.iter().find(|facts| facts.id == *id).copied();
        if let Some(block) = self.state().propose(&self.pending, &facts) {
            self.round = Some(Round::Checking(Checking::new(now_ms, block)));
        }
    }

    fn check(&mut self, now_ms: u64, nodes: &mut [Node], live: &[usize], mut checking: Checking) -> bool {
        let mut blocks = Vec::new();
        for question in self.state().questions(&checking.block) {
            if let Question::HoldsBlocks(asked) = question {
                blocks.extend(asked);
            }
        }
        for n in live {
            let node = &mut nodes[*n];
            let current = |asked: &Asked| asked.node == *n && asked.life == node.life;
            if node.applied != self.height() || checking.yes.contains(n) || checking.asked.iter().any(current) {
                continue;
            }
            if blocks.is_empty() {
                checking.yes.insert(*n);
                continue;
            }
            let (reply, answer) = oneshot::channel();
            node.hear(Input::Holds(HoldsQuestion { blocks: blocks.clone(), reply }));
            checking.asked.push(Asked { node: *n, life: node.life, answer });
        }
        for asked in &mut checking.asked {
            if asked.answer.try_recv().is_ok() {
                checking.yes.insert(asked.node);
            }
        }
        if self.is_quorum(&checking.yes) {
            self.decide(&checking.block);
            return true;
        }
        if now_ms < checking.began_ms + ROUND_MS {
            self.round = Some(Round::Checking(checking));
        }
        false
    }
}

struct Checking {
    began_ms: u64,
    block: ControlBlock,
    asked: Vec<Asked>,
    yes: BTreeSet<usize>,
}

impl Checking {
    fn new(began_ms: u64, block: ControlBlock) -> Self {
        Self { began_ms, block, asked: Vec::new(), yes: BTreeSet::new() }
    }
}
