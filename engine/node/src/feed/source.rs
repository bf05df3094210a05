//! From the chain view and the decided log to items.
//!
//! A [`Cursor`] knows what its reader was told. Each look at a snapshot brings what the reader lacks, so replay and live are one
//! thing, nothing is told twice or left out, and a reader that was slow goes on from the store. What it told and the snapshot no
//! longer has is void.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use borsh::BorshDeserialize;
use futures_util::future::BoxFuture;
use horae_control::{BlockId, Command, ControlBlock, ControlState, Decision};
use thiserror::Error;

use super::item::{ClosedAt, DecisionItem, FeedBlock, Item};
use crate::chain_view::Snapshot;
use crate::edges::store::StoreError;

/// Blocks that one look brings, at most.
pub const BLOCKS_AT_ONCE: usize = 64;
/// Bytes of transactions that one look brings, unless one block has more.
pub const BYTES_AT_ONCE: usize = 4 << 20;

/// Where a feed begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStart {
    /// The first block; the one above the committed head unless told.
    pub from: Option<u64>,
    /// The first decision, told before the first block; those above what the first block has applied unless told.
    pub decisions: Option<u64>,
}

/// Why a feed cannot begin, or cannot go on.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The blocks are not kept any more.
    #[error("pruned history unavailable: this node keeps blocks from {lowest} on")]
    BlocksPruned {
        /// Lowest height kept.
        lowest: u64,
    },
    /// The decisions are not kept any more.
    #[error("pruned history unavailable: this node keeps decisions of the control plane from {lowest} on")]
    DecisionsPruned {
        /// Lowest height kept.
        lowest: u64,
    },
    /// Asked for a block that is not there yet.
    #[error("block {from} is above the next one, {next}; ask again later, or for an earlier one")]
    Ahead {
        /// Height asked for.
        from: u64,
        /// The next height.
        next: u64,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decided log could not be read.
    #[error("the decided log cannot be read: {0}")]
    Decisions(#[from] io::Error),
}

/// Where decisions come from.
pub trait Decisions: Send + Sync + 'static {
    /// Decisions from a height to another, lowest first, as far as they are there and fit one answer; and the lowest one kept.
    fn read(&self, from: u64, to: u64) -> BoxFuture<'_, io::Result<(u64, Vec<Decision>)>>;

    /// The newest control state.
    fn state(&self) -> Arc<ControlState>;
}

/// An item, and the decisions that have to be told before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Control height up to which decisions come first.
    pub decided: u64,
    /// The item.
    pub item: Item,
}

/// What one look brought.
#[derive(Debug, Default)]
pub struct Look {
    /// In order.
    pub steps: Vec<Step>,
    /// There is more at once.
    pub more: bool,
}

/// What a reader was told.
#[derive(Clone, Debug)]
pub struct Cursor {
    next: u64,
    /// Blocks told that were not committed when last looked at, lowest first.
    told: VecDeque<BlockId>,
    certified: u64,
    committed: u64,
    /// Up to here nothing new can come to be known of certificates and commits.
    searched: u64,
    decisions: u64,
}

impl Cursor {
    /// A cursor of a reader that was told nothing.
    pub fn new(snapshot: &Snapshot, start: FeedStart) -> Result<Self, SourceError> {
        let heads = snapshot.heads();
        let from = start.from.unwrap_or(heads.committed + 1).max(1);
        let next = heads.ordered.number + 1;
        if from > next {
            return Err(SourceError::Ahead { from, next });
        }
        let lowest = snapshot.store().lowest_height()?;
        if from < lowest {
            return Err(SourceError::BlocksPruned { lowest });
        }
        let decisions = match start.decisions {
            Some(height) => height.max(1),
            None => snapshot.header(from.min(heads.ordered.number))?.map_or(0, |header| header.control_height) + 1,
        };
        let below = from - 1;
        Ok(Self { next: from, told: VecDeque::new(), certified: below, committed: below, searched: below, decisions })
    }

    /// The next decision to be told.
    pub fn next_decision(&self) -> u64 {
        self.decisions
    }

