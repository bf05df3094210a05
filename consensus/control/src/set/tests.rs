//! Weights against a naive model and the vectors shared with Solidity; quorums by brute force.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::{candidate, set};

/// Weights from first principles: try every cap from the largest, add up with loops.
fn naive_weights(stakes: &[u128]) -> Vec<u64> {
    let mut raw = Vec::new();
    for stake in stakes {
        let mut units = 0;
        while units < 5 && (units + 1) * MIN_STAKE <= *stake {
            units += 1;
        }
        raw.push(units as u64);
    }
    if raw.iter().filter(|w| **w > 0).count() < 4 {
        return raw;
    }
    for cap in [5, 4, 3, 2, 1] {
        let cut: Vec<u64> = raw.iter().map(|w| if *w > cap { cap } else { *w }).collect();
        let mut total = 0.0;
        cut.iter().for_each(|w| total += *w as f64);
        if cut.iter().all(|w| (*w as f64) < total / 3.0 - 1e-9) {
            return cut;
        }
    }
    unreachable!("a cap of one leaves each of four below a third")
}

#[test]
fn weights_are_those_of_the_shared_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/weights.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 5);
    for case in cases {
        let stakes: Vec<U256> =
            case["stakes"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().parse().unwrap()).collect();
        let expected: Vec<u64> = case["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap()).collect();
        assert_eq!(weights(&stakes), expected, "{}", case["name"]);
    }
}

#[test]
fn snapshot_hash_is_that_of_the_shared_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/digests.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let signers = case["signers"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().parse().unwrap());
        let members: Vec<(Address, u64)> =
            signers.zip(case["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap())).collect();
        let expected: B256 = case["snapshotHash"].as_str().unwrap().parse().unwrap();
        assert_eq!(snapshot_hash(&members), expected);
    }
}

#[test]
fn stake_below_the_minimum_is_no_member() {
    let mut poor = candidate(1, 1);
    poor.stake -= U256::from(1);
    let set = ValidatorSet::form(&[candidate(0, 2), poor.clone()]).unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(set.get(&poor.signer), None);
    assert_eq!(ValidatorSet::form(&[poor]), Err(SetError::Empty));
}

#[test]
fn twins_are_refused() {
    let twin = Candidate { id: 9, node_key: [9; 32], ..candidate(0, 1) };
    let signer = twin.signer;
    assert_eq!(ValidatorSet::form(&[candidate(0, 1), twin]), Err(SetError::Duplicate { signer }));
}

#[test]
fn members_are_found_by_signer() {
    let set = set(&[1, 2, 3, 4]);
    assert!(set.validators().is_sorted_by_key(|v| v.signer));
    for (at, v) in set.validators().iter().enumerate() {
        assert_eq!(set.index_of(&v.signer), Some(at));
    }
    assert_eq!(set.index_of(&Address::ZERO), None);
}

#[test]
fn a_set_out_of_order_does_not_decode() {
    let set = set(&[1, 1, 1, 1]);
    let mut members = set.validators().to_vec();
    assert_eq!(borsh::from_slice::<ValidatorSet>(&borsh::to_vec(&set).unwrap()).unwrap(), set);
    members.swap(0, 1);
    assert!(borsh::from_slice::<ValidatorSet>(&borsh::to_vec(&(members, 4u64)).unwrap()).is_err());
    let wrong_total = (set.validators().to_vec(), 3u64);
    assert!(borsh::from_slice::<ValidatorSet>(&borsh::to_vec(&wrong_total).unwrap()).is_err());
}

proptest! {
    #[test]
    fn weights_follow_the_rule(units in prop::collection::vec((0u128..8, 0u128..3), 1..40)) {
        let stakes: Vec<u128> =
            units.iter().map(|(whole, part)| (whole * MIN_STAKE + part * (MIN_STAKE / 2)).saturating_sub(*part & 1)).collect();
        let wide: Vec<U256> = stakes.iter().map(|s| U256::from(*s)).collect();
        prop_assert_eq!(weights(&wide), naive_weights(&stakes));
    }

    #[test]
    fn two_quorums_share_more_than_a_third(units in prop::collection::vec(1u64..6, 1..9), a in any::<u16>(), b in any::<u16>()) {
        let set = set(&units);
        let weight = |mask: u16| -> u64 {
            set.validators().iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1).map(|(_, v)| v.weight).sum()
        };
        prop_assert_eq!(set.is_quorum(weight(a)), weight(a) as f64 / set.total() as f64 > 2.0 / 3.0 + 1e-9);
        if set.is_quorum(weight(a)) && set.is_quorum(weight(b)) {
            prop_assert!(3 * weight(a & b) > set.total());
        }
    }
}
