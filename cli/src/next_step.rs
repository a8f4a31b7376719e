//! What to do next, in the command's own words and options. No other file gives advice.

use std::sync::OnceLock;

use kill_port::{
    Advice, Cause, Error, Fate, HiddenCause, HiddenSocket, Include, Obstacle, Protocol, Restarts,
    Signal, Supervisor, Target, printable,
};

use crate::args::Given;
use crate::sudo;
use crate::user;
use crate::words::quoted;

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
        Advice::MoreRights => as_root(&again("", &[], target), ""),
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
        let line = to_end("", &[], target);
        return format!("nobody was signalled; {line} goes on");
    }
    if told.any(|report| report.fate != Fate::Exited) {
        let line = to_end("--force", &MILDER, target);
        return format!("{line} {FORCE}; without --force, it waits again");
    }
    format!("`kill_port --why {target}` shows what holds it now")
}

/// What stops a supervisor that would start the holder again.
pub fn before(supervisor: &Supervisor, target: Target) -> Option<String> {
    let line = || to_end("--supervisor", &["supervisor"], target);
    match supervisor.restarts {
        _ if supervisor.would_end => None,
        Restarts::OnChange if supervisor.may_end => Some(format!("{} ends it as well", line())),
        Restarts::Perhaps if supervisor.may_end => {
            Some(format!("{} ends it as well if it does", line()))
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
        Some(Advice::MoreRights) => as_root(&again("", &[], target), " shows who it is"),
        Some(advice) => in_options(advice, target),
        None => String::new(),
    }
}

/// The library's advice, in the options of this command.
fn in_options(advice: &Advice, target: Target) -> String {
    let command = |option: &str, instead_of: &[&str], effect: &str| {
        let line = to_end(option, instead_of, target);
        format!("{line} {effect}")
    };
    match advice {
        Advice::Kill => command("", &[], "ends it"),
        Advice::Include(Include::Ancestors) => {
            command("--include ancestors", &[], "ends it all the same")
        }
        Advice::Include(Include::Clients) => command("--connections", &["connections"], "ends it"),
        Advice::Include(Include::Editors) => command("--include editors", &[], "ends it"),
        Advice::Include(Include::Forwarders) => command("--include forwarders", &[], "ends it"),
        Advice::Rather(text, include) => {
            let instead = in_options(&Advice::Include(*include), target);
            format!("{}; {instead} all the same", printable(text))
        }
        Advice::Protocol(protocol) => {
            let only = |protocol| to_end("", &[], target.with_protocol(protocol));
            let other = match protocol {
                Protocol::Tcp => Protocol::Udp,
                _ => Protocol::Tcp,
            };
            format!(
                "{} ends it, and {} leaves it alone",
                only(*protocol),
                only(other)
            )
        }
        Advice::Force => command("--force", &MILDER, FORCE),
        Advice::Supervisor(process) => command(
            "--supervisor",
            &["supervisor"],
            &format!("ends {process} as well"),
        ),
        Advice::Processes => command("", &["containers"], "ends it"),
        Advice::Anywhere => {
            "choose another port, or leave `--in` out if it is to be ended all the same".into()
        }
        Advice::AgreeAgain => "run it again to be asked about who is there now".into(),
        advice => advice.to_string(),
    }
}

/// What `--force` does.
const FORCE: &str = if cfg!(windows) {
    "ends it at once"
} else {
    "sends SIGKILL"
};

/// What SIGKILL at once takes the place of.
const MILDER: [&str; 4] = ["force", "signal", "grace", "no_escalate"];

/// With these nobody is ended.
const LOOKS: [&str; 2] = ["dry_run", "why"];

/// This command line again, to end what it did not, with one option more and without some.
fn to_end(option: &str, without: &[&str], target: Target) -> String {
    let line = again(option, &[without, &LOOKS].concat(), target);
    format!("`kill_port {line}`")
}

/// This command line without `--why`, so that it acts.
pub fn in_earnest(target: Target) -> String {
    to_end("", &[], target)
}

/// The options of this command line.
static GIVEN: OnceLock<Vec<Given>> = OnceLock::new();

/// Every command that a help names from now on has these options as well: otherwise it would do something else than what was
/// asked for.
pub fn repeat(given: &[Given]) {
    let _ = GIVEN.set(given.to_vec());
}

/// The arguments of this command line for this target, with one option more, and without some.
fn again(option: &str, without: &[&str], target: Target) -> String {
    let given = GIVEN.get().map(Vec::as_slice).unwrap_or_default();
    let kept = given
        .iter()
        .filter(|given| !without.contains(&given.id.as_str()));
    let options = kept.map(|given| given.text.as_str()).chain([option]);
    let mut line: String = options
        .filter(|text| !text.is_empty())
        .flat_map(|text| [text, " "])
        .collect();
    line += &quoted(&target.to_string());
    line
}

fn as_root(arguments: &str, effect: &str) -> String {
    if cfg!(windows) {
        "run it as administrator".into()
    } else {
        format!("`sudo {} {arguments}`{effect}", sudo::name())
    }
}

/// How to see who holds these sockets, if another user would see more.
pub fn to_see<'a>(mut hidden: impl Iterator<Item = &'a HiddenSocket>) -> Option<String> {
    if user::is_root() || !hidden.any(|hidden| hidden.cause == HiddenCause::Unreadable) {
        return None;
    }
    Some(if cfg!(windows) {
        "an administrator sees who holds the sockets without a process".into()
    } else {
        as_root("--list", " shows who holds the sockets without a process")
    })
}
