//! Memory: huge pages, and who moves pages about.

use super::limits::chosen;
use super::{Change, Finding, Form, Look, Remedy};
use crate::machine::Absent;

const HUGE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const DEFRAG: &str = "/sys/kernel/mm/transparent_hugepage/defrag";
const RESERVED: &str = "/proc/sys/vm/nr_hugepages";
const BALANCING: &str = "/proc/sys/kernel/numa_balancing";

/// Huge pages where they are asked for.
pub(super) fn huge_pages(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "huge-pages",
        "transparent ones, on request or always (the allocator asks for them; nothing uses reserved ones)",
        "the pool and the state's cache are large and looked up at random: small pages miss the table of translations",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let reserved = look.root.read(RESERVED).unwrap_or_else(|_| "no".to_owned());
    match chosen(look, HUGE) {
        Ok(choice) if choice == "never" => {
            let change = Change { path: HUGE.to_owned(), form: Form::Choice, value: "madvise".to_owned() };
            finding.found("never", Remedy::write(vec![change]))
        }
        Ok(choice) => finding.well(format!("{choice}; {reserved} reserved")),
        Err(Absent::Missing) => finding.unknown("this kernel has none"),
        Err(why) => finding.unknown(why.to_string()),
    }
}

/// No search for huge pages while a worker waits.
pub(super) fn stalls(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "huge-page-stalls",
        "memory is not put in order while a thread waits for a page (defrag is not \"always\")",
        "such a wait takes up to milliseconds, in the middle of a block",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    match chosen(look, DEFRAG) {
        Ok(choice) if choice == "always" => {
            let change = Change { path: DEFRAG.to_owned(), form: Form::Choice, value: "defer+madvise".to_owned() };
            finding.found("always", Remedy::write(vec![change]))
        }
        Ok(choice) => finding.well(choice),
        Err(Absent::Missing) => finding.unknown("this kernel has none"),
        Err(why) => finding.unknown(why.to_string()),
    }
}

/// Pages stay where they are.
pub(super) fn balancing(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "numa-balancing",
        "kernel.numa_balancing = 0",
        "the kernel takes pages away to see who uses them; threads that are bound to cores gain nothing by it",
    );
    let nodes = look.topology.as_ref().map_or(1, crate::machine::Topology::nodes);
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    if nodes < 2 {
        return finding.well("one memory node");
    }
    match look.root.read(BALANCING) {
        Ok(value) if value == "0" => finding.well("0"),
        Ok(value) => finding.found(value, Remedy::write(vec![Change::words(BALANCING, "0")])),
        Err(Absent::Missing) => finding.unknown("this kernel does not do it"),
        Err(why) => finding.unknown(why.to_string()),
    }
}
