//! Who started whom, from every process's `stat`.

use std::collections::HashMap;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::super::Ancestors;
use super::super::lineage::{Birth, above, below, climb};
use super::files;
use super::process::{Handle, caller, proc_path, ticks_since_boot};
use super::scan;
use super::stat::Stat;

/// The caller's ancestors, see the contract in `sys`.
pub(crate) fn ancestors() -> Ancestors {
    above(caller(), birth_of, exists)
}

/// Everyone above these processes, each once.
pub(super) fn ancestors_of(pids: &[u32]) -> Vec<u32> {
    let mut ancestors = Ancestors::default();
    for &pid in pids {
        if let Some(stat) = stat_of(pid) {
            climb(stat.parent, &mut ancestors, birth_of);
        }
    }
    let found = ancestors.found.iter();
    found.map(|identity| identity.pid).collect()
}

/// Whether there is such a process, though it may be hidden.
fn exists(pid: u32) -> bool {
    Pid::from_raw(pid.cast_signed()).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

fn stat_of(pid: u32) -> Option<Stat> {
    let file = std::fs::File::open(proc_path(pid, "stat")).ok()?;
    Stat::parse(&files::content(file)?)
}

fn birth_of(pid: u32) -> Option<Birth> {
    let stat = stat_of(pid)?;
    Some(Birth {
        start_ticks: stat.start_ticks,
        parent: stat.parent,
        session: stat.session,
    })
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in scan::pids()? {
        if let Some(stat) = stat_of(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    below(of, &children)
}

/// Whether this process has a child that can't be seen: then it may be above a process whose parent can't be seen. `true` also
/// where the kernel does not list children (`CONFIG_PROC_CHILDREN`).
pub(crate) fn has_unseen_child(handle: &Handle) -> bool {
    let threads = format!("/proc/{}/task", handle.pid());
    let Ok(threads) = std::fs::read_dir(threads) else {
        return true;
    };
    threads.flatten().any(|thread| {
        let Ok(children) = std::fs::read_to_string(thread.path().join("children")) else {
            return true;
        };
        let mut children = children.split_ascii_whitespace().flat_map(str::parse);
        children.any(|child| stat_of(child).is_none() && exists(child))
    })
}
