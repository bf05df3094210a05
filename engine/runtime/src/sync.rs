//! The atomics and threads of [`crate::wake`]: the standard library's, or, with the feature `loom`, a model checker's.
//! The only place that chooses.

#[cfg(not(feature = "loom"))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, fence},
    thread::{Thread, current, park, park_timeout},
};

#[cfg(feature = "loom")]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, fence},
    thread::{Thread, current, park},
};

/// The model checker has no clock: a sleep with an end is a turn given away.
#[cfg(feature = "loom")]
pub(crate) fn park_timeout(_timeout: std::time::Duration) {
    loom::thread::yield_now();
}
