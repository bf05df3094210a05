//! The columns of a batch, and the order in which they lie in its body.
//!
//! Alike things lie together: first the lengths of all columns, the short columns and the long ones, all to be compressed,
//! then what is random (signatures), stored as it is. How the body is cut into frames is the level's choice ([`frames`]).

use std::ops::Range;

use super::bytes::{Reader, put_varint};
use super::{Level, UnpackError, UnpackLimits, frames};

/// A column this long is a long one: at [`Level::Fast`] it has a frame, and so statistics, of its own.
const LONG_BYTES: usize = 1024;

/// The columns, in the order they are written. Adding one makes a new version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Column {
    /// A flag byte a block, see `blocks`.
    BlockFlags,
    /// Timestamp steps.
    BlockTimes,
    /// Transactions a block that has any.
    BlockCounts,
    /// Steps of epoch, term, slot and control height, where they change.
    BlockSteps,
    /// L1 views and fee recipients, where they change.
    BlockHashes,
    /// A kind byte a transaction, see `transactions`.
    Kind,
    /// Chain ids other than the batch's.
    Chain,
    /// Nonces.
    NonceHead,
    /// Their significant bytes.
    Nonce,
    /// Gas limits.
    GasHead,
    /// Their significant bytes.
    Gas,
    /// Fee caps and gas prices.
    FeeHead,
    /// Their significant bytes.
    Fee,
    /// Priority fees and blob fees.
    TipHead,
    /// Their significant bytes.
    Tip,
    /// Values.
    ValueHead,
    /// Their significant bytes.
    Value,
    /// Addresses that occur more than once, most frequent first.
    AddressTable,
    /// Which address, zero for one that occurs once.
    AddressIndex,
    /// Addresses that occur once.
    Address,
    /// Selectors that occur more than once.
    SelectorTable,
    /// Which selector.
    SelectorIndex,
    /// Selectors that occur once.
    Selector,
    /// Words that occur more than once.
    WordTable,
    /// Which word.
    WordIndex,
    /// Words that occur once.
    Word,
    /// How calldata is laid out, and how long.
    DataShape,
    /// A class byte a calldata word, see `calldata`.
    WordClass,
    /// Significant bytes of short numbers in calldata, by length.
    Number1,
    /// Two bytes.
    Number2,
    /// Three bytes.
    Number3,
    /// Four bytes.
    Number4,
    /// Five to eight bytes.
    Number8,
    /// Nine to sixteen bytes.
    Number16,
    /// Seventeen to thirty-one bytes.
    Number31,
    /// Round decimal numbers in calldata.
    DecimalHead,
    /// Their significant bytes.
    Decimal,
    /// Words padded with zeros on the right.
    Text,
    /// Calldata without words, and raw transactions.
    Blob,
    /// Access lists and authorizations: counts and small numbers.
    Lists,
    /// y parities, eight a byte.
    Parity,
    /// r and s, and blob hashes.
    Random,
}

pub(super) const COLUMNS: usize = Column::Random as usize + 1;

/// The first of the columns that are stored as they are.
const FIRST_STORED: usize = Column::Parity as usize;

/// Columns being written.
#[derive(Debug)]
pub(super) struct Columns([Vec<u8>; COLUMNS]);

impl Columns {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Vec::new()))
    }

    pub(super) fn get(&mut self, column: Column) -> &mut Vec<u8> {
        &mut self.0[column as usize]
    }

    pub(super) fn push(&mut self, column: Column, byte: u8) {
        self.get(column).push(byte);
    }

    pub(super) fn extend(&mut self, column: Column, bytes: &[u8]) {
        self.get(column).extend_from_slice(bytes);
    }

    pub(super) fn varint(&mut self, column: Column, value: u64) {
        put_varint(self.get(column), value);
    }

    /// Appends the body.
    pub(super) fn write(&self, level: Level, out: &mut Vec<u8>) -> std::io::Result<()> {
        let lengths = self.0.each_ref().map(Vec::len);
        let mut head = Vec::new();
        lengths.iter().for_each(|len| put_varint(&mut head, *len as u64));
        put_varint(out, (head.len() + lengths.iter().sum::<usize>()) as u64);

        let mut writer = frames::FrameWriter::new(level)?;
        let mut own_frames = Vec::new();
        let mut stored = Vec::new();
        for index in order(&lengths) {
            let column = self.0[index].as_slice();
            match place(index, column.len()) {
                Place::Stored => stored.push(column),
                Place::Long if level == Level::Fast => own_frames.push(column),
                Place::Short | Place::Long => head.extend_from_slice(column),
            }
        }
        writer.write(&head, out)?;
        for column in own_frames {
            writer.write(column, out)?;
        }
        frames::store(&stored, out);
        Ok(())
    }
}

/// Where in the body a column lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Short,
    Long,
    Stored,
}

fn place(index: usize, len: usize) -> Place {
    match len {
        _ if index >= FIRST_STORED => Place::Stored,
        LONG_BYTES.. => Place::Long,
        _ => Place::Short,
    }
}

/// The columns in the order in which they lie in the body.
fn order(lengths: &[usize; COLUMNS]) -> [usize; COLUMNS] {
    let mut order = std::array::from_fn(|index| index);
    order.sort_by_key(|index| place(*index, lengths[*index]));
    order
}

/// Columns read back, to be taken from the front.
#[derive(Debug)]
pub(super) struct Unpacked {
    body: Vec<u8>,
    columns: [Range<usize>; COLUMNS],
}

impl Unpacked {
    /// Reads all columns. No more than the limit is ever allocated, whatever the lengths say.
    pub(super) fn read(reader: &mut Reader<'_>, limits: &UnpackLimits) -> Result<Self, UnpackError> {
        let body = frames::read(reader, limits.unpacked_bytes)?;
        let mut lengths_reader = Reader(&body);
        let mut lengths = [0; COLUMNS];
        for len in &mut lengths {
            *len = lengths_reader.count("unpacked bytes", body.len())?;
        }
        let mut at = body.len() - lengths_reader.0.len();
        let mut columns = [const { 0..0 }; COLUMNS];
        for index in order(&lengths) {
            columns[index] = at..at + lengths[index];
            at += lengths[index];
        }
        if at != body.len() {
            return Err(UnpackError::Damaged("columns are not as long as they say"));
        }
        Ok(Self { body, columns })
    }

    pub(super) fn readers(&self) -> Readers<'_> {
        Readers(self.columns.each_ref().map(|range| Reader(&self.body[range.clone()])))
    }
}

/// A position in every column.
#[derive(Debug)]
pub(super) struct Readers<'a>([Reader<'a>; COLUMNS]);

impl<'a> Readers<'a> {
    pub(super) fn get(&mut self, column: Column) -> &mut Reader<'a> {
        &mut self.0[column as usize]
    }

    /// Every column is used up.
    pub(super) fn end(&self) -> Result<(), UnpackError> {
        self.0.iter().try_for_each(Reader::end)
    }
}
