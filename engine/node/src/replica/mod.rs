//! The replica: one validator's part in the slot protocol, and the chain it executes. It owns the state; everything that
//! touches the state runs in its turn.
//!
//! It is a loop body ([`Replica::poll`]) around pure parts: the stages `admit`, `order`, `execute` and `seal`, and the
//! voter and tally of `horae-control`. It has no clock, socket or disk: time is an argument, the edges are a
//! [`ReplicaIo`]. A pinned worker is one loop around it, the simulator another.
//!
//! | file | says |
//! |---|---|
//! | [`message`] | what replicas say to each other |
//! | [`inbox`] | its bounded way in
//! | [`io`] | the edges it asks for, and what it stores |
//! | [`chain`] | the recent blocks it executed |
//! | `following` | blocks that others sealed: when to execute them, when to wait, whom to ask for what is missing |
//! | `leading` | its own slots: begin, fill, seal, hand over |
//! | `voting` | acks, certificates, commits |
//! | `due` | what L1 has made due: how far the L1 view goes, and what blocks begin with |
//! | `epochs` | blocks and commits of epochs that are over, and the slot at whose end the present one is over |
//! | `side` | blocks beside the chain, when a sequencer sealed twice |
//! | `terms` | what the control plane decided: terms, heads, rollback, and when to vote to close |
//! | [`relay`] | transactions while another validator leads |
//! | [`restore`] | from store and journal to a replica, at start |

pub mod chain;
mod due;
mod epochs;
mod following;
pub mod inbox;
pub mod io;
mod leading;
pub mod message;
pub mod relay;
pub mod restore;
mod side;
mod terms;
mod voting;
pub mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;

use alloy_consensus::Transaction;
use alloy_primitives::{Address, Bytes};
use horae_control::{Ack, BlockFacts, BlockId, CloseVote, Commit, SignedBlock, SpokenInTerm, Tally, Voter};
use horae_runtime::Progress;
use horae_stages::admit::{Admit, Verdict};
use horae_stages::order::{Arrival, Order};
use horae_stages::{Applied, ChainParams, Executor, L1View, Recovered, Shed, StateSource};
use tracing::debug;

use crate::pipeline::{Note, Parcel};
use chain::Chain;
use due::{Entries, Standstill};
use following::Arrivals;
pub use following::Received;
pub use inbox::ReplicaInbox;
use io::{Lsn, ReplicaIo};
use leading::Leading;
use message::{PeerMessage, Standing};
use relay::Relay;
use side::Side;
pub use terms::ControlUpdate;

/// Transactions admitted in one turn.
const ADMIT_BURST: usize = 256;
/// How often a replica tells its peers where it stands.
const STANDING_MS: u64 = 1_000;

/// What a replica is made with, besides its state.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The chain rules that are numbers.
    pub params: ChainParams,
    /// Who is credited the fees of blocks sealed here.
    pub fee_recipient: Address,
    /// How long a transaction waits for the ones before it, in milliseconds.
    pub waiting_ms: u64,
    /// Transactions that may wait for the ones before them. The pool has more places than that: were all taken by those that wait,
    /// what they wait for could not come in.
    pub waiting_max: usize,
    /// Places of every node's pool that are kept for what the others pass on: they share them, so that what is under way to a sequencer
    /// finds room there.
    pub kept_for_peers: usize,
}

/// A question that the control plane's check of a proposal leads to: does this replica hold these blocks?
#[derive(Debug)]
pub struct HoldsQuestion {
    /// The blocks, of the open term.
    pub blocks: Vec<BlockFacts>,
    /// Answered once it holds and has executed them all; dropped when the term is over.
    pub reply: tokio::sync::oneshot::Sender<()>,
}

/// A question that a proposal needs answered: what do the headers of these blocks say, as far as this replica holds them?
#[derive(Debug)]
pub struct FactsQuestion {
    /// The blocks.
    pub blocks: Vec<BlockId>,
    /// Answered at once, with the facts of those held.
    pub reply: tokio::sync::oneshot::Sender<Vec<BlockFacts>>,
}

