//! What a machine is made of, as the kernel's files tell it: its cores, their hyper-threads, its memory nodes.
//!
//! Everything is read and written below a [`Root`]: `/` of a real machine, or any tree that looks like one.

mod cpus;
mod root;
mod topology;

pub use cpus::CpuSet;
pub use root::{Absent, Root};
pub use topology::{Core, Topology, TopologyError};
