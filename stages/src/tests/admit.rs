//! Admit and order: what is let on, held, replaced, refused, and in which order it comes out.

use std::collections::BTreeMap;
use std::convert::Infallible;

use alloy_consensus::{Transaction, TxEip1559};
use alloy_primitives::{Address, B256, TxKind, U256};

use super::fixture::*;
use crate::admit::{AccountView, AdmitLimits};
use crate::order::Policy;
use crate::*;

#[derive(Default)]
struct View(BTreeMap<Address, (u64, U256)>);

impl AccountView for View {
    type Error = Infallible;

    fn nonce_and_balance(&mut self, address: Address) -> Result<(u64, U256), Infallible> {
        Ok(self.0.get(&address).copied().unwrap_or_default())
    }
}

struct Desk {
    admit: Admit<Parcel>,
    view: View,
    now_ms: u64,
    ready: Vec<Ready<Parcel>>,
    shed: Vec<Shed>,
    included: usize,
}

impl Desk {
    fn new(limits: AdmitLimits, wallets: &[&Wallet]) -> Self {
        let balance = U256::from(10 * ETHER);
        let view = View(wallets.iter().map(|wallet| (wallet.address, (0, balance))).collect());
        let admit = Admit::new(limits, 1_000, 60_000_000);
        Self { admit, view, now_ms: START_MS, ready: Vec::new(), shed: Vec::new(), included: 0 }
    }

    fn submit(&mut self, raw: &[u8]) -> B256 {
        let mut body = Box::<TxBody>::default();
        body.fill(raw, self.now_ms, 0);
        let decoded = Decode::new(DecodePolicy::any()).step(Frame::new(body)).unwrap();
        let fresh = Dedup::new(1).step(decoded).unwrap();
        let recovered = Recover::new().step(fresh).unwrap();
        let hash = recovered.body().hash();
        let Self { admit, view, now_ms, ready, shed, included } = self;
        admit.step(*now_ms, recovered, view, &mut |verdict| sort(verdict, ready, shed, included)).unwrap();
        hash
    }

    fn executed(&mut self, wallet: &Wallet, raw: &[Vec<u8>], nonce: u64) {
        let (_, balance) = self.view.0[&wallet.address];
        self.view.0.insert(wallet.address, (nonce, balance));
        let account = Account { nonce, balance, ..Account::default() };
        let block = ExecutedBlock {
            hash: B256::ZERO,
            block: Block { header: genesis(&[]).header(), transactions: Vec::new() },
            transactions: raw.iter().map(|raw| BlockTx::recover(raw).unwrap()).collect(),
            receipts: Vec::new(),
            changes: BlockChanges { accounts: vec![(wallet.address, Some(account))], ..Default::default() },
        };
        let Self { admit, view, now_ms, ready, shed, included } = self;
        admit.executed(*now_ms, &block, 1_000, view, &mut |verdict| sort(verdict, ready, shed, included)).unwrap();
    }

    fn tick(&mut self) {
        let Self { admit, now_ms, ready, shed, included, .. } = self;
        admit.tick(*now_ms, &mut |verdict| sort(verdict, ready, shed, included));
    }

    fn nonces(&mut self) -> Vec<u64> {
        self.ready.drain(..).map(|tx| tx.body().envelope().unwrap().nonce()).collect()
    }
}

fn sort(verdict: Verdict<Parcel>, ready: &mut Vec<Ready<Parcel>>, shed: &mut Vec<Shed>, included: &mut usize) {
    match verdict {
        Verdict::Ready(tx) => ready.push(tx),
        Verdict::Shed(rejected) => shed.push(rejected.why),
        Verdict::Included(_) => *included += 1,
    }
}

fn with_nonce(wallet: &Wallet, nonce: u64) -> Vec<u8> {
    wallet.raw(TxEip1559 { nonce, ..draft() })
}

fn with_fees(wallet: &Wallet, nonce: u64, cap: u128, tip: u128) -> Vec<u8> {
    wallet.raw(TxEip1559 { nonce, max_fee_per_gas: cap, max_priority_fee_per_gas: tip, ..draft() })
}

#[test]
fn what_waits_for_a_nonce_follows_it() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    for nonce in [2, 1, 4] {
        desk.submit(&with_nonce(&wallet, nonce));
    }
    assert!(desk.ready.is_empty());
    assert_eq!(desk.admit.waiting(), 3);
    desk.submit(&with_nonce(&wallet, 0));
    assert_eq!(desk.nonces(), [0, 1, 2]);
    assert_eq!(desk.admit.pending_nonce(wallet.address, &mut desk.view).unwrap(), 3);
    assert_eq!(desk.admit.waiting(), 1);
    assert!(desk.shed.is_empty());
}

