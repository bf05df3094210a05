//! Every bound of the stages that is a choice of the node and not a rule of the chain.

/// Hashes the dedup stage remembers.
pub const RECENT_HASHES: usize = 1 << 17;

/// Transactions one sender may have waiting in admit, in front of and behind a gap.
pub const WAITING_PER_SENDER: usize = 64;

/// Transactions that may wait in admit in all.
pub const WAITING_IN_ALL: usize = 16_384;

/// Transactions of one sender that admit hands out before it hears of a block with one of them.
pub const IN_FLIGHT_PER_SENDER: usize = 1_024;

/// How long a transaction may wait for the ones before it, in milliseconds.
pub const WAITING_MS: u64 = 60_000;

/// How much more a replacement has to pay, in per cent of what it replaces.
pub const REPLACEMENT_PERCENT: u128 = 10;

/// Entries (accounts, slots and codes, each) the hot state keeps beyond those it must.
pub const HOT_ENTRIES: usize = 1 << 20;

/// Block hashes that `BLOCKHASH` can reach.
pub const BLOCK_HASHES: u64 = 256;

/// The largest gas limit of one transaction (EIP-7825).
pub const TRANSACTION_GAS_CAP: u64 = 1 << 24;

/// What L1 makes due in one block comes to at most this many bytes of encodings, unless one L1 block alone makes more due: twice
/// what the forced queue takes in one L1 block.
pub const DUE_BYTES: usize = 128 * 1024;

/// The most that a batch's transactions may come to: L1 nodes pass on no transaction above 128 KiB, and a batch that cannot
/// be posted would hold up all that follow. Packing makes it smaller as a rule, but must never have to.
pub const CALLDATA_BYTES: u64 = 126 * 1024;
