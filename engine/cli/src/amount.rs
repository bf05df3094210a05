//! METIS and delays, as people write and read them.

use alloy_primitives::{U256, utils};

/// METIS, from wei.
pub fn metis(wei: U256) -> String {
    format!("{} METIS", coins(wei))
}

/// Ether, from wei.
pub fn ether(wei: U256) -> String {
    format!("{} ETH", coins(wei))
}

fn coins(wei: U256) -> String {
    utils::format_ether(wei).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An amount of ether on the command line, in wei; it may be none.
pub fn parse_ether(text: &str) -> Result<U256, String> {
    parse_coins(text).ok_or_else(|| "is not an amount of ether, such as 2 or 0.5".to_owned())
}

/// An amount of METIS on the command line, in wei.
pub fn parse_metis(text: &str) -> Result<U256, String> {
    let wei = parse_coins(text).ok_or("is not an amount of METIS, such as 20000 or 0.5")?;
    if wei.is_zero() { Err("must be above zero".to_owned()) } else { Ok(wei) }
}

fn parse_coins(text: &str) -> Option<U256> {
    let is_amount = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // The library reads a negative number as a very large one.
    Some(text).filter(|_| is_amount).and_then(|text| utils::parse_ether(text).ok())
}

/// Seconds, for people.
pub fn lasting(seconds: u64) -> String {
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{} days", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} hours", s / 3_600),
        s => format!("{s} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_in_metis() {
        let wei = parse_metis("20000.5").unwrap();
        assert_eq!((wei, metis(wei).as_str()), (U256::from(20_000_500_000_000_000_000_000_u128), "20000.5 METIS"));
        assert_eq!(metis(U256::ZERO), "0 METIS");
        assert_eq!(metis(U256::from(100_u128 * 1_000_000_000_000_000_000)), "100 METIS");
        for wrong in ["", "0", "-1", "1,000", "x", "1e3"] {
            assert!(parse_metis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_of_ether_may_be_none() {
        assert_eq!((parse_ether("0"), parse_ether("0.25").map(ether)), (Ok(U256::ZERO), Ok("0.25 ETH".to_owned())));
        for wrong in ["", "-1", "1 ETH", "0x1"] {
            assert!(parse_ether(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn delays_are_shown_in_the_largest_whole_unit() {
        assert_eq!(
            (lasting(21 * 86_400), lasting(7_200), lasting(61)),
            ("21 days".into(), "2 hours".into(), "61 seconds".into())
        );
    }
}
