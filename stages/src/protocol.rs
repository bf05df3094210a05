//! Protocol transactions: what a block begins with because the chain's rules or L1 say so, and nobody signed.
//!
//! One is an EIP-2718 transaction of type 0x7E in exactly the encoding that deposits have on the OP Stack, so that wallets and
//! explorers read it. There are three kinds: the *slot record*, an entry of the *forced queue* of L1, and a *batch paid*, which
//! pays the carrier of a batch that L1 accepted. `CHAIN.md` says when which of them is due, in what order, and how they execute.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

use crate::header::{Header, L1View};
use crate::limits;
use crate::params::ChainParams;
use crate::rules::HeaderInputs;
use crate::shed::Shed;

/// The EIP-2718 type, that of a deposit on the OP Stack.
pub const TYPE: u8 = 0x7e;

/// Who sends what the protocol itself does. Nobody holds its key; what L1 forces comes from somebody else.
pub const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

/// The predeployed contract that remembers who leads which slot (`contracts/src/l2/SequencerSet.sol`).
pub const SEQUENCER_SET: Address = address!("4200000000000000000000000000000000000100");

/// The predeployed contract that holds the carriers' share of the fees (`contracts/src/l2/FeePot.sol`).
pub const FEE_POT: Address = address!("4200000000000000000000000000000000000101");

/// Gas limit of what [`SYSTEM`] sends.
pub const SYSTEM_GAS: u64 = 250_000;

/// `record(uint64,uint64,uint64,uint64,address)`.
const RECORD: [u8; 4] = [0xdd, 0xd8, 0x3a, 0xc2];
/// `pay(address)`.
const PAY: [u8; 4] = [0x0c, 0x11, 0xde, 0xdd];

/// What the number in a source hash counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domain {
    Slot = 0,
    Forced = 1,
    Batch = 2,
}

/// A protocol transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolTx {
    /// Makes the transaction unlike any other: Keccak-256 of what it is of, and which.
    pub source_hash: B256,
    /// Who sends it, without having signed.
    pub from: Address,
    /// Whom it calls, or the creation of a contract.
    pub to: TxKind,
    /// Wei that the sender is given first.
    pub mint: U256,
    /// Wei sent along.
    pub value: U256,
    /// Gas limit. It was paid for on L1, or nobody pays for it.
    pub gas: u64,
    /// Call data or creation code.
    pub data: Bytes,
}

/// The fields in the order in which they are encoded.
#[derive(RlpEncodable, RlpDecodable)]
struct Fields {
    source_hash: B256,
    from: Address,
    to: TxKind,
    mint: U256,
    value: U256,
    gas: u64,
    is_system: bool,
    data: Bytes,
}

impl ProtocolTx {
    /// The EIP-2718 encoding.
    pub fn encode(&self) -> Bytes {
        let fields = Fields {
            source_hash: self.source_hash,
            from: self.from,
            to: self.to,
            mint: self.mint,
            value: self.value,
            gas: self.gas,
            is_system: false,
            data: self.data.clone(),
        };
        let mut out = vec![TYPE];
        alloy_rlp::Encodable::encode(&fields, &mut out);
        out.into()
    }

    /// Reads an encoding, which is the only one of its transaction.
    pub fn decode(raw: &[u8]) -> Result<Self, Shed> {
        let Some((&TYPE, mut rest)) = raw.split_first() else {
            return Err(Shed::Malformed("not a protocol transaction"));
        };
        let fields = Fields::decode(&mut rest).map_err(|_| Shed::Malformed("protocol transaction"))?;
        if !rest.is_empty() {
            return Err(Shed::Malformed("bytes after a protocol transaction"));
        }
        if fields.is_system {
            return Err(Shed::Malformed("protocol transaction without gas"));
        }
        let Fields { source_hash, from, to, mint, value, gas, data, .. } = fields;
        Ok(Self { source_hash, from, to, mint, value, gas, data })
    }

    /// An entry of the forced queue, and nothing of the protocol's own.
    pub fn is_forced(&self) -> bool {
        self.from != SYSTEM
    }
}

