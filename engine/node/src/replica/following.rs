//! Blocks that other validators sealed: when to execute them, when to wait, and whom to ask for what is missing.
//!
//! A block is executed when it extends the head, its control height and L1 view have been applied here, and the sequencer
//! of its slot signed it, whose turn it is. Blocks of a closed term above its head are refused (fencing); blocks of a term that is not open
//! here yet wait. What conflicts with executed but uncommitted blocks waits for a commit or a decision to say which stays.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use horae_control::{Ack, BlockId, Certificate, Commit, Evidence, Signature, SignedBlock, StatementError, planted};
use horae_stages::{
    BlockError, FromL1, Header, RecoveredBlock, Shed, StateSource, execute_block, recover_block, rules,
};
use metrics::counter;
use tracing::{debug, error, warn};

use super::chain::{Held, facts_of};
use super::io::{Entry, ReplicaIo};
use super::message::{BLOCKS_PER_ANSWER, BYTES_PER_ANSWER, PeerMessage, SealedBlock, Standing};
use super::{Replica, unreadable};
use crate::chain_view::ChainEvent;

/// Blocks executed in one turn.
const FOLLOW_BURST: usize = 16;
/// Heights above the head at which blocks are kept until their turn, as a multiple of the window.
const ARRIVAL_WINDOWS: u64 = 4;
/// Refused blocks that are remembered.
const REFUSED_KEPT: usize = 64;
/// Different blocks kept at one height.
const ARRIVALS_PER_HEIGHT: usize = 4;
/// Blocks are asked for again after this long without an answer.
const ASK_MS: u64 = 400;
/// A peer that stands higher is asked for its blocks once nothing has come for this long.
const SILENT_MS: u64 = 600;

/// A block from a peer, decoded, with the senders of its transactions: what the peer edge makes of a message before the
/// replica sees it.
#[derive(Clone, Debug)]
pub struct Arrived {
    recovered: RecoveredBlock,
    hash: B256,
    signature: Signature,
    carried: Option<Certificate>,
}

impl Arrived {
    pub(super) fn new(sealed: SealedBlock, carried: Option<Certificate>) -> Result<Self, String> {
        let hash = sealed.header().hash();
        let recovered = recover_block(sealed.block).map_err(|why| why.to_string())?;
        Ok(Self { recovered, hash, signature: sealed.signature, carried })
    }

    fn signed(&self) -> SignedBlock {
        SignedBlock { facts: facts_of(&self.recovered.block().header, self.hash), signature: self.signature }
    }

    fn number(&self) -> u64 {
        self.recovered.block().header.number
    }

    pub(super) fn id(&self) -> BlockId {
        BlockId { number: self.number(), hash: self.hash }
    }

    pub(super) fn parent(&self) -> B256 {
        self.recovered.block().header.parent
    }
}

/// A peer's message as the replica takes it.
#[derive(Clone, Debug)]
pub enum Received {
    /// A block of the running stream.
    Block(Box<Arrived>),
    /// An answer to a question for blocks.
    Blocks(Vec<Arrived>, Option<Box<Commit>>),
    /// An ack.
    Ack(Ack),
    /// A certificate.
    Certificate(Box<Certificate>),
    /// A commit.
    Commit(Box<Commit>),
    /// Where a peer stands.
    Standing(Standing),
    /// A question for blocks from a height on.
    GetBlocks(u64),
}

impl Received {
    /// Does the work that needs no state: recovers the senders of a block's transactions. Run it off the replica's thread.
    pub fn prepare(message: PeerMessage) -> Result<Self, String> {
        Ok(match message {
            PeerMessage::Block { block, carried } => Self::Block(Box::new(Arrived::new(block, carried)?)),
            PeerMessage::Blocks { blocks, commit } => {
                let blocks = blocks.into_iter().map(|(block, carried)| Arrived::new(block, carried));
                Self::Blocks(blocks.collect::<Result<_, _>>()?, commit.map(Box::new))
            }
            PeerMessage::Ack(ack) => Self::Ack(ack),
            PeerMessage::Certificate(certificate) => Self::Certificate(Box::new(certificate)),
            PeerMessage::Commit(commit) => Self::Commit(Box::new(commit)),
            PeerMessage::Standing(standing) => Self::Standing(standing),
            PeerMessage::GetBlocks { from } => Self::GetBlocks(from),
            PeerMessage::Transactions(_) => {
                return Err("transactions go to the pipeline, not to the replica".to_owned());
            }
        })
    }
}

