//! Key generation without a dealer: the two-round protocol of the FROST paper (Komlo and Goldberg, figure 1, as
//! `frost-core` has it), with every identifier of a [`ShareLayout`](crate::ShareLayout) a participant.
//!
//! It needs a channel that shows every validator the same messages in the same order; in Horae that is the control plane.
//! It needs every validator of the set: one that stays silent, or deals badly, ends the run, is named, and the
//! caller starts the next attempt.

mod error;
mod message;
mod run;
mod seal;
mod state;
#[cfg(test)]
mod tests;

pub use error::DkgError;
pub(crate) use message::encode;
pub use message::{DkgCommitments, DkgConfirm, DkgMessage, DkgRun, DkgShares, SealedShares, ShareDeal};
pub use run::{Dkg, DkgParams};
