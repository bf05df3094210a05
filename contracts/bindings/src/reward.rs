//! What validators earn, reckoned as `contracts/src/RewardSchedule.sol` does, to the wei: for whoever wants to know before L1
//! says, and for tests that hold L1 to it.

use alloy::primitives::U256;

/// The yearly rate of the first twelve months, in 1 / 10,000.
pub const FIRST_RATE: u16 = 2_000;
/// The first twelve months, and the year of all rates, in seconds.
pub const YEAR_S: u64 = 365 * 86_400;
const WHOLE: u64 = 10_000;

/// The rates over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Unix second at which the first twelve months began.
    pub begun_s: u64,
    /// The yearly rate after them, in 1 / 10,000.
    pub later: u16,
}

impl Rates {
    /// What all validators together may earn from one second to a later one, in wei of METIS; `stake_seconds` is the listed
    /// stake in wei, summed over the seconds between. Over the end of the twelve months the two rates are mixed by time.
    pub fn allowed(&self, stake_seconds: U256, from_s: u64, to_s: u64) -> U256 {
        let elapsed = to_s.saturating_sub(from_s);
        if elapsed == 0 {
            return U256::ZERO;
        }
        let end = self.begun_s.saturating_add(YEAR_S);
        let early = elapsed.min(end.saturating_sub(from_s));
        let rates = U256::from(FIRST_RATE) * U256::from(early) + U256::from(self.later) * U256::from(elapsed - early);
        stake_seconds * rates / (U256::from(elapsed) * U256::from(WHOLE) * U256::from(YEAR_S))
    }
}

/// The part of `allowed` of who sealed `blocks` of `of` blocks. What rounding leaves is nobody's.
pub fn part(allowed: U256, blocks: u64, of: u64) -> U256 {
    if of == 0 { U256::ZERO } else { allowed * U256::from(blocks) / U256::from(of) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METIS: u128 = 1_000_000_000_000_000_000;

    #[test]
    fn the_first_year_pays_a_fifth_of_the_stake_and_no_second_more() {
        let rates = Rates { begun_s: 1_000, later: 500 };
        let stake = U256::from(100_000 * METIS);
        let year = rates.allowed(stake * U256::from(YEAR_S), 1_000, 1_000 + YEAR_S);
        assert_eq!(year, U256::from(20_000 * METIS));
        let next = rates.allowed(stake * U256::from(YEAR_S), 1_000 + YEAR_S, 1_000 + 2 * YEAR_S);
        assert_eq!(next, U256::from(5_000 * METIS));
        let mixed = rates.allowed(stake * U256::from(2 * YEAR_S), 1_000, 1_000 + 2 * YEAR_S);
        assert_eq!(mixed, year + next, "half of the time by each rate");
        assert_eq!(rates.allowed(stake, 5_000, 5_000), U256::ZERO);
    }

    #[test]
    fn parts_never_add_up_to_more_than_the_whole() {
        let allowed = U256::from(100);
        assert_eq!([1, 1, 1].map(|blocks| part(allowed, blocks, 3)), [U256::from(33); 3]);
        assert_eq!((part(allowed, 7, 7), part(allowed, 0, 0)), (allowed, U256::ZERO));
    }
}