/// Blocks that wait for their turn, and what was asked for.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: BTreeMap<u64, Vec<Arrived>>,
    asked_ms: u64,
    /// The first height asked for last, and whether an answer has come that may not be all.
    asked_from: u64,
    answered: bool,
    /// When to look again whether to ask.
    due_ms: Option<u64>,
    executed_ms: u64,
    /// The highest place a peer has told of, and who.
    highest: Option<(Address, u64)>,
    /// Blocks of the open term that their sequencer signed and that were refused, the newest last: half of a pair, maybe.
    refused: VecDeque<SignedBlock>,
}

impl Arrivals {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The highest block that a peer has told of.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest.map(|(_, number)| number)
    }

    fn keep(&mut self, head: u64, window: u64, arrived: Arrived) {
        let number = arrived.number();
        if number <= head || number > head.saturating_add(ARRIVAL_WINDOWS.saturating_mul(window)) {
            return;
        }
        let here = self.waiting.entry(number).or_default();
        if here.len() < ARRIVALS_PER_HEIGHT && here.iter().all(|other| other.hash != arrived.hash) {
            here.push(arrived);
        }
    }

    /// The blocks that wait.
    pub(super) fn blocks(&self) -> impl Iterator<Item = SignedBlock> {
        self.waiting.values().flatten().map(Arrived::signed)
    }

    /// A peer has told how high it stands.
    fn stands(&mut self, peer: Address, number: u64) {
        if self.highest.is_none_or(|(who, highest)| who == peer || number > highest) {
            self.highest = Some((peer, number));
        }
    }

    /// Takes the child of a block; of several the one that leads to `goal`, as far as that can be seen here, or else one that
    /// others stand on.
    fn take_child(&mut self, of: &BlockId, goal: Option<BlockId>) -> Option<Arrived> {
        let number = of.number + 1;
        let leads = goal.and_then(|goal| self.leads_from(number, goal));
        let here = self.waiting.get(&number)?;
        let child = |wanted: &dyn Fn(&Arrived) -> bool| {
            here.iter().position(|arrived| arrived.parent() == of.hash && wanted(arrived))
        };
        let at = child(&|arrived| Some(arrived.hash) == leads)
            .or_else(|| child(&|arrived| self.has_child(&arrived.id())))
            .or_else(|| child(&|_| true))?;
        let here = self.waiting.get_mut(&number)?;
        let arrived = here.swap_remove(at);
        if here.is_empty() {
            self.waiting.remove(&number);
        }
        Some(arrived)
    }

    /// The block at a height that `goal` stands on.
    fn leads_from(&self, number: u64, goal: BlockId) -> Option<B256> {
        let mut at = goal;
        while at.number > number {
            let here = self.waiting.get(&at.number)?;
            let hash = here.iter().find(|arrived| arrived.hash == at.hash)?.parent();
            at = BlockId { number: at.number - 1, hash };
        }
        (at.number == number).then_some(at.hash)
    }

    pub(super) fn put_back(&mut self, arrived: Arrived) {
        self.waiting.entry(arrived.number()).or_default().push(arrived);
    }

    /// The head has moved: what is at or below it is of no use.
    fn drop_to(&mut self, head: u64) {
        self.waiting = self.waiting.split_off(&(head + 1));
    }

    /// Whether a block is here that extends this one.
    fn has_child(&self, of: &BlockId) -> bool {
        let here = self.waiting.get(&(of.number + 1));
        here.is_some_and(|here| here.iter().any(|arrived| arrived.recovered.block().header.parent == of.hash))
    }

    /// A term has opened: what is of an earlier one and above its parent is void. Blocks of the new one may be here already.
    pub(super) fn drop_void(&mut self, parent: u64, term: u64) {
        self.refused.clear();
        for (number, here) in &mut self.waiting {
            here.retain(|arrived| *number <= parent || arrived.recovered.block().header.term >= term);
        }
        self.waiting.retain(|_, here| !here.is_empty());
    }
}

/// What to do with the next block.
pub(super) enum Turn {
    Execute,
    Wait,
    Refuse(String),
}

