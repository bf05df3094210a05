//! The checks on trees that stand for machines.

use super::{Finding, State, boot_line, changes, check};
use crate::Profile;
use crate::testing::Tree;

fn sixteen() -> Profile {
    Profile::load("cores-16").unwrap()
}

fn finding(findings: &[Finding], name: &str) -> Finding {
    findings.iter().find(|finding| finding.check == name).unwrap_or_else(|| panic!("no check {name}")).clone()
}

fn states(tree: &Tree, profile: &Profile, state: State) -> Vec<&'static str> {
    check(&tree.root(), profile).into_iter().filter(|finding| finding.state == state).map(|f| f.check).collect()
}

#[test]
fn a_server_from_the_shop_has_something_wrong_with_nearly_everything() {
    let tree = Tree::server();
    let costs = states(&tree, &sixteen(), State::Costs);
    let wanted = [
        "clock-source",
        "smt-siblings",
        "governor",
        "isolated-cores",
        "irq-affinity",
        "irq-balancer",
        "io-uring",
        "turbo",
        "udp-buffers",
        "tcp-buffers",
        "open-files",
        "locked-memory",
        "huge-pages",
        "huge-page-stalls",
    ];
    assert_eq!(costs, wanted);
    assert_eq!(states(&tree, &sixteen(), State::Well), ["cores", "memory-node", "numa-balancing"]);
    let findings = check(&tree.root(), &sixteen());
    assert!(findings.iter().all(|finding| !finding.found.is_empty() && !finding.why.is_empty()));
}

#[test]
fn each_remedy_puts_its_check_right() {
    let tree = Tree::server();
    for change in changes(&check(&tree.root(), &sixteen())) {
        let text = if change.path.contains("hugepage") { format!("[{}]", change.value) } else { change.value };
        tree.put(&change.path, &text);
    }
    // The kernel follows an interrupt's list with where it goes, and offlines what it is told to.
    tree.put("/proc/irq/40/effective_affinity_list", "0");
    tree.put("/sys/devices/system/cpu/online", "0-18,29-31");
    let left = states(&tree, &sixteen(), State::Costs);
    assert_eq!(left, ["isolated-cores", "irq-balancer", "open-files", "locked-memory"], "what no file can do");
    tree.put("/sys/devices/system/cpu/isolated", "3-12");
    tree.put("/sys/devices/system/cpu/nohz_full", "3-12");
    tree.take("/proc/812/comm");
    tree.put("/proc/self/limits", "Max locked memory unlimited unlimited bytes\nMax open files 65536 65536 files\n");
    assert_eq!(states(&tree, &sixteen(), State::Costs), [""; 0]);
}

#[test]
fn what_only_the_boot_line_does_is_one_line() {
    let findings = check(&Tree::server().root(), &sixteen());
    assert_eq!(boot_line(&findings), ["isolcpus=managed_irq,domain,3-12", "nohz_full=3-12", "rcu_nocbs=3-12"]);
}

#[test]
fn a_processor_goes_offline_last() {
    let changes = changes(&check(&Tree::server().root(), &sixteen()));
    let offline = changes.iter().position(|change| change.path.ends_with("/online")).unwrap();
    assert!(changes[offline..].iter().all(|change| change.path.ends_with("/online") && change.value == "0"));
    assert_eq!(changes.len() - offline, 10, "one for each core that spins");
}

#[test]
fn interrupts_are_moved_off_the_cores_that_spin_and_only_those() {
    let findings = check(&Tree::server().root(), &sixteen());
    let remedy = finding(&findings, "irq-affinity").remedy;
    let written: Vec<_> = remedy.changes.iter().map(|change| (change.path.as_str(), change.value.as_str())).collect();
    let others = "0-2,13-31";
    assert_eq!(
        written,
        [
            ("/proc/irq/default_smp_affinity", "ffffe007"),
            ("/proc/irq/40/smp_affinity_list", others),
            ("/proc/irq/41/smp_affinity_list", others),
        ],
        "9 goes to core 0 as it is"
    );
}

