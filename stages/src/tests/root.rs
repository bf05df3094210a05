//! The state root against a trie built the slow way, straight from the definition in the yellow paper (appendix D).

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use proptest::prelude::*;

use crate::root::state_root;
use crate::*;

/// The RLP of the node above these keys (as nibbles), whose first `depth` nibbles are alike.
fn node(entries: &[(Vec<u8>, Vec<u8>)], depth: usize) -> Vec<u8> {
    let string = |bytes: &[u8]| alloy_rlp::encode(bytes);
    let list = |items: Vec<Vec<u8>>| {
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: items.iter().map(Vec::len).sum() }.encode(&mut out);
        out.extend(items.concat());
        out
    };
    let reference = |node: Vec<u8>| if node.len() < 32 { node } else { string(keccak256(&node).as_slice()) };
    match entries {
        [] => vec![0x80],
        [(key, value)] => list(vec![string(&hex_prefix(&key[depth..], true)), string(value)]),
        [(first, _), ..] => {
            let shared =
                (depth..first.len()).take_while(|at| entries.iter().all(|(key, _)| key[*at] == first[*at])).count();
            if shared > 0 {
                let below = reference(node(entries, depth + shared));
                return list(vec![string(&hex_prefix(&first[depth..depth + shared], false)), below]);
            }
            let child = |nibble: u8| {
                let below: Vec<_> = entries.iter().filter(|(key, _)| key[depth] == nibble).cloned().collect();
                if below.is_empty() { vec![0x80] } else { reference(node(&below, depth + 1)) }
            };
            list((0..16).map(child).chain([vec![0x80]]).collect())
        }
    }
}

fn hex_prefix(nibbles: &[u8], leaf: bool) -> Vec<u8> {
    let odd = nibbles.len() % 2 == 1;
    let flag = 2 * u8::from(leaf) + u8::from(odd);
    let mut all = if odd { vec![flag] } else { vec![flag, 0] };
    all.extend(nibbles);
    all.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn root(entries: BTreeMap<B256, Vec<u8>>) -> B256 {
    let nibbles = |key: &B256| key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect::<Vec<_>>();
    let entries: Vec<_> = entries.iter().map(|(key, value)| (nibbles(key), value.clone())).collect();
    keccak256(node(&entries, 0))
}

fn naive(accounts: &BTreeMap<Address, (Account, BTreeMap<U256, U256>)>) -> B256 {
    let leaf = |(address, (account, storage)): (&Address, &(Account, BTreeMap<U256, U256>))| {
        let slots = storage.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), alloy_rlp::encode(value)));
        let fields = [
            alloy_rlp::encode(account.nonce),
            alloy_rlp::encode(account.balance),
            alloy_rlp::encode(root(slots.collect())),
            alloy_rlp::encode(account.code_hash),
        ]
        .concat();
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut out);
        out.extend(fields);
        (keccak256(address), out)
    };
    root(accounts.iter().map(leaf).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_definition(
        accounts in prop::collection::btree_map(any::<[u8; 20]>(), (any::<u64>(), any::<u128>(), prop::collection::btree_map(any::<u16>(), 1u64.., 0..20)), 0..40)
    ) {
        let accounts: BTreeMap<_, _> = accounts.into_iter().map(|(address, (nonce, balance, storage))| {
            let account = Account { nonce, balance: U256::from(balance), ..Account::default() };
            let storage: BTreeMap<_, _> = storage.into_iter().map(|(slot, value)| (U256::from(slot), U256::from(value))).collect();
            (Address::from(address), (account, storage))
        }).collect();
        let have = state_root(accounts.iter().rev().map(|(address, (account, storage))| (*address, *account, storage.clone())));
        prop_assert_eq!(have, naive(&accounts));
    }
}

#[test]
fn an_empty_state_has_the_empty_root() {
    assert_eq!(state_root(Vec::<(Address, Account, Vec<(U256, U256)>)>::new()), alloy_trie::EMPTY_ROOT_HASH);
}
