//! The council of a node: its edges, and the loop around it. One task owns the council; what takes time (L1, the store,
//! packing) runs beside it and reports back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use horae_contracts::{SettlementSignature, Signature as InboxSignature};
use horae_control::pending::Pending;
use horae_control::{ControlState, SignedEngineStatement};
use horae_mpc::{Fault, GroupSignature};
use horae_runtime::Cell;
use horae_stages::{ChainParams, ForcedEntry, L1View};
use horae_tendermint::{Event, Handle, NodeKey, OwnVotes, Part, Verdict};
use metrics::counter;
use rand_core::OsRng;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};
use zeroize::Zeroizing;

use super::batches::{Inbox, next_complete, waiting_behind};
use super::carrying::Checked;
use super::io::{CouncilIo, IncarnationFileError, Report, Work, compared, packed};
use super::l1_watch::L1News;
use super::message::{LinkMessage, YouSaid};
use super::reckoning;
use super::settling::SignedSettlement;
use super::state_file::{self, StateFileError};
use super::{Council, CouncilError, CouncilParts, Ended, TICK_MS, next_height, questions};
use crate::chain_view::{ChainEvent, ChainFeed, ChainView, SettlementStatus, SigningFaults};
use crate::clock;
use crate::edges::l1::{L1, Sender};
use crate::home::write_atomic;
use crate::keys::{KeyError, Vault};
use crate::replica::{Input, NewestKnown, NewestQuestion, ReplicaInbox, RunningSlot};
use crate::roster::Roster;

/// Reports of work done beside the task that may wait.
const REPORTS: usize = 256;

/// The edges of a council in a node.
pub struct CouncilEdges {
    /// The engine.
    pub engine: Handle,
    /// Reads L1.
    pub l1: L1,
    /// Carries to L1; none if this node does not.
    pub sender: Option<Arc<Sender>>,
    /// The replica's inputs.
    pub replica: ReplicaInbox,
    /// The query side.
    pub feed: ChainFeed,
    /// What is committed here.
    pub view: ChainView,
    /// The chain rules that are numbers.
    pub params: ChainParams,
    /// The inbox that digests are bound to.
    pub inbox: Inbox,
    /// Where secrets are sealed.
    pub vault: Vault,
    /// Where the control state is kept.
    pub state_file: PathBuf,
    /// Where the lowest incarnation that may speak is noted.
    pub incarnation_file: PathBuf,
    /// Who may have a link.
    pub roster: Roster,
    /// The agreed L1 view, for the watch.
    pub agreed: watch::Sender<L1View>,
    /// The newest control state, for whoever reports it.
    pub published: watch::Sender<Arc<ControlState>>,
    /// The slot that runs, and how far this node is.
    pub running: Cell<RunningSlot>,
    /// The operator has taken this node out of its turns.
    pub drained: watch::Receiver<bool>,
    /// Why this node cannot take its turns, if it cannot; for whoever reports it.
    pub trouble: watch::Sender<Option<String>>,
    /// What validators did wrong in signatures; for whoever reports it.
    pub signing_faults: watch::Sender<SigningFaults>,
    /// The settlement that the group has signed and L1 does not have; for whoever reports it.
    pub settlement: watch::Sender<Option<SettlementStatus>>,
}

/// What a council's task hears.
pub struct CouncilInputs {
    /// The engine.
    pub events: mpsc::Receiver<Event>,
    /// The watch of L1.
    pub news: mpsc::Receiver<L1News>,
    /// The replica.
    pub commands: mpsc::UnboundedReceiver<Pending>,
}

/// A council with its edges.
pub struct CouncilTask {
    council: Council,
    io: NodeIo,
    reports: mpsc::Receiver<Report>,
}

struct NodeIo {
    edges: CouncilEdges,
    rng: OsRng,
    reports: mpsc::Sender<Report>,
}

impl CouncilTask {
    /// A council that is ready to run.
    ///
    /// # Errors
    /// What is sealed cannot be read.
    pub fn new(parts: CouncilParts, edges: CouncilEdges) -> Result<Self, CouncilError> {
        let (reports, received) = mpsc::channel(REPORTS);
        let mut io = NodeIo { edges, rng: OsRng, reports };
        let council = Council::new(parts, &mut io)?;
        Ok(Self { council, io, reports: received })
    }

