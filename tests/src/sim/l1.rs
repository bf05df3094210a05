//! L1 as a node sees it: blocks that come, and sometimes come again otherwise; in them the inbox contract, by its rules; and
//! endpoints that lag, lie or do not answer.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use horae_contracts::{
    Batch, Settlement, Signature, Succession, batch_digest, installation_digest, rotation_digest, snapshot_hash,
};
use horae_control::command::{Command, ControlBlock, L1Event};
use horae_control::{GroupKey as ControlKey, Proof, Signature as Signed, ValidatorSet, planted, recover};
use horae_mpc::{GroupKey, GroupSignature};
use horae_node::council::install::Installation;
use horae_node::council::rotation::Rotation;
use horae_node::council::settling::SignedSettlement;
use horae_node::council::{BatchHead, Inbox, Report};
use horae_node::edges::l1::AcceptedBatch;
use horae_node::edges::l1::forced::DueTransaction;
use horae_stages::protocol::batch_paid;
use horae_stages::{ForcedEntry, L1View};

use super::forcing::draw_entry;
use super::judge::{Violation, is_quorum};
use super::node::{Running, signer_key};
use super::payroll::{Payroll, of_report};
use super::rng::Rng;
use super::world::{Due, LOOK_MS, World};

mod watch;

pub use watch::Watch;

/// How deep a block must lie before it is agreed to; reorganisations do not reach deeper.
pub const DEPTH: u64 = 3;
/// How deep a final block lies.
const FINAL_DEPTH: u64 = 6;
/// Blocks that one view may advance.
pub const STEP_BLOCKS: u64 = 64;
/// L1 blocks within which a batch's view has to include what was entered in the forced queue.
pub const FORCED_DEADLINE: u64 = 12;
/// Entries of the forced queue that one L1 block takes.
const BLOCK_ENTRIES: usize = 8;
/// The chain id of L1.
const CHAIN_ID: u64 = 31_337;

/// L1 blocks in a thousand before which somebody enters something in the forced queue.
const ENTERING_PER_MILLE: u64 = 300;

/// The inbox that signatures are bound to.
pub const INBOX: Inbox = Inbox { l1_chain_id: CHAIN_ID, address: Address::repeat_byte(0x22) };

/// What a silent endpoint comes to.
pub const NO_ANSWER: &str = "the endpoint does not answer";

/// A transaction to the inbox.
pub enum Tx {
    /// The first group key.
    Install(Installation),
    /// The next group key.
    Rotate(Rotation),
    /// A batch.
    Submit {
        /// Its header.
        header: Batch,
        /// The group's signature.
        signature: GroupSignature,
        /// The bytes.
        data: Bytes,
    },
    /// A settlement of rewards.
    Settle(Box<SignedSettlement>),
    /// A report of an offence.
    Report {
        /// Number of the offender.
        id: u64,
        /// What shows it.
        proof: Box<Proof>,
    },
}

/// A transaction that waits, and who wants to know of it.
pub struct Waiting {
    /// The node that sent it.
    pub node: usize,
    /// Which life of it.
    pub life: u64,
    /// The transaction.
    pub tx: Tx,
}

/// What a transaction carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first group key.
    Installation,
    /// The next group key.
    Rotation,
    /// The batch with this index.
    Batch(u64),
    /// The settlement with this index.
    Settlement(u64),
    /// The offence of the validator with this number.
    Report(u64),
}

/// What became of a transaction.
pub struct Outcome {
    /// The node that sent it.
    pub node: usize,
    /// Which life of it.
    pub life: u64,
    /// What it carried.
    pub kind: Kind,
    /// Included, or why not.
    pub result: Result<(), String>,
}

#[derive(Clone, Default)]
struct Contract {
    head: BatchHead,
    key: Option<GroupKey>,
    key_index: u64,
    /// Entries of the forced queue so far, and those that accepted batches include.
    entered: u64,
    included: u64,
    payroll: Payroll,
}

#[derive(Clone)]
struct Block {
    hash: B256,
    entries: Vec<ForcedEntry>,
    events: Vec<L1Event>,
    batches: Vec<AcceptedBatch>,
    settlements: Vec<Settlement>,
    after: Contract,
}

