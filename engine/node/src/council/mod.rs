//! The council: one validator's part in the control plane. It proposes and checks control blocks, applies what is decided,
//! generates the group key, has batches signed and carries them to L1, and tells the replica what was decided.
//!
//! The decisions are `horae-control`'s, the cryptography `horae-mpc`'s; here they are joined. A [`Council`] has no edges of its
//! own: it is told what happened and what time it is, and asks through [`CouncilIo`]; whatever takes time is [`Work`] that
//! reports back. So the simulator runs the very code that a node runs.
//!
//! | file | says |
//! |---|---|
//! | [`io`] | what a council asks of the world |
//! | [`task`] | the council of a node: its edges, and the loop around it |
//! | [`message`] | what councils say to each other beside Tendermint's messages |
//! | `deciding` | control blocks: proposed, judged, applied |
//! | `commands` | what waits to be decided, heard and said |
//! | `keygen`, `install` | the group key: made, confirmed, installed on L1 |
//! | `signing`, [`batches`] | batches: which is next, checked, signed |
//! | [`carrying`] | batches: who carries which, and when the next takes over |
//! | [`entries`] | entries of the forced queue: read from L1 for the replica |
//! | `epoch`, [`rotation`], [`groups`] | the next epoch: ready for it, its key carried to L1, and which group signs what |
//! | [`settling`] | rewards: what the ended epochs' validators are owed, signed and carried to L1 |
//! | [`reporting`] | offences on record, reported to L1 |
//! | `recalling` | whether this validator remembers all that it said, and its voice |
//! | [`readiness`] | whether this node can take its turns, and saying so |
//! | [`l1_watch`] | what L1 said lately |
//! | `questions` | in a node: what must be true before it votes for a control block |
//! | `reckoning` | in a node: what is to be settled, and what L1 says of an offence |
//! | `state_file` | in a node: the control state on disk |

pub mod batches;
pub mod carrying;
mod commands;
mod deciding;
pub mod entries;
mod epoch;
pub mod groups;
pub mod install;
pub mod io;
mod keygen;
pub mod l1_watch;
pub mod message;
mod own;
mod questions;
pub mod readiness;
mod recalling;
mod reckoning;
pub mod reporting;
pub mod rotation;
pub mod settling;
mod signing;
mod state_file;
pub mod task;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use borsh::BorshDeserialize;
use horae_control::command::L1Event;
use horae_control::pending::PendingCommands;
use horae_control::{ControlState, SignerKey, SpokenInTerm};
use horae_stages::{ChainParams, L1View};
use horae_tendermint::NodeKey;
use metrics::counter;
use thiserror::Error;
use tracing::{debug, warn};

use crate::chain_view::ChainEvent;
use crate::roster::Roster;
pub use batches::{BatchHead, Inbox};
use carrying::Carrying;
pub use deciding::next_height;
use entries::Entries;
use groups::{Groups, KeyInForce};
use install::Installer;
pub use io::{CouncilIo, IncarnationFileError, Report, Work};
use keygen::Keygen;
pub use keygen::KeygenError;
pub use l1_watch::{L1News, WatchFrom, watch_l1};
use message::LinkMessage;
use readiness::SelfCheck;
use recalling::Voice;
pub use recalling::load_floor;
use reporting::Reporting;
use rotation::Rotating;
use settling::Settling;
pub use state_file::{StateFileError, load as load_state, save as save_state};

/// Own commands that are not decided are sent to all again this often, in milliseconds.
const REPEAT_MS: u64 = 2_000;
/// Without events the agreed L1 view moves on this often, in milliseconds.
const VIEW_IDLE_MS: u64 = 8_000;
/// How often a council wants [`Council::tick`], in milliseconds.
pub const TICK_MS: u64 = 100;

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
    /// Where the control state is kept, for an operator to be told.
    pub state_file: PathBuf,
    /// The lowest incarnation that may speak.
    pub incarnation_floor: u64,
    /// What this validator's journal says that it said, by term.
    pub said: BTreeMap<u64, SpokenInTerm>,
    /// The control state to go on from.
    pub state: ControlState,
    /// Decided heights that stay in the engine's log, for peers that lag.
    pub retained_heights: u64,
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
    signer: Arc<SignerKey>,
    params: ChainParams,
    inbox: Inbox,
    state_file: PathBuf,
    retained_heights: u64,
    state: ControlState,
    pending: PendingCommands,
    keygen: Keygen,
    groups: Groups,
    /// The key that the inbox has in force at L1's head.
    in_force: Option<KeyInForce>,
    rotating: Option<Rotating>,
    roster: Roster,
    installer: Option<Installer>,
    installing: bool,
    carrying: Carrying,
    settling: Settling,
    reporting: Reporting,
    voice: Voice,
    /// Why it cannot go on.
    failure: Option<CouncilError>,
    repeated_ms: u64,
    view_changed_ms: u64,
    ready_view: Option<(L1View, Vec<L1Event>)>,
    self_check: SelfCheck,
    entries: Entries,
}

impl Council {
    /// A council that goes on where the state stands, and first asks the others what this validator said.
    ///
    /// # Errors
    /// What is sealed cannot be read.
    pub fn new(parts: CouncilParts, io: &mut impl CouncilIo) -> Result<Self, CouncilError> {
        let (keygen, roster) = (Keygen::open(io)?, Roster::new(&parts.state));
        let mut council = Self {
            signer: parts.signer,
            params: parts.params,
            inbox: parts.inbox,
            state_file: parts.state_file,
            retained_heights: parts.retained_heights,
            state: parts.state,
            pending: PendingCommands::new(),
            keygen,
            groups: Groups::default(),
            in_force: None,
            rotating: None,
            roster,
            installer: None,
            installing: false,
            carrying: Carrying::default(),
            settling: Settling::default(),
            reporting: Reporting::default(),
            voice: Voice::Unasked,
            failure: None,
            repeated_ms: 0,
            view_changed_ms: 0,
            ready_view: None,
            self_check: SelfCheck::default(),
            entries: Entries::default(),
        };
        council.take_up_keys();
        council.take_up_installation();
        council.publish(io);
        council.begin_recall(parts.said, parts.incarnation_floor, io);
        Ok(council)
    }

