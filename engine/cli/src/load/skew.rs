//! Hot spots: how unevenly accounts take part in a load.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Largest exponent of a Zipf distribution that is taken: beyond it, all is the first account's.
const EXPONENT_MAX: f64 = 10.0;

/// How unevenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Skew {
    /// So many per cent of the load on so many per cent of the accounts; even among those, and among the others.
    Share {
        /// Of the load.
        load: f64,
        /// Of the accounts.
        accounts: f64,
    },
    /// The n-th account takes part as 1 / n^exponent.
    Zipf {
        /// How steep.
        exponent: f64,
    },
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { load, accounts } => write!(f, "{load}/{accounts}"),
            Self::Zipf { exponent } => write!(f, "zipf={exponent}"),
        }
    }
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| -> Result<f64, String> {
            let number: f64 = text.trim().parse().map_err(|_| format!("`{text}` is no number"))?;
            if number.is_finite() { Ok(number) } else { Err(format!("`{text}` is no number")) }
        };
        if let Some(exponent) = text.strip_prefix("zipf=") {
            let exponent = number(exponent)?;
            if exponent <= 0.0 || exponent > EXPONENT_MAX {
                return Err(format!("the exponent must be above 0 and at most {EXPONENT_MAX}"));
            }
            return Ok(Self::Zipf { exponent });
        }
        let (load, accounts) =
            text.split_once('/').ok_or("it is LOAD/ACCOUNTS in per cent, like 80/20, or zipf=EXPONENT, like zipf=1")?;
        let (load, accounts) = (number(load)?, number(accounts)?);
        let is_share = |share: f64| share > 0.0 && share < 100.0;
        if !is_share(load) || !is_share(accounts) {
            return Err("both shares must lie between 0 and 100 per cent".into());
        }
        Ok(Self::Share { load, accounts })
    }
}

impl TryFrom<String> for Skew {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Skew> for String {
    fn from(skew: Skew) -> Self {
        skew.to_string()
    }
}

/// Draws accounts.
#[derive(Debug)]
pub struct Draw {
    /// Weight of each account and of all before it.
    upto: Vec<f64>,
    state: u64,
}

impl Draw {
    /// Draws of `accounts` accounts, the same in every run.
    ///
    /// # Panics
    /// Without accounts.
    pub fn new(skew: Skew, accounts: usize) -> Self {
        assert!(accounts > 0, "nobody to draw");
        let hot = match skew {
            Skew::Share { accounts: share, .. } => {
                ((accounts as f64 * share / 100.0).round() as usize).clamp(1, accounts)
            }
            Skew::Zipf { .. } => accounts,
        };
        let weight = |at: usize| match skew {
            Skew::Zipf { exponent } => 1.0 / ((at + 1) as f64).powf(exponent),
            Skew::Share { load, .. } if at < hot => load / hot as f64,
            Skew::Share { load, .. } => (100.0 - load) / (accounts - hot) as f64,
        };
        let mut sum = 0.0;
        let upto = (0..accounts)
            .map(|at| {
                sum += weight(at);
                sum
            })
            .collect();
        Self { upto, state: 0 }
    }

    /// One account.
    pub fn next(&mut self) -> usize {
        let all = self.upto.last().copied().unwrap_or_default();
        let point = self.fraction() * all;
        self.upto.partition_point(|upto| *upto <= point).min(self.upto.len() - 1)
    }

    /// Evenly from 0 up to 1: SplitMix64 (Steele, Lea and Flood, 2014), which is no secret here.
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn drawn(skew: &str, accounts: usize, count: usize) -> Vec<usize> {
        let mut draw = Draw::new(skew.parse().unwrap(), accounts);
        let mut counts = vec![0; accounts];
        (0..count).for_each(|_| counts[draw.next()] += 1);
        counts
    }

    #[test]
    fn the_share_of_the_load_is_on_the_share_of_the_accounts() {
        let counts = drawn("80/20", 50, 100_000);
        let hot: usize = counts[..10].iter().sum();
        assert!((79_000..81_000).contains(&hot), "{hot}");
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        // One account is hot at least, and all may be.
        assert!(drawn("50/0.1", 10, 1_000)[0] > 400);
        assert_eq!(drawn("50/99.9", 3, 90).iter().sum::<usize>(), 90);
    }

    #[test]
    fn zipf_has_the_second_account_half_as_often_as_the_first() {
        let counts = drawn("zipf=1", 1_000, 200_000);
        let ratio = counts[0] as f64 / counts[1] as f64;
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        assert!(counts[0] > 20 * counts[99], "{} {}", counts[0], counts[99]);
    }

    #[test]
    fn bad_skews_are_refused() {
        for text in ["", "80", "0/20", "80/100", "a/b", "zipf=0", "zipf=11", "zipf=NaN", "inf/3"] {
            assert!(text.parse::<Skew>().is_err(), "{text}");
        }
        assert_eq!("80/20".parse::<Skew>().unwrap().to_string(), "80/20");
        assert_eq!("zipf=1.2".parse::<Skew>().unwrap().to_string(), "zipf=1.2");
    }
}
