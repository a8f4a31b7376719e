//! macOS and the BSDs: sysctl(3) for what processes are, signals through `nix`, kqueue(2) for their end.
//!
//! None of these systems has a descriptor for a process. What stands for one here is its PID and the time of its start, which is
//! compared right before each signal: a PID that was given to another process in the meantime is not signalled.

use std::time::{Duration, SystemTime};

#[cfg(not(target_os = "macos"))]
mod bsd;
mod handle;
mod lineage;
mod sysctl;

#[cfg(target_os = "freebsd")]
#[path = "freebsd.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;
#[cfg(target_os = "netbsd")]
#[path = "netbsd.rs"]
mod system;
#[cfg(target_os = "openbsd")]
#[path = "openbsd.rs"]
mod system;

pub(crate) use handle::{Handle, caller, wait};
pub(crate) use lineage::{ancestors, descendants};
pub(super) use system::complete;
pub(crate) use system::ephemeral_ports;

use super::Place;

/// A holder is ended alone, unless the caller asks for its descendants.
pub(crate) const ENDS_TREES: bool = false;

/// Whether `::` has to be taken for both families where its owner's choice can't be read. OpenBSD has no sockets for both.
pub(super) const WILDCARD_IS_DUAL_STACK: bool = cfg!(not(target_os = "openbsd"));

/// What the kernel tells of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Info {
    pid: u32,
    parent: u32,
    place: Place,
    uid: u32,
    name: String,
    /// When it started, in microseconds since 1970.
    start: u64,
    is_stopped: bool,
    /// It has ended, and its parent has not asked yet.
    is_zombie: bool,
}

/// Now, as starts are counted. The kernels note a start by a clock that may be a hundredth of a second behind.
pub(super) fn start_ticks_now() -> u64 {
    const BEHIND: Duration = Duration::from_millis(10);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.saturating_sub(BEHIND).as_micros()).unwrap_or(u64::MAX)
}

/// The processes whose descriptors this user may not read: everybody else's, unless it is root.
pub(super) fn unreadable() -> std::io::Result<Vec<u32>> {
    let me = nix::unistd::geteuid();
    if me.is_root() {
        return Ok(Vec::new());
    }
    let others = system::all()?
        .into_iter()
        .filter(|info| info.uid != me.as_raw());
    Ok(others.map(|info| info.pid).collect())
}
