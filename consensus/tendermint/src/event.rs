//! What the engine asks and tells the node.

use std::{path::PathBuf, time::Instant};

use alloy_primitives::{Address, Bytes};
use horae_control::Proof;
use tokio::sync::oneshot;

use crate::NodeKey;

/// The node's judgement of a proposed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be decided.
    Accept,
    /// It must not be decided at this height.
    Reject,
}

/// One validator of a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Validator {
    /// Address of its secp256k1 signer key: its identity.
    pub signer: Address,
    /// Its ed25519 node key.
    pub node_key: NodeKey,
    /// Its weight in every quorum; not 0.
    pub weight: u64,
    /// Its incarnation: signatures of another one are void.
    pub incarnation: u64,
}

/// What decides a height: by whom, in which epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHeight {
    /// Epoch that signatures of this height name.
    pub epoch: u64,
    /// The validators; their order does not matter. Not empty, no signer or node key twice.
    pub validators: Vec<Validator>,
    /// There is something to decide already: do not rest before this height.
    pub pending: bool,
}

/// What the engine asks and tells the node. A question whose reply is dropped counts as unanswered.
#[derive(Debug)]
pub enum Event {
    /// This node may propose. Unanswered, or answered after the deadline, the round passes without a proposal.
    Propose {
        /// Height to be decided.
        height: u64,
        /// Round at that height, from 0.
        round: u32,
        /// Answers after this are ignored.
        deadline: Instant,
        /// The value, at most [`crate::limits::VALUE_MAX_BYTES`].
        reply: oneshot::Sender<Bytes>,
    },
    /// A peer proposed a value. It is asked once for each different value of a height; until the answer is there this node gives none, and
    /// a late one still counts in later rounds.
    Check {
        /// Height to be decided.
        height: u64,
        /// Signer address of the validator whose turn it was to propose.
        proposer: Address,
        /// The value.
        value: Bytes,
        /// The judgement. It must be a function of the height and the value alone.
        reply: oneshot::Sender<Verdict>,
    },
    /// A value was decided, and is on stable storage. Delivered once a height and start, in order, without gaps. The engine goes no further
    /// before the answer.
    Decided {
        /// The height.
        height: u64,
        /// The value.
        value: Bytes,
        /// Who decides the next height.
        reply: oneshot::Sender<NextHeight>,
    },
    /// An application message from a peer, sent with [`crate::Handle::send`] or [`crate::Handle::broadcast`].
    Message {
        /// Node key of the sender, authenticated.
        from: NodeKey,
        /// The message.
        bytes: Bytes,
    },
    /// A link to a peer is up.
    PeerUp {
        /// Its node key.
        peer: NodeKey,
    },
    /// The link to a peer is gone; it is dialled again.
    PeerDown {
        /// Its node key.
        peer: NodeKey,
    },
    /// A validator signed two different votes or proposals at one height and round.
    Evidence(Box<Proof>),
    /// The engine stopped for good and signs nothing more: the process must say why and exit non-zero.
    Fatal {
        /// What happened and the way out.
        why: String,
        /// The file at fault, where there is one.
        file: Option<PathBuf>,
    },
}
