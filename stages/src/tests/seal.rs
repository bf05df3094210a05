//! When blocks close: by time, gas and bytes, at heartbeats, and with the slot.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind};

use super::fixture::*;
use crate::seal::GATHER_MS;
use crate::*;

fn line_with(wallets: &[Wallet], change: impl Fn(&mut ChainParams)) -> (Genesis, Line) {
    let mut genesis = genesis(wallets);
    change(&mut genesis.params);
    let line = Line::new(&genesis);
    (genesis, line)
}

fn transfer(wallet: &mut Wallet) -> Vec<u8> {
    wallet.send(TxKind::Call(Address::repeat_byte(1)), 1, Bytes::new(), 21_000)
}

#[test]
fn the_first_block_is_at_once_and_empty_ones_follow_by_heartbeat() {
    let (genesis, mut line) = line_with(&[], |_| {});
    for _ in 0..=2 * genesis.params.heartbeat_ms {
        line.work();
        line.now_ms += 1;
    }
    let times: Vec<_> = line.blocks.iter().map(|block| block.block.header.timestamp_ms - START_MS).collect();
    assert_eq!(times, [0, genesis.params.heartbeat_ms, 2 * genesis.params.heartbeat_ms]);
    follow(&genesis, &line.blocks);
}

#[test]
fn a_block_with_transactions_closes_an_interval_after_the_one_before() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |_| {});
    line.work();
    line.now_ms += 3;
    line.submit(&transfer(&mut wallet));
    line.work();
    assert_eq!(line.sealer.next_due_ms(), START_MS + genesis.params.block_interval_ms);
    line.now_ms += genesis.params.block_interval_ms - 4;
    line.submit(&transfer(&mut wallet));
    line.work();
    assert_eq!(line.blocks.len(), 1);
    line.now_ms += 1;
    line.work();
    assert_eq!(line.blocks[1].transactions.len(), 2, "the record of the slot is in the first block");
    assert_eq!(line.blocks[1].block.header.timestamp_ms, START_MS + 3);
}

#[test]
fn a_block_after_a_pause_closes_at_once_but_for_what_comes_with_it() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |_| {});
    line.work();
    line.now_ms += 2 * genesis.params.block_interval_ms;
    line.submit(&transfer(&mut wallet));
    line.work();
    assert_eq!((line.sealer.next_due_ms(), line.blocks.len()), (line.now_ms + GATHER_MS, 1));
    line.now_ms += GATHER_MS;
    line.work();
    assert_eq!(line.blocks.len(), 2);
}

#[test]
fn a_block_closes_when_gas_or_bytes_run_out() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |params| params.gas_limit = 20_000_000);
    for _ in 0..5 {
        let raw = wallet.send(TxKind::Call(Address::repeat_byte(1)), 1, Bytes::new(), 9_000_000);
        line.submit(&raw);
    }
    line.work();
    line.seal();
    // Gas is reserved by its limit and given back when it is not used: two fit, then all that is left by what was used.
    assert!(line.blocks.iter().all(|block| block.block.header.gas_used <= 20_000_000));
    assert_eq!(line.blocks.iter().map(signed).sum::<usize>(), 5);
    follow(&genesis, &line.blocks);

    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |params| {
        params.max_block_bytes = 2_500;
        params.max_transaction_bytes = 2_500;
    });
    for _ in 0..5 {
        let raw = wallet.send(TxKind::Call(Address::repeat_byte(1)), 1, vec![0; 1_000].into(), 100_000);
        line.submit(&raw);
    }
    line.work();
    line.seal();
    let counts: Vec<_> = line.blocks.iter().map(signed).collect();
    assert_eq!(counts, [2, 2, 1]);
    follow(&genesis, &line.blocks);
}

#[test]
fn the_last_block_of_a_slot_is_marked() {
    let (genesis, mut line) = line_with(&[], |params| params.slot_blocks = 3);
    for _ in 0..7 {
        line.seal();
        line.now_ms += 10;
        line.work();
    }
    let marks: Vec<_> =
        line.blocks.iter().map(|block| (block.block.header.slot, block.block.header.ends_slot)).take(7).collect();
    assert_eq!(marks, [(1, false), (1, false), (1, true), (2, false), (2, false), (2, true), (3, false)]);
    follow(&genesis, &line.blocks);

    let (genesis, mut line) = line_with(&[], |_| {});
    while line.sealer.slot().slot == 1 {
        line.work();
        line.now_ms += 100;
    }
    let last = &line.blocks.last().unwrap().block.header;
    assert!(last.ends_slot || line.blocks.iter().any(|block| block.block.header.ends_slot));
    let ended = line.blocks.iter().find(|block| block.block.header.ends_slot).unwrap();
    assert_eq!(ended.block.header.timestamp_ms, START_MS + genesis.params.slot_ms);
}

