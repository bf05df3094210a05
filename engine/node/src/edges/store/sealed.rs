//! Who sealed how many blocks, epoch by epoch: what rewards are split by. It is kept though the blocks themselves are pruned, because
//! a settlement may come long after them: a row for each validator and epoch, some 100 KB a year with epochs of a day.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use horae_stages::Header;
use redb::{ReadableTable, Table};

use super::tables::SEALED;
use super::{StoreError, StoreReader};

/// Counts one more block.
pub(super) fn count(table: &mut Table<'_, (u64, [u8; 20]), u64>, header: &Header) -> Result<(), redb::Error> {
    let key = (header.epoch, header.sequencer.into_array());
    let before = table.get(key)?.map_or(0, |count| count.value());
    table.insert(key, before.saturating_add(1))?;
    Ok(())
}

impl StoreReader {
    /// How many of the blocks from `first` to `last` each signer sealed; `None` while `last` is not stored, and if the two are not the
    /// first block of an epoch and the last one of an epoch.
    ///
    /// # Errors
    /// The database.
    pub fn sealed(&self, first: u64, last: u64) -> Result<Option<BTreeMap<Address, u64>>, StoreError> {
        let mut epochs: BTreeMap<u64, Vec<(Address, u64)>> = BTreeMap::new();
        for row in self.table(SEALED)?.iter().map_err(|e| self.sort(e))? {
            let (key, count) = row.map_err(|e| self.sort(e))?;
            let (epoch, sequencer) = key.value();
            epochs.entry(epoch).or_default().push((Address::from(sequencer), count.value()));
        }
        Ok((last <= self.height()).then(|| between(epochs.into_values(), first, last)).flatten())
    }
}

/// The sum over the epochs, of blocks from 1 on, that are between the two blocks, if these are ends of epochs.
fn between(epochs: impl Iterator<Item = Vec<(Address, u64)>>, first: u64, last: u64) -> Option<BTreeMap<Address, u64>> {
    let (mut next, mut begun) = (1, false);
    let mut sums: BTreeMap<Address, u64> = BTreeMap::new();
    for sealed in epochs {
        begun |= next == first;
        if begun {
            sealed.iter().for_each(|(by, count)| *sums.entry(*by).or_default() += count);
        }
        next += sealed.iter().map(|(_, count)| count).sum::<u64>();
        if next > last {
            break;
        }
    }
    (begun && next == last.checked_add(1)?).then_some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_epochs_are_summed_and_nothing_else() {
        let by = |n: u8| Address::repeat_byte(n);
        let epochs = || [vec![(by(1), 3), (by(2), 2)], vec![(by(2), 4)], vec![(by(1), 1), (by(3), 9)]].into_iter();
        let sums = |first, last| between(epochs(), first, last).map(|sums| sums.into_iter().collect::<Vec<_>>());
        assert_eq!(sums(1, 5), Some(vec![(by(1), 3), (by(2), 2)]));
        assert_eq!(sums(1, 9), Some(vec![(by(1), 3), (by(2), 6)]));
        assert_eq!(sums(6, 19), Some(vec![(by(1), 1), (by(2), 4), (by(3), 9)]));
        for (first, last) in [(0, 5), (2, 5), (1, 4), (1, 6), (6, 5), (6, 20), (20, 20), (20, 19)] {
            assert_eq!(sums(first, last), None, "{first} to {last}");
        }
    }
}
