//! How processes and durations are named for people. Everything here is safe to print.

use std::ffi::OsString;
use std::time::Duration;

use kill_port::{Fate, HolderReport, Process, SparedReason, printable};
use unicode_width::UnicodeWidthChar as _;

/// Some command lines are megabytes, and nobody reads more than a line: so many bytes of one are kept.
const COMMAND_LINE: usize = 16 * 1024;

/// What holders were sent and what became of them, which is the same for all.
pub fn fate(reports: &[&HolderReport]) -> String {
    let Some(report) = reports.first() else {
        return String::new();
    };
    // Windows has none: whatever was asked for, processes are ended there.
    let signals = report.signals.iter().filter(|_| !cfg!(windows));
    let signals: Vec<String> = signals.map(ToString::to_string).collect();
    let signals = signals.join(", then ");
    let has_ended = matches!(report.fate, Fate::Exited | Fate::Released);
    let after = if reports.len() > 1 && has_ended {
        "within"
    } else {
        "after"
    };
    let after = match reports.iter().filter_map(|report| report.elapsed).max() {
        Some(elapsed) => format!(" {after} {}", duration(elapsed)),
        None => String::new(),
    };
    let sent = if signals.is_empty() {
        String::new()
    } else {
        format!("{signals}, ")
    };
    match report.fate {
        Fate::Exited => format!("{sent}exited{after}"),
        Fate::Released => format!("{sent}released the port{after}, still shutting down"),
        Fate::Survived => format!("{sent}still there{after}"),
        Fate::Spared(reason) => format!("spared: {}", spared(reason)),
        Fate::Withheld => "not signalled: the port would stay held".into(),
        Fate::Denied => "not permitted to signal it".into(),
        Fate::WouldSignal if signals.is_empty() => "would be ended".into(),
        Fate::WouldSignal => format!("would be sent {signals}"),
        _ => format!("{sent}{}", report.fate.as_str()),
    }
}

fn spared(reason: SparedReason) -> &'static str {
    match reason {
        SparedReason::Caller => "kill_port itself",
        SparedReason::Ancestor => "an ancestor of kill_port",
        SparedReason::PerhapsAncestor => "perhaps an ancestor of kill_port",
        SparedReason::Init => "a service manager",
        SparedReason::Kernel => "a kernel thread",
        SparedReason::System => "a part of Windows",
        SparedReason::Client => "perhaps only a client",
        SparedReason::Shell => "somebody types into it",
        SparedReason::Needed => "others depend on it",
        SparedReason::Editor => "an editor, whose windows would end with it",
        SparedReason::Outside => "it works outside the folder asked for",
        SparedReason::FolderUnknown => "it can't be told where it works",
        SparedReason::NotAgreed => "you were not asked about it",
        SparedReason::Forwarder => "it forwards the port to a container",
        SparedReason::NoContainer => "only containers were to be stopped",
        _ => reason.as_str(),
    }
}

/// `0.4 ms`, `12 ms`, `2.3 s`, `1 min 5 s`
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.00995 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        let seconds = duration.as_secs();
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// The project that a process works for, as far as the last part of its folder tells.
pub fn project(process: &Process) -> Option<String> {
    let folder = process.cwd.as_deref()?;
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    Some(printable(&name.to_string_lossy()).into_owned())
}

/// A command line as a person would type it, safe to print. Of a long one the start, with an ellipsis.
pub fn command_line(command: &[OsString]) -> String {
    // A server that renames itself (`nginx: master process …`) leaves one argument that is prose.
    if let [only] = command {
        return limited(printable(&only.to_string_lossy()).into_owned());
    }
    let mut line = String::new();
    for argument in command {
        let argument = argument.to_string_lossy();
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&quoted(&argument));
        if line.len() > COMMAND_LINE {
            break;
        }
    }
    limited(line)
}

fn limited(mut line: String) -> String {
    if line.len() > COMMAND_LINE {
        let mut ends = (0..=COMMAND_LINE).rev();
        let end = ends.find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or(0));
        line.push('…');
    }
    line
}

/// The word as a shell takes it, safe to print.
pub fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty()
        && word.chars().all(|character| {
            !character.is_whitespace() && !"'\"\\$`|&;<>()*?![]{}#~".contains(character)
        });
    if is_plain {
        printable(word).into_owned()
    } else {
        format!("'{}'", printable(word).replace('\'', "'\\''"))
    }
}

/// The columns that the text takes on a terminal, without the escape sequences of its colours. Never fewer, where terminals differ.
///
/// Each character counts alone. Good fonts join some of them (a ligature, a thumb and its colour, a letter below a letter), and
/// `UnicodeWidthStr` counts them as one; most terminals give each its own columns, and a row that was measured so would break.
pub fn width(text: &str) -> usize {
    let plain = anstream::adapter::strip_str(text);
    plain.flat_map(str::chars).map(width_of).sum()
}

