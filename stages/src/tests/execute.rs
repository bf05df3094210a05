//! Execution: what a transaction leaves behind, what one that cannot be leaves (nothing), and what the commitments see.

use alloy_consensus::{TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use secp256k1::Message;

use super::fixture::*;
use crate::changes::{ChangesHasher, TxChanges};
use crate::execute::ExecuteError;
use crate::genesis::GenesisAccount;
use crate::rules::{HeaderChoices, HeaderInputs};
use crate::*;

fn inputs(genesis: &Genesis) -> HeaderInputs {
    let parent = genesis.header();
    let mut choices = HeaderChoices::of(&parent);
    choices.fee_recipient = Address::repeat_byte(0xfe);
    choices.on(&parent, parent.hash(), &genesis.params)
}

fn open(genesis: &Genesis) -> Executor<MemoryState> {
    let mut executor = executor(genesis);
    executor.begin(inputs(genesis));
    executor
}

fn with_code(wallets: &[Wallet], address: Address, code: &[u8]) -> Genesis {
    let mut genesis = genesis(wallets);
    let account = GenesisAccount { code: Bytes::copy_from_slice(code), nonce: 1, ..GenesisAccount::default() };
    genesis.alloc.insert(address, account);
    genesis
}

fn balance(executor: &mut Executor<MemoryState>, address: Address) -> U256 {
    executor.state_mut().account(address).unwrap().map_or(U256::ZERO, |account| account.balance)
}

fn finish(executor: &mut Executor<MemoryState>, genesis: &Genesis, raw: &[Vec<u8>]) -> ExecutedBlock {
    executor.finish(&genesis.header(), &genesis.params, || raw.iter().cloned().map(Bytes::from).collect()).unwrap()
}

#[test]
fn a_transfer_moves_value_and_credits_every_fee() {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut executor = open(&genesis);
    let (to, recipient) = (Address::repeat_byte(3), Address::repeat_byte(0xfe));
    let raw = wallet.send(TxKind::Call(to), 5, Bytes::new(), 30_000);
    let price = u128::from(genesis.params.initial_base_fee) + GWEI / 10;
    let receipt = executor.execute(BlockTx::recover(&raw).unwrap()).unwrap();
    assert_eq!((receipt.gas_used, receipt.effective_gas_price), (21_000, price));
    assert_eq!(receipt.contract_address, None);
    assert_eq!(balance(&mut executor, to), U256::from(5));
    assert_eq!(balance(&mut executor, wallet.address), U256::from(1_000 * ETHER - 5 - 21_000 * price));
    assert_eq!(balance(&mut executor, recipient), U256::ZERO, "not before the block closes");
    let block = finish(&mut executor, &genesis, &[raw]);
    assert_eq!(balance(&mut executor, recipient), U256::from(21_000 * price * 9 / 10));
    assert_eq!(balance(&mut executor, protocol::FEE_POT), U256::from(21_000 * price / 10));
    assert_eq!(block.block.header.gas_used, 21_000);
    assert_eq!(block.changes.accounts.len(), 4);
    assert!(block.changes.accounts.is_sorted_by_key(|(address, _)| *address));
}

#[test]
fn what_cannot_be_in_a_block_leaves_no_trace() {
    let mut wallet = Wallet::new(1);
    let poor = Wallet::new(2);
    let contract = Wallet::new(3);
    let genesis = with_code(std::slice::from_ref(&wallet), contract.address, &[0x00]);
    let mut executor = open(&genesis);
    let blob = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 30_000,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..TxEip4844::default()
    };
    let blob: TxEip4844Variant = blob.into();
    let blob = TxEnvelope::from(wallet.sign(blob));
    let bad = [
        wallet.raw(TxEip1559Draft { nonce: 1, ..draft() }),
        wallet.raw(TxEip1559Draft { chain_id: 7, ..draft() }),
        wallet.raw(TxEip1559Draft { gas_limit: 20_000, ..draft() }),
        wallet.raw(TxEip1559Draft { max_fee_per_gas: 5, max_priority_fee_per_gas: 5, ..draft() }),
        wallet.raw(TxEip1559Draft { value: U256::MAX, ..draft() }),
        wallet.raw(TxEip1559Draft { gas_limit: limits::TRANSACTION_GAS_CAP + 1, ..draft() }),
        poor.raw(draft()),
        contract.raw(draft()),
        blob.encoded_2718(),
    ];
    let labels: Vec<_> = bad
        .iter()
        .map(|raw| match executor.execute(BlockTx::recover(raw).unwrap()) {
            Err(ExecuteError::Shed(why)) => why.label(),
            other => panic!("{other:?}"),
        })
        .collect();
    let want = [
        "nonce_too_high",
        "evm",
        "intrinsic_gas",
        "fee_cap_too_low",
        "insufficient_funds",
        "gas_limit_too_high",
        "insufficient_funds",
        "sender_not_eoa",
        "type_not_supported",
    ];
    assert_eq!(labels, want);
    let good = wallet.send(TxKind::Call(Address::ZERO), 1, Bytes::new(), 21_000);
    executor.execute(BlockTx::recover(&good).unwrap()).unwrap();
    let with_bad = finish(&mut executor, &genesis, std::slice::from_ref(&good));
    let mut executor = open(&genesis);
    executor.execute(BlockTx::recover(&good).unwrap()).unwrap();
    assert_eq!(with_bad, finish(&mut executor, &genesis, &[good]));
}

