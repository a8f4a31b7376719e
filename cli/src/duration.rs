//! Durations on the command line.

use std::time::Duration;

/// Every wait has an end: nobody waits longer than a day for a server.
const LONGEST: f64 = 24.0 * 3600.0;

/// `500ms`, `5s`, `1.5s`, `2m`, `1h`; a bare number is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(not_a_duration()),
    };
    let number: f64 = number.parse().map_err(|_| not_a_duration())?;
    let seconds = number * seconds;
    if seconds > LONGEST {
        return Err("the longest wait is 24h".into());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| not_a_duration())
}

fn not_a_duration() -> String {
    "a duration is a number with ms, s, m or h, such as 500ms or 5s".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_and_bare_seconds_are_understood() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("5", 5_000),
            ("0", 0),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("5 s", 5_000),
            ("5S", 5_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "-1",
            "+1",
            "1x",
            "1.2.3",
            ".",
            "25h",
            "1e9",
            "inf",
            "nan",
            "99999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_every_wait_has_an_end(text in any::<String>()) {
            if let Ok(duration) = parse(&text) {
                prop_assert!(duration <= Duration::from_secs(86_400));
            }
        }
    }
}