/// A question of another validator, which wants to know what it said before it lost its memory.
#[derive(Debug)]
pub struct NewestQuestion {
    /// Who asks.
    pub validator: Address,
    /// Answered at once.
    pub reply: tokio::sync::oneshot::Sender<NewestKnown>,
}

/// The newest that a replica knows of another validator's statements in the open term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewestKnown {
    /// Its ack for the highest block.
    pub ack: Option<Ack>,
    /// Its highest block.
    pub sealed: Option<SignedBlock>,
}

/// The operator's wish that the running slot ends at its next block.
#[derive(Debug)]
pub struct EndSlotQuestion {
    /// Answered at once: the slot that ends, or nothing if it is not this node's.
    pub reply: tokio::sync::oneshot::Sender<Option<u64>>,
}

/// What comes in, besides transactions.
#[derive(Debug)]
pub enum Input {
    /// A message from another validator. Blocks in it have been decoded, with their senders, by the edge.
    Peer {
        /// The validator, authenticated by its link.
        from: Address,
        /// What it said.
        message: Received,
    },
    /// The control plane decided something.
    Control(Box<ControlUpdate>),
    /// A validator's close vote has come to the council, which has verified it.
    CloseVote(Box<CloseVote>),
    /// Entries of the forced queue, encoded as transactions, that blocks will begin with.
    Entries(Vec<Bytes>),
    /// The operator takes this node out of its turns, or puts it back: a slot of its own ends at its first block.
    Drain(bool),
    /// The operator ends the running slot early, if it is this node's.
    EndSlot(EndSlotQuestion),
    /// The control plane asks.
    Holds(HoldsQuestion),
    /// The control plane asks, to make a proposal.
    Facts(FactsQuestion),
    /// Another validator asks.
    Newest(NewestQuestion),
    /// This validator remembers all that it said as this incarnation, and may speak; until then it is silent.
    SpeakAs(u64),
}

/// A statement that waits until what it promises is on stable storage.
#[derive(Debug)]
struct Promised {
    after: Lsn,
    ack: Ack,
}

/// One validator's replica.
pub struct Replica<S: StateSource> {
    config: ReplicaConfig,
    executor: Executor<S>,
    chain: Chain,
    committed: u64,
    /// The highest commit shown for a block that is not executed here yet.
    commit_ahead: Option<Commit>,
    /// Commits for recent blocks, to show to peers that catch up: the highest one.
    commit_shown: Option<Commit>,
    voter: Voter,
    tally: Option<Tally>,
    control: ControlUpdate,
    applied: Applied,
    /// Agreed L1 views by the control height that agreed them.
    views: BTreeMap<u64, L1View>,
    admit: Admit<Parcel>,
    order: Order<Parcel, Arrival>,
    relay: Relay,
    leading: Option<Leading>,
    /// The operator has taken this node out of its turns.
    draining: bool,
    /// The child of the head was refused: executed here it does not give what its header says.
    disagrees: bool,
    arrivals: Arrivals,
    side: Side,
    entries: Entries,
    standstill: Option<Standstill>,
    promised: VecDeque<Promised>,
    questions: Vec<HoldsQuestion>,
    /// The close vote for the open term, and where in the journal it stands.
    closing: Option<(Lsn, CloseVote)>,
    /// Validators convicted here in the open term.
    accused: BTreeSet<Address>,
    /// A commit by acks has come in the open term.
    committed_in_term: bool,
    /// A commit has come since the last look at the clock.
    progressed: bool,
    progress_ms: u64,
    repeated_ms: u64,
    standing_ms: u64,
    /// The slot of the head, its first block and that block's timestamp.
    slot_began: (u64, u64, u64),
}

