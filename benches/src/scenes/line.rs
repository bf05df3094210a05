//! The pipeline in one thread: every stage over a block's worth of transactions, one stage after the other, each with what it spent.

use alloy_primitives::Address;
use horae_stages::admit::AdmitLimits;
use horae_stages::seal::Offered;
use horae_stages::{
    Admit, Applied, Arrival, Decode, DecodePolicy, Dedup, ExecutedBlock, Executor, Frame, Genesis, HotState,
    MemoryState, Order, Ready, Recover, Sealer, SlotContext, Verdict, limits, rules,
};

use crate::cpu::{Spent, Stopwatch};
use crate::fixtures::{self, Parcel};

/// A burst of the decode and recover workers.
const BURST: usize = 64;
/// Milliseconds from one block to the next.
const BLOCK_MS: u64 = 20;
/// Blocks that can be taken back; older ones the store has.
const KEPT_BLOCKS: u64 = 64;

/// What each stage has spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Transactions that have gone through.
    pub transactions: u64,
    /// Decode.
    pub decode: Spent,
    /// Dedup.
    pub dedup: Spent,
    /// Recover.
    pub recover: Spent,
    /// Admit, with what it does when a block is executed.
    pub admit: Spent,
    /// Order: in and out.
    pub order: Spent,
    /// Execution.
    pub execute: Spent,
    /// Closing the block.
    pub seal: Spent,
}

impl Ledger {
    /// What a transaction costs in all stages, nanoseconds.
    #[must_use]
    pub fn each_ns(&self) -> f64 {
        self.stages().iter().map(|(_, spent)| spent.ns).sum::<f64>() / self.transactions.max(1) as f64
    }

    /// The stages by name, in the order of the pipeline.
    #[must_use]
    pub fn stages(&self) -> [(&'static str, Spent); 7] {
        [
            ("decode", self.decode),
            ("dedup", self.dedup),
            ("recover", self.recover),
            ("admit", self.admit),
            ("order", self.order),
            ("execute", self.execute),
            ("seal", self.seal),
        ]
    }
}

/// A sequencer's stages over a state in memory.
pub struct Line {
    decode: Decode,
    dedup: Dedup,
    recover: Recover,
    admit: Admit<Parcel>,
    order: Order<Parcel, Arrival>,
    executor: Executor<MemoryState>,
    sealer: Sealer,
    now_ms: u64,
    spare: Vec<Parcel>,
}

impl Line {
    /// At block 0 of this genesis.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let header = genesis.header();
        let mut state = MemoryState::default();
        state.apply(0, header.hash(), &genesis.changes());
        let slot = SlotContext {
            epoch: 0,
            term: 1,
            slot: 1,
            sequencer: Address::ZERO,
            fee_recipient: Address::repeat_byte(9),
        };
        let params = &genesis.params;
        Self {
            decode: Decode::new(DecodePolicy::new(params)),
            dedup: Dedup::new(limits::RECENT_HASHES),
            recover: Recover::new(),
            admit: Admit::new(AdmitLimits::default(), params.initial_base_fee, params.gas_limit),
            order: Order::new(Arrival),
            executor: Executor::new(HotState::new(state, 0, header.hash(), limits::HOT_ENTRIES), params.chain_id),
            now_ms: header.timestamp_ms,
            sealer: Sealer::new(slot, header, params.clone()),
            spare: Vec::new(),
        }
    }

    /// Fills the memory of dedup, as on a node that has run for a while.
    ///
    /// # Panics
    /// If a transaction that was made to be decoded is refused.
    pub fn fill_dedup(&mut self) {
        for nonce in 0..limits::RECENT_HASHES as u64 {
            let mut parcel = self.spare.pop().unwrap_or_default();
            parcel.fill(&fixtures::unsigned(nonce, fixtures::CHAIN_ID), 0, 0);
            let decoded = self.decode.step(Frame::new(parcel)).expect("it decodes");
            self.spare.push(self.dedup.step(decoded).expect("each is another").dissolve());
        }
    }

