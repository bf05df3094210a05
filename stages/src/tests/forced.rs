//! What executes without a signature: forced entries, records of slots, payments of carriers; who gets the fees; and what a
//! follower refuses to see in front of a block.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use proptest::prelude::*;

use super::fixture::*;
use crate::changes::Account;
use crate::execute::ExecuteError;
use crate::follow::BlockError;
use crate::genesis::GenesisAccount;
use crate::pack::{Level, UnpackLimits, UnpackedBlock, pack, rebuild, unpack};
use crate::protocol::{FEE_POT, PrefixError, SEQUENCER_SET, SYSTEM, SYSTEM_GAS, batch_paid};
use crate::rules::{HeaderChoices, HeaderInputs};
use crate::*;

const USER: Address = Address::repeat_byte(0x71);
const TO: Address = Address::repeat_byte(0x70);
/// Reverts with nothing.
const REVERTS: Address = Address::repeat_byte(0x72);
/// Stores `GASPRICE`, `BASEFEE`, `ORIGIN` and `CALLVALUE` in slots 0 to 3, and logs nothing.
const LOOKS: Address = Address::repeat_byte(0x73);

fn deployed(artifact: &str) -> Bytes {
    let artifact: serde_json::Value = serde_json::from_str(artifact).unwrap();
    hex::decode(artifact["deployedBytecode"]["object"].as_str().unwrap()).unwrap().into()
}

/// A chain with the predeployed contracts and those above.
fn chain(wallets: &[Wallet]) -> Genesis {
    let mut genesis = genesis(wallets);
    let codes = [
        (SEQUENCER_SET, deployed(include_str!("../../../contracts/artifacts/SequencerSet.json"))),
        (FEE_POT, deployed(include_str!("../../../contracts/artifacts/FeePot.json"))),
        (REVERTS, hex!("5f5ffd").into()),
        (LOOKS, hex!("3a5f55486001553260025534600355").into()),
    ];
    let contract = |code| GenesisAccount { code, nonce: 1, ..GenesisAccount::default() };
    genesis.alloc.extend(codes.map(|(address, code)| (address, contract(code))));
    genesis
}

fn entry(index: u64) -> ForcedEntry {
    ForcedEntry {
        index,
        from: USER,
        to: TxKind::Call(TO),
        mint: U256::from(100),
        value: U256::from(30),
        gas: 50_000,
        data: Bytes::new(),
    }
}

fn inputs(genesis: &Genesis) -> HeaderInputs {
    let parent = genesis.header();
    let mut choices = HeaderChoices::of(&parent);
    (choices.slot, choices.l1_view.number) = (1, 1);
    choices.sequencer = Address::repeat_byte(0x5e);
    choices.fee_recipient = Address::repeat_byte(0xfe);
    choices.on(&parent, parent.hash(), &genesis.params)
}

/// Executes these in a block and gives the receipts behind the slot's record.
fn execute(genesis: &Genesis, entries: &[ForcedEntry]) -> (Executor<MemoryState>, ExecutedBlock, Vec<TxReceipt>) {
    let mut executor = executor(genesis);
    let due: Vec<Bytes> = entries.iter().map(ForcedEntry::encode).collect();
    let raw = executor.begin_with(inputs(genesis), &genesis.header(), &due).unwrap();
    let block = executor.finish(&genesis.header(), &genesis.params, || raw).unwrap();
    let receipts = block.receipts[1..].to_vec();
    (executor, block, receipts)
}

fn account(executor: &mut Executor<MemoryState>, address: Address) -> Account {
    executor.state_mut().account(address).unwrap().unwrap_or_default()
}

