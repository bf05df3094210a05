//! What a follower refuses: every header field in turn, other transactions, other results; and that it is then as before.

use alloy_primitives::{Address, B256, Bytes, TxKind};

use super::fixture::*;
use crate::follow::BlockError;
use crate::*;

fn two_blocks() -> (Genesis, Vec<ExecutedBlock>) {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut line = Line::new(&genesis);
    line.seal();
    for _ in 0..3 {
        line.now_ms += 1;
        let raw = wallet.send(TxKind::Call(Address::repeat_byte(4)), 1, Bytes::new(), 21_000);
        line.submit(&raw);
    }
    line.work();
    line.seal();
    (genesis, line.blocks)
}

#[test]
fn every_field_of_the_header_is_held_against_the_execution() {
    let (genesis, blocks) = two_blocks();
    let mut executor = follow(&genesis, &blocks[..1]);
    let parent = &blocks[0].block.header;
    let good = &blocks[1].block;
    type Damage = fn(&mut Header);
    let damages: [(&str, Damage); 14] = [
        ("parent", |h| h.parent = B256::ZERO),
        ("number", |h| h.number = 7),
        ("epoch", |h| h.epoch += 1),
        ("slot", |h| h.slot += 1),
        ("timestamp_ms", |h| h.timestamp_ms = 0),
        ("base_fee", |h| h.base_fee -= 1),
        ("gas_limit", |h| h.gas_limit -= 1),
        ("gas_used", |h| h.gas_used -= 1),
        ("fee_recipient", |h| h.fee_recipient = Address::ZERO),
        ("prevrandao", |h| h.prevrandao = B256::ZERO),
        ("transactions_root", |h| h.transactions_root = B256::ZERO),
        ("receipts_root", |h| h.receipts_root = B256::ZERO),
        ("changes_hash", |h| h.changes_hash = B256::ZERO),
        ("batch_bytes", |h| h.batch_bytes += 1),
    ];
    for (field, damage) in damages {
        let mut block = good.clone();
        damage(&mut block.header);
        let error =
            execute_block(&mut executor, &genesis.params, parent, recover_block(block).unwrap(), FromL1::Due(&[]))
                .unwrap_err();
        let right = matches!(error, BlockError::Rule(_) | BlockError::Commitment { .. });
        assert!(right, "{field}: {error}");
        assert_eq!(executor.state().hash(), blocks[0].hash, "{field}");
    }
    let executed =
        execute_block(&mut executor, &genesis.params, parent, recover_block(good.clone()).unwrap(), FromL1::Due(&[]))
            .unwrap();
    assert_eq!(executed, blocks[1]);
}

#[test]
fn other_transactions_are_noticed() {
    let (genesis, blocks) = two_blocks();
    let parent = &blocks[0].block.header;
    let mut executor = follow(&genesis, &blocks[..1]);
    let mut refuse = |block: Block, params: &ChainParams| {
        let error =
            execute_block(&mut executor, params, parent, recover_block(block).unwrap(), FromL1::Due(&[])).unwrap_err();
        assert_eq!(executor.state().hash(), blocks[0].hash);
        assert!(executor.open().is_none());
        error
    };
    let mut swapped = blocks[1].block.clone();
    swapped.transactions.swap(0, 1);
    let error = refuse(swapped, &genesis.params);
    assert!(matches!(error, BlockError::Transaction { index: 0, why: Shed::NonceTooHigh { .. } }), "{error}");
    let small = ChainParams { max_block_bytes: 300, ..genesis.params.clone() };
    let error = refuse(blocks[1].block.clone(), &small);
    assert!(matches!(error, BlockError::Oversized { limit: 300, .. }), "{error}");
    let mut fewer = blocks[1].block.clone();
    fewer.transactions.pop();
    let error = refuse(fewer, &genesis.params);
    assert!(matches!(error, BlockError::Rule(_)), "{error}");

    let mut damaged = blocks[1].block.clone();
    damaged.transactions[1] = Bytes::from_static(&[2, 0xc0]);
    assert_eq!(recover_block(damaged.clone()).unwrap_err().index, 1);
    // The first that is bad is named, whatever is wrong with it.
    let mut unsigned = blocks[1].block.transactions[0].to_vec();
    // An EIP-1559 transaction ends with s.
    let end = unsigned.len();
    unsigned[end - 32..].fill(0xff);
    damaged.transactions[0] = unsigned.into();
    let bad = recover_block(damaged.clone()).unwrap_err();
    assert_eq!((bad.index, bad.why), (0, Shed::InvalidSender));
    damaged.transactions.swap(0, 1);
    assert_eq!(recover_block(damaged).unwrap_err().index, 0);
}

#[test]
fn a_block_goes_on_its_parent_only() {
    let (genesis, blocks) = two_blocks();
    let mut executor = follow(&genesis, &[]);
    let block = recover_block(blocks[1].block.clone()).unwrap();
    let error =
        execute_block(&mut executor, &genesis.params, &blocks[0].block.header, block, FromL1::Due(&[])).unwrap_err();
    assert!(matches!(error, BlockError::NotOnTip { have: 0, want: 1 }), "{error}");
}

#[test]
fn blocks_can_be_taken_back_and_put_on_again() {
    let (genesis, blocks) = two_blocks();
    let mut executor = follow(&genesis, &blocks);
    executor.state_mut().rollback_to(1).unwrap();
    let block = recover_block(blocks[1].block.clone()).unwrap();
    let executed =
        execute_block(&mut executor, &genesis.params, &blocks[0].block.header, block, FromL1::Due(&[])).unwrap();
    assert_eq!(executed, blocks[1]);
}

#[test]
fn transactions_recovered_elsewhere_must_be_the_blocks() {
    let (_, blocks) = two_blocks();
    let block = &blocks[1].block;
    let transactions = || block.transactions.iter().map(|raw| BlockTx::recover(raw).unwrap()).collect::<Vec<_>>();
    assert_eq!(RecoveredBlock::assemble(block.clone(), transactions()), recover_block(block.clone()).ok());
    let mut swapped = transactions();
    swapped.swap(0, 1);
    assert_eq!(RecoveredBlock::assemble(block.clone(), swapped), None);
    assert_eq!(RecoveredBlock::assemble(block.clone(), transactions()[..2].to_vec()), None);
}