/// How an endpoint tells of L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// As it is, this many blocks late.
    Behind(u64),
    /// Not at all.
    Silent,
    /// Of another chain, with events that never were.
    Lying,
    /// As it is, with an event that never was.
    Inventing,
}

impl Endpoint {
    /// Whether it takes transactions and answers questions.
    #[must_use]
    pub fn answers(self) -> bool {
        self != Self::Silent
    }
}

/// The chain.
pub struct L1 {
    blocks: Vec<Block>,
    pool: Vec<Waiting>,
    rng: Rng,
    made: u64,
    /// The highest block that there ever was.
    highest: usize,
    set: ValidatorSet,
    /// Events of other contracts that the next block has.
    announced: Vec<L1Event>,
    /// What the next block enters in the forced queue.
    entering: Vec<ForcedEntry>,
    /// It makes no blocks.
    pub stands_still: bool,
}

impl L1 {
    /// A chain with blocks 0 and 1, whose contracts know these validators.
    #[must_use]
    pub fn new(rng: Rng, set: ValidatorSet) -> Self {
        let block = |n| Block {
            hash: B256::repeat_byte(n),
            entries: Vec::new(),
            events: Vec::new(),
            batches: Vec::new(),
            settlements: Vec::new(),
            after: Contract::default(),
        };
        Self {
            blocks: vec![block(0), block(1)],
            pool: Vec::new(),
            rng,
            made: 0,
            highest: 1,
            set,
            announced: Vec::new(),
            entering: Vec::new(),
            stands_still: false,
        }
    }

    /// Takes a transaction into the pool.
    pub fn send(&mut self, waiting: Waiting) {
        self.pool.push(waiting);
    }

    /// Something happens on L1 in the next block.
    pub fn announce(&mut self, event: L1Event) {
        self.announced.push(event);
    }

    /// Somebody enters this in the forced queue, in the next block; its index is given there.
    pub fn enter(&mut self, entry: ForcedEntry) {
        self.entering.push(entry);
    }

    /// Makes the next block, unless it stands still. Gives what became of transactions.
    pub fn make_block(&mut self) -> Vec<Outcome> {
        if self.stands_still {
            return Vec::new();
        }
        self.made += 1;
        let number = self.blocks.len() as u64;
        let below = self.blocks.last().expect("there is block 0");
        let hash = keccak256([below.hash.0, B256::from(U256::from(self.made)).0].concat());
        let events = std::mem::take(&mut self.announced);
        let mut block = Block {
            hash,
            entries: Vec::new(),
            events,
            batches: Vec::new(),
            settlements: Vec::new(),
            after: below.after.clone(),
        };
        let entering = self.entering.len().min(BLOCK_ENTRIES);
        for mut entry in self.entering.drain(..entering) {
            entry.index = block.after.entered;
            block.after.entered += 1;
            let (raw, l1_hash) = (entry.encode(), hash);
            let (index, gas, hash, bytes) = (entry.index, entry.gas, keccak256(&raw), raw.len() as u64);
            block.events.push(L1Event::Forced { index, l1_block: number, l1_hash, hash, gas, bytes });
            block.entries.push(entry);
        }
        block.events.extend(block.after.payroll.release(number, &self.set));
        let (mut outcomes, mut later) = (Vec::new(), Vec::new());
        for waiting in std::mem::take(&mut self.pool) {
            if self.rng.chance(200) {
                later.push(waiting);
                continue;
            }
            let Waiting { node, life, tx } = waiting;
            let carrier = signer_key(node).address();
            let (kind, result) = match tx {
                Tx::Install(installation) => (Kind::Installation, install(&mut block, &installation, &self.set)),
                Tx::Rotate(rotation) => (Kind::Rotation, rotate(&mut block, &rotation)),
                Tx::Submit { header, signature, data } => {
                    let index = header.index;
                    let included = self.check_forced(&block, &header);
                    let result = included.and_then(|()| submit(&mut block, number, header, &signature, data, carrier));
                    (Kind::Batch(index), result)
                }
                Tx::Settle(signed) => (Kind::Settlement(signed.what.settlement.index), settle(&mut block, &signed)),
                Tx::Report { id, proof } => {
                    let reported = block.after.payroll.report(number, id, &proof);
                    (Kind::Report(id), reported.map(|events| block.events.extend(events)))
                }
            };
            outcomes.push(Outcome { node, life, kind, result });
        }
        self.pool = later;
        self.blocks.push(block);
        self.highest = self.highest.max(self.blocks.len() - 1);
        outcomes
    }