#[test]
fn a_deposit_mints_then_sends_and_takes_no_fee() {
    let genesis = chain(&[]);
    let (mut executor, block, receipts) = execute(&genesis, &[entry(0)]);
    let receipt = &receipts[0];
    assert!(receipt.envelope.status());
    assert_eq!((receipt.gas_used, receipt.effective_gas_price), (21_000, 0));
    assert_eq!((receipt.envelope.ty, receipt.envelope.deposit_nonce), (0x7e, Some(0)));
    let user = account(&mut executor, USER);
    assert_eq!((user.balance, user.nonce), (U256::from(70), 1));
    assert_eq!(account(&mut executor, TO).balance, U256::from(30));
    assert_eq!(account(&mut executor, FEE_POT).balance, U256::ZERO);
    assert_eq!(account(&mut executor, Address::repeat_byte(0xfe)), Account::default());
    let header = &block.block.header;
    assert_eq!((header.forced, header.batch_bytes), (1, 0));
    assert_eq!(header.gas_used, block.receipts[0].gas_used + 21_000, "it counts toward the block");
}

#[test]
fn the_mint_stays_and_the_nonce_goes_up_when_the_call_fails() {
    let creation = |data: Vec<u8>| ForcedEntry { to: TxKind::Create, gas: 1_000_000, data: data.into(), ..entry(0) };
    let collides = USER.create(0);
    let mut genesis = chain(&[]);
    genesis.alloc.insert(collides, GenesisAccount { nonce: 1, ..GenesisAccount::default() });
    let failures = [
        ("reverts", ForcedEntry { to: TxKind::Call(REVERTS), ..entry(0) }, None),
        ("cannot pay", ForcedEntry { value: U256::from(101), ..entry(0) }, Some(50_000)),
        ("value of all there is", ForcedEntry { value: U256::MAX, ..entry(0) }, Some(50_000)),
        ("intrinsic gas", ForcedEntry { gas: 20_999, ..entry(0) }, Some(20_999)),
        ("floor of calldata", ForcedEntry { gas: 60_000, data: vec![1; 1_000].into(), ..entry(0) }, Some(60_000)),
        ("no gas", ForcedEntry { gas: 0, ..entry(0) }, Some(0)),
        ("more than a transaction may have", ForcedEntry { gas: (1 << 24) + 1, ..entry(0) }, Some((1 << 24) + 1)),
        ("init code too long", ForcedEntry { gas: 10_000_000, ..creation(vec![0; 49_153]) }, Some(10_000_000)),
        ("collision", creation(hex!("5f5ff3").to_vec()), Some(1_000_000)),
    ];
    for (what, failing, gas_used) in failures {
        let (mut executor, block, receipts) = execute(&genesis, &[failing]);
        let user = account(&mut executor, USER);
        assert_eq!((user.balance, user.nonce), (U256::from(100), 1), "{what}");
        assert_eq!(account(&mut executor, TO).balance, U256::ZERO, "{what}");
        assert!(!receipts[0].envelope.status() && receipts[0].envelope.logs().is_empty(), "{what}");
        if let Some(gas_used) = gas_used {
            assert_eq!(receipts[0].gas_used, gas_used, "{what}");
        }
        assert_eq!(block.block.header.forced, 1, "{what}");
    }
}

#[test]
fn a_creation_takes_the_address_of_the_nonce_before_it() {
    let genesis = chain(&[]);
    // Returns three bytes of code: STOP, STOP, STOP.
    let create =
        |index| ForcedEntry { to: TxKind::Create, gas: 200_000, data: hex!("60035ff3").into(), ..entry(index) };
    let (mut executor, block, receipts) = execute(&genesis, &[entry(0), create(1), create(2)]);
    for (at, nonce) in [(1, 1), (2, 2)] {
        let created = receipts[at].contract_address.unwrap();
        assert_eq!((created, receipts[at].envelope.deposit_nonce), (USER.create(nonce), Some(nonce)));
        assert_eq!(account(&mut executor, created).balance, U256::from(30));
        assert_eq!(account(&mut executor, created).code_hash, keccak256([0; 3]));
    }
    assert_eq!(account(&mut executor, USER).nonce, 3);
    assert_eq!(block.changes.code(&keccak256([0; 3])).unwrap().len(), 3);
}

