//! Cores, hyper-threads and memory nodes of a machine.

use std::collections::BTreeMap;

use super::{Absent, CpuSet, Root};

/// Where the kernel tells of processors.
const CPUS: &str = "/sys/devices/system/cpu";
/// Where it tells of memory nodes.
const NODES: &str = "/sys/devices/system/node";

/// The cores that a machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Its cores, by node and then by number.
    pub cores: Vec<Core>,
}

/// One core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The processor that stands for it: the lowest of its hyper-threads.
    pub cpu: usize,
    /// All its hyper-threads that are online, that one among them.
    pub threads: CpuSet,
    /// The memory node that it is nearest to.
    pub node: usize,
}

/// Why the topology is not known.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The kernel's list of processors.
    #[error("{path}: {why}; give the number of cores with --cores")]
    Online {
        /// The file.
        path: String,
        /// Why it is of no use.
        why: String,
    },
}

impl Topology {
    /// What the kernel tells.
    ///
    /// # Errors
    /// [`TopologyError`] if it does not tell which processors are online. Without siblings or nodes, each processor is a core and
    /// all are on node 0: that is what such a kernel knows itself.
    pub fn read(root: &Root) -> Result<Self, TopologyError> {
        let path = format!("{CPUS}/online");
        let failed = |why: String| TopologyError::Online { path: path.clone(), why };
        let text = root.read(&path).map_err(|absent: Absent| failed(absent.to_string()))?;
        let online = CpuSet::parse_list(&text).filter(|set| !set.is_empty());
        let online = online.ok_or_else(|| failed(format!("{text:?} is no list of processors")))?;
        let nodes = nodes(root);
        let mut cores = BTreeMap::new();
        for cpu in online.iter() {
            let threads = siblings(root, cpu).common(&online);
            let first = threads.iter().next().unwrap_or(cpu);
            let node = nodes.get(&first).copied().unwrap_or(0);
            cores.insert((node, first), Core { cpu: first, threads, node });
        }
        Ok(Self { cores: cores.into_values().collect() })
    }

    /// A machine of one node with so many cores, one thread each.
    #[must_use]
    pub fn plain(cores: usize) -> Self {
        let core = |cpu| Core { cpu, threads: CpuSet::from_iter([cpu]), node: 0 };
        Self { cores: (0..cores).map(core).collect() }
    }

    /// Every processor.
    #[must_use]
    pub fn cpus(&self) -> CpuSet {
        self.cores.iter().flat_map(|core| core.threads.iter()).collect()
    }

    /// The core that a processor belongs to.
    #[must_use]
    pub fn core_of(&self, cpu: usize) -> Option<&Core> {
        self.cores.iter().find(|core| core.threads.contains(cpu))
    }

    /// How many memory nodes have cores.
    #[must_use]
    pub fn nodes(&self) -> usize {
        let mut nodes: Vec<_> = self.cores.iter().map(|core| core.node).collect();
        nodes.dedup();
        nodes.len()
    }
}

fn siblings(root: &Root, cpu: usize) -> CpuSet {
    let list = root.read(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list"));
    let set = list.ok().and_then(|text| CpuSet::parse_list(&text));
    set.filter(|set| set.contains(cpu)).unwrap_or_else(|| CpuSet::from_iter([cpu]))
}

fn nodes(root: &Root) -> BTreeMap<usize, usize> {
    let mut of = BTreeMap::new();
    for name in root.names(NODES) {
        let Some(node) = name.strip_prefix("node").and_then(|number| number.parse().ok()) else { continue };
        let cpus = root.read(&format!("{NODES}/{name}/cpulist")).ok().and_then(|text| CpuSet::parse_list(&text));
        of.extend(cpus.unwrap_or_default().iter().map(|cpu| (cpu, node)));
    }
    of
}