    /// The state after the last decided block.
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// What waits to be decided.
    pub fn pending(&self) -> &PendingCommands {
        &self.pending
    }

    /// Whether it has ended since the last call, and how.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn ended(&mut self) -> Result<Option<Ended>, CouncilError> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.voice_returns(),
        }
    }

    /// A link is up: the other end may lack what waits here.
    pub fn peer_up(&mut self, peer: NodeKey, io: &mut impl CouncilIo) {
        for command in self.pending.commands() {
            io.send(peer, &LinkMessage::Pending(Box::new(command.clone())));
        }
    }

    /// A message of another node.
    pub fn hear(&mut self, from: NodeKey, bytes: &Bytes, now_ms: u64, io: &mut impl CouncilIo) {
        let Some(sender) = self.roster.signer(&from) else { return };
        let message = match LinkMessage::try_from_slice(bytes) {
            Ok(message) => message,
            Err(why) => {
                counter!("horae_link_junk").increment(1);
                return warn!(%sender, %why, "not a council message");
            }
        };
        match message {
            LinkMessage::Pending(command) => self.take_pending(*command, io),
            LinkMessage::Installation(signature) => {
                if let Some(installer) = &mut self.installer {
                    installer.hear(&signature, &self.state);
                }
            }
            LinkMessage::Batch(proposal) => self.hear_batch(sender, proposal, io),
            LinkMessage::Signing(message) => {
                let outputs = self.groups.hear(sender, message, now_ms, io.rng());
                self.signed(outputs, now_ms, io);
            }
            LinkMessage::Signed { index, signers } => self.carrying.note_signers(index, signers),
            LinkMessage::WhatDidISay => self.tell_what_was_said(sender, from, io),
            LinkMessage::YouSaid(said) => self.hear_what_was_said(sender, *said, io),
        }
    }

    /// What was seen of L1.
    pub fn l1_news(&mut self, news: L1News, now_ms: u64, io: &mut impl CouncilIo) {
        match news {
            L1News::Inbox(head) => self.carrying.inbox_at(head),
            L1News::Key(in_force) => self.key_seen(in_force, io),
            L1News::Batches(batches) => {
                for (batch, gas) in batches {
                    self.batch_accepted(&batch, gas, io);
                }
            }
            L1News::Dropped { from } => io.event(ChainEvent::BatchesDropped { from }),
            L1News::Finalized(l1_block) => {
                if let Some(batch) = self.carrying.finalized_at(l1_block) {
                    io.event(ChainEvent::L1Finalized { batch });
                }
            }
            L1News::Standing(standing) => self.self_check.l1_stands(standing),
            L1News::View(view, events) => {
                self.ready_view = Some((view, events));
                self.offer_view(now_ms, io);
            }
        }
    }

    /// Work has come to its end.
    pub fn report(&mut self, report: Report, now_ms: u64, io: &mut impl CouncilIo) {
        match report {
            Report::Installed(result) => {
                self.installing = false;
                if let Err(why) = result {
                    debug!(%why, "installation of the group key did not go through here");
                }
            }
            Report::Entries(result) => self.entries_read(result, now_ms, io),
            Report::Rotated(result) => self.rotated(result, now_ms),
            Report::Checked(checked) => self.batch_checked(checked, now_ms, io),
            Report::Reckoned(reckoned) => self.reckoned(reckoned, now_ms, io),
            Report::Settled { index, result } => self.settled(index, result, now_ms),
            Report::Reported { id, said } => self.reported(id, said, now_ms),
            Report::Carried { index, result } => self.carrying.carried(index, result, now_ms),
        }
    }

    /// Time has passed; wanted every [`TICK_MS`].
    ///
    /// # Errors
    /// Key generation cannot go on.
    pub fn tick(&mut self, now_ms: u64, io: &mut impl CouncilIo) -> Result<(), CouncilError> {
        self.find_voice(now_ms, io);
        let outputs = self.groups.tick(now_ms, io.rng());
        self.signed(outputs, now_ms, io);
        self.rotate(now_ms, io);
        self.carry(now_ms, io);
        self.read_entries(now_ms, io);
        self.settle(now_ms, io);
        self.report_offences(now_ms, io);
        self.answer_roll_call(now_ms, io);
        self.say_ready_for_epoch(io);
        if now_ms < self.repeated_ms.saturating_add(REPEAT_MS) {
            return Ok(());
        }
        self.repeated_ms = now_ms;
        self.speak_keygen(io)?;
        self.repeat_undecided(io);
        self.offer_view(now_ms, io);
        self.install(io);
        Ok(())
    }

    /// Proposes the next L1 view when something happened, or now and then.
    fn offer_view(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let Some((view, events)) = &self.ready_view else { return };
        let idle = now_ms >= self.view_changed_ms.saturating_add(VIEW_IDLE_MS);
        if events.is_empty() && !idle {
            return;
        }
        let control_view = horae_control::L1View { number: view.number, hash: view.hash };
        self.pending.set_l1_view(Some((control_view, events.clone())));
        io.wake();
    }

    fn me(&self) -> Address {
        self.signer.address()
    }
}
