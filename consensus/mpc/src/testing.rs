//! What the tests of several modules need: validators, and groups made by a full run of key generation.

use std::{cell::RefCell, collections::BTreeMap};

use alloy_primitives::Address;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{Dkg, DkgCommitments, DkgParams, DkgRun, DkgShares, KeyMaterial, ShareLayout};

pub(crate) const RUN: DkgRun = DkgRun { chain_id: 1088, epoch: 7, attempt: 2 };

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The address of the `number`-th validator.
pub(crate) fn validator(number: usize) -> Address {
    Address::repeat_byte(0x10 + number as u8)
}

pub(crate) fn params(weights: &[u64]) -> DkgParams {
    let weights: Vec<_> = weights.iter().enumerate().map(|(number, weight)| (validator(number), *weight)).collect();
    DkgParams { run: RUN, layout: ShareLayout::new(&weights).unwrap() }
}

/// A run in which everyone has begun.
pub(crate) fn start(weights: &[u64], seed: u64) -> (Vec<Dkg>, Vec<DkgCommitments>) {
    let begin = |number| Dkg::start(params(weights), validator(number), &mut rng(seed + number as u64)).unwrap();
    (0..weights.len()).map(begin).unzip()
}

/// Shows everyone's commitments to everyone.
pub(crate) fn show_commitments(dkgs: &mut [Dkg], messages: &[DkgCommitments]) -> Vec<DkgShares> {
    for dkg in dkgs.iter_mut() {
        for (number, message) in messages.iter().enumerate() {
            dkg.on_commitments(validator(number), message).unwrap();
        }
    }
    dkgs.iter_mut().map(|dkg| dkg.shares().unwrap()).collect()
}

type Arguments = (Vec<u64>, u64);

thread_local! {
    static MADE: RefCell<BTreeMap<Arguments, Vec<KeyMaterial>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The whole run, everyone honest. Made once a test for the same arguments.
pub(crate) fn group(weights: &[u64], seed: u64) -> Vec<KeyMaterial> {
    let make = || make_group(weights, seed);
    MADE.with_borrow_mut(|made| made.entry((weights.to_vec(), seed)).or_insert_with(make).clone())
}

fn make_group(weights: &[u64], seed: u64) -> Vec<KeyMaterial> {
    let (mut dkgs, commitments) = start(weights, seed);
    let shares = show_commitments(&mut dkgs, &commitments);
    for dkg in &mut dkgs {
        for (number, message) in shares.iter().enumerate() {
            dkg.on_shares(validator(number), message).unwrap();
        }
    }
    dkgs.iter().map(|dkg| dkg.finish().unwrap()).collect()
}