#[test]
fn spent_nonces_are_refused_and_those_in_flight_are_known() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    desk.view.0.insert(wallet.address, (5, U256::from(ETHER)));
    desk.submit(&with_nonce(&wallet, 4));
    desk.submit(&with_nonce(&wallet, 5));
    desk.submit(&with_nonce(&wallet, 5));
    desk.submit(&with_fees(&wallet, 5, 100 * GWEI, GWEI));
    assert_eq!(desk.nonces(), [5]);
    let want = [Shed::NonceTooLow { next: 5, have: 4 }, Shed::AlreadyKnown, Shed::ReplacementUnderpriced];
    assert_eq!(desk.shed, want);
}

#[test]
fn a_replacement_pays_a_tenth_more_in_both_fees() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    desk.submit(&with_fees(&wallet, 1, 1_000_000, 1_000));
    desk.submit(&with_fees(&wallet, 1, 1_100_000, 1_099));
    desk.submit(&with_fees(&wallet, 1, 1_099_999, 1_100));
    assert_eq!(desk.shed, [Shed::ReplacementUnderpriced, Shed::ReplacementUnderpriced]);
    desk.shed.clear();
    let hash = desk.submit(&with_fees(&wallet, 1, 1_100_000, 1_100));
    assert_eq!(desk.shed, [Shed::Replaced(hash)]);
    assert_eq!(desk.admit.waiting(), 1);
}

#[test]
fn all_in_flight_must_be_affordable_together() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    let cost = U256::from(21_000 * 10 * GWEI + 4 * ETHER);
    let send = |nonce| wallet.raw(TxEip1559 { nonce, value: U256::from(4 * ETHER), ..draft() });
    for nonce in 0..3 {
        desk.submit(&send(nonce));
    }
    assert_eq!(desk.nonces(), [0, 1]);
    assert_eq!(desk.shed, [Shed::InsufficientFunds { balance: U256::from(10 * ETHER) - cost * U256::from(2), cost }]);
}

#[test]
fn fees_and_gas_are_checked_against_the_next_block() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits { min_tip: 10, ..AdmitLimits::default() }, &[&wallet]);
    desk.submit(&with_fees(&wallet, 0, 999, 10));
    desk.submit(&with_fees(&wallet, 0, 1_009, 10));
    desk.submit(&wallet.raw(TxEip1559 { gas_limit: 60_000_001, ..draft() }));
    desk.submit(&with_fees(&wallet, 0, 1_010, 10));
    assert_eq!(desk.nonces(), [0]);
    let want = [
        Shed::FeeCapTooLow { cap: 999, base_fee: 1_000 },
        Shed::Underpriced { tip: 9, minimum: 10 },
        Shed::ExceedsBlockGasLimit { have: 60_000_001, limit: 60_000_000 },
    ];
    assert_eq!(desk.shed, want);
}

#[test]
fn places_to_wait_are_bounded_for_one_and_for_all() {
    let wallets: Vec<_> = (0..3).map(Wallet::new).collect();
    let limits = AdmitLimits { per_sender: 2, in_all: 3, ..AdmitLimits::default() };
    let mut desk = Desk::new(limits, &wallets.iter().collect::<Vec<_>>());
    for nonce in 1..4 {
        desk.submit(&with_nonce(&wallets[0], nonce));
    }
    for nonce in 1..3 {
        desk.submit(&with_nonce(&wallets[1], nonce));
    }
    assert_eq!(desk.shed, [Shed::AccountLimit { limit: 2 }, Shed::PoolFull]);
    assert_eq!(desk.admit.waiting(), 3);
}

#[test]
fn nonces_in_flight_are_bounded() {
    let wallet = Wallet::new(0);
    let mut desk = Desk::new(AdmitLimits { in_flight_per_sender: 2, ..AdmitLimits::default() }, &[&wallet]);
    let raw: Vec<_> = (0..3).map(|nonce| with_nonce(&wallet, nonce)).collect();
    for raw in raw.iter() {
        desk.submit(raw);
    }
    assert_eq!(desk.shed, [Shed::AccountLimit { limit: 2 }]);
    desk.executed(&wallet, &raw[..1], 1);
    desk.submit(&raw[2]);
    assert_eq!(desk.nonces(), [0, 1, 2]);
}

