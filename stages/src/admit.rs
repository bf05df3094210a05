//! Admit lets a transaction on when its nonce is next and its sender can pay, and holds the few that wait.
//!
//! In: [`Recovered`], and every block as it is executed. Out: [`Verdict`]s. Remembers waiting transactions by sender and
//! nonce, and what it has handed out that no block has shown yet. Bounds: [`AdmitLimits`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::DerefMut;

use alloy_consensus::Transaction;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, U256};

use crate::execute::ExecutedBlock;
use crate::limits;
use crate::parcel::{Rejected, TxBody, typestate};
use crate::recover::Recovered;
use crate::shed::Shed;
use crate::state::{HotState, StateError, StateSource};

/// Executable by the view it was admitted on. Only [`Admit`] makes one.
#[derive(Debug)]
pub struct Ready<P>(pub(crate) P);
typestate!(Ready);

/// What became of a transaction.
#[derive(Debug)]
pub enum Verdict<P> {
    /// It can be executed now, after those handed out before it.
    Ready(Ready<P>),
    /// It is refused.
    Shed(Rejected<P>),
    /// It was waiting here and a block contains it.
    Included(P),
}

/// How much admit holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitLimits {
    /// Waiting transactions a sender.
    pub per_sender: usize,
    /// Waiting transactions in all.
    pub in_all: usize,
    /// Transactions of a sender handed out and not yet in a block.
    pub in_flight_per_sender: usize,
    /// How long one waits, and how long one that was handed out holds its nonce, in milliseconds.
    pub waiting_ms: u64,
    /// Least priority fee taken, in wei a gas.
    pub min_tip: u128,
}

impl Default for AdmitLimits {
    fn default() -> Self {
        Self {
            per_sender: limits::WAITING_PER_SENDER,
            in_all: limits::WAITING_IN_ALL,
            in_flight_per_sender: limits::IN_FLIGHT_PER_SENDER,
            waiting_ms: limits::WAITING_MS,
            min_tip: 0,
        }
    }
}

/// Nonce and balance as of the latest executed transaction.
pub trait AccountView {
    /// What can go wrong.
    type Error;
    /// Next nonce and wei of an account; zeros if it does not exist.
    fn nonce_and_balance(&mut self, address: Address) -> Result<(u64, U256), Self::Error>;
}

impl<S: StateSource> AccountView for HotState<S> {
    type Error = StateError<S::Error>;

    fn nonce_and_balance(&mut self, address: Address) -> Result<(u64, U256), Self::Error> {
        Ok(self.account(address)?.map_or((0, U256::ZERO), |a| (a.nonce, a.balance)))
    }
}

/// A transaction that was handed out.
#[derive(Debug)]
struct InFlight {
    nonce: u64,
    hash: B256,
    cost: U256,
    since_ms: u64,
}

/// A transaction that waits for the ones before it.
#[derive(Debug)]
struct Waiting<P> {
    tx: Recovered<P>,
    since_ms: u64,
}

/// What is known of one sender. `in_flight` has consecutive nonces up to `next`, `waiting` has nonces above it.
#[derive(Debug)]
struct Sender<P> {
    next: u64,
    /// What those in flight may cost together.
    reserved: U256,
    in_flight: VecDeque<InFlight>,
    waiting: BTreeMap<u64, Waiting<P>>,
}

impl<P> Default for Sender<P> {
    fn default() -> Self {
        Self { next: 0, reserved: U256::ZERO, in_flight: VecDeque::new(), waiting: BTreeMap::new() }
    }
}

impl<P> Sender<P> {
    /// Catches up with the state: what it has executed is no more in flight.
    fn sync(&mut self, nonce: u64) {
        while let Some(tx) = self.in_flight.pop_front_if(|tx| tx.nonce < nonce) {
            self.reserved -= tx.cost;
        }
        self.next = self.next.max(nonce);
    }

    /// Frees `nonce` and every later one that was handed out.
    fn free(&mut self, nonce: u64) {
        while let Some(tx) = self.in_flight.pop_back_if(|tx| tx.nonce >= nonce) {
            self.reserved -= tx.cost;
        }
        self.next = self.next.min(nonce);
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }
}

