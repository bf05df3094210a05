//! Blocks of the open term beside the chain. A sequencer that seals twice leaves honest validators on different branches, and
//! nobody may vote for the head of the closed term before it has executed every block that the close votes list: so a
//! replica that is asked goes over to the other branch and executes it. What it leaves behind is not forgotten: others ask
//! for it, and the head may be decided there.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use horae_control::{BlockFacts, BlockId, Certificate, SignedBlock};
use horae_stages::StateSource;
use metrics::counter;
use tracing::{debug, warn};

use super::Replica;
use super::chain::Held;
use super::following::{Arrived, Turn};
use super::io::ReplicaIo;
use super::message::{BLOCKS_PER_ANSWER, BYTES_PER_ANSWER, PeerMessage, SealedBlock};

/// Blocks beside the chain that are kept, and as many that are only wanted.
const SIDE_BLOCKS: usize = 1_024;

/// A block that was executed here with the result that its header says.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    facts: BlockFacts,
    block: SealedBlock,
    carried: Option<Certificate>,
}

impl Kept {
    pub(super) fn new(facts: BlockFacts, block: SealedBlock, carried: Option<Certificate>) -> Self {
        Self { facts, block, carried }
    }

    fn arrived(&self) -> Option<Arrived> {
        let arrived = Arrived::new(self.block.clone(), self.carried.clone());
        arrived.inspect_err(|why| warn!(block = %self.facts.id, %why, "a block executed before is no block now")).ok()
    }
}

/// What is known beside the chain, by hash.
#[derive(Debug, Default)]
pub(super) struct Side {
    executed: BTreeMap<B256, Kept>,
    wanted: BTreeMap<B256, Arrived>,
    /// What this node's last proposal would have needed.
    named: Vec<BlockId>,
}

impl Side {
    /// What a journal says was executed and taken back.
    pub(super) fn of(kept: impl IntoIterator<Item = Kept>) -> Self {
        let mut side = Self::default();
        kept.into_iter().for_each(|kept| side.keep(kept));
        side
    }

    fn keep(&mut self, kept: Kept) {
        self.wanted.remove(&kept.facts.id.hash);
        if self.executed.len() < SIDE_BLOCKS {
            self.executed.insert(kept.facts.id.hash, kept);
        } else {
            counter!("horae_side_blocks_dropped").increment(1);
        }
    }

    /// A block leaves the chain.
    pub(super) fn leave(&mut self, held: &Held) {
        self.keep(Kept::new(held.signed.facts, held.sealed(), held.carried.clone()));
    }

    /// Facts of a block that was executed here.
    pub(super) fn facts(&self, id: &BlockId) -> Option<BlockFacts> {
        self.executed.get(&id.hash).map(|kept| kept.facts).filter(|facts| facts.id == *id)
    }

    /// The blocks that were executed here, with their sequencers' signatures.
    pub(super) fn blocks(&self) -> impl Iterator<Item = SignedBlock> {
        self.executed.values().map(|kept| SignedBlock { facts: kept.facts, signature: kept.block.signature })
    }

    /// A term has opened: blocks of earlier ones are of no more use.
    pub(super) fn drop_below(&mut self, term: u64) {
        self.executed.retain(|_, kept| kept.facts.term >= term);
        self.wanted.clear();
        self.named.clear();
    }

    /// What a proposal of this node speaks of: so that the next one can have all of it.
    pub(super) fn name(&mut self, blocks: Vec<BlockId>) {
        self.named = blocks;
    }
}

impl<S: StateSource> Replica<S> {
    /// Facts of a block that was executed here, on the chain or beside it.
    pub(super) fn facts_held(&self, id: &BlockId) -> Option<BlockFacts> {
        self.chain.facts(id.number).filter(|facts| facts.id == *id).or_else(|| self.side.facts(id))
    }

