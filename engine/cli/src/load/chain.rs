//! What is asked of a chain to see its blocks: Horae's own methods where they are there, else those that every node has.

use alloy_primitives::{B256, U64};
use serde::Deserialize;
use serde_json::Value;

use super::tidings::Tidings;
use crate::{
    error::CliError,
    rpc::{BlockReport, Heads, Rpc, value},
};

/// What a node says that does not know a method (JSON-RPC 2.0).
const METHOD_NOT_FOUND: i32 = -32601;

/// Strengths of a Horae node.
const HORAE: &[&str] = &["ordered", "certified", "committed"];
/// What is known of any other node: that a block is its latest or below.
const STANDARD: &[&str] = &["committed"];

/// A chain that is watched.
pub struct Chain {
    rpc: Rpc,
    strengths: &'static [&'static str],
}

impl Chain {
    /// Finds out what the endpoint knows.
    pub async fn open(rpc: Rpc) -> Result<Self, CliError> {
        let strengths = match rpc.try_ask::<Value, 0>("horae_status", []).await {
            Err(jsonrpsee::core::client::Error::Call(refusal)) if is_unknown(refusal.code(), refusal.message()) => {
                STANDARD
            }
            _ => HORAE,
        };
        let chain = Self { rpc, strengths };
        chain.heads().await?;
        Ok(chain)
    }

    /// Names of the strengths that it tells apart, from the weakest to the strongest.
    pub fn strengths(&self) -> &'static [&'static str] {
        self.strengths
    }

    /// The highest block of each strength.
    pub async fn heads(&self) -> Result<Vec<u64>, CliError> {
        if self.strengths.len() == STANDARD.len() {
            let head: U64 = self.rpc.ask("eth_blockNumber", []).await?;
            return Ok(vec![head.to()]);
        }
        Ok(by_strength(&self.rpc.status().await?.heads))
    }

    /// Listens for heads, where the node tells of them by itself.
    pub async fn listen(&self) -> Result<Option<Tidings>, CliError> {
        if self.strengths.len() == STANDARD.len() {
            return Ok(None);
        }
        let tidings = Tidings::open(self.rpc.url()).await.map(Some);
        tidings.map_err(|why| CliError::because(format!("{} tells of no heads over WebSocket", self.rpc.url()), why))
    }

    /// Hashes of the transactions of each block from `from` to `to`.
    pub async fn transactions(&self, from: u64, to: u64) -> Result<Vec<Vec<B256>>, CliError> {
        #[derive(Debug, Deserialize)]
        struct Block {
            transactions: Vec<B256>,
        }
        let numbers = (from..=to).map(|number| value(format!("{number:#x}")));
        if self.strengths.len() == STANDARD.len() {
            let asked = numbers.map(|number| [number, value(false)]);
            let blocks: Vec<Option<Block>> = self.rpc.ask_many("eth_getBlockByNumber", asked).await?;
            return blocks
                .into_iter()
                .zip(from..)
                .map(|(block, at)| Ok(block.ok_or_else(|| gone(at))?.transactions))
                .collect();
        }
        let reports: Vec<Option<BlockReport>> =
            self.rpc.ask_many("horae_block", numbers.map(|number| [number])).await?;
        reports.into_iter().zip(from..).map(|(block, at)| Ok(block.ok_or_else(|| gone(at))?.transactions)).collect()
    }

    /// How many of these transactions, all of them committed, did not do what they were for.
    pub async fn reverted(&self, hashes: &[B256]) -> Result<u64, CliError> {
        #[derive(Debug, Deserialize)]
        struct Receipt {
            status: U64,
        }
        let asked = hashes.iter().map(|hash| [value(hash)]);
        let receipts: Vec<Option<Receipt>> = self.rpc.ask_many("eth_getTransactionReceipt", asked).await?;
        Ok(receipts.iter().flatten().filter(|receipt| receipt.status.is_zero()).count() as u64)
    }

    /// What the node calls itself.
    pub async fn client(&self) -> Option<String> {
        self.rpc.try_ask("web3_clientVersion", []).await.ok()
    }
}

/// Of Horae's heads those that are told apart here. A commit may be told before the block that it is for.
pub fn by_strength(heads: &Heads) -> Vec<u64> {
    vec![heads.ordered.max(heads.committed), heads.certified.max(heads.committed), heads.committed]
}

fn is_unknown(code: i32, message: &str) -> bool {
    let words = message.to_lowercase();
    // Some answer with a code of their own.
    code == METHOD_NOT_FOUND
        || ["not found", "not supported", "not available", "does not exist"].iter().any(|w| words.contains(w))
}

fn gone(block: u64) -> CliError {
    CliError::new(format!("block {block}, which the node has said it has, is not there"))
}