    /// Runs until the engine or the node stops.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub async fn run(mut self, mut inputs: CouncilInputs) -> Result<Ended, CouncilError> {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = inputs.events.recv() => match event {
                    Some(event) => self.engine_event(event).await?,
                    None => return Ok(Ended::Stopped),
                },
                Some(news) = inputs.news.recv() => self.council.l1_news(news, clock::now_ms(), &mut self.io),
                Some(command) = inputs.commands.recv() => self.council.speak(command, &mut self.io),
                Some(report) = self.reports.recv() => self.council.report(report, clock::now_ms(), &mut self.io),
                _ = tick.tick() => self.council.tick(clock::now_ms(), &mut self.io)?,
            }
            if let Some(ended) = self.council.ended()? {
                return Ok(ended);
            }
        }
    }

    async fn engine_event(&mut self, event: Event) -> Result<(), CouncilError> {
        let Self { council, io, .. } = self;
        match event {
            Event::Propose { height, reply, .. } => {
                let known = questions::facts_known(council.facts_wanted(), &io.edges.replica).await;
                let block = council.propose(height, &known);
                let bytes = borsh::to_vec(&block).expect("writing to memory does not fail");
                // A proposal that comes too late is not waited for.
                let _ = reply.send(bytes.into());
            }
            Event::Check { height, value, reply, proposer } => self.check(height, proposer, &value, reply),
            Event::Decided { height, value, reply } => {
                council.decided(height, &value, clock::now_ms(), io)?;
                let _ = reply.send(next_height(council.state(), council.has_proposal()));
            }
            Event::Message { from, bytes } => council.hear(from, &bytes, clock::now_ms(), io),
            Event::PeerUp { peer } => council.peer_up(peer, io),
            Event::PeerDown { .. } => {}
            Event::Evidence(proof) => council.accuse(proof, io),
            Event::Fatal { why, file } => {
                let file = file.map(|file| format!(" ({})", file.display())).unwrap_or_default();
                return Err(CouncilError::Engine(format!("{why}{file}")));
            }
        }
        Ok(())
    }

    fn check(&self, height: u64, proposer: Address, value: &[u8], reply: oneshot::Sender<Verdict>) {
        let questions = match self.council.judge(value) {
            Ok(questions) => questions,
            Err(why) => {
                warn!(height, %proposer, %why, "control block refused");
                let _ = reply.send(Verdict::Reject);
                return;
            }
        };
        let (replica, l1) = (self.io.edges.replica.clone(), self.io.edges.l1.clone());
        tokio::spawn(async move {
            match questions::answer_all(questions, &replica, &l1, &|| reply.is_closed()).await {
                questions::Answer::True => drop(reply.send(Verdict::Accept)),
                questions::Answer::False(why) => {
                    counter!("horae_control_blocks_refused").increment(1);
                    warn!(height, %why, "control block refused");
                    let _ = reply.send(Verdict::Reject);
                }
                questions::Answer::Unknown => debug!(height, "no answer to a control block"),
            }
        });
    }
}

impl NodeIo {
    fn beside(&self, work: impl FnOnce() -> Report + Send + 'static) {
        let reports = self.reports.clone();
        tokio::task::spawn_blocking(move || {
            // A council that is gone needs no report.
            let _ = reports.blocking_send(work());
        });
    }

    fn on_l1<F>(&self, work: impl FnOnce(Arc<Sender>) -> F)
    where
        F: Future<Output = Report> + Send + 'static,
    {
        let Some(sender) = self.edges.sender.clone() else { return };
        let (reports, work) = (self.reports.clone(), work(sender));
        tokio::spawn(async move {
            let _ = reports.send(work.await).await;
        });
    }
}

impl CouncilIo for NodeIo {
    type Rng = OsRng;

    fn rng(&mut self) -> &mut OsRng {
        &mut self.rng
    }