#[test]
fn the_call_sees_its_sender_no_price_and_the_base_fee() {
    let mut genesis = chain(&[]);
    // A contract may send: on L1 it was one too, and its address is aliased.
    genesis.alloc.insert(USER, GenesisAccount { code: hex!("00").into(), nonce: 1, ..GenesisAccount::default() });
    let looks = ForcedEntry { to: TxKind::Call(LOOKS), gas: 200_000, ..entry(0) };
    let (_, block, receipts) = execute(&genesis, &[looks]);
    assert!(receipts[0].envelope.status());
    let slot = |slot| block.changes.storage(LOOKS, U256::from(slot)).unwrap_or_default();
    assert_eq!(slot(0), U256::ZERO);
    assert_eq!(slot(1), U256::from(block.block.header.base_fee));
    assert_eq!(slot(2), U256::from_be_slice(USER.as_slice()));
    assert_eq!(slot(3), U256::from(30));
}

#[test]
fn what_does_not_fit_leaves_no_block_open() {
    let genesis = chain(&[]);
    let mut executor = executor(&genesis);
    let due = [ForcedEntry { gas: genesis.params.gas_limit, ..entry(0) }.encode()];
    let error = executor.begin_with(inputs(&genesis), &genesis.header(), &due).unwrap_err();
    assert!(matches!(error, ExecuteError::Shed(Shed::ExceedsBlockGasLimit { .. })), "{error}");
    assert!(executor.open().is_none());
    assert_eq!(executor.state().hash(), genesis.header().hash());
}

#[test]
fn a_receipt_has_the_encoding_of_a_deposits_on_the_op_stack() {
    let genesis = chain(&[]);
    let (_, block, receipts) = execute(&genesis, &[entry(0)]);
    let mut raw = Vec::new();
    receipts[0].envelope.encode_2718(&mut raw);
    // 0x7e || rlp([status, cumulative gas, bloom, logs, depositNonce, depositReceiptVersion])
    let cumulative = alloy_rlp::encode(block.block.header.gas_used);
    let tail = [&cumulative[..], &hex!("b90100"), &[0; 256], &hex!("c08001")].concat();
    let length = (1 + tail.len()) as u16;
    assert_eq!(raw, [&hex!("7ef9")[..], &length.to_be_bytes(), &[1], &tail].concat());
}

#[test]
fn the_slots_sequencer_is_on_record_for_contracts() {
    let genesis = chain(&[]);
    let (_, block, _) = execute(&genesis, &[]);
    let record = &block.receipts[0];
    assert!(record.envelope.status(), "{record:?}");
    assert!(record.gas_used < SYSTEM_GAS / 2, "{}", record.gas_used);
    assert_eq!(record.envelope.logs()[0].address, SEQUENCER_SET);
    let source = replay(&genesis, [&block.changes]);
    let ask = |data: Vec<u8>| {
        let request = call::CallRequest { to: TxKind::Call(SEQUENCER_SET), data: data.into(), ..Default::default() };
        match call::call(&source, &block.block.header, CHAIN_ID, &request, 1_000_000).unwrap() {
            call::CallOutcome::Returned { output, .. } => output,
            other => panic!("{other:?}"),
        }
    };
    let of = [&keccak256("sequencerOf(uint256)")[..4], &U256::from(1).to_be_bytes::<32>()].concat();
    let sequencer = block.block.header.sequencer.into_word();
    assert_eq!(ask(of)[..], sequencer[..]);
    let current = ask(keccak256("current()")[..4].to_vec());
    assert_eq!(&current[128..], sequencer.as_slice());
    assert_eq!(U256::from_be_slice(&current[64..96]), U256::from(1), "the slot");
}

