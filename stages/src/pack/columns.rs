//! The columns of a batch and the frames they are compressed in.
//!
//! Alike things lie together: a long column is a zstd frame of its own, with statistics of its own; the short ones share one.
//! What is random (signatures) is stored as it is.

use super::bytes::{Reader, put_varint};
use super::{UnpackError, UnpackLimits};

/// A column this long has a frame of its own.
const OWN_FRAME_BYTES: usize = 384;

/// The highest zstd level short of its slowest three: packing is off the critical path, L1 bytes cost money.
const ZSTD_LEVEL: i32 = 19;

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

    /// Appends the lengths of all columns, then the frames: shared, long ones, stored ones.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut lengths = Vec::new();
        self.0.iter().for_each(|column| put_varint(&mut lengths, column.len() as u64));
        let mut shared = Vec::new();
        let compressed = &self.0[..FIRST_STORED];
        compressed
            .iter()
            .filter(|column| column.len() < OWN_FRAME_BYTES)
            .for_each(|column| shared.extend_from_slice(column));
        let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        zstd.include_checksum(false)?;
        zstd.include_contentsize(false)?;
        zstd.include_dictid(false)?;
        put_varint(out, lengths.len() as u64);
        write_frame(&mut zstd, &lengths, out)?;
        write_frame(&mut zstd, &shared, out)?;
        for column in compressed.iter().filter(|column| column.len() >= OWN_FRAME_BYTES) {
            write_frame(&mut zstd, column, out)?;
        }
        self.0[FIRST_STORED..].iter().for_each(|column| out.extend_from_slice(column));
        Ok(())
    }
}

/// A frame is its length, doubled, plus one if it is stored because zstd does not make it smaller; then its bytes.
fn write_frame(zstd: &mut zstd::bulk::Compressor<'_>, bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let packed = zstd.compress(bytes)?;
    let (stored, frame) = if packed.len() < bytes.len() { (0, packed.as_slice()) } else { (1, bytes) };
    put_varint(out, (frame.len() as u64) << 1 | stored);
    out.extend_from_slice(frame);
    Ok(())
}

fn read_frame(reader: &mut Reader<'_>, len: usize) -> Result<Vec<u8>, UnpackError> {
    let head = reader.varint()?;
    let frame = reader.bytes(usize::try_from(head >> 1).map_err(|_| UnpackError::Damaged("ends early"))?)?;
    let bytes = if head & 1 == 1 {
        frame.to_vec()
    } else {
        let mut bytes = Vec::with_capacity(len);
        zstd::bulk::Decompressor::new()?.decompress_to_buffer(frame, &mut bytes)?;
        bytes
    };
    if bytes.len() != len {
        return Err(UnpackError::Damaged("a frame has another length than it says"));
    }
    Ok(bytes)
}

/// Columns read back, to be taken from the front.
#[derive(Debug)]
pub(super) struct Unpacked {
    columns: [Vec<u8>; COLUMNS],
}

impl Unpacked {
    /// Reads all columns. No more than the limit is ever allocated, whatever the lengths say.
    pub(super) fn read(reader: &mut Reader<'_>, limits: &UnpackLimits) -> Result<Self, UnpackError> {
        let lengths = reader.count("column lengths", COLUMNS * 10)?;
        let lengths = read_frame(reader, lengths)?;
        let mut lengths_reader = Reader(&lengths);
        let mut lens = [0; COLUMNS];
        let mut left = limits.unpacked_bytes;
        for len in &mut lens {
            *len = lengths_reader.count("unpacked bytes", left)?;
            left -= *len;
        }
        lengths_reader.end()?;

        let shared_len = lens[..FIRST_STORED].iter().filter(|len| **len < OWN_FRAME_BYTES).sum();
        let shared = read_frame(reader, shared_len)?;
        let mut shared = Reader(&shared);
        let mut columns = std::array::from_fn(|_| Vec::new());
        for (index, (column, len)) in columns.iter_mut().zip(lens).enumerate() {
            *column = if index >= FIRST_STORED {
                reader.bytes(len)?.to_vec()
            } else if len < OWN_FRAME_BYTES {
                shared.bytes(len)?.to_vec()
            } else {
                read_frame(reader, len)?
            };
        }
        Ok(Self { columns })
    }

    pub(super) fn readers(&self) -> Readers<'_> {
        Readers(std::array::from_fn(|index| Reader(&self.columns[index])))
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
