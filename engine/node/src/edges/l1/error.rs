//! Why L1 could not be read or written.

use alloy_primitives::{Address, B256};
use thiserror::Error;

/// Why L1 could not be read or written.
#[derive(Clone, Debug, Error)]
pub enum L1Error {
    /// An endpoint is no URL.
    #[error("`{url}` is no URL ({problem}); correct l1.urls in node.toml")]
    BadUrl {
        /// As configured.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No endpoint answered, each tried a bounded number of times.
    #[error(
        "L1 is unreachable: {call} failed at {url} ({problem}); check l1.urls in node.toml and that the endpoint runs"
    )]
    Unreachable {
        /// The JSON-RPC method.
        call: &'static str,
        /// The endpoint tried last.
        url: String,
        /// What it said, or what the connection did.
        problem: String,
    },
    /// An endpoint is of another chain.
    #[error("{url} is chain {found}, but genesis.json names L1 chain {expected}; correct l1.urls in node.toml")]
    WrongChain {
        /// The endpoint.
        url: String,
        /// Its chain id.
        found: u64,
        /// The chain id in genesis.json.
        expected: u64,
    },
    /// A contract is not where genesis.json says.
    #[error("there is no contract at {address} on L1 ({name} of genesis.json); it is the wrong file or the wrong L1")]
    NoContract {
        /// Which contract.
        name: &'static str,
        /// Where it should be.
        address: Address,
    },
    /// The inbox works with another queue than genesis.json names.
    #[error(
        "BatchInbox {inbox} works with the forced queue {its}, but l1.queue of genesis.json is {queue}; it is the wrong file"
    )]
    ForeignQueue {
        /// In genesis.json.
        queue: Address,
        /// The inbox.
        inbox: Address,
        /// The queue that it names.
        its: Address,
    },
    /// An answer makes no sense.
    #[error("L1 gave a {what} that makes no sense: {problem}")]
    Nonsense {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The L1 block asked for is not on L1's chain any more.
    #[error("L1 block {number} is no longer {expected}: L1 has reorganised")]
    Reorganised {
        /// Its number.
        number: u64,
        /// The hash it had.
        expected: B256,
    },
    /// More events than one view may bring.
    #[error("L1 blocks {from} to {to} hold {count} events, more than {limit}; read fewer blocks at a time")]
    TooManyEvents {
        /// First block read.
        from: u64,
        /// Last block read.
        to: u64,
        /// Events found.
        count: usize,
        /// Most that are allowed.
        limit: usize,
    },
    /// The contract would refuse the transaction.
    #[error("L1 refuses the transaction: {reason}")]
    Reverted {
        /// The contract's error, decoded where it is known.
        reason: String,
    },
    /// The account did not sign.
    #[error("{address} has not signed: {problem}")]
    NotSigned {
        /// The account.
        address: Address,
        /// What went wrong.
        problem: String,
    },
    /// The account cannot pay.
    #[error("{address} cannot pay for L1 transactions ({problem}); send it ether on L1")]
    NoFunds {
        /// The sender.
        address: Address,
        /// What L1 said.
        problem: String,
    },
    /// The transaction was not included in time, with its fee raised as often as allowed.
    #[error("L1 transaction {hash} was not included within {seconds} s after {bumps} fee bumps; it may still be")]
    NotIncluded {
        /// Hash of the last version sent.
        hash: B256,
        /// How long was waited.
        seconds: u64,
        /// How often the fee was raised.
        bumps: u32,
    },
}

impl L1Error {
    /// Whether the same call may work later though nothing is changed here.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Reorganised { .. } | Self::NotIncluded { .. })
    }
}