/// The slot that runs, for whoever reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningSlot {
    /// The open term; 0 if there is none.
    pub term: u64,
    /// The slot that the next block belongs to.
    pub slot: u64,
    /// Who seals it.
    pub sequencer: Option<Address>,
    /// Who seals the one after.
    pub next_sequencer: Option<Address>,
    /// Its first block.
    pub first_block: u64,
    /// Timestamp of its first block in unix milliseconds; 0 before that.
    pub began_ms: u64,
    /// The highest block that a peer has told of.
    pub highest_known: u64,
    /// The highest block executed here.
    pub head: u64,
    /// The control height that it names: what has been decided up to it holds at the next handover.
    pub control_height: u64,
    /// The highest block that a verified commit or a decision has shown to be committed and that is not executed here yet, or
    /// some block that is.
    pub highest_committed: u64,
    /// The highest block acked here in the open term; the head before any.
    pub acked: u64,
    /// This node has voted to close the open term: it seals nothing in it any more.
    pub voted_to_close: bool,
    /// The highest committed block executed here; genesis before any.
    pub committed: BlockId,
    /// Its slot.
    pub committed_slot: u64,
    /// Number of its L1 view.
    pub committed_l1_view: u64,
    /// A block of the chain gives another result when it is executed here.
    pub disagrees: bool,
    /// Number of the L1 view of the highest block executed here.
    pub l1_view: u64,
    /// Entries of the forced queue executed up to that block.
    pub forced: u64,
    /// What that view would go on to is not known here: entries of the forced queue have to be read from L1.
    pub lacks_entries: bool,
}

/// What an operator is told of a state that cannot be read: without it nothing can be checked, sealed or acked.
fn unreadable(why: &impl Display) -> String {
    format!("the state cannot be read: {why}; if the disk is sound, `horae node rejoin` makes the store anew")
}

impl<S: StateSource> Replica<S> {
    /// This validator's address.
    pub fn address(&self) -> Address {
        self.voter.address()
    }

    /// Height and hash of the highest block executed here.
    pub fn head(&self) -> BlockId {
        self.chain.head_facts().id
    }

    /// The highest committed height known.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The sequencer of the running slot, if a term is open.
    pub fn sequencer(&self) -> Option<Address> {
        let term = self.voter.term()?;
        term.sequencer_after(&self.chain.head_facts()).map(|validator| validator.signer)
    }

    /// The slot that runs.
    pub fn running(&self) -> RunningSlot {
        let head = self.chain.head_facts();
        let highest_known = self.arrivals.highest().unwrap_or_default().max(head.id.number);
        let (committed, committed_slot) =
            self.chain.facts(self.committed).map(|facts| (facts.id, facts.slot)).unwrap_or_default();
        let ahead = self.commit_ahead.as_ref().map(|commit| commit.block().number);
        let known = RunningSlot {
            highest_known,
            head: head.id.number,
            control_height: head.control_height,
            highest_committed: ahead.max(self.voter.term().map(|term| term.parent.id.number)).unwrap_or_default(),
            acked: self.voter.tip().map_or(head.id.number, |tip| tip.id.number),
            voted_to_close: self.closing.is_some() || self.voter.close_vote().is_some(),
            committed,
            committed_slot,
            committed_l1_view: self.chain.header(self.committed).map_or(0, |header| header.l1_view.number),
            disagrees: self.disagrees,
            l1_view: self.chain.head().l1_view.number,
            forced: self.chain.head().forced,
            lacks_entries: self.lacks_entries(),
            ..RunningSlot::default()
        };
        let Some(term) = self.voter.term() else { return known };
        let slot = term.child_slot(&head);
        let (began_slot, first_block, began_ms) = self.slot_began;
        let (first_block, began_ms) =
            if began_slot == slot { (first_block, began_ms) } else { (head.id.number + 1, 0) };
        let signer = |slot| term.sequencer_of(slot).map(|validator| validator.signer);
        RunningSlot {
            term: term.number,
            slot,
            sequencer: signer(slot),
            next_sequencer: signer(term.slot_after(slot, self.control.height)),
            first_block,
            began_ms,
            ..known
        }
    }

    /// What this validator remembers to have said, by term.
    pub fn said(&self) -> BTreeMap<u64, SpokenInTerm> {
        self.voter.said()
    }

