//! A validator whose execution is another one: what it seals then nobody certifies, and what others seal it cannot follow.

use alloy_primitives::{B256, TxKind};
use horae_stages::ExecutedBlock;

use crate::sim::beginning::{CATCHER, CHAIN_ID, late_wallet};
use crate::sim::judge::Violation;
use crate::sim::store::Damage;
use crate::sim::world::{Due, World};

/// The first term is open.
const BEGINS_MS: u64 = 15_000;
/// How long it may take until the validator holds a slot, is passed over, has a slot again.
const LIMIT_MS: u64 = 60_000;
/// How long the others go on without it, and again after it was started anew.
const WATCHED_MS: u64 = 10_000;

/// What is other there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// The balance of an account that sends its first transaction.
    WrongBalance,
    /// A contract's call reverts, and its write stays.
    KeptWrite,
}

/// What the divergence came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverged {
    /// The transaction's status and gas are the same in the chain: only the hash of state changes could tell.
    pub same_receipt: bool,
    /// Other validators that refused the block.
    pub refused_by: usize,
    /// From the block to the next committed one, in milliseconds.
    pub replaced_after_ms: u64,
    /// Terms that closed.
    pub failovers: u64,
    /// The block is not in the chain, and another one is at its height.
    pub is_void: bool,
    /// The transaction is committed, in a block of somebody else.
    pub transaction_committed: bool,
    /// Its turns are passed over.
    pub passed_over: bool,
    /// Why, as it shows it.
    pub trouble: Option<String>,
    /// Times that it came upon a block of the others that gives another result there.
    pub disagreements: u64,
    /// Blocks that the others committed without it.
    pub blocks_without: u64,
    /// Blocks that it sealed once it had an empty disk and had followed from there.
    pub sealed_after: u64,
    /// Validators convicted.
    pub convicted: usize,
}

impl World {
    /// A validator executes otherwise than all others, in a slot of its own first. It is started again as it is, and then on an
    /// empty disk.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn divergence(mut self, node: usize, what: Divergence) -> Result<Diverged, Violation> {
        let wallet = late_wallet();
        let mut transaction = wallet.transfer(CHAIN_ID, 0);
        let damage = match what {
            Divergence::WrongBalance => Damage::Balance(wallet.address()),
            Divergence::KeptWrite => {
                transaction.to = TxKind::Call(CATCHER);
                transaction.gas_limit = 100_000;
                Damage::KeptWrite
            }
        };
        self.nodes[node].store.0.borrow_mut().damage = Some(damage);
        let (hash, raw) = wallet.sign(transaction);
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != node).collect();

        self.begin(BEGINS_MS)?;
        // What it is offered now goes into the first blocks of its slot, however short that is.
        self.wait_for("slot of its own", LIMIT_MS, |world| world.is_about_to_lead(node))?;
        let (failovers_before, refusals) = (self.failovers(), self.refusals(&others));
        self.nodes[node].offer(self.now_ms, &raw, None);
        self.wait_for("refusal", LIMIT_MS, |world| world.refusals(&others) > refusals)?;
        self.run_to(self.now_ms + 50)?;
        let refused_by = others.iter().filter(|other| self.nodes[**other].disagreements > 0).count();
        let wrong = self.running(node).and_then(|running| running.edges.view.with_transaction(&hash));
        let wrong = wrong.ok_or_else(|| Violation::new(0, "it is not in a block of the validator's own"))?;
        let number = wrong.block.header.number;
        let began_ms = self.now_ms;
        self.wait_for("block in its place", LIMIT_MS, |world| world.judge.committed() >= number)?;
        let replaced_after_ms = self.now_ms - began_ms;
        self.wait_for("commit of its transaction", LIMIT_MS, |world| world.judge.has(&hash))?;
        self.wait_for("decision to pass it over", LIMIT_MS, |world| world.is_passed_over(node))?;

        let committed = self.judge.committed();
        self.run_to(self.now_ms + WATCHED_MS)?;
        self.restart(node, 1);
        self.run_to(self.now_ms + WATCHED_MS)?;
        let blocks_without = self.judge.committed() - committed;
        let (passed_over, failovers) = (self.is_passed_over(node), self.failovers() - failovers_before);
        let trouble = self.running(node).and_then(|running| running.side.trouble.clone());
        let disagreements = self.nodes[node].disagreements;
        let chain = self.nodes[others[0]].store.clone();
        let in_place = chain.0.borrow().executed(number);

        let sealed = self.nodes[node].sealed;
        self.nodes[node].crash(&mut self.rng);
        self.judge.has_forgotten(self.nodes[node].address);
        self.nodes[node].lose_disk();
        self.at(1, Due::Starts { node });
        self.wait_for("slot of its own again", LIMIT_MS, |world| world.nodes[node].sealed > sealed + 1)?;
        let right = chain.0.borrow().with_transaction(&hash);
        Ok(Diverged {
            same_receipt: right.is_some_and(|right| receipt_of(&right, &hash) == receipt_of(&wrong, &hash)),
            refused_by,
            replaced_after_ms,
            failovers,
            is_void: in_place.is_some_and(|block| block.hash != wrong.hash),
            transaction_committed: self.judge.has(&hash),
            passed_over,
            trouble,
            disagreements,
            blocks_without,
            sealed_after: self.nodes[node].sealed - sealed,
            convicted: self.engine.state().jail().iter().count(),
        })
    }

    /// Blocks that these nodes refused.
    fn refusals(&self, nodes: &[usize]) -> u64 {
        nodes.iter().map(|node| self.nodes[*node].disagreements).sum()
    }
}

/// Whether a transaction of a block succeeded, and the gas it used.
fn receipt_of(block: &ExecutedBlock, transaction: &B256) -> Option<(bool, u64)> {
    let at = block.transactions.iter().position(|tx| tx.hash == *transaction)?;
    block.receipts.get(at).map(|receipt| (receipt.envelope.status(), receipt.gas_used))
}
