//! How fast the cores run.

use super::{Change, Finding, Look, Remedy};
use crate::machine::{Absent, CpuSet};

const POLICIES: &str = "/sys/devices/system/cpu/cpufreq";
const INTEL_NO_TURBO: &str = "/sys/devices/system/cpu/intel_pstate/no_turbo";
const BOOST: &str = "/sys/devices/system/cpu/cpufreq/boost";

/// The governor of every core that the profile names.
pub(super) fn governor(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "governor",
        "performance on every core that the profile names",
        "other governors lower the clock between bursts, and recovery is bound by the clock alone",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let (named, mut seen, mut slow) = (look.profile.cores(), 0, Vec::new());
    for name in look.root.names(POLICIES).iter().filter(|name| name.starts_with("policy")) {
        let cpus = look.root.read(&format!("{POLICIES}/{name}/affected_cpus")).unwrap_or_default();
        let cpus: CpuSet = cpus.split_whitespace().filter_map(|cpu| cpu.parse().ok()).collect();
        if cpus.common(&named).is_empty() {
            continue;
        }
        let path = format!("{POLICIES}/{name}/scaling_governor");
        match look.root.read(&path) {
            Ok(governor) if governor == "performance" => {}
            Ok(governor) => slow.push((path, governor)),
            Err(Absent::Missing) => continue,
            Err(why) => return finding.unknown(format!("{path} {why}")),
        }
        seen += 1;
    }
    if seen == 0 {
        return finding.unknown("no cpufreq: the host of a virtual machine, or the firmware, sets the clock");
    }
    let Some((_, governor)) = slow.first() else { return finding.well(format!("performance on {seen}")) };
    let found = format!("{governor} on {} of {seen}", slow.len());
    let changes = slow.iter().map(|(path, _)| Change::words(path, "performance")).collect();
    finding.found(found, Remedy::write(changes))
}

/// Turbo.
pub(super) fn turbo(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "turbo",
        "on (off while you measure, so that runs can be compared)",
        "recovery runs at the clock's speed, and the highest all-core clock is above the nominal one",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    // Intel's file says that it is off, the other one that it is on.
    for (path, on) in [(INTEL_NO_TURBO, "0"), (BOOST, "1")] {
        match look.root.read(path) {
            Ok(text) if text == on => return finding.well("on"),
            Ok(_) => return finding.found("off", Remedy::write(vec![Change::words(path, on)])),
            Err(Absent::Missing) => {}
            Err(why) => return finding.unknown(format!("{path} {why}")),
        }
    }
    finding.unknown("no switch for it: the host of a virtual machine, or the firmware, has it")
}
