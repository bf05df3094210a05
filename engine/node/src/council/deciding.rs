//! Control blocks: put together when it is this node's turn, judged when it is another's, and applied once they are decided.

use borsh::BorshDeserialize;
use horae_control::command::{Command, ControlBlock, Question};
use horae_control::pending::Pending;
use horae_control::state::{Effect, Opening};
use horae_control::{BlockFacts, BlockId, ControlState};
use horae_tendermint::{NextHeight, Validator};
use metrics::{counter, gauge};
use tracing::{debug, error, info};

use super::install::Installer;
use super::io::CouncilIo;
use super::{Council, CouncilError};
use crate::replica::{ControlUpdate, Input};

/// Decided heights between two prunings of the engine's log, at most.
const PRUNE_EVERY_HEIGHTS: u64 = 256;

impl Council {
    /// Whether there is something to decide now: a command that can go into the next block, or close votes of > 2/3. What
    /// waits for more than that must not keep the engine from resting.
    pub fn has_proposal(&self) -> bool {
        let set = &self.state.epoch().set;
        let votes = self.pending.commands().filter_map(|command| match command {
            Pending::Close(vote) => set.get(&vote.validator).map(|validator| validator.weight),
            _ => None,
        });
        set.is_quorum(votes.sum()) || self.state.propose(&self.pending, &|_: &BlockId| None).is_some()
    }

    /// The blocks that pending close votes speak of: what the replica knows of them has to be known for [`Council::propose`].
    pub fn facts_wanted(&self) -> Vec<BlockId> {
        let votes = self.pending.commands().filter_map(|command| match command {
            Pending::Close(vote) => Some(vote),
            _ => None,
        });
        let named = votes.flat_map(|vote| {
            let certified = vote.certificate.as_ref().map(|certificate| certificate.block);
            vote.acked.iter().map(|block| block.facts.id).chain(certified)
        });
        let mut ids: Vec<BlockId> = named.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// A control block for this height, from what waits and what the replica knows.
    pub fn propose(&self, height: u64, known: &[BlockFacts]) -> ControlBlock {
        let parent = self.state.open_term().map(|term| term.parent);
        let held = |id: &BlockId| known.iter().chain(&parent).find(|facts| facts.id == *id).copied();
        let block = self.state.propose(&self.pending, &held).filter(|block| block.height == height);
        block.unwrap_or_else(|| ControlBlock { height, ..self.state.next_block(Vec::new()) })
    }

    /// What must be true for a vote for these bytes.
    ///
    /// # Errors
    /// Why they must not be decided, in words.
    pub fn judge(&self, value: &[u8]) -> Result<Vec<Question>, String> {
        let block = ControlBlock::try_from_slice(value).map_err(|why| why.to_string());
        let judged = block.and_then(|block| match self.state.check(&block) {
            Ok(()) => Ok(self.state.questions(&block)),
            Err(why) => Err(why.to_string()),
        });
        if judged.is_err() {
            counter!("horae_control_blocks_refused").increment(1);
        }
        judged
    }

    /// Applies a decided block. Decided heights come in order; those applied before are passed over.
    ///
    /// # Errors
    /// It cannot be applied, or the disk does not take what follows from it.
    pub fn decided(
        &mut self,
        height: u64,
        value: &[u8],
        now_ms: u64,
        io: &mut impl CouncilIo,
    ) -> Result<(), CouncilError> {
        if height <= self.state.height() {
            return Ok(());
        }
        let file = self.state_file.clone();
        let undecidable = |why: String| CouncilError::Undecidable { height, why, file: file.clone() };
        let block = ControlBlock::try_from_slice(value).map_err(|why| undecidable(why.to_string()))?;
        self.keygen.decided(&block, &self.state, &self.signer, io)?;
        let effects = self.state.apply(&block).map_err(|why| undecidable(why.to_string()))?;
        gauge!("horae_control_height").set(height as f64);
        for effect in effects {
            self.effect(effect, io)?;
        }
        io.save(&self.state)?;
        let prune_every = (self.retained_heights / 8).clamp(1, PRUNE_EVERY_HEIGHTS);
        if height.is_multiple_of(prune_every) && height > self.retained_heights {
            io.prune_below(height - self.retained_heights);
        }
        self.pending.drop_stale(&self.state);
        if block.commands.iter().any(|command| matches!(command, Command::L1View { .. })) {
            self.view_changed_ms = now_ms;
            self.ready_view = None;
            self.pending.set_l1_view(None);
        }
        self.publish(io);
        self.read_entries(now_ms, io);
        self.speak_keygen(io)?;
        if self.has_proposal() {
            io.wake();
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect, io: &mut impl CouncilIo) -> Result<(), CouncilError> {
        match effect {
            Effect::GroupKeyConfirmed { epoch, key } => {
                info!(epoch, px = %key.px, "the group key is confirmed by all");
                self.keygen.finished(io)?;
                self.epoch_begins(io)?;
                self.take_up_installation();
            }
            Effect::EpochBegun { epoch } => info!(epoch, "the next epoch is being prepared: its key generation begins"),
            Effect::EpochDue { epoch } => info!(epoch, "the next epoch opens when the running slot has ended"),
            Effect::EpochOpened { epoch, first_slot } => {
                info!(epoch, first_slot, validators = self.state.epoch().set.len(), "an epoch opens");
                self.epoch_begins(io)?;
            }
            Effect::KeyInstalled { key_index, .. } => {
                info!(key_index, "a group key is installed on L1");
                self.installer = None;
            }
            Effect::TermOpened { term, .. } => info!(term, "the control plane opened a term"),
            Effect::TermClosed { term, head } => info!(term, head = %head, "the control plane closed a term"),
            Effect::Jailed { validator, offence } => {
                error!(%validator, ?offence, "a validator is convicted: it has no turns, and is out of the set at the next epoch");
            }
            Effect::Released { id } => info!(id, "a convicted validator was punished and released on L1"),
            Effect::Skipped { skipped } => info!(?skipped, "turns are passed over"),
            other => debug!(?other, "control plane"),
        }
        Ok(())
    }

    /// The first group key is known: it is to be installed while L1 does not have it.
    pub(super) fn take_up_installation(&mut self) {
        if let Opening::Installation { key } = self.state.opening() {
            self.installer = Some(Installer::new(&self.state, key, &self.inbox, &self.signer));
        }
    }

    pub(super) fn publish(&self, io: &mut impl CouncilIo) {
        self.roster.follow(&self.state);
        io.publish(&self.state);
        io.tell(Input::Control(Box::new(ControlUpdate::of(&self.state))));
    }

    pub(super) fn speak_keygen(&mut self, io: &mut impl CouncilIo) -> Result<(), CouncilError> {
        if !self.may_prepare() {
            return Ok(());
        }
        for command in self.keygen.outgoing(&self.state, &self.signer, io)? {
            self.speak(command, io);
        }
        Ok(())
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
