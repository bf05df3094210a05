//! Honest feeds are believed and every kind of forgery is refused with the error that names it.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, Bytes};
use horae_control::SignerKey;
use horae_stages::Header;

use super::*;
use crate::feed::testing::{DOMAIN, Validators, genesis};

fn certificate(c: Certificate) -> Item {
    Item::Certificate(Box::new(c))
}

fn commit(c: Commit) -> Item {
    Item::Commit(Box::new(c))
}

fn block(b: &FeedBlock) -> Item {
    Item::Block(Box::new(b.clone()))
}

/// Validators and a verifier that was told of the opening of term 1.
fn opened() -> (Validators, Verifier) {
    let (validators, items) = Validators::open();
    let mut verifier = Verifier::from_genesis(&genesis()).unwrap();
    items.iter().for_each(|item| drop(verifier.take(item).unwrap()));
    (validators, verifier)
}

/// The same, with `count` blocks sealed and told.
fn with_blocks(count: usize) -> (Validators, Verifier, Vec<FeedBlock>) {
    let (mut validators, mut verifier) = opened();
    let blocks: Vec<FeedBlock> = (0..count).map(|_| validators.seal(false)).collect();
    blocks.iter().for_each(|b| drop(verifier.take(&block(b)).unwrap()));
    (validators, verifier, blocks)
}

/// Refused, and nothing of it was taken in.
fn refused(verifier: &mut Verifier, item: &Item) -> FeedError {
    let before = (verifier.tip(), verifier.certified(), verifier.committed(), verifier.control().clone());
    let why = verifier.take(item).unwrap_err();
    assert_eq!((verifier.tip(), verifier.certified(), verifier.committed(), verifier.control().clone()), before);
    why
}

fn statement(error: FeedError) -> StatementError {
    match error {
        FeedError::Statement { why, .. } => why,
        other => panic!("{other}"),
    }
}

#[test]
fn an_honest_feed_gives_every_block_its_strength() {
    let (mut validators, mut verifier) = opened();
    let blocks: Vec<FeedBlock> = (1..=6).map(|n| validators.seal(n % 2 == 0)).collect();
    for b in &blocks {
        assert_eq!(verifier.take(&block(b)), Ok(Told::Ordered(b.id())));
    }
    assert_eq!(verifier.strength_of(1), Some(Strength::Ordered));
    let certified = certificate(validators.certificate(&blocks[3], 3));
    assert_eq!(verifier.take(&certified), Ok(Told::Certified(blocks[3].id())));
    assert_eq!(verifier.take(&commit(validators.commit(&blocks[1], 3))), Ok(Told::Committed(blocks[1].id())));
    let strengths: Vec<_> = (1..=7).map(|n| verifier.strength_of(n)).collect();
    let (ordered, certified, committed) = (Strength::Ordered, Strength::Certified, Strength::Committed);
    let expected = [committed, committed, certified, certified, ordered, ordered].map(Some);
    assert_eq!(strengths[..6], expected);
    assert_eq!(strengths[6], None);
}

#[test]
fn a_decision_commits_the_head_it_picks_and_the_next_term_begins_there() {
    let (mut validators, mut verifier, blocks) = with_blocks(4);
    verifier.take(&certificate(validators.certificate(&blocks[1], 3))).unwrap();
    // Block 4 was acked by nobody who voted.
    let closing = validators.close(Some(&blocks[1]), &blocks[2..3]);
    assert_eq!(verifier.take(&Item::Void { above: 3 }), Ok(Told::Voided { above: 3, certified: None }));
    let closed = vec![ClosedAt { term: 1, head: blocks[2].id() }];
    let told = verifier.take(&closing).unwrap();
    assert_eq!(told, Told::Decided { height: validators.state.height(), closed });
    assert_eq!((verifier.committed(), verifier.strength_of(3)), (3, Some(Strength::Committed)));
    let next = validators.seal(false);
    assert_eq!((next.header.number, next.header.term), (4, 2));
    assert_eq!(verifier.take(&block(&next)), Ok(Told::Ordered(next.id())));
    verifier.take(&commit(validators.commit(&next, 3))).unwrap();
    assert_eq!(verifier.committed(), 4);
}

#[test]
fn a_term_that_built_nothing_closes_where_it_began() {
    let (mut validators, mut verifier) = opened();
    let closing = validators.close(None, &[]);
    verifier.take(&closing).unwrap();
    let first = validators.seal(false);
    verifier.take(&block(&first)).unwrap();
    assert_eq!((first.header.number, first.header.term), (1, 2));
}

