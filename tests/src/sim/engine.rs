//! Tendermint as it promises to be: one log of decided blocks. A block is put together by the council of a live validator,
//! and decided once the councils of validators of > 2/3 of the weights, each with its own replica and its own view of L1,
//! have found it right. What liars among them say does not help it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use horae_control::command::{Command, L1Event, Question};
use horae_control::{BlockFacts, ControlBlock, ControlState, Effect, EngineStatement, SignedEngineStatement, Step};
use horae_node::replica::{FactsQuestion, HoldsQuestion, Input};
use horae_stages::L1View;
use horae_tendermint::Part;
use tokio::sync::oneshot;

use super::judge::{Violation, is_quorum};
use super::l1::L1;
use super::net::Net;
use super::node::{Node, signer_key};
use super::rng::Rng;

/// A round without a decision is given up after this long.
const ROUND_MS: u64 = 1_500;
/// Proposals of a liar in a thousand that are lies.
const LIES_PER_MILLE: u64 = 250;

/// A decided value, and what its deciders signed.
struct Decided {
    value: Bytes,
    precommits: Vec<(Address, SignedEngineStatement)>,
}

enum Round {
    Asking { began_ms: u64, proposer: usize, life: u64, facts: oneshot::Receiver<Vec<BlockFacts>> },
    Checking(Checking),
}

struct Checking {
    began_ms: u64,
    round: u32,
    value: Bytes,
    lie: bool,
    asked: BTreeMap<(usize, u64), Vec<Awaited>>,
    yes: BTreeSet<usize>,
    precommits: Vec<(Address, SignedEngineStatement)>,
}

enum Awaited {
    Holds(oneshot::Receiver<()>),
    L1 { after: L1View, to: L1View, events: Vec<L1Event> },
    Never,
}

/// The decided log and what is on its way into it.
pub struct Engine {
    log: Vec<Decided>,
    state: ControlState,
    round: Option<Round>,
    rng: Rng,
    next_heartbeat_ms: u64,
    rounds: u32,
    /// Views put to the vote that were not L1's, and got no quorum.
    pub refused_views: u64,
}

impl Engine {
    /// An engine that has decided nothing.
    #[must_use]
    pub fn new(rng: Rng, genesis: ControlState) -> Self {
        Self { log: Vec::new(), state: genesis, round: None, rng, next_heartbeat_ms: 0, rounds: 0, refused_views: 0 }
    }

