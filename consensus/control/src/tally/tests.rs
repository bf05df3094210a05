//! The tally against a model that keeps everything and counts from scratch.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::statement::BlockFacts;
use crate::testing::{Rng, ack, chain, child, close_vote, key, keys_of, term};

/// Every ack ever handed in, and what follows from them by the words of the design.
#[derive(Default)]
struct Model {
    first: BTreeMap<(Address, u64), BlockId>,
    named: BTreeMap<Address, u64>,
}

impl Model {
    fn add(&mut self, ack: &Ack) {
        let first = *self.first.entry((ack.validator, ack.block.number)).or_insert(ack.block);
        if first != ack.block {
            return;
        }
        let named = ack.certificate.map_or(0, |c| c.number);
        let most = self.named.entry(ack.validator).or_default();
        *most = named.max(*most);
    }

    fn certified(&self, term: &Term) -> BTreeSet<BlockId> {
        let blocks: BTreeSet<BlockId> = self.first.values().copied().collect();
        let weight = |block: &BlockId| -> u64 {
            let acked = self.first.iter().filter(|(_, b)| *b == block);
            acked.map(|((v, _), _)| term.set.get(v).unwrap().weight).sum()
        };
        blocks.into_iter().filter(|b| 3 * weight(b) > 2 * term.set.total()).collect()
    }

    fn committed(&self, term: &Term) -> u64 {
        let weight = |n: u64| -> u64 {
            self.named.iter().filter(|(_, c)| **c >= n).map(|(v, _)| term.set.get(v).unwrap().weight).sum()
        };
        let certified = self.certified(term);
        let heights = certified.iter().map(|b| b.number).filter(|n| 3 * weight(*n) > 2 * term.set.total());
        heights.max().unwrap_or(0)
    }
}

#[test]
fn agrees_with_the_model_in_any_order() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let units = [[1, 1, 1, 1].as_slice(), &[2, 1, 3, 2, 1], &[5, 5, 4, 3, 2, 1, 1]][rng.below(3)];
        let term = term(units, 16);
        let keys = keys_of(&term.set);
        let blocks: Vec<BlockFacts> = chain(&term, 6, 3).iter().map(|b| b.facts).collect();
        let liar = rng.below(keys.len());
        let mut acks = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let mut named = 0;
            for (n, block) in blocks.iter().enumerate().take(rng.below(7)) {
                for _ in 0..1 + rng.below(2) {
                    named = named.max(rng.below(n + 2).min(n + 1));
                    let certificate = (named > 0).then(|| blocks[named - 1].id);
                    let other = at == liar && rng.chance(30);
                    let facts = if other { child(&term, &blocks[n.max(1) - 1], false, 3) } else { *block };
                    acks.push(ack(&term, &facts, certificate, key));
                }
            }
        }
        for at in (1..acks.len()).rev() {
            acks.swap(at, rng.below(at + 1));
        }
        let (mut tally, mut model) = (Tally::new(term.clone()), Model::default());
        let (mut certified, mut committed, mut convicted) = (BTreeSet::new(), 0, BTreeSet::new());
        for cast in &acks {
            model.add(cast);
            for _ in 0..1 + rng.below(2) {
                for done in tally.add(cast).unwrap() {
                    match done {
                        Tallied::Certificate(c) => {
                            assert_eq!(c.verify(&term.set, &term.domain), Ok(()));
                            assert!(certified.insert(c.block), "a certificate comes once");
                        }
                        Tallied::Commit(c) => {
                            assert_eq!(c.verify(&term.set, &term.domain), Ok(()));
                            assert!(c.block().number > committed);
                            committed = c.block().number;
                        }
                        Tallied::Evidence(e) => {
                            assert_eq!(e.verify(&term), Ok(keys[liar].address()));
                            assert!(convicted.insert(cast.validator), "evidence comes once");
                        }
                    }
                }
            }
            assert_eq!(committed, model.committed(&term), "seed {seed}");
            let expected: BTreeSet<BlockId> = model.certified(&term);
            let missed: Vec<_> = expected.difference(&certified).filter(|b| b.number > committed).collect();
            assert!(missed.is_empty() && certified.is_subset(&expected), "seed {seed}: {missed:?}");
        }
    }
}

#[test]
fn junk_is_refused_and_changes_nothing() {
    let term = term(&[1, 1, 1, 1], 2);
    let blocks: Vec<BlockFacts> = chain(&term, 1, 8).iter().map(|b| b.facts).collect();
    let mut tally = Tally::new(term.clone());
    let good = ack(&term, &blocks[0], None, &key(0));
    let forged = Ack { validator: key(1).address(), ..good };
    assert!(matches!(tally.add(&forged), Err(Junk::Statement(StatementError::BadSignature { .. }))));
    let below = Ack { block: BlockId { number: 0, ..good.block }, ..good };
    assert_eq!(tally.add(&below), Err(Junk::BelowTerm { number: 0 }));
    assert!(matches!(tally.add(&Ack { term: 2, ..good }), Err(Junk::Statement(StatementError::WrongTerm { .. }))));
    let stranger = ack(&term, &blocks[0], None, &key(9));
    assert!(matches!(tally.add(&stranger), Err(Junk::Statement(StatementError::UnknownValidator { .. }))));
    for n in 0..2 {
        assert_eq!(tally.add(&ack(&term, &blocks[0], None, &key(n))), Ok(vec![]));
    }
    let third = tally.add(&ack(&term, &blocks[0], None, &key(2))).unwrap();
    assert!(matches!(third[..], [Tallied::Certificate(_)]));
}

