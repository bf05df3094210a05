//! Decisions: what convinces, and every way in which one does not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::sign::SignerKey;
use crate::testing::control::state;
use crate::testing::{domain, key, keys_of};

fn decision(epoch: &Epoch, keys: &[SignerKey]) -> Decision {
    let mut decision = Decision { height: 9, round: 1, value: vec![1, 2, 3], precommits: Vec::new() };
    for key in keys {
        let incarnation = epoch.set.get(&key.address()).map_or(0, |v| v.incarnation);
        let signature = key.sign(decision.digest(&domain(), epoch.number, incarnation));
        decision.precommits.push(Precommit { validator: key.address(), signature });
    }
    decision
}

#[test]
fn precommits_of_more_than_two_thirds_convince() {
    let epoch = state(&[1, 1, 1, 1, 2, 2, 2], 8).epoch().clone();
    let keys = keys_of(&epoch.set);
    let weight = |key: &SignerKey| epoch.set.get(&key.address()).map_or(0, |v| v.weight);
    decision(&epoch, &keys).verify(&epoch, &domain()).unwrap();
    let mut light: Vec<SignerKey> = keys_of(&epoch.set).into_iter().filter(|key| weight(key) == 1).collect();
    light.extend(keys.into_iter().find(|key| weight(key) == 2));
    light.sort_by_key(SignerKey::address);
    let by_heads = decision(&epoch, &light).verify(&epoch, &domain());
    assert_eq!(by_heads, Err(StatementError::NoQuorum { weight: 6, total: 10 }), "5 of 7 heads, but 6 of 10 weights");
}

#[test]
fn what_was_altered_does_not_convince() {
    let epoch = state(&[1, 1, 1, 1], 8).epoch().clone();
    let keys = keys_of(&epoch.set);
    let good = decision(&epoch, &keys[..3]);
    good.verify(&epoch, &domain()).unwrap();
    let bad = Err(StatementError::BadSignature { validator: keys[0].address() });
    let altered = |change: &dyn Fn(&mut Decision)| {
        let mut decision = good.clone();
        change(&mut decision);
        decision.verify(&epoch, &domain())
    };
    assert_eq!(altered(&|d| d.value[0] ^= 1), bad);
    assert_eq!(altered(&|d| d.height += 1), bad);
    assert_eq!(altered(&|d| d.round += 1), bad);
    assert_eq!(altered(&|d| d.precommits[0].signature.0[5] ^= 1), bad);
    assert_eq!(altered(&|d| d.precommits.swap(0, 1)), Err(StatementError::Unordered));
    assert_eq!(altered(&|d| d.precommits[1] = d.precommits[0]), Err(StatementError::Unordered));
    let short = altered(&|d| d.precommits.truncate(2));
    assert_eq!(short, Err(StatementError::NoQuorum { weight: 2, total: 4 }));
    let stranger = Address::repeat_byte(0xff);
    let foreign = altered(&|d| d.precommits[2].validator = stranger);
    assert_eq!(foreign, Err(StatementError::UnknownValidator { validator: stranger }));
    let elsewhere = Domain { chain_id: 1, ..domain() };
    assert_eq!(good.verify(&epoch, &elsewhere), bad);
    assert_eq!(good.verify(&Epoch { number: 1, ..epoch.clone() }, &domain()), bad);
}

#[test]
fn a_prevote_is_no_precommit() {
    let epoch = state(&[1, 1, 1, 1], 8).epoch().clone();
    let mut decision = decision(&epoch, &keys_of(&epoch.set)[..3]);
    let value = keccak256(&decision.value);
    let prevote = EngineStatement { step: Step::Prevote, height: 9, round: 1, value, pol_round: None };
    let prevote = prevote.digest(&domain(), 0, 0);
    let first = decision.precommits[0].validator;
    let author = (0..4).map(key).find(|k| k.address() == first).unwrap();
    decision.precommits[0].signature = author.sign(prevote);
    assert_eq!(decision.verify(&epoch, &domain()), Err(StatementError::BadSignature { validator: first }));
}
