//! The hot state against a naive model: a full copy of the state for every block.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use proptest::prelude::*;
use revm::bytecode::Bytecode;

use crate::state::{Change, RollbackError};
use crate::*;

const KEYS: u8 = 6;

/// A source that the test goes on writing to, as a store does.
#[derive(Clone, Default)]
struct Store(Rc<RefCell<MemoryState>>);

impl StateSource for Store {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        self.0.borrow().account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.0.borrow().storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Infallible> {
        self.0.borrow().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, Infallible> {
        self.0.borrow().block_hash(number)
    }
}

/// One write: which key, which value (0 deletes).
type Write = (u8, u8);

#[derive(Clone, Debug)]
enum Op {
    /// A block of transactions, each of accounts and slots; aborted in the end, or not.
    Block { transactions: Vec<(Vec<Write>, Vec<Write>)>, abort: bool },
    /// Roll back by so many blocks.
    Rollback(u64),
    /// The store catches up by so many blocks, and they are forgotten.
    Settle(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let writes = || prop::collection::vec((0..KEYS, 0u8..4), 0..4);
    let block = (prop::collection::vec((writes(), writes()), 0..4), prop::bool::weighted(0.2));
    let op = prop_oneof![
        4 => block.prop_map(|(transactions, abort)| Op::Block { transactions, abort }),
        1 => (0u64..4).prop_map(Op::Rollback),
        1 => (0u64..4).prop_map(Op::Settle),
    ];
    prop::collection::vec(op, 1..40)
}

#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    accounts: BTreeMap<Address, Account>,
    storage: BTreeMap<(Address, U256), U256>,
}

fn address(key: u8) -> Address {
    Address::repeat_byte(key + 1)
}

fn code(value: u8) -> Bytes {
    vec![0x5f; usize::from(value)].into()
}

fn account(value: u8) -> Option<Account> {
    let code_hash = keccak256(code(value));
    (value > 0).then(|| Account { nonce: 1, balance: U256::from(value), code_hash })
}

/// Two slots of one address share a key space with the accounts.
fn slot(key: u8) -> (Address, U256) {
    (address(key / 2), U256::from(key % 2))
}

fn run_block(hot: &mut HotState<Store>, transactions: &[(Vec<Write>, Vec<Write>)]) -> Model {
    let mut after = BTreeMap::new();
    let mut slots = BTreeMap::new();
    for (accounts, storage) in transactions {
        let mut changes = BTreeMap::new();
        for (key, value) in accounts.iter() {
            changes.insert(address(*key), account(*value));
        }
        let mut accounts: Vec<_> =
            changes.into_iter().map(|(key, after)| Change { key, before: hot.account(key).unwrap(), after }).collect();
        let codes: Vec<_> = accounts.iter().filter_map(|change| change.after).collect();
        let mut writes = BTreeMap::new();
        for (key, value) in storage.iter() {
            writes.insert(slot(*key), U256::from(*value));
        }
        let mut storage: Vec<_> = writes
            .into_iter()
            .map(|(key, after)| Change { key, before: hot.storage(key.0, key.1).unwrap(), after })
            .collect();
        for change in accounts.iter() {
            after.insert(change.key, change.after);
        }
        for change in storage.iter() {
            slots.insert(change.key, change.after);
        }
        hot.write(&mut accounts, &mut storage);
        for account in codes {
            let bytes = code(account.balance.to::<u8>());
            hot.write_code(account.code_hash, Bytecode::new_raw(bytes));
        }
    }
    let mut model = Model::default();
    after.into_iter().for_each(|(key, value)| {
        model.accounts.insert(key, value.unwrap_or_default());
    });
    model.storage = slots;
    model
}

fn apply(base: &Model, writes: &Model) -> Model {
    let mut next = base.clone();
    for (key, value) in &writes.accounts {
        if value.is_empty() {
            next.accounts.remove(key)
        } else {
            next.accounts.insert(*key, *value)
        };
    }
    for (key, value) in &writes.storage {
        if value.is_zero() {
            next.storage.remove(key)
        } else {
            next.storage.insert(*key, *value)
        };
    }
    next
}

fn same(hot: &mut HotState<Store>, model: &Model) -> Result<(), TestCaseError> {
    for key in 0..KEYS {
        let have = hot.account(address(key)).unwrap();
        prop_assert_eq!(have, model.accounts.get(&address(key)).copied());
        if let Some(account) = have.filter(Account::has_code) {
            let bytes = revm::Database::code_by_hash(hot, account.code_hash).unwrap().original_bytes();
            prop_assert_eq!(bytes, code(account.balance.to::<u8>()));
        }
        let (owner, at) = slot(key);
        prop_assert_eq!(hot.storage(owner, at).unwrap(), model.storage.get(&(owner, at)).copied().unwrap_or_default());
    }
    Ok(())
}

fn hash(number: u64, fork: u64) -> B256 {
    keccak256([number.to_be_bytes(), fork.to_be_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rollback_and_forgetting_agree_with_a_copy_a_block(ops in ops(), entries in 1usize..8) {
        let store = Store::default();
        store.0.borrow_mut().apply(0, hash(0, 0), &BlockChanges::default());
        let mut hot = HotState::new(store.clone(), 0, hash(0, 0), entries);
        let mut states = vec![(Model::default(), hash(0, 0), BlockChanges::default())];
        let mut settled = 0;
        for (fork, op) in ops.into_iter().enumerate() {
            match op {
                Op::Block { transactions, abort } => {
                    let writes = run_block(&mut hot, &transactions);
                    if abort {
                        hot.abort();
                    } else {
                        let changes = hot.open_changes();
                        let hash = hash(states.len() as u64, fork as u64);
                        hot.close(hash);
                        let next = apply(&states.last().unwrap().0, &writes);
                        states.push((next, hash, changes));
                    }
                }
                Op::Rollback(by) => {
                    let tip = hot.number();
                    let to = tip.saturating_sub(by);
                    let result = hot.rollback_to(to);
                    if to < settled {
                        prop_assert_eq!(result, Err(RollbackError::TooFar { to, lowest: settled }));
                    } else {
                        prop_assert_eq!(result, Ok(()));
                        states.truncate(to as usize + 1);
                    }
                }
                Op::Settle(by) => {
                    let to = (settled + by).min(hot.number());
                    for number in settled + 1..=to {
                        let (_, hash, changes) = &states[number as usize];
                        store.0.borrow_mut().apply(number, *hash, changes);
                    }
                    hot.forget_below(to);
                    settled = to;
                }
            }
            prop_assert_eq!(hot.number() as usize, states.len() - 1);
            prop_assert_eq!(hot.lowest(), settled);
            let (model, tip, _) = states.last().unwrap();
            prop_assert_eq!(hot.hash(), *tip);
            same(&mut hot, model)?;
            for (number, (_, hash, _)) in states.iter().enumerate() {
                prop_assert_eq!(revm::Database::block_hash(&mut hot, number as u64).unwrap(), *hash);
            }
            let (_, clean) = hot.entries();
            prop_assert!(clean <= 3 * entries.max(2));
        }
    }

    #[test]
    fn changes_of_blocks_replay_to_the_same_state(blocks in prop::collection::vec(prop::collection::vec((0..KEYS, 0u8..4), 0..6), 1..10)) {
        let mut hot = HotState::new(Store::default(), 0, hash(0, 0), 4);
        let mut other = HotState::new(Store::default(), 0, hash(0, 0), 4);
        let mut model = Model::default();
        for (index, writes) in blocks.iter().enumerate() {
            let half = writes.len() / 2;
            let writes = run_block(&mut hot, &[(writes[..half].to_vec(), writes[half..].to_vec())]);
            let changes = hot.open_changes();
            let hash = hash(index as u64 + 1, 0);
            hot.close(hash);
            other.apply(hash, &changes).unwrap();
            model = apply(&model, &writes);
        }
        same(&mut hot, &model)?;
        same(&mut other, &model)?;
        other.rollback_to(0).unwrap();
        same(&mut other, &Model::default())?;
    }
}

#[test]
fn what_block_hash_can_reach_is_kept_and_no_more() {
    let store = Store::default();
    let mut hot = HotState::new(store, 0, hash(0, 0), 4);
    for number in 1..=1_000 {
        hot.close(hash(number, 0));
    }
    assert_eq!(revm::Database::block_hash(&mut hot, 1).unwrap(), hash(1, 0), "any of them may be the tip again");
    hot.forget_below(1_000);
    assert_eq!(revm::Database::block_hash(&mut hot, 745).unwrap(), hash(745, 0));
    assert!(revm::Database::block_hash(&mut hot, 744).is_err(), "this store has no hashes");
}
