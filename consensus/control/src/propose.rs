//! What goes into the next control block.

use crate::command::{CloseTerm, Command, ControlBlock};
use crate::head::{base_of, standing_on};
use crate::limits::MAX_COMMANDS;
use crate::pending::{Pending, PendingCommands, dkg_message};
use crate::planted;
use crate::state::ControlState;
use crate::statement::{BlockFacts, BlockId, CloseVote};

/// The blocks that this node holds and has executed with the same result, none more than `drift` ahead of its clock.
pub trait HeldBlocks {
    /// What the header of a held block says.
    fn facts(&self, block: &BlockId) -> Option<BlockFacts>;
}

impl<F: Fn(&BlockId) -> Option<BlockFacts>> HeldBlocks for F {
    fn facts(&self, block: &BlockId) -> Option<BlockFacts> {
        self(block)
    }
}

impl ControlState {
    /// The next control block, if anything waits: a closing first, with registrations and key generation; else a new L1
    /// view, alone. Nothing otherwise; a heartbeat is then for the node to make.
    pub fn propose(&self, pending: &PendingCommands, held: &impl HeldBlocks) -> Option<ControlBlock> {
        let mut trial = self.clone();
        let mut bytes = 0;
        let mut commands = Vec::new();
        let closing = self.propose_closing(pending, held).map(Command::CloseTerm);
        for command in closing.into_iter().chain(pending.commands().filter_map(|p| self.propose_single(p))) {
            let size = encoded(&command);
            let fits = commands.is_empty() || self.fits(bytes + size);
            if commands.len() < MAX_COMMANDS && fits && trial.take(&command) {
                bytes += size;
                commands.push(command);
            }
        }
        if commands.is_empty() {
            let (view, events) = pending.l1_view()?;
            let (number, hash, events) = (view.number, view.hash, events.clone());
            commands.push(Command::L1View { number, hash, events });
        }
        let block = self.next_block(commands);
        self.check(&block).is_ok().then_some(block)
    }

    /// The next control block, with these commands; a heartbeat has none.
    pub fn next_block(&self, commands: Vec<Command>) -> ControlBlock {
        ControlBlock { height: self.height().saturating_add(1), state: self.hash(), commands }
    }

    fn propose_single(&self, command: &Pending) -> Option<Command> {
        if dkg_message(command).is_some_and(|message| !self.dkg().awaits(&message)) {
            return None;
        }
        match command {
            Pending::Close(_) => None,
            Pending::DkgCommitments(m) => Some(Command::DkgCommitments(m.clone())),
            Pending::DkgShares(m) => Some(Command::DkgShares(m.clone())),
            Pending::DkgConfirm(m) => Some(Command::DkgConfirm(*m)),
            Pending::RegisterIncarnation(m) => Some(Command::RegisterIncarnation(*m)),
            Pending::Evidence(proof) => Some(Command::Evidence(proof.clone())),
            Pending::Readiness(said) => Some(Command::Readiness(*said)),
            Pending::EpochReadiness(said) => Some(Command::EpochReadiness(*said)),
        }
    }

    /// A closing, if close votes of > 2/3 stand on blocks that this node holds: those with the highest certificate and the
    /// smallest votes first, and as many as fit.
    fn propose_closing(&self, pending: &PendingCommands, held: &impl HeldBlocks) -> Option<CloseTerm> {
        let term = self.open_term()?;
        let certificate = |vote: &CloseVote| vote.certificate.as_ref().map(|certificate| certificate.block);
        let certified = |vote: &&CloseVote| certificate(vote).is_none_or(|block| held.facts(&block).is_some());
        let of_term = pending.close_votes().filter(|vote| vote.term == term.number);
        let mut usable: Vec<CloseVote> = of_term.filter(certified).cloned().collect();
        loop {
            let standing = standing_on(&base_of(term, &usable), &usable);
            let lacking = |facts: &BlockFacts| held.facts(&facts.id) != Some(*facts) && !planted!(PhantomHead);
            let lacking: Vec<BlockFacts> = standing.into_iter().filter(lacking).collect();
            let before = usable.len();
            usable.retain(|vote| vote.acked.iter().all(|block| !lacking.contains(&block.facts)));
            if usable.len() == before {
                break;
            }
        }
        // The one with the highest certificate goes first, so that leaving others out changes nothing of what stands on it.
        let base = base_of(term, &usable);
        usable.sort_by_cached_key(|vote| (certificate(vote) != Some(base), encoded(vote), vote.validator));
        let (mut votes, mut weight, mut bytes): (Vec<CloseVote>, u64, usize) = (Vec::new(), 0, 0);
        for vote in usable {
            let size = encoded(&vote);
            if term.set.is_quorum(weight) && !self.fits(bytes + size) {
                break;
            }
            bytes += size;
            weight += term.set.get(&vote.validator).map_or(0, |v| v.weight);
            votes.push(vote);
        }
        if !term.set.is_quorum(weight) {
            return None;
        }
        votes.sort_by_key(|vote| vote.validator);
        let base = if base == term.parent.id { term.parent } else { held.facts(&base)? };
        Some(CloseTerm { base, votes })
    }

    fn fits(&self, bytes: usize) -> bool {
        bytes as u64 <= self.params().control_block_bytes
    }
}

fn encoded(command: &impl borsh::BorshSerialize) -> usize {
    borsh::object_length(command).unwrap_or(usize::MAX)
}
