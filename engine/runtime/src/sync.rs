//! The atomics, cells and threads of [`crate::wake`] and [`mod@crate::ring`]: the standard library's, or, with the feature
//! `loom`, a model checker's. The only place that chooses.

#[cfg(not(feature = "loom"))]
pub(crate) use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, fence},
    },
    thread::{Thread, current, park, park_timeout},
};

#[cfg(feature = "loom")]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, fence},
    },
    thread::{Thread, current, park},
};

/// The model checker has no clock: a sleep with an end is a turn given away.
#[cfg(feature = "loom")]
pub(crate) fn park_timeout(_timeout: std::time::Duration) {
    loom::thread::yield_now();
}

/// The standard library's cell behind the model checker's calls, which tell that one when an access begins and ends.
#[cfg(not(feature = "loom"))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(feature = "loom"))]
impl<T> UnsafeCell<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `access` with a pointer to read from.
    #[inline]
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        access(self.0.get())
    }

    /// Calls `access` with a pointer to write to.
    #[inline]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}
