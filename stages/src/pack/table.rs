//! A table of things that occur more than once: each is written once, most frequent first, and named by its index.

use alloy_primitives::map::HashMap;

use super::UnpackError;
use super::bytes::put_varint;
use super::columns::{Column, Columns, Readers};

/// The columns of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub table: Column,
    pub index: Column,
    pub once: Column,
}

pub(super) const ADDRESSES: Place =
    Place { table: Column::AddressTable, index: Column::AddressIndex, once: Column::Address };
pub(super) const SELECTORS: Place =
    Place { table: Column::SelectorTable, index: Column::SelectorIndex, once: Column::Selector };
pub(super) const WORDS: Place = Place { table: Column::WordTable, index: Column::WordIndex, once: Column::Word };

/// Things in the order they occur, to be written as a table.
#[derive(Debug, Default)]
pub(super) struct Occurrences<const N: usize>(Vec<[u8; N]>);

impl<const N: usize> Occurrences<N> {
    pub(super) fn push(&mut self, item: [u8; N]) {
        self.0.push(item);
    }

    /// Writes the table, and an index (from 1) for every occurrence; 0 stands for the next of those that occur once.
    pub(super) fn write(&self, place: Place, columns: &mut Columns) {
        let mut counts = HashMap::<[u8; N], (usize, usize)>::default();
        for (position, item) in self.0.iter().enumerate() {
            counts.entry(*item).or_insert((0, position)).0 += 1;
        }
        let mut repeated: Vec<_> = counts.iter().filter(|(_, (count, _))| *count > 1).collect();
        repeated.sort_unstable_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
        let table = columns.get(place.table);
        repeated.iter().for_each(|(item, _)| table.extend_from_slice(*item));
        let ranks: HashMap<[u8; N], u64> = repeated.iter().zip(1..).map(|((item, _), rank)| (**item, rank)).collect();
        for item in &self.0 {
            let rank = ranks.get(item).copied().unwrap_or(0);
            put_varint(columns.get(place.index), rank);
            if rank == 0 {
                columns.extend(place.once, item);
            }
        }
    }
}

/// A table read back.
#[derive(Debug)]
pub(super) struct Table<'a, const N: usize> {
    place: Place,
    items: &'a [[u8; N]],
}

impl<'a, const N: usize> Table<'a, N> {
    pub(super) fn read(place: Place, readers: &mut Readers<'a>) -> Result<Self, UnpackError> {
        let bytes = readers.get(place.table);
        let (items, rest) = bytes.0.as_chunks();
        bytes.0 = rest;
        Ok(Self { place, items })
    }

    pub(super) fn next(&self, readers: &mut Readers<'_>) -> Result<[u8; N], UnpackError> {
        match readers.get(self.place.index).varint()? {
            0 => readers.get(self.place.once).array(),
            rank => {
                let index = usize::try_from(rank - 1).map_err(|_| UnpackError::Damaged("no such entry in a table"))?;
                self.items.get(index).copied().ok_or(UnpackError::Damaged("no such entry in a table"))
            }
        }
    }
}
