//! The state root: what one costs at a batch's boundary, in full.

use std::hint::black_box;

use alloy_primitives::{Address, KECCAK256_EMPTY, U256, keccak256};
use eyre::Result;
use horae_stages::Account;
use horae_stages::root::state_root;

use super::Scene;
use crate::args::Options;
use crate::cpu::spent;
use crate::sheet::{Figure, Sheet};

const ACCOUNTS: u64 = 20_000;

/// Makes the accounts.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Root(accounts(ACCOUNTS))))
}

/// So many accounts with some wei each.
#[must_use]
pub fn accounts(count: u64) -> Vec<(Address, Account)> {
    let account = |index: u64| {
        let address = Address::from_word(keccak256(index.to_be_bytes()));
        (address, Account { nonce: index % 7, balance: U256::from(index + 1), code_hash: KECCAK256_EMPTY })
    };
    (0..count).map(account).collect()
}

struct Root(Vec<(Address, Account)>);

impl Scene for Root {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let scan = || state_root(self.0.iter().map(|(address, account)| (*address, *account, Vec::new())));
        let (cost, root) = spent(scan);
        black_box(root);
        let figure = Figure::cost("root/full", "ns/account").note("a full scan of 20,000 accounts without storage");
        sheet.add(figure, cost.ns / ACCOUNTS as f64, None);
        Ok(())
    }
}
