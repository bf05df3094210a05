//! Everything that will be sent, signed before the first byte leaves: who sends what to whom, and the bytes of it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use alloy_primitives::{Address, B256, U256, map::B256Map};
use horae_control::SignerKey;
use serde::{Deserialize, Serialize};

use super::{
    accounts::Seed,
    contracts::{Called, SWAP_GAS, TOKEN_GAS, swap, token_transfer},
    mix::{Kind, Mix},
    skew::{Draw, Skew},
    wallet::{Action, Signed, TRANSFER_GAS, Terms, sign},
};
use crate::error::CliError;

/// Threads that derive and sign.
const SIGNERS: usize = 2;

/// For which chain a plan was made, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who funded the accounts.
    pub funder: Address,
    /// The most that its transactions pay, in wei a gas.
    pub max_fee: U256,
    /// Shares of the kinds.
    pub mix: Mix,
    /// How unevenly accounts take part.
    pub skew: Option<Skew>,
    /// The contracts that its transactions call.
    pub called: Called,
}

/// What an account sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The account.
    pub address: Address,
    /// Its nonce before the first one.
    pub nonce: u64,
    /// How many.
    pub count: u32,
    /// What they may cost together, in wei.
    pub need: U256,
}

/// Who sends what to whom; not signed yet.
#[derive(Debug)]
pub struct Draft {
    keys: Vec<SignerKey>,
    entries: Vec<Entry>,
    counts: Vec<u32>,
    gas: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    from: u32,
    to: u32,
    /// How many the sender sends before.
    nth: u32,
    kind: Kind,
}

/// Lets others watch signing, and end it.
#[derive(Debug, Default)]
pub struct Signing {
    done: AtomicU64,
    stopped: AtomicBool,
}

impl Signing {
    /// Signed so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Draft {
    /// Derives `accounts` accounts and shares `count` transactions out among them: without a skew in turn, each to the next.
    pub fn make(
        funder: &SignerKey,
        accounts: u32,
        count: u64,
        mix: &Mix,
        skew: Option<Skew>,
    ) -> Result<Self, CliError> {
        let seed = Seed::of(funder);
        let key = |at: usize| seed.key(&format!("account {at}"));
        let keys: Vec<SignerKey> = in_parts(accounts as usize, |range| range.map(key).collect::<Result<Vec<_>, _>>())
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let accounts = keys.len();
        let mut draw = skew.map(|skew| Draw::new(skew, accounts));
        let (mut counts, mut gas) = (vec![0_u32; accounts], vec![0_u64; accounts]);
        let entries = (0..count).map(|at| {
            let (from, to) = match &mut draw {
                None => (at as usize % accounts, (at as usize + 1) % accounts),
                Some(draw) => (draw.next(), draw.next()),
            };
            let kind = mix.kind(at);
            let entry = Entry { from: from as u32, to: to as u32, nth: counts[from], kind };
            counts[from] += 1;
            gas[from] += gas_of(kind);
            entry
        });
        let entries = entries.collect();
        Ok(Self { keys, entries, counts, gas })
    }

    /// The accounts.
    pub fn accounts(&self) -> Vec<Address> {
        self.keys.iter().map(SignerKey::address).collect()
    }

    /// Each account with what it may cost, and its nonce.
    pub fn senders(&self, nonces: &[u64], max_fee: u128) -> Vec<Sender> {
        let sender = |at: usize| Sender {
            address: self.keys[at].address(),
            nonce: nonces[at],
            count: self.counts[at],
            // Besides gas, a transfer takes a wei.
            need: U256::from(self.gas[at]) * U256::from(max_fee) + U256::from(self.counts[at]),
        };
        (0..self.keys.len()).map(sender).collect()
    }

    /// Signs. `None` if it was stopped.
    pub fn sign(&self, about: About, senders: Vec<Sender>, terms: Terms, signing: &Signing) -> Option<Plan> {
        let signed = |at: usize| {
            let Entry { from, to, nth, kind } = self.entries[at];
            let to = senders[to as usize].address;
            let action = match (kind, about.called) {
                (Kind::Erc20, Called { token: Some(token), .. }) => token_transfer(token, to),
                (Kind::Contract, Called { market: Some(market), .. }) => swap(market, nth % 2 == 0),
                _ => Action::transfer(to, U256::ONE),
            };
            signing.done.fetch_add(1, Ordering::Relaxed);
            sign(&self.keys[from as usize], terms, senders[from as usize].nonce + u64::from(nth), action)
        };
        let go_on = |_: &usize| !signing.stopped.load(Ordering::Relaxed);
        let parts = in_parts(self.entries.len(), |range| range.take_while(go_on).map(signed).collect::<Vec<_>>());
        let mut plan = Plan::empty(about, senders, self.entries.len());
        for (entry, signed) in self.entries.iter().zip(parts.into_iter().flatten()) {
            plan.push(entry.from, entry.kind, &signed);
        }
        (plan.len() == self.entries.len()).then_some(plan)
    }
}

fn gas_of(kind: Kind) -> u64 {
    match kind {
        Kind::Transfers => TRANSFER_GAS,
        Kind::Erc20 => TOKEN_GAS,
        Kind::Contract => SWAP_GAS,
    }
}