    /// Height of the last decided block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.log.len() as u64
    }

    /// The state after the last decided block.
    #[must_use]
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// The decided block of this height, and what its deciders signed.
    #[must_use]
    pub fn decided(&self, height: u64) -> Option<(&Bytes, &[(Address, SignedEngineStatement)])> {
        let decided = self.log.get(usize::try_from(height.checked_sub(1)?).ok()?)?;
        Some((&decided.value, &decided.precommits))
    }

    fn weight(&self, nodes: &[Node], of: impl IntoIterator<Item = usize>) -> u64 {
        let set = &self.state.epoch().set;
        of.into_iter().filter_map(|n| Some(set.get(&nodes[n].address)?.weight)).sum()
    }

    /// Validators that take part and hear each other, if they are a quorum.
    #[must_use]
    pub fn quorum(&self, nodes: &[Node], net: &Net) -> Option<Vec<usize>> {
        let takes_part = |n: &usize| nodes[*n].running.as_ref().is_some_and(|r| r.side.part == Some(Part::Validator));
        (0..nodes.len()).find_map(|n| {
            let side: Vec<usize> = (0..nodes.len()).filter(|m| net.joined(n, *m)).filter(takes_part).collect();
            is_quorum(&self.state.epoch().set, self.weight(nodes, side.iter().copied())).then_some(side)
        })
    }

    /// One step of the running round. Gives what follows from the block that it decided, if it did.
    pub fn step(
        &mut self,
        now_ms: u64,
        nodes: &mut [Node],
        net: &Net,
        l1: &L1,
    ) -> Result<Option<Vec<Effect>>, Violation> {
        let Some(live) = self.quorum(nodes, net) else {
            self.round = None;
            return Ok(None);
        };
        match self.round.take() {
            None => self.begin(now_ms, nodes, &live),
            Some(Round::Asking { began_ms, proposer, life, mut facts }) => match facts.try_recv() {
                Ok(held) => self.propose(now_ms, nodes, proposer, life, &held),
                Err(oneshot::error::TryRecvError::Empty) if now_ms < began_ms + ROUND_MS => {
                    self.round = Some(Round::Asking { began_ms, proposer, life, facts });
                }
                Err(_) => {}
            },
            Some(Round::Checking(checking)) => return self.check(now_ms, nodes, &live, checking, l1),
        }
        Ok(None)
    }

    fn begin(&mut self, now_ms: u64, nodes: &mut [Node], live: &[usize]) {
        let height = self.height();
        let up_to_date = |n: &&usize| nodes[**n].running.as_ref().is_some_and(|r| r.council.state().height() == height);
        let up_to_date: Vec<usize> = live.iter().filter(up_to_date).copied().collect();
        if up_to_date.is_empty() {
            return;
        }
        let proposer = *self.rng.pick(&up_to_date);
        if nodes[proposer].is_liar() && self.rng.chance(LIES_PER_MILLE) {
            return self.lie(now_ms);
        }
        let Some(running) = nodes[proposer].running.as_ref() else { return };
        let heartbeat = now_ms >= self.next_heartbeat_ms;
        if !running.council.has_proposal() && !heartbeat {
            return;
        }
        self.next_heartbeat_ms = now_ms + self.rng.between(500, 3_000);
        let (wanted, life) = (running.council.facts_wanted(), nodes[proposer].life);
        if wanted.is_empty() {
            return self.propose(now_ms, nodes, proposer, life, &[]);
        }
        let (reply, facts) = oneshot::channel();
        nodes[proposer].hear(Input::Facts(FactsQuestion { blocks: wanted, reply }));
        self.round = Some(Round::Asking { began_ms: now_ms, proposer, life, facts });
    }

    fn propose(&mut self, now_ms: u64, nodes: &[Node], proposer: usize, life: u64, held: &[BlockFacts]) {
        let running = nodes[proposer].running.as_ref().filter(|_| nodes[proposer].life == life);
        let Some(running) = running else { return };
        let block = running.council.propose(self.height() + 1, held);
        self.round = Some(Round::Checking(Checking::new(now_ms, self.next_round(), &block, false)));
    }

    fn next_round(&mut self) -> u32 {
        self.rounds += 1;
        self.rounds
    }

    /// A liar proposes what L1 never said.
    fn lie(&mut self, now_ms: u64) {
        let view = self.state.l1_view();
        let events = if self.rng.chance(500) { vec![L1Event::ValidatorLeaving { id: 1 }] } else { Vec::new() };
        let hash: B256 = keccak256(self.rng.draw().to_be_bytes());
        let command = Command::L1View { number: view.number + 1, hash, events };
        let block = self.state.next_block(vec![command]);
        self.round = Some(Round::Checking(Checking::new(now_ms, self.next_round(), &block, true)));
    }

    fn check(
        &mut self,
        now_ms: u64,
        nodes: &mut [Node],
        live: &[usize],
        mut checking: Checking,
        l1: &L1,
    ) -> Result<Option<Vec<Effect>>, Violation> {
        for n in live {
            let node = &mut nodes[*n];
            if node.is_liar() {
                checking.yes.insert(*n);
                continue;
            }
            let key = (*n, node.life);
            let behind = node.running.as_ref().is_none_or(|r| r.council.state().height() != self.log.len() as u64);
            if behind || checking.yes.contains(n) || checking.asked.contains_key(&key) {
                continue;
            }
            let awaited = ask(node, &checking.value);
            checking.asked.insert(key, awaited);
        }
        let mut voted = Vec::new();
        for ((n, life), awaited) in &mut checking.asked {
            let Some(running) = nodes[*n].running.as_ref().filter(|_| nodes[*n].life == *life) else { continue };
            awaited.retain_mut(|awaited| match awaited {
                Awaited::Holds(answer) => answer.try_recv().is_err(),
                Awaited::L1 { after, to, events } => running.watch.matches(l1, *after, *to, events) != Some(true),
                Awaited::Never => true,
            });
            if awaited.is_empty() && checking.yes.insert(*n) {
                voted.push(*n);
            }
        }
        for n in voted {
            let precommit = self.vote(nodes, live, n, &checking);
            checking.precommits.extend(precommit);
        }
        if is_quorum(&self.state.epoch().set, self.weight(nodes, checking.yes.iter().copied())) {
            if checking.lie {
                return Err(Violation::new(0, "the councils would decide what L1 never said"));
            }
            return self.decide(checking.value, checking.precommits).map(Some);
        }
        if now_ms < checking.began_ms + ROUND_MS {
            self.round = Some(Round::Checking(checking));
        } else {
            self.refused_views += u64::from(self.is_untrue(&checking.value, l1));
        }
        Ok(None)
    }

    /// Whether a proposal has L1 say what it does not say.
    fn is_untrue(&self, value: &Bytes, l1: &L1) -> bool {
        let block: ControlBlock = borsh::from_slice(value).expect("a council's own bytes can be read");
        let agreed = self.state.l1_view();
        let after = L1View { number: agreed.number, hash: agreed.hash };
        block.commands.iter().any(|command| match command {
            Command::L1View { number, hash, events } => {
                l1.events(after, L1View { number: *number, hash: *hash }).as_ref() != Some(events)
            }
            _ => false,
        })
    }

    /// A validator's precommit: stored, then heard by all that can hear it.
    fn vote(
        &self,
        nodes: &mut [Node],
        live: &[usize],
        n: usize,
        checking: &Checking,
    ) -> Option<(Address, SignedEngineStatement)> {
        let (signer, domain) = (nodes[n].address, *self.state.domain());
        let incarnation = self.state.epoch().set.get(&signer)?.incarnation;
        let statement = EngineStatement {
            step: Step::Precommit,
            height: self.height() + 1,
            round: checking.round,
            value: keccak256(&checking.value),
            pol_round: None,
        };
        let epoch = self.state.epoch().number;
        let signature = signer_key(n).sign(statement.digest(&domain, incarnation, epoch));
        if let Some(running) = &mut nodes[n].running {
            running.side.files.voted = Some(statement.place());
        }
        let precommit = SignedEngineStatement { incarnation, epoch, statement, signature };
        for other in live.iter().filter(|other| **other != n) {
            if let Some(running) = &mut nodes[*other].running {
                running.side.heard.insert(signer, precommit);
            }
        }
        Some((signer, precommit))
    }

    fn decide(
        &mut self,
        value: Bytes,
        precommits: Vec<(Address, SignedEngineStatement)>,
    ) -> Result<Vec<Effect>, Violation> {
        let block: ControlBlock = borsh::from_slice(&value).expect("a council's own bytes can be read");
        let effects = self.state.apply(&block);
        let effects = effects.map_err(|why| Violation::new(0, format!("a checked block cannot be applied: {why}")))?;
        self.log.push(Decided { value, precommits });
        Ok(effects)
    }
}

fn ask(node: &mut Node, value: &Bytes) -> Vec<Awaited> {
    let Some(running) = &node.running else { return vec![Awaited::Never] };
    let Ok(questions) = running.council.judge(value) else { return vec![Awaited::Never] };
    let mut awaited = Vec::new();
    for question in questions {
        match question {
            Question::HoldsBlocks(blocks) => {
                let (reply, answer) = oneshot::channel();
                node.hear(Input::Holds(HoldsQuestion { blocks, reply }));
                awaited.push(Awaited::Holds(answer));
            }
            Question::L1Matches { after, number, hash, events } => {
                let after = L1View { number: after.number, hash: after.hash };
                awaited.push(Awaited::L1 { after, to: L1View { number, hash }, events });
            }
        }
    }
    awaited
}

impl Checking {
    fn new(began_ms: u64, round: u32, block: &ControlBlock, lie: bool) -> Self {
        let value = borsh::to_vec(block).expect("writing to memory does not fail").into();
        Self { began_ms, round, value, lie, asked: BTreeMap::new(), yes: BTreeSet::new(), precommits: Vec::new() }
    }
}