/// Whether these bytes begin as a protocol transaction does.
pub fn is_protocol(raw: &[u8]) -> bool {
    raw.first() == Some(&TYPE)
}

/// How many of a block's transactions are the protocol's: all of them come before the first that a user signed.
pub fn count(transactions: &[Bytes]) -> usize {
    transactions.iter().take_while(|raw| is_protocol(raw)).count()
}

/// The transactions of a block that users signed: what goes into a batch.
pub fn signed(transactions: &[Bytes]) -> &[Bytes] {
    &transactions[count(transactions)..]
}

/// An entry of the queue on L1, deposit or forced transaction, as its event has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedEntry {
    /// Index in the queue, from 0 without gaps.
    pub index: u64,
    /// Who enqueued it, as the queue gives it (a contract's address is aliased there).
    pub from: Address,
    /// Whom it calls, or the creation of a contract.
    pub to: TxKind,
    /// Wei that the sender is given first, locked on L1.
    pub mint: U256,
    /// Wei sent along.
    pub value: U256,
    /// Gas limit, paid for on L1.
    pub gas: u64,
    /// Call data or creation code.
    pub data: Bytes,
}

impl ForcedEntry {
    /// The transaction that executes it.
    pub fn transaction(&self) -> ProtocolTx {
        ProtocolTx {
            source_hash: source_hash(Domain::Forced, self.index),
            from: self.from,
            to: self.to,
            mint: self.mint,
            value: self.value,
            gas: self.gas,
            data: self.data.clone(),
        }
    }

    /// Its EIP-2718 encoding.
    pub fn encode(&self) -> Bytes {
        self.transaction().encode()
    }

    /// Keccak-256 of the encoding.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// The record that the first block of a slot begins with.
pub fn slot_record(block: &HeaderInputs) -> Bytes {
    let numbers = [block.epoch, block.term, block.slot, block.number].map(word);
    let data = [&RECORD[..], numbers.as_flattened(), block.sequencer.into_word().as_slice()].concat();
    by_system(source_hash(Domain::Slot, block.slot), SEQUENCER_SET, data).encode()
}

/// The payment to the carrier of an accepted batch.
pub fn batch_paid(index: u64, carrier: Address) -> Bytes {
    let data = [&PAY[..], carrier.into_word().as_slice()].concat();
    by_system(source_hash(Domain::Batch, index), FEE_POT, data).encode()
}

fn by_system(source_hash: B256, to: Address, data: Vec<u8>) -> ProtocolTx {
    ProtocolTx {
        source_hash,
        from: SYSTEM,
        to: TxKind::Call(to),
        mint: U256::ZERO,
        value: U256::ZERO,
        gas: SYSTEM_GAS,
        data: data.into(),
    }
}

fn source_hash(domain: Domain, number: u64) -> B256 {
    keccak256([word(domain as u64), word(number)].as_flattened())
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

/// A transaction that L1 makes due, as far as it has to be known to order and to check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Keccak-256 of its encoding.
    pub hash: B256,
    /// Its gas limit.
    pub gas: u64,
    /// Length of its encoding.
    pub bytes: usize,
    /// An entry of the forced queue, and not a batch paid.
    pub forced: bool,
}

impl Due {
    /// What is to be known of a protocol transaction that came from L1.
    pub fn of(raw: &[u8]) -> Result<Self, Shed> {
        let tx = ProtocolTx::decode(raw)?;
        Ok(Self { hash: keccak256(raw), gas: tx.gas, bytes: raw.len(), forced: tx.is_forced() })
    }
}

/// A point of L1 that a block's view may move to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The L1 block.
    pub view: L1View,
    /// What the L1 blocks above the position before, up to this one, make due, in the order of L1.
    pub due: Vec<Due>,
}

