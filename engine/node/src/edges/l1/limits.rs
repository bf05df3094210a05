//! Every bound and wait of the L1 edge.

use std::time::Duration;

/// Longest wait for one answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Rounds over all endpoints before a call is given up.
pub const CALL_ROUNDS: u32 = 3;
/// Wait before the second round; doubles with each.
pub const ROUND_WAIT: Duration = Duration::from_millis(200);
/// L1 blocks of one `eth_getLogs`.
pub const LOG_BLOCKS: u64 = 1_000;
/// L1 blocks that one [`super::L1::events`] may cover.
pub const EVENT_BLOCKS_MAX: u64 = 100_000;
/// How often a sent transaction's receipt is asked for.
pub const RECEIPT_POLL: Duration = Duration::from_millis(300);
/// How long a receipt may lag behind the state that shows the transaction's nonce as used.
pub const RECEIPT_LAG: Duration = Duration::from_secs(3);
/// Without a receipt for this long a transaction is sent again with a higher fee.
pub const BUMP_AFTER: Duration = Duration::from_secs(24);
/// How often the fee of one transaction is raised.
pub const BUMPS_MAX: u32 = 6;
/// Least raise that nodes of Ethereum take for a replacement, in percent (geth: 10), with room.
pub const BUMP_PERCENT: u128 = 25;
/// Gas above the estimate that a transaction may use, in percent: state may move before it is included.
pub const GAS_MARGIN_PERCENT: u64 = 20;
/// Least of that, in gas: a ledger of votes that writes over an entry in the block of the estimate begins new ones in a later block, three for a
/// delegation, at 17,100 each more.
pub const GAS_MARGIN_LEAST: u64 = 60_000;
/// Tip offered where the endpoint has no opinion, in wei a gas.
pub const DEFAULT_TIP: u128 = 1_000_000_000;