    /// The blocks that are asked for and not held, lowest first.
    fn lacking(&self) -> Vec<BlockId> {
        let asked = self.questions.iter().filter(|question| !question.reply.is_closed());
        let asked =
            asked.flat_map(|question| &question.blocks).filter(|facts| !self.holds(facts)).map(|facts| facts.id);
        let is_above = |id: &&BlockId| id.number > self.committed && self.facts_held(id).is_none();
        let mut lacking: Vec<BlockId> = asked.chain(self.side.named.iter().filter(is_above).copied()).collect();
        lacking.sort_unstable();
        lacking.dedup();
        lacking
    }

    /// The lowest height at which something is asked for that is not held.
    pub(super) fn lowest_lacking(&self) -> Option<u64> {
        self.lacking().first().map(|id| id.number)
    }

    /// Keeps a block that is asked for, if this is one.
    pub(super) fn keep_wanted(&mut self, arrived: &Arrived) {
        let id = arrived.id();
        if self.side.wanted.len() < SIDE_BLOCKS && self.lacking().contains(&id) {
            self.side.wanted.insert(id.hash, arrived.clone());
        }
    }

    /// Goes over to another branch to execute the lowest block there that is asked for, if it is here.
    pub(super) fn visit(&mut self, now_ms: u64, io: &mut impl ReplicaIo) -> bool {
        if self.leading.is_some() || self.side.wanted.is_empty() {
            return false;
        }
        let next = self.lacking().into_iter().find_map(|id| {
            let arrived = self.side.wanted.get(&id.hash)?;
            Some((id, self.path_to(arrived.parent())?))
        });
        let Some((id, (fork, path))) = next else { return false };
        let Some(wanted) = self.side.wanted.remove(&id.hash) else { return false };
        if fork < self.committed {
            return false;
        }
        debug!(block = %id, fork, "going over to another branch");
        self.roll_back(fork, io);
        for arrived in path.into_iter().chain([wanted]) {
            match self.turn_of(&arrived) {
                Turn::Execute => self.execute_arrived(now_ms, arrived, io),
                Turn::Wait => return true,
                Turn::Refuse(why) => {
                    counter!("horae_blocks_refused").increment(1);
                    warn!(block = %arrived.id(), %why, "block refused");
                    return true;
                }
            }
        }
        true
    }

    /// The height of the chain's block from which executed blocks lead to this one, and those blocks, lowest first.
    fn path_to(&self, hash: B256) -> Option<(u64, Vec<Arrived>)> {
        let (mut path, mut at) = (Vec::new(), hash);
        let fork = loop {
            if let Some(on_chain) = self.chain.find(&at) {
                break on_chain.id.number;
            }
            let kept = self.side.executed.get(&at)?;
            path.push(kept.arrived()?);
            at = kept.facts.parent;
        };
        path.reverse();
        Some((fork, path))
    }

    /// A term has opened on a block that was executed here, on a branch that was left: what leads to it is executed again.
    pub(super) fn return_to(&mut self, parent: &BlockId, io: &mut impl ReplicaIo) {
        if !self.chain.contains(parent)
            && let Some((fork, path)) = self.path_to(parent.hash).filter(|(fork, _)| *fork >= self.committed)
        {
            self.roll_back(fork, io);
            path.into_iter().for_each(|arrived| self.arrivals.put_back(arrived));
        }
    }

    /// Shows a peer what was executed here beside the chain, from a height on.
    pub(super) fn answer_side(&self, to: Address, from: u64, io: &mut impl ReplicaIo) {
        let mut kept: Vec<&Kept> = self.side.executed.values().filter(|kept| kept.facts.id.number >= from).collect();
        kept.sort_by_key(|kept| kept.facts.id);
        let (mut bytes, mut blocks) = (0, Vec::new());
        for kept in kept {
            bytes += kept.block.block.transactions.iter().map(|raw| raw.len()).sum::<usize>();
            if blocks.len() as u64 == BLOCKS_PER_ANSWER || bytes > BYTES_PER_ANSWER {
                break;
            }
            blocks.push((kept.block.clone(), kept.carried.clone()));
        }
        if !blocks.is_empty() {
            io.send(to, &PeerMessage::Blocks { blocks, commit: None });
        }
    }
}