#[test]
fn every_flipped_bit_of_a_block_is_seen() {
    let (mut validators, mut verifier) = opened();
    let good = validators.seal(false);
    let number = 1;
    let mut hash = good.clone();
    hash.hash.0[31] ^= 1;
    assert!(matches!(refused(&mut verifier, &block(&hash)), FeedError::Hash { number: 1, .. }));
    let mut header = good.clone();
    header.header.gas_used ^= 1;
    assert!(matches!(refused(&mut verifier, &block(&header)), FeedError::Hash { number: 1, .. }));
    let mut transactions = good.clone();
    transactions.transactions[0] = Bytes::from_static(b"another");
    assert_eq!(refused(&mut verifier, &block(&transactions)), FeedError::Transactions { number });
    let mut fewer = good.clone();
    fewer.transactions.clear();
    assert_eq!(refused(&mut verifier, &block(&fewer)), FeedError::Transactions { number });
    for bit in [0, 100, 300] {
        let mut signature = good.clone();
        signature.signature.as_mut().unwrap().0[bit / 8] ^= 1 << (bit % 8);
        let why = statement(refused(&mut verifier, &block(&signature)));
        assert!(matches!(why, StatementError::BadSignature { .. }), "{why}");
    }
    let mut unsigned = good.clone();
    unsigned.signature = None;
    assert_eq!(refused(&mut verifier, &block(&unsigned)), FeedError::Unsigned { number });
    verifier.take(&block(&good)).unwrap();
}

#[test]
fn a_block_of_another_sequencer_slot_or_term_is_refused() {
    let (validators, mut verifier) = opened();
    let header = validators.header(false, &[]);
    let facts = facts_of(&header, header.hash());
    let leader = validators.term().schedule.leader(header.slot).unwrap();
    let sequencer = validators.keys[leader].address();
    let other: &SignerKey = &validators.keys[(leader + 1) % 4];
    let mut stolen = validators.signed(header.clone(), vec![]);
    stolen.signature = Some(SignedBlock::sign(facts, &DOMAIN, 0, other).signature);
    let expected = StatementError::BadSignature { validator: sequencer };
    assert_eq!(statement(refused(&mut verifier, &block(&stolen))), expected);

    let old = SignedBlock::sign(facts, &DOMAIN, 1, &validators.keys[leader]).signature;
    stolen.signature = Some(old);
    assert_eq!(statement(refused(&mut verifier, &block(&stolen))), expected, "another incarnation");

    let skipped = validators.signed(Header { slot: header.slot + 1, ..header.clone() }, vec![]);
    let why = statement(refused(&mut verifier, &block(&skipped)));
    assert_eq!(why, StatementError::WrongSlot { found: header.slot + 1, expected: header.slot });

    let of_term_2 = validators.signed(Header { term: 2, ..header.clone() }, vec![]);
    let why = statement(refused(&mut verifier, &block(&of_term_2)));
    assert_eq!(why, StatementError::WrongTerm { epoch: 0, term: 2, expected: 1 });

    let future = Header { control_height: header.control_height + 1, ..header };
    let told = verifier.control().height();
    let future = validators.signed(future, vec![]);
    assert_eq!(refused(&mut verifier, &block(&future)), FeedError::Undecided { number: 1, needs: told + 1, told });
}

#[test]
fn gaps_repeats_and_strangers_in_the_chain_are_refused() {
    let (mut validators, mut verifier, blocks) = with_blocks(2);
    let third = validators.seal(false);
    let fourth = validators.seal(false);
    assert_eq!(refused(&mut verifier, &block(&fourth)), FeedError::Gap { tip: 2, found: 4 });
    let repeated = FeedError::Replayed { what: "block", number: 2 };
    assert_eq!(refused(&mut verifier, &block(&blocks[1])), repeated);
    let tip = blocks[1].id();
    let mut stranger = third.header.clone();
    stranger.parent = B256::repeat_byte(3);
    let stranger = validators.signed(stranger, third.transactions.clone());
    let parent = B256::repeat_byte(3);
    assert_eq!(refused(&mut verifier, &block(&stranger)), FeedError::OtherParent { number: 3, parent, tip });
    let mut early = third.header.clone();
    early.timestamp_ms = 0;
    let early = validators.signed(early, third.transactions.clone());
    assert!(matches!(statement(refused(&mut verifier, &block(&early))), StatementError::GoesBack { .. }));
    verifier.take(&block(&third)).unwrap();
    verifier.take(&block(&fourth)).unwrap();
}

