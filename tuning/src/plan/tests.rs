//! Proposals for machines of every size.

use super::{Bound, Plan, plan};
use crate::capacity::{Report, Row, UnitCosts};
use crate::machine::{Core, CpuSet, Topology};
use crate::{Idle, Profile, WorkerName};

fn costs(decode: f64, recover: f64, execute: f64) -> UnitCosts {
    let row = |name: &str, value| Row { name: name.to_owned(), value, unit: "ns/tx".to_owned() };
    let rows = vec![
        row("stage/decode", decode / 2.0),
        row("stage/dedup", decode / 2.0),
        row("stage/recover", recover),
        row("stage/admit", execute / 4.0),
        row("stage/order", execute / 4.0),
        row("stage/execute/transfer", execute / 4.0),
        row("stage/seal", execute / 4.0),
    ];
    UnitCosts::of(&Report { machine: serde_json::Map::new(), rows })
}

fn proposed(topology: &Topology, rate: u32) -> Plan {
    plan(topology, &costs(400.0, 6_000.0, 1_500.0), rate)
}

/// Two sockets, processors counted across them, two threads a core.
fn two_sockets(cores: usize) -> Topology {
    let core = |index: usize| Core { cpu: index, threads: CpuSet::from_iter([index, index + cores]), node: index % 2 };
    let mut cores: Vec<Core> = (0..cores).map(core).collect();
    cores.sort_by_key(|core| (core.node, core.cpu));
    Topology { cores }
}

#[test]
fn every_proposal_is_a_profile_that_is_read_back_as_it_was() {
    for cores in 2..=256 {
        for rate in [1, 10_000, 1_000_000, u32::MAX] {
            let plan = proposed(&Topology::plain(cores), rate);
            let text = plan.to_toml();
            let read =
                Profile::parse("proposed.toml", &text).unwrap_or_else(|why| panic!("{cores} cores: {why}\n{text}"));
            assert_eq!(read, plan.profile, "{cores} cores, {rate} a second");
            assert!(read.cores().iter().all(|core| core < cores), "{cores} cores: {text}");
            assert!(plan.carries <= rate);
        }
    }
}

#[test]
fn a_proposal_is_loaded_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let plan = proposed(&two_sockets(32), 300_000);
    std::fs::write(&file, plan.to_toml()).unwrap();
    assert_eq!(Profile::load(file.to_str().unwrap()).unwrap(), plan.profile);
}

#[test]
fn a_small_machine_has_nothing_that_spins() {
    for cores in 2..=5 {
        let profile = proposed(&Topology::plain(cores), 1_000_000).profile;
        assert!(profile.threads.iter().all(|thread| matches!(thread.idle, Idle::Park { .. })));
        assert!(profile.cores().is_empty());
        assert_eq!(profile.recover_workers, cores - 1);
    }
}

#[test]
fn recovery_gets_what_the_rate_takes_and_no_more() {
    // 100,000 a second of 6 us each are 0.6 cores' worth, 0.8 at three quarters.
    let plan = proposed(&Topology::plain(16), 100_000);
    assert_eq!((plan.profile.recover_workers, plan.bound, plan.carries), (1, None, 100_000));
    // 400,000 are 2.4, so 3.2.
    let plan = proposed(&Topology::plain(16), 400_000);
    assert_eq!((plan.profile.recover_workers, plan.bound, plan.carries), (4, None, 400_000));
    assert_eq!(plan.left.len(), 16 - 2 - 2 - 4);
}

#[test]
fn what_bounds_the_rate_is_said() {
    // 1.5 us on one thread at three quarters: 500,000.
    let plan = proposed(&Topology::plain(64), 1_000_000);
    assert_eq!((plan.bound, plan.carries), (Some(Bound::Worker("execute")), 500_000));
    assert_eq!(plan.profile.recover_workers, 4);
    assert!(plan.to_toml().contains("it carries 500000 a second: execute is one thread"), "{plan}");
    // Seven cores: one for the rest, one for TCP and journal, two for decode and execute, three recover 125,000 each.
    let plan = proposed(&Topology::plain(7), 1_000_000);
    assert_eq!((plan.bound, plan.carries, plan.profile.recover_workers), (Some(Bound::Cores), 375_000, 3));
}

#[test]
fn what_was_not_measured_is_said_and_bounds_nothing() {
    let report = Report { machine: serde_json::Map::new(), rows: Vec::new() };
    let plan = plan(&Topology::plain(8), &UnitCosts::of(&report), 1_000_000);
    assert!(plan.unmeasured.contains(&"stage/recover") && plan.unmeasured.contains(&"stage/seal"));
    assert!(plan.to_toml().contains("Not measured, so that it may be less: stage/decode"), "{plan}");
    assert_eq!(plan.bound, None);
}

#[test]
fn the_line_stays_on_one_socket_and_no_core_is_given_twice() {
    let topology = two_sockets(64);
    let plan = plan(&topology, &costs(400.0, 33_000.0, 1_500.0), 1_000_000);
    let profile = &plan.profile;
    let node_of = |cpu: usize| topology.core_of(cpu).unwrap().node;
    let edges = [profile.edges.tcp_ingest_core, profile.edges.journal_core];
    let line = [WorkerName::Decode, WorkerName::Execute].map(|worker| profile.core_of(worker));
    assert!(line.into_iter().chain(edges).flatten().all(|cpu| node_of(cpu) == 0));
    let recover: Vec<usize> =
        (0..profile.recover_workers).filter_map(|index| profile.core_of(WorkerName::Recover(index))).collect();
    // 500,000 a second of 33 us at three quarters.
    assert_eq!(recover.len(), 22);
    assert!(recover.iter().all(|cpu| node_of(*cpu) == 0), "the near socket has room for all");
    assert!(profile.cores().iter().all(|cpu| cpu < 64), "second threads are used");
    assert_eq!(profile.cores().len() + plan.left.len(), 64);
}