type TxEip1559Draft = alloy_consensus::TxEip1559;

#[test]
fn an_aborted_block_leaves_no_trace() {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut executor = open(&genesis);
    let raw = wallet.send(TxKind::Call(Address::repeat_byte(3)), 5, Bytes::new(), 21_000);
    executor.execute(BlockTx::recover(&raw).unwrap()).unwrap();
    assert_eq!(executor.abort().len(), 1);
    assert_eq!(balance(&mut executor, wallet.address), U256::from(1_000 * ETHER));
    assert_eq!(executor.state().number(), 0);
    executor.begin(inputs(&genesis));
    let empty = finish(&mut executor, &genesis, &[]);
    assert_eq!(empty.changes, BlockChanges::default());
    assert_eq!(empty.block.header.transactions_root, alloy_trie::EMPTY_ROOT_HASH);
}

#[test]
fn a_delegation_runs_code_of_another_account_and_is_in_the_changes() {
    let mut wallet = Wallet::new(1);
    let code = hex!("602a5f5500"); // slot 0 = 42
    let delegate = Address::repeat_byte(0xde);
    let genesis = with_code(std::slice::from_ref(&wallet), delegate, &code);
    let mut executor = open(&genesis);
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: delegate, nonce: 1 };
    let digest = Message::from_digest(authorization.signature_hash().0);
    let signature = wallet.sign_digest(digest);
    let tx = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 200_000,
        max_fee_per_gas: 10 * GWEI,
        to: wallet.address,
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let raw = TxEnvelope::from(wallet.sign(tx)).encoded_2718();
    wallet.nonce = 2;
    assert!(executor.execute(BlockTx::recover(&raw).unwrap()).unwrap().envelope.status());
    let again = wallet.send(TxKind::Call(Address::ZERO), 1, Bytes::new(), 21_000);
    executor.execute(BlockTx::recover(&again).unwrap()).unwrap();
    let block = finish(&mut executor, &genesis, &[raw, again]);
    assert_eq!(block.changes.storage(wallet.address, U256::ZERO), Some(U256::from(42)));
    let account = block.changes.account(&wallet.address).unwrap().unwrap();
    assert_eq!(account.nonce, 3);
    let designator = [&hex!("ef0100")[..], delegate.as_slice()].concat();
    assert_eq!(block.changes.code(&account.code_hash).unwrap().as_ref(), designator);
    let source = executor.into_state();
    assert_eq!(source.number(), 1);
}

#[test]
fn what_is_created_and_destroyed_in_one_transaction_was_never_there() {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut executor = open(&genesis);
    // Writes slot 0, then self-destructs to the caller, all in the creation.
    let raw = wallet.send(TxKind::Create, 7, hex!("60015f5533ff").into(), 200_000);
    let created = executor.execute(BlockTx::recover(&raw).unwrap()).unwrap().contract_address.unwrap();
    let block = finish(&mut executor, &genesis, &[raw]);
    assert_eq!(block.changes.account(&created), None);
    assert_eq!(block.changes.storage(created, U256::ZERO), None);
    assert!(block.changes.codes.is_empty());
}