#[test]
fn a_slot_ends_early_when_it_is_told_to() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |_| {});
    line.seal();
    line.sealer.end();
    assert_eq!(line.sealer.next_due_ms(), 0, "the last block is due at once");
    line.work();
    assert!(line.blocks[1].block.header.ends_slot && line.blocks.len() == 2);

    line.submit(&transfer(&mut wallet));
    line.work();
    line.sealer.end();
    line.now_ms += line.params.heartbeat_ms;
    while line.sealer.slot().slot == 2 {
        line.work();
        line.now_ms += 10;
    }
    let marks: Vec<_> = line.blocks[2..].iter().map(|block| block.block.header.ends_slot).collect();
    assert_eq!(marks.iter().filter(|ends| **ends).count(), 1, "{marks:?}: the open block stays as it was begun");
    follow(&genesis, &line.blocks);
}

#[test]
fn an_ended_slot_takes_nothing() {
    let mut wallet = Wallet::new(1);
    let (_, mut line) = line_with(std::slice::from_ref(&wallet), |params| params.slot_blocks = 1);
    line.seal();
    assert!(line.sealer.ended());
    assert_eq!(line.sealer.next_due_ms(), u64::MAX);
    let (now_ms, applied) = (line.now_ms, line.applied.clone());
    assert!(line.sealer.seal(now_ms, &applied, &mut line.executor).unwrap().is_none());
    line.submit(&transfer(&mut wallet));
    let tx = line.order.pop().unwrap();
    let offered = line.sealer.offer(now_ms, &applied, &mut line.executor, tx).unwrap();
    assert!(matches!(offered, Offered::Ended(_)));
}

#[test]
fn clock_control_height_and_l1_view_never_go_back() {
    let (genesis, mut line) = line_with(&[], |_| {});
    let view = |number, byte| L1View { number, hash: B256::repeat_byte(byte) };
    let steps = [(10, 5, view(3, 3)), (0, 4, view(2, 2)), (20, 6, view(3, 9)), (30, 6, view(4, 4))];
    for (at, control_height, l1_view) in steps {
        line.now_ms = START_MS + at;
        let above = line.sealer.tip().l1_view.number;
        line.applied = Applied { control_height, l1_view, above, due: Vec::new() };
        line.seal();
    }
    let fields: Vec<_> = line
        .blocks
        .iter()
        .map(|block| &block.block.header)
        .map(|header| (header.timestamp_ms - START_MS, header.control_height, header.l1_view))
        .collect();
    assert_eq!(fields, [(10, 5, view(3, 3)), (10, 5, view(3, 3)), (20, 6, view(3, 3)), (30, 6, view(4, 4))]);
    follow(&genesis, &line.blocks);
}

#[test]
fn abandoning_gives_the_open_blocks_transactions_back() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line) = line_with(std::slice::from_ref(&wallet), |_| {});
    line.work();
    let raw = [transfer(&mut wallet), transfer(&mut wallet)];
    raw.iter().for_each(|raw| line.submit(raw));
    line.work();
    assert_eq!(line.executor.count(), 2);
    let Line { sealer, mut executor, blocks, .. } = line;
    let back = sealer.abandon(&mut executor);
    assert_eq!(back, raw);
    assert_eq!(executor.state().hash(), blocks[0].hash);
    assert_eq!(executor.state_mut().account(wallet.address).unwrap().unwrap().nonce, 0);
    follow(&genesis, &blocks);
}

#[test]
fn what_fits_no_block_is_refused() {
    let wallet = Wallet::new(1);
    let (_, mut line) = line_with(std::slice::from_ref(&wallet), |_| {});
    line.submit(&wallet.raw(TxEip1559 { input: vec![0; 500].into(), gas_limit: 100_000, ..draft() }));
    let tx = line.order.pop().unwrap();
    let params = ChainParams { max_block_bytes: 400, ..line.params.clone() };
    let mut sealer = Sealer::new(slot(1), line.sealer.tip().clone(), params);
    let offered = sealer.offer(line.now_ms, &line.applied, &mut line.executor, tx).unwrap();
    assert!(matches!(offered, Offered::Shed(Rejected { why: Shed::ExceedsBlockSize { limit: 400, .. }, .. })));
}
