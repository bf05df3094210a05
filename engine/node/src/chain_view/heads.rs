//! How far the chain has got at each of the five strengths.

use horae_control::BlockId;
use serde::{Deserialize, Serialize};

/// How strongly a block, and every transaction in it, is confirmed. Each includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strength {
    /// The sequencer signed it.
    Ordered,
    /// Acks of more than 2/3 of the weights.
    Certified,
    /// More than 2/3 acked holding the certificate, or a decision closed the term with it.
    Committed,
    /// In a batch that L1 accepted.
    Safe,
    /// That L1 block is final.
    Finalized,
}

impl Strength {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [Self::Ordered, Self::Certified, Self::Committed, Self::Safe, Self::Finalized];

    /// The name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Certified => "certified",
            Self::Committed => "committed",
            Self::Safe => "safe",
            Self::Finalized => "finalized",
        }
    }
}

/// The highest block at each strength. Never rising from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The highest block executed here.
    pub ordered: BlockId,
    /// Height up to which blocks are certified.
    pub certified: u64,
    /// Height up to which blocks are committed.
    pub committed: u64,
    /// Height up to which blocks are in accepted batches.
    pub safe: u64,
    /// Height up to which blocks are in batches that are final on L1.
    pub finalized: u64,
}

impl Heads {
    /// The height reached at a strength.
    pub fn at(&self, strength: Strength) -> u64 {
        match strength {
            Strength::Ordered => self.ordered.number,
            Strength::Certified => self.certified,
            Strength::Committed => self.committed,
            Strength::Safe => self.safe,
            Strength::Finalized => self.finalized,
        }
    }

    /// How strongly the block at a height is confirmed; `None` above the ordered head.
    pub fn strength_of(&self, number: u64) -> Option<Strength> {
        Strength::ALL.into_iter().rev().find(|strength| number <= self.at(*strength))
    }
}
