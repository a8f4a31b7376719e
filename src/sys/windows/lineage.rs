//! Who started whom. A parent's PID is noted at birth and never corrected, so each step is checked against both births.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::windows::io::AsHandle;

use windows_sys::Win32::System::Threading::PROCESS_QUERY_LIMITED_INFORMATION;

use super::handle::{Handle, caller};
use super::process_info::{self, Opened};

/// The caller's ancestors, nearest first. The chain breaks off at a parent that has ended. Windows has no sessions of terminals
/// that would lead further.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let mut pid = caller();
    while let Ok(Some(handle)) = Handle::open(pid) {
        match handle.parent() {
            Some(parent) if parent != caller() && !found.contains(&parent) => {
                found.push(parent);
                pid = parent;
            }
            _ => break,
        }
    }
    found
}

/// Every descendant of these processes, parents before their children, without the processes themselves.
///
/// The processes have to be held by a handle, so that their PIDs are still theirs. A child is believed to be one if it is not
/// older than its parent, and is held from then on, so that the same is true for its children.
pub(crate) fn descendants(of: &[u32]) -> io::Result<Vec<Handle>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in process_info::snapshot()? {
        children.entry(entry.parent).or_default().push(entry.pid);
    }
    let mut seen: HashSet<u32> = of.iter().copied().collect();
    let mut queue: Vec<(u32, u64)> = of.iter().map(|&pid| (pid, birth(pid))).collect();
    let mut found: Vec<Handle> = Vec::new();
    let mut next = 0;
    while let Some(&(pid, born)) = queue.get(next) {
        next += 1;
        for &child in children.get(&pid).into_iter().flatten() {
            // What can't be opened has no birth to be compared: nobody is ended by guess.
            let handle = match seen.contains(&child) {
                true => None,
                false => Handle::open(child)?
                    .filter(|handle| handle.start_ticks() >= born && handle.start_ticks() > 0),
            };
            if let Some(handle) = handle {
                seen.insert(child);
                queue.push((child, handle.start_ticks()));
                found.push(handle);
            }
        }
    }
    Ok(found)
}

/// The birth of a process, or the end of time where it isn't told, which makes nobody its child.
fn birth(pid: u32) -> u64 {
    match process_info::open(pid, PROCESS_QUERY_LIMITED_INFORMATION) {
        Opened::Process(process) => process_info::birth(process.as_handle()).unwrap_or(u64::MAX),
        Opened::Denied | Opened::NoSuchProcess => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_a_descendant_and_its_parent_an_ancestor() {
        let mut child = std::process::Command::new("cmd")
            .args(["/c", "pause"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let found = descendants(&[caller()]).unwrap();
        assert!(found.iter().any(|handle| handle.pid() == child.id()));
        assert!(found.iter().all(|handle| handle.pid() != caller()));
        assert!(!ancestors().contains(&caller()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