/// A block with one transfer of a user, whose fees go as these shares say.
fn fees_at(carrier_share: u64, recipient: Address) -> (U256, U256, U256) {
    let mut wallet = Wallet::new(1);
    let mut genesis = chain(std::slice::from_ref(&wallet));
    (genesis.params.carrier_share, genesis.params.initial_base_fee) = (carrier_share, 1_000_000_007);
    genesis.check().unwrap();
    let mut executor = executor(&genesis);
    let inputs = HeaderInputs { fee_recipient: recipient, ..inputs(&genesis) };
    let mut raw = executor.begin_with(inputs, &genesis.header(), &[]).unwrap();
    raw.push(wallet.send(TxKind::Call(TO), 0, Bytes::new(), 21_000).into());
    let receipt = executor.execute(BlockTx::recover(&raw[1]).unwrap()).unwrap();
    let paid = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    executor.finish(&genesis.header(), &genesis.params, || raw).unwrap();
    (paid, account(&mut executor, recipient).balance, account(&mut executor, FEE_POT).balance)
}

#[test]
fn fees_are_split_to_the_wei_when_the_block_closes() {
    let recipient = Address::repeat_byte(0xfe);
    let (paid, to_recipient, to_pot) = fees_at(1_234, recipient);
    assert_eq!(paid, U256::from(21_000_u128 * (1_000_000_007 + GWEI / 10)));
    assert_eq!(to_pot, paid * U256::from(1_234) / U256::from(10_000));
    assert_eq!(to_recipient + to_pot, paid);
    assert_eq!(fees_at(0, recipient), (paid, paid, U256::ZERO));
    assert_eq!(fees_at(10_000, recipient), (paid, U256::ZERO, paid));
    assert_eq!(fees_at(1_234, FEE_POT), (paid, paid, paid), "the pot may be the recipient");
    let mut genesis = chain(&[]);
    genesis.params.carrier_share = 10_001;
    assert_eq!(genesis.check(), Err(genesis::GenesisError::Param("carrier_share")));
}

/// A sequencer that has these L1 blocks to apply, one with entries, one with a batch, and users' transactions besides.
fn line_with_due(wallet: &mut Wallet) -> (Genesis, Line, Vec<Vec<Bytes>>) {
    let genesis = chain(std::slice::from_ref(wallet));
    let mut line = Line::new(&genesis);
    let due = [
        vec![entry(0).encode(), entry(1).encode()],
        vec![],
        vec![batch_paid(0, Address::repeat_byte(0xca)), entry(2).encode()],
    ];
    let mut given = Vec::new();
    for (at, due) in (1..).zip(due) {
        let raw = wallet.send(TxKind::Call(TO), 1, Bytes::new(), 21_000);
        line.submit(&raw);
        line.applied = Applied {
            control_height: at,
            l1_view: L1View { number: 10 * at, hash: B256::with_last_byte(at as u8) },
            above: line.sealer.tip().l1_view.number,
            due: due.clone(),
        };
        line.work();
        line.seal();
        given.push(due);
        line.now_ms += 5;
    }
    line.seal();
    given.push(Vec::new());
    (genesis, line, given)
}

fn hashes(due: &[Bytes]) -> Vec<B256> {
    due.iter().map(keccak256).collect()
}

