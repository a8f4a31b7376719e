//! What `netsh interface ipv4 show excludedportrange` prints: two numbers a line, in any language.

use std::ops::RangeInclusive;

/// The excluded ranges. Only lines of exactly two port numbers count, with perhaps an asterisk for what an administrator excluded.
pub(super) fn excluded_ranges(shown: &str) -> Vec<RangeInclusive<u16>> {
    shown
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let first: u16 = words.next()?.parse().ok()?;
            let last: u16 = words.next()?.parse().ok()?;
            let is_whole = matches!(words.next(), None | Some("*")) && words.next().is_none();
            (is_whole && first <= last).then_some(first..=last)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_whatever_the_language_of_the_heading() {
        let shown = "\r\nProtokoll tcp Portausschlussbereiche\r\n\r\nStartport      Endport      \r\n----------    --------      \r\n      5357        5357      \r\n     49684       49783      \r\n     50000       50059     *\r\n\r\n* - Verwaltete Portausschl\u{fc}sse.\r\n";
        assert_eq!(
            excluded_ranges(shown),
            [5357..=5357, 49684..=49783, 50000..=50059]
        );
        assert!(excluded_ranges("80 70\n1 2 3\n99999 1\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>()) {
            let _ = excluded_ranges(&text);
        }
    }
}
