//! METIS, shares and delays, as people write and read them.

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
    // The library reads a negative number as a very large one, and nothing at all as zero.
    let is_amount = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_amount = is_amount && text.bytes().any(|byte| byte.is_ascii_digit());
    Some(text).filter(|_| is_amount).and_then(|text| utils::parse_ether(text).ok())
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

/// A number of seconds on the command line: `90`, `90s`, `15m`, `12h`, `3d`.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<u64>().ok()).and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "is not a time, such as 90s, 15m, 12h or 3d".to_owned())
}

/// A share on the command line, in percent with up to two decimals, in 1 / 10,000, as contracts have them.
pub fn parse_share(text: &str) -> Result<u16, String> {
    let part = parse_percent(text).ok().filter(|part| part % 100 == 0);
    let share = part.and_then(|part| u16::try_from(part / 100).ok());
    share.ok_or_else(|| "is not a share from 0 % to 100 %, such as 5% or 0.25%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_contracts_have_them() {
        for (text, share) in [("5%", 500), ("0.25%", 25), ("80", 8_000), ("99.9 %", 9_990), ("0", 0), ("100", 10_000)] {
            assert_eq!(parse_share(text), Ok(share), "{text}");
        }
        for wrong in ["", "%", "-5%", "5.123%", "101%", "100.01%", "5,5", ".5", "x", "65536"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("3d", 259_200), ("0", 0)] {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text}");
        }
        for wrong in ["", "d", "-1s", "1w", "1.5h", "ä", "999999999999999999d"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }

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