impl<S: StateSource> Replica<S> {
    pub(super) fn hear(&mut self, from: Address, message: Received, io: &mut impl ReplicaIo) {
        let (head, window) = (self.head().number, self.config.params.window_blocks);
        match message {
            Received::Block(arrived) => {
                self.compare(&arrived, io);
                self.keep_wanted(&arrived);
                self.arrivals.keep(head, window, *arrived);
            }
            Received::Blocks(blocks, commit) => {
                let full = blocks.len() as u64 >= BLOCKS_PER_ANSWER;
                if let Some(last) = blocks.last().map(Arrived::number).filter(|last| *last > head) {
                    self.arrivals.answered = true;
                    self.arrivals.stands(from, last + u64::from(full));
                }
                for arrived in blocks {
                    self.compare(&arrived, io);
                    self.keep_wanted(&arrived);
                    self.arrivals.keep(head, window.max(BLOCKS_PER_ANSWER), arrived);
                }
                if let Some(commit) = commit {
                    self.hear_commit(*commit, io);
                }
            }
            Received::Ack(ack) => self.hear_ack(&ack, io),
            Received::Certificate(certificate) => self.hear_certificate(&certificate, io),
            Received::Commit(commit) => self.hear_commit(*commit, io),
            Received::Standing(standing) => self.arrivals.stands(from, standing.head.number),
            Received::GetBlocks(number) => self.answer_blocks(from, number, io),
        }
    }

    /// Looks for another block that the same sequencer signed at this height of the open term.
    fn compare(&mut self, arrived: &Arrived, io: &mut impl ReplicaIo) {
        let number = arrived.number();
        let Some(term) = self.voter.term().filter(|term| term.number == arrived.recovered.block().header.term) else {
            return;
        };
        let ours = self.chain.signed(number).map(|(block, _)| block);
        let waiting = self.arrivals.waiting.get(&number).into_iter().flatten().map(Arrived::signed);
        let refused = self.arrivals.refused.iter().filter(|block| block.facts.id.number == number).copied();
        let others: Vec<SignedBlock> = ours
            .into_iter()
            .chain(waiting)
            .chain(refused)
            .filter(|other| other.facts.id.hash != arrived.hash)
            .collect();
        if others.is_empty() || arrived.signed().verify(term).is_err() {
            return;
        }
        let pair = |other| Evidence::between_blocks(other, &arrived.signed(), term);
        for evidence in others.iter().filter_map(pair).collect::<Vec<_>>() {
            self.accuse(&evidence, io);
        }
    }

    /// Executes what is next in line, and asks for what is missing.
    pub(super) fn follow(&mut self, now_ms: u64, io: &mut impl ReplicaIo) -> bool {
        let mut worked = false;
        for _ in 0..FOLLOW_BURST {
            let head = self.head();
            let Some(arrived) = self.arrivals.take_child(&head, self.goal()) else { break };
            match self.turn_of(&arrived) {
                Turn::Execute => {
                    self.execute_arrived(now_ms, arrived, io);
                    worked = true;
                }
                Turn::Wait => {
                    self.arrivals.put_back(arrived);
                    break;
                }
                Turn::Refuse(why) => {
                    counter!("horae_blocks_refused").increment(1);
                    warn!(block = arrived.number(), hash = %arrived.hash, %why, "block refused");
                    worked = true;
                }
            }
        }
        self.leave_side_chain(io);
        worked |= self.visit(now_ms, io);
        self.ask(now_ms, io);
        worked
    }

    /// The highest block above the head that is known to be of the chain: the parent of the open term, or one that is
    /// committed or certified.
    fn goal(&self) -> Option<BlockId> {
        let parent = self.voter.term().map(|term| term.parent.id);
        let committed = self.commit_ahead.as_ref().map(Commit::block);
        let certified = self.voter.certificate().map(|certificate| certificate.block);
        let known = [parent, committed, certified].into_iter().flatten();
        known.filter(|id| id.number > self.head().number).max()
    }

    /// The chain goes on to a block that is not held, and what comes next, signed by its sequencer, does not extend the head:
    /// what was executed here above the last commit may be of another branch.
    fn leave_side_chain(&mut self, io: &mut impl ReplicaIo) {
        let head = self.head();
        if head.number <= self.committed || self.goal().is_none() || self.arrivals.has_child(&head) {
            return;
        }
        let Some(term) = self.voter.term() else { return };
        let mut next = self.arrivals.waiting.get(&(head.number + 1)).into_iter().flatten();
        if next.any(|arrived| self.check_signature(&arrived.signed(), term).is_ok()) {
            self.roll_back(self.committed, io);
        }
    }

