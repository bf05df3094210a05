//! Every bound of the JSON-RPC edge.

/// Largest request body, in bytes: a batch of full-size transactions in hex.
pub const MAX_REQUEST_BYTES: u32 = 2 << 20;
/// Largest response body, in bytes.
pub const MAX_RESPONSE_BYTES: u32 = 32 << 20;
/// Calls in one batch.
pub const MAX_BATCH_CALLS: u32 = 256;
/// HTTP requests and WebSockets open together; as many requests of the hot path beside them.
pub const MAX_CONNECTIONS: u32 = 1_024;
/// Subscriptions on one connection.
pub const MAX_SUBSCRIPTIONS_PER_CONNECTION: u32 = 64;
/// Messages that may wait for one WebSocket client before it counts as slow.
pub const MESSAGES_WAITING_PER_CONNECTION: u32 = 1_024;
/// Reads of the store that run at the same time; more wait.
pub const LIGHT_CALLS: usize = 32;
/// Calls into the EVM, and searches through logs, that run at the same time.
pub const HEAVY_CALLS: usize = 8;
/// Of these, how many may wait for their turn; more are refused as busy.
pub const HEAVY_CALLS_WAITING: usize = 256;
/// Gas that one `eth_call` or `eth_estimateGas` may burn.
pub const CALL_GAS_CAP: u64 = 50_000_000;
/// Blocks that one `eth_getLogs` may look through.
pub const MAX_LOG_BLOCKS: u64 = 10_000;
/// Logs that one `eth_getLogs` may return.
pub const MAX_LOGS: usize = 10_000;
/// Blocks that one `eth_feeHistory` may return, as in go-ethereum.
pub const MAX_FEE_HISTORY: u64 = 1_024;
/// Percentiles that one `eth_feeHistory` may ask for, as in go-ethereum.
pub const MAX_PERCENTILES: usize = 100;
/// Blocks looked at to suggest a priority fee.
pub const FEE_SAMPLE_BLOCKS: u64 = 20;
/// How long `eth_sendRawTransactionSync` waits unless told, in milliseconds.
pub const SYNC_TIMEOUT_MS: u64 = 10_000;
/// How long `eth_sendRawTransactionSync` may be told to wait, in milliseconds.
pub const MAX_SYNC_TIMEOUT_MS: u64 = 120_000;
/// Clients that may wait in `eth_sendRawTransactionSync` at the same time.
pub const SYNC_WAITERS: usize = 4_096;
/// Span of block timestamps over which `horae_status` counts transactions a second, in milliseconds.
pub const RATE_WINDOW_MS: u64 = 5_000;
/// Feeds served at the same time.
pub const MAX_FEEDS: usize = 64;
/// Bytes that may wait for the reader of a feed, unless one item has more.
pub const FEED_BYTES_WAITING: usize = 16 << 20;
/// How long a feed waits for a reader that does not read before it drops it, in milliseconds.
pub const FEED_STALL_MS: u64 = 10_000;
/// How often it looks whether there is room again, in milliseconds.
pub const FEED_LOOK_AGAIN_MS: u64 = 20;
/// How long the last word of a feed waits for room, in milliseconds.
pub const FEED_FAREWELL_MS: u64 = 60_000;