    /// The fewest records that restore this validator's promises: what the journal may be cut down to.
    pub fn promises(&self) -> Vec<horae_control::Record> {
        self.voter.compacted()
    }

    /// One turn: takes in what came, leads or follows, speaks. Inputs are taken from the two iterators until the turn's
    /// bounds are met; `None` from both and nothing due means idle.
    pub fn poll(
        &mut self,
        now_ms: u64,
        inputs: &mut impl FnMut() -> Option<Input>,
        transactions: &mut impl FnMut() -> Option<Recovered<Parcel>>,
        io: &mut impl ReplicaIo,
    ) -> Progress {
        if !io.has_room() {
            return Progress::Blocked;
        }
        if self.progress_ms == 0 {
            self.progress_ms = now_ms;
        }
        let mut worked = self.speak(io);
        if let Some(input) = inputs() {
            self.take(now_ms, input, io);
            worked = true;
        }
        worked |= self.follow(now_ms, io);
        worked |= self.admit_burst(now_ms, transactions, io);
        worked |= self.lead(now_ms, io);
        worked |= self.pass_on(now_ms, io);
        self.acknowledge(now_ms, io);
        self.watch(now_ms, io);
        self.stand(now_ms, io);
        self.keep_house(io);
        if worked { Progress::Worked } else { Progress::Idle { wake_at_ms: self.next_due_ms(now_ms) } }
    }

