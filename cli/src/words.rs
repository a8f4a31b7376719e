//! How processes, containers and durations are named for people. Everything here is safe to print.

use std::ffi::OsString;
use std::time::Duration;

use kill_port::containers::{Container, PublishedPort, StoppedContainer};
use kill_port::{Fate, HolderReport, Plan, Process, SparedReason, printable};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::style::{BOLD, WARN, paint};

/// So many published ports are named; a range may have thousands.
const PORTS: usize = 4;

/// `node (PID 4711)`
pub fn who(process: &Process) -> String {
    if process.name.is_empty() {
        return format!("PID {}", process.pid);
    }
    format!("{} (PID {})", printable(&process.name), process.pid)
}

/// What a holder was sent and what became of it.
pub fn fate(report: &HolderReport) -> String {
    let signals: Vec<String> = report.signals.iter().map(ToString::to_string).collect();
    let signals = signals.join(", then ");
    let after = match report.elapsed {
        Some(elapsed) => format!(" after {}", duration(elapsed)),
        None => String::new(),
    };
    let sent = if signals.is_empty() {
        String::new()
    } else {
        format!("{signals}, ")
    };
    match report.fate {
        Fate::Exited => format!("{sent}exited{after}"),
        Fate::Released => format!("{sent}gave up the port{after} and goes on"),
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
        SparedReason::Init => "PID 1",
        SparedReason::Kernel => "a kernel thread",
        SparedReason::System => "a part of Windows",
        SparedReason::Client => "perhaps only a UDP client",
        SparedReason::Forwarder => "it forwards the port to a container",
        _ => reason.as_str(),
    }
}

/// The user of a process, where it is not the caller.
pub fn foreign_user(process: &Process) -> Option<String> {
    if process.uid.is_some() && process.uid == own_uid() {
        return None;
    }
    user(process.user.as_deref(), process.uid)
}

/// A user by name, or by number where it has none.
pub fn user(name: Option<&str>, uid: Option<u32>) -> Option<String> {
    name.map(|name| printable(name).into_owned())
        .or_else(|| uid.map(|uid| uid.to_string()))
}

#[cfg(unix)]
fn own_uid() -> Option<u32> {
    Some(nix::unistd::geteuid().as_raw())
}

#[cfg(not(unix))]
fn own_uid() -> Option<u32> {
    None
}

/// A container that was ended by its engine.
pub fn stopped(stopped: &StoppedContainer) -> String {
    let how = if stopped.killed { "killed" } else { "stopped" };
    line(
        "  ",
        &stopped.container,
        &format!("{how} after {}", duration(stopped.elapsed)),
    )
}

/// A container and what happens to it.
fn line(indent: &str, container: &Container, what: &str) -> String {
    let mut rest = format!("  {what}  image {}", printable(&container.image));
    rest.push_str("  publishes ");
    rest.push_str(&ports(&container.ports));
    if let Some(compose) = &container.compose {
        rest.push_str("  ");
        rest.push_str(&printable(&compose.to_string()));
    }
    if let Some(policy) = &container.restart_policy {
        rest.push_str("  restart policy ");
        rest.push_str(&printable(policy));
    }
    format!(
        "{indent}{}{rest}\n",
        paint(BOLD, self::container(container))
    )
}

/// What ending the holders would do beside that.
pub fn consequences(indent: &str, plan: &Plan) -> String {
    let mut text: String = plan
        .containers
        .iter()
        .map(|container| line(indent, container, "would be stopped"))
        .collect();
    for supervisor in &plan.supervisors {
        let warning = format!("{} may start it again", who(supervisor));
        text += &format!("{indent}{}\n", paint(WARN, warning));
    }
    text
}

/// `web (0123456789ab), image nginx:1.27, compose service shop/front`
pub fn summary(container: &Container) -> String {
    let mut text = format!(
        "{} ({}), image {}",
        printable(container.display_name()),
        container.short_id(),
        printable(&container.image)
    );
    if let Some(compose) = &container.compose {
        text.push_str(", ");
        text.push_str(&printable(&compose.to_string()));
    }
    text
}

/// `container web (0123456789ab)`
pub fn container(container: &Container) -> String {
    let id = container.short_id();
    if container.name.is_empty() {
        return format!("container {id}");
    }
    format!("container {} ({id})", printable(&container.name))
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp and 3 more`
fn ports(ports: &[PublishedPort]) -> String {
    let named: Vec<String> = ports.iter().take(PORTS).map(ToString::to_string).collect();
    let named = named.join(", ");
    match ports.len().saturating_sub(PORTS) {
        0 => named,
        more => format!("{named} and {more} more"),
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
        let plain = !argument.is_empty()
            && argument.chars().all(|character| {
                !character.is_whitespace() && !"'\"\\$`|&;<>()*?![]{}#~".contains(character)
            });
        if plain {
            line.push_str(&printable(&argument));
        } else {
            line.push('\'');
            line.push_str(&printable(&argument).replace('\'', "'\\''"));
            line.push('\'');
        }
        // Some command lines are megabytes; nobody reads more than a line.
        if line.len() > 16 * 1024 {
            break;
        }
    }
    line
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
