//! What the feed is made of.

use alloy_primitives::{B256, Bytes};
use horae_control::{BlockId, Certificate, Commit, Decision, Signature};
use horae_stages::Header;

/// One thing that the feed tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The control plane decided a block.
    Decision(Box<DecisionItem>),
    /// A block was ordered.
    Block(Box<FeedBlock>),
    /// A block, and with it every block of its term below, is certified.
    Certificate(Box<Certificate>),
    /// A block, and with it every block below, is committed.
    Commit(Box<Commit>),
    /// The ordered blocks above this height are void. Never below what is committed.
    Void {
        /// Height that stays.
        above: u64,
    },
    /// The last item: why the feed ends.
    End {
        /// Code, as of a JSON-RPC error.
        code: i32,
        /// What happened and what to do.
        message: String,
    },
}

/// A decision, and for those who do not work it out what it closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionItem {
    /// The decision.
    pub decision: Decision,
    /// The term that it closes and where, as the node says. A verifier compares it with what follows from the decision.
    pub closed: Option<ClosedAt>,
}

/// A term that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedAt {
    /// The term.
    pub term: u64,
    /// Its last block: those up to it are committed.
    pub head: BlockId,
}

/// A block as its sequencer sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedBlock {
    /// What the node says its hash is.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// The sequencer's signature; `None` at a node that rebuilt the block from L1.
    pub signature: Option<Signature>,
    /// EIP-2718 encodings of its transactions, in order.
    pub transactions: Vec<Bytes>,
}

impl FeedBlock {
    /// Height and hash, as the node says.
    pub fn id(&self) -> BlockId {
        BlockId { number: self.header.number, hash: self.hash }
    }
}
