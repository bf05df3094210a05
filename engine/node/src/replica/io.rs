//! What a replica asks of the world around it: the node gives it journal, peers and query side, the simulator its own.

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::{Certificate, CloseVote, Commit, Proof, Record};
use horae_stages::Shed;

use super::message::{PeerMessage, SealedBlock};
use crate::chain_view::ChainEvent;
use crate::pipeline::Note;

/// Position in the journal: all entries up to it are on stable storage once [`ReplicaIo::durable`] has reached it.
pub type Lsn = u64;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// A block that was executed here, in chain order; one whose parent is not the block before follows a rollback.
    Block {
        /// The block with its sequencer's signature.
        block: SealedBlock,
        /// The certificate of the block below, if it is the first of a slot and brought it.
        carried: Option<Certificate>,
    },
    /// A promise of this validator.
    Vote(Record),
    /// A commit that was shown to this node.
    Commit(Commit),
    /// A decision closed a term with this block as head: it is committed, and what is above it in the journal is void.
    Head {
        /// Height of the head.
        number: u64,
        /// Its hash.
        hash: B256,
    },
}

/// The edges of one replica. No call waits.
pub trait ReplicaIo {
    /// Whether there is room for what one turn may bring; a replica does nothing while there is none.
    fn has_room(&self) -> bool;

    /// Appends to the journal, behind everything before.
    fn append(&mut self, entry: Entry) -> Lsn;

    /// How far the journal is on stable storage.
    fn durable(&self) -> Lsn;

    /// Highest block that the store has.
    fn stored(&self) -> u64;

    /// Sends to one validator. May be lost.
    fn send(&mut self, to: Address, message: &PeerMessage);

    /// Sends to all other validators. May be lost.
    fn broadcast(&mut self, message: &PeerMessage);

    /// Answers a peer from the store with blocks from a height on: they are below what the replica keeps in memory.
    fn send_stored(&mut self, to: Address, from: u64);

    /// Tells the query side.
    fn event(&mut self, event: ChainEvent);

    /// Hands this validator's close vote to the control plane, to be sent to all and decided.
    fn close_vote(&mut self, vote: CloseVote);

    /// Hands proof of an offence to the control plane, to be sent to all and decided.
    fn evidence(&mut self, proof: Proof);

    /// Puts a transaction into the pipeline again, from the start.
    fn resubmit(&mut self, raw: &[u8]);

    /// Counts a transaction that was refused.
    fn count_refused(&mut self, why: &Shed);

    /// Notes what became of a transaction, for whoever asks. An io that nobody asks need not keep it.
    fn note(&mut self, _note: Note) {}

    /// Counts transactions that were passed on to the sequencer.
    fn count_forwarded(&mut self, transactions: u64);

    /// Lets a transaction with this hash through the duplicate check again.
    fn forget(&mut self, hash: B256);

    /// The replica cannot go on, for this reason; the node says so and stops. The first reason counts.
    fn fail(&mut self, why: String);
}