#[test]
fn a_slot_that_goes_on_after_its_last_block_is_refused() {
    let (mut validators, mut verifier) = opened();
    let last = validators.seal(true);
    verifier.take(&block(&last)).unwrap();
    let mut header = validators.header(false, &[]);
    let expected = header.slot;
    header.slot = last.header.slot;
    let found = header.slot;
    let longer = validators.signed(header, vec![]);
    assert_eq!(statement(refused(&mut verifier, &block(&longer))), StatementError::WrongSlot { found, expected });
}

#[test]
fn certificates_need_their_quorum_block_and_place() {
    let (validators, mut verifier, blocks) = with_blocks(3);
    let good = validators.certificate(&blocks[1], 3);
    let short = certificate(validators.certificate(&blocks[1], 2));
    assert_eq!(statement(refused(&mut verifier, &short)), StatementError::NoQuorum { weight: 2, total: 4 });
    let altered = |change: &dyn Fn(&mut Certificate)| {
        let mut changed = good.clone();
        change(&mut changed);
        certificate(changed)
    };
    let repeated = altered(&|c| c.acks[2] = c.acks[1]);
    assert_eq!(statement(refused(&mut verifier, &repeated)), StatementError::Unordered);
    let reordered = altered(&|c| c.acks.swap(0, 1));
    assert_eq!(statement(refused(&mut verifier, &reordered)), StatementError::Unordered);
    let flipped = altered(&|c| c.acks[0].signature.0[10] ^= 4);
    assert!(matches!(statement(refused(&mut verifier, &flipped)), StatementError::BadSignature { .. }));
    let stranger = Address::repeat_byte(0xff);
    let foreign = altered(&|c| c.acks[2].validator = stranger);
    let unknown = StatementError::UnknownValidator { validator: stranger };
    assert_eq!(statement(refused(&mut verifier, &foreign)), unknown);
    let incarnation = altered(&|c| c.acks[0].incarnation = 1);
    let why = statement(refused(&mut verifier, &incarnation));
    assert!(matches!(why, StatementError::WrongIncarnation { found: 1, expected: 0, .. }));
    let number = 2;
    let what = "certificate";
    let of_term_2 = altered(&|c| c.term = 2);
    assert_eq!(refused(&mut verifier, &of_term_2), FeedError::OtherPlace { what, number });
    let of_slot_9 = altered(&|c| c.slot = 9);
    assert_eq!(refused(&mut verifier, &of_slot_9), FeedError::OtherPlace { what, number });
    let of_epoch_1 = altered(&|c| c.epoch = 1);
    assert_eq!(refused(&mut verifier, &of_epoch_1), FeedError::OtherPlace { what, number });
    let nowhere = BlockId { number, hash: B256::repeat_byte(5) };
    let elsewhere = altered(&|c| c.block = nowhere);
    assert_eq!(refused(&mut verifier, &elsewhere), FeedError::UnknownBlock { what, block: nowhere });
    verifier.take(&certificate(good.clone())).unwrap();
    assert_eq!(refused(&mut verifier, &certificate(good)), FeedError::Replayed { what, number });
    let lower = certificate(validators.certificate(&blocks[0], 3));
    assert_eq!(refused(&mut verifier, &lower), FeedError::Replayed { what, number: 1 });
}

#[test]
fn a_certificate_of_a_closed_term_counts_no_more() {
    let (mut validators, mut verifier, blocks) = with_blocks(3);
    let dropped = validators.certificate(&blocks[2], 3);
    let closing = validators.close(None, &blocks[..2]);
    verifier.take(&Item::Void { above: 2 }).unwrap();
    verifier.take(&closing).unwrap();
    let next = validators.seal(false);
    assert_eq!(next.header.number, 3);
    verifier.take(&block(&next)).unwrap();
    let unknown = FeedError::UnknownBlock { what: "certificate", block: blocks[2].id() };
    assert_eq!(refused(&mut verifier, &certificate(dropped.clone())), unknown);
    let mut moved = dropped;
    moved.block = next.id();
    let why = refused(&mut verifier, &certificate(moved));
    assert_eq!(why, FeedError::OtherPlace { what: "certificate", number: 3 });
}

