//! What moves the work: rings, pools, doors, cells, the worker loop, meters. It knows nothing of blocks.
//!
//! The shape it gives to the node: forward by queue, backward by cell. A [`ring`] joins two workers, a
//! [`door`] lets many edges in to one worker, a [`pool`] is the one limit on work in flight, and a [`cell`]
//! carries back the latest value without anyone waiting. A worker is a [`Poll`]; `run` is a loop around it, so
//! that the simulator can be another loop around the same `poll`.
//!
//! ```text
//!   edges --door--> worker --ring--> worker --ring--> worker
//!                      ^                                 |
//!                      +-------------- cell -------------+
//! ```
//!
//! This is the only crate of the workspace where `unsafe` is allowed; only the ring's memory (`ring/slots.rs`) needs it.

pub mod cell;
pub mod crew;
pub mod door;
pub mod meter;
pub mod pin;
pub mod pool;
pub mod ring;
#[allow(clippy::disallowed_types, reason = "locked when workers start and stop, never for a transaction")]
pub mod stop;
mod sync;
pub mod wake;
pub mod worker;

pub use cell::{Cell, Marker};
pub use crew::{Clock, Crew, CrewError, PinFailure};
pub use door::{Busy, Door, Hall, door};
pub use meter::{Meter, Reading};
pub use pool::{Pool, Pooled};
pub use ring::{Consumer, Producer, RingGauge, ring};
pub use stop::{StopReason, Stopper};
pub use wake::{Parker, Waker};
pub use worker::{Bundle, IdlePolicy, Poll, Progress, Seated, Worker};
