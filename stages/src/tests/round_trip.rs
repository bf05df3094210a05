//! One thread, a clock in the test's hand: transactions from the door to sealed blocks, a follower that re-executes them, and
//! a batch from which the chain is built again.

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};

use super::fixture::*;
use crate::pack::{Level, UnpackLimits, pack, rebuild, unpack};
use crate::root::state_root;
use crate::*;

/// Runs for a while with transfers from every wallet, and returns the line.
fn run(genesis: &Genesis, wallets: &mut [Wallet], rounds: usize) -> Line {
    let mut line = Line::new(genesis);
    line.work();
    for round in 0..rounds {
        for (index, wallet) in wallets.iter_mut().enumerate() {
            let to = TxKind::Call(Address::with_last_byte((round * 7 + index) as u8));
            let raw = wallet.send(to, 1 + round as u128, Bytes::new(), 21_000);
            line.submit(&raw);
        }
        line.now_ms += 7;
        line.applied.control_height += 1;
        if round % 10 == 0 {
            line.applied.above = line.sealer.tip().l1_view.number;
            line.applied.l1_view = L1View { number: 100 + round as u64, hash: U256::from(round).into() };
        }
        line.work();
    }
    line.now_ms += 1_000;
    line.work();
    line
}

#[test]
fn a_follower_and_a_rebuild_from_the_batch_agree_with_the_sequencer() {
    let mut wallets: Vec<_> = (0..8).map(Wallet::new).collect();
    let genesis = genesis(&wallets);
    let line = run(&genesis, &mut wallets, 600);
    assert!(line.shed.is_empty(), "{:?}", line.shed);
    let included: usize = line.blocks.iter().map(signed).sum();
    assert_eq!(included, 8 * 600);
    assert!(line.blocks.iter().any(|block| signed(block) == 0));
    assert!(line.blocks.last().unwrap().block.header.slot > 1, "several slots");

    let followed = follow(&genesis, &line.blocks);
    assert_eq!(followed.state().hash(), line.executor.state().hash());

    let params = &genesis.params;
    let mut executor = executor(&genesis);
    let mut parent = genesis.header();
    let mut start = 0;
    let mut batches = 0;
    while start < line.blocks.len() {
        let ends = |block: &ExecutedBlock| rules::ends_batch(&block.block.header, params);
        let len = line.blocks[start..].iter().position(ends).map_or(line.blocks.len() - start, |last| last + 1);
        let run: Vec<_> = line.blocks[start..start + len].iter().map(|block| block.block.clone()).collect();
        assert!(run.iter().all(|block| block.header.batch == batches));
        let packed = pack(&run, Level::Best).unwrap();
        let unpacked = unpack(&packed.bytes, &UnpackLimits::new(params)).unwrap();
        assert_eq!(unpacked.first_block, run[0].header.number);
        for (block, original) in unpacked.blocks.iter().zip(&line.blocks[start..]) {
            let rebuilt = rebuild(&mut executor, params, &parent, block, &[]).unwrap();
            assert_eq!(&rebuilt, original);
            parent = rebuilt.block.header;
        }
        start += len;
        batches += 1;
    }
    assert!(batches > 1, "{batches}");

    let memory = replay(&genesis, line.blocks.iter().map(|block| &block.changes));
    let root = state_root(memory.accounts());
    assert_ne!(root, state_root(replay(&genesis, []).accounts()));
    let supply: U256 = memory.accounts().map(|(_, account, _)| account.balance).sum();
    assert_eq!(supply, U256::from(8_000 * ETHER), "fees are credited, not burnt");
}

#[test]
fn a_contract_is_deployed_called_logs_and_reverts() {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut line = Line::new(&genesis);
    // Stores calldata word 0 at slot 0 and logs it; reverts with the word when it is zero.
    let runtime = hex!("5f358015601157805f555f5260205fa0005b5f5260205ffd");
    let size = runtime.len() as u8;
    let copy_and_return = [0x60, size, 0x60, 10, 0x5f, 0x39, 0x60, size, 0x5f, 0xf3];
    let create = [&copy_and_return[..], &runtime].concat();
    let raw = wallet.send(TxKind::Create, 0, create.into(), 200_000);
    line.submit(&raw);
    line.work();
    line.seal();
    let receipt = line.blocks.last().unwrap().receipts.last().unwrap();
    assert!(receipt.envelope.status(), "{receipt:?}");
    let contract = receipt.contract_address.unwrap();
    assert_eq!(contract, wallet.address.create(0));
    assert_eq!(line.blocks.last().unwrap().changes.codes[0].1.as_ref(), runtime);

    let word = |value: u64| Bytes::from(U256::from(value).to_be_bytes::<32>());
    let calls = [
        wallet.send(TxKind::Call(contract), 0, word(42), 100_000),
        wallet.send(TxKind::Call(contract), 0, word(0), 100_000),
    ];
    calls.iter().for_each(|raw| line.submit(raw));
    line.now_ms += 5;
    line.work();
    line.seal();
    assert!(line.shed.is_empty(), "{:?}", line.shed);
    let block = line.blocks.last().unwrap();
    let [stored, reverted] = &block.receipts[..] else { panic!("two receipts") };
    assert!(stored.envelope.status());
    assert_eq!(stored.envelope.logs()[0].data.data, word(42));
    assert!(!reverted.envelope.status());
    assert!(reverted.envelope.logs().is_empty());
    assert_eq!(block.changes.storage(contract, U256::ZERO), Some(U256::from(42)));
    follow(&genesis, &line.blocks);

    let source = replay(&genesis, line.blocks.iter().map(|block| &block.changes));
    let request = |input: Bytes| call::CallRequest { to: TxKind::Call(contract), data: input, ..Default::default() };
    let header = &block.block.header;
    let outcome = call::call(&source, header, CHAIN_ID, &request(word(0)), 1_000_000).unwrap();
    assert!(matches!(&outcome, call::CallOutcome::Reverted { output, .. } if *output == word(0)), "{outcome:?}");
    let estimate = call::estimate_gas(&source, header, CHAIN_ID, &request(word(7)), 1_000_000).unwrap();
    let enough = call::CallRequest { gas: Some(estimate), ..request(word(7)) };
    assert!(matches!(
        call::call(&source, header, CHAIN_ID, &enough, 1_000_000).unwrap(),
        call::CallOutcome::Returned { .. }
    ));
    let error = call::estimate_gas(&source, header, CHAIN_ID, &request(word(0)), 1_000_000).unwrap_err();
    assert!(matches!(&error, call::CallError::Reverted { output } if *output == word(0)), "{error}");
}
