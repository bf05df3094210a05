//! Who is passed over, in which order, and never 1/3 of the weights.

use alloy_primitives::B256;
use proptest::prelude::*;

use super::*;
use crate::jail::Jailed;
use crate::proof::Offence;
use crate::sign::Signature;
use crate::statement::{BlockId, EngineStatement, Step};
use crate::testing::{engine_proof, keys_of, set};

const STALE: u64 = 10;

fn said(validator: Address, slot: u64, control_height: u64, ready: bool) -> Readiness {
    let committed = BlockId { number: slot, hash: B256::repeat_byte(1) };
    let signature = Signature([0; 65]);
    Readiness {
        validator,
        incarnation: 0,
        epoch: 0,
        term: 1,
        slot,
        committed,
        l1_view: 0,
        control_height,
        ready,
        signature,
    }
}

fn members(set: &ValidatorSet) -> Vec<Address> {
    set.validators().iter().map(|v| v.signer).collect()
}

fn jailed(set: &ValidatorSet, at: usize) -> Jail {
    let vote = |value| EngineStatement {
        step: Step::Prevote,
        height: 1,
        round: 0,
        value: B256::repeat_byte(value),
        pol_round: None,
    };
    let proof = engine_proof(0, vote(1), vote(2), &keys_of(set)[at]);
    let (id, validator) = (set.validators()[at].id, proof.validator);
    let mut jail = Jail::default();
    jail.convict(id, Jailed { validator, offence: Offence::DoubleVote, height: 1, epoch: 0, proof });
    jail
}

#[test]
fn a_stale_statement_is_measured_by_what_a_third_have_reached() {
    let set = set(&[1, 1, 1, 1]);
    let who = members(&set);
    let mut roll = RollCall::begin(&set, 1, 0);
    roll.state(&said(who[0], 1_000, 1, true), 1);
    assert_eq!(roll.reached_slot(&set), 1, "one of four may lie");
    assert!(roll.passed_over(&set, &Jail::default(), STALE).is_empty());
    roll.state(&said(who[1], 12, 1, true), 2);
    roll.state(&said(who[2], 2, 1, true), 2);
    assert_eq!(roll.reached_slot(&set), 12);
    assert_eq!(roll.passed_over(&set, &Jail::default(), STALE), [who[3]]);
    roll.state(&said(who[3], 12, 2, true), 3);
    assert!(roll.passed_over(&set, &Jail::default(), STALE).is_empty(), "it is back");
}

#[test]
fn convicted_ones_go_first_then_those_who_ask_then_failed_then_stale() {
    let set = set(&[1, 1, 1, 1]);
    let who = members(&set);
    let mut roll = RollCall::begin(&set, 1, 0);
    for at in [0, 1] {
        roll.state(&said(who[at], 50, 1, true), 1);
    }
    let passed = |roll: &RollCall, jail: &Jail| roll.passed_over(&set, jail, STALE);
    let none = Jail::default();
    assert_eq!(passed(&roll, &none).len(), 1, "two are stale, one may be passed over");
    roll.close(Some(who[0]), std::iter::empty(), 50, 2);
    assert_eq!(passed(&roll, &none), [who[0]]);
    assert!(roll.has_failed(&who[0]));
    roll.state(&said(who[1], 51, 2, false), 3);
    assert_eq!(passed(&roll, &none), [who[1]]);
    assert_eq!(passed(&roll, &jailed(&set, 3)), [who[3]]);
}

#[test]
fn a_close_vote_shows_life_but_not_readiness() {
    let set = set(&[1, 1, 1, 1]);
    let who = members(&set);
    let mut roll = RollCall::begin(&set, 1, 0);
    roll.close(Some(who[0]), who[1..].iter(), 5, 1);
    assert_eq!(roll.passed_over(&set, &Jail::default(), STALE), [who[0]]);
    roll.close(None, who.iter(), 6, 2);
    assert!(roll.passed_over(&set, &Jail::default(), STALE).is_empty());
    roll.state(&said(who[2], 6, 2, false), 3);
    roll.close(None, who.iter(), 7, 4);
    assert_eq!(roll.passed_over(&set, &Jail::default(), STALE), [who[2]], "it asked for it");
}

#[test]
fn an_old_statement_does_not_come_back() {
    let set = set(&[1, 1, 1, 1]);
    let me = members(&set)[0];
    let mut roll = RollCall::begin(&set, 1, 5);
    assert!(!roll.says_more(&said(me, 9, 4, true)), "it names a height before the last one was decided");
    assert!(!roll.says_more(&said(me, 1, 5, true)), "nothing new");
    assert!(roll.says_more(&said(me, 2, 5, true)) && roll.says_more(&said(me, 1, 5, false)));
    roll.state(&said(me, 1, 5, false), 6);
    assert!(!roll.says_more(&said(me, 2, 5, true)), "replayed");
    assert!(roll.says_more(&said(me, 1, 6, true)));
    roll.close(Some(me), std::iter::empty(), 2, 7);
    roll.state(&said(me, 1, 6, true), 7);
    roll.close(Some(me), std::iter::empty(), 2, 8);
    assert!(roll.says_more(&said(me, 1, 7, true)), "after its slot failed, the same words are news");
}

proptest! {
    /// Whatever is said, less than 1/3 of the weights is passed over, and whoever jails or asks goes before the stale.
    #[test]
    fn never_a_third(
        units in prop::collection::vec(1u64..6, 4..9),
        steps in prop::collection::vec((0usize..9, 0u64..100, any::<bool>(), any::<bool>()), 0..40),
    ) {
        let set = set(&units);
        let who = members(&set);
        let mut roll = RollCall::begin(&set, 1, 0);
        for (height, (at, slot, ready, fails)) in steps.into_iter().enumerate() {
            let at = who[at % who.len()];
            let height = height as u64 + 1;
            if fails {
                roll.close(Some(at), who.iter().filter(|v| **v != at), slot, height);
            } else {
                roll.state(&said(at, slot, height - 1, ready), height);
            }
            let passed = roll.passed_over(&set, &Jail::default(), STALE);
            let weight: u64 = passed.iter().map(|v| set.get(v).unwrap().weight).sum();
            prop_assert!(3 * weight < set.total());
            prop_assert!(passed.is_sorted());
            let asked = |v: &Address| roll.of(v).is_some_and(|stated| !stated.ready);
            let stale = passed.iter().any(|v| !asked(v) && !roll.has_failed(v));
            let smallest = who.iter().filter(|v| asked(v) && !passed.contains(v)).map(|v| set.get(v).unwrap().weight).min();
            let others: u64 = passed.iter().filter(|v| asked(v)).map(|v| set.get(v).unwrap().weight).sum();
            prop_assert!(!stale || smallest.is_none_or(|weight| 3 * (others + weight) >= set.total()));
        }
    }
}
