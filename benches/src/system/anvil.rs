//! Foundry's anvil as a peer: the real binary, with its gates open.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail};
use horae_tests::Child;
use horae_tests::node::loopback;
use serde_json::json;
use tempfile::TempDir;

use super::flood;

/// What it may take to answer.
const UP_LIMIT: Duration = Duration::from_secs(20);
/// How often that is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A running anvil.
pub struct Anvil {
    _process: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Anvil {
    /// Starts one for a chain id, in which these accounts have a thousand ether each. Blocks come once a second and hold whatever came: anvil
    /// is faster so than with a block for every transaction.
    ///
    /// # Errors
    /// If it does not answer in time.
    pub fn start(chain_id: u64, funded: &[Address]) -> Result<Self> {
        let dir = TempDir::new().wrap_err("a directory for anvil")?;
        let port =
            TcpListener::bind(loopback(0)).and_then(|free| free.local_addr()).wrap_err("a port for anvil")?.port();
        let (port_text, chain_id) = (port.to_string(), chain_id.to_string());
        let arguments = [
            "--port",
            &port_text,
            "--chain-id",
            &chain_id,
            "--block-time",
            "1",
            "--gas-limit",
            "30000000000",
            "--block-base-fee-per-gas",
            "1",
            "--order",
            "fifo",
            "--silent",
        ];
        let process =
            Child::start(&horae_tests::programs::foundry("anvil"), &arguments, &[], &dir.path().join("anvil.log"));
        let anvil = Self { _process: process, address: loopback(port), _dir: dir };
        let began = Instant::now();
        while flood::ask(anvil.address, "eth_chainId", &json!([])).is_err() {
            if began.elapsed() > UP_LIMIT {
                bail!("anvil does not answer at {} after {} s", anvil.address, UP_LIMIT.as_secs());
            }
            std::thread::sleep(LOOK);
        }
        for account in funded {
            flood::ask(anvil.address, "anvil_setBalance", &json!([account, "0x3635c9adc5dea00000"]))?;
        }
        Ok(anvil)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
