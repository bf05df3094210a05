//! A short chaos run on real processes: the sequencer is killed and stopped under load, and nothing that was promised is lost.

use horae_tests::chaos::{self, Plan, fault::Fault};

#[test]
fn nothing_promised_is_lost_when_sequencers_are_killed_and_stopped() {
    let plan = Plan { faults: 6, seed: 2, rate: 60, links: None, kinds: Fault::PROCESS };
    let outcome = chaos::run(&plan, &mut |line| println!("{line}"));
    println!("{outcome}");
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert!(outcome.killed > 0 && outcome.frozen > 0, "the seed draws both kinds");
    assert!(outcome.committed > 100 && outcome.batches > 0 && outcome.handover_ms.count > 0, "the chain was at work");
}