    fn send(&mut self, to: NodeKey, message: &LinkMessage) {
        self.edges.engine.send(to, message.encode());
    }

    fn broadcast(&mut self, message: &LinkMessage) {
        self.edges.engine.broadcast(message.encode());
    }

    fn wake(&mut self) {
        self.edges.engine.wake();
    }

    fn take_part(&mut self, part: Part) {
        self.edges.engine.take_part(part);
    }

    fn own_votes(&self) -> OwnVotes {
        self.edges.engine.own_votes()
    }

    fn oldest_kept(&self) -> Option<u64> {
        self.edges.engine.oldest_kept()
    }

    fn newest_of(&self, validator: Address) -> Option<SignedEngineStatement> {
        self.edges.engine.newest_of(validator)
    }

    fn answer_recall(&mut self, to: NodeKey, asker: Address, known: YouSaid) {
        let engine = self.edges.engine.clone();
        let (reply, newest) = oneshot::channel();
        self.tell(Input::Newest(NewestQuestion { validator: asker, reply }));
        tokio::spawn(async move {
            let Ok(NewestKnown { ack, sealed }) = newest.await else { return };
            engine.send(to, LinkMessage::YouSaid(Box::new(YouSaid { ack, sealed, ..known })).encode());
        });
    }

    fn prune_below(&mut self, height: u64) {
        let engine = self.edges.engine.clone();
        tokio::spawn(async move {
            if let Err(why) = engine.prune_below(height).await {
                error!(%why, "the decided log cannot be pruned; it grows until it can");
            }
        });
    }

    fn tell(&mut self, input: Input) {
        self.edges.replica.tell(input);
    }

    fn event(&mut self, event: ChainEvent) {
        if let Err(why) = self.edges.feed.send(event) {
            error!(%why, "the chain view does not take events");
        }
    }

    fn publish(&mut self, state: &ControlState) {
        let view = state.l1_view();
        self.edges.agreed.send_replace(L1View { number: view.number, hash: view.hash });
        self.edges.published.send_replace(Arc::new(state.clone()));
        if self.edges.roster.follow(state) {
            self.edges.engine.set_allowed(&self.edges.roster.node_keys());
        }
    }

    fn save(&mut self, state: &ControlState) -> Result<(), StateFileError> {
        state_file::save(&self.edges.state_file, state)
    }

    fn note_incarnation(&mut self, incarnation: u64) -> Result<(), IncarnationFileError> {
        let file = &self.edges.incarnation_file;
        write_atomic(file, incarnation.to_string().as_bytes())
            .map_err(|source| IncarnationFileError::Io { file: file.clone(), source })
    }

    fn seal(&mut self, name: &str, secret: &[u8]) -> Result<(), KeyError> {
        self.edges.vault.seal(name, secret)
    }

    fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        self.edges.vault.unseal(name)
    }

    fn erase(&mut self, name: &str) -> Result<(), KeyError> {
        self.edges.vault.erase(name)
    }

    fn begin(&mut self, work: Work) {
        let (params, inbox) = (self.edges.params.clone(), self.edges.inbox);
        match work {
            Work::Look(head) => {
                let view = self.edges.view.clone();
                self.beside(move || match next_complete(&view, &params, &head) {
                    Ok(found) => Report::Checked(Checked::Due(found.map(Box::new))),
                    Err(why) => {
                        error!(%why, "cannot read the next batch from the store");
                        Report::Checked(Checked::Due(None))
                    }
                });
            }
            Work::Pack(batch) => {
                let view = self.edges.view.clone();
                self.beside(move || {
                    let waiting = waiting_behind(&view, &batch, &params).unwrap_or_else(|why| {
                        error!(%why, "cannot see in the store how many batches wait: packed as if none did");
                        0
                    });
                    packed(&batch, waiting, &params, &inbox)
                });
            }
            Work::Compare { from, batch, data } => self.beside(move || compared(from, &batch, &data, &params, &inbox)),
            Work::Submit { header, signature, data } => self.on_l1(|sender| async move {
                let index = header.index;
                let sent = sender.submit_batch(header, inbox_signature(&signature), data).await;
                let result = sent.map(|included| {
                    info!(index, tx = %included.hash, gas = included.gas_used, "batch carried to L1");
                });
                Report::Carried { index, result: result.map_err(|why| why.to_string()) }
            }),
            Work::ReadEntries(blocks) => {
                let (l1, reports) = (self.edges.l1.clone(), self.reports.clone());
                tokio::spawn(async move {
                    let read = l1.entries_in(&blocks).await.map_err(|why| why.to_string());
                    let read = read.map(|entries| entries.iter().map(ForcedEntry::encode).collect());
                    // A council that is gone needs no report.
                    let _ = reports.send(Report::Entries(read)).await;
                });
            }
            Work::Install(i) => self.on_l1(|sender| async move {
                let sent = sender.install_first_key(i.px, i.parity, i.signers, i.weights, i.signatures).await;
                let result = sent.map(|included| info!(tx = %included.hash, "group key installed on L1"));
                Report::Installed(result.map_err(|why| why.to_string()))
            }),
            Work::Reckon { last_block } => {
                let (l1, store) = (self.edges.l1.clone(), self.edges.view.store().clone());
                let reports = self.reports.clone();
                tokio::spawn(async move {
                    let reckoned = reckoning::reckon(&l1, store, last_block).await;
                    // A council that is gone needs no report.
                    let _ = reports.send(Report::Reckoned(reckoned)).await;
                });
            }
            Work::Settle(signed) => self.on_l1(|sender| async move {
                let SignedSettlement { what, signature } = *signed;
                let index = what.settlement.index;
                let InboxSignature { rx, ry, z } = inbox_signature(&signature);
                let sent = sender.settle(what.schedule, what.settlement, SettlementSignature { rx, ry, z }).await;
                let result = sent.map(|included| {
                    info!(index, tx = %included.hash, gas = included.gas_used, "rewards settled on L1");
                });
                Report::Settled { index, result: result.map_err(|why| why.to_string()) }
            }),
            Work::Report { id, proof } => self
                .on_l1(|sender| async move { Report::Reported { id, said: reckoning::report(&sender, &proof).await } }),
            Work::Rotate(r) => self.on_l1(|sender| async move {
                let sent = sender.rotate(r.px, r.parity, r.signers, r.weights, inbox_signature(&r.signature)).await;
                let result = sent.map(|included| info!(tx = %included.hash, "the next group key is on L1"));
                Report::Rotated(result.map_err(|why| why.to_string()))
            }),
        }
    }

    fn carries(&self) -> bool {
        self.edges.sender.is_some()
    }

    fn running(&self) -> Arc<RunningSlot> {
        self.edges.running.latest()
    }

    fn is_drained(&self) -> bool {
        *self.edges.drained.borrow()
    }

    fn show_settlement(&mut self, signed: Option<&SignedSettlement>) {
        self.edges.settlement.send_replace(signed.map(shown));
    }

    fn note_signing_fault(&mut self, validator: Address, fault: Fault, now_ms: u64) {
        self.edges.signing_faults.send_modify(|faults| faults.note(validator, &fault, now_ms));
    }

    fn show_trouble(&mut self, trouble: Option<String>) {
        let changed = *self.edges.trouble.borrow() != trouble;
        if changed {
            self.edges.trouble.send_replace(trouble);
        }
    }
}

/// As a node offers it.
fn shown(signed: &SignedSettlement) -> SettlementStatus {
    let SignedSettlement { what, signature } = signed;
    SettlementStatus {
        schedule: what.schedule,
        index: what.settlement.index,
        first_block: what.settlement.firstBlock,
        last_block: what.settlement.lastBlock,
        ids: what.settlement.ids.clone(),
        blocks: what.settlement.blocks.clone(),
        rx: signature.rx,
        ry: signature.ry,
        z: signature.z,
    }
}

fn inbox_signature(signature: &GroupSignature) -> InboxSignature {
    let word = |word: B256| U256::from_be_bytes(word.0);
    InboxSignature { rx: word(signature.rx), ry: word(signature.ry), z: word(signature.z) }
}
