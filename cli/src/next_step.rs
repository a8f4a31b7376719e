//! What to do next, in the command's own words and options. No other file gives advice.

use kill_port::{
    Advice, Cause, Error, Fate, HiddenCause, HiddenSocket, Include, Obstacle, Restarts, Signal,
    Supervisor, Target, printable,
};

use crate::user;

/// Nothing was asked for.
pub const NAME_A_PORT: &str =
    "no port is named; name one, as in `kill_port 8080`, or see `kill_port --help`";

/// `--interactive` in a pipe.
pub const NO_TERMINAL_TO_ASK_ON: &str =
    "--interactive needs a terminal to ask on; `kill_port --dry-run` shows what would be done";

/// The command line is wrong.
pub const SEE_HELP: &str = "see `kill_port --help`";

/// A signal that is given as `kill` takes it.
pub fn name_signal(signal: Signal) -> String {
    format!("a signal is named by `--signal {}`", signal.name())
}

/// Somebody pasted more than an address.
pub fn is_enough(local: &str) -> String {
    format!("`kill_port {local}` is enough")
}

/// The address is none of this machine's.
pub fn any_address(port: u16) -> String {
    format!("`kill_port {port}` frees the port on every address")
}

/// What frees the target all the same.
pub fn after(obstacle: &Obstacle, target: Target) -> Option<String> {
    let advice = obstacle.advice()?;
    Some(match advice {
        Advice::MoreRights => as_root(&format!("{target}"), ""),
        advice => in_options(advice, target),
    })
}

/// Where a person pressed Ctrl-C.
pub fn after_interrupt(error: &Error) -> String {
    let target = error.target();
    let mut told = error
        .holders()
        .iter()
        .filter(|report| !report.signals.is_empty());
    if told.clone().next().is_none() {
        return format!("nobody was signalled; `kill_port {target}` goes on");
    }
    if told.any(|report| report.fate != Fate::Exited) {
        return format!("`kill_port -f {target}` sends SIGKILL; without -f, it waits again");
    }
    format!("`kill_port --why {target}` shows what holds it now")
}

/// What stops a supervisor that would start the holder again.
pub fn before(supervisor: &Supervisor, target: Target) -> Option<String> {
    let is_ended_too = supervisor.unit.is_none() && supervisor.others.is_empty();
    match supervisor.restarts {
        _ if supervisor.would_end => None,
        Restarts::OnChange | Restarts::Perhaps if is_ended_too => {
            Some(format!("`kill_port --supervisor {target}` ends it as well"))
        }
        _ => beside(supervisor),
    }
}

/// What stops a supervisor whose server has ended.
pub fn beside(supervisor: &Supervisor) -> Option<String> {
    match supervisor.advice.as_ref()? {
        Advice::Run(command) => Some(format!("`{}` stops it", printable(command))),
        advice => Some(advice.to_string()),
    }
}

/// What makes the target bindable.
pub fn against(cause: &Cause, target: Target) -> String {
    match cause.advice() {
        Some(Advice::MoreRights) => as_root(&format!("--why {target}"), " shows who it is"),
        Some(advice) => in_options(advice, target),
        None => String::new(),
    }
}

/// The library's advice, in the options of this command.
fn in_options(advice: &Advice, target: Target) -> String {
    let command = |options: &str, effect: &str| format!("`kill_port {options}{target}` {effect}");
    match advice {
        Advice::Kill => command("", "ends it"),
        Advice::Include(Include::Ancestors) => {
            command("--include ancestors ", "ends it all the same")
        }
        Advice::Include(Include::Clients) => command("--connections ", "ends it"),
        Advice::Protocol(protocol) => {
            let target = target.with_protocol(*protocol);
            format!("`kill_port {target}` ends it")
        }
        Advice::Force => command("--force ", "sends SIGKILL"),
        Advice::Supervisor(process) => command("--supervisor ", &format!("ends {process} as well")),
        Advice::Processes => command("", "ends it"),
        Advice::AgreeAgain => "run it again to be asked about who is there now".into(),
        advice => advice.to_string(),
    }
}

fn as_root(arguments: &str, effect: &str) -> String {
    if cfg!(windows) {
        "run it as administrator".into()
    } else {
        format!("`sudo kill_port {arguments}`{effect}")
    }
}

/// How to see who holds these sockets, if another user would see more.
pub fn to_see<'a>(mut hidden: impl Iterator<Item = &'a HiddenSocket>) -> Option<&'static str> {
    if user::is_root() || !hidden.any(|hidden| hidden.cause == HiddenCause::Unreadable) {
        return None;
    }
    Some(if cfg!(windows) {
        "an administrator sees who holds the sockets without a process"
    } else {
        "`sudo kill_port --list` shows who holds the sockets without a process"
    })
}