#[test]
fn commits_need_both_rounds() {
    let (validators, mut verifier, blocks) = with_blocks(3);
    let good = validators.commit(&blocks[2], 3);
    let short = commit(validators.commit(&blocks[2], 2));
    assert_eq!(statement(refused(&mut verifier, &short)), StatementError::NoQuorum { weight: 2, total: 4 });
    let mut one_round = good.clone();
    one_round.acks = (0..3).map(|at| validators.ack(&blocks[2], None, at)).collect();
    let why = statement(refused(&mut verifier, &commit(one_round)));
    assert!(matches!(why, StatementError::NotHolding { number: 3, .. }), "{why}");
    let mut lower = good.clone();
    lower.acks = (0..3).map(|at| validators.ack(&blocks[2], Some(blocks[1].id()), at)).collect();
    let why = statement(refused(&mut verifier, &commit(lower)));
    assert!(matches!(why, StatementError::NotHolding { number: 3, .. }), "{why}");
    let mut uncertified = good.clone();
    uncertified.certificate = validators.certificate(&blocks[2], 2);
    let why = statement(refused(&mut verifier, &commit(uncertified)));
    assert_eq!(why, StatementError::NoQuorum { weight: 2, total: 4 });
    let mut of_term_2 = good.clone();
    of_term_2.acks[0].term = 2;
    let why = statement(refused(&mut verifier, &commit(of_term_2)));
    assert!(matches!(why, StatementError::WrongTerm { term: 2, .. }), "{why}");
    let mut flipped = good.clone();
    flipped.acks[1].signature.0[3] ^= 1;
    let why = statement(refused(&mut verifier, &commit(flipped)));
    assert!(matches!(why, StatementError::BadSignature { .. }), "{why}");
    verifier.take(&commit(good.clone())).unwrap();
    let repeated = FeedError::Replayed { what: "commit", number: 3 };
    assert_eq!(refused(&mut verifier, &commit(good)), repeated);
}

#[test]
fn what_is_committed_is_never_void() {
    let (validators, mut verifier, blocks) = with_blocks(4);
    verifier.take(&commit(validators.commit(&blocks[1], 3))).unwrap();
    let above = FeedError::CommittedVoid { above: 1, committed: 2 };
    assert_eq!(refused(&mut verifier, &Item::Void { above: 1 }), above);
    assert_eq!(refused(&mut verifier, &Item::Void { above: 4 }), FeedError::NothingVoid { above: 4 });
    verifier.take(&certificate(validators.certificate(&blocks[2], 3))).unwrap();
    assert_eq!(verifier.take(&Item::Void { above: 2 }), Ok(Told::Voided { above: 2, certified: Some(3) }));
    assert_eq!((verifier.certified(), verifier.tip()), (2, Some(blocks[1].id())));
    verifier.take(&block(&blocks[2])).unwrap();
}

/// The decision inside an item, altered.
fn altered(item: &Item, change: impl FnOnce(&mut DecisionItem)) -> Item {
    let Item::Decision(item) = item else { panic!("no decision") };
    let mut item = item.clone();
    change(&mut item);
    Item::Decision(item)
}

#[test]
fn decisions_need_their_quorum_and_order() {
    let (validators, items) = Validators::open();
    let mut verifier = Verifier::from_genesis(&genesis()).unwrap();
    assert_eq!(refused(&mut verifier, &items[1]), FeedError::DecisionGap { told: 0, found: 2 });
    let short = altered(&items[0], |item| item.decision.precommits.truncate(2));
    assert_eq!(statement(refused(&mut verifier, &short)), StatementError::NoQuorum { weight: 2, total: 4 });
    let flipped = altered(&items[0], |item| item.decision.value[9] ^= 1);
    assert!(matches!(statement(refused(&mut verifier, &flipped)), StatementError::BadSignature { .. }));
    let junk = validators.precommitted(1, vec![1, 2, 3], 3);
    let junk = Item::Decision(Box::new(DecisionItem { decision: junk, closed: None }));
    assert!(matches!(refused(&mut verifier, &junk), FeedError::DecisionBytes { height: 1, .. }));
    let wrong = borsh::to_vec(&ControlBlock { height: 7, state: B256::ZERO, commands: vec![] }).unwrap();
    let wrong = validators.precommitted(1, wrong, 3);
    let wrong = Item::Decision(Box::new(DecisionItem { decision: wrong, closed: None }));
    assert!(matches!(refused(&mut verifier, &wrong), FeedError::DecisionInvalid { height: 1, .. }));
    verifier.take(&items[0]).unwrap();
    let repeated = FeedError::Replayed { what: "decision", number: 1 };
    assert_eq!(refused(&mut verifier, &items[0]), repeated);
}

