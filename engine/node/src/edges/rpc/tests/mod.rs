//! Tests of JSON-RPC with real clients over real sockets, on a chain that the real stages execute.
#![allow(clippy::unwrap_used)]

mod answers;
mod feeds;
mod hot;
mod junk;
mod protocol;
mod sending;
mod subscriptions;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use alloy::network::EthereumWallet;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy_primitives::{Address, B256, Bytes, bytes, keccak256};
use futures_util::future::BoxFuture;
use horae_control::{ControlState, Decision};
use horae_stages::{ExecutedBlock, Shed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::chain_view::testing::{TestNode, commit_of, signer};
use crate::chain_view::{ChainEvent, ChainFeed};
use crate::pipeline::Standing;

const TO: Address = Address::repeat_byte(0x77);

/// Stores its one word argument in slot 0 and logs it under topic 42; without an argument returns slot 0.
const STORE_AND_LOG: Bytes =
    bytes!("602580600b6000396000f3 3615601957 600035600055 600035600052 602a60206000a1 00 5b 600054600052 60206000f3");

type Job = Box<dyn FnOnce(&mut TestNode) + Send>;

/// Seals a block for every transaction it is handed, at once; commits it when told to.
struct SealAtOnce {
    /// To the thread that owns the node, since an executor stays on its thread.
    node: Sender<Job>,
    feed: ChainFeed,
    seen: Mutex<HashSet<B256>>,
    standings: Mutex<HashMap<B256, (Standing, Bytes)>>,
    commit: bool,
}

impl SealAtOnce {
    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut TestNode) -> T + Send + 'static) -> T {
        let (done, result) = channel();
        let job: Job = Box::new(move |node| done.send(work(node)).unwrap());
        self.node.send(job).unwrap();
        result.recv().unwrap()
    }

    fn seal(&self, raw: &[u8]) -> Outcome {
        let (hash, raw) = (keccak256(raw), Bytes::copy_from_slice(raw));
        if !self.seen.lock().unwrap().insert(hash) {
            return Err(Shed::AlreadyKnown);
        }
        let commit = self.commit;
        self.with(move |node| {
            let block = node.chain.seal(vec![raw])?;
            node.feed.send(ChainEvent::Executed { block: block.clone(), signature: None }).unwrap();
            if commit {
                node.commit(&block);
            }
            Ok(hash)
        })
    }
}

impl TransactionIntake for SealAtOnce {
    fn submit(&self, raws: &[&[u8]]) -> Admissions {
        let (admissions, seats) = Admissions::new(raws.len());
        raws.iter().zip(seats).for_each(|(raw, seat)| seat.answer(self.seal(raw)));
        admissions
    }

    fn next_nonce(&self, sender: Address) -> Option<u64> {
        (sender == signer(9).address()).then_some(33)
    }

    fn standing(&self, hash: &B256) -> Option<Standing> {
        self.standings.lock().unwrap().get(hash).map(|(standing, _)| standing.clone())
    }

    fn raw(&self, hash: &B256) -> Option<Bytes> {
        let standings = self.standings.lock().unwrap();
        standings.get(hash).filter(|(standing, _)| *standing == Standing::Waiting).map(|(_, raw)| raw.clone())
    }
}

/// A control plane that has decided nothing yet and keeps nothing below [`LOWEST_DECISION`].
struct Decided(Arc<ControlState>);

/// Lowest decision that [`Decided`] says it keeps.
const LOWEST_DECISION: u64 = 1;

impl Decisions for Decided {
    fn read(&self, _: u64, _: u64) -> BoxFuture<'_, std::io::Result<(u64, Vec<Decision>)>> {
        Box::pin(std::future::ready(Ok((LOWEST_DECISION, Vec::new()))))
    }

    fn state(&self) -> Arc<ControlState> {
        self.0.clone()
    }
}

fn genesis_state() -> Arc<ControlState> {
    Arc::new(ControlState::genesis(&crate::feed::testing::genesis()).unwrap())
}

struct Setup {
    _home: TempDir,
    intake: Arc<SealAtOnce>,
    server: RpcServer,
    view: ChainView,
}

impl Setup {
    async fn start(commit: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state.redb");
        let (node, jobs) = channel::<Job>();
        let (started, parts) = channel();
        std::thread::spawn(move || {
            let mut node = TestNode::start(&path, |_| {});
            started.send((node.view.clone(), node.feed.clone(), node.chain.params.clone())).unwrap();
            jobs.into_iter().for_each(|job| job(&mut node));
        });
        let (view, feed, params) = parts.recv().unwrap();
        let intake = Arc::new(SealAtOnce { node, feed, seen: Mutex::default(), standings: Mutex::default(), commit });
        let options = RpcOptions { listen: "127.0.0.1:0".parse().unwrap(), params, min_priority_fee: 1 };
        let server = serve(view.clone(), intake.clone(), Arc::new(Decided(genesis_state())), options).await.unwrap();
        Self { _home: home, intake, server, view }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn alloy(&self, seed: u8) -> DynProvider {
        let url = format!("http://{}", self.address()).parse().unwrap();
        ProviderBuilder::new().wallet(EthereumWallet::from(signer(seed))).connect_http(url).erased()
    }

    /// A block sealed outside the intake.
    fn seal(&self, transactions: Vec<Bytes>) -> Arc<ExecutedBlock> {
        self.intake.with(move |node| node.seal(transactions))
    }

    fn commit(&self, block: &ExecutedBlock) {
        let commit = ChainEvent::Committed(commit_of(block));
        self.intake.feed.send(commit).unwrap();
    }

    /// Waits until the view shows what is asked for, woken by its changes.
    async fn until(&self, shows: impl Fn(&crate::chain_view::Heads) -> bool) {
        let mut changes = self.view.subscribe();
        while !shows(self.view.snapshot().heads()) {
            changes.recv().await.unwrap();
        }
    }

    /// Posts a body as it is and returns the HTTP status and the JSON in the answer, if any.
    async fn post(&self, body: &[u8]) -> (u16, Value) {
        let mut stream = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer and close before it has read all of a body that is too long.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(body.to_string().as_bytes()).await.1
    }

    async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.ask(method, params).await;
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} gave {answer}"));
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }
}
