//! METIS and delays, as people write and read them.

use alloy_primitives::{U256, utils};

/// METIS, from wei.
pub fn metis(wei: U256) -> String {
    let text = utils::format_ether(wei);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} METIS")
}

/// An amount of METIS on the command line, in wei.
pub fn parse_metis(text: &str) -> Result<U256, String> {
    let is_amount = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // The library reads a negative number as a very large one.
    let wei = Some(text).filter(|_| is_amount).and_then(|text| utils::parse_ether(text).ok());
    let wei = wei.ok_or("is not an amount of METIS, such as 20000 or 0.5")?;
    if wei.is_zero() { Err("must be above zero".to_owned()) } else { Ok(wei) }
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
    fn delays_are_shown_in_the_largest_whole_unit() {
        assert_eq!(
            (lasting(21 * 86_400), lasting(7_200), lasting(61)),
            ("21 days".into(), "2 hours".into(), "61 seconds".into())
        );
    }
}
