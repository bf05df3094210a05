//! What the tests of whole nodes share: the real `horae` binary, a devnet of real processes, a client, Foundry's tools.
//!
//! Everything that is started dies with the value that stands for it, and everything that is waited for has a deadline.
//! A test that cannot go on panics with what it waited for and the ends of the logs.

pub mod chaos;
pub mod child;
pub mod devnet;
pub mod l1;
pub mod node;
pub mod offence;
pub mod programs;
pub mod relay;
pub mod rewards;
pub mod rpc;
pub mod sim;
pub mod stake;
pub mod wait;
pub mod wallet;
pub mod wire;

pub use child::Child;
pub use devnet::Devnet;
pub use node::Node;
pub use rpc::Rpc;
pub use wait::{step, wait_for};
pub use wallet::Wallet;
