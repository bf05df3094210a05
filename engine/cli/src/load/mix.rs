//! Which kinds of transactions a load has, and how many of each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most that all shares may come to.
const SHARES_MAX: u32 = 10_000;

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One wei from account to account.
    Transfers,
    /// One unit of an ERC-20 token from account to account.
    Erc20,
    /// A swap at a market that all callers share.
    Contract,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transfers, Self::Erc20, Self::Contract];

    /// What users call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Erc20 => "erc20",
            Self::Contract => "contract",
        }
    }
}

/// Shares of the kinds, in the order of [`Kind::ALL`]; at least one is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mix([u32; 3]);

impl Default for Mix {
    fn default() -> Self {
        Self([100, 0, 0])
    }
}

impl Mix {
    /// The kind of transaction `at`. Kinds alternate, and whatever a multiple of the shares' sum has the shares exactly.
    pub fn kind(&self, at: u64) -> Kind {
        let total = u64::from(self.0.iter().sum::<u32>());
        // A stride without a common divisor visits each of the places once, and near the golden ratio neighbours land far apart.
        let stride = (1..=total * 618 / 1_000).rev().find(|stride| gcd(*stride, total) == 1).unwrap_or(1);
        let mut place = at % total * stride % total;
        for kind in Kind::ALL {
            let share = u64::from(self.0[kind as usize]);
            if place < share {
                return kind;
            }
            place -= share;
        }
        unreachable!("a place below the sum of the shares lies in one of them")
    }

    /// Whether any transaction is of this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.0[kind as usize] > 0
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = Kind::ALL.into_iter().filter(|kind| self.has(*kind));
        for (at, kind) in present.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}={}", kind.name(), self.0[kind as usize])?;
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares = [None; 3];
        for part in text.split(',') {
            let (name, share) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not KIND=SHARE, like erc20=20"))?;
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| kind.name() == name.trim())
                .ok_or_else(|| format!("`{name}` is none of transfers, erc20, contract"))?;
            let share: u32 = share.trim().parse().map_err(|_| format!("`{share}` is no whole number"))?;
            if shares[kind as usize].replace(share).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        let shares = shares.map(Option::unwrap_or_default);
        let total = shares.iter().fold(0_u32, |sum, share| sum.saturating_add(*share));
        match total {
            0 => Err("one share at least must be above 0".into()),
            1..=SHARES_MAX => Ok(Self(shares)),
            _ => Err(format!("the shares come to more than {SHARES_MAX}")),
        }
    }
}

impl TryFrom<String> for Mix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Mix> for String {
    fn from(mix: Mix) -> Self {
        mix.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_are_exact_and_kinds_alternate() {
        for shares in
            ["transfers=70,erc20=20,contract=10", "erc20=1,contract=2", "contract=7", "transfers=3,erc20=1,contract=3"]
        {
            let mix: Mix = shares.parse().unwrap();
            let total = u64::from(mix.0.iter().sum::<u32>());
            let count = |upto: u64, kind| (0..upto).filter(|at| mix.kind(*at) == kind).count() as u64;
            for kind in Kind::ALL {
                assert_eq!(count(3 * total, kind), 3 * u64::from(mix.0[kind as usize]), "{shares} {kind:?}");
            }
            assert_eq!(mix.to_string(), shares);
        }
        let mix: Mix = "transfers=50,erc20=50".parse().unwrap();
        let kinds: Vec<Kind> = (0..200).map(|at| mix.kind(at)).collect();
        assert!(kinds.windows(4).all(|few| few.contains(&Kind::Transfers) && few.contains(&Kind::Erc20)), "{kinds:?}");
    }

    #[test]
    fn bad_mixes_are_refused_with_a_word_on_what_is_wrong() {
        for (text, part) in [
            ("transfers", "KIND=SHARE"),
            ("nft=3", "none of transfers, erc20, contract"),
            ("erc20=x", "no whole number"),
            ("erc20=1,erc20=2", "twice"),
            ("transfers=0", "above 0"),
            ("transfers=4294967295,erc20=2", "more than"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
