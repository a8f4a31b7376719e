//! Windows: process handles for signals and waiting, a Toolhelp snapshot for who started whom.
//!
//! # How a process is ended
//! There is no SIGTERM. `TerminateProcess` ends a process at once, and that is what every accepted signal means here. Two softer
//! ways were tried with small programs under Wine 8, and left out.
//!
//! `GenerateConsoleCtrlEvent` goes to a *process group* on the caller's *own console*. Wine 8 has no `CTRL_BREAK_EVENT`, so
//! `CTRL_C_EVENT` stood in for it: it reached the leader of the group and its child, and no one else. But a process that leads
//! no group, one on another console, one without a console and a PID that nobody has were all answered with success. Nothing
//! tells from outside who leads a group, and Windows is known to take a process that leads none for "everybody on this
//! console" (microsoft/terminal#335): the caller, and the shell it was started from. `AttachConsole` is refused until the
//! caller has given up its own console; then its handles were dead, and once attached it had those of the holder's console.
//!
//! `WM_CLOSE`, posted to what `EnumWindows` shows of one process, reached only that process, and a program with a main window
//! ended by itself. One that asked whether to save, went to the tray, hung, or does not end with its window lived on, and
//! message-only windows are not shown. A program that let its child save found the child ended, since the tree goes at once;
//! to wait for the parent would cost the whole grace where it lives on. And what Wine can't show: Windows is said to give a
//! console's window to a program that runs in the console, where Wine gives it to the console's host. Closed as the
//! holder's, it would take everybody in the console along.
//!
//! # Why the tree is ended through handles
//! The children of a holder often hold the port with it: a handle for the socket is inherited, while the table names only
//! the process that made it. So a holder always goes with its descendants ([`ENDS_TREES`]). The crate `kill_tree` does that
//! from PIDs, which is not good enough here: it takes whatever names the holder's PID as its parent for a child (Windows uses
//! PIDs again, and a parent's PID is never corrected, so strangers turn up), it can't be told to spare anybody, so it would end
//! the caller in a terminal of the server it frees, it ends children first, so that a master can start new ones, and the first
//! process it may not open stops it halfway. Here each process is opened, its birth compared with its parent's, and what was
//! opened is what is ended.

mod command_line;
mod handle;
mod lineage;
mod process_info;
mod program;
mod table;

pub(super) use handle::start_ticks_now;
pub(crate) use handle::{Handle, caller, wait};
pub(crate) use lineage::{ancestors, descendants};
pub(super) use program::program;
pub(super) use table::complete;

/// A holder goes with its descendants: see above.
pub(crate) const ENDS_TREES: bool = true;

/// An IPv6 socket that takes IPv4 as well has a row in either table.
pub(super) const WILDCARD_IS_DUAL_STACK: bool = false;

/// What `netsh int ipv4 show dynamicport tcp` prints unless an administrator changed it; no call returns it.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    49152..=65535
}

/// The processes of which it can't be told what they hold: Windows keeps nothing back.
#[expect(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
pub(super) fn unreadable() -> std::io::Result<Vec<u32>> {
    Ok(Vec::new())
}