#[test]
fn a_known_ack_is_not_verified_again() {
    let term = term(&[1, 1, 1, 1], 4);
    let block = chain(&term, 1, 8)[0].facts;
    let mut tally = Tally::new(term.clone());
    let good = ack(&term, &block, None, &key(0));
    assert_eq!(tally.add(&good), Ok(vec![]));
    let mut same_words_bad_signature = good;
    same_words_bad_signature.signature.0[5] ^= 1;
    assert_eq!(tally.add(&same_words_bad_signature), Ok(vec![]), "known words are passed over unread");
}

#[test]
fn a_certificate_from_elsewhere_completes_a_commit() {
    let term = term(&[1, 1, 1, 1], 4);
    let blocks: Vec<BlockFacts> = chain(&term, 2, 8).iter().map(|b| b.facts).collect();
    let mut tally = Tally::new(term.clone());
    for n in 0..3 {
        let cast = ack(&term, &blocks[1], Some(blocks[0].id), &key(n));
        let done = tally.add(&cast).unwrap();
        assert!(done.iter().all(|d| matches!(d, Tallied::Certificate(_))));
    }
    let certificate = crate::testing::certificate(&term, &blocks[0], None, 3);
    let commit = tally.hold_certificate(&certificate).unwrap().unwrap();
    assert_eq!(commit.block(), blocks[0].id);
    assert_eq!(commit.verify(&term.set, &term.domain), Ok(()));
    assert_eq!(tally.committed_number(), 1);
    assert_eq!(tally.highest_certificate().map(|c| c.block), Some(blocks[1].id));
}

#[test]
fn what_is_kept_of_one_validator_is_bounded() {
    let term = term(&[1, 1, 1, 1], 2);
    let most = (TALLY_WINDOWS * term.window_blocks) as usize;
    let blocks: Vec<BlockFacts> = chain(&term, 40, 100).iter().map(|b| b.facts).collect();
    let mut tally = Tally::new(term.clone());
    for block in &blocks {
        tally.add(&ack(&term, block, None, &key(0))).unwrap();
        assert!(tally.heights.len() <= most);
    }
    assert_eq!(tally.heights.keys().next_back(), Some(&40));
    let evicted = tally.add(&ack(&term, &blocks[1], None, &key(1))).unwrap();
    assert_eq!((evicted, tally.heights[&2].counts[0].weight), (vec![], 1));
}

#[test]
fn acks_far_above_the_commit_known_here_still_count() {
    let term = term(&[1, 1, 1, 1], 2);
    let blocks: Vec<BlockFacts> = chain(&term, 40, 100).iter().map(|b| b.facts).collect();
    let mut tally = Tally::new(term.clone());
    let done: Vec<Tallied> =
        (0..3).flat_map(|n| tally.add(&ack(&term, &blocks[39], Some(blocks[38].id), &key(n))).unwrap()).collect();
    assert!(matches!(&done[..], [Tallied::Certificate(c)] if c.block == blocks[39].id));
    assert_eq!(tally.committed_number(), 0, "no certificate at or below what they hold is known here");
    let certificate = crate::testing::certificate(&term, &blocks[38], None, 3);
    let commit = tally.hold_certificate(&certificate).unwrap().unwrap();
    assert_eq!(commit.block(), blocks[38].id);
}

#[test]
fn an_ack_against_its_authors_close_vote_convicts_in_either_order() {
    let term = term(&[1, 1, 1, 1], 8);
    let blocks = chain(&term, 3, 8);
    let key = &keys_of(&term.set)[0];
    let (first, second) = (ack(&term, &blocks[0].facts, None, key), ack(&term, &blocks[1].facts, None, key));
    let vote = close_vote(&term, None, blocks[..1].to_vec(), key);

    let mut after = Tally::new(term.clone());
    assert_eq!(after.hold_close_vote(&vote), None);
    assert_eq!(after.add(&first), Ok(vec![]));
    let said = after.add(&second).unwrap();
    let [Tallied::Evidence(evidence)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(evidence.verify(&term), Ok(key.address()));
    assert_eq!(after.add(&second), Ok(vec![]), "told once");

    let mut before = Tally::new(term.clone());
    before.add(&first).unwrap();
    before.add(&second).unwrap();
    let evidence = before.hold_close_vote(&vote).unwrap();
    assert_eq!(evidence.verify(&term), Ok(key.address()));
    assert_eq!(before.hold_close_vote(&vote), None, "told once");

    let mut honest = Tally::new(term.clone());
    honest.add(&first).unwrap();
    assert_eq!(honest.hold_close_vote(&vote), None);
    let elsewhere = close_vote(&Term { number: 2, ..term.clone() }, None, vec![], key);
    assert_eq!(honest.hold_close_vote(&elsewhere), None, "a vote of another term says nothing here");
    let mut forged = second;
    forged.signature = first.signature;
    assert!(honest.add(&forged).is_err(), "a forged ack convicts nobody");
}
