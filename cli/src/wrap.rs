//! Lines that end at the edge of the terminal, and not inside a word.

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use crate::words::width;

/// How far the rest of a line that goes on is indented.
const HANGING: usize = 2;

/// A command in a sentence stays on one line, so that it can be copied, unless it is longer than this.
const COMMAND: usize = 60;

/// Breaks every line that is wider than the terminal between two words. The rest is indented a little more than the line.
///
/// A single word that is wider stays whole.
pub fn lines(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else {
        return text.to_owned();
    };
    let mut wrapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if width(line) <= columns {
            wrapped.push_str(line);
        } else {
            wrapped.push_str(&narrow(line, columns));
        }
        wrapped.push_str(end);
    }
    wrapped
}

fn narrow(line: &str, columns: usize) -> String {
    let text = line.trim_start_matches(' ');
    // Half a line is left for the text, even if somebody else chose the spaces.
    let indent = spaces(line).min(columns / 2);
    let (first, rest) = (" ".repeat(indent), " ".repeat(indent + HANGING));
    let options = Options::new(columns)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_separator(WordSeparator::Custom(|text| Box::new(words(text))))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// What must not be broken: words, and commands in backticks.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at_checked(word_end(rest)?)?;
        let (spaces, next) = after.split_at_checked(spaces(after))?;
        rest = next;
        Some(Word {
            word,
            whitespace: spaces,
            penalty: "",
            width: width(word),
        })
    })
}

/// Where the first word ends, if there is one. It goes on through the spaces of a command that begins in it, but of one alone: who
/// chooses the text can't make all of it one word. Each character is read a bounded number of times, for texts may be megabytes.
fn word_end(text: &str) -> Option<usize> {
    let end_from = |start| {
        let rest = text.get(start..)?;
        Some(start + rest.find(' ').unwrap_or(rest.len()))
    };
    let end = end_from(0)?;
    let mut at = 0;
    while let Some(open) = text.get(at..end)?.find('`') {
        at += open + 1;
        let mut inside = text.get(at..)?.char_indices().take(COMMAND + 1);
        // A backtick alone is a character like any other.
        if let Some((close, _)) = inside.find(|(_, character)| *character == '`') {
            at += close + 1;
        }
        if at > end {
            return end_from(at);
        }
    }
    (!text.is_empty()).then_some(end)
}

/// With how many spaces the text begins.
fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// Puts the pieces on as few lines as they fit on, two spaces apart: a line breaks between two of them, and each line but the first is
/// indented so far. Without a terminal it is one line.
pub fn pack(pieces: &[String], indent: usize, columns: Option<usize>) -> String {
    let mut text = String::new();
    let mut column = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let own = width(piece);
        if column > 0 {
            if columns.is_some_and(|columns| column + 2 + own > columns) {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                text.push_str("  ");
                column += 2;
            }
        }
        text.push_str(piece);
        column += own;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::style::{BAD, paint};

    #[test]
    fn a_line_breaks_between_words_and_the_rest_is_indented() {
        let text = "  one two three four\nfive\n";
        assert_eq!(
            lines(text, Some(11)),
            "  one two\n    three\n    four\nfive\n"
        );
        assert_eq!(lines(text, None), text);
    }

    #[test]
    fn a_command_stays_on_one_line() {
        let text = "help: `kill_port --force 8080` sends SIGKILL";
        assert_eq!(
            lines(text, Some(30)),
            "help: `kill_port --force 8080`\n  sends SIGKILL"
        );
        let long = format!("`{}`", "word ".repeat(30));
        assert!(lines(&long, Some(40)).lines().count() > 3);
        // A backtick alone is no command.
        assert_eq!(lines("a ` b c d", Some(5)), "a ` b\n  c d");
    }

    #[test]
    fn colours_take_no_room() {
        let text = format!("{} two three", paint(BAD, "one"));
        assert_eq!(
            lines(&text, Some(7)),
            format!("{} two\n  three", paint(BAD, "one"))
        );
    }

    #[test]
    fn pieces_stay_whole_where_they_fit() {
        let pieces = ["one two", "three", "", "four five six"].map(String::from);
        assert_eq!(
            pack(&pieces, 2, Some(16)),
            "one two  three\n  four five six"
        );
        assert_eq!(pack(&pieces, 2, None), "one two  three  four five six");
    }

    #[test]
    fn of_backticks_that_somebody_chose_no_wider_word_is_made() {
        for text in [
            format!("` {}", "``x ".repeat(1000)),
            format!("`a {}", "b`c` ".repeat(1000)),
            format!("x{}y z", " ".repeat(4000)),
            format!("{}a b c", " ".repeat(4000)),
        ] {
            for line in lines(&text, Some(80)).lines() {
                assert!(width(line) <= 80, "{line:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_wider_than_it_must_be(
            text in "([a-z`漢\u{644}\u{627}\u{1f3fb}]{0,9} {0,3}|`[a-z ]{0,70}`){0,30}", columns in 0usize..60,
        ) {
            let wrapped = lines(&text, Some(columns));
            prop_assert!(wrapped.split_whitespace().eq(text.split_whitespace()), "{:?}", wrapped);
            for line in wrapped.lines() {
                let words = words(line.trim_start()).count();
                prop_assert!(width(line) <= columns || words == 1, "{:?}", line);
            }
        }

        #[test]
        fn a_word_has_the_spaces_of_one_command_at_most(text in "[a` ]{0,300}") {
            for word in words(&text) {
                let longest = text.split(' ').map(str::len).max().unwrap_or(0);
                prop_assert!(word.width <= 2 * longest + COMMAND, "{:?}", word);
            }
        }

        #[test]
        fn any_text_is_wrapped_without_a_panic(text in any::<String>(), columns in 0usize..40) {
            let wrapped = lines(&text, Some(columns));
            prop_assert!(wrapped.split_whitespace().eq(text.split_whitespace()), "{:?}", wrapped);
        }

        #[test]
        fn any_line_is_made_of_its_words(text in any::<String>()) {
            let whole: String = words(&text).flat_map(|word| [word.word, word.whitespace]).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
