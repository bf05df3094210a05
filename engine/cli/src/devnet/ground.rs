//! The ground a devnet stands on: its directory, which only one devnet uses, and its ports.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    net::{SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    path::{Path, PathBuf},
};

use horae_node::home::{Home, HomeLock};
use serde::{Deserialize, Serialize};

use crate::{args::DevnetOptions, error::CliError};

/// The file that marks a directory as a devnet's, so that `--reset` never removes anything else.
const MARK: &str = "devnet.toml";
/// Ports of one node.
const PORTS: usize = 6;

/// Where free ports are looked for: below those that the system gives to outgoing connections (`ip_local_port_range`), for
/// one of these could take the port of a node that restarts.
const FREE: Range<u16> = 10_240..32_768;
/// Ports tried until enough are free.
const FREE_TRIES: usize = 4_096;

/// Directory and ports.
#[derive(Debug)]
pub struct Ground {
    root: PathBuf,
    validators: usize,
    mark: Mark,
    _lock: HomeLock,
}

/// `devnet.toml`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    l1_port: u16,
    nodes: Vec<NodePorts>,
}

/// Where a node listens, on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePorts {
    /// JSON-RPC.
    pub rpc: u16,
    /// Framed TCP ingest.
    pub tcp: u16,
    /// QUIC ingest (UDP).
    pub quic: u16,
    /// Control-plane peers.
    pub control: u16,
    /// Block streams (UDP).
    pub stream: u16,
    /// Prometheus.
    pub metrics: u16,
}

/// An address on loopback.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Ground {
    /// Takes the directory for this process, empties it if asked to, and chooses ports.
    pub fn take(options: &DevnetOptions) -> Result<Self, CliError> {
        let root = absolute(&options.home)?;
        let mark_file = root.join(MARK);
        if root.exists() && !mark_file.exists() && !is_empty(&root) {
            return Err(CliError::new(format!(
                "{} is not empty and not a devnet's; name another directory with --home",
                root.display()
            )));
        }
        let made = fs::create_dir_all(root.join("logs"));
        made.map_err(|e| CliError::because(root.display(), e))?;
        if !mark_file.exists() {
            fs::write(&mark_file, "").map_err(|e| CliError::because(mark_file.display(), e))?;
        }
        let lock = Home::new(&root).lock_directory()?;
        if options.reset {
            empty(&root)?;
        }
        let kept = read_mark(&mark_file)?;
        let (validators, nodes) = (usize::from(options.nodes), usize::from(options.nodes + options.standby));
        let mark = match (kept, options.base_port) {
            (Some(kept), _) if kept.nodes.len() != nodes => {
                return Err(CliError::new(format!(
                    "the devnet in {} has {} nodes, not {nodes}; give the same --nodes and --standby, or begin anew with --reset",
                    root.display(),
                    kept.nodes.len()
                )));
            }
            (_, Some(base)) => fixed(base, nodes)?,
            (Some(kept), None) if kept.busy().is_none() => kept,
            _ => free(nodes)?,
        };
        if let Some(busy) = mark.busy() {
            return Err(CliError::new(format!("{busy}; end the process that uses it, or choose another --base-port")));
        }
        let text = toml::to_string_pretty(&mark).map_err(|e| CliError::because(mark_file.display(), e))?;
        fs::write(&mark_file, text).map_err(|e| CliError::because(mark_file.display(), e))?;
        Ok(Self { root, validators, mark, _lock: lock })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How many of the nodes are validators from the beginning: the first ones.
    pub fn validators(&self) -> usize {
        self.validators
    }

    /// How many nodes.
    pub fn nodes(&self) -> usize {
        self.mark.nodes.len()
    }

    /// Where the L1 listens.
    pub fn l1_port(&self) -> u16 {
        self.mark.l1_port
    }

    /// Where a node listens.
    pub fn ports(&self, node: usize) -> NodePorts {
        self.mark.nodes[node]
    }

    /// JSON-RPC endpoints of all nodes.
    pub fn rpc_urls(&self) -> Vec<String> {
        self.mark.nodes.iter().map(|ports| format!("http://{}", loopback(ports.rpc))).collect()
    }

    /// The home of a node.
    pub fn node_home(&self, node: usize) -> Home {
        Home::new(self.root.join("nodes").join(node.to_string()))
    }

    /// Logs of all processes.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The L1's state between starts.
    pub fn l1_state(&self) -> PathBuf {
        self.root.join("l1-state.json")
    }

    /// What the devnet remembers of its chain.
    pub fn chain_file(&self) -> PathBuf {
        self.root.join("chain.json")
    }
}

impl Mark {
    /// Which port is not free, if any.
    fn busy(&self) -> Option<String> {
        let busy_tcp = |port: u16| TcpListener::bind(loopback(port)).err().map(|e| format!("TCP port {port}: {e}"));
        let busy_udp = |port: u16| UdpSocket::bind(loopback(port)).err().map(|e| format!("UDP port {port}: {e}"));
        busy_tcp(self.l1_port).or_else(|| {
            self.nodes.iter().find_map(|ports| {
                let tcp = [ports.rpc, ports.tcp, ports.control, ports.metrics].into_iter().find_map(busy_tcp);
                tcp.or_else(|| [ports.quic, ports.stream].into_iter().find_map(busy_udp))
            })
        })
    }
}

