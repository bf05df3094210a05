//! Picking the head against a naive model that walks a tree of names.

use super::*;
use crate::statement::SignedBlock;
use crate::testing::{Rng, certificate, child, close_vote, keys_of, seal, term};

/// The rule read out loud: highest certificate, then the heaviest child, over plain indices.
fn naive_head(term: &Term, blocks: &[SignedBlock], votes: &[(u64, Option<usize>, Vec<usize>)]) -> BlockId {
    let id = |n: usize| blocks[n].facts.id;
    let mut head = term.parent.id;
    for (_, certified, _) in votes {
        if let Some(n) = certified
            && id(*n).number > head.number
        {
            head = id(*n);
        }
    }
    loop {
        let mut best: Option<(u64, B256, BlockId)> = None;
        for (n, block) in blocks.iter().enumerate() {
            if block.facts.parent != head.hash {
                continue;
            }
            let weight: u64 = votes.iter().filter(|(_, _, list)| list.contains(&n)).map(|(w, _, _)| w).sum();
            let better = match best {
                Some((w, hash, _)) => weight > w || (weight == w && id(n).hash < hash),
                None => true,
            };
            if weight > 0 && better {
                best = Some((weight, id(n).hash, id(n)));
            }
        }
        match best {
            Some((_, _, block)) => head = block,
            None => return head,
        }
    }
}

#[test]
fn agrees_with_the_naive_model() {
    let mut forks = 0;
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let term = term([[1, 1, 1, 1].as_slice(), &[1, 2, 3, 4, 5]][rng.below(2)], 16);
        let mut blocks: Vec<SignedBlock> = Vec::new();
        for salt in 0..3 + rng.below(8) {
            let parent = match rng.below(blocks.len() + 1) {
                0 => term.parent,
                n => blocks[n - 1].facts,
            };
            blocks.push(seal(&term, child(&term, &parent, rng.chance(30), salt as u64)));
        }
        let path = |tip: usize| {
            let mut path = vec![tip];
            while let Some(n) = blocks.iter().position(|b| b.facts.id.hash == blocks[path[0]].facts.parent) {
                path.insert(0, n);
            }
            path
        };
        let certified = path(rng.below(blocks.len()));
        let mut votes = Vec::new();
        let mut named = Vec::new();
        for (key, v) in keys_of(&term.set).iter().zip(term.set.validators()) {
            if rng.chance(15) {
                continue;
            }
            let certificate_at = rng.chance(50).then(|| *rng.pick(&certified).unwrap());
            let base = certificate_at.map_or(0, |n| blocks[n].facts.id.number);
            let list: Vec<usize> =
                path(rng.below(blocks.len())).into_iter().filter(|n| blocks[*n].facts.id.number > base).collect();
            let held = certificate_at.map(|n| certificate(&term, &blocks[n].facts, None, term.set.len()));
            votes.push(close_vote(&term, held, list.iter().map(|n| blocks[*n]).collect(), key));
            named.push((v.weight, certificate_at, list));
        }
        if votes.is_empty() {
            continue;
        }
        let base = base_of(&term, &votes);
        let base = blocks.iter().map(|b| b.facts).find(|f| f.id == base).unwrap_or(term.parent);
        let head = pick_head(&term, &base, &votes).unwrap();
        assert_eq!(head.id, naive_head(&term, &blocks, &named), "seed {seed}");
        forks += usize::from(votes.iter().any(|v| {
            v.acked
                .iter()
                .any(|b| b.facts.id.number <= head.id.number && !path_to(&blocks, &head.id).contains(&b.facts.id))
        }));
    }
    assert!(forks > 10, "only {forks} runs had a fork to decide");
}

fn path_to(blocks: &[SignedBlock], tip: &BlockId) -> Vec<BlockId> {
    let mut path = vec![*tip];
    while let Some(b) = blocks.iter().find(|b| b.facts.id == *path.last().unwrap()) {
        match blocks.iter().find(|p| p.facts.id.hash == b.facts.parent) {
            Some(parent) => path.push(parent.facts.id),
            None => break,
        }
    }
    path
}

#[test]
fn a_child_out_of_its_slot_is_no_candidate() {
    let term = term(&[1, 1, 1, 1], 8);
    let keys = keys_of(&term.set);
    let first = seal(&term, child(&term, &term.parent, false, 0));
    let mut early = child(&term, &first.facts, false, 1);
    early.slot += 1;
    let early = seal(&term, early);
    let certified = certificate(&term, &first.facts, None, 3);
    let votes: Vec<CloseVote> =
        keys.iter().map(|key| close_vote(&term, Some(certified.clone()), vec![early], key)).collect();
    assert_eq!(pick_head(&term, &first.facts, &votes), Ok(first.facts));
}

#[test]
fn a_false_base_is_refused() {
    let term = term(&[1, 1, 1, 1], 8);
    let keys = keys_of(&term.set);
    let first = child(&term, &term.parent, false, 0);
    let vote = |certified: Option<Certificate>| vec![close_vote(&term, certified, vec![], &keys[0])];
    let plain = vote(None);
    assert_eq!(pick_head(&term, &term.parent, &plain), Ok(term.parent));
    assert!(pick_head(&term, &first, &plain).is_err());
    assert!(pick_head(&term, &BlockFacts { ends_slot: false, ..term.parent }, &plain).is_err());
    let certified = vote(Some(certificate(&term, &first, None, 3)));
    assert_eq!(pick_head(&term, &first, &certified), Ok(first));
    assert!(pick_head(&term, &term.parent, &certified).is_err());
    assert!(pick_head(&term, &BlockFacts { slot: first.slot + 1, ..first }, &certified).is_err());
}

#[test]
fn one_block_with_two_stories_is_refused() {
    let term = term(&[1, 1, 1, 1], 8);
    let keys = keys_of(&term.set);
    let honest = seal(&term, child(&term, &term.parent, false, 0));
    let mut lie = honest;
    lie.facts.ends_slot = true;
    let votes = vec![close_vote(&term, None, vec![honest], &keys[0]), close_vote(&term, None, vec![lie], &keys[1])];
    assert_eq!(pick_head(&term, &term.parent, &votes), Err(HeadError::ConflictingFacts { block: honest.facts.id }));
}

/// Who acked one branch must list it, though the other one is certified: it changes nothing, and nobody has to hold it.
#[test]
fn what_does_not_stand_on_the_base_is_passed_over() {
    let term = term(&[1, 1, 1, 1], 8);
    let keys = keys_of(&term.set);
    let first = seal(&term, child(&term, &term.parent, false, 0));
    let twin = seal(&term, child(&term, &term.parent, false, 1));
    let on_twin = seal(&term, child(&term, &twin.facts, false, 0));
    let next = seal(&term, child(&term, &first.facts, false, 0));
    let certified = certificate(&term, &first.facts, None, 3);
    let mut votes = vec![
        close_vote(&term, Some(certified.clone()), vec![on_twin], &keys[0]),
        close_vote(&term, Some(certified.clone()), vec![on_twin], &keys[1]),
        close_vote(&term, Some(certified), vec![next], &keys[2]),
    ];
    assert_eq!(standing_on(&first.facts.id, &votes), [next.facts]);
    assert_eq!(pick_head(&term, &first.facts, &votes), Ok(next.facts));
    let mut lie = on_twin;
    lie.facts.ends_slot = true;
    votes[1] = close_vote(&term, votes[1].certificate.clone(), vec![lie], &keys[1]);
    assert_eq!(pick_head(&term, &first.facts, &votes), Ok(next.facts), "two stories of what is passed over");
}
