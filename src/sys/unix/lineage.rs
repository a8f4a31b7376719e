//! Who started whom, from the process table.

use std::collections::HashMap;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::handle::{Handle, caller};
use super::system;
use crate::sys::Ancestors;
use crate::sys::lineage::{Birth, above, below};

/// The caller's ancestors, see the contract in `sys`.
pub(crate) fn ancestors() -> io::Result<Ancestors> {
    above(caller(), |pid| Ok(birth(pid)), exists)
}

fn birth(pid: u32) -> Option<Birth> {
    system::info(pid).map(|info| Birth {
        start_ticks: info.start,
        parent: info.parent,
        session: info.place.session,
    })
}

/// Whether there is such a process, though it may be hidden.
fn exists(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// Every descendant of these processes, see the contract in `sys`.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for info in system::all()? {
        children.entry(info.parent).or_default().push(info.pid);
    }
    below(of, &children)
}
