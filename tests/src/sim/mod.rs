//! The simulator: whole nodes in one thread on seeded time, with network, disks and L1 in memory, liars among them, and a judge.
//!
//! | file | is |
//! |---|---|
//! | [`world`] | time, and the loop around every node |
//! | [`beginning`] | block 0 and the control plane's genesis |
//! | [`faults`] | what goes wrong, and when |
//! | [`carry`] | what leaves a node, on its way to the others and past the judge |
//! | [`node`] | one node: stages in front, replica, council, what outlives a crash |
//! | [`edges`], [`council`] | the edges of replica and council |
//! | [`disk`], [`store`], [`net`], [`l1`] | journal, chain view and store, links, L1 |
//! | [`payroll`] | of L1: settlements of rewards, offences and jail |
//! | [`engine`], `deciding` | the control plane, modelled as what Tendermint promises |
//! | [`byzantine`] | liars |
//! | [`clients`] | transfers, and whether their answers were true |
//! | [`judge`] | the invariants of design section 5 |
//! | [`closing`], `remembering`, [`forcing`] | of these: where a term ends, what a restart may not forget, and the forced queue |
//! | [`outage`] | scenes: one thing goes wrong in a world in which nothing else does |
//! | [`many`] | many seeds, and what they come to together |
//!
//! What runs is the code of a node: the stages, the replica, voter and tally, the council with its key generation and signing,
//! the control state. Modelled are Tendermint, the disks, the links, L1 and the thread that stores committed blocks.

pub mod beginning;
pub mod byzantine;
mod carry;
pub mod clients;
pub mod closing;
mod conviction;
mod council;
mod deciding;
pub mod disk;
pub mod edges;
pub mod engine;
pub mod faults;
pub mod forcing;
pub mod judge;
pub mod l1;
pub mod many;
pub mod net;
pub mod node;
pub mod outage;
pub mod payroll;
mod remembering;
pub mod rng;
pub mod store;
pub mod world;

pub use byzantine::Lie;
pub use judge::Violation;
pub use many::{Failure, Many, Sum, caught, first_failure};
pub use outage::{
    Backlog, BadEndpoints, BadSigner, Candidate, Conviction, CutLog, Diverged, Divergence, EpochChange, Forced, Left,
    Lied, Outage, Recovered, Signed, Unready,
};
pub use world::{Outcome, Plan, World};