#[test]
fn waiting_ends_after_a_time() {
    let wallet = Wallet::new(0);
    let mut desk = Desk::new(AdmitLimits { waiting_ms: 100, ..AdmitLimits::default() }, &[&wallet]);
    desk.submit(&with_nonce(&wallet, 3));
    assert_eq!(desk.admit.next_due_ms(), Some(START_MS + 100));
    desk.now_ms += 99;
    desk.tick();
    assert_eq!(desk.admit.waiting(), 1);
    desk.now_ms += 1;
    desk.tick();
    assert_eq!(desk.admit.waiting(), 0);
    assert_eq!(desk.shed, [Shed::Expired { waited_ms: 100, missing: 0 }]);
}

#[test]
fn a_block_takes_out_what_it_contains_and_what_it_overtakes() {
    let wallet = Wallet::new(0);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    let ours: Vec<_> = (1..5).map(|nonce| with_nonce(&wallet, nonce)).collect();
    for raw in ours.iter() {
        desk.submit(raw);
    }
    let other = with_fees(&wallet, 2, 50 * GWEI, GWEI);
    let block = [with_nonce(&wallet, 0), ours[0].clone(), other];
    desk.executed(&wallet, &block, 3);
    assert_eq!(desk.included, 1);
    assert_eq!(desk.shed, [Shed::NonceTooLow { next: 3, have: 2 }]);
    assert_eq!(desk.nonces(), [3, 4]);
    assert_eq!(desk.admit.waiting(), 0);
}

#[test]
fn a_lost_transaction_frees_its_nonce() {
    let wallet = Wallet::new(0);
    let mut desk = Desk::new(AdmitLimits { waiting_ms: 100, ..AdmitLimits::default() }, &[&wallet]);
    for nonce in 0..3 {
        desk.submit(&with_nonce(&wallet, nonce));
    }
    assert_eq!(desk.nonces(), [0, 1, 2]);
    desk.admit.lost(wallet.address, 1);
    desk.submit(&with_fees(&wallet, 1, 50 * GWEI, GWEI));
    assert_eq!(desk.nonces(), [1]);

    desk.now_ms += 101;
    desk.submit(&with_fees(&wallet, 0, 50 * GWEI, GWEI));
    assert_eq!(desk.nonces(), [0], "what was handed out and never heard of again does not hold its nonce for ever");
    desk.admit.reset();
    desk.submit(&with_nonce(&wallet, 0));
    assert_eq!(desk.nonces(), [0]);
    assert!(desk.shed.is_empty());
}

fn order_of(policy: impl Policy, sent: &[(u64, u64, u128)]) -> Vec<(u64, u64)> {
    let wallets: BTreeMap<u64, Wallet> = sent.iter().map(|(seed, ..)| (*seed, Wallet::new(*seed))).collect();
    let mut desk = Desk::new(AdmitLimits::default(), &wallets.values().collect::<Vec<_>>());
    for (seed, nonce, tip) in sent.iter() {
        desk.submit(&with_fees(&wallets[seed], *nonce, GWEI, *tip));
    }
    let mut order = Order::new(policy);
    desk.ready.drain(..).for_each(|tx| order.push(tx, 1_000));
    let mut out = Vec::new();
    let seed_of = |address| *wallets.iter().find(|(_, wallet)| wallet.address == address).unwrap().0;
    let mut blocked = true;
    while let Some(tx) = order.pop() {
        if std::mem::take(&mut blocked) {
            order.put_back(tx);
            continue;
        }
        out.push((seed_of(tx.body().sender()), tx.body().envelope().unwrap().nonce()));
    }
    assert!(order.is_empty());
    out
}

const SENT: [(u64, u64, u128); 6] = [(1, 0, 5), (1, 1, 90), (2, 0, 50), (3, 0, 7), (3, 1, 7), (2, 1, 5)];

#[test]
fn arrival_keeps_the_order_of_arrival() {
    assert_eq!(order_of(Arrival, &SENT), [(1, 0), (1, 1), (2, 0), (3, 0), (3, 1), (2, 1)]);
}

#[test]
fn priority_goes_by_fee_but_never_against_the_nonces() {
    assert_eq!(order_of(PriorityFee, &SENT), [(2, 0), (3, 0), (3, 1), (1, 0), (1, 1), (2, 1)]);
}

#[test]
fn a_creation_is_ready_like_any_other() {
    let wallet = Wallet::new(1);
    let mut desk = Desk::new(AdmitLimits::default(), &[&wallet]);
    desk.submit(&wallet.raw(TxEip1559 { to: TxKind::Create, gas_limit: 100_000, ..draft() }));
    assert_eq!(desk.nonces(), [0]);
}