/// Does `work` for parts of `0..count` on a thread each; what they come to, in order.
fn in_parts<T: Send>(count: usize, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
    let part = count.div_ceil(SIGNERS).max(1);
    thread::scope(|scope| {
        let start = |from: usize| {
            let work = &work;
            scope.spawn(move || work(from..count.min(from + part)))
        };
        let running: Vec<_> = (0..count).step_by(part).map(start).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The transactions in the order in which they are due.
#[derive(Debug)]
pub struct Plan {
    about: About,
    senders: Vec<Sender>,
    /// The encodings, one after another.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u64>,
    from: Vec<u32>,
    kinds: Vec<Kind>,
    index: B256Map<u32>,
}

impl Plan {
    /// Without transactions yet; `count` will come.
    pub fn empty(about: About, senders: Vec<Sender>, count: usize) -> Self {
        Self {
            about,
            senders,
            bytes: Vec::new(),
            ends: Vec::with_capacity(count),
            from: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            index: B256Map::with_capacity_and_hasher(count, Default::default()),
        }
    }

    /// Adds one of the sender `from`.
    pub fn push(&mut self, from: u32, kind: Kind, signed: &Signed) {
        self.index.insert(signed.hash, self.ends.len() as u32);
        self.bytes.extend_from_slice(&signed.raw);
        self.ends.push(self.bytes.len() as u64);
        self.from.push(from);
        self.kinds.push(kind);
    }

    /// For which chain, and how.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Who sends.
    pub fn senders(&self) -> &[Sender] {
        &self.senders
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The encoding of one.
    pub fn raw(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..self.ends[at] as usize]
    }

    /// Who sends one, as a place among the senders.
    pub fn sender(&self, at: usize) -> u32 {
        self.from[at]
    }

    /// Its kind.
    pub fn kind(&self, at: usize) -> Kind {
        self.kinds[at]
    }

    /// Which one has this hash, if any.
    pub fn find(&self, hash: &B256) -> Option<usize> {
        self.index.get(hash).map(|at| *at as usize)
    }

    /// Those that one of `lanes` sends, in order. An account stays in one lane, so that its nonces stay in order.
    pub fn of_lane(&self, lane: usize, lanes: usize) -> impl Iterator<Item = u32> + '_ {
        (0..self.len() as u32).filter(move |at| self.from[*at as usize] as usize % lanes == lane)
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::keccak256;
    use horae_stages::BlockTx;

    /// A plan for no chain in particular; nonces begin at 10.
    pub fn plan(count: u64, mix: &str, skew: Option<&str>) -> Plan {
        let funder = SignerKey::from_bytes(&[3; 32]).unwrap();
        let (mix, skew) = (mix.parse().unwrap(), skew.map(|skew| skew.parse().unwrap()));
        let draft = Draft::make(&funder, 3, count, &mix, skew).unwrap();
        let called = Called { token: Some(Address::repeat_byte(1)), market: Some(Address::repeat_byte(2)) };
        let max_fee = U256::from(7);
        let about = About { chain_id: 5, funder: funder.address(), max_fee, mix, skew, called };
        let terms = Terms { chain_id: 5, max_fee: 7, tip: 0 };
        draft.sign(about, draft.senders(&[10, 10, 10], 7), terms, &Signing::default()).unwrap()
    }

    #[test]
    fn every_transaction_is_in_one_lane_and_found_by_its_hash() {
        let plan = plan(20, "transfers=1", None);
        let mut seen: Vec<u32> = (0..2).flat_map(|lane| plan.of_lane(lane, 2).collect::<Vec<_>>()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        for at in 0..20 {
            assert_eq!(plan.find(&keccak256(plan.raw(at))), Some(at));
        }
        assert_eq!(plan.find(&B256::ZERO), None);
    }

    #[test]
    fn nonces_of_each_sender_follow_one_another_and_its_need_covers_them() {
        for skew in [None, Some("80/20")] {
            let plan = plan(60, "transfers=2,erc20=1,contract=1", skew);
            let mut costs = [U256::ZERO; 3];
            let mut nonces = [10_u64; 3];
            for at in 0..plan.len() {
                let read = BlockTx::recover(plan.raw(at)).unwrap();
                let from = plan.sender(at) as usize;
                assert_eq!(read.sender, plan.senders()[from].address);
                let tx = read.envelope.signed().unwrap();
                use alloy_consensus::Transaction;
                assert_eq!(tx.nonce(), nonces[from]);
                nonces[from] += 1;
                costs[from] += U256::from(tx.gas_limit()) * U256::from(7) + tx.value();
                assert_eq!(tx.input().is_empty(), plan.kind(at) == Kind::Transfers);
            }
            for (sender, (cost, nonce)) in plan.senders().iter().zip(costs.into_iter().zip(nonces)) {
                assert!(sender.need >= cost && u64::from(sender.count) == nonce - 10, "{sender:?} {cost}");
            }
        }
    }

    #[test]
    fn signing_that_is_stopped_gives_no_plan() {
        let funder = SignerKey::from_bytes(&[3; 32]).unwrap();
        let draft = Draft::make(&funder, 2, 50, &Mix::default(), None).unwrap();
        let signing = Signing::default();
        signing.stop();
        let called = Called::default();
        let max_fee = U256::ONE;
        let about = About { chain_id: 5, funder: funder.address(), max_fee, mix: Mix::default(), skew: None, called };
        let terms = Terms { chain_id: 5, max_fee: 1, tip: 0 };
        assert!(draft.sign(about, draft.senders(&[0, 0], 1), terms, &signing).is_none());
        assert_eq!(signing.done(), 0);
    }
}
