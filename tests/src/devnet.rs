//! A devnet of real processes: `horae devnet` starts it; tests kill and restart its nodes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use alloy_primitives::Address;
use horae_node::{config::Settings, genesis::GenesisFile};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    child::Child,
    node::{Node, Ports, Status, loopback},
    programs::{foundry, horae},
    relay::{Conditions, Links},
    rpc::Rpc,
    stake::signer_of,
    wait::{step, wait_for},
    wallet::{TEST_KEYS, Wallet, send_raw},
};

/// What the start may take: contracts, key generation, the first slot.
const UP_LIMIT: Duration = Duration::from_secs(120);

/// What a node may take to answer once its links go through relays.
const RELAYED_LIMIT: Duration = Duration::from_secs(30);

/// A running devnet. Dropping it stops everything.
#[derive(Debug)]
pub struct Devnet {
    // Before the others, so that its nodes are gone when their homes are removed.
    process: Child,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Signers of the nodes, in order.
    owns: Vec<Address>,
    links: Option<Links>,
    l1_port: u16,
    wallet: Wallet,
    dir: TempDir,
}

#[derive(Deserialize)]
struct Mark {
    l1_port: u16,
    nodes: Vec<Ports>,
}

impl Devnet {
    /// Starts one in a directory of its own and waits until its first slot is open.
    ///
    /// # Panics
    /// With what it said, if it does not come up.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("horae-devnet-").tempdir().expect("a directory");
        let (process, mark) = up(dir.path(), options);
        let nodes = nodes_of(dir.path(), &mark);
        let owns = nodes.iter().map(signer_of).collect();
        let wallet = Wallet::new(TEST_KEYS[2]);
        Self { process, nodes, owns, links: None, l1_port: mark.l1_port, wallet, dir }
    }

    /// Has every node reach every other one through a relay of its own. All of them are started anew for it.
    ///
    /// # Panics
    /// If the relays or the nodes do not come up.
    pub fn relay(&mut self, conditions: Conditions, seed: u64) {
        self.nodes.iter_mut().for_each(Node::stop);
        let ports: Vec<Ports> = self.nodes.iter().map(|node| node.ports).collect();
        let links = Links::start(&ports, conditions, seed).expect("ports for the relays");
        for node in &self.nodes {
            let file = node.home.join("node.toml");
            let mut settings = Settings::load(&file).expect("the settings of a devnet's node");
            for peer in &mut settings.peers {
                let to =
                    ports.iter().position(|ports| loopback(ports.stream) == peer.stream).expect("a node of the devnet");
                let door = links.door(node.index, to);
                (peer.control, peer.stream) = (door.control, door.stream);
            }
            settings.save(&file).expect("the settings are written");
        }
        self.links = Some(links);
        self.nodes.iter_mut().for_each(Node::start);
        for at in 0..self.nodes.len() {
            self.nodes[at].wait_until_it_answers(RELAYED_LIMIT);
        }
    }

    /// The relays between the nodes, if there are any.
    #[must_use]
    pub fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// The signer of a node.
    #[must_use]
    pub fn own(&self, node: usize) -> Address {
        self.owns[node]
    }

    /// The node that holds the slot, by this status; `None` if it is none of the devnet's.
    #[must_use]
    pub fn holder(&self, status: &Status) -> Option<usize> {
        self.owns.iter().position(|own| *own == status.sequencer)
    }

    /// Ctrl-C, and waits for its end.
    ///
    /// # Panics
    /// If it takes longer than `limit`.
    pub fn interrupt(&mut self, limit: Duration) -> ExitStatus {
        self.process.signal(Signal::SIGINT);
        self.process.wait(limit)
    }

    /// Starts it on the same home, after it has ended.
    ///
    /// # Panics
    /// As [`Devnet::start`].
    pub fn start_again(&mut self, options: &[&str]) {
        let (process, mark) = up(self.dir.path(), options);
        self.nodes = nodes_of(self.dir.path(), &mark);
        (self.process, self.l1_port) = (process, mark.l1_port);
    }

    /// A directory for a test's own files, removed in the end.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// The home of the devnet.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("net")
    }

    /// The file of the chain's genesis, for a command line.
    #[must_use]
    pub fn genesis_file(&self) -> String {
        self.nodes[0].home.join("genesis.json").display().to_string()
    }

    /// The chain's genesis.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn genesis(&self) -> GenesisFile {
        GenesisFile::load(Path::new(&self.genesis_file())).expect("the genesis of a devnet")
    }

    /// The epoch, as the first node has it; 0 while that does not answer.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        let asked = self.nodes[0].rpc.try_ask("horae_epoch", &serde_json::json!([]));
        asked.ok().and_then(|epoch| epoch["epoch"].as_u64()).unwrap_or_default()
    }

    /// What the devnet has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Where the L1 listens.
    #[must_use]
    pub fn l1_port(&self) -> u16 {
        self.l1_port
    }

    /// The L1's endpoint.
    #[must_use]
    pub fn l1_url(&self) -> String {
        format!("http://{}", loopback(self.l1_port))
    }

    /// The L1's JSON-RPC.
    #[must_use]
    pub fn l1(&self) -> Rpc {
        Rpc::new(&self.l1_url())
    }

    /// The `BatchInbox` there.
    ///
    /// # Panics
    /// If the devnet has not written down its contracts.
    #[must_use]
    pub fn inbox(&self) -> Address {
        let file = fs::read(self.root().join("chain.json")).expect("chain.json");
        let chain: serde_json::Value = serde_json::from_slice(&file).expect("chain.json is JSON");
        serde_json::from_value(chain["inbox"].clone()).expect("chain.json has the inbox")
    }

    /// EIP-155 chain id of the L2, from a node that answers.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        let answer = self.nodes.iter().find_map(|n| n.rpc.try_ask("eth_chainId", &serde_json::json!([])).ok());
        crate::rpc::quantity(&answer.expect("a node answers"))
    }

    /// Status of the first node that answers.
    ///
    /// # Panics
    /// If none does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.nodes.iter().find_map(Node::try_status).unwrap_or_else(|| panic!("no node answers:\n{}", self.logs()))
    }

    /// The node that holds the slot now, as far as `seen_by` knows; `None` while it is none of those that answer.
    #[must_use]
    pub fn sequencer(&self) -> Option<usize> {
        let holder = self.status().sequencer;
        self.nodes.iter().position(|node| node.try_status().is_some_and(|status| status.own == Some(holder)))
    }

    /// Sends a transfer through a node, lest a batch have nothing to post. A refusal is no failure: the transfer before may
    /// still be on its way.
    pub fn trickle(&self, node: usize) {
        let rpc = &self.nodes[node].rpc;
        let count = serde_json::json!([self.wallet.address(), "pending"]);
        if let Ok(nonce) = rpc.try_ask("eth_getTransactionCount", &count) {
            let transfer = self.wallet.transfer(self.chain_id(), crate::rpc::quantity(&nonce));
            let _ = send_raw(rpc, &self.wallet.sign(transfer).1);
        }
    }

    /// Waits until a node has committed `blocks` more than it has now; returns its new head.
    ///
    /// # Panics
    /// With the ends of all logs when `limit` has passed.
    pub fn wait_for_blocks(&self, node: usize, blocks: u64, limit: Duration) -> u64 {
        let goal = self.nodes[node].committed() + blocks;
        self.wait_for_head(node, goal, limit)
    }

    /// Waits until a node's committed head is `goal`, or higher; returns it.
    ///
    /// # Panics
    /// With the ends of all logs when `limit` has passed.
    pub fn wait_for_head(&self, node: usize, goal: u64, limit: Duration) -> u64 {
        self.watch(&format!("block {goal} committed on node {node}"), limit, || {
            self.nodes[node].try_status().map(|s| s.heads.committed).filter(|head| *head >= goal)
        })
    }

    /// Waits for a condition; says the ends of all logs if it does not come.
    ///
    /// # Panics
    /// When `limit` has passed.
    pub fn watch<T>(&self, what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
        let mut look = look;
        let until = std::time::Instant::now() + limit;
        wait_for(what, limit + Duration::from_secs(1), || {
            let found = look();
            assert!(
                found.is_some() || std::time::Instant::now() < until,
                "waited {} s for: {what}\n{}",
                limit.as_secs(),
                self.logs()
            );
            found
        })
    }

    /// Checks that all nodes that answer have the same blocks up to `number`.
    ///
    /// # Panics
    /// If they do not.
    pub fn same_blocks(&self, number: u64) {
        for at in (1..=number).rev().step_by(7) {
            let hashes: Vec<_> = self.nodes.iter().filter_map(|node| node.hash(at)).collect();
            assert!(hashes.len() > 1 && hashes.iter().all(|hash| *hash == hashes[0]), "block {at}: {hashes:?}");
        }
    }

    /// Waits for a certificate or commit of a new block with an ack of the node `validator` in it, as the node `shown_by`
    /// shows it; gives the ack's incarnation.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn wait_for_ack(&self, shown_by: usize, validator: usize, limit: Duration) -> u64 {
        let own = self.own(validator).to_string().to_lowercase();
        let since = self.nodes[shown_by].committed();
        self.watch(&format!("an ack of node {validator}"), limit, || {
            let head = self.nodes[shown_by].committed();
            (since + 1..=head).rev().take(20).find_map(|number| {
                let block = self.nodes[shown_by].block(number).unwrap_or_default();
                let acks = ["certificate", "commit"].map(|kind| block[kind]["acks"].as_array().cloned());
                let acks = acks.into_iter().flatten().flatten();
                let mut own = acks.filter(|ack| ack.to_string().to_lowercase().contains(&own));
                own.find_map(|ack| ack["incarnation"].as_u64())
            })
        })
    }

    /// Status and the end of the log of each node.
    #[must_use]
    pub fn logs(&self) -> String {
        let of = |node: &Node| {
            format!(
                "== node {}, {:?}\n{}\n",
                node.index,
                node.try_status().map(|s| (s.term, s.slot, s.heads)),
                node.tail()
            )
        };
        self.nodes.iter().map(of).collect()
    }
}

/// Starts `horae devnet` in `dir/net` and waits until its first slot is open.
fn up(dir: &Path, options: &[&str]) -> (Child, Mark) {
    let root = dir.join("net");
    let home = root.to_string_lossy().into_owned();
    let arguments: Vec<&str> = ["devnet", "--home", &home].iter().chain(options).copied().collect();
    let anvil = foundry("anvil").to_string_lossy().into_owned();
    let mut process = Child::start(&horae(), &arguments, &[("HORAE_ANVIL", &anvil)], &dir.join("devnet.log"));
    wait_for("the devnet to be up", UP_LIMIT, || {
        if let Some(status) = process.ended() {
            panic!("the devnet ended ({status}):\n{}", process.tail());
        }
        process.said().contains("\nup in ").then_some(())
    });
    let mark = fs::read_to_string(root.join("devnet.toml")).expect("devnet.toml");
    step("the devnet is up");
    (process, toml::from_str(&mark).expect("devnet.toml has the ports"))
}

fn nodes_of(dir: &Path, mark: &Mark) -> Vec<Node> {
    let root = dir.join("net");
    mark.nodes.iter().enumerate().map(|(index, ports)| Node::of_devnet(&root, index, *ports)).collect()
}
