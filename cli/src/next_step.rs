//! What to do next, in the command's own words and options. No other file gives advice.

use kill_port::{Cause, HiddenCause, HiddenSocket, Obstacle, Target};

use crate::user;

/// Nothing was asked for.
pub const NAME_A_PORT: &str =
    "no port is named; name one, as in `kill_port 8080`, or see `kill_port --help`";

/// `--interactive` in a pipe.
pub const NO_TERMINAL_TO_ASK_ON: &str =
    "--interactive needs a terminal to ask on; `kill_port --dry-run` shows what would be done";

/// The command line is wrong.
pub const SEE_HELP: &str = "see `kill_port --help`";

/// The address is none of this machine's.
pub fn any_address(port: u16) -> String {
    format!("`kill_port {port}` frees the port on every address")
}

/// What frees the target all the same.
pub fn after(obstacle: &Obstacle, target: Target) -> Option<String> {
    obstacle.help(target)
}

/// What makes the target bindable.
pub fn against(cause: &Cause, target: Target) -> String {
    cause.remedy(target)
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

/// Somebody else came while a person was being asked.
pub fn taken_meanwhile(target: Target) -> String {
    format!(
        "{target}: another process has taken it since you were asked and is left alone; run it again"
    )
}
