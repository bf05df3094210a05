//! The only reader of the wall clock in the node: everything else is handed `now_ms`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds. A clock set before 1970 reads 0.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
