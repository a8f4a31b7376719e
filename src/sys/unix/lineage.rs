//! Who started whom, from the process table.

use std::collections::{HashMap, HashSet};
use std::io;

use super::handle::{Handle, caller};
use super::system;

/// The caller's ancestors, nearest first, then the leader of its session and that one's ancestors. The leader belongs to it
/// because double forks put PID 1 in the place of the parent.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    climb(caller(), &mut found);
    let leader = system::info(caller()).map(|info| info.session);
    if let Some(leader) = leader.filter(|&leader| leader != 0 && leader != caller()) {
        if !found.contains(&leader) {
            found.push(leader);
        }
        climb(leader, &mut found);
    }
    found
}

/// Adds the parents of a process that are not there yet. A list that already has one has all above it.
fn climb(from: u32, found: &mut Vec<u32>) {
    let mut pid = from;
    while let Some(info) = system::info(pid) {
        pid = info.parent;
        if pid == 0 || found.contains(&pid) {
            return;
        }
        found.push(pid);
    }
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
pub(crate) fn descendants(of: &[u32]) -> io::Result<Vec<Handle>> {
    let mut children = HashMap::new();
    for info in system::all()? {
        let siblings: &mut Vec<_> = children.entry(info.parent).or_default();
        siblings.push(info);
    }
    let mut seen: HashSet<u32> = of.iter().copied().collect();
    let mut queue: Vec<u32> = of.to_vec();
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(&pid) = queue.get(next) {
        next += 1;
        for info in children.get(&pid).into_iter().flatten() {
            if seen.insert(info.pid) {
                queue.push(info.pid);
                if !info.is_zombie {
                    found.push(Handle::of(info));
                }
            }
        }
    }
    Ok(found)
}
