//! What idle nodes cost: four of them for 30 s, read from /proc.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use horae_tests::{Devnet, step};

/// What is measured over.
const WINDOW: Duration = Duration::from_secs(30);
/// Most that four idle nodes may use together, in percent of one core.
const MOST_PERCENT: f64 = 20.0;
/// `USER_HZ`: /proc counts CPU time in hundredths of a second on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process so far, in seconds.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a node runs");
    let (_, rest) = stat.rsplit_once(") ").expect("pid (name) state ...");
    // proc(5): utime and stime are fields 14 and 15; `rest` begins with field 3.
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number of ticks");
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

#[test]
fn four_idle_nodes_use_less_than_a_fifth_of_a_core() {
    let devnet = Devnet::start(&[]);
    // Every node has heard of a few committed blocks: the start is over everywhere.
    for node in 0..devnet.nodes.len() {
        devnet.wait_for_head(node, 8, Duration::from_secs(30));
    }
    let processes: Vec<u32> = devnet.nodes.iter().map(|node| node.process()).collect();
    let first = devnet.status();
    let (began, before) = (Instant::now(), processes.iter().map(|p| cpu_seconds(*p)).collect::<Vec<_>>());
    // The window is what is measured, not a condition that is waited for.
    sleep(WINDOW);
    let used: Vec<f64> = processes.iter().zip(before).map(|(p, before)| cpu_seconds(*p) - before).collect();
    let elapsed = began.elapsed().as_secs_f64();
    let last = devnet.status();
    let percent: Vec<f64> = used.iter().map(|seconds| 100.0 * seconds / elapsed).collect();
    let sum: f64 = percent.iter().sum();
    step(&format!(
        "four idle nodes over {elapsed:.1} s: {sum:.1} % of one core ({}), {} blocks, {} slots",
        percent.iter().map(|p| format!("{p:.1}")).collect::<Vec<_>>().join(" + "),
        last.heads.committed - first.heads.committed,
        last.slot - first.slot,
    ));
    assert!(last.heads.committed > first.heads.committed, "the chain stood still:\n{}", devnet.logs());
    assert!(sum > 0.0, "a running node uses some CPU; /proc was misread");
    assert!(sum < MOST_PERCENT, "{sum:.1} % of one core, {MOST_PERCENT} % is the most");
}
