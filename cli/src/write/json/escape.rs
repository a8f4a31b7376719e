//! Characters that could deceive a terminal.

use std::borrow::Cow;

use kill_port::printable;

/// JSON itself escapes only ASCII's control characters. The others that could deceive a terminal are escaped as well: it is
/// the same JSON for a program. They stand only within strings, so the text need not be parsed.
pub fn escape(json: &str) -> Cow<'_, str> {
    let deceives = |character: char| {
        character >= '\u{7f}'
            && matches!(printable(character.encode_utf8(&mut [0; 4])), Cow::Owned(_))
    };
    if !json.chars().any(deceives) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if deceives(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_changes_nothing_for_a_program(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let escaped = escape(&json).into_owned();
            prop_assert_eq!(&serde_json::from_str::<String>(&escaped).unwrap(), &text);
            prop_assert!(matches!(printable(&escaped), Cow::Borrowed(_)), "{}", escaped);
        }
    }
}
