//! Which validator holds which shares. A validator of weight `w` holds `w` shares, so that the threshold counts stake and
//! not heads.

use std::{collections::BTreeSet, ops::Range};

use alloy_primitives::Address;

use crate::limits::MAX_SHARES;

/// Why weights do not make a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// There is no validator.
    #[error("a group needs at least one validator")]
    Empty,
    /// A validator without weight holds no share.
    #[error("validator {0} has no weight")]
    NoWeight(Address),
    /// A validator is listed twice.
    #[error("validator {0} is listed twice")]
    Twice(Address),
    /// More than [`MAX_SHARES`] shares.
    #[error("the weights add up to more than {MAX_SHARES} shares")]
    TooManyShares,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    validator: Address,
    weight: u64,
    identifiers: Range<u16>,
}

/// The assignment of FROST identifiers (`1..=total`) to validators: sorted by address, each holding a run of identifiers as
/// long as its weight.
///
/// A single validator of weight one holds two shares, because FROST has no group of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareLayout {
    holders: Vec<Holder>,
    total: u16,
}

impl ShareLayout {
    /// Lays out the shares of `weights`, which may come in any order.
    pub fn new(weights: &[(Address, u64)]) -> Result<Self, LayoutError> {
        let mut seen = BTreeSet::new();
        let mut sum = 0u64;
        for &(validator, weight) in weights {
            if weight == 0 {
                return Err(LayoutError::NoWeight(validator));
            }
            if !seen.insert(validator) {
                return Err(LayoutError::Twice(validator));
            }
            sum = sum.saturating_add(weight);
        }
        if sum == 0 {
            return Err(LayoutError::Empty);
        }
        if sum > u64::from(MAX_SHARES) {
            return Err(LayoutError::TooManyShares);
        }
        let shares_per_weight: u16 = if sum == 1 { 2 } else { 1 };

        let mut sorted = weights.to_vec();
        sorted.sort_unstable();
        let mut next = 1u16;
        let holders = sorted
            .into_iter()
            .map(|(validator, weight)| {
                let first = next;
                next += weight as u16 * shares_per_weight;
                Holder { validator, weight, identifiers: first..next }
            })
            .collect();
        Ok(Self { holders, total: next - 1 })
    }

    /// The validators and their weights, ascending by address: what [`ShareLayout::new`] takes.
    pub fn weights(&self) -> Vec<(Address, u64)> {
        self.holders.iter().map(|h| (h.validator, h.weight)).collect()
    }

    /// The validators, ascending by address.
    pub fn validators(&self) -> impl ExactSizeIterator<Item = Address> + '_ {
        self.holders.iter().map(|h| h.validator)
    }

    /// Whether `validator` holds shares.
    pub fn contains(&self, validator: Address) -> bool {
        self.holder(validator).is_some()
    }

    /// The identifiers `validator` holds; empty for a stranger.
    pub fn identifiers(&self, validator: Address) -> Range<u16> {
        self.holder(validator).map_or(0..0, |h| h.identifiers.clone())
    }

    /// How many shares `validator` holds; none for a stranger.
    pub fn share_count(&self, validator: Address) -> u16 {
        let identifiers = self.identifiers(validator);
        identifiers.end - identifiers.start
    }

    /// Who holds `identifier`.
    pub fn holder_of(&self, identifier: u16) -> Option<Address> {
        let at = self.holders.partition_point(|h| h.identifiers.end <= identifier);
        self.holders.get(at).filter(|h| h.identifiers.contains(&identifier)).map(|h| h.validator)
    }

    /// All shares together (`n`).
    pub fn total(&self) -> u16 {
        self.total
    }

    /// The fewest shares that sign (`t`): the smallest number above two thirds of all.
    pub fn threshold(&self) -> u16 {
        self.total * 2 / 3 + 1
    }

    fn holder(&self, validator: Address) -> Option<&Holder> {
        let at = self.holders.binary_search_by_key(&validator, |h| h.validator).ok()?;
        self.holders.get(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    #[test]
    fn shares_follow_weight_in_address_order() {
        let layout = ShareLayout::new(&[(address(9), 2), (address(1), 3), (address(5), 1)]).unwrap();
        assert_eq!(layout.weights(), [(address(1), 3), (address(5), 1), (address(9), 2)]);
        assert_eq!(layout.identifiers(address(1)), 1..4);
        assert_eq!(layout.identifiers(address(5)), 4..5);
        assert_eq!(layout.identifiers(address(9)), 5..7);
        assert_eq!(layout.share_count(address(7)), 0);
        assert_eq!((layout.total(), layout.threshold()), (6, 5));
        let holders: Vec<_> = (0..8).map(|i| layout.holder_of(i)).collect();
        let (a, b, c) = (Some(address(1)), Some(address(5)), Some(address(9)));
        assert_eq!(holders, [None, a, a, a, b, c, c, None]);
    }

    #[test]
    fn threshold_is_the_least_above_two_thirds() {
        for total in 2..=u64::from(MAX_SHARES) {
            let layout = ShareLayout::new(&[(address(1), total)]).unwrap();
            let threshold = u64::from(layout.threshold());
            assert!(3 * threshold > 2 * total && 3 * (threshold - 1) <= 2 * total, "{total}");
        }
    }

    #[test]
    fn a_lone_validator_of_weight_one_gets_two_shares() {
        let layout = ShareLayout::new(&[(address(1), 1)]).unwrap();
        assert_eq!((layout.total(), layout.threshold()), (2, 2));
        assert_eq!(ShareLayout::new(&layout.weights()).unwrap(), layout);
    }

    #[test]
    fn bad_weights_are_refused() {
        assert_eq!(ShareLayout::new(&[]), Err(LayoutError::Empty));
        assert_eq!(ShareLayout::new(&[(address(1), 0)]), Err(LayoutError::NoWeight(address(1))));
        assert_eq!(ShareLayout::new(&[(address(1), 1), (address(1), 1)]), Err(LayoutError::Twice(address(1))));
        assert_eq!(ShareLayout::new(&[(address(1), 201)]), Err(LayoutError::TooManyShares));
        assert_eq!(ShareLayout::new(&[(address(1), u64::MAX), (address(2), 2)]), Err(LayoutError::TooManyShares));
        assert!(ShareLayout::new(&[(address(1), 100), (address(2), 100)]).is_ok());
    }
}
