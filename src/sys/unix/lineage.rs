//! Who started whom, from the process table.

use std::collections::HashMap;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::handle::{Handle, caller};
use super::system;
use crate::sys::Ancestors;
use crate::sys::lineage::{Birth, below, climb};

/// The caller's ancestors, nearest first, then the leader of its session and that one's ancestors. The leader belongs to it
/// because double forks put PID 1 in the place of the parent.
pub(crate) fn ancestors() -> Ancestors {
    let mut ancestors = Ancestors::default();
    let Some(own) = system::info(caller()) else {
        ancestors.breaks_off = true;
        return ancestors;
    };
    climb(own.parent, &mut ancestors, birth);
    let leader = own.place.session;
    if leader != 0 && leader != caller() && exists(leader) {
        climb(leader, &mut ancestors, birth);
    }
    ancestors
}

fn birth(pid: u32) -> Option<Birth> {
    system::info(pid).map(|info| Birth {
        start_ticks: info.start,
        parent: info.parent,
    })
}

/// A session outlives its leader.
fn exists(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for info in system::all()? {
        children.entry(info.parent).or_default().push(info.pid);
    }
    below(of, &children)
}
