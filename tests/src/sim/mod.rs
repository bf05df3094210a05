//! The simulator: whole replicas in one thread on seeded time, with a network, disks and stores in memory, and a judge.
//!
//! | file | is |
//! |---|---|
//! | [`world`] | time, faults, the loop around every node |
//! | [`node`] | one node: stages in front, replica, what outlives a crash |
//! | [`edges`] | the replica's edges, and the faults planted to try the judge |
//! | [`disk`], [`store`], [`net`] | journal, chain view and store, links |
//! | [`control`] | the control plane, modelled as what Tendermint promises |
//! | [`clients`] | transfers, and whether their answers were true |
//! | [`judge`] | the invariants of design section 5 |
//!
//! What runs is the code of a node: the stages, the replica, the voter and tally, the control state. Modelled are Tendermint,
//! the disk, the links and the thread that stores committed blocks. Nobody lies here; `horae-control` has tests for that.

pub mod clients;
pub mod control;
pub mod disk;
pub mod edges;
pub mod judge;
pub mod net;
pub mod node;
pub mod rng;
pub mod store;
pub mod world;

pub use edges::Planted;
pub use judge::Violation;
pub use world::{Outage, Outcome, Plan, World};