/// How many of these positions, the lowest first, one block takes: as many as fit into half its gas and into
/// [`limits::DUE_BYTES`], and the first if it fits at all, which the queue's bounds for one L1 block see to.
pub fn fitting(positions: &[Position], params: &ChainParams) -> usize {
    let (mut gas, mut bytes) = (SYSTEM_GAS, 0);
    let fits = |position: &&Position| {
        gas = position.due.iter().fold(gas, |gas, due| gas.saturating_add(due.gas));
        bytes += position.due.iter().map(|due| due.bytes).sum::<usize>();
        gas <= params.gas_limit / 2 && bytes <= limits::DUE_BYTES
    };
    let count = positions.iter().take_while(fits).count();
    let alone = |first: &Position| {
        let gas = first.due.iter().fold(SYSTEM_GAS, |gas, due| gas.saturating_add(due.gas));
        gas <= params.gas_limit
    };
    count.max(positions.first().is_some_and(alone).into())
}

/// What the protocol transactions of a block that came from L1 are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromL1<'a> {
    /// They have exactly these hashes.
    Due(&'a [B256]),
    /// Others have checked them: the block is committed, or in this node's own journal.
    Settled,
}

/// How the protocol transactions of a block differ from what is due.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The first block of a slot begins with its record.
    #[error("the first transaction is not the record of slot {slot}")]
    SlotRecord {
        /// The slot.
        slot: u64,
    },
    /// Another transaction than L1 made due, or one too many or too few.
    #[error("transaction {index} from L1: have {have:?}, due {due:?}")]
    Due {
        /// Position in the block.
        index: usize,
        /// In the block; nothing where one is missing.
        have: Option<B256>,
        /// What is due; nothing where no more is.
        due: Option<B256>,
    },
    /// The entry is not the next one of the forced queue.
    #[error("transaction {index} is not entry {next} of the forced queue")]
    NotNext {
        /// Position in the block.
        index: usize,
        /// The entry that is next.
        next: u64,
    },
    /// The view stands still, so nothing can have become due.
    #[error("transaction {index} is from L1, but the L1 view has not moved")]
    ViewStands {
        /// Position in the block.
        index: usize,
    },
}

/// Checks the protocol transactions that a block begins with, each with its hash, and gives the index in the forced queue after
/// them.
pub(crate) fn check_prefix(
    block: &HeaderInputs,
    parent: &Header,
    prefix: &[(B256, &ProtocolTx)],
    from_l1: &FromL1<'_>,
) -> Result<u64, PrefixError> {
    let records = usize::from(begins_slot(block, parent));
    if records > 0 && prefix.first().is_none_or(|(hash, _)| *hash != keccak256(slot_record(block))) {
        return Err(PrefixError::SlotRecord { slot: block.slot });
    }
    let rest = &prefix[records..];
    if !rest.is_empty() && block.l1_view.number == parent.l1_view.number {
        return Err(PrefixError::ViewStands { index: records });
    }
    if let FromL1::Due(due) = from_l1 {
        let pair = |at: usize| (rest.get(at).map(|(hash, _)| *hash), due.get(at).copied());
        let differs = (0..rest.len().max(due.len())).map(|at| (at, pair(at))).find(|(_, (have, due))| have != due);
        if let Some((at, (have, due))) = differs {
            return Err(PrefixError::Due { index: records + at, have, due });
        }
    }
    let mut next = parent.forced;
    for (at, (_, tx)) in rest.iter().enumerate().filter(|(_, (_, tx))| tx.is_forced()) {
        if tx.source_hash != source_hash(Domain::Forced, next) {
            return Err(PrefixError::NotNext { index: records + at, next });
        }
        next += 1;
    }
    Ok(next)
}

/// The protocol transactions that a block begins with: its slot's record, if it is the first of one, and what L1 made due.
pub(crate) fn prefix(block: &HeaderInputs, parent: &Header, due: &[Bytes]) -> Vec<Bytes> {
    let record = begins_slot(block, parent).then(|| slot_record(block));
    record.into_iter().chain(due.iter().cloned()).collect()
}

/// Whether the block is the first of its slot.
fn begins_slot(block: &HeaderInputs, parent: &Header) -> bool {
    parent.number == 0 || block.slot != parent.slot
}
