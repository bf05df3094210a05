//! Cores: that they are there, belong to nobody else, and lie together.

use super::{Change, Finding, Look, Remedy};
use crate::machine::{Absent, CpuSet};
use crate::profile::WorkerName;

const CPUS: &str = "/sys/devices/system/cpu";

/// Every core that the profile names is online.
pub(super) fn present(look: &Look<'_>) -> Finding {
    let named = look.profile.cores();
    let wants = match named.is_empty() {
        true => "no core in particular".to_owned(),
        false => format!("cores {named}"),
    };
    let finding = Finding::of("cores", wants, "a thread that cannot have its core runs on one that has other work");
    let Some(topology) = &look.topology else {
        return finding.unknown("the kernel does not tell which are online");
    };
    let cpus = topology.cpus();
    let missing = named.without(&cpus);
    let found = format!("processors {cpus}");
    if missing.is_empty() {
        return finding.well(found);
    }
    let fix = format!("another profile (horae tune plan makes one for this machine), or bring {missing} online");
    finding.found(format!("{found}; {missing} are missing"), Remedy::elsewhere(fix))
}

/// No hyper-thread beside one that spins.
pub(super) fn siblings(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "smt-siblings",
        "the other hyper-thread of a core that spins is offline",
        "two hyper-threads share one core's units: what runs beside a spinning worker takes up to half of its speed",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let Some(topology) = &look.topology else {
        return finding.unknown("the kernel does not tell which hyper-threads there are");
    };
    let beside: CpuSet = look
        .spinning
        .iter()
        .filter_map(|cpu| topology.core_of(cpu).map(|core| (cpu, core)))
        .flat_map(|(cpu, core)| core.threads.iter().filter(move |thread| *thread != cpu))
        .collect();
    if beside.is_empty() {
        return finding.well("each has its core alone");
    }
    let used = beside.common(&look.profile.cores());
    if !used.is_empty() {
        let fix = "a profile that gives each spinning thread a whole core (horae tune plan makes one)";
        return finding.found(format!("{used} are used by the profile itself"), Remedy::elsewhere(fix));
    }
    let offline = |cpu: usize| Change::words(format!("{CPUS}/cpu{cpu}/online"), "0");
    finding.found(format!("{beside} are online"), Remedy::write(beside.iter().map(offline).collect()))
}

/// The kernel puts nothing of its own on cores that spin.
pub(super) fn isolated(look: &Look<'_>) -> Finding {
    let cores = &look.spinning;
    let finding = Finding::of(
        "isolated-cores",
        format!("{cores} in isolcpus and nohz_full"),
        "the scheduler puts other threads there, and its tick stops a worker up to 1,000 times a second",
    );
    if cores.is_empty() {
        return finding.not_asked();
    }
    // The kernel writes "(null)" for none.
    let set = |name: &str| {
        look.root.read(&format!("{CPUS}/{name}")).map(|text| CpuSet::parse_list(&text).unwrap_or_default())
    };
    let shown = |set: &CpuSet| if set.is_empty() { "none".to_owned() } else { set.to_string() };
    let isolated = match set("isolated") {
        Ok(isolated) => isolated,
        Err(why) => return finding.unknown(format!("the list of isolated cores is {why}")),
    };
    let mut boot = Vec::new();
    if !cores.without(&isolated).is_empty() {
        boot.push(format!("isolcpus=managed_irq,domain,{cores}"));
    }
    let tickless = match set("nohz_full") {
        Ok(tickless) => {
            if !cores.without(&tickless).is_empty() {
                boot.extend([format!("nohz_full={cores}"), format!("rcu_nocbs={cores}")]);
            }
            shown(&tickless)
        }
        Err(Absent::Missing) => "none (this kernel is built without)".to_owned(),
        Err(why) => why.to_string(),
    };
    let found = format!("isolated {}, tickless {tickless}", shown(&isolated));
    match boot.is_empty() {
        true => finding.well(found),
        false => finding.found(found, Remedy::boot(boot)),
    }
}

/// The workers that every transaction passes one after the other are near one memory.
pub(super) fn one_node(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "memory-node",
        "decode, execute, framed TCP and the journal on cores of one memory node",
        "each hop of a transaction to the other socket costs some hundred nanoseconds; recovery is worth it, the rest is not",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let Some(topology) = &look.topology else {
        return finding.unknown("the kernel does not tell which nodes there are");
    };
    let workers = [WorkerName::Decode, WorkerName::Execute].map(|worker| look.profile.core_of(worker));
    let edges = [look.profile.edges.tcp_ingest_core, look.profile.edges.journal_core];
    let cores = workers.into_iter().chain(edges).flatten();
    let nodes: CpuSet = cores.filter_map(|cpu| topology.core_of(cpu)).map(|core| core.node).collect();
    if nodes.is_empty() {
        return finding.unknown("none of their cores is there");
    }
    if nodes.len() == 1 {
        return finding.well(format!("{} in all, these on {nodes}", topology.nodes()));
    }
    let fix = "a profile that keeps them together (horae tune plan makes one)";
    finding.found(format!("they are on nodes {nodes}"), Remedy::elsewhere(fix))
}
