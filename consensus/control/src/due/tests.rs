//! What is due: in L1's order without a gap, until a batch has it, and bounded.

use super::*;
use crate::command::L1Event;
use crate::state::{ControlState, Invalid};
use crate::testing::control::{decide, l1_view, state};

fn view(number: u64) -> L1View {
    L1View { number, hash: B256::with_last_byte(number as u8) }
}

fn batch(index: u64, l1_view: u64, l1_block: u64) -> AcceptedBatch {
    AcceptedBatch {
        index,
        digest: B256::ZERO,
        first_block: index,
        last_block: index,
        last_block_hash: B256::ZERO,
        state_root: B256::ZERO,
        l1_view,
        forced: 0,
        carrier: Address::with_last_byte(index as u8),
        l1_block,
        l1_hash: view(l1_block).hash,
        l1_tx: B256::ZERO,
    }
}

fn enqueue(dues: &mut Dues, at: u64, index: u64) -> Result<(), L1Error> {
    dues.enqueue(view(at), index, B256::with_last_byte(index as u8), 21_000, 100)
}

fn numbers(dues: &Dues) -> Vec<(u64, usize)> {
    dues.blocks().map(|block| (block.view.number, block.items.len())).collect()
}

#[test]
fn what_one_l1_block_brought_stands_together_in_its_order() {
    let mut dues = Dues::default();
    enqueue(&mut dues, 5, 0).unwrap();
    dues.accept(&batch(0, 1, 5)).unwrap();
    enqueue(&mut dues, 5, 1).unwrap();
    enqueue(&mut dues, 9, 2).unwrap();
    assert_eq!(numbers(&dues), [(5, 3), (9, 1)]);
    let first = dues.blocks().next().unwrap();
    assert!(matches!(
        first.items[..],
        [Due::Forced { index: 0, .. }, Due::Batch { index: 0, .. }, Due::Forced { index: 1, .. }]
    ));
    assert_eq!((dues.next_forced(), dues.waiting()), (3, 3));
}

#[test]
fn an_accepted_batch_settles_what_its_blocks_have_reached() {
    let mut dues = Dues::default();
    enqueue(&mut dues, 5, 0).unwrap();
    enqueue(&mut dues, 9, 1).unwrap();
    dues.accept(&batch(0, 8, 10)).unwrap();
    assert_eq!((numbers(&dues), dues.settled()), (vec![(9, 1), (10, 1)], 8));
    dues.accept(&batch(1, 9, 12)).unwrap();
    assert_eq!((numbers(&dues), dues.waiting()), (vec![(10, 1), (12, 1)], 0));
    assert_eq!(dues.next_forced(), 2, "what was executed does not come again");
}

#[test]
fn gaps_and_blocks_out_of_order_are_refused() {
    let mut dues = Dues::default();
    enqueue(&mut dues, 5, 0).unwrap();
    assert_eq!(enqueue(&mut dues, 6, 2), Err(L1Error::ForcedGap { found: 2, expected: 1 }));
    assert_eq!(enqueue(&mut dues, 6, 0), Err(L1Error::ForcedGap { found: 0, expected: 1 }));
    assert_eq!(enqueue(&mut dues, 4, 1), Err(L1Error::OutOfOrder(4)));
    let forked = L1View { number: 5, hash: B256::repeat_byte(7) };
    assert_eq!(dues.enqueue(forked, 1, B256::ZERO, 21_000, 100), Err(L1Error::OutOfOrder(5)));
}

#[test]
fn there_is_an_end_to_what_is_kept_until_a_batch_settles_some() {
    let mut dues = Dues::default();
    for index in 0..MAX_DUE as u64 {
        enqueue(&mut dues, 5 + index / 32, index).unwrap();
    }
    let full = dues.clone();
    assert_eq!((dues.make_room(0), &dues), (Ok(()), &full));
    enqueue(&mut dues, 6_000, MAX_DUE as u64).unwrap();
    assert_eq!(dues.clone().make_room(4), Err(L1Error::TooMuchDue(MAX_DUE + 1)), "no block has come to them");
    let mut settled = dues.clone();
    settled.accept(&batch(0, 6, 6_001)).unwrap();
    assert_eq!(settled.make_room(0), Ok(()), "64 entries are settled, one payment has come");
    assert_eq!(dues.make_room(6_000), Ok(()));
    assert_eq!((dues.settled(), dues.waiting()), (5, MAX_DUE + 1 - 32), "only as many go as have to");
    assert_eq!(dues.above(5).next().unwrap().view, view(6));
}

#[test]
fn a_view_brings_what_is_due_and_a_refused_one_nothing() {
    let forced = |index, l1_block| {
        let (l1_hash, hash) = (view(l1_block).hash, B256::with_last_byte(index as u8));
        L1Event::Forced { index, l1_block, l1_hash, hash, gas: 21_000, bytes: 100 }
    };
    let mut state = state(&[1, 1, 1, 1], 8);
    decide(&mut state, vec![l1_view(105, vec![forced(0, 103), forced(1, 105)])]);
    assert_eq!((state.dues().next_forced(), state.dues().waiting()), (2, 2));
    let before = state.clone();
    let refused = [
        (vec![forced(1, 106)], L1Error::ForcedGap { found: 1, expected: 2 }),
        (vec![forced(2, 105)], L1Error::OutOfOrder(105)),
        (vec![forced(2, 111)], L1Error::OutOfOrder(111)),
    ];
    for (events, why) in refused {
        let wrong = state.next_block(vec![l1_view(110, events)]);
        assert_eq!(state.apply(&wrong), Err(Invalid::L1(why)));
    }
    assert_eq!(state, before);
    let bytes = borsh::to_vec(&state).unwrap();
    assert_eq!(borsh::from_slice::<ControlState>(&bytes).unwrap(), state);
}
