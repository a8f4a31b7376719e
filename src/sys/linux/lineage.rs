//! Who started whom, from every process's `stat`.

use std::collections::{HashMap, HashSet};
use std::io;

use super::super::Ancestors;
use super::files;
use super::process::{Handle, caller, proc_path, ticks_since_boot};
use super::scan;
use super::stat::Stat;
use crate::process::Identity;

/// The caller's ancestors, nearest first, then the leader of its session and that one's ancestors. The chain ends at PID 1, at a
/// parent outside this PID namespace, or where `hidepid` hides it.
///
/// The session's leader belongs to it because `setsid --fork` and double forks put PID 1 in the place of the parent.
pub(crate) fn ancestors() -> Ancestors {
    let mut ancestors = Ancestors::default();
    let Some(own) = stat_of(caller()) else {
        ancestors.breaks_off = true;
        return ancestors;
    };
    climb(own.parent, &mut ancestors);
    // 0 means that the leader is outside this PID namespace, where nobody can be signalled from here anyway.
    if own.session != 0 && own.session != caller() {
        climb(own.session, &mut ancestors);
    }
    ancestors
}

/// Everyone above these processes, each once.
pub(super) fn ancestors_of(pids: &[u32]) -> Vec<u32> {
    let mut ancestors = Ancestors::default();
    for &pid in pids {
        if let Some(stat) = stat_of(pid) {
            climb(stat.parent, &mut ancestors);
        }
    }
    let found = ancestors.found.iter();
    found.map(|identity| identity.pid).collect()
}

/// Adds this process and those above it that are not there yet. A list that already has one has all above it.
fn climb(mut pid: u32, into: &mut Ancestors) {
    while pid != 0 && into.found.iter().all(|known| known.pid != pid) {
        let Some(stat) = stat_of(pid) else {
            // Nobody is above PID 1.
            into.breaks_off |= pid != 1;
            return;
        };
        into.found.push(Identity {
            pid,
            start_ticks: stat.start_ticks,
        });
        pid = stat.parent;
    }
}

fn stat_of(pid: u32) -> Option<Stat> {
    let file = std::fs::File::open(proc_path(pid, "stat")).ok()?;
    Stat::parse(&files::content(file)?)
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
///
/// A list of PIDs says nothing about who they are. Whoever lived on until after the list was made had its number all the
/// time, so what the list says of its children is true; and a child is never older than its parent.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in scan::pids()? {
        if let Some(stat) = stat_of(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut seen: HashSet<u32> = of.iter().map(|handle| handle.pid()).collect();
    let mut found: Vec<Handle> = Vec::new();
    for root in of {
        let mut queue = vec![(root.pid(), root.start_ticks())];
        if root.has_exited() {
            continue;
        }
        let mut next = 0;
        while let Some(&(parent, started)) = queue.get(next) {
            next += 1;
            for &child in children.get(&parent).into_iter().flatten() {
                if !seen.insert(child) {
                    continue;
                }
                let Some(handle) = Handle::open(child)? else {
                    continue;
                };
                let is_child = handle.parent_when_opened() == Some(parent)
                    && handle.start_ticks() >= started
                    && !handle.has_exited();
                if is_child {
                    queue.push((child, handle.start_ticks()));
                    found.push(handle);
                }
            }
        }
    }
    Ok(found)
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
        let mut children = children.split_ascii_whitespace();
        children.any(|child| {
            std::fs::metadata(format!("/proc/{child}"))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        })
    })
}

/// A point in the order in which the kernel gives out PIDs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    last: Option<u32>,
    ticks: u64,
}

impl Mark {
    /// Now.
    pub(crate) fn now() -> Self {
        Self {
            last: scan::last_pid(),
            ticks: ticks_since_boot(),
        }
    }
}

/// More than so many PIDs are not looked at one by one.
const FEW: u32 = 1024;
/// How often the look is repeated where others are started all the time.
const LOOKS: usize = 8;

/// The processes that were started since then and live. The kernel counts PIDs up and wraps around, so they are those between then and
/// now; where nothing was started anywhere, nothing has to be looked at.
pub(crate) fn started_since(mark: Mark, _below: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut found: Vec<Handle> = Vec::new();
    let mut from = mark.last;
    for _ in 0..LOOKS {
        let now = scan::last_pid();
        if from.is_some() && from == now {
            break;
        }
        let between = match (from, now) {
            (Some(last), Some(now)) if now > last && now - last <= FEW => {
                (last + 1..=now).collect()
            }
            _ => scan::pids()?,
        };
        for pid in between {
            let is_known = found.iter().any(|handle| handle.pid() == pid);
            if let (false, Some(handle)) = (is_known, Handle::open(pid)?)
                && handle.start_ticks() >= mark.ticks
                && !handle.is_kernel()
            {
                found.push(handle);
            }
        }
        // One that ended meanwhile may have started another first.
        from = now;
    }
    found.retain(|handle| !handle.has_exited());
    Ok(found)
}
