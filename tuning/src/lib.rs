//! Fitting a node to its machine.
//!
//! A [`Profile`] says which worker runs on which thread and core, how it idles, how deep the rings are: numbers, not code, so that the
//! same binary spins on sixteen cores or sleeps on a laptop. Five are built in ([`BUILT_IN`]; [`laptop`](Profile::laptop) is the default);
//! any other is a TOML file of the same shape. A profile that was read is whole: every worker has exactly one thread and no number is
//! out of range.
//!
//! [`checks`] asks a machine whether it carries a profile well, [`change`] puts right what can be while it runs, and back again,
//! [`plan`] makes a profile for a machine and a rate, and [`capacity`] works out what a rate takes, both from unit costs that were measured.

mod bounds;
pub mod capacity;
pub mod change;
pub mod checks;
mod error;
pub mod machine;
pub mod plan;
mod profile;
#[cfg(test)]
mod testing;

pub use error::ProfileError;
pub use profile::{BUILT_IN, Edges, Idle, Profile, Rings, Thread, WorkerName};
