//! What has to hold for hostile input, as functions that panic where it does not: for cargo-fuzz (`fuzz/`), and for the test below, which
//! feeds them everything that was ever found. None of it is in the program.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use kill_port::{Protocol, Target, printable};

use crate::columns::{self, Kind, WHOLE};
use crate::picker::key::Keys;
use crate::ports;
use crate::words::{self, command_line, cut, quoted, width};
use crate::write::json::escape;
use crate::{duration, wrap};

/// PORTs, as arguments that end with a line's end or a NUL, behind a byte that chooses `--tcp` or `--udp`. And the same as one pasted line.
pub fn ports(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let only = [None, Some(Protocol::Tcp), Some(Protocol::Udp)][usize::from(choice % 3)];
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let arguments: Vec<&str> = text.split(['\n', '\0']).collect();
    asked(&arguments, only);
    let words: Vec<&str> = text.split_whitespace().collect();
    asked(&words, only);
}

/// What is understood is ports, and asks for the same again when it is printed. What is refused is refused in one line that is safe to print, and
/// what that line says to type is understood.
fn asked(arguments: &[&str], only: Option<Protocol>) {
    match ports::ranges(arguments, only) {
        Ok(ranges) => {
            let mut count = 0;
            for range in ranges {
                count += range.targets().size_hint().0;
                let first = range.targets().next().expect("no empty range");
                assert_ne!(first.port(), 0);
                assert!(only.is_none() || first.protocol() == only);
                let printed = match range.targets().nth(1) {
                    None => first.to_string(),
                    Some(_) => range.to_string(),
                };
                assert_eq!(ports::ranges(&[printed], None), Ok(vec![range]));
            }
            // More take a while.
            if count < 300 {
                each_once(arguments, only);
            }
        }
        Err(line) => {
            is_safe(&line);
            // Somebody else's backticks are not the command's.
            let is_clear = !arguments.iter().any(|argument| argument.contains('`'));
            let examples = line.split("`kill_port ").skip(1).filter(|_| is_clear);
            for example in examples.filter_map(|rest| rest.split('`').next()) {
                let example: Vec<&str> = example.split(' ').collect();
                assert!(ports::ranges(&example, None).is_ok(), "{line}");
            }
        }
    }
}

/// Each target once, and it is named by itself or in a range.
fn each_once(arguments: &[&str], only: Option<Protocol>) {
    let ports = ports::parse(arguments, only).expect("what was understood");
    let each: HashSet<&Target> = ports.targets.iter().collect();
    assert_eq!(each.len(), ports.targets.len());
    for target in &ports.targets {
        assert_eq!(target.to_string().parse(), Ok(*target));
        let is_in_range = ports.ranges.iter().any(|range| range.contains(*target));
        assert!(ports.is_single(*target) || is_in_range);
    }
}

/// A command line, its arguments ended by NULs, on a terminal as wide as the first byte says. Nothing deceives, nothing is wider than it may be
/// and nothing is lost.
pub fn screen(bytes: &[u8]) {
    let Some((columns, rest)) = bytes.split_first() else {
        return;
    };
    let columns = usize::from(columns % 100);
    let command: Vec<OsString> = rest
        .split(|&byte| byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    let line = command_line(&command);
    is_safe(&line);
    assert!(line.len() < 17 * 1024);
    for word in &command {
        word_of_a_shell(&word.to_string_lossy());
    }
    let short = cut(&line, columns);
    assert!(width(&short) <= columns.max(1));
    let wrapped = wrap::lines(&line, Some(columns));
    assert!(wrapped.split_whitespace().eq(line.split_whitespace()));
    table(&line, &short, columns);
    // Text of somebody else that was not made safe, as in the messages of the library.
    let text = String::from_utf8_lossy(rest);
    let wrapped = wrap::lines(&text, Some(columns));
    assert!(wrapped.split_whitespace().eq(text.split_whitespace()));
    json(&text);
}

/// The word in quotes is what a shell makes of it.
fn word_of_a_shell(word: &str) {
    let written = quoted(word);
    is_safe(&written);
    if matches!(printable(word), Cow::Borrowed(_)) {
        let mut made = String::new();
        let mut is_quoted = false;
        let mut characters = written.chars();
        while let Some(character) = characters.next() {
            match character {
                '\'' => is_quoted = !is_quoted,
                '\\' if !is_quoted => made.extend(characters.next()),
                _ => made.push(character),
            }
        }
        assert!(!is_quoted && !written.is_empty());
        assert_eq!(made, word);
    }
}

/// A row is no wider than the terminal.
fn table(one: &str, other: &str, columns: usize) {
    const KINDS: [Kind<[String; 3]>; 3] = [
        Kind::new("PORT", |row| &row[0], WHOLE, WHOLE, 1),
        Kind::new("PROJECT", |row| &row[1], 7, 12, 0),
        Kind::new("COMMAND", |row| &row[2], 8, WHOLE, 2),
    ];
    let rows = [["80", one, other], ["3000", other, one]].map(|row| row.map(String::from));
    let shown = columns::fitting(&KINDS, rows.iter(), columns);
    for row in &rows {
        let line = columns::line(row, &shown, |_| None);
        assert!(width(&line) <= columns.max(1), "{line:?}");
        is_safe(&line);
    }
}

/// JSON is the same for a program, and safe on a terminal.
fn json(text: &str) {
    let json = serde_json::to_string(text).expect("JSON");
    let escaped = escape::escape(&json);
    is_safe(&escaped);
    assert_eq!(
        serde_json::from_str::<String>(&escaped).expect("JSON"),
        text
    );
}

/// What a terminal sends, and durations. Keys come out the same however the bytes are cut, and every wait has an end.
pub fn keys(bytes: &[u8]) {
    let mut whole = Keys::default();
    let all = whole.feed(bytes);
    let mut cut = Keys::default();
    let each: Vec<_> = bytes.iter().flat_map(|byte| cut.feed(&[*byte])).collect();
    assert_eq!(all, each);
    assert_eq!(whole.is_begun(), cut.is_begun());
    assert!(all.len() <= bytes.len());
    assert!(
        !whole.is_begun() || !bytes.ends_with(&[3]),
        "Ctrl-C is one at once"
    );
    if let Ok(text) = std::str::from_utf8(bytes) {
        match duration::parse(text) {
            Ok(duration) => {
                assert!(duration <= Duration::from_secs(86_400));
                is_safe(&words::duration(duration));
            }
            Err(line) => is_safe(&line),
        }
    }
}

fn is_safe(text: &str) {
    assert!(
        !text.contains(|character: char| character.is_control()),
        "{text:?}"
    );
    assert_eq!(printable(text), text);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_fuzzing_has_found_is_understood_or_refused() {
        type Check = fn(&[u8]);
        let all: [(&str, Check); 3] = [
            ("keys", super::keys),
            ("ports", super::ports),
            ("screen", super::screen),
        ];
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        if !corpus.exists() {
            eprintln!("SKIPPED: what was found is in the repository, not in the package");
            return;
        }
        for (name, check) in all {
            let mut found = 0;
            for entry in fs::read_dir(corpus.join(name)).expect(name) {
                let path = entry.expect(name).path();
                eprintln!("{}", path.display());
                check(&fs::read(path).expect(name));
                found += 1;
            }
            assert!(found > 0, "{name}");
        }
    }
}