    fn take(&mut self, now_ms: u64, input: Input, io: &mut impl ReplicaIo) {
        match input {
            Input::Peer { from, message } => self.hear(from, message, io),
            Input::Control(update) => self.control_decided(now_ms, *update, io),
            Input::CloseVote(vote) => {
                if let Some(evidence) = self.tally.as_mut().and_then(|tally| tally.hold_close_vote(&vote)) {
                    self.accuse(&evidence, io);
                }
            }
            Input::Entries(entries) => self.take_entries(entries),
            Input::Drain(draining) => {
                self.draining = draining;
                if draining && let Some(leading) = &mut self.leading {
                    leading.end();
                }
            }
            Input::EndSlot(EndSlotQuestion { reply }) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(self.leading.as_mut().map(Leading::end));
            }
            Input::Holds(question) => {
                self.questions.push(question);
                self.answer_questions(now_ms);
            }
            Input::Facts(FactsQuestion { blocks, reply }) => {
                self.side.name(blocks.clone());
                let held = blocks.iter().filter_map(|id| self.facts_held(id));
                // Whoever asked may have stopped waiting.
                let _ = reply.send(held.filter(|facts| !self.is_early(now_ms, facts)).collect());
            }
            Input::Newest(NewestQuestion { validator, reply }) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(self.newest_of(&validator));
            }
            Input::SpeakAs(incarnation) => self.speak_as(now_ms, incarnation, io),
        }
    }

    fn admit_burst(
        &mut self,
        now_ms: u64,
        transactions: &mut impl FnMut() -> Option<Recovered<Parcel>>,
        io: &mut impl ReplicaIo,
    ) -> bool {
        let mut verdicts = Vec::new();
        let mut worked = false;
        for _ in 0..ADMIT_BURST {
            let Some(tx) = transactions() else { break };
            worked = true;
            let hash = tx.body().hash();
            let client = tx.parcel().take_client();
            let state = self.executor.state_mut();
            let (sender, nonce) = (tx.body().sender(), tx.body().envelope().map_or(0, Transaction::nonce));
            let mut answer = match self.admit.step(now_ms, tx, state, &mut |verdict| verdicts.push(verdict)) {
                Ok(()) => Ok(hash),
                Err((_, why)) => {
                    io.fail(unreadable(&why));
                    io.forget(hash);
                    Err(Shed::Busy)
                }
            };
            let mut executable = false;
            for verdict in &verdicts {
                match verdict {
                    Verdict::Shed(rejected) if rejected.parcel.hash() == hash => answer = Err(rejected.why.clone()),
                    Verdict::Ready(ready) if ready.body().hash() == hash => executable = true,
                    _ => {}
                }
            }
            if answer.is_ok() && !executable {
                io.note(Note::Waiting { hash, sender, nonce, executable, at_ms: now_ms });
            }
            // Noted before the client hears of it, so that the client finds what it asks for.
            self.settle(now_ms, &mut verdicts, io);
            if let Some(client) = client {
                client.answer(answer);
            }
        }
        if self.admit.next_due_ms().is_some_and(|due| due <= now_ms) {
            self.admit.tick(now_ms, &mut |verdict| verdicts.push(verdict));
            self.settle(now_ms, &mut verdicts, io);
        }
        worked
    }

    fn settle(&mut self, now_ms: u64, verdicts: &mut Vec<Verdict<Parcel>>, io: &mut impl ReplicaIo) {
        for verdict in verdicts.drain(..) {
            match verdict {
                Verdict::Ready(tx) => {
                    let body = tx.body();
                    let (hash, sender) = (body.hash(), body.sender());
                    let nonce = body.envelope().map_or(0, Transaction::nonce);
                    io.note(Note::Waiting { hash, sender, nonce, executable: true, at_ms: now_ms });
                    if self.leading.is_some() {
                        let base_fee = horae_stages::rules::next_base_fee(self.chain.head(), &self.config.params);
                        self.order.push(tx, base_fee);
                    } else {
                        self.relay.push(tx);
                    }
                }
                Verdict::Shed(rejected) => self.refuse(&rejected.parcel, &rejected.why, io),
                Verdict::Included(_) => {}
            }
        }
    }

    /// A transaction leaves for good after its client was answered, or with its client's answer: it is counted, said, and
    /// may come again.
    fn refuse(&mut self, parcel: &Parcel, why: &Shed, io: &mut impl ReplicaIo) {
        io.count_refused(why);
        io.note(Note::Refused { hash: parcel.hash(), why: why.clone() });
        debug!(hash = %parcel.hash(), %why, "transaction refused");
        io.forget(parcel.hash());
    }

    /// Passes transactions on to the sequencer, if that is another validator.
    fn pass_on(&mut self, now_ms: u64, io: &mut impl ReplicaIo) -> bool {
        if self.relay.is_empty() || self.leading.is_some() {
            return false;
        }
        let Some(sequencer) = self.sequencer().filter(|sequencer| *sequencer != self.address()) else { return false };
        let others = self.voter.term().map_or(1, |term| term.set.validators().len().saturating_sub(1));
        let window = (self.config.kept_for_peers / others.max(1)).max(1);
        let batch = self.relay.take_unsent(now_ms, sequencer, window);
        if batch.is_empty() {
            return false;
        }
        io.count_forwarded(batch.len() as u64);
        io.send(sequencer, &PeerMessage::Transactions(batch));
        true
    }

    /// Tells peers where this replica stands, so that whoever lags finds out and asks.
    fn stand(&mut self, now_ms: u64, io: &mut impl ReplicaIo) {
        if now_ms < self.standing_ms.saturating_add(STANDING_MS) {
            return;
        }
        self.standing_ms = now_ms;
        if let Some(committed) = self.chain.facts(self.committed) {
            io.broadcast(&PeerMessage::Standing(Standing { head: self.head(), committed: committed.id }));
        }
    }

    /// Lets go of what is stored.
    fn keep_house(&mut self, io: &mut impl ReplicaIo) {
        let stored = io.stored();
        self.executor.state_mut().forget_below(stored);
        self.chain.trim(stored);
    }

    fn next_due_ms(&self, now_ms: u64) -> Option<u64> {
        let timers = [
            Some(self.standing_ms.saturating_add(STANDING_MS)),
            self.leading.as_ref().map(Leading::next_due_ms),
            self.admit.next_due_ms(),
            (!self.relay.is_empty()).then_some(now_ms + relay::SWEEP_MS),
            self.close_due_ms(),
            self.arrivals.next_due_ms(),
            self.view_due_ms(now_ms),
        ];
        timers.into_iter().flatten().min()
    }
}
