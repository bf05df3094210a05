//! The methods, as clients see them.

use alloy::rpc::types::state::StateOverride;
use alloy::rpc::types::{BlockOverrides, FeeHistory, Filter, Index, Log, TransactionRequest};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use jsonrpsee::core::{RpcResult, SubscriptionResult};
use jsonrpsee::proc_macros::rpc;

use super::feed::FeedOptions;
use super::horae::{BlockReport, ControlReport, NodeReport, TransactionReport};
use super::shapes::{RpcBlock, RpcReceipt, RpcTransaction, Syncing};
use crate::chain_view::{EpochStatus, SettlementStatus, SlotStatus, Strength, ValidatorStatus};

/// Ethereum's methods. `latest` is the committed head, `pending` the ordered one; the rest is as everywhere.
#[rpc(server, namespace = "eth")]
pub trait Eth {
    /// EIP-155 chain id.
    #[method(name = "chainId")]
    fn chain_id(&self) -> RpcResult<U64>;

    /// Height of the committed head.
    #[method(name = "blockNumber")]
    fn block_number(&self) -> RpcResult<U64>;

    /// `false`, or how far the node is behind.
    #[method(name = "syncing")]
    fn syncing(&self) -> RpcResult<Syncing>;

    /// A block by height or tag; `null` above the committed head.
    #[method(name = "getBlockByNumber")]
    async fn block_by_number(&self, number: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<RpcBlock>>;

    /// A committed block by hash.
    #[method(name = "getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<RpcBlock>>;

    /// All receipts of a committed block.
    #[method(name = "getBlockReceipts")]
    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<RpcReceipt>>>;

    /// Wei of an account.
    #[method(name = "getBalance")]
    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256>;

    /// Transactions sent by an account.
    #[method(name = "getTransactionCount")]
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64>;

    /// Code of an account.
    #[method(name = "getCode")]
    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes>;

    /// A storage slot of an account.
    #[method(name = "getStorageAt")]
    async fn storage_at(&self, address: Address, slot: U256, block: Option<BlockId>) -> RpcResult<B256>;

    /// Executes a call and leaves no trace.
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes>;

    /// The least gas with which a call succeeds; on `pending` unless told otherwise.
    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U64>;

    /// Price of gas for a legacy transaction in the next block.
    #[method(name = "gasPrice")]
    async fn gas_price(&self) -> RpcResult<U256>;

    /// Priority fee that gets a transaction into the next block.
    #[method(name = "maxPriorityFeePerGas")]
    async fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;

    /// Base fees and priority fees of past blocks.
    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        count: Index,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;

    /// Hands a signed transaction to the pipeline; answers once it is admitted.
    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256>;

    /// The same, but waits for the receipt (EIP-7966): until the block with it has the given strength, `committed` unless told.
    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_transaction_sync(
        &self,
        raw: Bytes,
        timeout_ms: Option<Index>,
        strength: Option<Strength>,
    ) -> RpcResult<RpcReceipt>;

    /// A transaction; without a block while it is not committed, or waits to be ordered (if it came by JSON-RPC).
    #[method(name = "getTransactionByHash")]
    async fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>>;

    /// A transaction of a committed block by position.
    #[method(name = "getTransactionByBlockHashAndIndex")]
    async fn transaction_by_block_hash(&self, hash: B256, index: Index) -> RpcResult<Option<RpcTransaction>>;

    /// A transaction by height or tag, and position.
    #[method(name = "getTransactionByBlockNumberAndIndex")]
    async fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>>;

    /// The receipt of a committed transaction.
    #[method(name = "getTransactionReceipt")]
    async fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<RpcReceipt>>;

    /// Logs of committed blocks.
    #[method(name = "getLogs")]
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;

    /// `newHeads`, `logs` (with a filter) or `newPendingTransactions` (with `true` for whole transactions).
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = serde_json::Value)]
    async fn subscribe(&self, kind: String, options: Option<serde_json::Value>) -> SubscriptionResult;
}

/// `net_*`.
#[rpc(server, namespace = "net")]
pub trait Net {
    /// The chain id, in decimal.
    #[method(name = "version")]
    fn version(&self) -> RpcResult<String>;
}

/// `web3_*`.
#[rpc(server, namespace = "web3")]
pub trait Web3 {
    /// Name, version and platform.
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;
}

/// What is Horae's own. Numbers are plain JSON numbers here.
#[rpc(server, namespace = "horae")]
pub trait Horae {
    /// The slot that runs.
    #[method(name = "slot")]
    fn slot(&self) -> RpcResult<SlotStatus>;

    /// The epoch in force.
    #[method(name = "epoch")]
    fn epoch(&self) -> RpcResult<EpochStatus>;

    /// The validators of the epoch.
    #[method(name = "validators")]
    fn validators(&self) -> RpcResult<Vec<ValidatorStatus>>;

    /// The settlement of rewards that the group has signed through this node and that L1 does not have yet, if there is one: anyone may
    /// carry it.
    #[method(name = "settlement")]
    fn settlement(&self) -> RpcResult<Option<SettlementStatus>>;

    /// A block with its header as hashed, its signature, certificate, commit and batch; ordered blocks included.
    #[method(name = "block")]
    async fn block(&self, block: BlockId) -> RpcResult<Option<BlockReport>>;

    /// How strongly a transaction is confirmed, and by what; or whether it waits, or why it was refused.
    #[method(name = "transactionStatus")]
    async fn transaction_status(&self, hash: B256) -> RpcResult<TransactionReport>;

    /// Everything about the node on one line.
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<NodeReport>;

    /// The control state: what a verifier of the feed may begin with, if it trusts this node for it.
    #[method(name = "controlState")]
    fn control_state(&self) -> RpcResult<ControlReport>;

    /// The decision at a control height, as borsh bytes with the precommits that decided it; nothing if it is not there (yet).
    #[method(name = "decision")]
    async fn decision(&self, height: u64) -> RpcResult<Option<Bytes>>;

    /// `feed`: blocks, certificates, commits and decisions, replayed from a position and then live (see `crate::feed`).
    /// `heads`: the height of each strength, now and at each change.
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = serde_json::Value)]
    async fn subscribe_horae(&self, kind: String, options: Option<FeedOptions>) -> SubscriptionResult;
}
