//! Machine profiles: which worker runs on which thread and core, how it idles, how deep the rings are.
//!
//! Numbers, not code: the same binary spins on sixteen cores or sleeps on a laptop, by its [`Profile`]. Two profiles are built in
//! ([`laptop`](Profile::laptop), the default, and `one-socket`); any other is a TOML file of the same shape.
//! A profile that was read is whole: every worker has exactly one thread and no number is out of range.

mod check;
mod error;
mod profile;

pub use error::ProfileError;
pub use profile::{BUILT_IN, Edges, Idle, Profile, Rings, Thread, WorkerName};
