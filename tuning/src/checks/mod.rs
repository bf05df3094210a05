//! What a machine is asked before it carries a profile: each check says what it found, what it wants, why, and what would put it
//! right. Nothing is written here.
//!
//! The shape is that of Firedancer's `fdctl configure` (init, check, fini): a check that is run at every start is worth more than a
//! page that nobody reads.

mod cores;
mod finding;
mod interrupts;
mod limits;
mod memory;
mod network;
mod power;
#[cfg(test)]
mod tests;

pub use finding::{Change, Finding, Form, Remedy, State};

use crate::machine::{CpuSet, Root, Topology};
use crate::profile::Profile;

/// What the checks look at.
pub(crate) struct Look<'a> {
    root: &'a Root,
    profile: &'a Profile,
    /// Unknown if the kernel does not tell.
    topology: Option<Topology>,
    /// Cores of threads that spin.
    spinning: CpuSet,
}

/// Asks everything, the check whose neglect costs most first.
#[must_use]
pub fn check(root: &Root, profile: &Profile) -> Vec<Finding> {
    let look = Look { root, profile, topology: Topology::read(root).ok(), spinning: profile.spinning_cores() };
    // In the order of what their neglect costs, by judgement: what is not there, what halves a core, what makes it slower, what
    // interrupts it, what delays a start.
    vec![
        cores::present(&look),
        limits::clock_source(&look),
        cores::siblings(&look),
        power::governor(&look),
        cores::isolated(&look),
        interrupts::affinity(&look),
        interrupts::balancer(&look),
        limits::io_uring(&look),
        power::turbo(&look),
        cores::one_node(&look),
        network::udp_buffers(&look),
        network::tcp_buffers(&look),
        limits::open_files(&look),
        limits::locked_memory(&look),
        memory::huge_pages(&look),
        memory::stalls(&look),
        memory::balancing(&look),
    ]
}

/// Everything that the boot line has to have for what was found, each argument once.
#[must_use]
pub fn boot_line(findings: &[Finding]) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    for argument in findings.iter().filter(|finding| finding.costs()).flat_map(|finding| &finding.remedy.boot) {
        if !arguments.contains(argument) {
            arguments.push(argument.clone());
        }
    }
    arguments
}

/// Everything that can be written while the machine runs, in the order in which it should be.
#[must_use]
pub fn changes(findings: &[Finding]) -> Vec<Change> {
    let mut changes: Vec<Change> =
        findings.iter().filter(|finding| finding.costs()).flat_map(|finding| finding.remedy.changes.clone()).collect();
    // A processor that goes offline takes its other files with it: last when applied, first when put back.
    changes.sort_by_key(|change| change.path.ends_with("/online"));
    changes
}
