//! The edges alone: what taking a transaction in costs the thread that does it, with nothing behind the edge but a thank-you.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use alloy_primitives::B256;
use eyre::{Result, WrapErr, eyre};
use futures_util::future::BoxFuture;
use horae_control::{ControlState, Decision};
use horae_node::chain_view::{self, ChainFeed, KeeperHandle, KeeperOptions};
use horae_node::edges::intake::{Intake, Reply, ReplyTo};
use horae_node::edges::quic_client::{QuicClient, Trust};
use horae_node::edges::quic_ingest::{self, QuicIngest};
use horae_node::edges::rpc::{self, Admissions, RpcOptions, RpcServer, TransactionIntake};
use horae_node::edges::store::{Store, StoreOptions};
use horae_node::edges::tcp_client;
use horae_node::edges::tcp_ingest::{Backend, Config, Limits, TcpIngest};
use horae_node::feed::Decisions;
use horae_tests::node::loopback;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::Scene;
use crate::args::Options;
use crate::cpu;
use crate::fixtures::{self, Kind, Senders};
use crate::sheet::{Figure, Sheet};
use crate::system::flood;

/// Transactions of a round over framed TCP and QUIC.
const TRANSACTIONS: usize = 200_000;
/// Transactions of a round over JSON-RPC.
const RPC_TRANSACTIONS: usize = 40_000;
/// Different transactions that are sent again and again: nobody looks at them.
const DIFFERENT: usize = 400;
/// Connections of the JSON-RPC client.
const CONNECTIONS: usize = 2;

/// Opens all edges over an intake that takes everything.
///
/// # Errors
/// What could not be opened.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let raws = Senders::new(16, 6, fixtures::CHAIN_ID).sign(DIFFERENT, Kind::Transfer);
    let runtime = |name: &str| {
        Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().wrap_err("a runtime")
    };
    let (quic_edge, rpc_edge, client) = (runtime("quic-edge")?, runtime("rpc-edge")?, runtime("quic-client")?);
    let entered = quic_edge.enter();
    let quic = QuicIngest::start(loopback(0), quic_ingest::Limits::default(), Thanks).wrap_err("QUIC")?;
    drop(entered);
    let rpc = RpcEdge::start(&rpc_edge)?;
    Ok(Box::new(Edges { raws, quic, rpc, _quic_edge: quic_edge, _rpc_edge: rpc_edge, client }))
}

struct Edges {
    raws: Vec<Vec<u8>>,
    quic: QuicIngest,
    rpc: RpcEdge,
    _quic_edge: Runtime,
    _rpc_edge: Runtime,
    client: Runtime,
}

impl Scene for Edges {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let uring = self.tcp(Backend::IoUring);
        let epoll = self.tcp(Backend::Epoll)?;
        let note = "CPU of the edge's thread, answers included; a client with nothing else to do sends";
        match uring {
            Ok(uring) => {
                sheet.add(Figure::cost("wire/tcp", "ns/tx").beside("the same on epoll").note(note), uring, Some(epoll))
            }
            Err(why) => sheet.miss("wire/tcp", format!("{why:#}")),
        }
        sheet.add(Figure::cost("wire/tcp/epoll", "ns/tx").note(note), epoll, None);
        let quic = self.quic()?;
        sheet.add(Figure::cost("wire/quic", "ns/tx").beside("framed TCP on epoll").note(note), quic, Some(epoll));
        let rpc = self.rpc()?;
        let note = "CPU of the JSON-RPC server's threads; batches of 100";
        sheet.add(Figure::cost("wire/rpc", "ns/tx").beside("framed TCP on epoll").note(note), rpc, Some(epoll));
        Ok(())
    }
}

impl Edges {
    fn tcp(&self, backend: Backend) -> Result<f64> {
        let config = Config { listen: loopback(0), backend, limits: Limits::default(), core: None };
        let edge = TcpIngest::start(config, Thanks).wrap_err_with(|| format!("framed TCP on {backend:?}"))?;
        of_threads("tcp-ingest", TRANSACTIONS, || send_tcp(edge.local_addr(), &self.raws))
    }

