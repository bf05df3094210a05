//! A profile for a machine and a rate, worked out from measured unit costs.

mod layout;
#[cfg(test)]
mod tests;
mod text;

pub use layout::{Bound, Plan, plan};
