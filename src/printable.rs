//! Names and command lines come from other people's processes: this makes them safe to print.
//!
//! The threat is a process that calls itself `\x1b[2J` or hides its name behind a right-to-left override, so that what a
//! person reads on the terminal is not what is there.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control characters, escape sequences, line separators and invisible or direction-changing characters
/// written as escapes (`\n`, `\u{1b}`, `\u{202e}`), so that it stays on its line and shows what it is.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // Writing to a `String` can't fail.
            _ if is_unsafe(character) => drop(write!(safe, "\\u{{{:x}}}", u32::from(character))),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// Control characters (C0, DEL, C1), bidi controls, and what is invisible or breaks a line: format characters, variation selectors,
/// tags, and the letters that are drawn as nothing (the fillers of Hangul, the empty Braille cell).
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_and_direction_changes_are_shown() {
        assert_eq!(printable("\x1b[31mevil\n1"), "\\u{1b}[31mevil\\n1");
        assert_eq!(printable("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
        for invisible in
            "\u{3164}\u{2800}\u{115f}\u{1160}\u{ffa0}\u{fe0f}\u{e0100}\u{e01ef}\u{e0041}".chars()
        {
            let escaped = format!("a\\u{{{:x}}}", u32::from(invisible));
            assert_eq!(printable(&format!("a{invisible}")), escaped);
        }
        assert_eq!(printable("plain ünïcode 漢字"), "plain ünïcode 漢字");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_unsafe));
        }
    }
}
