//! The generator's own ceiling: the same lanes send the same transactions to a sink in this process that takes everything and does nothing.
//!
//! The sink shares the machine with the lanes, so the figure is a lower bound of what they can do; a result well below it is the chain's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::B256;
use horae_node::edges::{
    intake::{Intake, Reply, ReplyTo},
    quic_ingest::{self, QuicIngest},
    tcp_ingest::{self, Backend, TcpIngest},
};
use jsonrpsee::{
    RpcModule,
    server::{Server, ServerConfig, ServerHandle},
};
use serde::Serialize;
use tokio::time::sleep;

use super::{
    lanes::{self, Door, Run},
    pace::Pace,
    plan::Plan,
    tally::Tally,
};
use crate::{error::CliError, rpc::Rpc};

/// What one measurement may take; what is left then is not sent.
const LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked whether all are there.
const LOOK: Duration = Duration::from_millis(2);
/// Largest request that the JSON-RPC sink takes, in bytes.
const REQUEST_BYTES_MAX: u32 = 64 << 20;
/// What the JSON-RPC sink answers: no hash is looked at.
const NO_HASH: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
/// Address of the sinks: this machine, any free port.
const LOOPBACK: &str = "127.0.0.1:0";

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    /// The way in.
    pub protocol: &'static str,
    /// Taken by the sink.
    pub transactions: u64,
    /// How long that took.
    pub seconds: f64,
    /// The figure.
    pub transactions_per_second: f64,
}

/// A sink; dropping it closes it. What is in the variants only keeps it running.
enum Nothing {
    Rpc { _handle: ServerHandle },
    Quic { _edge: QuicIngest },
    Tcp { _edge: TcpIngest },
}

/// Ways in.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// JSON-RPC over HTTP.
    Rpc,
    /// QUIC.
    Quic,
    /// Framed TCP.
    Tcp,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rpc, Self::Quic, Self::Tcp];

    /// That of a door.
    pub fn of(door: &Door) -> Self {
        match door {
            Door::Rpc(_) => Self::Rpc,
            Door::Quic(_) => Self::Quic,
            Door::Tcp(_) => Self::Tcp,
        }
    }
}

/// Sends the plan to a sink, with `window` under way.
pub async fn measure(way: Way, plan: &Arc<Plan>, window: u64, lane_count: u16) -> Result<Ceiling, CliError> {
    let committed = Arc::new(AtomicU64::new(0));
    let (door, sink) = open(way, committed.clone()).await?;
    let pace = Arc::new(Pace::new(plan.len(), 0, window));
    let run =
        Run { plan: plan.clone(), pace: pace.clone(), tally: Arc::new(Tally::new()?), committed: committed.clone() };
    pace.begin();
    let running = lanes::start(&door, &run, lane_count).await?;
    let count = plan.len() as u64;
    // Those that the sink took and whose answers are here.
    let done = || committed.load(Ordering::Relaxed).min(run.tally.accepted());
    while done() + run.tally.refused() < count && pace.now() < LIMIT {
        sleep(LOOK).await;
    }
    let (transactions, seconds) = (done(), pace.now().as_secs_f64());
    drop(running);
    drop(sink);
    let transactions_per_second = transactions as f64 / seconds;
    Ok(Ceiling { protocol: door.protocol(), transactions, seconds, transactions_per_second })
}

async fn open(way: Way, taken: Arc<AtomicU64>) -> Result<(Door, Nothing), CliError> {
    let fail = |why: &dyn std::fmt::Display| CliError::because("the sink for the ceiling", why);
    match way {
        Way::Rpc => {
            let mut module = RpcModule::new(taken);
            module
                .register_method("eth_sendRawTransaction", |_, taken, _| {
                    taken.fetch_add(1, Ordering::Relaxed);
                    NO_HASH
                })
                .map_err(|e| fail(&e))?;
            let config = ServerConfig::builder().max_request_body_size(REQUEST_BYTES_MAX).http_only().build();
            let server = Server::builder().set_config(config).build(LOOPBACK).await.map_err(|e| fail(&e))?;
            let address = server.local_addr().map_err(|e| fail(&e))?;
            let sink = Nothing::Rpc { _handle: server.start(module) };
            Ok((Door::Rpc(Rpc::new(&format!("http://{address}"))?), sink))
        }
        Way::Quic => {
            let listen = LOOPBACK.parse().map_err(|e| fail(&e))?;
            let edge = QuicIngest::start(listen, quic_ingest::Limits::default(), Taker(taken)).map_err(|e| fail(&e))?;
            Ok((Door::Quic(edge.local_addr()), Nothing::Quic { _edge: edge }))
        }
        Way::Tcp => {
            let config = tcp_ingest::Config {
                listen: LOOPBACK.parse().map_err(|e| fail(&e))?,
                backend: Backend::Auto,
                limits: tcp_ingest::Limits::default(),
                core: None,
            };
            let edge = TcpIngest::start(config, Taker(taken)).map_err(|e| fail(&e))?;
            Ok((Door::Tcp(edge.local_addr()), Nothing::Tcp { _edge: edge }))
        }
    }
}

/// Takes everything.
#[derive(Clone)]
struct Taker(Arc<AtomicU64>);

impl Intake for Taker {
    fn offer(&self, _bytes: &[u8], reply: ReplyTo) {
        self.0.fetch_add(1, Ordering::Relaxed);
        reply.send(Reply::Accepted(B256::ZERO));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::load::plan::tests::plan;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_way_in_takes_all_through_its_lanes() {
        // Fails only if there is a provider already, which is then as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plan = Arc::new(plan(500, "transfers=1", None));
        for way in Way::ALL {
            let ceiling = measure(way, &plan, 100, 2).await.unwrap();
            assert_eq!(ceiling.transactions, 500, "{ceiling:?}");
            assert!(ceiling.transactions_per_second > 0.0);
        }
    }
}
