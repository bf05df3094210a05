//! The workers in front of the replica: door, decode and dedup, recover. `admit`, `order`, `execute` and `seal` run in
//! the replica's own worker, because they share the state that one thread owns.

#[allow(
    clippy::disallowed_types,
    reason = "the replica notes without a lock; whoever reads, and JSON-RPC once a request, files under one"
)]
mod desk;
mod entrance;
mod front;
mod parcel;
mod recoverer;
mod watch;

pub use desk::{Desk, Note, Standing};
pub use entrance::{Entrance, Traffic};
pub use front::{Forgotten, Front};
pub use parcel::{Client, Parcel, TxCell};
pub use recoverer::Recoverer;
pub use watch::RecoveryWatch;