#[test]
fn a_virtual_machine_that_tells_nothing_is_unknown_not_well() {
    let tree = Tree::bare();
    assert_eq!(states(&tree, &sixteen(), State::Costs), [""; 0]);
    let well = states(&tree, &sixteen(), State::Well);
    assert!(!well.contains(&"governor") && !well.contains(&"clock-source"), "{well:?}");
    let governor = finding(&check(&tree.root(), &sixteen()), "governor");
    assert!(governor.state == State::Unknown && governor.found.contains("no cpufreq"), "{governor:?}");
}

#[test]
fn a_profile_that_shares_its_machine_asks_little() {
    let tree = Tree::server();
    let laptop = Profile::laptop();
    assert_eq!(states(&tree, &laptop, State::Costs), ["clock-source", "io-uring", "open-files", "locked-memory"]);
    assert!(states(&tree, &laptop, State::NotAsked).contains(&"governor"));
}

#[test]
fn a_core_that_is_not_there_comes_first() {
    let tree = Tree::server();
    tree.put("/sys/devices/system/cpu/online", "0-1\n");
    let findings = check(&tree.root(), &sixteen());
    assert_eq!(findings[0].check, "cores");
    assert!(findings[0].costs() && findings[0].found.contains("2-13 are missing"), "{:?}", findings[0]);
    assert_eq!(finding(&findings, "memory-node").state, State::Unknown);
}

#[test]
fn a_profile_that_uses_both_threads_of_a_core_cannot_offline_one() {
    let tree = Tree::server();
    for (cpu, pair) in [(3, "3-4"), (4, "3-4"), (19, "19-20"), (20, "19-20")] {
        tree.put(&format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"), pair);
    }
    let siblings = finding(&check(&tree.root(), &sixteen()), "smt-siblings");
    assert!(siblings.remedy.changes.is_empty() && siblings.found.contains("3-4"), "{siblings:?}");
}

#[test]
fn a_kernel_without_nohz_full_is_not_asked_for_it() {
    let tree = Tree::server();
    tree.take("/sys/devices/system/cpu/nohz_full");
    assert_eq!(boot_line(&check(&tree.root(), &sixteen())), ["isolcpus=managed_irq,domain,3-12"]);
    tree.put("/sys/devices/system/cpu/isolated", "3-12");
    assert_eq!(finding(&check(&tree.root(), &sixteen()), "isolated-cores").state, State::Well);
}

#[test]
fn a_line_across_two_sockets_is_found() {
    let tree = Tree::server();
    tree.put("/sys/devices/system/node/node0/cpulist", "0-7,16-23");
    tree.put("/sys/devices/system/node/node1/cpulist", "8-15,24-31");
    tree.put("/proc/sys/kernel/numa_balancing", "1");
    let findings = check(&tree.root(), &sixteen());
    assert!(finding(&findings, "memory-node").found.contains("nodes 0-1"), "{findings:?}");
    assert!(finding(&findings, "numa-balancing").costs());
}

#[test]
fn a_better_clock_that_is_not_offered_is_not_written() {
    let tree = Tree::server();
    tree.put("/sys/devices/system/clocksource/clocksource0/available_clocksource", "hpet acpi_pm\n");
    let clock = finding(&check(&tree.root(), &sixteen()), "clock-source");
    assert!(clock.costs() && clock.remedy.changes.is_empty() && clock.remedy.elsewhere.is_some(), "{clock:?}");
}

#[test]
fn junk_in_a_file_is_said_and_not_taken_for_a_number() {
    let tree = Tree::server();
    tree.put("/proc/sys/net/core/rmem_default", "much\n");
    tree.put("/proc/self/limits", "Max open files some more files\n");
    let findings = check(&tree.root(), &sixteen());
    for name in ["udp-buffers", "open-files", "locked-memory"] {
        assert_eq!(finding(&findings, name).state, State::Unknown, "{name}");
    }
}
