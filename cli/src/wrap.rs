//! Lines that end at the edge of the terminal, and not inside a word.

use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// How far the rest of a line that goes on is indented.
const HANGING: usize = 2;

/// A command in a sentence stays on one line, so that it can be copied, unless it is longer than this.
const COMMAND: usize = 60;

/// Breaks every line that is wider than the terminal between two words. The rest is indented a little more than the line.
///
/// A single word that is wider stays whole.
pub fn lines(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let mut wrapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if display_width(line) <= width {
            wrapped.push_str(line);
        } else {
            wrapped.push_str(&narrow(line, width));
        }
        wrapped.push_str(end);
    }
    wrapped
}

fn narrow(line: &str, width: usize) -> String {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let (first, rest) = (" ".repeat(indent), " ".repeat(indent + HANGING));
    let options = Options::new(width)
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
        let end = word_end(rest)?;
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(Word::from(word))
    })
}

/// Behind the spaces that follow the first word.
fn word_end(text: &str) -> Option<usize> {
    let mut at = 0;
    for piece in text.split_inclusive(' ') {
        at += piece.len();
        let word = text.get(..at)?;
        let is_whole = word.matches('`').count() % 2 == 0 || !closes_soon(text.get(at..)?);
        if is_whole && !text.get(at..)?.starts_with(' ') {
            return Some(at);
        }
    }
    (!text.is_empty()).then_some(text.len())
}

fn closes_soon(rest: &str) -> bool {
    rest.find('`').is_some_and(|at| at <= COMMAND)
}

/// Puts the pieces on as few lines as they fit on, two spaces apart: a line breaks between two of them, and each line but the first is
/// indented so far. Without a terminal it is one line.
pub fn pack(pieces: &[String], indent: usize, width: Option<usize>) -> String {
    let mut text = String::new();
    let mut column = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let own = display_width(piece);
        if column > 0 {
            if width.is_some_and(|width| column + 2 + own > width) {
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

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_wider_than_it_must_be(
            words in proptest::collection::vec("[a-z`漢]{1,9}", 0..30), width in 20usize..60,
        ) {
            let text = words.join(" ");
            let wrapped = lines(&text, Some(width));
            prop_assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), words.iter().map(String::as_str).collect::<Vec<_>>());
            if !text.contains('`') {
                for line in wrapped.lines() {
                    prop_assert!(display_width(line) <= width, "{:?}", line);
                }
            }
        }

        #[test]
        fn any_text_is_wrapped_without_a_panic(text in any::<String>(), width in 0usize..40) {
            lines(&text, Some(width));
        }
    }
}
