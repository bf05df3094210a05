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

/// What [`parse_percent`] makes of `100`.
pub const HUNDRED_PERCENT: u32 = 1_000_000;

/// A part on the command line, in percent with up to four decimals, in 1 / 1,000,000.
pub fn parse_percent(text: &str) -> Result<u32, String> {
    let bad = || "is not a part in percent, from 0 to 100 with up to four decimals, such as 12.5".to_owned();
    let number = text.trim_end_matches('%').trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 4 || !digits(whole) || !digits(decimals) {
        return Err(bad());
    }
    let part: Option<u32> = format!("{whole}{decimals:0<4}").parse().ok();
    part.filter(|part| *part <= HUNDRED_PERCENT).ok_or_else(bad)
}

/// A part in 1 / 10,000, for people.
pub fn percent(part: u16) -> String {
    format!("{}.{:02} %", part / 100, part % 100)
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
    fn parts_are_read_in_percent() {
        let read = ["0", "12.5", "100%", "0.0001", "33.3333 %"].map(|text| parse_percent(text).unwrap());
        assert_eq!(read, [0, 125_000, 1_000_000, 1, 333_333]);
        for wrong in ["", "%", ".5", "-1", "101", "1e1", "1.23456", "100.0001"] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!((percent(2_000), percent(5)), ("20.00 %".to_owned(), "0.05 %".to_owned()));
    }

    #[test]
    fn delays_are_shown_in_the_largest_whole_unit() {
        assert_eq!(
            (lasting(21 * 86_400), lasting(7_200), lasting(61)),
            ("21 days".into(), "2 hours".into(), "61 seconds".into())
        );
    }
}
