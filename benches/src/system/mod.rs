//! Whole systems: devnets of real processes, loads on them, what they cost, and Foundry's anvil beside them.

pub mod anvil;
pub mod flood;
pub mod load;
pub mod net;
pub mod observe;
