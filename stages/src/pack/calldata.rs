//! Calldata as the Solidity ABI lays it out: a selector and words of 32 bytes, most of which are short numbers, addresses or
//! zero. Each word becomes a class byte and its significant bytes, in the column of its class.

use alloy_primitives::U256;

use super::columns::{Column, Columns, Readers};
use super::table::{self, Occurrences, Table};
use super::{UnpackError, numbers};

/// Shapes: no data, bytes without words, a selector and words, words alone.
const EMPTY: u64 = 0;
const BYTES: u64 = 1;
const CALL: u64 = 2;
const WORDS: u64 = 3;
const SHAPES: u64 = 4;

/// Calldata longer than this is data that somebody stores, not a call.
const LONGEST_CALL: usize = 16 * 1024;

/// Word classes: up to 32 is the number of significant bytes of a number.
const ADDRESS: u8 = 20;
const FULL: u8 = 32;
/// A number with at least [`ROUND_ZEROS`] decimal zeros.
const ROUND: u8 = 33;
/// From here on: so many bytes, then zeros to the right.
const TEXT: u8 = 64;

const ROUND_ZEROS: u8 = 3;
const TEXT_ZEROS: usize = 6;

/// What the tables are made from.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub addresses: Occurrences<20>,
    pub selectors: Occurrences<4>,
    pub words: Occurrences<32>,
}

impl Tables {
    pub(super) fn write(&self, columns: &mut Columns) {
        self.addresses.write(table::ADDRESSES, columns);
        self.selectors.write(table::SELECTORS, columns);
        self.words.write(table::WORDS, columns);
    }
}

/// The tables read back.
#[derive(Debug)]
pub(super) struct ReadTables<'a> {
    pub addresses: Table<'a, 20>,
    pub selectors: Table<'a, 4>,
    pub words: Table<'a, 32>,
}

impl<'a> ReadTables<'a> {
    pub(super) fn read(readers: &mut Readers<'a>) -> Result<Self, UnpackError> {
        Ok(Self {
            addresses: Table::read(table::ADDRESSES, readers)?,
            selectors: Table::read(table::SELECTORS, readers)?,
            words: Table::read(table::WORDS, readers)?,
        })
    }
}

/// Writes calldata.
pub(super) fn put(columns: &mut Columns, tables: &mut Tables, data: &[u8]) {
    let shape = match data.len() {
        0 => EMPTY,
        len if len > LONGEST_CALL => BYTES,
        len if len % 32 == 4 => CALL,
        len if len % 32 == 0 => WORDS,
        _ => BYTES,
    };
    let words = if shape == CALL { &data[4..] } else { data };
    let size = if shape == BYTES { data.len() } else { words.len() / 32 };
    columns.varint(Column::DataShape, size as u64 * SHAPES + shape);
    match shape {
        BYTES => return columns.extend(Column::Blob, data),
        CALL => tables.selectors.push([data[0], data[1], data[2], data[3]]),
        _ => {}
    }
    words.as_chunks().0.iter().for_each(|word| put_word(columns, tables, word));
}

/// Reads calldata back; `budget` is what it may take, in bytes, and is lowered by what it takes.
pub(super) fn get(
    readers: &mut Readers<'_>,
    tables: &ReadTables<'_>,
    budget: &mut usize,
) -> Result<Vec<u8>, UnpackError> {
    let head = readers.get(Column::DataShape).varint()?;
    let (size, shape) = (head / SHAPES, head % SHAPES);
    let unit = if shape == BYTES { 1 } else { 32 };
    let len = usize::try_from(size).ok().and_then(|size| size.checked_mul(unit)).filter(|len| *len <= *budget);
    let limit = *budget as u64;
    let len = len.ok_or(UnpackError::TooLarge { what: "calldata", have: size.saturating_mul(unit as u64), limit })?;
    *budget -= len;
    let mut data = Vec::with_capacity(4 + len);
    match shape {
        EMPTY if size != 0 => return Err(UnpackError::Damaged("empty calldata with a length")),
        BYTES => data.extend_from_slice(readers.get(Column::Blob).bytes(len)?),
        CALL => data.extend_from_slice(&tables.selectors.next(readers)?),
        _ => {}
    }
    if shape != BYTES {
        for _ in 0..size {
            data.extend_from_slice(&get_word(readers, tables)?);
        }
    }
    Ok(data)
}

/// Writes a word.
pub(super) fn put_word(columns: &mut Columns, tables: &mut Tables, word: &[u8; 32]) {
    let value = U256::from_be_bytes(*word);
    let start = value.leading_zeros() / 8;
    let zeros = if value.is_zero() { 32 } else { value.trailing_zeros() / 8 };
    let len = (32 - start) as u8;
    if start == 0 && zeros >= TEXT_ZEROS {
        let end = 32 - zeros;
        columns.push(Column::WordClass, TEXT + end as u8);
        columns.extend(Column::Text, &word[..end]);
    } else if len == FULL {
        columns.push(Column::WordClass, FULL);
        tables.words.push(*word);
    } else if len == ADDRESS {
        columns.push(Column::WordClass, ADDRESS);
        let mut address = [0; 20];
        address.copy_from_slice(&word[12..]);
        tables.addresses.push(address);
    } else if len > 2 && u128::try_from(value).is_ok_and(|value| numbers::strip(value).1 >= ROUND_ZEROS) {
        columns.push(Column::WordClass, ROUND);
        numbers::put(columns, Column::DecimalHead, Column::Decimal, value);
    } else {
        columns.push(Column::WordClass, len);
        if let Some(column) = column_of(len) {
            columns.extend(column, &word[start..]);
        }
    }
}

/// Reads a word back.
pub(super) fn get_word(readers: &mut Readers<'_>, tables: &ReadTables<'_>) -> Result<[u8; 32], UnpackError> {
    let mut word = [0; 32];
    match readers.get(Column::WordClass).byte()? {
        ADDRESS => word[12..].copy_from_slice(&tables.addresses.next(readers)?),
        FULL => word = tables.words.next(readers)?,
        ROUND => word = numbers::get(readers, Column::DecimalHead, Column::Decimal)?.to_be_bytes(),
        class if (TEXT..=TEXT + FULL).contains(&class) => {
            let len = usize::from(class - TEXT);
            word[..len].copy_from_slice(readers.get(Column::Text).bytes(len)?);
        }
        len if len < FULL => {
            if let Some(column) = column_of(len) {
                let len = usize::from(len);
                word[32 - len..].copy_from_slice(readers.get(column).bytes(len)?);
            }
        }
        _ => return Err(UnpackError::Damaged("no such class of words")),
    }
    Ok(word)
}

fn column_of(len: u8) -> Option<Column> {
    Some(match len {
        0 => return None,
        1 => Column::Number1,
        2 => Column::Number2,
        3 => Column::Number3,
        4 => Column::Number4,
        5..=8 => Column::Number8,
        9..=16 => Column::Number16,
        _ => Column::Number31,
    })
}
