//! Admit lets a transaction on when its nonce is next and its sender can pay, and holds the few that wait.
//!
//! In: [`Recovered`], and every block as it is executed. Out: [`Verdict`]s. Remembers waiting transactions by sender and nonce, and
//! what it has handed out that no block has shown yet. Bounds: [`AdmitLimits`].

use std::ops::DerefMut;

use alloy_primitives::{Address, B256, U256};

use crate::execute::ExecutedBlock;
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
    /// How long one waits, in milliseconds.
    pub waiting_ms: u64,
    /// Least priority fee taken, in wei a gas.
    pub min_tip: u128,
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

/// The stage.
#[derive(Debug)]
pub struct Admit<P> {
    limits: AdmitLimits,
    parcel: std::marker::PhantomData<P>,
}

impl<P: DerefMut<Target = TxBody>> Admit<P> {
    /// A stage that holds nothing yet. `base_fee` and `gas_limit` are the next block's.
    pub fn new(limits: AdmitLimits, base_fee: u64, gas_limit: u64) -> Self {
        todo!()
    }

    /// Takes one transaction. Verdicts (of this one and of any that waited for it or gave way to it) go to `out`.
    ///
    /// On an error of the view the transaction is handed back with it.
    pub fn step<V: AccountView>(&mut self, now_ms: u64, tx: Recovered<P>, view: &mut V, out: &mut impl FnMut(Verdict<P>)) -> Result<(), (P, V::Error)> {
        todo!()
    }

    /// Hears of a block, ours or another's, that the view already contains.
    pub fn executed<V: AccountView>(&mut self, block: &ExecutedBlock, next_base_fee: u64, view: &mut V, out: &mut impl FnMut(Verdict<P>)) -> Result<(), V::Error> {
        todo!()
    }

    /// Hears that a transaction it handed out will not be executed (it was shed further down, or forwarded and lost): its
    /// nonce is free again.
    pub fn lost(&mut self, sender: Address, nonce: u64) {
        todo!()
    }

    /// Forgets all that was handed out: after a rollback, or when this node stops being the sequencer.
    pub fn reset(&mut self) {
        todo!()
    }

    /// Lets go of what has waited too long.
    pub fn tick(&mut self, now_ms: u64, out: &mut impl FnMut(Verdict<P>)) {
        todo!()
    }

    /// When `tick` next has something to do, in unix milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        todo!()
    }

    /// Transactions waiting.
    pub fn waiting(&self) -> usize {
        todo!()
    }

    /// The next nonce of a sender, counting what was handed out and waits without a gap: `eth_getTransactionCount(pending)`.
    pub fn pending_nonce<V: AccountView>(&mut self, sender: Address, view: &mut V) -> Result<u64, V::Error> {
        todo!()
    }
}