    /// What the reader lacks, as far as it fits one look.
    pub fn look(&mut self, snapshot: &Snapshot) -> Result<Look, SourceError> {
        let mut steps = Vec::new();
        if let Some(above) = self.reconcile(snapshot)? {
            steps.push(Step { decided: 0, item: Item::Void { above } });
        }
        let head = snapshot.heads().ordered.number;
        let mut bytes = 0;
        for _ in 0..BLOCKS_AT_ONCE {
            if self.next > head || bytes > BYTES_AT_ONCE {
                break;
            }
            let Some(block) = snapshot.sealed(self.next)? else {
                return Err(SourceError::BlocksPruned { lowest: snapshot.store().lowest_height()? });
            };
            bytes += block.transactions.iter().map(|raw| raw.len()).sum::<usize>();
            self.push_block(block, &mut steps);
            self.push_proofs(snapshot, self.next - 1, &mut steps)?;
        }
        let more = self.next <= head;
        if !more {
            for number in self.searched + 1..self.next {
                self.push_proofs(snapshot, number, &mut steps)?;
            }
            self.searched = snapshot.store().height().min(head).max(self.searched);
        }
        Ok(Look { steps, more })
    }

    /// Forgets what was told and is not of the chain any more; gives the height that stays, if anything was.
    fn reconcile(&mut self, snapshot: &Snapshot) -> Result<Option<u64>, SourceError> {
        let mut above = None;
        while let Some(last) = self.told.back() {
            if snapshot.hash(last.number)? == Some(last.hash) {
                break;
            }
            above = Some(last.number - 1);
            self.told.pop_back();
        }
        if let Some(above) = above {
            self.next = above + 1;
            self.certified = self.certified.min(above);
            self.searched = self.searched.min(above);
        }
        let committed = snapshot.heads().committed;
        self.told.retain(|id| id.number > committed);
        Ok(above)
    }

    fn push_block(&mut self, block: FeedBlock, steps: &mut Vec<Step>) {
        self.told.push_back(block.id());
        self.next = block.header.number + 1;
        steps.push(Step { decided: block.header.control_height, item: Item::Block(Box::new(block)) });
    }

    /// The commit of a block, or else its certificate, unless the reader knows as much already.
    fn push_proofs(&mut self, snapshot: &Snapshot, number: u64, steps: &mut Vec<Step>) -> Result<(), SourceError> {
        if number > self.committed
            && let Some(commit) = snapshot.own_commit(number)?
        {
            self.committed = number;
            self.certified = self.certified.max(number);
            steps.push(Step { decided: 0, item: Item::Commit(Box::new(commit.as_ref().clone())) });
        } else if number > self.certified
            && let Some(certificate) = snapshot.own_certificate(number)?
        {
            self.certified = number;
            steps.push(Step { decided: 0, item: Item::Certificate(Box::new(certificate.as_ref().clone())) });
        }
        Ok(())
    }

    /// The next decisions up to a control height, as far as one reading brings them; empty once all were told.
    pub async fn decisions_to(&mut self, to: u64, log: &dyn Decisions) -> Result<Vec<Item>, SourceError> {
        if self.decisions > to {
            return Ok(Vec::new());
        }
        let (lowest, decisions) = log.read(self.decisions, to).await?;
        let first = decisions.first().map(|decision| decision.height);
        if first != Some(self.decisions) {
            let missing = format!("decision {} is not there", self.decisions);
            return Err(match lowest > self.decisions {
                true => SourceError::DecisionsPruned { lowest },
                false => io::Error::new(io::ErrorKind::NotFound, missing).into(),
            });
        }
        let state = log.state();
        self.decisions += decisions.len() as u64;
        let item = |decision| {
            let closed = closed_by(&decision, &state);
            Item::Decision(Box::new(DecisionItem { decision, closed }))
        };
        Ok(decisions.into_iter().map(item).collect())
    }
}

/// What a decision closes, as far as the state still remembers.
fn closed_by(decision: &Decision, state: &ControlState) -> Option<ClosedAt> {
    let block = ControlBlock::try_from_slice(&decision.value).ok()?;
    let term = block.commands.iter().find_map(|command| match command {
        Command::CloseTerm(closing) => closing.votes.first().map(|vote| vote.term),
        _ => None,
    })?;
    let closed = state.closed_terms().find(|closed| closed.term == term)?;
    Some(ClosedAt { term, head: closed.head.id })
}

#[cfg(test)]
mod tests;
