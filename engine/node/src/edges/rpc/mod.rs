//! JSON-RPC over HTTP and WebSocket on one port: Ethereum's methods, and `horae_*` for what is Horae's own.

mod intake;

pub use intake::{Admission, TransactionIntake};