    /// Drops some of the last blocks, as a reorganisation does, with what was in them: never one that was [`DEPTH`] deep once,
    /// however many reorganisations follow each other.
    pub fn reorganise(&mut self) {
        let drop = self.rng.between(1, DEPTH) as usize;
        let deep = (self.highest + 1).saturating_sub(DEPTH as usize);
        let keep = self.blocks.len().saturating_sub(drop).max(deep).max(2);
        // What was entered comes again, in the first block of the other branch that has room.
        let dropped = self.blocks.split_off(keep).into_iter().flat_map(|block| block.entries);
        self.entering = dropped.chain(std::mem::take(&mut self.entering)).collect();
    }

    /// Entries of the forced queue in the blocks up to this one, with the block's number.
    pub fn entries_up_to(&self, number: u64) -> impl Iterator<Item = (u64, &ForcedEntry)> {
        let blocks = (0..=number).zip(&self.blocks);
        blocks.flat_map(|(number, block)| block.entries.iter().map(move |entry| (number, entry)))
    }

    /// Entries of the forced queue that stand now or are about to.
    #[must_use]
    pub fn entered(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.after.entered) + self.entering.len() as u64
    }

    /// Entries in these blocks, as an endpoint tells.
    ///
    /// # Errors
    /// It does not, or has other blocks there.
    pub fn entries_in(&self, endpoint: Endpoint, blocks: &[L1View]) -> Result<Vec<Bytes>, String> {
        if !endpoint.answers() {
            return Err(NO_ANSWER.to_owned());
        }
        if endpoint == Endpoint::Lying || !blocks.iter().all(|view| self.is_there(*view)) {
            return Err("L1 has reorganised".to_owned());
        }
        let entries = blocks.iter().flat_map(|view| &self.blocks[view.number as usize].entries);
        Ok(entries.map(ForcedEntry::encode).collect())
    }

    /// What L1 makes due on L2, in order: entries, and payments to carriers of batches.
    pub fn due(&self) -> impl Iterator<Item = DueTransaction> {
        let blocks = (0..).zip(&self.blocks);
        blocks.flat_map(|(l1_block, block)| {
            let entries = block.entries.iter().map(ForcedEntry::encode);
            let paid = block.batches.iter().map(|accepted| batch_paid(accepted.batch.index, accepted.carrier));
            entries.chain(paid).map(move |raw| DueTransaction { l1_block, raw }).collect::<Vec<_>>()
        })
    }

    /// The queue agrees to a batch, as the contract does.
    fn check_forced(&self, block: &Block, header: &Batch) -> Result<(), String> {
        let entered_in = |index: u64| {
            let here = block.entries.iter().map(|entry| (self.blocks.len() as u64, entry));
            let mut all = self.entries_up_to(self.blocks.len() as u64).chain(here);
            all.find(|(_, entry)| entry.index == index).map(|(number, _)| number)
        };
        if header.forced < block.after.included || header.forced > block.after.entered {
            return Err("ForcedOutOfRange".to_owned());
        }
        if entered_in(header.forced).is_some_and(|since| since + FORCED_DEADLINE <= header.l1View) {
            return Err("ForcedOverdue".to_owned());
        }
        let last = header.forced.checked_sub(1).and_then(entered_in);
        if last.is_some_and(|last| last > header.l1View) { Err("ForcedAhead".to_owned()) } else { Ok(()) }
    }

    fn is_there(&self, view: L1View) -> bool {
        self.blocks.get(view.number as usize).is_some_and(|block| block.hash == view.hash)
    }

    /// Batches that stand now, in order.
    pub fn batches(&self) -> impl Iterator<Item = &AcceptedBatch> {
        self.blocks.iter().flat_map(|block| &block.batches)
    }

    /// Settlements that stand now, in order.
    pub fn settlements(&self) -> impl Iterator<Item = &Settlement> {
        self.blocks.iter().flat_map(|block| &block.settlements)
    }

    /// Rewards and offences at the head.
    #[must_use]
    pub fn payroll(&self) -> &Payroll {
        &self.blocks.last().expect("there is block 0").after.payroll
    }

    /// The validators that the contracts know.
    #[must_use]
    pub fn set(&self) -> &ValidatorSet {
        &self.set
    }

    /// The group key in force at the head.
    #[must_use]
    pub fn key(&self) -> Option<ControlKey> {
        self.blocks.last()?.after.key.as_ref().map(control_key)
    }

    /// Whether a view is of this chain.
    #[must_use]
    pub fn has(&self, view: &horae_control::L1View) -> bool {
        self.blocks.get(view.number as usize).is_some_and(|block| block.hash == view.hash)
    }

    /// Events of the blocks above `after` up to `to`, if both are there with these hashes.
    #[must_use]
    pub fn events(&self, after: L1View, to: L1View) -> Option<Vec<L1Event>> {
        (self.is_there(after) && self.is_there(to)).then(|| self.events_between(after.number, to.number))
    }

    /// A decided block says of L1 what is so: agreed before was `agreed`, and liars and lied-to are less than 1/3.
    ///
    /// # Errors
    /// It says something else.
    pub fn check_view(&self, agreed: horae_control::L1View, block: &ControlBlock) -> Result<(), Violation> {
        for command in &block.commands {
            if let Command::L1View { number, hash, events } = command {
                let after = L1View { number: agreed.number, hash: agreed.hash };
                let to = L1View { number: *number, hash: *hash };
                if self.events(after, to).as_ref() != Some(events) {
                    return Err(Violation::new(
                        0,
                        format!("L1 view {number} ({hash}) was decided, which L1 never had"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn events_between(&self, after: u64, to: u64) -> Vec<L1Event> {
        self.blocks[after as usize + 1..=to as usize].iter().flat_map(|block| block.events.clone()).collect()
    }

    fn view(&self, number: u64) -> L1View {
        L1View { number, hash: self.blocks[number as usize].hash }
    }
}

fn control_key(key: &GroupKey) -> ControlKey {
    ControlKey { px: U256::from_be_bytes(key.px().0), parity: key.parity() }
}

fn install(block: &mut Block, wanted: &Installation, set: &ValidatorSet) -> Result<(), String> {
    if block.after.key.is_some() {
        return Err("KeyAlreadyInstalled".to_owned());
    }
    let snapshot_hash = set.snapshot_hash();
    let succession =
        Succession { key_index: 1, px: wanted.px, parity: wanted.parity, snapshot_hash, last_batch_digest: B256::ZERO };
    let digest = installation_digest(INBOX.l1_chain_id, INBOX.address, &succession);
    let signed = wanted.signers.iter().zip(&wanted.weights).zip(&wanted.signatures);
    let weight = signed.filter_map(|((signer, weight), signature)| {
        let mut bytes: [u8; 65] = signature.as_ref().try_into().ok()?;
        bytes[64] = bytes[64].checked_sub(27)?;
        (recover(digest, &Signed(bytes)) == Some(*signer)).then_some(*weight)
    });
    if !is_quorum(set, weight.sum()) {
        return Err("NoQuorum".to_owned());
    }
    let key = GroupKey::new(B256::from(wanted.px), wanted.parity).map_err(|why| why.to_string())?;
    (block.after.key, block.after.key_index) = (Some(key), 1);
    block.events.push(L1Event::KeyInstalled { key_index: 1, px: wanted.px, parity: wanted.parity, snapshot_hash });
    Ok(())
}

fn rotate(block: &mut Block, wanted: &Rotation) -> Result<(), String> {
    let members: Vec<(Address, u64)> = wanted.signers.iter().copied().zip(wanted.weights.iter().copied()).collect();
    let (key_index, snapshot_hash) = (block.after.key_index + 1, snapshot_hash(&members));
    let Rotation { px, parity, ref signature, .. } = *wanted;
    let succession = Succession { key_index, px, parity, snapshot_hash, last_batch_digest: block.after.head.digest };
    let digest = rotation_digest(INBOX.l1_chain_id, INBOX.address, &succession);
    let present = block.after.key.ok_or("NoKey")?;
    present.verify(digest, signature).map_err(|why| why.to_string())?;
    let key = GroupKey::new(B256::from(px), parity).map_err(|why| why.to_string())?;
    (block.after.key, block.after.key_index) = (Some(key), key_index);
    block.events.push(L1Event::KeyInstalled { key_index, px, parity, snapshot_hash });
    Ok(())
}

fn submit(
    block: &mut Block,
    number: u64,
    header: Batch,
    signature: &GroupSignature,
    data: Bytes,
    carrier: Address,
) -> Result<(), String> {
    let head = &block.after.head;
    let key = block.after.key.ok_or("NoKey")?;
    let follows = header.index == head.next_index && header.previousDigest == head.digest;
    if !follows && !planted!(DuplicateBatch) {
        return Err("WrongIndex".to_owned());
    }
    if (follows && header.firstBlock != head.last_block + 1) || header.lastBlock < header.firstBlock {
        return Err("WrongRange".to_owned());
    }
    if header.dataHash != keccak256(&data) {
        return Err("WrongData".to_owned());
    }
    let digest = batch_digest(INBOX.l1_chain_id, INBOX.address, &header);
    key.verify(digest, signature).map_err(|why| why.to_string())?;
    let l1_tx = keccak256([block.hash.0, digest.0].concat());
    block.after.head = BatchHead { next_index: header.index + 1, digest, last_block: header.lastBlock };
    block.after.included = header.forced;
    block.events.push(L1Event::BatchAccepted {
        index: header.index,
        digest,
        first_block: header.firstBlock,
        last_block: header.lastBlock,
        last_block_hash: header.lastBlockHash,
        state_root: header.stateRoot,
        l1_view: header.l1View,
        forced: header.forced,
        carrier,
        l1_block: number,
        l1_hash: block.hash,
        l1_tx,
    });
    let word = |word: B256| U256::from_be_bytes(word.0);
    let l1_block = L1View { number, hash: block.hash };
    let signature = Signature { rx: word(signature.rx), ry: word(signature.ry), z: word(signature.z) };
    block.batches.push(AcceptedBatch { batch: header, digest, signature, data, l1_tx, carrier, l1_block });
    Ok(())
}

fn settle(block: &mut Block, signed: &SignedSettlement) -> Result<(), String> {
    let Contract { head, key, payroll, .. } = &mut block.after;
    payroll.settle(signed, *key, head.last_block)?;
    block.settlements.push(signed.what.settlement.clone());
    Ok(())
}

impl World {
    /// A node looks at L1.
    pub(super) fn look(&mut self, node: usize, life: u64) -> Result<(), Violation> {
        let clock_ms = self.nodes[node].clock_ms(self.now_ms);
        let (endpoint, l1) = (self.nodes[node].endpoint, &self.l1);
        let same = self.nodes[node].life == life;
        let running = self.nodes[node].running.as_mut().filter(|_| same);
        let Some(Running { council, side, watch, .. }) = running else { return Ok(()) };
        watch.endpoint = endpoint;
        for news in watch.look(l1, side.agreed) {
            council.l1_news(news, clock_ms, side);
        }
        self.at(LOOK_MS, Due::Looks { node, life });
        self.settle(node)
    }

    /// The next L1 block comes, sometimes after a reorganisation.
    pub(super) fn make_l1_block(&mut self) -> Result<(), Violation> {
        if !self.calm && self.rng.chance(40) {
            self.l1.reorganise();
            self.out.faults.l1_reorganisations += 1;
        }
        if !self.calm && self.l1_users.chance(ENTERING_PER_MILLE) {
            for _ in 0..self.l1_users.between(1, 4) {
                let entry = draw_entry(&mut self.l1_users);
                self.l1.enter(entry);
            }
        }
        for outcome in self.l1.make_block() {
            let report = match outcome.kind {
                Kind::Batch(index) => Report::Carried { index, result: outcome.result },
                Kind::Installation => Report::Installed(outcome.result),
                Kind::Rotation => Report::Rotated(outcome.result),
                Kind::Settlement(index) => Report::Settled { index, result: outcome.result },
                Kind::Report(id) => Report::Reported { id, said: of_report(outcome.result) },
            };
            let (node, life) = (outcome.node, outcome.life);
            let after_ms = self.rng.between(1, 300);
            self.at(after_ms, Due::Reports { node, life, report });
        }
        self.judge.posted(self.l1.batches())?;
        self.judge.settled(self.l1.settlements(), self.l1.set())?;
        let after_ms = self.rng.between(300, 1_500);
        self.at(after_ms, Due::L1Block);
        Ok(())
    }
}