    pub(super) fn turn_of(&self, arrived: &Arrived) -> Turn {
        if self.leading.is_some() {
            return Turn::Refuse("this node holds the slot".to_owned());
        }
        let Some(term) = self.voter.term() else { return Turn::Wait };
        let header = &arrived.recovered.block().header;
        let settled = self.is_settled(header.number);
        if header.term > term.number || header.control_height > self.control.height {
            return Turn::Wait;
        }
        if header.term < term.number && header.number > term.parent.id.number && !planted!(NoFence) {
            return Turn::Refuse(format!("term {} is closed, its head is {}", header.term, term.parent.id));
        }
        if !settled && self.chain.head().l1_view.number < self.control.dues.settled() {
            // What such a block has to begin with is forgotten; a commit will show whether it stands.
            return Turn::Wait;
        }
        if !settled && !self.knows_view(header.control_height, &header.l1_view) {
            return Turn::Refuse(format!("L1 view {} was not agreed", header.l1_view.number));
        }
        if !header.ends_slot && self.slot_is_over(header) {
            return Turn::Refuse(format!("slot {} is over, and the block does not end it", header.slot));
        }
        let signed = arrived.signed();
        let head = self.chain.head_facts();
        if !settled && (head.term == term.number || head.id == term.parent.id) {
            match term.check_child(&signed.facts, &head) {
                Ok(()) => {}
                Err(StatementError::HeightUnknown { .. }) => return Turn::Wait,
                Err(StatementError::WrongTerm { .. }) if planted!(NoFence) => {}
                // Somebody's turn that is passed over, or not come yet: it must not stand in the way of the right one.
                Err(why) => return Turn::Refuse(why.to_string()),
            }
        }
        match self.check_signature(&signed, term).and_then(|()| self.check_sequencer(header, term)) {
            Ok(()) => Turn::Execute,
            Err(why) => Turn::Refuse(why),
        }
    }

    /// Whether blocks up to this height are known to be committed, decided on, or in a batch that L1 has accepted.
    fn is_settled(&self, number: u64) -> bool {
        self.voter.term().is_some_and(|term| number <= term.parent.id.number)
            || self.commit_ahead.as_ref().is_some_and(|commit| number <= commit.block().number)
            || number <= self.control.last_batch_block
    }

    /// Whether a block has to be the last of its slot. Not known, and not asked, where the slot's first block is below what
    /// this replica remembers.
    fn slot_is_over(&self, header: &Header) -> bool {
        let (slot, first_block, began_ms) = self.slot_began;
        slot == header.slot
            && rules::must_end_slot(began_ms, header.timestamp_ms, header.number - first_block + 1, &self.config.params)
    }

    pub(super) fn execute_arrived(&mut self, now_ms: u64, arrived: Arrived, io: &mut impl ReplicaIo) {
        let signed = arrived.signed();
        let Arrived { recovered, hash, signature, carried } = arrived;
        let number = recovered.block().header.number;
        let parent = self.chain.head().clone();
        let to = recovered.block().header.l1_view.number;
        let due = self.due_between(parent.l1_view.number, to);
        let from_l1 = if self.is_settled(number) { FromL1::Settled } else { FromL1::Due(&due) };
        match execute_block(&mut self.executor, &self.config.params, &parent, recovered, from_l1) {
            Ok(executed) => {
                let held = Held::new(Arc::new(executed), signature, carried);
                self.extend(now_ms, held, io);
            }
            Err(BlockError::State(why)) => io.fail(unreadable(&why)),
            Err(why) => {
                self.disagrees = true;
                self.arrivals.refused.push_back(signed);
                if self.arrivals.refused.len() > REFUSED_KEPT {
                    self.arrivals.refused.pop_front();
                }
                counter!("horae_blocks_refused").increment(1);
                error!(number, %hash, %why, "block refused: execution disagrees with its header");
            }
        }
    }

