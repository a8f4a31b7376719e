//! How processes and durations are named for people. Everything here is safe to print.

use std::ffi::OsString;
use std::time::Duration;

use kill_port::{Fate, HolderReport, Process, SparedReason, printable};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

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

/// A command line as a person would type it, safe to print.
pub fn command_line(command: &[OsString]) -> String {
    // A server that renames itself (`nginx: master process …`) leaves one argument that is prose.
    if let [only] = command {
        return printable(&only.to_string_lossy()).into_owned();
    }
    let mut line = String::new();
    for argument in command {
        let argument = argument.to_string_lossy();
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&quoted(&argument));
        // Some command lines are megabytes; nobody reads more than a line.
        if line.len() > 16 * 1024 {
            break;
        }
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

/// The text cut to so many columns, with an ellipsis if anything is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let mut cut = String::new();
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
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

    proptest! {
        #[test]
        fn what_is_cut_fits(text in any::<String>(), columns in 1usize..40) {
            let text = kill_port::printable(&text).into_owned();
            prop_assert!(cut(&text, columns).width() <= columns);
        }
    }
}
