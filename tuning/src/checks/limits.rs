//! What the kernel grants the process: the clock, io_uring, descriptors, locked memory.

use super::{Change, Finding, Form, Look, Remedy};
use crate::machine::Absent;

const CLOCKS: &str = "/sys/devices/system/clocksource/clocksource0";
const IO_URING: &str = "/proc/sys/kernel/io_uring_disabled";
const LIMITS: &str = "/proc/self/limits";
/// Clocks that are read without a system call.
const FAST_CLOCKS: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
/// Descriptors: JSON-RPC takes 4,096 connections and framed TCP 1,024 unless set otherwise; the rest is for files, peers and L1.
const FILES_MIN: u64 = 8_192;
/// Bytes: two rings of io_uring take some 30 kB, which kernels before 5.12 count.
const LOCKED_MIN: u64 = 1 << 20;

/// The clock.
pub(super) fn clock_source(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "clock-source",
        "tsc, or the clock of the virtual machine's host",
        "other clocks cost a system call and a slow register at each look, and every worker looks at each turn",
    );
    let path = format!("{CLOCKS}/current_clocksource");
    let now = match look.root.read(&path) {
        Ok(now) => now,
        Err(why) => return finding.unknown(why.to_string()),
    };
    if FAST_CLOCKS.contains(&now.as_str()) {
        return finding.well(now);
    }
    let there = look.root.read(&format!("{CLOCKS}/available_clocksource")).unwrap_or_default();
    let better = FAST_CLOCKS.iter().find(|clock| there.split_whitespace().any(|there| there == **clock));
    match better {
        Some(clock) => finding.found(now, Remedy::write(vec![Change::words(path, *clock)])),
        None => {
            let fix = "the kernel took tsc for unstable: its log says why (dmesg | grep -i tsc), mostly the firmware";
            finding.found(format!("{now}; there are {there}"), Remedy::elsewhere(fix))
        }
    }
}

/// io_uring.
pub(super) fn io_uring(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "io-uring",
        "kernel.io_uring_disabled = 0",
        "without it framed TCP runs on epoll and the journal on plain file calls: more system calls for the same bytes",
    );
    match look.root.read(IO_URING) {
        Ok(value) if value == "0" => finding.well("0: anybody may"),
        Ok(value) => {
            let meaning = if value == "1" { "only the privileged may" } else { "nobody may" };
            finding.found(format!("{value}: {meaning}"), Remedy::write(vec![Change::words(IO_URING, "0")]))
        }
        Err(Absent::Missing) => finding.unknown("no such setting: kernels before 6.6 have none and allow it"),
        Err(why) => finding.unknown(why.to_string()),
    }
}

/// Descriptors.
pub(super) fn open_files(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "open-files",
        format!("{FILES_MIN} or more"),
        "at the limit new connections are refused, and the journal cannot begin a file",
    );
    limit(look, finding, "Max open files", FILES_MIN, "LimitNOFILE=65536")
}

/// Memory that may be locked.
pub(super) fn locked_memory(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "locked-memory",
        format!("{LOCKED_MIN} bytes or more"),
        "kernels before 5.12 count io_uring's rings here, and refuse them beyond",
    );
    limit(look, finding, "Max locked memory", LOCKED_MIN, "LimitMEMLOCK=infinity")
}

fn limit(look: &Look<'_>, finding: Finding, name: &str, least: u64, unit: &str) -> Finding {
    let text = match look.root.read(LIMITS) {
        Ok(text) => text,
        Err(why) => return finding.unknown(why.to_string()),
    };
    let soft = text.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next());
    let Some(soft) = soft else { return finding.unknown(format!("{LIMITS} does not tell")) };
    let enough = match soft {
        "unlimited" => true,
        number => match number.parse::<u64>() {
            Ok(number) => number >= least,
            Err(_) => return finding.unknown(format!("{LIMITS} says {soft:?}")),
        },
    };
    let found = format!("{soft} for this process");
    match enough {
        true => finding.well(found),
        // Limits are inherited from who starts the node: no file of the kernel changes them for another process.
        false => finding.found(found, Remedy::elsewhere(format!("{unit} in the node's systemd unit, or ulimit"))),
    }
}

/// A choice in brackets as it stands.
pub(super) fn chosen(look: &Look<'_>, path: &str) -> Result<String, Absent> {
    look.root.read(path).map(|text| Form::Choice.meaning(&text))
}
