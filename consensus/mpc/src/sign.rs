//! Signing a 32-byte digest with a group key: FROST's two rounds, the first done ahead of time.
//!
//! Nonces live in the memory of the [`Signer`] that drew them, and die with it. Each set is used once, for one digest and one
//! list of commitments. Robustness is that of ROAST (Ruffing et al., 2022): whoever has answered is free for the next session,
//! so that each session that fails to finish has used up a signer that does not answer.

mod coordinator;
mod message;
mod nonce;
#[cfg(test)]
mod onchain;
#[cfg(test)]
mod rfc9591;
mod session;
mod signer;
mod signing;
#[cfg(test)]
mod tests;

pub use coordinator::{BeginError, Coordinator, CoordinatorConfig, CoordinatorOutput, Failure, Fault};
pub use message::{
    NonceCommitment, NonceCommitments, Refusal, SignerCommitments, SigningBody, SigningMessage, SigningReply,
    SigningRequest, Undecodable,
};
pub use signer::Signer;
