//! Everything that will be sent, signed and timed before the first byte leaves.

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes, U256};

use super::{accounts::Funded, wallet::transfer};

/// Threads that sign.
const SIGNERS: usize = 2;

/// The transactions in the order in which they are due.
pub struct Plan {
    raw: Vec<Bytes>,
    index: HashMap<B256, u32>,
    accounts: usize,
    /// Nanoseconds between two transactions; 0 without a rate.
    gap_ns: u64,
    /// Without a rate: when each was handed over, in nanoseconds from the start.
    left_ns: Vec<AtomicU64>,
    began: OnceLock<Instant>,
}

impl Plan {
    /// Signs `count` transfers of one wei, the accounts in turn, each to the next.
    pub fn sign(funded: &Funded, count: u64, rate: u32) -> Self {
        let accounts = &funded.accounts;
        let signed = |at: u64| {
            let (place, round) = ((at % accounts.len() as u64) as usize, at / accounts.len() as u64);
            let (key, nonce) = &accounts[place];
            let to = accounts[(place + 1) % accounts.len()].0.address();
            transfer(key, funded.terms, nonce + round, to, U256::from(1))
        };
        let part = count.div_ceil(SIGNERS as u64).max(1);
        let parts: Vec<Vec<_>> = thread::scope(|scope| {
            let work = |from: u64| scope.spawn(move || (from..count.min(from + part)).map(signed).collect());
            let running: Vec<_> = (0..count).step_by(part as usize).map(work).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let mut raw = Vec::with_capacity(count as usize);
        let mut index = HashMap::with_capacity(count as usize);
        for signed in parts.into_iter().flatten() {
            index.insert(signed.hash, raw.len() as u32);
            raw.push(signed.raw);
        }
        let left_ns = if rate == 0 { (0..raw.len()).map(|_| AtomicU64::new(0)).collect() } else { Vec::new() };
        let gap_ns = 1_000_000_000_u64.checked_div(u64::from(rate)).unwrap_or(0);
        Self { raw, index, accounts: accounts.len(), gap_ns, left_ns, began: OnceLock::new() }
    }

    /// Time runs from now on.
    pub fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// The encoding of one.
    pub fn raw(&self, at: usize) -> &Bytes {
        &self.raw[at]
    }

    /// Which one has this hash, if any.
    pub fn find(&self, hash: &B256) -> Option<usize> {
        self.index.get(hash).map(|at| *at as usize)
    }

    /// Those that one of `lanes` sends, in order. An account stays in one lane, so that its nonces stay in order.
    pub fn of_lane(&self, lane: usize, lanes: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(move |at| (at % self.accounts) % lanes == lane)
    }

    /// How many accounts send.
    pub fn accounts(&self) -> usize {
        self.accounts
    }

    /// Whether there is no rate.
    pub fn is_unpaced(&self) -> bool {
        self.gap_ns == 0
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// When one is due.
    pub fn due(&self, at: usize) -> Duration {
        Duration::from_nanos(self.gap_ns * at as u64)
    }

    /// One is handed over now.
    pub fn leaves(&self, at: usize) {
        if let Some(cell) = self.left_ns.get(at) {
            cell.store(self.now().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// From when its latency counts: when it was due, so that a sender which falls behind hides nothing; without a rate, when it left.
    pub fn since(&self, at: usize) -> Duration {
        match self.left_ns.get(at) {
            Some(cell) => Duration::from_nanos(cell.load(Ordering::Relaxed)),
            None => self.due(at),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::load::wallet::Terms;
    use horae_control::SignerKey;

    fn plan(count: u64, rate: u32) -> Plan {
        let accounts = (1..=3).map(|seed| (SignerKey::from_bytes(&[seed; 32]).unwrap(), 10)).collect();
        Plan::sign(&Funded { accounts, terms: Terms { chain_id: 1, max_fee: 1, tip: 0 } }, count, rate)
    }

    #[test]
    fn every_transaction_is_in_one_lane_and_found_by_its_hash() {
        let plan = plan(20, 1_000);
        let mut seen: Vec<usize> = (0..2).flat_map(|lane| plan.of_lane(lane, 2).collect::<Vec<_>>()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        for at in 0..20 {
            assert_eq!(plan.find(&alloy_primitives::keccak256(plan.raw(at))), Some(at));
        }
        assert_eq!(plan.find(&B256::ZERO), None);
    }

    #[test]
    fn due_times_follow_the_rate() {
        assert_eq!(plan(10, 500).due(5), Duration::from_millis(10));
        let unlimited = plan(10, 0);
        assert_eq!(unlimited.due(5), Duration::ZERO);
        unlimited.begin();
        unlimited.leaves(5);
        assert!(unlimited.since(5) <= unlimited.now());
    }
}