/// As the most generous of the common terminals (those that ask `wcwidth` of glibc, VTE, xterm, kitty) has it.
fn width_of(character: char) -> usize {
    let least = match character {
        // Halves of flags, each of which kitty draws alone; marks and numbers that are wide for glibc.
        '\u{302e}'..='\u{302f}'
        | '\u{3248}'..='\u{324f}'
        | '\u{16ff0}'..='\u{16ff1}'
        | '\u{1f1e6}'..='\u{1f1ff}' => 2,
        // Vowels that stand beside their letter, and signs before a number: Unicode joins them, a terminal gives them a cell. Of
        // scripts that are seldom seen whole blocks, for the sake of brevity.
        '\u{605}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{9be}'
        | '\u{9d7}'
        | '\u{b3e}'
        | '\u{b57}'
        | '\u{bbe}'
        | '\u{bd7}'
        | '\u{cc0}'..='\u{cc2}'
        | '\u{cc7}'..='\u{cd6}'
        | '\u{d3e}'
        | '\u{d4e}'
        | '\u{d57}'
        | '\u{dcf}'
        | '\u{ddf}'
        | '\u{1700}'..='\u{1734}'
        | '\u{1b00}'..='\u{1bff}'
        | '\u{a8fa}'
        | '\u{a950}'..='\u{a9df}'
        | '\u{11000}'..='\u{11fff}'
        | '\u{1d165}'..='\u{1d172}' => 1,
        _ => 0,
    };
    character.width().unwrap_or(0).max(least)
}

/// The text, which has no colours, cut to so many columns, with an ellipsis if anything is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let mut cut = String::new();
    for character in text.chars() {
        let Some(rest) = left.checked_sub(width_of(character)) else {
            break;
        };
        left = rest;
        cut.push(character);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_short() {
        for (micros, text) in [
            (0, "0.0 ms"),
            (400, "0.4 ms"),
            (9_949, "9.9 ms"),
            (9_951, "10 ms"),
            (340_000, "340 ms"),
            (999_400, "999 ms"),
            (999_600, "1.0 s"),
            (2_340_000, "2.3 s"),
            (65_000_000, "1 min 5 s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn command_lines_are_quoted_where_a_shell_would_need_it() {
        let line = |arguments: &[&str]| {
            command_line(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert_eq!(line(&["sh", "-c", "sleep 1"]), "sh -c 'sleep 1'");
        assert_eq!(line(&["node", "it's", ""]), "node 'it'\\''s' ''");
        assert_eq!(
            line(&["nginx: master process nginx"]),
            "nginx: master process nginx"
        );
        assert_eq!(line(&["a", "\u{1b}[31m\n"]), "a '\\u{1b}[31m\\n'");
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn a_long_command_line_is_cut_between_two_characters() {
        let title = OsString::from(format!("x{}", "漢".repeat(10_000)));
        for command in [
            vec![title.clone()],
            vec!["node".into(), title.clone()],
            vec![title; 3],
        ] {
            let line = command_line(&command);
            assert!(line.ends_with("漢…"), "{}", line.len());
            assert!((COMMAND_LINE..COMMAND_LINE + 4).contains(&line.len()));
        }
    }

    #[test]
    fn each_character_has_its_own_columns() {
        for (text, columns) in [
            ("node", 4),
            ("漢字", 4),
            ("e\u{301}", 1),
            // A ligature, a thumb with a colour, a letter below a letter, a flag, a vowel beside its letter.
            ("\u{644}\u{627}", 2),
            ("\u{1f44d}\u{1f3fb}", 4),
            ("\u{1780}\u{17d2}\u{1780}", 2),
            ("\u{1f1e9}\u{1f1ea}", 4),
            ("\u{995}\u{9be}", 2),
            ("\u{1b}[31mred\u{1b}[0m", 3),
        ] {
            assert_eq!(width(text), columns, "{text:?}");
        }
        assert_eq!(
            cut(&"\u{644}\u{627}".repeat(3), 5),
            "\u{644}\u{627}\u{644}\u{627}…"
        );
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in any::<String>(), columns in 1usize..40) {
            let text = kill_port::printable(&text).into_owned();
            prop_assert!(width(&cut(&text, columns)) <= columns);
        }

        #[test]
        fn no_character_counts_less_than_alone(text in any::<String>()) {
            let text = kill_port::printable(&text).into_owned();
            let each = text.chars().map(|character| width(character.encode_utf8(&mut [0; 4])));
            prop_assert_eq!(width(&text), each.sum::<usize>());
        }
    }
}
