//! The same JSON-RPC load on a node and on anvil: batches of transfers, until all are in blocks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use eyre::{Result, ensure};
use serde_json::json;

use crate::fixtures::{Kind, Senders};
use crate::system::anvil::Anvil;
use crate::system::flood;

/// Accounts that send.
const ACCOUNTS: u64 = 96;
/// Connections: each has whole accounts.
const CONNECTIONS: usize = 8;
/// How long the last transactions may take to be in a block.
const INCLUSION_LIMIT: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Two servers, and accounts with money on both.
pub struct Peers {
    node: SocketAddr,
    anvil: Anvil,
    senders: Senders,
    accounts: Vec<Address>,
    sent: u64,
}

/// What one load came to, transactions a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// The node.
    pub ours: f64,
    /// Anvil.
    pub anvil: f64,
}

impl Peers {
    /// Funds the accounts on the node at this address, with a test key of devnets, and starts anvil.
    ///
    /// # Errors
    /// If either server does not take part.
    pub fn start(node: SocketAddr, chain_id: u64) -> Result<Self> {
        let senders = Senders::new(ACCOUNTS, 77, chain_id);
        let accounts = senders.addresses();
        fund(node, chain_id, &accounts)?;
        Ok(Self { node, anvil: Anvil::start(chain_id, &accounts)?, senders, accounts, sent: 0 })
    }

    /// Sends the same transactions to both, one server after the other.
    ///
    /// # Errors
    /// If a server refuses, or does not include them in time.
    pub fn run(&mut self, turns: u64) -> Result<Rates> {
        let raws = self.senders.sign((turns * ACCOUNTS) as usize, Kind::Transfer);
        let lanes = flood::lanes(raws, CONNECTIONS);
        self.sent += turns;
        let anvil = self.rate(self.anvil.address(), &lanes, turns)?;
        let ours = self.rate(self.node, &lanes, turns)?;
        Ok(Rates { ours, anvil })
    }

    fn rate(&self, server: SocketAddr, lanes: &[flood::Lane], turns: u64) -> Result<f64> {
        let began = Instant::now();
        flood::send(server, lanes)?;
        wait_for(server, &self.accounts, self.sent)?;
        Ok((turns * ACCOUNTS) as f64 / began.elapsed().as_secs_f64())
    }
}

/// Waits until blocks that will not be taken back have this many transactions of each account.
fn wait_for(server: SocketAddr, accounts: &[Address], nonce: u64) -> Result<()> {
    let until = Instant::now() + INCLUSION_LIMIT;
    for account in accounts {
        while count(server, *account)? < nonce {
            ensure!(Instant::now() < until, "{server} has not included all within {} s", INCLUSION_LIMIT.as_secs());
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

fn count(server: SocketAddr, account: Address) -> Result<u64> {
    let count = flood::ask(server, "eth_getTransactionCount", &json!([account, "latest"]))?;
    Ok(horae_tests::rpc::quantity(&count))
}

fn fund(node: SocketAddr, chain_id: u64, accounts: &[Address]) -> Result<()> {
    let key: B256 = horae_tests::wallet::TEST_KEYS[1].parse()?;
    let from = alloy::signers::local::PrivateKeySigner::from_bytes(&key)?.address();
    let nonce = count(node, from)?;
    let raws = crate::fixtures::gifts(&key, nonce, accounts, chain_id);
    flood::send(node, &flood::lanes(raws, 1))?;
    wait_for(node, &[from], nonce + accounts.len() as u64)
}
