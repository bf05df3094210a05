//! Every reason for which a transaction leaves the pipeline early, in the words and codes that Ethereum clients know.
//!
//! Texts follow go-ethereum (`core/error.go`, `core/txpool/errors.go`), because tools match on them.

use alloy_primitives::{Address, B256, U256};

/// Why a transaction was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// Not an EIP-2718 encoding of a signed transaction.
    #[error("malformed transaction: {0}")]
    Malformed(&'static str),
    /// Longer than the chain takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Length of the encoding in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A type that this chain does not take (EIP-4844 blobs, or one unknown).
    #[error("transaction type not supported: {0:#04x}")]
    TypeNotSupported(u8),
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    WrongChain {
        /// Chain id in the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// Without a chain id (before EIP-155).
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    /// Gas limit below what the transaction costs before it runs.
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Gas it takes before it runs.
        want: u64,
    },
    /// Gas limit below the floor for its data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {have}, minimum needed {want}")]
    FloorDataGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Floor for its data.
        want: u64,
    },
    /// Gas limit above a whole block's.
    #[error("exceeds block gas limit: gas {have}, limit {limit}")]
    ExceedsBlockGasLimit {
        /// Gas limit of the transaction.
        have: u64,
        /// Gas limit of a block.
        limit: u64,
    },
    /// Gas limit above the cap a transaction has (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
    GasLimitTooHigh {
        /// Gas limit of the transaction.
        have: u64,
        /// The cap.
        cap: u64,
    },
    /// Priority fee above the fee cap (EIP-1559).
    #[error("max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}")]
    TipAboveFeeCap {
        /// Priority fee in wei a gas.
        tip: u128,
        /// Fee cap in wei a gas.
        cap: u128,
    },
    /// Fee cap below the block's base fee.
    #[error("max fee per gas less than block base fee: maxFeePerGas: {cap}, baseFee: {base_fee}")]
    FeeCapTooLow {
        /// Fee cap in wei a gas.
        cap: u128,
        /// Base fee in wei a gas.
        base_fee: u64,
    },
    /// Pays less than this node asks for.
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {minimum}")]
    Underpriced {
        /// Priority fee offered in wei a gas.
        tip: u128,
        /// Least priority fee taken, in wei a gas.
        minimum: u128,
    },
    /// Signature with a high `s` (EIP-2), out of range, or of no key.
    #[error("invalid sender")]
    InvalidSender,
    /// Seen before.
    #[error("already known")]
    AlreadyKnown,
    /// The sender has spent this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {have}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        have: u64,
    },
    /// The transactions before it are missing and this node does not hold it (any longer).
    #[error("nonce too high: next nonce {next}, tx nonce {have}")]
    NonceTooHigh {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        have: u64,
    },
    /// The nonce cannot be counted up (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The sender cannot pay.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}", .cost.saturating_sub(*.balance))]
    InsufficientFunds {
        /// Wei the sender has, less what its transactions in front may cost.
        balance: U256,
        /// Wei the transaction may cost.
        cost: U256,
    },
    /// The sender has code that is no EIP-7702 delegation (EIP-3607).
    #[error("sender not an eoa: address {0}")]
    SenderNotEoa(Address),
    /// Contract creation code too long (EIP-3860).
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitCodeTooLong {
        /// Bytes of creation code.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// EIP-7702 without authorizations.
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizationList,
    /// Another transaction of the sender with this nonce waits, and this one pays less than 10 % more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// Another transaction of the sender with this nonce, that pays more, took its place.
    #[error("replaced by transaction {0}")]
    Replaced(B256),
    /// The sender holds as many waiting places as one sender may.
    #[error("account limit exceeded: limit {limit}")]
    AccountLimit {
        /// Waiting transactions a sender may have.
        limit: usize,
    },
    /// No room in the pool.
    #[error("txpool is full")]
    PoolFull,
    /// Waited too long for the transactions before it.
    #[error("transaction expired: waited {waited_ms} ms for nonce {missing}")]
    Expired {
        /// How long it was held, in milliseconds.
        waited_ms: u64,
        /// The sender's next nonce, which never came.
        missing: u64,
    },
    /// Longer than the space of a whole block.
    #[error("exceeds block size limit: size {size}, limit {limit}")]
    ExceedsBlockSize {
        /// Bytes of the transaction.
        size: usize,
        /// Bytes a block takes.
        limit: usize,
    },
    /// The node is out of capacity.
    #[error("server busy, try again")]
    Busy,
    /// The EVM refused it for a reason of its own.
    #[error("{0}")]
    Evm(String),
}

impl Shed {
    /// The JSON-RPC error code: EIP-1474's `-32005` for "limit exceeded", else `-32000` as go-ethereum.
    pub fn code(&self) -> i32 {
        match self {
            Self::Busy => -32005,
            _ => -32000,
        }
    }

    /// A short name for meters: one a reason, without the numbers.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Oversized { .. } => "oversized",
            Self::TypeNotSupported(_) => "type_not_supported",
            Self::WrongChain { .. } => "wrong_chain",
            Self::NotReplayProtected => "not_replay_protected",
            Self::IntrinsicGas { .. } => "intrinsic_gas",
            Self::FloorDataGas { .. } => "floor_data_gas",
            Self::ExceedsBlockGasLimit { .. } => "exceeds_block_gas_limit",
            Self::GasLimitTooHigh { .. } => "gas_limit_too_high",
            Self::TipAboveFeeCap { .. } => "tip_above_fee_cap",
            Self::FeeCapTooLow { .. } => "fee_cap_too_low",
            Self::Underpriced { .. } => "underpriced",
            Self::InvalidSender => "invalid_sender",
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::NonceTooHigh { .. } => "nonce_too_high",
            Self::NonceMax => "nonce_max",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::SenderNotEoa(_) => "sender_not_eoa",
            Self::InitCodeTooLong { .. } => "init_code_too_long",
            Self::EmptyAuthorizationList => "empty_authorization_list",
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::Replaced(_) => "replaced",
            Self::AccountLimit { .. } => "account_limit",
            Self::PoolFull => "pool_full",
            Self::Expired { .. } => "expired",
            Self::ExceedsBlockSize { .. } => "exceeds_block_size",
            Self::Busy => "busy",
            Self::Evm(_) => "evm",
        }
    }
}
