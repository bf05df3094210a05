//! The L1 of a devnet: Foundry's anvil, found, started and stopped so that it keeps its state.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    ground::{Ground, loopback},
    process::Process,
};
use crate::{
    error::CliError,
    rpc::{Rpc, value},
};

/// EIP-155 chain id of the L1.
pub const L1_CHAIN_ID: u64 = 31_337;
/// Names anvil's binary where it is nowhere else.
const VARIABLE: &str = "HORAE_ANVIL";
/// What anvil may take to answer.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often it is asked meanwhile.
const POLL: Duration = Duration::from_millis(50);
/// How often it writes its state, in seconds, lest a crash of the devnet lose more.
const STATE_INTERVAL_S: &str = "10";
/// Gas limit of an L1 block.
const GAS_LIMIT: &str = "100000000";

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    process: Process,
    url: String,
}

impl Anvil {
    /// Starts it on the state it left, or a new one. Blocks come each second and with each transaction; a block is final two blocks later.
    pub async fn start(ground: &Ground) -> Result<Self, CliError> {
        let program = find()?;
        let (port, state) = (ground.l1_port().to_string(), ground.l1_state());
        let chain_id = L1_CHAIN_ID.to_string();
        let mut arguments: Vec<&OsStr> = [
            "--host",
            "127.0.0.1",
            "--chain-id",
            &chain_id,
            "--slots-in-an-epoch",
            "1",
            "--block-time",
            "1",
            "--mixed-mining",
            "--gas-limit",
            GAS_LIMIT,
            "--state-interval",
            STATE_INTERVAL_S,
            "--quiet",
            "--port",
            &port,
            "--state",
        ]
        .into_iter()
        .map(OsStr::new)
        .collect();
        arguments.push(state.as_os_str());
        let log = ground.logs().join("anvil.log");
        let mut process = Process::start("anvil", &program, &arguments, &log)?;
        let url = format!("http://{}", loopback(ground.l1_port()));
        let rpc = Rpc::new(&url)?;
        let until = Instant::now() + START_LIMIT;
        while rpc.try_ask::<String, 0>("eth_chainId", []).await.is_err() {
            if let Some(obituary) = process.obituary() {
                return Err(CliError::new(obituary));
            }
            if Instant::now() >= until {
                return Err(CliError::new(format!("anvil does not answer at {url}; see {}", log.display())));
            }
            sleep(POLL).await;
        }
        Ok(Self { process, url })
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Seals a block with what waits in its pool.
    pub async fn mine(&self) -> Result<(), CliError> {
        Rpc::new(&self.url)?.ask::<String, 0>("evm_mine", []).await.map(drop)
    }

    /// Stops it; it writes its state first.
    pub async fn stop(mut self, limit: Duration) {
        self.process.ask_to_stop();
        self.process.wait(limit).await;
    }
}

/// Ether of an account, in wei, set from nothing: anvil's privilege.
pub async fn give_ether(url: &str, account: alloy_primitives::Address, wei: u128) -> Result<(), CliError> {
    let amount = value(format!("{wei:#x}"));
    Rpc::new(url)?.ask::<serde_json::Value, 2>("anvil_setBalance", [value(account), amount]).await.map(drop)
}

fn find() -> Result<PathBuf, CliError> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    if let Some(path) = &named
        && !path.is_file()
    {
        return Err(CliError::new(format!("{VARIABLE} names {}, which is no file", path.display())));
    }
    let own = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let above = own.iter().chain(here.iter()).flat_map(|path| path.ancestors()).map(Path::to_owned).collect::<Vec<_>>();
    let path = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| above.iter().find_map(|root| in_tree(root))).or_else(|| in_path(&path)).ok_or_else(|| {
        CliError::new(format!(
            "anvil, which plays the L1, is missing: run `make tools` (or `npm install --no-save` in contracts/), put it on PATH, or name it by {VARIABLE}"
        ))
    })
}

/// The binary that npm has installed in a checkout: the platform's own rather than its wrapper in JavaScript.
fn in_tree(root: &Path) -> Option<PathBuf> {
    let modules = root.join("contracts/node_modules");
    let packages = fs::read_dir(modules.join("@foundry-rs")).ok()?.filter_map(Result::ok);
    let native = packages
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|entry| entry.path().join("bin/anvil"))
        .find(|path| path.is_file());
    native.or_else(|| Some(modules.join(".bin/anvil")).filter(|path| path.is_file()))
}

fn in_path(path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join("anvil")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn anvil_is_found_in_a_checkout_and_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(in_tree(dir.path()), None);
        assert_eq!(in_path(&dir.path().as_os_str().to_owned()), None);
        let bin = dir.path().join("contracts/node_modules/.bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("anvil"), "").unwrap();
        assert_eq!(in_tree(dir.path()), None, "a tree without @foundry-rs was not installed by npm ci");
        let native = dir.path().join("contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin");
        fs::create_dir_all(&native).unwrap();
        assert_eq!(in_tree(dir.path()), Some(bin.join("anvil")));
        fs::write(native.join("anvil"), "").unwrap();
        assert_eq!(in_tree(dir.path()), Some(native.join("anvil")));
        assert_eq!(in_path(&native.clone().into_os_string()), Some(native.join("anvil")));
    }
}
