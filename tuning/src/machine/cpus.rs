//! Sets of processors in the two ways in which the kernel writes them: lists (`0-3,8`) and masks (`ff,00000001`).

use std::collections::BTreeSet;
use std::fmt;

/// More processors than any kernel is built for; a list that names more is no list.
const CPUS_MAX: usize = 8_192;
/// Bits in each group of a mask.
const GROUP_BITS: usize = 32;

/// A set of processors, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSet(BTreeSet<usize>);

impl CpuSet {
    /// Reads `0-3,8`; an empty text is the empty set, anything else that is no list is none.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Self> {
        let mut set = BTreeSet::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if first > last || last >= CPUS_MAX {
                return None;
            }
            set.extend(first..=last);
        }
        Some(Self(set))
    }

    /// Reads `ff,00000001`: groups of 32 processors in hexadecimal, the highest first.
    #[must_use]
    pub fn parse_mask(text: &str) -> Option<Self> {
        let mut set = BTreeSet::new();
        for (index, group) in text.trim().split(',').rev().enumerate() {
            let bits = u32::from_str_radix(group, 16).ok()?;
            if (index + 1) * GROUP_BITS > CPUS_MAX {
                return None;
            }
            set.extend((0..GROUP_BITS).filter(|bit| bits >> bit & 1 == 1).map(|bit| index * GROUP_BITS + bit));
        }
        Some(Self(set))
    }

    /// As a mask, in groups of eight digits.
    #[must_use]
    pub fn mask(&self) -> String {
        let groups = self.0.last().map_or(1, |last| last / GROUP_BITS + 1);
        let group = |index: usize| {
            let bits = (0..GROUP_BITS).filter(|bit| self.contains(index * GROUP_BITS + bit));
            format!("{:08x}", bits.fold(0_u32, |sum, bit| sum | 1 << bit))
        };
        (0..groups).rev().map(group).collect::<Vec<_>>().join(",")
    }

    /// Whether the processor is in it.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The processors, from the lowest on.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).copied().collect())
    }

    /// Those in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CpuSet;

    #[test]
    fn lists_and_masks_are_read_and_written_as_the_kernel_does() {
        for (list, mask) in [
            ("0", "00000001"),
            ("0-3,8", "0000010f"),
            ("31-32", "00000001,80000000"),
            ("", "00000000"),
            ("1,3,5-6", "0000006a"),
        ] {
            let set = CpuSet::parse_list(list).unwrap();
            assert_eq!(set.to_string(), list);
            assert_eq!(set.mask(), mask);
            assert_eq!(CpuSet::parse_mask(mask).unwrap(), set);
        }
        assert_eq!(CpuSet::parse_list("0-3\n").unwrap().len(), 4);
        assert_eq!(CpuSet::parse_mask("3\n").unwrap().to_string(), "0-1");
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["a", "3-1", "0-", "-", "0-99999999", "1 2"] {
            assert_eq!(CpuSet::parse_list(text), None, "{text}");
        }
        assert_eq!(CpuSet::parse_mask("xyz"), None);
        assert_eq!(CpuSet::parse_mask(""), None);
    }
}