#[test]
fn sequencer_follower_and_batch_agree_on_what_l1_made_due() {
    let mut wallet = Wallet::new(1);
    let (genesis, mut line, due) = line_with_due(&mut wallet);
    assert!(line.shed.is_empty(), "{:?}", line.shed);
    let forced: Vec<_> = line.blocks.iter().map(|block| block.block.header.forced).collect();
    assert_eq!(forced, [2, 2, 3, 3]);
    let counts: Vec<_> = line.blocks.iter().map(|block| (block.transactions.len(), block.signed().len())).collect();
    assert_eq!(counts, [(4, 1), (1, 1), (3, 1), (0, 0)], "the slot's record is in the first block alone");

    let (mut follower, mut parent) = (executor(&genesis), genesis.header());
    for (block, due) in line.blocks.iter().zip(&due) {
        let recovered = recover_block(block.block.clone()).unwrap();
        let hashes = hashes(due);
        let executed = execute_block(&mut follower, &genesis.params, &parent, recovered, FromL1::Due(&hashes)).unwrap();
        assert_eq!(&executed, block);
        parent = executed.block.header;
    }
    follow(&genesis, &line.blocks);

    let blocks: Vec<Block> = line.blocks.iter().map(|block| block.block.clone()).collect();
    let packed = pack(&blocks, Level::Best).unwrap();
    let unpacked = unpack(&packed.bytes, &UnpackLimits::new(&genesis.params)).unwrap();
    assert!(unpacked.blocks.iter().flat_map(|block| &block.transactions).all(|raw| !protocol::is_protocol(raw)));
    let (mut reader, mut parent) = (executor(&genesis), genesis.header());
    for ((unpacked, due), block) in unpacked.blocks.iter().zip(&due).zip(&line.blocks) {
        let rebuilt = rebuild(&mut reader, &genesis.params, &parent, unpacked, due).unwrap();
        assert_eq!(&rebuilt, block);
        parent = rebuilt.block.header;
    }

    // The carrier got what was in the pot by then: the shares of the two blocks before.
    let fee = |block: &ExecutedBlock| {
        let receipt = block.receipts.last().unwrap();
        U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price) / U256::from(10)
    };
    let carrier = account(&mut line.executor, Address::repeat_byte(0xca)).balance;
    assert_eq!(carrier, fee(&line.blocks[0]) + fee(&line.blocks[1]));
    let pot = account(&mut line.executor, FEE_POT).balance;
    assert_eq!(pot, fee(&line.blocks[2]));
    let supply: U256 = {
        let memory = replay(&genesis, line.blocks.iter().map(|block| &block.changes));
        memory.accounts().map(|(_, account, _)| account.balance).sum()
    };
    assert_eq!(supply, U256::from(1_000 * ETHER + 3 * 100), "what was there and what was minted");
}

#[test]
fn a_view_moves_only_from_where_its_list_begins() {
    let genesis = chain(&[]);
    let mut line = Line::new(&genesis);
    let l1_view = L1View { number: 10, hash: B256::repeat_byte(1) };
    line.applied = Applied { control_height: 1, l1_view, above: 3, due: vec![entry(0).encode()] };
    line.seal();
    assert_eq!(line.blocks[0].block.header.l1_view, genesis.l1_view, "the list begins elsewhere");
    line.applied.above = 0;
    line.seal();
    line.seal();
    let seen: Vec<_> = line.blocks.iter().map(|block| block.block.header.forced).collect();
    assert_eq!(seen, [0, 1, 1], "and is applied once");
    follow(&genesis, &line.blocks);
}

#[test]
fn abandoning_gives_back_what_users_signed_alone() {
    let mut wallet = Wallet::new(1);
    let genesis = chain(std::slice::from_ref(&wallet));
    let mut line = Line::new(&genesis);
    let raw = wallet.send(TxKind::Call(TO), 1, Bytes::new(), 21_000);
    line.submit(&raw);
    let tx = line.order.pop().unwrap();
    let offered = line.sealer.offer(line.now_ms, &line.applied, &mut line.executor, tx).unwrap();
    assert!(matches!(offered, Offered::Taken(_)));
    assert_eq!(line.executor.count(), 2);
    let Line { sealer, mut executor, .. } = line;
    assert_eq!(sealer.abandon(&mut executor), [Bytes::from(raw)]);
}

/// A block whose transactions were changed as a sequencer that executes honestly could have sealed it.
fn resealed(genesis: &Genesis, choices: &HeaderChoices, raw: Vec<Bytes>) -> Block {
    let (mut executor, parent) = (executor(genesis), genesis.header());
    executor.begin(choices.clone().on(&parent, parent.hash(), &genesis.params));
    let (protocol, signed) = raw.split_at(protocol::count(&raw));
    let protocol = protocol.iter().map(|raw| BlockTx::protocol(raw).unwrap());
    let signed = signed.iter().map(|raw| BlockTx::recover(raw).unwrap());
    for tx in protocol.chain(signed) {
        executor.execute(tx).unwrap();
    }
    executor.finish(&parent, &genesis.params, || raw).unwrap().block
}

