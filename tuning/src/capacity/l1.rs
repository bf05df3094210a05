//! What Ethereum takes: the limits of its blocks, and what bytes cost there.

/// Seconds between blocks.
pub const BLOCK_S: f64 = 12.0;
/// Gas of a block at most, as validators vote for it since November 2025.
pub const BLOCK_GAS: u64 = 60_000_000;
/// Gas of one transaction at most (EIP-7825).
pub const TRANSACTION_GAS: u64 = 1 << 24;
/// Bytes of a blob (EIP-4844).
pub const BLOB_BYTES: u64 = 131_072;
/// Bytes that fit into a blob's field elements in the OP Stack's coding.
pub const USABLE_BLOB_BYTES: u64 = 130_044;
/// Gas of a blob, priced by a fee of its own.
pub const BLOB_GAS: u64 = 131_072;
/// Blobs of a block at which their fee stays as it is (EIP-7892, the second fork of that kind, January 2026).
pub const BLOB_TARGET: u64 = 14;
/// Blobs of a block at most.
pub const BLOBS_MAX: u64 = 21;
/// Gas of a byte of calldata that is not zero (EIP-2028).
pub const CALLDATA_GAS: u64 = 16;
/// Gas of such a byte where data is most of a transaction (EIP-7623).
pub const CALLDATA_FLOOR_GAS: u64 = 40;
/// The fee of blob gas does not fall below that of gas divided by this (EIP-7918: 2^13 gas for each 2^17 of a blob).
pub const BLOB_FEE_FLOOR_DIVISOR: u64 = 16;

/// The most that fits into L1, in transactions a second, if nobody else used it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fits {
    /// In blobs, at the target.
    pub blobs_target: f64,
    /// In blobs, every block full of them.
    pub blobs_max: f64,
    /// In calldata at the floor's price, at half of the blocks' gas, above which the fee rises.
    pub calldata_target: f64,
    /// In calldata, every block full of it.
    pub calldata_max: f64,
}

/// What fits of transactions of so many bytes each.
#[must_use]
pub fn fits(bytes_per_transaction: f64) -> Fits {
    let blobs = |blobs: u64| (blobs * USABLE_BLOB_BYTES) as f64 / BLOCK_S / bytes_per_transaction;
    let calldata = |gas: u64| gas as f64 / CALLDATA_FLOOR_GAS as f64 / BLOCK_S / bytes_per_transaction;
    Fits {
        blobs_target: blobs(BLOB_TARGET),
        blobs_max: blobs(BLOBS_MAX),
        calldata_target: calldata(BLOCK_GAS / 2),
        calldata_max: calldata(BLOCK_GAS),
    }
}

/// Blobs that so many bytes a second fill.
#[must_use]
pub fn blobs_per_s(bytes_per_s: f64) -> f64 {
    bytes_per_s / USABLE_BLOB_BYTES as f64
}
