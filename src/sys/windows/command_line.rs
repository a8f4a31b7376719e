//! A command line is one string on Windows; every program takes it apart by itself, nearly all by these rules.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// Its arguments, by the rules of the C runtime: blanks separate, quotes group, a backslash is only special before a quote.
pub(super) fn arguments(line: &[u16]) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.iter().position(|&unit| !is_blank(unit)) {
        let (argument, used) = first(rest.get(start..).unwrap_or_default());
        arguments.push(OsString::from_wide(&argument));
        rest = rest.get(start + used..).unwrap_or_default();
    }
    arguments
}

/// The first argument of a line that doesn't start with a blank, and how much of the line it took.
fn first(line: &[u16]) -> (Vec<u16>, usize) {
    let mut argument = Vec::new();
    let mut quoted = false;
    let mut backslashes = 0;
    for (index, &unit) in line.iter().enumerate() {
        match unit {
            BACKSLASH => {
                backslashes += 1;
                continue;
            }
            QUOTE => {
                // Two backslashes stand for one here, and an odd one makes the quote a letter.
                argument.extend(std::iter::repeat_n(BACKSLASH, backslashes / 2));
                if backslashes % 2 == 1 {
                    argument.push(QUOTE);
                } else {
                    quoted = !quoted;
                }
            }
            unit if is_blank(unit) && !quoted => {
                argument.extend(std::iter::repeat_n(BACKSLASH, backslashes));
                return (argument, index);
            }
            unit => {
                argument.extend(std::iter::repeat_n(BACKSLASH, backslashes));
                argument.push(unit);
            }
        }
        backslashes = 0;
    }
    argument.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    (argument, line.len())
}

fn is_blank(unit: u16) -> bool {
    unit == u16::from(b' ') || unit == u16::from(b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<OsString> {
        arguments(&line.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn quotes_group_and_backslashes_escape_them() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(
            split("node  server.js\t8080 "),
            ["node", "server.js", "8080"]
        );
        assert_eq!(
            split(r#""C:\Program Files\node.exe" "a b" "" end"#),
            [r"C:\Program Files\node.exe", "a b", "", "end"]
        );
        assert_eq!(
            split(r#"x \"a\" "c:\d\\" e\f"#),
            ["x", "\"a\"", r"c:\d\", r"e\f"]
        );
        assert_eq!(split(r#"open "never closed"#), ["open", "never closed"]);
    }
}
