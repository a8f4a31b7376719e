//! Points in time: for programs in UTC, for people as an age.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 3600;

/// The last second of the year 9999: dates of more digits have no standard form.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// `2026-11-23T08:00:00Z`
pub fn rfc3339(time: SystemTime) -> String {
    let time = time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// `40 s`, `5 min`, `3 h`, `12 d`
pub fn age(since: SystemTime) -> String {
    let age = SystemTime::now().duration_since(since);
    match age.unwrap_or_default().as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_utc_and_never_a_panic() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_507_200, "2026-11-24T08:00:00Z"),
            (253_402_300_800, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(before), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [(60, "1 min"), (7199, "1 h"), (200_000, "2 d")] {
            assert_eq!(age(SystemTime::now() - Duration::from_secs(seconds)), text);
        }
        assert_eq!(age(SystemTime::now() + Duration::from_secs(9)), "0 s");
    }
}
