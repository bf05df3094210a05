//! At start: does this validator remember all that it said? The others are asked, and until enough have answered it says
//! nothing. If it forgot something it follows in silence, registers a new incarnation, and starts again once that counts.

use std::collections::BTreeMap;
use std::path::Path;

use alloy_primitives::Address;
use horae_control::pending::Pending;
use horae_control::{Known, Recall, Recalled, RegisterIncarnation, Spoken, SpokenInTerm};
use horae_tendermint::{NodeKey, Part};
use metrics::counter;
use tracing::{info, warn};

use super::io::{CouncilIo, IncarnationFileError};
use super::message::{LinkMessage, YouSaid};
use super::{Council, CouncilError, Ended};
use crate::replica::Input;

/// The others are asked again this often, in milliseconds.
const ASK_MS: u64 = 250;
/// An operator is told this often who has not answered, in milliseconds.
const TELL_MS: u64 = 10_000;
/// A registration is said again this often, in milliseconds.
const REGISTER_MS: u64 = 1_000;

/// The lowest incarnation that may speak; 0 if nothing was ever forgotten.
pub fn load_floor(file: &Path) -> Result<u64, IncarnationFileError> {
    match std::fs::read_to_string(file) {
        Ok(text) => text.trim().parse().map_err(|_| IncarnationFileError::Unreadable { file: file.to_path_buf() }),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(IncarnationFileError::Io { file: file.to_path_buf(), source }),
    }
}

/// How far this node is with finding its voice.
pub(super) enum Voice {
    /// Nothing was asked yet.
    Unasked,
    /// It waits for answers.
    Asking { recall: Box<Recall>, asked_ms: u64, told_ms: u64 },
    /// It forgot something: it is silent, and registers this incarnation.
    Registering { incarnation: u64, said_ms: u64 },
    /// It speaks as this incarnation.
    Found { incarnation: u64 },
    /// It is no validator of the epoch: it follows, and takes part in preparing the next one. Once it is one, it starts
    /// again and asks first, because its disk may be another than the one that was a validator before.
    Outside,
}

impl Council {
    /// A question to all, if this node is a validator now.
    pub(super) fn begin_recall(&mut self, said: BTreeMap<u64, SpokenInTerm>, floor: u64, io: &mut impl CouncilIo) {
        let me = self.me();
        let registered = self.state.incarnation_of(&me);
        if self.state.epoch().set.get(&me).is_none() {
            info!("no validator of this epoch: following");
            self.voice = Voice::Outside;
            return io.take_part(Part::Observer);
        }
        let own = io.own_votes();
        let spoken = Spoken {
            terms: said,
            open_term: self.state.open_term().map_or(0, |term| term.number),
            decided_height: own.decided_height.max(self.state.height()),
            vote: own.newest,
        };
        let set = self.state.epoch().set.clone();
        let recall = Box::new(Recall::new(*self.state.domain(), me, set, spoken, registered, floor));
        self.voice = Voice::Asking { recall, asked_ms: 0, told_ms: 0 };
        self.weigh_answers(io);
    }

    /// Asks, tells and registers again when it is time.
    pub(super) fn find_voice(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        match &mut self.voice {
            Voice::Asking { recall, asked_ms, told_ms } => {
                if now_ms >= asked_ms.saturating_add(ASK_MS) {
                    *asked_ms = now_ms;
                    let set = self.state.epoch().set.clone();
                    for validator in recall.missing().filter_map(|signer| set.get(&signer).cloned()) {
                        io.send(validator.node_key, &LinkMessage::WhatDidISay);
                    }
                }
                if *told_ms == 0 {
                    *told_ms = now_ms;
                } else if now_ms >= told_ms.saturating_add(TELL_MS) {
                    *told_ms = now_ms;
                    let missing: Vec<Address> = recall.missing().collect();
                    warn!(
                        ?missing,
                        "silent until validators of > 2/3 of the weights have said what they know of this one"
                    );
                }
            }
            Voice::Registering { incarnation, said_ms } => {
                let incarnation = *incarnation;
                let registered = self.state.incarnation_of(&self.signer.address()) >= incarnation;
                if !registered && now_ms >= said_ms.saturating_add(REGISTER_MS) {
                    *said_ms = now_ms;
                    let registration = RegisterIncarnation::sign(self.state.domain(), incarnation, &self.signer);
                    self.speak(Pending::RegisterIncarnation(registration), io);
                }
            }
            Voice::Unasked | Voice::Found { .. } | Voice::Outside => {}
        }
    }

