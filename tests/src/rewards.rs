//! What L1 says of rewards, read from events and block times alone, and what the formula says they should be.

use std::collections::BTreeMap;

use alloy::{
    consensus::Transaction as _,
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{Filter, Log},
    sol_types::{SolCall, SolEvent},
};
use alloy_primitives::{Address, U256};
use horae_contracts::{LockingPool, Rates, RewardSchedule, Settlement};
use serde_json::{Value, json};

use crate::{Devnet, Node, rpc::runtime};

/// A settlement as L1 has it.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What was carried.
    pub settlement: Settlement,
    /// What the schedule allowed, in wei.
    pub allowed: U256,
    /// What each validator earned by it, by number, in wei.
    pub earned: BTreeMap<u64, U256>,
    /// Unix second of the L1 block with it.
    pub at_s: u64,
}

/// The pool and the schedule of a devnet.
#[derive(Debug)]
pub struct Payroll {
    provider: DynProvider,
    pool: Address,
    schedule: Address,
}

impl Payroll {
    /// That of a devnet.
    ///
    /// # Panics
    /// If its L1 does not answer.
    #[must_use]
    pub fn of(devnet: &Devnet) -> Self {
        let text = std::fs::read_to_string(devnet.root().join("chain.json")).expect("what the devnet remembers");
        let chain: Value = serde_json::from_str(&text).expect("JSON");
        let pool: Address = serde_json::from_value(chain["locking"].clone()).expect("an address");
        let provider = ProviderBuilder::new().connect_http(devnet.l1_url().parse().expect("a URL")).erased();
        let schedule = runtime().block_on(LockingPool::new(pool, &provider).rewards().call().into_future());
        Self { schedule: schedule.expect("the pool's schedule"), provider, pool }
    }

    /// All settlements, in order.
    ///
    /// # Panics
    /// If L1 does not answer, or with nonsense.
    #[must_use]
    pub fn settlements(&self) -> Vec<Settled> {
        let mut earned: BTreeMap<u64, BTreeMap<u64, U256>> = BTreeMap::new();
        for (_, event) in self.logs::<RewardSchedule::Earned>(self.schedule) {
            earned.entry(event.index).or_default().insert(event.id, event.amount);
        }
        let settled = self.logs::<RewardSchedule::Settled>(self.schedule).into_iter().map(|(log, event)| Settled {
            settlement: self.carried(&log),
            allowed: event.allowed,
            earned: earned.remove(&event.index).unwrap_or_default(),
            at_s: self.second_of(&log),
        });
        settled.collect()
    }

    /// What the formula allows for each settlement, by the times and stakes that L1's events tell.
    ///
    /// # Panics
    /// If L1 does not answer.
    #[must_use]
    pub fn allowed(&self, settlements: &[Settled]) -> Vec<U256> {
        let begun = self.logs::<RewardSchedule::Begun>(self.schedule);
        let begun_s = begun.first().expect("the twelve months have begun").1.at;
        let rates = Rates { begun_s, later: 0 };
        let changes = self.stakes();
        let mut from_s = begun_s;
        let mut allowed = Vec::new();
        for settled in settlements {
            allowed.push(rates.allowed(stake_seconds(&changes, from_s, settled.at_s), from_s, settled.at_s));
            from_s = settled.at_s;
        }
        allowed
    }

    /// What the pool holds for a validator to withdraw, in wei.
    ///
    /// # Panics
    /// If L1 does not answer.
    #[must_use]
    pub fn credited(&self, id: u64) -> U256 {
        let validator = LockingPool::new(self.pool, &self.provider);
        runtime().block_on(async { validator.validator(id).call().await }).expect("a validator").rewards
    }

    /// How many of these blocks each validator sealed, by number, as the headers of a node say.
    ///
    /// # Panics
    /// If the node lacks one of them.
    #[must_use]
    pub fn sealed(&self, node: &Node, first: u64, last: u64) -> BTreeMap<u64, u64> {
        let mut sealed: BTreeMap<Address, u64> = BTreeMap::new();
        for number in first..=last {
            let block = node.rpc.ask("horae_block", &json!([format!("{number:#x}")]));
            let sequencer: Address = serde_json::from_value(block["header"]["sequencer"].clone()).expect("a sequencer");
            *sealed.entry(sequencer).or_default() += 1;
        }
        let pool = LockingPool::new(self.pool, &self.provider);
        let id = |signer: Address| runtime().block_on(async { pool.validatorOfSigner(signer).call().await });
        sealed.into_iter().map(|(signer, count)| (id(signer).expect("a number"), count)).collect()
    }

    /// Second, validator and its listed stake from then on, in order.
    fn stakes(&self) -> Vec<(u64, u64, U256)> {
        let locked = self.logs::<LockingPool::Locked>(self.pool).into_iter().map(|(log, e)| (log, e.id, e.stake));
        let changed =
            self.logs::<LockingPool::StakeChanged>(self.pool).into_iter().map(|(log, e)| (log, e.id, e.stake));
        let left =
            self.logs::<LockingPool::UnlockInitiated>(self.pool).into_iter().map(|(log, e)| (log, e.id, U256::ZERO));
        let mut all: Vec<(Log, u64, U256)> = locked.chain(changed).chain(left).collect();
        all.sort_by_key(|(log, ..)| (log.block_number, log.log_index));
        all.into_iter().map(|(log, id, stake)| (self.second_of(&log), id, stake)).collect()
    }

    fn carried(&self, log: &Log) -> Settlement {
        let hash = log.transaction_hash.expect("a mined log");
        let found = runtime().block_on(async { self.provider.get_transaction_by_hash(hash).await });
        let transaction = found.expect("L1").expect("its transaction");
        RewardSchedule::settleCall::abi_decode(transaction.inner.input()).expect("a call of settle").settlement
    }

    fn second_of(&self, log: &Log) -> u64 {
        let number = BlockNumberOrTag::Number(log.block_number.expect("a mined log"));
        let block = runtime().block_on(async { self.provider.get_block_by_number(number).await });
        block.expect("L1").expect("its block").header.timestamp
    }

    fn logs<E: SolEvent>(&self, of: Address) -> Vec<(Log, E)> {
        let filter = Filter::new().address(of).from_block(0).event_signature(E::SIGNATURE_HASH);
        let logs = runtime().block_on(async { self.provider.get_logs(&filter).await }).expect("logs of L1");
        let decoded = |log: Log| E::decode_log(&log.inner).map(|event| (log, event.data)).expect("the binding's event");
        logs.into_iter().map(decoded).collect()
    }
}

/// The listed stake, summed over the seconds from one to another.
fn stake_seconds(changes: &[(u64, u64, U256)], from_s: u64, to_s: u64) -> U256 {
    let mut listed: BTreeMap<u64, U256> = BTreeMap::new();
    let (mut sum, mut at) = (U256::ZERO, from_s);
    let total = |listed: &BTreeMap<u64, U256>| listed.values().fold(U256::ZERO, |sum, stake| sum + stake);
    for (second, id, stake) in changes.iter().filter(|(second, ..)| *second < to_s) {
        if *second > at {
            sum += total(&listed) * U256::from(second - at);
            at = *second;
        }
        listed.insert(*id, *stake);
    }
    sum + total(&listed) * U256::from(to_s - at)
}
