//! The tables of the store and the version of their layout.
//!
//! Keys are fixed-width so that redb can compare them without decoding; integers are redb's own little-endian encodings,
//! which it orders as numbers.

use redb::TableDefinition;

/// Layout of the tables below. A store of another version is refused, never guessed at.
pub(super) const SCHEMA_VERSION: u64 = 2;

/// Facts about the store as a whole: see the `META_*` keys.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Address -> account ([`super::records::encode_account`]).
pub(super) const ACCOUNTS: TableDefinition<'static, [u8; 20], [u8; 72]> = TableDefinition::new("accounts");
/// Address and slot, big endian -> value, big endian; never zero.
pub(super) const STORAGE: TableDefinition<'static, [u8; 52], [u8; 32]> = TableDefinition::new("storage");
/// Code hash -> code.
pub(super) const CODES: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("codes");
/// Height -> RLP of the block.
pub(super) const BLOCKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("blocks");
/// Height -> block hash; kept for one window more than the blocks, for `BLOCKHASH`.
pub(super) const HASHES: TableDefinition<'static, u64, [u8; 32]> = TableDefinition::new("hashes");
/// Height -> what execution gave and who signed ([`super::records::Outcome`]).
pub(super) const OUTCOMES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("outcomes");
/// Height -> bloom of all logs of the block; only for blocks with logs.
pub(super) const LOG_BLOOMS: TableDefinition<'static, u64, [u8; 256]> = TableDefinition::new("log_blooms");
/// Block hash -> height.
pub(super) const NUMBERS: TableDefinition<'static, [u8; 32], u64> = TableDefinition::new("numbers");
/// Transaction hash -> height and index in the block.
pub(super) const TRANSACTIONS: TableDefinition<'static, [u8; 32], (u64, u32)> = TableDefinition::new("transactions");
/// Height -> certificate, for the heights that have one of their own.
pub(super) const CERTIFICATES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("certificates");
/// Height -> commit, for the heights that have one of their own.
pub(super) const COMMITS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("commits");
/// Batch index -> record of the batch on L1.
pub(super) const BATCHES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("batches");
/// Epoch and sequencer -> how many committed blocks it sealed in it.
pub(super) const SEALED: TableDefinition<'static, (u64, [u8; 20]), u64> = TableDefinition::new("sealed");
/// Height -> keys of the state that the block changed ([`super::changed`]), until the state trie has come past it. A store of before
/// there was a trie opens without it, and is none the worse for it.
pub(super) const CHANGED: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("changed");
/// Height of a batch's last block -> state root after it.
pub(super) const ROOTS: TableDefinition<'static, u64, [u8; 32]> = TableDefinition::new("roots");

/// [`SCHEMA_VERSION`], 8 bytes little endian.
pub(super) const META_SCHEMA: &str = "schema";
/// Height the state stands at, 8 bytes little endian.
pub(super) const META_HEIGHT: &str = "height";
/// Height up to which transactions are found by hash, 8 bytes little endian. Absent in a store of before it was kept apart: then it is
/// [`META_HEIGHT`].
pub(super) const META_INDEXED: &str = "indexed";
/// Hash of the genesis block.
pub(super) const META_GENESIS: &str = "genesis";
/// Lowest height above genesis whose block is kept, 8 bytes little endian.
pub(super) const META_LOWEST: &str = "lowest";
/// Index of the highest batch known to be final on L1 plus one, 8 bytes little endian.
pub(super) const META_FINALIZED_BATCHES: &str = "finalized_batches";