#[test]
fn a_follower_refuses_any_other_beginning_than_the_one_that_is_due() {
    let mut wallet = Wallet::new(1);
    let (genesis, line, due) = line_with_due(&mut wallet);
    let good = &line.blocks[0].block;
    let choices = HeaderChoices::of(&good.header);
    let (parent, due) = (genesis.header(), hashes(&due[0]));
    let refuse = |block: Block, from_l1: FromL1<'_>| {
        let mut executor = executor(&genesis);
        let block = recover_block(block).unwrap();
        let error = execute_block(&mut executor, &genesis.params, &parent, block, from_l1).unwrap_err();
        assert_eq!(executor.state().hash(), parent.hash());
        match error {
            BlockError::Prefix(error) => error,
            other => panic!("{other}"),
        }
    };
    let reseal = |change: &dyn Fn(&mut Vec<Bytes>)| {
        let mut raw = good.transactions.clone();
        change(&mut raw);
        resealed(&genesis, &choices, raw)
    };
    let strict = FromL1::Due(&due);
    let slot = PrefixError::SlotRecord { slot: 1 };
    assert_eq!(refuse(reseal(&|raw| drop(raw.remove(0))), strict), slot);
    assert_eq!(refuse(reseal(&|raw| raw.swap(0, 1)), strict), slot);
    let twice = refuse(reseal(&|raw| raw.insert(0, raw[0].clone())), strict);
    assert!(matches!(twice, PrefixError::Due { index: 1, .. }), "{twice}");

    let missing = refuse(reseal(&|raw| drop(raw.remove(2))), strict);
    assert_eq!(missing, PrefixError::Due { index: 2, have: None, due: Some(due[1]) });
    let skipped = refuse(reseal(&|raw| drop(raw.remove(1))), strict);
    assert_eq!(skipped, PrefixError::Due { index: 1, have: Some(due[1]), due: Some(due[0]) });
    let swapped = refuse(reseal(&|raw| raw.swap(1, 2)), strict);
    assert_eq!(swapped, PrefixError::Due { index: 1, have: Some(due[1]), due: Some(due[0]) });
    let extra = entry(2).encode();
    let more = refuse(reseal(&|raw| raw.insert(3, extra.clone())), strict);
    assert_eq!(more, PrefixError::Due { index: 3, have: Some(keccak256(&extra)), due: None });
    let richer = ForcedEntry { mint: U256::from(101), ..entry(0) }.encode();
    let wrong = refuse(reseal(&|raw| raw[1] = richer.clone()), strict);
    assert_eq!(wrong, PrefixError::Due { index: 1, have: Some(keccak256(&richer)), due: Some(due[0]) });

    // Even where others have checked the list, no entry is left out or comes twice.
    let skipped = refuse(reseal(&|raw| drop(raw.remove(1))), FromL1::Settled);
    assert_eq!(skipped, PrefixError::NotNext { index: 1, next: 0 });
    let twice = refuse(reseal(&|raw| raw.insert(2, raw[1].clone())), FromL1::Settled);
    assert_eq!(twice, PrefixError::NotNext { index: 2, next: 1 });
    let mut stands = choices.clone();
    stands.l1_view = genesis.l1_view;
    let stands = resealed(&genesis, &stands, good.transactions.clone());
    assert_eq!(refuse(stands, FromL1::Settled), PrefixError::ViewStands { index: 1 });
}

#[test]
fn a_header_cannot_count_other_entries_than_the_block_has() {
    let mut wallet = Wallet::new(1);
    let (genesis, line, due) = line_with_due(&mut wallet);
    for forced in [0, 1, 3] {
        let mut block = line.blocks[0].block.clone();
        block.header.forced = forced;
        let block = recover_block(block).unwrap();
        let mut executor = executor(&genesis);
        let hashes = hashes(&due[0]);
        let error = execute_block(&mut executor, &genesis.params, &genesis.header(), block, FromL1::Due(&hashes));
        assert!(matches!(error, Err(BlockError::Rule(rules::RuleError::Field { field: "forced", .. }))), "{error:?}");
    }
}

