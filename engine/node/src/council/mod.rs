//! The council: one validator's part in the control plane. It proposes and checks control blocks, applies what is decided,
//! generates the group key, has batches signed and carries them to L1, and tells the replica what was decided.
//!
//! The decisions are `horae-control`'s, the cryptography `horae-mpc`'s; here they are joined to the Tendermint engine, the
//! links and L1. One task owns everything; whatever takes time (L1, the store) runs beside it and reports back.
//!
//! | file | says |
//! |---|---|
//! | [`message`] | what councils say to each other beside Tendermint's messages |
//! | `keygen`, `install` | the group key: made, confirmed, installed on L1 |
//! | `signing`, `batches` | batches: which is next, checked, signed |
//! | `recalling` | whether this validator remembers all that it said, and its voice |
//! | `carrying` | batches: who carries which, and when the next takes over |
//! | `questions` | what must be true before this node votes for a control block |
//! | `readiness` | whether this node can take its turns, and saying so |
//! | `l1_watch` | what L1 said lately |
//! | `state_file` | the control state on disk |

mod batches;
mod carrying;
mod install;
mod keygen;
mod l1_watch;
pub mod message;
mod questions;
pub mod readiness;
mod recalling;
mod signing;
mod state_file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use borsh::BorshDeserialize;
use horae_control::command::{Command, ControlBlock};
use horae_control::pending::{Added, NotPending, Pending, PendingCommands};
use horae_control::state::{Effect, Opening};
use horae_control::{ControlState, Proof, SignerKey, SpokenInTerm};
use horae_runtime::Cell;
use horae_stages::{ChainParams, L1View};
use horae_tendermint::{Event, Handle, NextHeight, Validator};
use metrics::{counter, gauge};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::chain_view::{ChainEvent, ChainFeed, ChainView};
use crate::clock;
use crate::edges::l1::{L1, Sender};
use crate::replica::{ControlUpdate, Input, ReplicaInbox, RunningSlot};
pub use batches::{BatchHead, Inbox};
use carrying::Carrying;
use install::Installer;
use keygen::Keygen;
pub use keygen::KeygenError;
pub use l1_watch::{L1News, WatchFrom, watch_l1};
use message::LinkMessage;
use readiness::SelfCheck;
use recalling::Voice;
pub use recalling::{IncarnationFileError, load_floor};
use signing::Signing;
pub use state_file::{StateFileError, load as load_state};

/// How often the council looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// Own commands that are not decided are sent to all again this often, in milliseconds.
const REPEAT_MS: u64 = 2_000;
/// Without events the agreed L1 view moves on this often, in milliseconds.
const VIEW_IDLE_MS: u64 = 8_000;
/// Decided heights between two prunings of the engine's log.
const PRUNE_EVERY_HEIGHTS: u64 = 256;
/// Reports of work done beside the task that may wait.
const REPORTS: usize = 256;

/// Why the council stopped.
#[derive(Debug, Error)]
pub enum CouncilError {
    /// The Tendermint engine stopped for good.
    #[error("the control plane stopped: {0}")]
    Engine(String),
    /// Key generation.
    #[error(transparent)]
    Keygen(#[from] KeygenError),
    /// The control state's file.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The note of the lowest incarnation that may speak.
    #[error(transparent)]
    Incarnation(#[from] IncarnationFileError),
    /// Another process speaks for this validator.
    #[error(
        "incarnation {incarnation} of this validator was registered by another process with its signer key: this node stops, \
         for two machines must never speak for one validator; stop the other one first if this is the right one"
    )]
    Superseded {
        /// The incarnation.
        incarnation: u64,
    },
    /// Decided blocks do not fit: this node or its log is not what it was.
    #[error("decided control block {height} cannot be applied: {why}; this node's control state is damaged, delete {} to replay it", file.display())]
    Undecidable {
        /// Control height.
        height: u64,
        /// Why not.
        why: String,
        /// The control state's file.
        file: PathBuf,
    },
}