    /// Takes these transactions through all stages into one block.
    ///
    /// # Panics
    /// If one of them is refused, or they do not fit into a block: then the fixture is wrong.
    pub fn block(&mut self, raws: &[Vec<u8>], ledger: &mut Ledger) -> ExecutedBlock {
        self.now_ms += BLOCK_MS;
        let (now_ms, applied) = (self.now_ms, Applied::default());
        let count = raws.len();
        ledger.transactions += count as u64;
        let mut frames = Vec::with_capacity(count);
        for raw in raws {
            let mut parcel = self.spare.pop().unwrap_or_default();
            parcel.fill(raw, now_ms, 0);
            frames.push(Frame::new(parcel));
        }
        let mut arrived = Vec::with_capacity(BURST);
        let (mut decoded, mut fresh) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut recovered, mut burst) = (Vec::with_capacity(count), Vec::with_capacity(BURST));
        let (mut ready, mut ordered) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let base_fee = rules::next_base_fee(self.sealer.tip(), &fixtures::params());

        let mut watch = Stopwatch::start();
        while !frames.is_empty() {
            arrived.extend(frames.drain(..frames.len().min(BURST)));
            self.decode.burst(&mut arrived, |done| decoded.push(done.expect("it decodes")));
        }
        ledger.decode += watch.lap();
        fresh.extend(decoded.drain(..).map(|decoded| self.dedup.step(decoded).expect("it is new")));
        ledger.dedup += watch.lap();
        while !fresh.is_empty() {
            burst.extend(fresh.drain(..fresh.len().min(BURST)));
            self.recover.burst(&mut burst, |done| recovered.push(done.expect("it is signed")));
        }
        ledger.recover += watch.lap();
        let view = self.executor.state_mut();
        for tx in recovered.drain(..) {
            let done = self.admit.step(now_ms, tx, view, &mut |verdict| ready.push(admitted(verdict)));
            assert!(done.is_ok(), "a state in memory can be read");
        }
        ledger.admit += watch.lap();
        ready.drain(..).for_each(|tx| self.order.push(tx, base_fee));
        ordered.extend(std::iter::from_fn(|| self.order.pop()));
        ledger.order += watch.lap();
        for tx in ordered.drain(..) {
            match self.sealer.offer(now_ms, &applied, &mut self.executor, tx) {
                Ok(Offered::Taken(parcel)) => self.spare.push(parcel),
                Ok(Offered::Shed(rejected)) => panic!("execution refused a transaction: {}", rejected.why),
                Ok(Offered::Full(_) | Offered::Ended(_)) | Err(_) => panic!("a block of {count} does not hold them"),
            }
        }
        ledger.execute += watch.lap();
        let sealed = self.sealer.seal(now_ms, &applied, &mut self.executor);
        let block = sealed.expect("a state in memory can be read").expect("a slot without end goes on");
        let number = block.block.header.number;
        self.executor.state_mut().forget_below(number.saturating_sub(KEPT_BLOCKS));
        ledger.seal += watch.lap();
        let next_base_fee = rules::next_base_fee(self.sealer.tip(), &fixtures::params());
        let view = self.executor.state_mut();
        let mut none = |verdict: Verdict<Parcel>| ready.push(admitted(verdict));
        let heard = self.admit.executed(now_ms, &block, next_base_fee, view, &mut none);
        assert!(heard.is_ok(), "a state in memory can be read");
        ledger.admit += watch.lap();
        block
    }
}

fn admitted(verdict: Verdict<Parcel>) -> Ready<Parcel> {
    match verdict {
        Verdict::Ready(tx) => tx,
        Verdict::Shed(rejected) => panic!("admit refused a transaction: {}", rejected.why),
        Verdict::Included(_) => panic!("nothing waits in admit"),
    }
}
