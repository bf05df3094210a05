//! Key generation at this node: drives `horae-mpc`'s pure run by what the control plane decides, and keeps its secrets
//! sealed on disk, so that a node killed between rounds goes on and never says two things in one attempt.

use alloy_primitives::{Address, U256};
use horae_control::command::{Command, ControlBlock};
use horae_control::dkg::{DkgCommitments, DkgConfirm, DkgPhase, DkgShares, GroupKey};
use horae_control::pending::Pending;
use horae_control::{ControlState, SignerKey, ValidatorSet};
use horae_mpc::{Dkg, DkgError, DkgMessage, DkgParams, DkgRun, KeyMaterial, LayoutError, ShareLayout};
use thiserror::Error;
use tracing::{error, info, warn};

use super::io::CouncilIo;
use crate::keys::KeyError;

/// Sealed under this name: the run under way.
const RUN: &str = "dkg-run";
/// Sealed under this name: the shares of the present epoch's group key.
const SHARES: &str = "group-shares";
/// Sealed under this name: the shares of the key that was generated last, until an epoch opens with it.
const NEXT_SHARES: &str = "next-shares";

/// Why this node cannot take part in key generation.
#[derive(Debug, Error)]
pub enum KeygenError {
    /// The sealed files.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The run itself.
    #[error(transparent)]
    Run(#[from] DkgError),
    /// The validators cannot share a key.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The sealed shares cannot be read.
    #[error("the sealed group shares cannot be read: {0}; this validator can sign again after the next key generation")]
    Shares(#[from] horae_mpc::GroupError),
}

/// One node's part in key generation.
pub struct Keygen {
    run: Option<Dkg>,
    present: Option<KeyMaterial>,
    next: Option<KeyMaterial>,
}

impl Keygen {
    /// Takes up what is sealed on disk.
    pub fn open(io: &impl CouncilIo) -> Result<Self, KeygenError> {
        let run = io.unseal(RUN)?.map(|bytes| Dkg::from_bytes(&bytes)).transpose()?;
        let material = |name| -> Result<Option<KeyMaterial>, KeygenError> {
            Ok(io.unseal(name)?.map(|bytes| KeyMaterial::from_bytes(&bytes)).transpose()?)
        };
        let (present, next) = (material(SHARES)?, material(NEXT_SHARES)?);
        Ok(Self { run, present, next })
    }

    /// The shares of this group key, if this node has them.
    pub fn material(&self, key: &GroupKey) -> Option<&KeyMaterial> {
        self.present.iter().chain(&self.next).find(|material| key_of(material) == *key)
    }

    /// Takes in the key generation messages of a decided block. `before` is the state it was applied to.
    pub fn decided(
        &mut self,
        block: &ControlBlock,
        before: &ControlState,
        signer: &SignerKey,
        io: &mut impl CouncilIo,
    ) -> Result<(), KeygenError> {
        self.join(before, signer, io)?;
        let Some(run) = &mut self.run else { return Ok(()) };
        let mut changed = false;
        for command in &block.commands {
            let result = match command {
                Command::DkgCommitments(m) => decode(&m.payload).and_then(|message| match message {
                    DkgMessage::Commitments(message) => run.on_commitments(m.validator, &message),
                    _ => Err(DkgError::Malformed { dealer: m.validator, what: "another message than commitments" }),
                }),
                Command::DkgShares(m) => decode(&m.payload).and_then(|message| match message {
                    DkgMessage::Shares(message) => run.on_shares(m.validator, &message),
                    _ => Err(DkgError::Malformed { dealer: m.validator, what: "another message than shares" }),
                }),
                _ => continue,
            };
            changed = true;
            if let Err(why) = result {
                error!(%why, culprit = ?why.culprit(), "key generation: a message does not count");
            }
        }
        if changed {
            io.seal(RUN, &run.to_bytes())?;
        }
        Ok(())
    }

    /// What this node has to say now and the control plane has not decided yet. The same each time.
    pub fn outgoing(
        &mut self,
        state: &ControlState,
        signer: &SignerKey,
        io: &mut impl CouncilIo,
    ) -> Result<Vec<Pending>, KeygenError> {
        self.join(state, signer, io)?;
        let dkg = state.dkg();
        let domain = *state.domain();
        let (epoch, set) = state.keygen();
        let me = signer.address();
        let Some(incarnation) = set.get(&me).map(|validator| validator.incarnation) else {
            return Ok(Vec::new());
        };
        let Some(run) = &mut self.run else { return Ok(Vec::new()) };
        let attempt = dkg.attempt();
        let mut pending = Vec::new();
        if dkg.phase() < DkgPhase::Confirm {
            let messages = run.outgoing()?;
            io.seal(RUN, &run.to_bytes())?;
            for message in messages {
                let (payload, key) = (message.to_bytes(), signer);
                pending.push(match message {
                    DkgMessage::Commitments(_) => Pending::DkgCommitments(DkgCommitments::sign(
                        &domain,
                        incarnation,
                        epoch,
                        attempt,
                        payload,
                        key,
                    )),
                    DkgMessage::Shares(_) => {
                        Pending::DkgShares(DkgShares::sign(&domain, incarnation, epoch, attempt, payload, key))
                    }
                    DkgMessage::Confirm(_) => continue,
                });
            }
        } else if dkg.phase() == DkgPhase::Confirm && run.has_all_shares() {
            let material = run.finish()?;
            let key = key_of(&material);
            if self.next.as_ref().map(key_of) != Some(key) {
                io.seal(NEXT_SHARES, &material.to_bytes())?;
                info!(epoch, px = %key.px, parity = key.parity, "group key generated");
                self.next = Some(material);
            }
            let confirm = DkgConfirm::sign(&domain, incarnation, epoch, attempt, key, signer);
            pending.push(Pending::DkgConfirm(confirm));
        }
        Ok(pending)
    }

    /// The key is confirmed by all: the run's own secrets are of no more use.
    pub fn finished(&mut self, io: &mut impl CouncilIo) -> Result<(), KeygenError> {
        self.run = None;
        Ok(io.erase(RUN)?)
    }

    /// The epoch in force has this key: its shares take the place of the older ones, which are of no more use, because the inbox
    /// takes no batch under the older key.
    pub fn begin_epoch(&mut self, key: &GroupKey, io: &mut impl CouncilIo) -> Result<(), KeygenError> {
        if let Some(next) = self.next.take_if(|next| key_of(next) == *key) {
            io.seal(SHARES, &next.to_bytes())?;
            self.present = Some(next);
            io.erase(NEXT_SHARES)?;
        } else if self.present.take_if(|present| key_of(present) != *key).is_some() {
            io.erase(SHARES)?;
        }
        Ok(())
    }

    /// Begins the run that the control plane has under way, unless this node is in it already.
    fn join(&mut self, state: &ControlState, signer: &SignerKey, io: &mut impl CouncilIo) -> Result<(), KeygenError> {
        let me = signer.address();
        let (epoch, set) = state.keygen();
        if state.dkg().phase() == DkgPhase::Done || set.get(&me).is_none() {
            return Ok(());
        }
        let attempt = u32::try_from(state.dkg().attempt()).unwrap_or(u32::MAX);
        let run = DkgRun { chain_id: state.domain().chain_id, epoch, attempt };
        if self.run.as_ref().is_some_and(|dkg| dkg.params().run == run) {
            return Ok(());
        }
        if self.run.is_some() {
            warn!(attempt, "key generation starts again");
        }
        let layout = layout_of(set)?;
        let (dkg, _) = Dkg::start(DkgParams { run, layout }, me, io.rng())?;
        io.seal(RUN, &dkg.to_bytes())?;
        self.run = Some(dkg);
        Ok(())
    }
}

/// Who holds how many shares of the key of this set.
fn layout_of(set: &ValidatorSet) -> Result<ShareLayout, LayoutError> {
    let weights: Vec<(Address, u64)> =
        set.validators().iter().map(|validator| (validator.signer, validator.weight)).collect();
    ShareLayout::new(&weights)
}

fn key_of(material: &KeyMaterial) -> GroupKey {
    let key = material.public().key();
    GroupKey { px: U256::from_be_bytes(key.px().0), parity: key.parity() }
}

fn decode(payload: &[u8]) -> Result<DkgMessage, DkgError> {
    DkgMessage::from_bytes(payload)
}