/// What the council is made with.
pub struct CouncilParts {
    /// The validator's key.
    pub signer: Arc<SignerKey>,
    /// The chain rules that are numbers.
    pub params: ChainParams,
    /// The inbox that digests are bound to.
    pub inbox: Inbox,
    /// Where secrets are sealed.
    pub vault: Arc<crate::keys::Vault>,
    /// Where the control state is kept.
    pub state_file: PathBuf,
    /// Where the lowest incarnation that may speak is noted.
    pub incarnation_file: PathBuf,
    /// That incarnation.
    pub incarnation_floor: u64,
    /// What this validator's journal says that it said, by term.
    pub said: BTreeMap<u64, SpokenInTerm>,
    /// The control state to go on from.
    pub state: ControlState,
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
    /// The agreed L1 view, for the watch.
    pub agreed: watch::Sender<L1View>,
    /// Decided heights that stay in the engine's log, for peers that lag.
    pub retained_heights: u64,
    /// The newest control state, for whoever reports it.
    pub published: watch::Sender<Arc<ControlState>>,
    /// The slot that runs, and how far this node is.
    pub running: Cell<RunningSlot>,
    /// The operator has taken this node out of its turns.
    pub drained: watch::Receiver<bool>,
    /// Why this node cannot take its turns, if it cannot; for whoever reports it.
    pub trouble: watch::Sender<Option<String>>,
}

/// What came of work beside the council's task.
pub(crate) enum Report {
    /// The installation was tried.
    Installed(Result<(), String>),
    /// A batch was packed and checked, ours or another's.
    Checked(carrying::Checked),
    /// A batch was carried to L1, or not.
    Carried {
        /// Its index.
        index: u64,
        /// What came of it.
        result: Result<(), String>,
    },
}

/// Why a council ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The node stops.
    Stopped,
    /// The incarnation that this validator registered counts now: the node is to be started again, and speaks as that one.
    ToSpeakAgain {
        /// The incarnation.
        incarnation: u64,
    },
}

/// One validator's part in the control plane.
pub struct Council {
    parts: CouncilParts,
    state: ControlState,
    pending: PendingCommands,
    keygen: Keygen,
    signing: Option<Signing>,
    installer: Option<Installer>,
    installing: bool,
    carrying: Carrying,
    reports: mpsc::Sender<Report>,
    voice: Voice,
    /// Why it cannot go on.
    failure: Option<CouncilError>,
    repeated_ms: u64,
    view_changed_ms: u64,
    ready_view: Option<(L1View, Vec<horae_control::command::L1Event>)>,
    self_check: SelfCheck,
}

impl Council {
    /// A council that goes on where the state stands. Gives the receiver of its reports too.
    pub(crate) fn new(parts: CouncilParts) -> Result<(Self, mpsc::Receiver<Report>), CouncilError> {
        let keygen = Keygen::open(parts.vault.clone(), parts.signer.clone())?;
        let (reports, received) = mpsc::channel(REPORTS);
        let mut council = Self {
            state: parts.state.clone(),
            pending: PendingCommands::new(),
            keygen,
            signing: None,
            installer: None,
            installing: false,
            carrying: Carrying::default(),
            reports,
            voice: Voice::Unasked,
            failure: None,
            repeated_ms: 0,
            view_changed_ms: 0,
            ready_view: None,
            self_check: SelfCheck::default(),
            parts,
        };
        council.take_up_key();
        council.publish();
        Ok((council, received))
    }