/// The stage.
#[derive(Debug)]
pub struct Admit<P> {
    limits: AdmitLimits,
    base_fee: u64,
    gas_limit: u64,
    senders: AddressMap<Sender<P>>,
    /// Senders of whom nothing is held, kept for their room.
    spare: Vec<Sender<P>>,
    waiting: usize,
    /// When which waiting transaction expires, oldest first; some have gone already.
    expiries: VecDeque<(u64, Address, u64, B256)>,
    next_sweep_ms: u64,
}

impl<P: DerefMut<Target = TxBody>> Admit<P> {
    /// A stage that holds nothing yet. `base_fee` and `gas_limit` are the next block's.
    pub fn new(limits: AdmitLimits, base_fee: u64, gas_limit: u64) -> Self {
        Self {
            limits,
            base_fee,
            gas_limit,
            senders: AddressMap::default(),
            spare: Vec::new(),
            waiting: 0,
            expiries: VecDeque::new(),
            next_sweep_ms: 0,
        }
    }

    /// Takes one transaction. Verdicts (of this one and of any that waited for it or gave way to it) go to `out`.
    ///
    /// If the view cannot be read, the transaction comes back with the error.
    pub fn step<V: AccountView>(
        &mut self,
        now_ms: u64,
        tx: Recovered<P>,
        view: &mut V,
        out: &mut impl FnMut(Verdict<P>),
    ) -> Result<(), (Recovered<P>, V::Error)> {
        let address = tx.0.sender;
        let (nonce, balance) = match view.nonce_and_balance(address) {
            Ok(found) => found,
            Err(error) => return Err((tx, error)),
        };
        if let Err(why) = self.check(tx.body()) {
            out(Verdict::Shed(tx.reject(why)));
            return Ok(());
        }
        let spare = &mut self.spare;
        let sender = self.senders.entry(address).or_insert_with(|| spare.pop().unwrap_or_default());
        sender.sync(nonce);
        let have = tx.0.decoded().nonce();
        if have >= nonce && have < sender.next {
            // What was handed out long ago and never came back holds its nonce no longer.
            let index = (have - sender.in_flight.front().map_or(have, |first| first.nonce)) as usize;
            let stale = sender
                .in_flight
                .get(index)
                .is_some_and(|old| now_ms.saturating_sub(old.since_ms) > self.limits.waiting_ms);
            if stale {
                sender.free(have);
            }
        }
        if have < nonce {
            out(Verdict::Shed(tx.reject(Shed::NonceTooLow { next: nonce, have })));
        } else if have < sender.next {
            let known = sender.in_flight.iter().any(|old| old.hash == tx.0.hash);
            out(Verdict::Shed(tx.reject(if known { Shed::AlreadyKnown } else { Shed::ReplacementUnderpriced })));
        } else if have > sender.next {
            self.hold(now_ms, tx, balance, out);
        } else {
            self.hand_out(now_ms, tx, balance, out);
            self.promote(now_ms, address, balance, out);
        }
        self.tidy(address);
        Ok(())
    }

    /// Hears of a block, ours or another's, that the view already contains.
    pub fn executed<V: AccountView>(
        &mut self,
        now_ms: u64,
        block: &ExecutedBlock,
        next_base_fee: u64,
        view: &mut V,
        out: &mut impl FnMut(Verdict<P>),
    ) -> Result<(), V::Error> {
        self.base_fee = next_base_fee;
        if self.senders.is_empty() {
            return Ok(());
        }
        if self.waiting > 0 {
            for tx in &block.transactions {
                let Some(sender) = self.senders.get_mut(&tx.sender) else { continue };
                let Some(nonce) = tx.envelope.signed().map(Transaction::nonce) else { continue };
                if sender.waiting.get(&nonce).is_some_and(|held| held.tx.0.hash == tx.hash)
                    && let Some(held) = sender.waiting.remove(&nonce)
                {
                    self.waiting -= 1;
                    out(Verdict::Included(held.tx.dissolve()));
                }
            }
        }
        for (address, _) in &block.changes.accounts {
            if !self.senders.contains_key(address) {
                continue;
            }
            let (nonce, balance) = view.nonce_and_balance(*address)?;
            self.overtaken(*address, nonce, out);
            self.promote(now_ms, *address, balance, out);
            self.tidy(*address);
        }
        Ok(())
    }

