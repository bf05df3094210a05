//! Turns in proportion to weight, whatever the seed.

use proptest::prelude::*;

use super::*;
use crate::testing::set;

proptest! {
    #[test]
    fn a_cycle_has_each_validator_weight_times(units in prop::collection::vec(1u64..6, 1..12), seed in any::<[u8; 32]>(), cycle in 0u64..1_000_000) {
        let set = set(&units);
        let schedule = Schedule::new(B256::new(seed), 77, &set);
        let total = schedule.cycle_slots();
        prop_assert_eq!(total, set.total());
        let mut led = vec![0; set.len()];
        for slot in 0..total {
            led[schedule.leader(77 + cycle * total + slot).unwrap()] += 1;
        }
        let weights: Vec<u64> = set.validators().iter().map(|v| v.weight).collect();
        prop_assert_eq!(led, weights);
    }
}

#[test]
fn what_was_asked_before_changes_no_answer() {
    let (set, seed) = (set(&[1, 2, 3]), B256::repeat_byte(5));
    let schedule = Schedule::new(seed, 4, &set);
    for slot in [4, 9, 10, 16, 22, 9, 4, 23, 17, 11, 5] {
        let order = Schedule::new(seed, 4, &set).cycle((slot - 4) / 6);
        assert_eq!(schedule.leader(slot), Some(order[((slot - 4) % 6) as usize]), "slot {slot}");
    }
    assert_eq!(schedule, Schedule::new(seed, 4, &set));
}

#[test]
fn nobody_leads_before_the_epoch() {
    let schedule = Schedule::new(B256::ZERO, 10, &set(&[1, 1]));
    assert_eq!(schedule.leader(9), None);
    assert!(schedule.leader(10).is_some());
    assert!(schedule.leader(u64::MAX).is_some());
}

#[test]
fn seed_and_cycle_shuffle() {
    let set = set(&[5, 5, 5, 5, 5, 5]);
    let orders: std::collections::BTreeSet<Vec<usize>> = (0..4)
        .flat_map(|seed| (0..4).map(move |cycle| (seed, cycle)))
        .map(|(seed, cycle)| Schedule::new(B256::repeat_byte(seed), 1, &set).cycle(cycle))
        .collect();
    assert_eq!(orders.len(), 16);
}

#[test]
fn every_place_of_a_cycle_is_open_to_all() {
    let set = set(&[1, 1, 1]);
    let first: Vec<usize> = (0..300u64).map(|c| Schedule::new(B256::ZERO, 1, &set).cycle(c)[0]).collect();
    for at in 0..3 {
        let count = first.iter().filter(|f| **f == at).count();
        assert!((60..140).contains(&count), "validator {at} begins {count} of 300 cycles");
    }
}