    /// Runs until the engine or the node stops.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut news: mpsc::Receiver<L1News>,
        mut commands: mpsc::UnboundedReceiver<Pending>,
        mut reports: mpsc::Receiver<Report>,
    ) -> Result<Ended, CouncilError> {
        let said = std::mem::take(&mut self.parts.said);
        self.begin_recall(said, self.parts.incarnation_floor);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.engine_event(event).await?,
                    None => return Ok(Ended::Stopped),
                },
                Some(news) = news.recv() => self.l1_news(news),
                Some(command) = commands.recv() => self.speak(command),
                Some(report) = reports.recv() => self.report(report),
                _ = tick.tick() => self.tick()?,
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if let Some(ended) = self.voice_returns()? {
                return Ok(ended);
            }
        }
    }

    async fn engine_event(&mut self, event: Event) -> Result<(), CouncilError> {
        match event {
            Event::Propose { height, reply, .. } => {
                let block = self.propose(height).await;
                let bytes = borsh::to_vec(&block).expect("writing to memory does not fail");
                // A proposal that comes too late is not waited for.
                let _ = reply.send(bytes.into());
            }
            Event::Check { height, value, reply, proposer } => self.check(height, proposer, &value, reply),
            Event::Decided { height, value, reply } => {
                self.decided(height, &value)?;
                let _ = reply.send(next_height(&self.state, self.has_proposal()));
            }
            Event::Message { from, bytes } => self.hear(from, &bytes),
            Event::PeerUp { peer } => {
                for command in self.pending.commands() {
                    self.parts.engine.send(peer, LinkMessage::Pending(Box::new(command.clone())).encode());
                }
            }
            Event::PeerDown { .. } => {}
            Event::Evidence(proof) => self.accuse(proof),
            Event::Fatal { why, file } => {
                let file = file.map(|file| format!(" ({})", file.display())).unwrap_or_default();
                return Err(CouncilError::Engine(format!("{why}{file}")));
            }
        }
        Ok(())
    }

    /// Whether there is something to decide now: a command that can go into the next block, or close votes of > 2/3. What
    /// waits for more than that must not keep the engine from resting.
    fn has_proposal(&self) -> bool {
        let set = &self.state.epoch().set;
        let votes = self.pending.commands().filter_map(|command| match command {
            Pending::Close(vote) => set.get(&vote.validator).map(|validator| validator.weight),
            _ => None,
        });
        set.is_quorum(votes.sum()) || self.state.propose(&self.pending, &|_: &horae_control::BlockId| None).is_some()
    }

    async fn propose(&mut self, height: u64) -> ControlBlock {
        let known = questions::facts_known(&self.pending, &self.state, &self.parts.replica).await;
        let held = |id: &horae_control::BlockId| known.iter().find(|facts| facts.id == *id).copied();
        let block = self.state.propose(&self.pending, &held).filter(|block| block.height == height);
        block.unwrap_or(ControlBlock { height, commands: Vec::new() })
    }

    fn check(
        &mut self,
        height: u64,
        proposer: Address,
        value: &[u8],
        reply: tokio::sync::oneshot::Sender<horae_tendermint::Verdict>,
    ) {
        let refused = |why: String| {
            counter!("horae_control_blocks_refused").increment(1);
            warn!(height, %proposer, %why, "control block refused");
        };
        let block = match ControlBlock::try_from_slice(value) {
            Ok(block) => block,
            Err(why) => {
                refused(why.to_string());
                let _ = reply.send(horae_tendermint::Verdict::Reject);
                return;
            }
        };
        if let Err(why) = self.state.check(&block) {
            refused(why.to_string());
            let _ = reply.send(horae_tendermint::Verdict::Reject);
            return;
        }
        let questions = self.state.questions(&block);
        let (replica, l1) = (self.parts.replica.clone(), self.parts.l1.clone());
        tokio::spawn(async move {
            match questions::answer_all(questions, &replica, &l1, &|| reply.is_closed()).await {
                questions::Answer::True => drop(reply.send(horae_tendermint::Verdict::Accept)),
                questions::Answer::False(why) => {
                    counter!("horae_control_blocks_refused").increment(1);
                    warn!(height, %why, "control block refused");
                    let _ = reply.send(horae_tendermint::Verdict::Reject);
                }
                questions::Answer::Unknown => debug!(height, "no answer to a control block"),
            }
        });
    }

    fn decided(&mut self, height: u64, value: &[u8]) -> Result<(), CouncilError> {
        if height <= self.state.height() {
            return Ok(());
        }
        let undecidable = |why: String| CouncilError::Undecidable { height, why, file: self.parts.state_file.clone() };
        let block = ControlBlock::try_from_slice(value).map_err(|why| undecidable(why.to_string()))?;
        self.keygen.decided(&block, &self.state)?;
        let effects = self.state.apply(&block).map_err(|why| undecidable(why.to_string()))?;
        gauge!("horae_control_height").set(height as f64);
        for effect in effects {
            self.effect(effect)?;
        }
        state_file::save(&self.parts.state_file, &self.state)?;
        self.prune(height);
        self.pending.drop_stale(&self.state);
        if block.commands.iter().any(|command| matches!(command, Command::L1View { .. })) {
            self.view_changed_ms = clock::now_ms();
            self.ready_view = None;
            self.pending.set_l1_view(None);
        }
        self.publish();
        self.speak_keygen()?;
        if self.has_proposal() {
            self.parts.engine.wake();
        }
        Ok(())
    }

    /// Lets go of decided heights far below: the state's snapshot is above them.
    fn prune(&self, height: u64) {
        if !height.is_multiple_of(PRUNE_EVERY_HEIGHTS) || height <= self.parts.retained_heights {
            return;
        }
        let (engine, below) = (self.parts.engine.clone(), height - self.parts.retained_heights);
        tokio::spawn(async move {
            if let Err(why) = engine.prune_below(below).await {
                error!(%why, "the decided log cannot be pruned; it grows until it can");
            }
        });
    }

    fn effect(&mut self, effect: Effect) -> Result<(), CouncilError> {
        match effect {
            Effect::GroupKeyConfirmed { key, .. } => {
                info!(px = %key.px, "the group key is confirmed by all");
                self.keygen.finished()?;
                self.take_up_key();
            }
            Effect::KeyInstalled { .. } => {
                info!("the group key is installed on L1");
                self.installer = None;
            }
            Effect::TermOpened { term, .. } => info!(term, "the control plane opened a term"),
            Effect::TermClosed { term, head } => info!(term, head = %head, "the control plane closed a term"),
            Effect::Jailed { validator, offence } => {
                error!(%validator, ?offence, "a validator is convicted: it has no turns, and is out of the set at the next epoch");
            }
            Effect::Skipped { skipped } => info!(?skipped, "turns are passed over"),
            other => debug!(?other, "control plane"),
        }
        Ok(())
    }

    /// The group key is known: sign under it, and for its installation while L1 does not have it.
    fn take_up_key(&mut self) {
        let Some(key) = self.state.epoch().group_key else { return };
        match self.keygen.material(&key) {
            Some(material) => self.signing = Some(Signing::new(&self.parts.signer, material.clone())),
            None => {
                error!("this node has no shares of the group key: it cannot sign batches until the next key generation")
            }
        }
        if matches!(self.state.opening(), Opening::Installation { .. }) {
            self.installer = Some(Installer::new(&self.state, key, &self.parts.inbox, &self.parts.signer));
        }
    }

    fn publish(&self) {
        let update = ControlUpdate::of(&self.state);
        self.parts.agreed.send_replace(update.l1_view);
        self.parts.published.send_replace(Arc::new(self.state.clone()));
        self.parts.replica.tell(Input::Control(Box::new(update)));
    }

    fn hear(&mut self, from: [u8; 32], bytes: &[u8]) {
        let Some(sender) = self.state.epoch().set.validators().iter().find(|v| v.node_key == from).map(|v| v.signer)
        else {
            return;
        };
        let message = match LinkMessage::try_from_slice(bytes) {
            Ok(message) => message,
            Err(why) => {
                counter!("horae_link_junk").increment(1);
                return warn!(%sender, %why, "not a council message");
            }
        };
        match message {
            LinkMessage::Pending(command) => self.take_pending(*command),
            LinkMessage::Installation(signature) => {
                if let Some(installer) = &mut self.installer {
                    installer.hear(&signature, &self.state);
                }
            }
            LinkMessage::Batch(proposal) => self.hear_batch(sender, proposal),
            LinkMessage::Signing(message) => {
                let outputs = self.signing.as_mut().map(|signing| signing.hear(sender, message, clock::now_ms()));
                self.signed(outputs.unwrap_or_default());
            }
            LinkMessage::Signed { index, signers } => self.carrying.note_signers(index, signers),
            LinkMessage::WhatDidISay => self.tell_what_was_said(sender, from),
            LinkMessage::YouSaid(said) => self.hear_what_was_said(sender, *said),
        }
    }

    /// A command of our own: kept, and told to all.
    fn speak(&mut self, command: Pending) {
        self.parts.engine.broadcast(LinkMessage::Pending(Box::new(command.clone())).encode());
        self.take_pending(command);
    }

    fn take_pending(&mut self, command: Pending) {
        let vote = match &command {
            Pending::Close(vote) => Some(Box::new(vote.clone())),
            _ => None,
        };
        match self.pending.add(command, &self.state) {
            Ok(Added::New) => {
                self.parts.engine.wake();
                if let Some(vote) = vote {
                    self.parts.replica.tell(Input::CloseVote(vote));
                }
            }
            Ok(Added::Known) | Err(NotPending::Stale | NotPending::Early) => {}
            Ok(Added::Evidence(proof)) => self.accuse(proof),
            Err(why) => {
                counter!("horae_commands_refused").increment(1);
                warn!(%why, "a command does not count");
            }
        }
    }

    /// Proof of an offence that was found here.
    fn accuse(&mut self, proof: Box<Proof>) {
        counter!("horae_evidence").increment(1);
        error!(validator = %proof.validator, offence = ?proof.offence(), "a validator contradicted itself");
        self.speak(Pending::Evidence(proof));
    }

    /// Says whether this node can take its turns, when that needs saying and is not on its way already.
    fn answer_roll_call(&mut self, now_ms: u64) {
        if !self.has_voice() {
            return;
        }
        let running = self.parts.running.latest();
        let trouble = self.self_check.trouble(&running, &self.state);
        self.parts.trouble.send_if_modified(|known| {
            let changed = *known != trouble;
            *known = trouble;
            changed
        });
        let drained = *self.parts.drained.borrow();
        let said = self.self_check.statement(now_ms, &running, &self.state, drained, &self.parts.signer);
        let Some(Pending::Readiness(said)) = said else { return };
        let waits = |command: &Pending| matches!(command, Pending::Readiness(of) if of.validator == said.validator && of.ready == said.ready);
        if !self.pending.commands().any(waits) {
            self.speak(Pending::Readiness(said));
        }
    }

    /// Says evidence, and this node's readiness, again while they are not decided: who was behind when they came did not
    /// keep them.
    fn repeat_undecided(&self) {
        let me = self.parts.signer.address();
        let is_repeated = |command: &&Pending| match command {
            Pending::Evidence(_) => true,
            Pending::Readiness(said) => said.validator == me,
            _ => false,
        };
        for command in self.pending.commands().filter(is_repeated) {
            self.parts.engine.broadcast(LinkMessage::Pending(Box::new(command.clone())).encode());
        }
    }

    fn speak_keygen(&mut self) -> Result<(), CouncilError> {
        if !self.has_voice() {
            return Ok(());
        }
        for command in self.keygen.outgoing(&self.state)? {
            self.speak(command);
        }
        Ok(())
    }

    fn l1_news(&mut self, news: L1News) {
        match news {
            L1News::Inbox(head) => self.carrying.inbox_at(head),
            L1News::Batches(batches) => {
                for (batch, gas) in batches {
                    self.batch_accepted(&batch, gas);
                }
            }
            L1News::Dropped { from } => self.tell(ChainEvent::BatchesDropped { from }),
            L1News::Finalized(l1_block) => {
                if let Some(batch) = self.carrying.finalized_at(l1_block) {
                    self.tell(ChainEvent::L1Finalized { batch });
                }
            }
            L1News::Standing(standing) => self.self_check.l1_stands(standing),
            L1News::View(view, events) => {
                self.ready_view = Some((view, events));
                self.offer_view();
            }
        }
    }

    /// Proposes the next L1 view when something happened, or now and then.
    fn offer_view(&mut self) {
        let Some((view, events)) = &self.ready_view else { return };
        let idle = clock::now_ms() >= self.view_changed_ms.saturating_add(VIEW_IDLE_MS);
        if events.is_empty() && !idle {
            return;
        }
        let control_view = horae_control::L1View { number: view.number, hash: view.hash };
        self.pending.set_l1_view(Some((control_view, events.clone())));
        self.parts.engine.wake();
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Installed(result) => {
                self.installing = false;
                if let Err(why) = result {
                    debug!(%why, "installation of the group key did not go through here");
                }
            }
            Report::Checked(checked) => self.batch_checked(checked),
            Report::Carried { index, result } => self.carrying.carried(index, result),
        }
    }

    fn tick(&mut self) -> Result<(), CouncilError> {
        let now_ms = clock::now_ms();
        self.find_voice(now_ms);
        let outputs = self.signing.as_mut().map(|signing| signing.tick(now_ms));
        self.signed(outputs.unwrap_or_default());
        self.carry(now_ms);
        self.answer_roll_call(now_ms);
        if now_ms < self.repeated_ms.saturating_add(REPEAT_MS) {
            return Ok(());
        }
        self.repeated_ms = now_ms;
        self.speak_keygen()?;
        self.repeat_undecided();
        self.offer_view();
        self.install();
        Ok(())
    }

    fn install(&mut self) {
        let Some(installer) = &self.installer else { return };
        if let Some(own) = installer.own(self.parts.signer.address()) {
            self.parts.engine.broadcast(LinkMessage::Installation(own).encode());
        }
        let (Some(sender), false) = (self.parts.sender.clone(), self.installing) else { return };
        let Some(i) = installer.complete(&self.state) else { return };
        self.installing = true;
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let sent = sender.install_first_key(i.px, i.parity, i.signers, i.weights, i.signatures).await;
            let result = sent.map(|included| info!(tx = %included.hash, "group key installed on L1"));
            let _ = reports.send(Report::Installed(result.map_err(|why| why.to_string()))).await;
        });
    }

    fn tell(&self, event: ChainEvent) {
        if let Err(why) = self.parts.feed.send(event) {
            error!(%why, "the chain view does not take events");
        }
    }
}

/// Who decides the height above this state; `pending` is whether there is something to decide already.
pub fn next_height(state: &ControlState, pending: bool) -> NextHeight {
    let validators = state.epoch().set.validators().iter().map(|v| Validator {
        signer: v.signer,
        node_key: v.node_key,
        weight: v.weight,
        incarnation: v.incarnation,
    });
    NextHeight { epoch: state.epoch().number, validators: validators.collect(), pending }
}
