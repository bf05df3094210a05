//! What a council asks of the world around it, and what comes back: the node gives it links, disk and L1, the simulator its own.

use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use horae_contracts::Batch;
use horae_control::{ControlState, Proof, SignedEngineStatement};
use horae_mpc::{Fault, GroupSignature};
use horae_stages::pack::Level;
use horae_stages::{ChainParams, L1View};
use horae_tendermint::{NodeKey, OwnVotes, Part};
use metrics::{counter, gauge};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use tracing::info;
use zeroize::Zeroizing;

use super::batches::{BatchHead, CompleteBatch, Inbox, SignableBatch};
use super::carrying::Checked;
use super::install::Installation;
use super::message::LinkMessage;
use super::reporting::OnL1;
use super::rotation::Rotation;
use super::settling::{Reckoned, SignedSettlement};
use super::state_file::StateFileError;
use crate::chain_view::ChainEvent;
use crate::keys::KeyError;
use crate::replica::{Input, RunningSlot};

/// Why the note of the lowest incarnation that may speak cannot be used.
#[derive(Debug, Error)]
pub enum IncarnationFileError {
    /// The disk.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a number.
    #[error("{} does not hold a number; delete it, and this validator asks the others again what it said", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
    },
}

/// The edges of one council. No call waits for more than the disk.
pub trait CouncilIo {
    /// Where randomness comes from.
    type Rng: CryptoRng + RngCore;

    /// Randomness for key generation and nonces.
    fn rng(&mut self) -> &mut Self::Rng;

    /// Sends to one node. May be lost.
    fn send(&mut self, to: NodeKey, message: &LinkMessage);

    /// Sends to all other nodes. May be lost.
    fn broadcast(&mut self, message: &LinkMessage);

    /// Tells the engine that there is something to decide.
    fn wake(&mut self);

    /// Lets the engine begin. Only the first call counts.
    fn take_part(&mut self, part: Part);

    /// What the engine's files said at the start that this node signed.
    fn own_votes(&self) -> OwnVotes;

    /// The lowest control height whose decision some peer keeps, as far as they have said.
    fn oldest_kept(&self) -> Option<u64>;

    /// The newest Tendermint statement of a validator that came by.
    fn newest_of(&self, validator: Address) -> Option<SignedEngineStatement>;

    /// Answers `to` with what is known of `asker`'s statements, to which the replica still has to add what it knows.
    fn answer_recall(&mut self, to: NodeKey, asker: Address, known: super::message::YouSaid);

    /// Lets go of decided heights below this one.
    fn prune_below(&mut self, height: u64);

    /// Tells the replica.
    fn tell(&mut self, input: Input);

    /// Tells the query side.
    fn event(&mut self, event: ChainEvent);

    /// Shows the newest control state to whoever reports it or watches L1.
    fn publish(&mut self, state: &ControlState);

    /// Makes the control state durable.
    ///
    /// # Errors
    /// The disk.
    fn save(&mut self, state: &ControlState) -> Result<(), StateFileError>;

    /// Makes the lowest incarnation that may speak durable.
    ///
    /// # Errors
    /// The disk.
    fn note_incarnation(&mut self, incarnation: u64) -> Result<(), IncarnationFileError>;

    /// Seals a secret, durably, in place of what was sealed under the name.
    ///
    /// # Errors
    /// The disk.
    fn seal(&mut self, name: &str, secret: &[u8]) -> Result<(), KeyError>;

    /// What is sealed under a name.
    ///
    /// # Errors
    /// The disk, or what is on it.
    fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError>;

    /// Forgets what is sealed under a name.
    ///
    /// # Errors
    /// The disk.
    fn erase(&mut self, name: &str) -> Result<(), KeyError>;

    /// Begins work that takes time; its [`Report`] comes later, or never if the node stops.
    fn begin(&mut self, work: Work);

    /// Whether this node carries anything to L1.
    fn carries(&self) -> bool;

    /// The slot that runs, and how far the replica is.
    fn running(&self) -> Arc<RunningSlot>;

    /// Whether the operator has taken this node out of its turns.
    fn is_drained(&self) -> bool;

