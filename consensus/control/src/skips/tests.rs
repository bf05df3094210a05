//! All who judge one chain of blocks agree on every slot of it, whenever they learn of decisions.

use alloy_primitives::Address;
use proptest::prelude::*;

use super::Skips;
use crate::statement::{BlockFacts, StatementError};
use crate::term::Term;
use crate::testing::{child, term};

fn members(term: &Term) -> Vec<Address> {
    term.set.validators().iter().map(|v| v.signer).collect()
}

#[test]
fn the_named_control_height_says_which_decision_holds() {
    let mut term = term(&[1, 1, 1, 1], 8);
    let after = term.sequencer_of(2).unwrap().signer;
    term.skips.decide(5, vec![after]);
    term.skips.decide(9, vec![]);
    for (named, slot) in [(0, 2), (4, 2), (5, 3), (8, 3), (9, 2), (1_000, 2)] {
        assert_eq!(term.slot_after(1, named), slot, "a block that names {named}");
    }
    assert_eq!((term.skips.latest(), term.skips.known_height()), (&[][..], 9));
}

#[test]
fn a_child_is_not_judged_before_the_named_height_is_known() {
    let mut term = term(&[1, 1, 1, 1], 8);
    let first = BlockFacts { control_height: 3, ..child(&term, &term.parent, true, 0) };
    let second = child(&term, &first, false, 0);
    let unknown = Err(StatementError::HeightUnknown { named: 3, known: 0 });
    assert_eq!(term.check_child(&second, &first), unknown);
    term.skips.pass(3);
    assert_eq!(term.check_child(&second, &first), Ok(()));
    let in_slot = BlockFacts { control_height: 7, ends_slot: false, ..first };
    assert_eq!(term.check_child(&child(&term, &in_slot, false, 0), &in_slot), Ok(()), "no turn passes within a slot");
}

#[test]
fn one_that_everybody_passes_over_leaves_the_schedule_as_it_is() {
    let mut term = term(&[1, 1, 1, 1], 8);
    let all = members(&term);
    term.skips.decide(1, all);
    assert_eq!(term.slot_after(1, 1), 2);
}

proptest! {
    /// Decisions at rising heights; a chain whose slots end naming any heights in rising order; judges that know the
    /// decisions up to different heights. Whoever can judge a block gives the one answer, and it never is a skipped one.
    #[test]
    fn judges_agree(
        decided in prop::collection::vec((1u64..6, 0usize..5), 0..8),
        named in prop::collection::vec(0u64..6, 1..20),
        known in prop::collection::vec(0u64..40, 1..6),
    ) {
        let opened = term(&[2, 1, 1, 3], 8);
        let members = members(&opened);
        let mut history = vec![Skips::new(0, vec![])];
        for (step, who) in decided {
            let mut next = history.last().unwrap().clone();
            let height = next.known_height() + step;
            next.decide(height, members.get(who).copied().into_iter().collect());
            history.push(next);
        }
        let newest = history.last().unwrap().known_height();
        let full = Term { skips: history.last().unwrap().clone(), ..opened.clone() };
        let mut parent = full.parent;
        let mut height = 0;
        for step in named {
            height = (height + step).min(newest);
            let block = BlockFacts { control_height: height, ..child(&full, &parent, true, 0) };
            for known in &known {
                let mut judge = opened.clone();
                for earlier in history.iter().filter(|skips| skips.known_height() <= *known) {
                    judge.skips.learn(earlier);
                }
                let next = child(&full, &block, false, 0);
                match judge.check_child(&next, &block) {
                    Ok(()) => prop_assert!(judge.skips.known_height() >= height),
                    Err(StatementError::HeightUnknown { .. }) => prop_assert!(judge.skips.known_height() < height),
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
            let slot = full.child_slot(&block);
            let leader = full.sequencer_of(slot).unwrap().signer;
            prop_assert!(slot > block.slot && !full.skips.at(height).contains(&leader));
            parent = block;
        }
    }
}
