//! Whole runs of key generation, honest and not.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256};
use proptest::prelude::*;

use super::{seal::Binding, *};
use crate::{
    KeyMaterial, LayoutError, ShareLayout,
    testing::{RUN, group, params, rng, show_commitments, start, validator},
};

#[test]
fn everyone_ends_with_one_key_and_its_own_shares() {
    for weights in [&[1, 1, 1, 1][..], &[3, 1, 2, 1, 5], &[1], &[2, 1]] {
        let materials = group(weights, 1);
        let public = materials[0].public();
        for (number, material) in materials.iter().enumerate() {
            assert_eq!(material.public(), public);
            assert_eq!(material.me(), validator(number));
            assert!(material.shares().keys().copied().eq(public.layout().identifiers(validator(number))));
            assert_eq!(material.confirm(), DkgConfirm { run: RUN, key: public.key() });
        }
        assert!(matches!(public.key().parity(), 27 | 28));
    }
}

#[test]
fn a_threshold_of_the_shares_is_the_key_and_one_less_is_not() {
    let materials = group(&[3, 1, 2, 1, 5], 2);
    let shares: Vec<_> = materials.iter().flat_map(|m| m.shares().values().cloned()).collect();
    let public = materials[0].public();
    let threshold = usize::from(public.layout().threshold());
    assert_eq!((shares.len(), threshold), (12, 9));
    let key = |shares: &[_]| {
        let secret = frost_secp256k1::keys::reconstruct(shares).unwrap();
        frost_secp256k1::VerifyingKey::from(&secret)
    };
    assert_eq!(key(&shares[..threshold]), *public.package().verifying_key());
    assert_eq!(key(&shares[3..]), *public.package().verifying_key());
    assert!(frost_secp256k1::keys::reconstruct(&shares[..threshold - 1]).is_err());
}

#[test]
fn two_runs_make_two_keys() {
    assert_ne!(group(&[1, 1], 1)[0].public().key(), group(&[1, 1], 2)[0].public().key());
}

#[test]
fn messages_survive_their_bytes_and_may_be_shown_twice() {
    let (mut dkgs, commitments) = start(&[1, 2], 3);
    let shares = show_commitments(&mut dkgs, &commitments);
    for message in [DkgMessage::Commitments(commitments[1].clone()), DkgMessage::Shares(shares[1].clone())] {
        assert_eq!(DkgMessage::from_bytes(&message.to_bytes()).unwrap(), message);
        assert_eq!(message.run(), RUN);
    }
    for _ in 0..2 {
        dkgs[0].on_commitments(validator(1), &commitments[1]).unwrap();
        dkgs[0].on_shares(validator(1), &shares[1]).unwrap();
    }
}

#[test]
fn a_node_killed_between_any_two_messages_goes_on_and_never_contradicts_itself() {
    let weights = [2, 1, 1];
    let expected = group(&weights, 4);
    let (mut dkgs, commitments) = start(&weights, 4);
    let reborn = |dkg: &Dkg| Dkg::from_bytes(&dkg.to_bytes()).unwrap();

    let mut killed = reborn(&dkgs.remove(0));
    assert_eq!(killed.outgoing().unwrap(), [DkgMessage::Commitments(commitments[0].clone())]);
    for (number, message) in commitments.iter().enumerate() {
        killed = reborn(&killed);
        killed.on_commitments(validator(number), message).unwrap();
    }
    let before_dealing = killed.to_bytes();
    let own = killed.shares().unwrap();
    assert_eq!(Dkg::from_bytes(&before_dealing).unwrap().shares().unwrap(), own);
    assert_eq!(reborn(&killed).outgoing().unwrap(), [DkgMessage::Shares(own.clone())]);

    let mut shares = show_commitments(&mut dkgs, &commitments);
    shares.insert(0, own);
    for (number, message) in shares.iter().enumerate() {
        assert!(!killed.has_all_shares());
        killed = reborn(&killed);
        killed.on_shares(validator(number), message).unwrap();
    }
    killed = reborn(&killed);
    assert!(killed.outgoing().unwrap().is_empty());
    let material = killed.finish().unwrap();
    assert_eq!(material.to_bytes(), expected[0].to_bytes());
}