    /// Shows why this node cannot take its turns, if it cannot.
    fn show_trouble(&mut self, trouble: Option<String>);

    /// Shows the settlement that the group has signed and L1 does not have yet, for anyone to carry. An io that nobody asks
    /// need not keep it.
    fn show_settlement(&mut self, _signed: Option<&SignedSettlement>) {}

    /// Notes that a validator did not do its part in a signature, for whoever asks. An io that nobody asks need not keep it.
    fn note_signing_fault(&mut self, _validator: Address, _fault: Fault, _now_ms: u64) {}
}

/// Work beside the council.
pub enum Work {
    /// Looks for the batch after this one in the store.
    Look(BatchHead),
    /// Packs a batch of our own.
    Pack(Arc<CompleteBatch>),
    /// Compares another validator's bytes with a batch.
    Compare {
        /// Whose bytes.
        from: Address,
        /// The batch.
        batch: Arc<CompleteBatch>,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Reads the entries of the forced queue in these L1 blocks.
    ReadEntries(Vec<L1View>),
    /// Carries a signed batch to L1.
    Submit {
        /// Its header.
        header: Batch,
        /// The group's signature.
        signature: GroupSignature,
        /// The bytes.
        data: Bytes,
    },
    /// Carries the first group key to L1.
    Install(Installation),
    /// Carries the next group key to L1.
    Rotate(Rotation),
    /// Looks at the schedule of rewards on L1, and reckons what is to be settled.
    Reckon {
        /// Up to this block, the last of an epoch.
        last_block: u64,
    },
    /// Carries a settlement to L1.
    Settle(Box<SignedSettlement>),
    /// Reports an offence to L1, unless L1 has punished it already.
    Report {
        /// Number of the offender.
        id: u64,
        /// What shows it.
        proof: Box<Proof>,
    },
}

/// What came of work beside the council.
pub enum Report {
    /// The installation was tried.
    Installed(Result<(), String>),
    /// The rotation was tried.
    Rotated(Result<(), String>),
    /// A batch was packed and checked, ours or another's.
    Checked(Checked),
    /// Entries of the forced queue were read, as they are encoded on L2, or not.
    Entries(Result<Vec<Bytes>, String>),
    /// The schedule was looked at.
    Reckoned(Result<Reckoned, String>),
    /// A settlement was carried to L1, or not.
    Settled {
        /// Its index.
        index: u64,
        /// What came of it.
        result: Result<(), String>,
    },
    /// L1 was asked about an offence, or told of it.
    Reported {
        /// Number of the offender.
        id: u64,
        /// What came of it.
        said: OnL1,
    },
    /// A batch was carried to L1, or not.
    Carried {
        /// Its index.
        index: u64,
        /// What came of it.
        result: Result<(), String>,
    },
}

/// Packs a batch at the level for so many `waiting` behind it, and unpacks it again to see that it is right.
pub fn packed(batch: &CompleteBatch, waiting: u64, params: &ChainParams, inbox: &Inbox) -> Report {
    let level = Level::for_backlog(waiting);
    gauge!("horae_batches_waiting").set(waiting as f64);
    counter!("horae_batches_packed_total", "level" => level.name()).increment(1);
    let packed = batch.pack(level).map_err(|why| why.to_string()).and_then(|data| {
        batch.check(&data, params).map_err(|why| why.to_string())?;
        let bytes = data.len();
        info!(index = batch.index(), level = level.name(), waiting, bytes, "batch packed");
        let signable: Box<SignableBatch> = Box::new(batch.signable(&data, inbox));
        Ok((data, signable))
    });
    Report::Checked(Checked::Packed(batch.index(), packed))
}

/// Compares bytes with a batch, and gives the digest that may be signed for them.
pub fn compared(from: Address, batch: &CompleteBatch, data: &[u8], params: &ChainParams, inbox: &Inbox) -> Report {
    let compared = batch.check(data, params).map_err(|why| why.to_string());
    let digest = compared.map(|()| batch.signable(data, inbox).digest);
    Report::Checked(Checked::Theirs(from, batch.index(), digest))
}
