//! The workers in front of the replica: door, decode and dedup, recover. `admit`, `order`, `execute` and `seal` run in
//! the replica's own worker, because they share the state that one thread owns.

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