    /// The head moves up by one block, sealed here or elsewhere.
    pub(super) fn extend(&mut self, now_ms: u64, held: Held, io: &mut impl ReplicaIo) {
        let executed = held.executed.clone();
        self.entries.executed(&held);
        io.append(Entry::Block { block: held.sealed(), carried: held.carried.clone() });
        io.event(ChainEvent::Executed { block: executed.clone(), signature: Some(held.signed.signature) });
        for (tx, receipt) in executed.transactions.iter().zip(&executed.receipts) {
            self.relay.remove(&tx.hash);
            let signed = tx.envelope.signed().map(Transaction::nonce);
            let Some(nonce) = signed.or(receipt.envelope.deposit_nonce) else { continue };
            // Another transaction of the sender has taken the nonce: this one never runs.
            if let Some(spent) = self.relay.remove_at(tx.sender, nonce) {
                let why = Shed::NonceTooLow { next: nonce.saturating_add(1), have: nonce };
                self.refuse(&spent.dissolve(), &why, io);
            }
        }
        let next_base_fee = rules::next_base_fee(held.header(), &self.config.params);
        let header = held.header();
        if header.slot != self.chain.head().slot {
            self.slot_began = (header.slot, header.number, header.timestamp_ms);
        }
        self.chain.push(held);
        let mut verdicts = Vec::new();
        let state = self.executor.state_mut();
        if let Err(why) = self.admit.executed(now_ms, &executed, next_base_fee, state, &mut |v| verdicts.push(v)) {
            io.fail(unreadable(&why));
        }
        self.settle(now_ms, &mut verdicts, io);
        self.arrivals.executed_ms = now_ms;
        self.disagrees = false;
        let head = self.head().number;
        self.arrivals.drop_to(head);
        self.answer_questions(now_ms);
        if self.commit_ahead.as_ref().is_some_and(|commit| commit.block().number <= head)
            && let Some(commit) = self.commit_ahead.take()
        {
            self.committed_by(commit, io);
        }
    }

    fn ask(&mut self, now_ms: u64, io: &mut impl ReplicaIo) {
        let head = self.head().number;
        let silent = now_ms >= self.arrivals.executed_ms.saturating_add(SILENT_MS);
        let gap = self.arrivals.waiting.first_key_value().is_some_and(|(lowest, _)| *lowest > head + 1);
        let behind = self.arrivals.highest.is_some_and(|(_, highest)| highest > head) && silent;
        let behind =
            behind || (self.arrivals.answered && self.arrivals.highest().is_some_and(|highest| highest > head));
        let lacks_parent = self.voter.term().is_some_and(|term| term.parent.id.number > head);
        let lacks_goal = self.goal().is_some();
        let lacking = self.lowest_lacking();
        if !(gap || behind || lacks_parent || (lacks_goal && silent) || lacking.is_some()) {
            let told_of_more = lacks_goal || self.arrivals.highest().is_some_and(|highest| highest > head);
            self.arrivals.due_ms = told_of_more.then_some(self.arrivals.executed_ms.saturating_add(SILENT_MS));
            return;
        }
        // An answer that brought the head on is followed up at once; one that did not is no reason to ask more often.
        let brought_on = self.arrivals.answered && head >= self.arrivals.asked_from;
        let at_once = brought_on && !self.arrivals.waiting.contains_key(&(head + 1));
        let due_ms = self.arrivals.asked_ms.saturating_add(ASK_MS);
        if !at_once && now_ms < due_ms {
            self.arrivals.due_ms = Some(due_ms);
            return;
        }
        self.arrivals.due_ms = Some(now_ms.saturating_add(ASK_MS));
        self.arrivals.asked_ms = now_ms;
        self.arrivals.asked_from = head + 1;
        self.arrivals.answered = false;
        let from = lacking.map_or(head + 1, |lowest| lowest.min(head + 1));
        debug!(from, "asking for blocks");
        let question = PeerMessage::GetBlocks { from };
        match self.arrivals.highest.filter(|(_, highest)| *highest > head && lacking.is_none()) {
            Some((peer, _)) => io.send(peer, &question),
            None => io.broadcast(&question),
        }
        // Another peer is asked next time, should this one not answer.
        self.arrivals.highest = None;
    }

    fn answer_blocks(&self, to: Address, from: u64, io: &mut impl ReplicaIo) {
        self.answer_side(to, from, io);
        if self.chain.get(from).is_none() {
            if from <= self.head().number {
                io.send_stored(to, from);
            }
            return;
        }
        let mut bytes = 0;
        let mut blocks = Vec::new();
        for number in from..from.saturating_add(BLOCKS_PER_ANSWER) {
            let Some(held) = self.chain.get(number) else { break };
            bytes += held.executed.block.transactions.iter().map(|raw| raw.len()).sum::<usize>();
            blocks.push((held.sealed(), held.carried.clone()));
            if bytes > BYTES_PER_ANSWER {
                break;
            }
        }
        io.send(to, &PeerMessage::Blocks { blocks, commit: self.commit_shown.clone() });
    }
}
