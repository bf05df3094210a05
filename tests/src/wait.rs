//! Waiting for conditions, with a deadline.

use std::{
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until there is something, and returns it.
///
/// # Panics
/// With `what` when `limit` has passed.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited {} s for: {what}", limit.as_secs());
        sleep(LOOK);
    }
}

/// Says what a test does now, with the seconds since its first step: what a failed run shows.
pub fn step(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    println!("[{:6.1} s] {what}", BEGAN.get_or_init(Instant::now).elapsed().as_secs_f32());
}
