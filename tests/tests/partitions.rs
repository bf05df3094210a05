//! Real nodes on slow, lossy links; and a sequencer that nobody hears, or that hears nobody.

use std::time::Duration;

use horae_tests::{
    Devnet,
    chaos::{self, Plan, fault::Fault},
    relay::{Conditions, Counts},
    step,
};

/// What the chain may take to go on.
const LIMIT: Duration = Duration::from_secs(60);

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

#[test]
fn relays_carry_what_nodes_say_and_a_cut_stops_one_direction() {
    let mut devnet = Devnet::start(&[]);
    devnet.relay(Conditions::default(), 1);
    devnet.wait_for_blocks(0, 5, LIMIT);
    let links = devnet.links().expect("they go through relays");
    let counts = links.counts();
    assert!(counts.datagrams > 0 && counts.bytes > 0, "{counts:?}");
    assert_eq!(counts, Counts { dropped: 0, ..counts });

    step("nobody hears node 3; it hears the others");
    (0..3).for_each(|to| links.cut(3, to, true));
    let head = devnet.wait_for_blocks(0, 10, LIMIT);
    assert!(links.counts().dropped > 0, "what it says is dropped");

    step("it is heard again, and its acks count");
    (0..3).for_each(|to| links.cut(3, to, false));
    devnet.wait_for_head(3, head, LIMIT);
    devnet.wait_for_ack(0, 3, LIMIT);
    devnet.same_blocks(head);
}
