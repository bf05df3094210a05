//! Why a node did not start, or stopped.

use horae_runtime::StopReason;
use horae_tendermint as tendermint;
use horae_tuning::WorkerName;
use thiserror::Error;

use crate::chain_view;
use crate::council::CouncilError;
use crate::edges::admin::AdminError;
use crate::edges::journal::JournalError;
use crate::edges::l1::L1Error;
use crate::edges::peers::PeersError;
use crate::edges::rpc::RpcError;
use crate::edges::store::StoreError;
use crate::edges::{quic_ingest, tcp_ingest};
use crate::replica::restore::RestoreError;

/// Why a node did not start, or stopped.
#[derive(Debug, Error)]
pub enum NodeError {
    /// No runtime for the edges.
    #[error("cannot start threads for the edges: {0}")]
    Runtime(#[source] std::io::Error),
    /// The machine profile.
    #[error(transparent)]
    Profile(#[from] horae_tuning::ProfileError),
    /// The profile lacks a worker, or names one that is not there.
    #[error("the profile {profile} must name the worker {worker} in one of its [[threads]]")]
    Worker {
        /// The profile.
        profile: String,
        /// The worker.
        worker: WorkerName,
    },
    /// The recovery backend that `node.toml` asks for.
    #[error("node.toml: `recovery.backend` is \"vector\", but {0}; choose \"auto\"")]
    Recovery(#[from] horae_recovery::NoVectors),
    /// The validators of the genesis file.
    #[error("the validators of genesis.json are no set: {0}")]
    Validators(#[from] horae_control::set::SetError),
    /// The genesis file and L1.
    #[error(transparent)]
    Genesis(#[from] crate::genesis::GenesisError),
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record of the journal.
    #[error("a record of the journal at {at} is not of this version: {why}")]
    Record {
        /// Where.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// The query side.
    #[error(transparent)]
    Keeper(#[from] chain_view::KeeperError),
    /// What was on disk.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The peer edge.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The Tendermint engine.
    #[error(transparent)]
    Tendermint(#[from] tendermint::StartError),
    /// The council.
    #[error(transparent)]
    Council(#[from] CouncilError),
    /// JSON-RPC.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The framed TCP edge.
    #[error(transparent)]
    Tcp(#[from] tcp_ingest::StartError),
    /// The QUIC edge.
    #[error(transparent)]
    Quic(#[from] quic_ingest::StartError),
    /// The operator's socket.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The metrics edge.
    #[error("cannot serve metrics: {0}")]
    Metrics(String),
    /// The workers' threads.
    #[error(transparent)]
    Crew(#[from] horae_runtime::CrewError),
    /// A worker or edge could not go on.
    #[error("{0}")]
    Stopped(StopReason),
}
