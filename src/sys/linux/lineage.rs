//! Who started whom, from every process's `stat`.

use std::collections::{HashMap, HashSet};
use std::io;

use super::files;
use super::process::{Handle, caller, proc_path};
use super::stat::Stat;

/// The caller's ancestors, nearest first, then the leader of its session and that one's ancestors. The chain ends at PID 1, at a
/// parent outside this PID namespace, or where `hidepid` hides it.
///
/// The session's leader belongs to it because `setsid --fork` and double forks put PID 1 in the place of the parent.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    climb(caller(), &mut found);
    let leader = stat_of(caller()).map_or(0, |stat| stat.session);
    // 0 means that the leader is outside this PID namespace, where nobody can be signalled from here anyway.
    if leader != 0 && leader != caller() {
        if !found.contains(&leader) {
            found.push(leader);
        }
        climb(leader, &mut found);
    }
    found
}

/// Everyone above these processes, each once.
pub(super) fn ancestors_of(pids: &[u32]) -> Vec<u32> {
    let mut found = Vec::new();
    for &pid in pids {
        climb(pid, &mut found);
    }
    found
}

/// Adds the parents of a process that are not there yet. A list that already has one has all above it.
fn climb(from: u32, found: &mut Vec<u32>) {
    let mut pid = from;
    while let Some(stat) = stat_of(pid) {
        pid = stat.parent;
        if pid == 0 || found.contains(&pid) {
            return;
        }
        found.push(pid);
    }
}

fn stat_of(pid: u32) -> Option<Stat> {
    let file = std::fs::File::open(proc_path(pid, "stat")).ok()?;
    Stat::parse(&files::content(file)?)
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
pub(crate) fn descendants(of: &[u32]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in super::scan::pids()? {
        if let Some(stat) = stat_of(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut seen: HashSet<u32> = of.iter().copied().collect();
    let mut queue: Vec<u32> = of.to_vec();
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(&pid) = queue.get(next) {
        next += 1;
        for &child in children.get(&pid).into_iter().flatten() {
            if !seen.insert(child) {
                continue;
            }
            queue.push(child);
            // The PID may have been reused since its parent was read: only a child that still has this parent counts.
            if let Some(handle) = Handle::open(child)?.filter(|handle| handle.parent() == Some(pid))
            {
                found.push(handle);
            }
        }
    }
    Ok(found)
}
