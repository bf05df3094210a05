//! Where the node touches the world: one file (or folder) an edge. Sockets, disks and clocks live here and nowhere else.

pub mod admin;
pub mod intake;
pub mod journal;
pub mod l1;
pub mod metrics;
pub mod peers;
pub mod quic_client;
pub mod quic_ingest;
pub mod rpc;
pub mod store;
pub mod tcp_client;
pub mod tcp_ingest;