#[test]
fn material_survives_its_bytes_and_a_swapped_share_does_not() {
    let materials = group(&[2, 1, 1], 5);
    let bytes = materials[0].to_bytes();
    assert_eq!(KeyMaterial::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    let mut swapped = bytes.to_vec();
    let at = swapped.len() - 64;
    swapped[at..].rotate_left(32);
    assert!(KeyMaterial::from_bytes(&swapped).is_err());
    assert!(!format!("{:?}", materials[0]).contains("signing_share"));
}

#[test]
fn no_two_receivers_and_no_two_dealers_share_randomness() {
    let (mut dkgs, commitments) = start(&[1, 2, 1], 18);
    let shares = show_commitments(&mut dkgs, &commitments);
    let keys = shares.iter().flat_map(|m| &m.sealed).map(|s| s.encapsulated);
    let keys: std::collections::BTreeSet<_> = keys.chain(commitments.iter().map(|m| m.seal_key)).collect();
    assert_eq!(keys.len(), 6 + 3);
    let constants = commitments.iter().flat_map(|m| &m.deals).flat_map(|d| d.coefficients.clone());
    assert_eq!(constants.collect::<std::collections::BTreeSet<_>>().len(), 4 * 3);
}

#[test]
fn another_chain_epoch_or_attempt_is_refused_without_blame() {
    let (mut dkgs, commitments) = start(&[1, 1], 6);
    let shares = show_commitments(&mut dkgs, &commitments);
    let others = [DkgRun { chain_id: 1, ..RUN }, DkgRun { epoch: 8, ..RUN }, DkgRun { attempt: 3, ..RUN }];
    for run in others {
        let error =
            dkgs[0].on_commitments(validator(1), &DkgCommitments { run, ..commitments[1].clone() }).unwrap_err();
        assert_eq!(error, DkgError::OtherRun { from: validator(1), found: run, expected: RUN });
        assert_eq!(error.culprit(), None);
        let error = dkgs[0].on_shares(validator(1), &DkgShares { run, ..shares[1].clone() }).unwrap_err();
        assert_eq!(error, DkgError::OtherRun { from: validator(1), found: run, expected: RUN });
    }
}

#[test]
fn shares_sealed_in_another_run_do_not_open_in_this_one() {
    let (mut dkgs, commitments) = start(&[1, 1], 7);
    show_commitments(&mut dkgs, &commitments);
    let other = DkgParams { run: DkgRun { attempt: 3, ..RUN }, ..params(&[1, 1]) };
    let (mut elsewhere, theirs) = Dkg::start(other.clone(), validator(1), &mut rng(8)).unwrap();
    let (_, ours) = Dkg::start(other.clone(), validator(0), &mut rng(7)).unwrap();
    let ours = DkgCommitments { seal_key: commitments[0].seal_key, ..ours };
    elsewhere.on_commitments(validator(0), &ours).unwrap();
    elsewhere.on_commitments(validator(1), &theirs).unwrap();
    let replayed = DkgShares { run: RUN, ..elsewhere.shares().unwrap() };
    let error = dkgs[0].on_shares(validator(1), &replayed).unwrap_err();
    assert_eq!(error, DkgError::BadShares { dealer: validator(1) });
}

#[test]
fn strangers_and_second_messages_are_named() {
    let stranger = Address::repeat_byte(0xee);
    assert_eq!(Dkg::start(params(&[1, 1]), stranger, &mut rng(1)).unwrap_err(), DkgError::NotAMember(stranger));
    let (mut dkgs, commitments) = start(&[1, 1], 8);
    let (_, others) = start(&[1, 1], 80);
    assert_eq!(dkgs[0].on_commitments(stranger, &commitments[1]).unwrap_err().culprit(), Some(stranger));
    dkgs[0].on_commitments(validator(1), &commitments[1]).unwrap();
    for (number, message) in others.iter().enumerate() {
        let error = dkgs[0].on_commitments(validator(number), message).unwrap_err();
        assert_eq!(error, DkgError::TwoMessages { dealer: validator(number) });
    }
    let shares = show_commitments(&mut dkgs, &commitments);
    dkgs[0].on_shares(validator(1), &shares[1]).unwrap();
    let mut second = shares[1].clone();
    second.sealed[0].ciphertext[0] ^= 1;
    let error = dkgs[0].on_shares(validator(1), &second).unwrap_err();
    assert_eq!(error, DkgError::TwoMessages { dealer: validator(1) });
}

#[test]
fn nothing_goes_on_before_everyone_has_spoken() {
    let (mut dkgs, commitments) = start(&[1, 1, 1], 9);
    let (mut others, _) = start(&[1, 1, 1], 9);
    let shares = show_commitments(&mut others, &commitments);
    dkgs[0].on_commitments(validator(0), &commitments[0]).unwrap();
    assert_eq!(dkgs[0].shares().unwrap_err(), DkgError::Incomplete { missing: 2 });
    let error = dkgs[0].on_shares(validator(1), &shares[1]).unwrap_err();
    assert_eq!(error, DkgError::TooEarly { dealer: validator(1) });
    show_commitments(&mut dkgs, &commitments);
    dkgs[0].on_shares(validator(1), &shares[1]).unwrap();
    assert_eq!(dkgs[0].finish().unwrap_err(), DkgError::Incomplete { missing: 2 });
    dkgs[0].on_shares(validator(2), &shares[2]).unwrap();
    assert_eq!(dkgs[0].finish().unwrap_err(), DkgError::Incomplete { missing: 1 }, "our own are not shown yet");
    dkgs[0].on_shares(validator(0), &shares[0]).unwrap();
    assert!(dkgs[0].finish().is_ok());
}

#[test]
fn a_dealer_without_knowledge_of_its_secret_is_named() {
    let (mut dkgs, mut commitments) = start(&[1, 2, 1], 10);
    let stolen = commitments[0].deals[0].clone();
    commitments[1].deals[1] = stolen;
    for (number, message) in commitments.iter().enumerate() {
        dkgs[2].on_commitments(validator(number), message).unwrap();
    }
    assert_eq!(dkgs[2].shares().unwrap_err(), DkgError::BadProof { dealer: validator(1) });
}

#[test]
fn a_dealer_of_shares_off_its_polynomial_is_named_by_who_got_them() {
    let (mut dkgs, commitments) = start(&[1, 2, 1], 11);
    let mut shares = show_commitments(&mut dkgs, &commitments);
    let binding = Binding { run: RUN, transcript: dkgs[1].transcript(), dealer: validator(1), receiver: validator(0) };
    let ones = [B256::with_last_byte(1).0, B256::with_last_byte(1).0].concat();
    shares[1].sealed[0] = binding.seal(&commitments[0].seal_key, &ones, &mut rng(11)).unwrap();
    for receiver in [0, 2] {
        for (number, message) in shares.iter().enumerate() {
            dkgs[receiver].on_shares(validator(number), message).unwrap();
        }
    }
    assert_eq!(dkgs[0].finish().unwrap_err(), DkgError::BadShares { dealer: validator(1) });
    assert!(dkgs[2].finish().is_ok());
}

#[test]
fn a_dealer_of_shares_that_do_not_open_is_named() {
    let (mut dkgs, commitments) = start(&[1, 2, 1], 11);
    let mut shares = show_commitments(&mut dkgs, &commitments);
    shares[1].sealed[0].ciphertext[3] ^= 1;
    let error = dkgs[0].on_shares(validator(1), &shares[1]).unwrap_err();
    assert_eq!(error, DkgError::BadShares { dealer: validator(1) });
    dkgs[2].on_shares(validator(1), &shares[1]).unwrap();
}

#[test]
fn shares_of_the_wrong_form_are_refused_by_every_receiver() {
    let (mut dkgs, commitments) = start(&[1, 2, 1], 13);
    let shares = show_commitments(&mut dkgs, &commitments);
    let spoil: [fn(&mut DkgShares); 4] = [
        |m| drop(m.sealed.pop()),
        |m| m.sealed.swap(0, 1),
        |m| m.sealed[1].ciphertext.truncate(79),
        |m| m.sealed[0].receiver = Address::ZERO,
    ];
    for spoil in spoil {
        let mut message = shares[1].clone();
        spoil(&mut message);
        for receiver in [0, 2] {
            let error = dkgs[receiver].on_shares(validator(1), &message).unwrap_err();
            assert!(matches!(error, DkgError::Malformed { dealer, .. } if dealer == validator(1)), "{error}");
        }
    }
}

#[test]
fn commitments_of_the_wrong_form_are_refused() {
    let (mut dkgs, commitments) = start(&[1, 2], 14);
    let spoil: [fn(&mut DkgCommitments); 5] = [
        |m| drop(m.deals.pop()),
        |m| m.deals[0].coefficients.truncate(2),
        |m| m.deals[0].coefficients.push([2; 33]),
        |m| m.deals[1].coefficients[0] = [0; 33],
        |m| m.deals[1].proof = [0xff; 65],
    ];
    for spoil in spoil {
        let mut message = commitments[1].clone();
        spoil(&mut message);
        let error = dkgs[0].on_commitments(validator(1), &message).unwrap_err();
        assert!(matches!(error, DkgError::Malformed { dealer, .. } if dealer == validator(1)), "{error}");
    }
    dkgs[0].on_commitments(validator(1), &commitments[1]).unwrap();
}

#[test]
fn a_seal_key_of_low_order_is_named() {
    let (mut dkgs, mut commitments) = start(&[1, 1], 15);
    commitments[1].seal_key = [0; 32];
    for (number, message) in commitments.iter().enumerate() {
        dkgs[0].on_commitments(validator(number), message).unwrap();
    }
    assert_eq!(dkgs[0].shares().unwrap_err(), DkgError::BadSealKey { validator: validator(1) });
}

#[test]
fn state_that_says_something_else_than_before_is_refused() {
    let (dkgs, _) = start(&[1, 1], 16);
    let bytes = dkgs[0].to_bytes();
    let seed_at = 1 + 20 + 4 + 2 * 28 + 20;
    let mut other_seed = bytes.to_vec();
    other_seed[seed_at] ^= 1;
    assert!(matches!(Dkg::from_bytes(&other_seed), Err(DkgError::Undecodable(_))));
    assert!(Dkg::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Dkg::from_bytes(&[]).is_err());
}

#[test]
fn the_largest_honest_commitments_fit_the_bound() {
    let layout = ShareLayout::new(&[(validator(0), u64::from(crate::limits::MAX_SHARES))]).unwrap();
    let deal = ShareDeal { coefficients: vec![[0; 33]; layout.threshold().into()], proof: [0; 65] };
    let deals = vec![deal; layout.total().into()];
    let bytes = DkgMessage::Commitments(DkgCommitments { run: RUN, seal_key: [0; 32], deals }).to_bytes();
    assert!(DkgMessage::from_bytes(&bytes).is_ok());
    assert!(DkgMessage::from_bytes(&vec![0; crate::limits::MAX_DKG_MESSAGE_BYTES + 1]).is_err());
    assert_eq!(ShareLayout::new(&[(validator(0), 201)]), Err(LayoutError::TooManyShares));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), tag in 0u8..4) {
        let mut tagged = vec![tag];
        tagged.extend(&bytes);
        let _ = DkgMessage::from_bytes(&tagged);
        let _ = Dkg::from_bytes(&bytes);
        let _ = KeyMaterial::from_bytes(&bytes);
    }

    #[test]
    fn no_spoilt_message_or_state_makes_it_panic(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<bool>()) {
        let (mut dkgs, commitments) = start(&[1, 2], 17);
        let shares = show_commitments(&mut dkgs, &commitments);
        let spoil = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if cut { bytes.truncate(at) }
            bytes
        };
        let (mut fresh, _) = start(&[1, 2], 17);
        let mut ready = Dkg::from_bytes(&dkgs[0].to_bytes()).unwrap();
        for message in [DkgMessage::Commitments(commitments[1].clone()), DkgMessage::Shares(shares[1].clone())] {
            match DkgMessage::from_bytes(&spoil(&message.to_bytes())) {
                Ok(DkgMessage::Commitments(message)) => drop(fresh[0].on_commitments(validator(1), &message)),
                Ok(DkgMessage::Shares(message)) => drop(ready.on_shares(validator(1), &message)),
                _ => {}
            }
        }
        let _ = fresh[0].on_commitments(validator(0), &commitments[0]);
        let _ = fresh[0].outgoing();
        if let Ok(mut state) = Dkg::from_bytes(&spoil(&dkgs[0].to_bytes())) {
            let _ = state.outgoing();
            let _ = state.on_shares(validator(1), &shares[1]);
            let _ = state.finish();
        }
    }

    #[test]
    fn group_data_never_panics(px in any::<[u8; 32]>(), parity in any::<u8>(), rest in any::<[u8; 32]>()) {
        let signature = crate::GroupSignature { rx: px.into(), ry: rest.into(), z: px.into() };
        if let Ok(key) = crate::GroupKey::new(px.into(), 27 + parity % 2) {
            prop_assert!(key.verify(B256::ZERO, &signature).is_err());
        }
        let _ = crate::GroupKey::new(px.into(), parity);
    }
}
