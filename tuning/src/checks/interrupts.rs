//! Interrupts: away from cores that spin, and nobody who brings them back.

use super::{Change, Finding, Form, Look, Remedy};
use crate::machine::{Absent, CpuSet};

const IRQS: &str = "/proc/irq";
const DEFAULT: &str = "/proc/irq/default_smp_affinity";
/// Who spreads interrupts over all cores.
const BALANCER: &str = "irqbalance";

/// No interrupt on a core that spins.
pub(super) fn affinity(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "irq-affinity",
        format!("no interrupt on {}", look.spinning),
        "each interrupt stops a worker for some microseconds and takes its caches",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let others = look.topology.as_ref().map(|topology| topology.cpus().without(&look.spinning)).unwrap_or_default();
    if others.is_empty() {
        return finding.unknown("no other core is there to take them");
    }
    let (mut changes, mut seen) = (Vec::new(), 0);
    match look.root.read(DEFAULT).as_deref().map(CpuSet::parse_mask) {
        Ok(Some(set)) if set.common(&look.spinning).is_empty() => {}
        Ok(_) => {
            changes.push(Change { path: DEFAULT.to_owned(), form: Form::CpuMask, value: others.mask() });
        }
        Err(Absent::Missing) => {}
        Err(why) => return finding.unknown(format!("{DEFAULT} {why}")),
    }
    let by_default = changes.len();
    let mut irqs: Vec<u32> = look.root.names(IRQS).iter().filter_map(|name| name.parse().ok()).collect();
    irqs.sort_unstable();
    for irq in irqs {
        let path = format!("{IRQS}/{irq}/smp_affinity_list");
        let Ok(allowed) = look.root.read(&path) else { continue };
        seen += 1;
        // An interrupt goes to fewer cores than it might: where it goes now is what counts.
        let now = look.root.read(&format!("{IRQS}/{irq}/effective_affinity_list")).ok().filter(|now| !now.is_empty());
        let now = CpuSet::parse_list(&now.unwrap_or_else(|| allowed.clone())).unwrap_or_default();
        if now.common(&look.spinning).is_empty() {
            continue;
        }
        let kept = CpuSet::parse_list(&allowed).unwrap_or_default().without(&look.spinning);
        let value = if kept.is_empty() { &others } else { &kept };
        changes.push(Change { path, form: Form::CpuList, value: value.to_string() });
    }
    if seen == 0 {
        return finding.unknown("the kernel tells of no interrupt that can be moved");
    }
    if changes.is_empty() {
        return finding.well(format!("{seen} interrupts, all elsewhere"));
    }
    let moved = changes.len() - by_default;
    let new = if by_default == 0 { "" } else { ", and new ones would be" };
    finding.found(format!("{moved} of {seen} are there{new}"), Remedy::write(changes))
}

/// No daemon that moves interrupts.
pub(super) fn balancer(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "irq-balancer",
        "irqbalance does not run, or is told to leave those cores alone",
        "it spreads interrupts over all cores again, whatever was set",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let processes = look.root.names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
    let runs = processes
        .into_iter()
        .any(|process| look.root.read(&format!("/proc/{process}/comm")).is_ok_and(|name| name == BALANCER));
    if !runs {
        return finding.well("it does not run");
    }
    let fix = format!("systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST={} for it", look.spinning);
    finding.found("it runs", Remedy::elsewhere(fix))
}