#[test]
fn close_votes_without_a_decision_close_nothing() {
    let (mut validators, mut verifier, blocks) = with_blocks(2);
    let height = validators.state.height() + 1;
    let closing = validators.close(None, &blocks);
    let undecided = altered(&closing, |item| {
        let value = item.decision.value.clone();
        item.decision = validators.precommitted(height, value, 2);
    });
    assert_eq!(statement(refused(&mut verifier, &undecided)), StatementError::NoQuorum { weight: 2, total: 4 });
    let elsewhere = ClosedAt { term: 1, head: blocks[0].id() };
    let misreported = altered(&closing, |item| item.closed = Some(elsewhere));
    assert_eq!(refused(&mut verifier, &misreported), FeedError::OtherHead { height });
    verifier.take(&closing).unwrap();
    assert_eq!(verifier.committed(), 2);
}

#[test]
fn a_head_that_is_not_the_end_of_the_chain_told_is_refused() {
    let (mut validators, mut verifier, blocks) = with_blocks(3);
    let closing = validators.close(None, &blocks[..2]);
    let (head, tip) = (blocks[1].id(), blocks[2].id());
    assert_eq!(refused(&mut verifier, &closing), FeedError::HeadNotTold { term: 1, head, tip });
}

#[test]
fn a_block_before_a_term_opens_is_refused() {
    let (mut validators, items) = Validators::open();
    let mut verifier = Verifier::from_genesis(&genesis()).unwrap();
    let mut header = validators.header(false, &[]);
    header.control_height = 1;
    let early = validators.signed(header, vec![]);
    verifier.take(&items[0]).unwrap();
    let no_term = FeedError::NoTerm { what: "block", number: 1 };
    assert_eq!(refused(&mut verifier, &block(&early)), no_term);
    items[1..].iter().for_each(|item| drop(verifier.take(item).unwrap()));
    verifier.take(&block(&validators.seal(false))).unwrap();
}

#[test]
fn one_that_begins_in_the_middle_believes_the_first_certificate() {
    let (mut validators, items) = Validators::open();
    let blocks: Vec<FeedBlock> = (0..5).map(|_| validators.seal(false)).collect();
    let closing = validators.close(Some(&blocks[4]), &[]);
    let more: Vec<FeedBlock> = (0..4).map(|_| validators.seal(false)).collect();
    let mut verifier = Verifier::new(ControlState::genesis(&genesis()).unwrap(), None);
    items.iter().chain([&closing]).for_each(|item| drop(verifier.take(item).unwrap()));
    assert_eq!(verifier.tip(), None);
    let old = statement(refused(&mut verifier, &block(&blocks[4])));
    assert!(matches!(old, StatementError::NotChild { .. }), "a block of a closed term: {old}");
    more[2..].iter().for_each(|b| drop(verifier.take(&block(b)).unwrap()));
    assert_eq!(verifier.strength_of(8), Some(Strength::Ordered));
    verifier.take(&commit(validators.commit(&more[3], 3))).unwrap();
    assert_eq!(verifier.strength_of(8), Some(Strength::Committed));

    let trusted = more[1].id();
    let mut anchored = Verifier::new(validators.state.clone(), Some(trusted));
    let mut stranger = more[2].header.clone();
    stranger.parent = B256::repeat_byte(6);
    let parent = stranger.parent;
    let stranger = validators.signed(stranger, more[2].transactions.clone());
    let why = refused(&mut anchored, &block(&stranger));
    assert_eq!(why, FeedError::OtherParent { number: 8, parent, tip: trusted });
    anchored.take(&block(&more[2])).unwrap();
}

#[test]
fn a_reader_that_lost_its_link_goes_on_from_what_is_committed() {
    let (validators, mut verifier, blocks) = with_blocks(4);
    verifier.take(&commit(validators.commit(&blocks[1], 3))).unwrap();
    verifier.take(&certificate(validators.certificate(&blocks[2], 3))).unwrap();
    assert_eq!(verifier.rewind(), Some(3));
    assert_eq!((verifier.tip(), verifier.certified()), (Some(blocks[1].id()), 2));
    blocks[2..].iter().for_each(|b| drop(verifier.take(&block(b)).unwrap()));
}
