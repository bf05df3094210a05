//! Commands that wait to be decided: heard from others, said by this validator, and said again while they are not decided.

use horae_control::Proof;
use horae_control::pending::{Added, NotPending, Pending};
use metrics::counter;
use tracing::{error, warn};

use super::Council;
use super::io::CouncilIo;
use super::message::LinkMessage;
use crate::replica::Input;

impl Council {
    /// A command of our own: kept, and told to all.
    pub fn speak(&mut self, command: Pending, io: &mut impl CouncilIo) {
        io.broadcast(&LinkMessage::Pending(Box::new(command.clone())));
        self.take_pending(command, io);
    }

    /// Proof of an offence that the engine found.
    pub fn accuse(&mut self, proof: Box<Proof>, io: &mut impl CouncilIo) {
        counter!("horae_evidence").increment(1);
        error!(validator = %proof.validator, offence = ?proof.offence(), "a validator contradicted itself");
        self.speak(Pending::Evidence(proof), io);
    }

    pub(super) fn take_pending(&mut self, command: Pending, io: &mut impl CouncilIo) {
        let vote = match &command {
            Pending::Close(vote) => Some(Box::new(vote.clone())),
            _ => None,
        };
        match self.pending.add(command, &self.state) {
            Ok(Added::New) => {
                // A height that begins too early decides nothing, and what matters waits for the next one.
                if self.has_proposal() {
                    io.wake();
                }
                if let Some(vote) = vote {
                    io.tell(Input::CloseVote(vote));
                }
            }
            Ok(Added::Known) | Err(NotPending::Stale | NotPending::Early) => {}
            Ok(Added::Evidence(proof)) => self.accuse(proof, io),
            Err(why) => {
                counter!("horae_commands_refused").increment(1);
                warn!(%why, "a command does not count");
            }
        }
    }

    /// Says evidence, and this node's readiness, again while they are not decided: who was behind when they came did not
    /// keep them.
    pub(super) fn repeat_undecided(&self, io: &mut impl CouncilIo) {
        let me = self.me();
        let is_repeated = |command: &&Pending| match command {
            Pending::Evidence(_) => true,
            Pending::Readiness(said) => said.validator == me,
            Pending::EpochReadiness(said) => said.validator == me,
            _ => false,
        };
        for command in self.pending.commands().filter(is_repeated) {
            io.broadcast(&LinkMessage::Pending(Box::new(command.clone())));
        }
    }
}
