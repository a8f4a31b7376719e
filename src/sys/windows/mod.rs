//! Windows: process handles for signals and waiting, a Toolhelp snapshot for who started whom.
//!
//! # How a process is ended
//! There is no SIGTERM. `TerminateProcess` ends a process at once, and that is what every accepted signal means here. The softer
//! ways were looked at and left out. A console Ctrl-Break reaches a *process group* of the caller's *own console*: the caller
//! would have to attach to the holder's console, give up its own, and would hit whoever else has no group of its own there,
//! down to the shell it was started from. `WM_CLOSE` reaches windows, which a server in a terminal doesn't have, and programs
//! are free to answer it with a question.
//!
//! # Why the tree is ended through handles
//! The children of a holder often hold the port with it: a handle for the socket is inherited, while the table names only
//! the process that made it. So a holder always goes with its descendants ([`ENDS_TREES`]). The crate `kill_tree` does that
//! from PIDs, which is not good enough here: it takes whatever names the holder's PID as its parent for a child (Windows uses
//! PIDs again, and a parent's PID is never corrected, so strangers turn up), it can't be told to spare anybody, so it would end
//! the caller in a terminal of the server it frees, it ends children first, so that a master starts new ones, and the first
//! process it may not open stops it halfway. Here each process is opened, its birth compared with its parent's, and what was
//! opened is what is ended.

mod command_line;
mod handle;
mod lineage;
mod process_info;
mod table;

pub(crate) use handle::{Handle, caller, wait};
pub(crate) use lineage::{ancestors, descendants};
pub(super) use table::complete;

/// A holder goes with its descendants: see above.
pub(crate) const ENDS_TREES: bool = true;

/// An IPv6 socket that takes IPv4 as well has a row in either table.
pub(super) const WILDCARD_IS_DUAL_STACK: bool = false;

/// What `netsh int ipv4 show dynamicport tcp` prints unless an administrator changed it; no call returns it.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    49152..=65535
}

/// Windows has no user IDs.
pub(crate) fn user_name(_uid: u32) -> Option<String> {
    None
}

/// The processes of which it can't be told what they hold: Windows keeps nothing back.
#[expect(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
pub(super) fn unreadable() -> std::io::Result<Vec<u32>> {
    Ok(Vec::new())
}