    /// Another validator asks: what is known here of what it said.
    pub(super) fn tell_what_was_said(&self, asker: Address, to: NodeKey, io: &mut impl CouncilIo) {
        let close = self.pending.commands().find_map(|command| match command {
            Pending::Close(vote) if vote.validator == asker => Some(vote.clone()),
            _ => None,
        });
        let registration = self.state.registration_of(&asker).copied();
        let known = YouSaid { registration, close, vote: io.newest_of(asker), ..YouSaid::default() };
        io.answer_recall(to, asker, known);
    }

    /// An answer to our own question.
    pub(super) fn hear_what_was_said(&mut self, from: Address, said: YouSaid, io: &mut impl CouncilIo) {
        let Voice::Asking { recall, .. } = &mut self.voice else { return };
        let YouSaid { registration, ack, close, vote, sealed } = said;
        recall.hear(from, &Known { registration, ack, close, vote, sealed });
        self.weigh_answers(io);
    }

    fn weigh_answers(&mut self, io: &mut impl CouncilIo) {
        let Voice::Asking { recall, .. } = &self.voice else { return };
        let Some(recalled) = recall.verdict() else { return };
        let me = self.me();
        let counted = self.state.epoch().set.get(&me).map(|validator| validator.incarnation);
        match recalled {
            Recalled::Whole { incarnation } if counted == Some(incarnation) => self.speak_as(incarnation, io),
            Recalled::Whole { incarnation } => self.follow_silently(incarnation, io),
            Recalled::Forgotten { incarnation } => {
                counter!("horae_memory_lost").increment(1);
                warn!(
                    incarnation,
                    "this validator said more than its log holds: it follows in silence until its new incarnation counts"
                );
                self.follow_silently(incarnation, io);
            }
        }
    }

    fn speak_as(&mut self, incarnation: u64, io: &mut impl CouncilIo) {
        info!(incarnation, "this validator may speak");
        self.voice = Voice::Found { incarnation };
        io.take_part(Part::Validator);
        io.tell(Input::SpeakAs(incarnation));
    }

    fn follow_silently(&mut self, incarnation: u64, io: &mut impl CouncilIo) {
        self.voice = Voice::Registering { incarnation, said_ms: 0 };
        match io.note_incarnation(incarnation) {
            Ok(()) => io.take_part(Part::Observer),
            Err(why) => self.failure = Some(why.into()),
        }
    }

    /// The end of this council, if the incarnation that it registered counts now.
    ///
    /// # Errors
    /// Another process registered a later one with our key.
    pub(super) fn voice_returns(&self) -> Result<Option<Ended>, CouncilError> {
        let me = self.me();
        let registered = self.state.incarnation_of(&me);
        let counted = self.state.epoch().set.get(&me).map(|validator| validator.incarnation);
        match self.voice {
            Voice::Registering { incarnation, .. } | Voice::Found { incarnation } if registered > incarnation => {
                Err(CouncilError::Superseded { incarnation: registered })
            }
            Voice::Registering { incarnation, .. } if counted == Some(incarnation) => {
                Ok(Some(Ended::ToSpeakAgain { incarnation }))
            }
            Voice::Outside => Ok(counted.map(|incarnation| Ended::ToSpeakAgain { incarnation })),
            _ => Ok(None),
        }
    }

    /// Whether this node may speak in preparing the next epoch: it has a voice now, or is outside of the present set, or counts
    /// in the next one as the incarnation that it has registered, which has said nothing yet.
    pub(super) fn may_prepare(&self) -> bool {
        let me = self.me();
        let is_outside = self.state.epoch().set.get(&me).is_none();
        let next = self.state.next_epoch().and_then(|next| next.set().get(&me)).map(|validator| validator.incarnation);
        match self.voice {
            Voice::Found { .. } | Voice::Outside if is_outside => true,
            Voice::Registering { incarnation, .. } => next == Some(incarnation),
            _ => self.has_voice(),
        }
    }

    /// Whether what this node signs counts: it is in the set as the incarnation that it speaks as.
    pub(super) fn has_voice(&self) -> bool {
        let counted = self.state.epoch().set.get(&self.signer.address()).map(|validator| validator.incarnation);
        matches!(self.voice, Voice::Found { incarnation } if counted == Some(incarnation))
    }
}
