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
//! | [`tally`] | acks to certificates to commits |
//! | [`head`] | where a closed term ends |
//! | [`command`], [`state`] | what the control plane decides, and what follows from it |
//! | [`pending`], [`propose`] | what waits to be decided, and what goes into the next control block |

pub mod digest;
pub mod limits;
pub mod schedule;
pub mod set;
pub mod sign;
pub mod statement;
pub mod term;

pub use digest::{Domain, Kind, digest};
pub use schedule::Schedule;
pub use set::{Candidate, Validator, ValidatorSet};
pub use sign::{Signature, SignerKey, recover};
pub use statement::{
    Ack, BlockFacts, BlockId, Certificate, CertificateAck, CloseVote, Commit, SignedBlock, StatementError,
};
pub use term::Term;
