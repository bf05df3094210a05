//! Real nodes on slow, lossy links; and a sequencer that nobody hears, or that hears nobody.

use std::time::Duration;

use horae_tests::{
    chaos::{self, Plan, fault::Fault},
    relay::Conditions,
};

#[test]
fn a_sequencer_that_is_cut_off_in_one_direction_is_replaced_and_nothing_is_lost() {
    let links = Conditions { delay: Duration::from_millis(10), loss_percent: 1.0 };
    let plan = Plan { faults: 3, seed: 2, rate: 60, links: Some(links), kinds: Fault::LINKS };
    let outcome = chaos::run(&plan, &mut |line| println!("{line}"));
    println!("{outcome}");
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert_eq!(outcome.cut_off, 3);
    assert!(outcome.committed > 100 && outcome.batches > 0, "the chain was at work");
}
