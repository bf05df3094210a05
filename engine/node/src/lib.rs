//! The node: the pure parts wired together, and the edges through which they touch the world.

pub mod edges;
