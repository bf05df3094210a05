//! A devnet of real processes for a scene, and one node of it as it is observed.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use eyre::{Result, WrapErr, bail, ensure, eyre};
use horae_tests::node::loopback;
use horae_tests::{Devnet, Node};

use super::load::{Door, Load};

/// What the last transactions of a load may take to leave the node's workers.
const SETTLE: Duration = Duration::from_millis(500);

/// What a node may take to answer after it is started anew.
const UP_LIMIT: Duration = Duration::from_secs(30);

/// A running devnet.
pub struct Net {
    devnet: Devnet,
}

impl Net {
    /// Starts one with so many validators, who stay in office.
    ///
    /// # Errors
    /// What `horae devnet` said, if it does not come up.
    pub fn start(nodes: u8) -> Result<Self> {
        Self::start_with(nodes, &[])
    }

    /// The same with options of `horae devnet`.
    ///
    /// # Errors
    /// As above.
    pub fn start_with(nodes: u8, options: &[&str]) -> Result<Self> {
        let nodes = nodes.to_string();
        let start =
            || Devnet::start(&[&["--nodes", &nodes, "--epoch-slots", "0", "--deployer-owns"], options].concat());
        match catch_unwind(AssertUnwindSafe(start)) {
            Ok(devnet) => Ok(Self { devnet }),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
                Err(eyre!("a devnet of {nodes} did not come up: {said}"))
            }
        }
    }

    /// Writes these words into the configuration of every node, each in the place of what stands there, and starts them anew.
    ///
    /// # Errors
    /// If a file cannot be read or written, or has not what is to be replaced.
    pub fn configure(&mut self, changes: &[(&str, &str)]) -> Result<()> {
        for node in &mut self.devnet.nodes {
            let file = node.home.join("node.toml");
            let mut text = fs::read_to_string(&file).wrap_err_with(|| file.display().to_string())?;
            for (from, to) in changes {
                ensure!(text.contains(from), "{} has no {from}", file.display());
                text = text.replacen(from, to, 1);
            }
            node.stop();
            fs::write(&file, text).wrap_err_with(|| file.display().to_string())?;
        }
        self.devnet.nodes.iter_mut().for_each(|node| node.start_and_wait(UP_LIMIT));
        Ok(())
    }

    /// Moves these of every node's home into `folder`, with links where they were, and starts the nodes anew.
    ///
    /// # Errors
    /// If a file cannot be moved.
    pub fn relocate(&mut self, names: &[&str], folder: &Path) -> Result<()> {
        for node in &mut self.devnet.nodes {
            node.stop();
            for name in names {
                let (from, to) = (node.home.join(name), folder.join(format!("{}-{name}", node.index)));
                carry(&from, &to).and_then(|()| symlink(&to, &from)).wrap_err_with(|| from.display().to_string())?;
            }
        }
        self.devnet.nodes.iter_mut().for_each(|node| node.start_and_wait(UP_LIMIT));
        Ok(())
    }

    /// A folder for what a scene keeps; gone with the devnet.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.devnet.scratch()
    }

    /// A node.
    #[must_use]
    pub fn node(&self, index: usize) -> &Node {
        &self.devnet.nodes[index]
    }

    /// All of them.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.devnet.nodes
    }

    /// EIP-155 chain id of the L2.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.devnet.chain_id()
    }

    /// A load on the first node.
    #[must_use]
    pub fn load(&self, door: &str, accounts: u32, transactions: u64, rate: u32) -> Load {
        let ports = self.node(0).ports;
        let door = match door {
            "tcp" => Door::Tcp(loopback(ports.tcp)),
            "quic" => Door::Quic(loopback(ports.quic)),
            _ => Door::Rpc,
        };
        Load {
            rpc: format!("http://{}", loopback(ports.rpc)),
            door,
            accounts,
            transactions,
            rate,
            ceiling: false,
            saved: None,
        }
    }

    /// Waits until the nodes' workers have gone idle.
    pub fn settle(&self) {
        std::thread::sleep(SETTLE);
    }

    /// That all nodes still run.
    ///
    /// # Errors
    /// If one has ended.
    pub fn expect_alive(&self) -> Result<()> {
        match self.nodes().iter().find(|node| node.try_status().is_none()) {
            Some(node) => bail!("node {} does not answer any more: {}", node.index, node.tail()),
            None => Ok(()),
        }
    }
}

/// Moves a file, or a folder of files, onto another file system.
fn carry(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        fs::copy(from, to)?;
        return fs::remove_file(from);
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    fs::remove_dir_all(from)
}
