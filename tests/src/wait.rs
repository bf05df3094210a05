//! Waiting for conditions, with a deadline.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Whether everything that waits is to give up.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a wait that was interrupted panics with.
pub const INTERRUPTION: &str = "interrupted";

/// Has every wait of this process end with a panic that says [`INTERRUPTION`], so that what was started is dropped in order.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Whether [`interrupt`] was called.
#[must_use]
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Looks until there is something, and returns it.
///
/// # Panics
/// With `what` when `limit` has passed; with [`INTERRUPTION`] after [`interrupt`].
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!is_interrupted(), "{INTERRUPTION}");
        assert!(Instant::now() < until, "waited {} s for: {what}", limit.as_secs());
        sleep(LOOK);
    }
}

/// Says what a test does now, with the seconds since its first step: what a failed run shows.
pub fn step(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    println!("[{:6.1} s] {what}", BEGAN.get_or_init(Instant::now).elapsed().as_secs_f32());
}
