//! The node: the pure parts wired together, and the edges through which they touch the world.

#[allow(clippy::disallowed_types, reason = "readers of blocks lock; its writer does once a block")]
pub mod chain_view;
pub mod clock;
pub mod config;
pub mod council;
pub mod derive;
#[allow(clippy::disallowed_types, reason = "edges lock where they have to")]
pub mod edges;
pub mod feed;
pub mod genesis;
pub mod home;
pub mod keys;
pub mod node;
pub mod pipeline;
pub mod rejoin;
pub mod replica;
pub mod roster;
pub mod serving;
pub mod status;
