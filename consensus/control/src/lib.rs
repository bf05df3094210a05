//! The control plane and the slot protocol as pure code (design sections 5 and 6).
//!
//! Nothing here has a thread, a clock, a socket, a file or randomness: the node feeds signed statements and decided
//! control blocks in, and stores and sends what comes out. Blocks are known here by their facts and hashes only.
//!
//! How the parts fit:
//!
//! | module | says |
//! |---|---|
//! | [`digest`], [`sign`] | what is signed, and how |
//! | [`set`], [`schedule`], [`term`] | who counts how much, who leads which slot, what one term needs to be judged |
//! | [`statement`] | blocks, acks, certificates, commits, close votes |
//! | [`voter`] | one validator's promises for its whole life |
//! | [`memory`] | whether a validator remembers all that it said |
//! | [`tally`] | acks to certificates to commits |
//! | [`head`], [`failover`] | where a closed term ends, and who begins the next |
//! | [`evidence`], [`proof`], [`jail`] | what convicts a validator, in what form, and what follows |
//! | [`l1`], [`batches`], [`due`] | what L1 has brought: validators and keys, accepted batches, what blocks have to execute |
//! | [`epoch`], [`next_epoch`] | the epoch in force, and the one that is being prepared |
//! | [`roll_call`], [`skips`] | who can take its turns, and whose are passed over |
//! | [`command`], [`state`] | what the control plane decides, and what follows from it |
//! | [`decision`] | a decided control block with the signatures that decided it |
//! | [`checkpoint`] | a control state that one who lost everything can believe |
//! | [`pending`], [`propose`] | what waits to be decided, and what goes into the next control block |
//! | [`planted`] | faults for tests, behind a feature that ships nowhere |

pub mod batches;
pub mod checkpoint;
pub mod command;
pub mod decision;
pub mod digest;
pub mod dkg;
pub mod due;
pub mod epoch;
pub mod evidence;
pub mod failover;
pub mod head;
pub mod jail;
pub mod l1;
pub mod limits;
pub mod memory;
pub mod next_epoch;
pub mod pending;
pub mod planted;
pub mod proof;
pub mod propose;
pub mod record;
pub mod roll_call;
pub mod schedule;
mod seen;
pub mod set;
mod shared;
pub mod sign;
pub mod skips;
pub mod state;
pub mod statement;
pub mod tally;
pub mod term;
pub mod voter;

#[cfg(test)]
mod testing;

pub use batches::{AcceptedBatch, Batches};
pub use checkpoint::{Checkpoint, NotACheckpoint};
pub use command::{CloseTerm, Command, ControlBlock, L1Event, Question, RegisterIncarnation};
pub use decision::{Decision, Precommit};
pub use digest::{Domain, Kind, digest};
pub use dkg::{Dkg, DkgCommitments, DkgConfirm, DkgPhase, DkgShares, GroupKey};
pub use due::{Due, DueBlock, Dues};
pub use epoch::Epoch;
pub use evidence::Evidence;
pub use head::pick_head;
pub use jail::{Jail, Jailed};
pub use l1::{InstalledKey, L1State, L1View};
pub use memory::{Known, Recall, Recalled, Spoken, SpokenInTerm, VotePlace};
pub use next_epoch::{Awaits, EpochReadiness, NextEpoch};
pub use pending::{Added, NotPending, Pending, PendingCommands};
pub use proof::{NotEvidence, Offence, Proof, Said, SaidAndSigned};
pub use propose::HeldBlocks;
pub use record::Record;
pub use roll_call::{RollCall, Stated};
pub use schedule::Schedule;
pub use set::{Candidate, Validator, ValidatorSet};
pub use sign::{Signature, SignerKey, recover};
pub use skips::{Skip, Skips};
pub use state::{ClosedTerm, ControlParams, ControlState, Effect, Genesis, Invalid, Opening};
pub use statement::{
    Ack, BlockFacts, BlockId, Certificate, CertificateAck, CloseVote, Commit, EngineStatement, Readiness, SignedBlock,
    SignedEngineStatement, StatementError, Step,
};
pub use tally::{Junk, Tallied, Tally};
pub use term::Term;
pub use voter::{Refused, RestoreError, Voted, Voter};