    /// Hears that a transaction it handed out will not be executed (it was shed further down, or forwarded and lost): its
    /// nonce is free again.
    pub fn lost(&mut self, sender: Address, nonce: u64) {
        if let Some(held) = self.senders.get_mut(&sender) {
            held.free(nonce);
            self.tidy(sender);
        }
    }

    /// Forgets all that was handed out: after a rollback, or when this node stops being the sequencer.
    pub fn reset(&mut self) {
        self.senders.retain(|_, sender| {
            sender.free(0);
            !sender.waiting.is_empty()
        });
    }

    /// Lets go of what has waited too long.
    pub fn tick(&mut self, now_ms: u64, out: &mut impl FnMut(Verdict<P>)) {
        while let Some((due_ms, address, nonce, hash)) = self.expiries.front().copied() {
            if due_ms > now_ms {
                break;
            }
            self.expiries.pop_front();
            let Some(sender) = self.senders.get_mut(&address) else { continue };
            if sender.waiting.get(&nonce).is_none_or(|held| held.tx.0.hash != hash) {
                continue;
            }
            if let Some(held) = sender.waiting.remove(&nonce) {
                let why = Shed::Expired { waited_ms: now_ms.saturating_sub(held.since_ms), missing: sender.next };
                self.waiting -= 1;
                out(Verdict::Shed(held.tx.reject(why)));
                self.tidy(address);
            }
        }
        if now_ms >= self.next_sweep_ms {
            self.next_sweep_ms = now_ms + self.limits.waiting_ms;
            let oldest_ms = now_ms.saturating_sub(self.limits.waiting_ms);
            self.senders.retain(|_, sender| {
                if let Some(stale) = sender.in_flight.front().filter(|tx| tx.since_ms < oldest_ms) {
                    sender.free(stale.nonce);
                }
                !sender.is_idle()
            });
        }
    }

