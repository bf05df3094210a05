//! Unix times, as people read them.

/// Days in 400 years, after which the calendar repeats itself.
const DAYS_OF_400_YEARS: u64 = 146_097;

/// `2026-11-23 10:05:00 UTC`, and how far off it is.
pub fn moment(unix_s: u64, now_s: u64) -> String {
    let off = match (unix_s.checked_sub(now_s), now_s.checked_sub(unix_s)) {
        (Some(0), _) => "now".to_owned(),
        (Some(ahead), _) => format!("in {}", roughly(ahead)),
        (None, past) => format!("{} ago", roughly(past.unwrap_or_default())),
    };
    format!("{} ({off})", utc(unix_s))
}

/// In the unit of which there are two at least.
fn roughly(seconds: u64) -> String {
    match seconds {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3_600 => format!("{} hours", s / 3_600),
        s if s >= 2 * 60 => format!("{} minutes", s / 60),
        s => format!("{s} s"),
    }
}

fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Years are counted from March on, so that a leap day is the last of its year (Hinnant, "days from civil").
    let since = days + 719_468;
    let (era, day_of_era) = (since / DAYS_OF_400_YEARS, since % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_and_by_their_distance() {
        for (unix_s, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (1_795_428_300, "2026-11-23 10:05:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(unix_s), shown);
        }
        assert!(moment(7_200, 0).ends_with("(in 2 hours)"));
        assert!(moment(0, 90).ends_with("(90 s ago)"));
        assert!(moment(86_400 * 3 + 5, 0).ends_with("(in 3 days)"));
        assert!(moment(5, 5).ends_with("(now)"));
    }
}