fn fixed(base: u16, nodes: usize) -> Result<Mark, CliError> {
    let last = usize::from(base) + nodes * PORTS;
    let all: Vec<u16> = (usize::from(base)..=last).filter_map(|port| u16::try_from(port).ok()).collect();
    if base == 0 || all.len() != nodes * PORTS + 1 {
        return Err(CliError::new(format!(
            "--base-port {base} leaves no room for {} ports; choose 1024 to 60000",
            nodes * PORTS + 1
        )));
    }
    Ok(assign(&all))
}

/// Ports that are free for TCP and UDP now. All are held until the last is found, so that they differ.
fn free(nodes: usize) -> Result<Mark, CliError> {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for attempt in 0..FREE_TRIES {
        if ports.len() == nodes * PORTS + 1 {
            return Ok(assign(&ports));
        }
        // The standard library's only source of chance.
        let chance = RandomState::new().hash_one(attempt) % u64::from(FREE.end - FREE.start);
        let port = FREE.start + u16::try_from(chance).unwrap_or_default();
        if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(loopback(port)), UdpSocket::bind(loopback(port))) {
            ports.push(port);
            held.push((tcp, udp));
        }
    }
    Err(CliError::new(format!("found no free ports from {} to {}; name some with --base-port", FREE.start, FREE.end)))
}

fn assign(ports: &[u16]) -> Mark {
    let node = |p: &[u16]| NodePorts { rpc: p[0], tcp: p[1], quic: p[2], control: p[3], stream: p[4], metrics: p[5] };
    Mark { l1_port: ports[0], nodes: ports[1..].chunks_exact(PORTS).map(node).collect() }
}

fn read_mark(file: &Path) -> Result<Option<Mark>, CliError> {
    let text = fs::read_to_string(file).map_err(|e| CliError::because(file.display(), e))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    toml::from_str(&text)
        .map(Some)
        .map_err(|e| CliError::new(format!("{}: {e}begin anew with --reset", file.display())))
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Removes what a devnet has left, but for the lock that we hold.
fn empty(root: &Path) -> Result<(), CliError> {
    let remove = || -> std::io::Result<()> {
        for name in ["nodes", "logs"] {
            match fs::remove_dir_all(root.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        for name in ["l1-state.json", "chain.json"] {
            match fs::remove_file(root.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::create_dir_all(root.join("logs"))?;
        fs::write(root.join(MARK), "")
    };
    remove().map_err(|e| CliError::because(format!("cannot empty {}", root.display()), e))
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|e| CliError::because(path.display(), e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(home: &Path) -> DevnetOptions {
        DevnetOptions {
            nodes: 4,
            home: home.to_owned(),
            reset: false,
            until_batches: None,
            load: None,
            report: None,
            base_port: None,
            standby: 0,
            epoch_slots: 8,
            block_interval_ms: 20,
            voting_period: 60,
            deployer_owns: false,
        }
    }

    #[test]
    fn a_second_start_has_the_same_ports_and_a_reset_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("devnet");
        let first = Ground::take(&options(&home)).unwrap();
        let mark = first.mark.clone();
        fs::write(first.chain_file(), "{}").unwrap();
        let error = Ground::take(&options(&home)).unwrap_err().to_string();
        assert!(error.contains("in use by process"), "{error}");
        drop(first);
        assert_eq!(Ground::take(&options(&home)).unwrap().mark, mark);
        let reset = DevnetOptions { reset: true, ..options(&home) };
        assert!(!Ground::take(&reset).unwrap().chain_file().exists());
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        let error = Ground::take(&DevnetOptions { reset: true, ..options(dir.path()) }).unwrap_err().to_string();
        assert!(error.contains("not a devnet's"), "{error}");
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_busy_port_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let holder = TcpListener::bind(loopback(0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let taken = DevnetOptions { base_port: Some(port), ..options(&dir.path().join("devnet")) };
        let error = Ground::take(&taken).unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--base-port"), "{error}");
    }

    #[test]
    fn another_number_of_nodes_needs_a_reset() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("devnet");
        drop(Ground::take(&options(&home)).unwrap());
        let error = Ground::take(&DevnetOptions { nodes: 7, ..options(&home) }).unwrap_err().to_string();
        assert!(error.contains("has 4 nodes, not 7") && error.contains("--reset"), "{error}");
    }

    #[test]
    fn fixed_ports_begin_where_they_should() {
        let mark = fixed(20_000, 2).unwrap();
        assert_eq!((mark.l1_port, mark.nodes[0].rpc, mark.nodes[1].metrics), (20_000, 20_001, 20_012));
        assert!(fixed(65_530, 2).is_err());
    }
}