    fn quic(&self) -> Result<f64> {
        let address = self.quic.local_addr();
        of_threads("quic-edge", TRANSACTIONS, || {
            self.client.block_on(async {
                let client = QuicClient::connect(address, Trust::AnyNode).await?;
                let (mut sender, mut receiver) = client.open().await?;
                let sending = async {
                    for raw in self.raws.iter().cycle().take(TRANSACTIONS) {
                        sender.send(raw).await?;
                    }
                    sender.finish().await
                };
                let answers = async {
                    let mut answered = 0;
                    while answered < TRANSACTIONS && receiver.receive().await?.is_some() {
                        answered += 1;
                    }
                    Ok(answered)
                };
                let ((), answered) = tokio::try_join!(sending, answers)?;
                all(answered)
            })
        })
    }

    fn rpc(&self) -> Result<f64> {
        let raws = self.raws.iter().cycle().take(RPC_TRANSACTIONS).cloned().collect();
        let lanes = flood::lanes(raws, CONNECTIONS);
        of_threads("rpc-edge", RPC_TRANSACTIONS, || flood::send(self.rpc.server.address(), &lanes).map(drop))
    }
}

fn send_tcp(address: SocketAddr, raws: &[Vec<u8>]) -> Result<()> {
    let (mut sender, mut receiver) = tcp_client::connect(address).wrap_err("connecting")?;
    thread::scope(|scope| {
        let answers = scope.spawn(move || -> Result<usize> {
            let mut answered = 0;
            while answered < TRANSACTIONS && receiver.receive()?.is_some() {
                answered += 1;
            }
            Ok(answered)
        });
        for raw in raws.iter().cycle().take(TRANSACTIONS) {
            sender.send(raw)?;
        }
        sender.flush()?;
        all(answers.join().map_err(|_| eyre!("the receiver panicked"))??)
    })
}

fn all(answered: usize) -> Result<()> {
    eyre::ensure!(answered == TRANSACTIONS, "the edge answered {answered} of {TRANSACTIONS}");
    Ok(())
}

/// CPU time a transaction of this process's threads of that name.
fn of_threads(name: &str, count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = cpu::threads_of(std::process::id());
    work()?;
    let spent = cpu::since(&before, &cpu::threads_of(std::process::id()));
    let ns = spent.get(name).ok_or_else(|| eyre!("no thread is called {name}"))?;
    Ok(ns / count as f64)
}

/// Takes everything at once.
#[derive(Clone)]
struct Thanks;

impl Intake for Thanks {
    fn offer(&self, bytes: &[u8], reply: ReplyTo) {
        std::hint::black_box(bytes);
        reply.send(Reply::Accepted(B256::ZERO));
    }
}

impl TransactionIntake for Thanks {
    fn submit(&self, raws: &[&[u8]]) -> Admissions {
        std::hint::black_box(raws);
        let (admissions, seats) = Admissions::new(raws.len());
        seats.for_each(|seat| seat.answer(Ok(B256::ZERO)));
        admissions
    }
}

/// A chain of one block has no decisions, and the bench asks for none.
struct NoDecisions;

impl Decisions for NoDecisions {
    fn read(&self, _: u64, _: u64) -> BoxFuture<'_, std::io::Result<(u64, Vec<Decision>)>> {
        Box::pin(async { Ok((0, Vec::new())) })
    }

    fn state(&self) -> Arc<ControlState> {
        unreachable!("only feeds ask for the control state, and nobody opens one")
    }
}

/// A JSON-RPC server over a chain of one block.
struct RpcEdge {
    server: RpcServer,
    _feed: ChainFeed,
    _keeper: KeeperHandle,
    _dir: TempDir,
}

impl RpcEdge {
    fn start(runtime: &Runtime) -> Result<Self> {
        let dir = TempDir::new().wrap_err("a directory for the store")?;
        let genesis = fixtures::genesis([]);
        let options = StoreOptions { cache_bytes: 4 << 20 };
        let store = Store::open(&dir.path().join("store.redb"), &genesis, options).wrap_err("a store")?;
        let (view, feed, keeper) =
            chain_view::start(store, KeeperOptions::new(genesis.params.clone())).wrap_err("a view of the chain")?;
        let options = RpcOptions { listen: loopback(0), params: genesis.params, min_priority_fee: 0 };
        let server = runtime.block_on(rpc::serve(view, Arc::new(Thanks), Arc::new(NoDecisions), options));
        Ok(Self { server: server.wrap_err("JSON-RPC")?, _feed: feed, _keeper: keeper, _dir: dir })
    }
}
