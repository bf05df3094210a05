//! What every signature of the protocol is over: one domain-separated digest, the same in Rust and in Solidity.
//!
//! `keccak256(abi.encode(bytes32 kind, uint256 chainId, address locking, uint64 incarnation, uint64 epoch, uint64 term,
//! uint64 slot, bytes32 content))`: eight 32-byte words.

use alloy_primitives::{Address, B256, Keccak256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

/// The chain and the stake that statements are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Domain {
    /// EIP-155 chain id of the L2.
    pub chain_id: u64,
    /// The LockingPool contract on L1.
    pub locking: Address,
}

/// What a signature is about. No two kinds share a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sealed block.
    Block,
    /// An ack.
    Ack,
    /// A close vote.
    Close,
    /// A statement of readiness.
    Readiness,
    /// A Tendermint vote.
    Vote,
    /// A Tendermint proposal.
    Proposal,
    /// A control-plane command whose author matters.
    Command,
}

impl Kind {
    /// The text whose keccak256 is the first word of the digest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "horae.v1.block",
            Self::Ack => "horae.v1.ack",
            Self::Close => "horae.v1.close",
            Self::Readiness => "horae.v1.readiness",
            Self::Vote => "horae.v1.vote",
            Self::Proposal => "horae.v1.proposal",
            Self::Command => "horae.v1.command",
        }
    }
}

/// The 32 bytes that are signed.
///
/// A place that does not apply to a kind (a Tendermint vote has no slot) is zero.
pub fn digest(domain: &Domain, kind: Kind, incarnation: u64, epoch: u64, term: u64, slot: u64, content: B256) -> B256 {
    words(&[
        keccak256(kind.name()),
        word(domain.chain_id),
        domain.locking.into_word(),
        word(incarnation),
        word(epoch),
        word(term),
        word(slot),
        content,
    ])
}

/// `x` as an ABI word: 32 bytes, big-endian.
pub fn word(x: u64) -> B256 {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&x.to_be_bytes());
    B256::new(bytes)
}

/// `keccak256` of the words, one after another: `keccak256(abi.encode(...))` of static types.
pub fn words(words: &[B256]) -> B256 {
    let mut hasher = Keccak256::new();
    for word in words {
        hasher.update(word);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
