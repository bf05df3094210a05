//! Why a control block must not be decided.

use alloy_primitives::{Address, B256};

use crate::batches::BatchGap;
use crate::dkg::DkgError;
use crate::failover::CloseError;
use crate::l1::L1Error;
use crate::proof::NotEvidence;
use crate::statement::StatementError;

/// Why a control block must not be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not the next height.
    #[error("control block {found} does not follow height {height}")]
    Height {
        /// Its height.
        found: u64,
        /// The height applied last.
        height: u64,
    },
    /// It is about another state than this one.
    #[error("control block {height} follows from a control state with hash {named}, but here it is {here}")]
    OtherState {
        /// Its height.
        height: u64,
        /// The hash it names.
        named: B256,
        /// The hash of the state here.
        here: B256,
    },
    /// More commands than a block may have.
    #[error("{0} commands in one control block")]
    TooManyCommands(usize),
    /// An L1 view beside other commands, or two closings.
    #[error("the commands may not stand together in one control block")]
    Mixed,
    /// No term is open.
    #[error("no term is open")]
    NoOpenTerm,
    /// The closing does not count.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// The key generation message does not count.
    #[error(transparent)]
    Dkg(#[from] DkgError),
    /// The L1 view does not follow.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The accepted batch does not follow.
    #[error(transparent)]
    Batch(#[from] BatchGap),
    /// The registration is not signed by a validator, or its number is not above the last one.
    #[error("incarnation {incarnation} of {validator} cannot be registered")]
    Incarnation {
        /// The validator named.
        validator: Address,
        /// The incarnation named.
        incarnation: u64,
    },
    /// The proof convicts nobody, or one who is convicted already.
    #[error(transparent)]
    Evidence(#[from] NotEvidence),
    /// The statement of readiness does not count.
    #[error(transparent)]
    Readiness(#[from] StatementError),
    /// The statement of readiness says nothing new.
    #[error("{0} has said this of its readiness before, or something later")]
    NothingNew(Address),
    /// No epoch is being prepared for which this counts.
    #[error("{validator} is not awaited in epoch {epoch}")]
    EpochReadiness {
        /// The validator named.
        validator: Address,
        /// The epoch named.
        epoch: u64,
    },
}