#[test]
fn an_account_may_vanish_again() {
    // EIP-161: zero wei sent to an empty account does not create it.
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut executor = open(&genesis);
    let raw = wallet.send(TxKind::Call(Address::repeat_byte(3)), 0, Bytes::new(), 21_000);
    executor.execute(BlockTx::recover(&raw).unwrap()).unwrap();
    let block = finish(&mut executor, &genesis, &[raw]);
    assert_eq!(block.changes.account(&Address::repeat_byte(3)), None);
}

#[test]
fn the_evm_sees_the_header() {
    let mut wallet = Wallet::new(1);
    // Stores NUMBER, TIMESTAMP, BASEFEE, PREVRANDAO, BLOCKHASH(NUMBER - 1), CHAINID, GASLIMIT, COINBASE in slots 0 to 7.
    let code = hex!("435f55426001554860025544600355600143034060045546600555456006554160075500");
    let contract = Address::repeat_byte(0xcc);
    let genesis = with_code(std::slice::from_ref(&wallet), contract, &code);
    let mut executor = open(&genesis);
    let raw = wallet.send(TxKind::Call(contract), 0, Bytes::new(), 500_000);
    assert!(executor.execute(BlockTx::recover(&raw).unwrap()).unwrap().envelope.status());
    let block = finish(&mut executor, &genesis, &[raw]);
    let header = &block.block.header;
    let slot = |slot| block.changes.storage(contract, U256::from(slot)).unwrap_or_default();
    assert_eq!(slot(0), U256::from(1));
    assert_eq!(slot(1), U256::from(START_MS / 1_000));
    assert_eq!(slot(2), U256::from(header.base_fee));
    assert_eq!(slot(3), U256::from_be_bytes(header.prevrandao.0));
    assert_eq!(slot(4), U256::from_be_bytes(genesis.header().hash().0));
    assert_eq!(slot(5), U256::from(CHAIN_ID));
    assert_eq!(slot(6), U256::from(header.gas_limit));
    assert_eq!(slot(7), U256::from_be_slice(header.fee_recipient.as_slice()));
}

#[test]
fn receipts_count_gas_through_the_block_and_the_limit_holds() {
    let mut wallet = Wallet::new(1);
    let genesis = genesis(std::slice::from_ref(&wallet));
    let mut executor = executor(&genesis);
    executor.begin(HeaderInputs { gas_limit: 50_000, ..inputs(&genesis) });
    let raw: Vec<_> = (0..3).map(|_| wallet.send(TxKind::Call(Address::ZERO), 1, Bytes::new(), 21_000)).collect();
    let cumulative: Vec<_> = raw[..2]
        .iter()
        .map(|raw| executor.execute(BlockTx::recover(raw).unwrap()).unwrap().envelope.cumulative_gas_used())
        .collect();
    assert_eq!(cumulative, [21_000, 42_000]);
    let tx = BlockTx::recover(&raw[2]).unwrap();
    assert_eq!(tx.envelope.gas_limit(), 21_000);
    let error = executor.execute(tx).unwrap_err();
    assert!(matches!(error, ExecuteError::Shed(Shed::ExceedsBlockGasLimit { have: 21_000, limit: 8_000 })), "{error}");
}

#[test]
fn the_hash_of_changes_sees_where_a_transaction_ends() {
    let account =
        |byte| (Address::repeat_byte(byte), Some(Account { balance: U256::from(byte), ..Account::default() }));
    let hash = |transactions: &[Vec<(Address, Option<Account>)>]| {
        let mut hasher = ChangesHasher::default();
        transactions
            .iter()
            .for_each(|accounts| hasher.take(&TxChanges { accounts: accounts.clone(), storage: Vec::new() }));
        hasher.finish()
    };
    let together = hash(&[vec![account(1), account(2)]]);
    assert_ne!(together, hash(&[vec![account(1)], vec![account(2)]]));
    assert_ne!(together, hash(&[vec![account(1), account(2)], vec![]]));
    assert_ne!(together, hash(&[vec![account(1), (Address::repeat_byte(2), None)]]));
}