#[test]
fn the_protocols_transactions_come_first_and_no_user_sends_one() {
    let mut wallet = Wallet::new(1);
    let (genesis, line, _) = line_with_due(&mut wallet);
    let mut block = line.blocks[0].block.clone();
    block.transactions.rotate_left(3);
    let bad = recover_block(block).unwrap_err();
    assert_eq!((bad.index, bad.why), (1, Shed::TypeNotSupported(0x7e)));

    let mut door = Line::new(&genesis);
    door.submit(&entry(0).encode());
    assert_eq!(door.shed, [Shed::TypeNotSupported(0x7e)]);

    // Nor does one come in by a batch.
    let choices = HeaderChoices::of(&line.blocks[0].block.header);
    let smuggled = UnpackedBlock { choices, transactions: vec![entry(0).encode()] };
    let error = rebuild(&mut executor(&genesis), &genesis.params, &genesis.header(), &smuggled, &[]).unwrap_err();
    assert!(matches!(error, BlockError::Transaction { why: Shed::TypeNotSupported(0x7e), .. }), "{error}");
}

fn any_entry() -> impl Strategy<Value = ForcedEntry> {
    let to = prop_oneof![
        Just(TxKind::Call(TO)),
        Just(TxKind::Call(REVERTS)),
        Just(TxKind::Call(LOOKS)),
        Just(TxKind::Call(SEQUENCER_SET)),
        Just(TxKind::Call(FEE_POT)),
        Just(TxKind::Create),
    ];
    let data = prop_oneof![
        Just(Bytes::new()),
        Just(Bytes::from_static(&hex!("60035ff3"))),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
    ];
    (0..3u8, to, 0..1_000u64, 0..1_500u64, 0..400_000u64, data).prop_map(|(from, to, mint, value, gas, data)| {
        let from = Address::with_last_byte(0x80 + from);
        ForcedEntry { index: 0, from, to, mint: U256::from(mint), value: U256::from(value), gas, data }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_entry_executes_once_and_mints_what_it_says(mut entries in prop::collection::vec(any_entry(), 1..12)) {
        entries.iter_mut().zip(0..).for_each(|(entry, index)| entry.index = index);
        let genesis = chain(&[]);
        let (mut executed, block, receipts) = execute(&genesis, &entries);
        prop_assert_eq!(receipts.len(), entries.len());
        prop_assert_eq!(block.block.header.forced, entries.len() as u64);
        for (entry, receipt) in entries.iter().zip(&receipts) {
            prop_assert!(receipt.gas_used <= entry.gas);
        }
        for from in (0..3).map(|n| Address::with_last_byte(0x80 + n)) {
            let sent = entries.iter().filter(|entry| entry.from == from).count() as u64;
            prop_assert_eq!(account(&mut executed, from).nonce, sent);
        }
        let minted: U256 = entries.iter().map(|entry| entry.mint).sum();
        let memory = replay(&genesis, [&block.changes]);
        let supply: U256 = memory.accounts().map(|(_, account, _)| account.balance).sum();
        // A creation whose code destroys itself in its own favour burns what it holds.
        let destroys = entries.iter().any(|entry| entry.to.is_create() && entry.data.contains(&0xff));
        prop_assert!(supply == minted || destroys && supply < minted, "{} of {}", supply, minted);
        prop_assert_eq!(account(&mut executed, SYSTEM).nonce, 1);

        let due: Vec<B256> = entries.iter().map(ForcedEntry::hash).collect();
        let recovered = recover_block(block.block.clone()).unwrap();
        let mut follower = executor(&genesis);
        let followed = execute_block(&mut follower, &genesis.params, &genesis.header(), recovered, FromL1::Due(&due));
        prop_assert_eq!(followed.unwrap(), block);
    }
}
