//! Who started whom. A parent's PID is noted at birth and never corrected, so each step is checked against both births.

use std::collections::HashMap;
use std::io;

use super::handle::{Handle, caller};
use super::process_info::{self, Entry};
use crate::sys::Ancestors;
use crate::sys::lineage::{Birth, above, below};

/// The caller's ancestors, nearest first. The chain ends at a parent that has ended. Windows has no sessions of terminals
/// that would lead further.
pub(crate) fn ancestors() -> io::Result<Ancestors> {
    let entries = process_info::snapshot()?;
    above(caller(), |pid| birth(pid, &entries), |_| false)
}

/// What is told of a process in a list of all. Of those that can't be opened, the list alone tells who started them: then a PID that
/// was given to another can't be told from the parent's. Taking that one for the parent can only spare somebody.
fn birth(pid: u32, entries: &[Entry]) -> io::Result<Option<Birth>> {
    let Some(entry) = entries.iter().find(|entry| entry.pid == pid) else {
        return Ok(None);
    };
    let start = |pid| {
        let handle = Handle::open(pid)?;
        io::Result::Ok(handle.map(|handle| handle.start_ticks()))
    };
    let Some(start_ticks) = start(pid)? else {
        return Ok(None);
    };
    let is_parent = |parent_start| start_ticks == 0 || parent_start <= start_ticks;
    let parent = if entries.iter().any(|other| other.pid == entry.parent)
        && start(entry.parent)?.is_some_and(is_parent)
    {
        entry.parent
    } else {
        0
    };
    Ok(Some(Birth {
        start_ticks,
        parent,
        session: 0,
    }))
}

/// Every descendant of these processes, see the contract in `sys`.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in process_info::snapshot()? {
        children.entry(entry.parent).or_default().push(entry.pid);
    }
    // What can't be opened has no start to be compared: nobody is ended by guess.
    let of: Vec<&Handle> = of
        .iter()
        .copied()
        .filter(|handle| handle.start_ticks() > 0)
        .collect();
    below(&of, &children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_the_nearest_ancestor_and_the_caller_is_none() {
        let own = Handle::open(caller()).unwrap().unwrap();
        let ancestors = ancestors().unwrap();
        let pids: Vec<u32> = ancestors
            .found
            .iter()
            .map(|identity| identity.pid)
            .collect();
        assert_eq!(pids.first().copied(), own.parent());
        assert!(!pids.contains(&caller()));
    }

    #[test]
    fn a_process_that_took_the_pid_of_the_parent_is_not_the_parent() {
        let mut child = std::process::Command::new("cmd")
            .args(["/c", "pause"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let entry = |pid, parent| Entry {
            pid,
            parent,
            name: String::new(),
        };
        // The child is younger than this process.
        let entries = [entry(caller(), child.id()), entry(child.id(), caller())];
        assert_eq!(birth(caller(), &entries).unwrap().unwrap().parent, 0);
        assert_eq!(
            birth(child.id(), &entries).unwrap().unwrap().parent,
            caller()
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