    /// When `tick` next has something to do, in unix milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.expiries.front().map(|(due_ms, ..)| *due_ms)
    }

    /// Transactions waiting.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The next nonce of a sender, counting what was handed out: `eth_getTransactionCount` with `pending`.
    pub fn pending_nonce<V: AccountView>(&mut self, sender: Address, view: &mut V) -> Result<u64, V::Error> {
        let (nonce, _) = view.nonce_and_balance(sender)?;
        Ok(self.senders.get(&sender).map_or(nonce, |held| held.next.max(nonce)))
    }

    /// What does not depend on the sender.
    fn check(&self, body: &TxBody) -> Result<(), Shed> {
        let tx = body.decoded();
        let (cap, base_fee) = (tx.max_fee_per_gas(), self.base_fee);
        if cap < u128::from(base_fee) {
            return Err(Shed::FeeCapTooLow { cap, base_fee });
        }
        let tip = tx.effective_gas_price(Some(base_fee)) - u128::from(base_fee);
        if tip < self.limits.min_tip {
            return Err(Shed::Underpriced { tip, minimum: self.limits.min_tip });
        }
        if tx.gas_limit() > self.gas_limit {
            return Err(Shed::ExceedsBlockGasLimit { have: tx.gas_limit(), limit: self.gas_limit });
        }
        Ok(())
    }

    /// Holds a transaction whose nonce is not next.
    fn hold(&mut self, now_ms: u64, tx: Recovered<P>, balance: U256, out: &mut impl FnMut(Verdict<P>)) {
        let (address, hash, nonce, cost) = (tx.0.sender, tx.0.hash, tx.0.decoded().nonce(), tx.0.cost());
        let sender = self.senders.entry(address).or_default();
        let refuse = match sender.waiting.get(&nonce) {
            _ if cost > balance => Some(Shed::InsufficientFunds { balance, cost }),
            Some(old) if old.tx.0.hash == hash => Some(Shed::AlreadyKnown),
            Some(old) if !pays_more(old.tx.body(), tx.body()) => Some(Shed::ReplacementUnderpriced),
            Some(_) => None,
            None if sender.waiting.len() >= self.limits.per_sender => {
                Some(Shed::AccountLimit { limit: self.limits.per_sender })
            }
            None if self.waiting >= self.limits.in_all => Some(Shed::PoolFull),
            None => None,
        };
        if let Some(why) = refuse {
            out(Verdict::Shed(tx.reject(why)));
            return;
        }
        match sender.waiting.insert(nonce, Waiting { tx, since_ms: now_ms }) {
            Some(old) => out(Verdict::Shed(old.tx.reject(Shed::Replaced(hash)))),
            None => self.waiting += 1,
        }
        self.expiries.push_back((now_ms + self.limits.waiting_ms, address, nonce, hash));
        if self.expiries.len() > 2 * self.limits.in_all + 16 {
            let senders = &self.senders;
            self.expiries.retain(|(_, address, nonce, hash)| {
                let held = senders.get(address).and_then(|sender| sender.waiting.get(nonce));
                held.is_some_and(|held| held.tx.0.hash == *hash)
            });
        }
    }

    /// Lets the sender's next transaction on, if it can be paid for beside those in flight.
    fn hand_out(&mut self, now_ms: u64, tx: Recovered<P>, balance: U256, out: &mut impl FnMut(Verdict<P>)) {
        let (address, hash, cost) = (tx.0.sender, tx.0.hash, tx.0.cost());
        let sender = self.senders.entry(address).or_default();
        let left = balance.saturating_sub(sender.reserved);
        let limit = self.limits.in_flight_per_sender;
        if sender.in_flight.len() >= limit {
            out(Verdict::Shed(tx.reject(Shed::AccountLimit { limit })));
        } else if cost > left {
            out(Verdict::Shed(tx.reject(Shed::InsufficientFunds { balance: left, cost })));
        } else {
            sender.in_flight.push_back(InFlight { nonce: sender.next, hash, cost, since_ms: now_ms });
            sender.next += 1;
            sender.reserved += cost;
            out(Verdict::Ready(Ready(tx.dissolve())));
        }
    }

    /// Lets on what has waited for exactly this nonce, and what waited for that.
    fn promote(&mut self, now_ms: u64, address: Address, balance: U256, out: &mut impl FnMut(Verdict<P>)) {
        loop {
            let Some(sender) = self.senders.get_mut(&address) else { return };
            let next = sender.next;
            let Some(held) = sender.waiting.remove(&next) else { return };
            self.waiting -= 1;
            match self.check(held.tx.body()) {
                Ok(()) => self.hand_out(now_ms, held.tx, balance, out),
                Err(why) => out(Verdict::Shed(held.tx.reject(why))),
            }
        }
    }

    /// The state has moved on to `nonce`: what waited below it never runs.
    fn overtaken(&mut self, address: Address, nonce: u64, out: &mut impl FnMut(Verdict<P>)) {
        let Some(sender) = self.senders.get_mut(&address) else { return };
        sender.sync(nonce);
        while let Some(first) = sender.waiting.first_entry() {
            let have = *first.key();
            if have >= nonce {
                break;
            }
            self.waiting -= 1;
            out(Verdict::Shed(first.remove().tx.reject(Shed::NonceTooLow { next: nonce, have })));
        }
    }

    fn tidy(&mut self, address: Address) {
        if self.senders.get(&address).is_some_and(Sender::is_idle)
            && let Some(mut sender) = self.senders.remove(&address)
        {
            sender.next = 0;
            if self.spare.len() < self.limits.in_all {
                self.spare.push(sender);
            }
        }
    }
}

/// Whether `new` offers at least [`limits::REPLACEMENT_PERCENT`] more than `old`, in fee cap and in priority fee.
fn pays_more(old: &TxBody, new: &TxBody) -> bool {
    let enough = |old: u128, new: u128| {
        let step = old / 100 * limits::REPLACEMENT_PERCENT + old % 100 * limits::REPLACEMENT_PERCENT / 100;
        new >= old.saturating_add(step.max(1))
    };
    let (old, new) = (old.decoded(), new.decoded());
    let tip = |tx: &alloy_consensus::TxEnvelope| tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
    enough(old.max_fee_per_gas(), new.max_fee_per_gas()) && enough(tip(old), tip(new))
}
