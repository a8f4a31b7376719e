//! Who started whom, as far as it is found out alike on every system.

use std::collections::{HashMap, HashSet};
use std::io;

use super::{Ancestors, Handle};
use crate::process::Identity;

/// Where a process comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birth {
    pub start_ticks: u64,
    /// 0 where there is none.
    pub parent: u32,
    /// The PID of its session's leader; 0 where there is none.
    pub session: u32,
}

/// Those above a process, nearest first, then the leader of its session and those above that one. The chain ends at PID 1, at a
/// parent outside of what can be seen from here, or where it is hidden.
///
/// The leader belongs to it because `setsid --fork` and double forks put PID 1 in the place of the parent. A session outlives its leader:
/// one that does not exist any more hides nobody. A look that fails is no end of the chain: whoever is above could not be spared.
pub(super) fn above(
    pid: u32,
    mut look: impl FnMut(u32) -> io::Result<Option<Birth>>,
    exists: impl Fn(u32) -> bool,
) -> io::Result<Ancestors> {
    let mut ancestors = Ancestors::default();
    let Some(own) = look(pid)? else {
        ancestors.breaks_off = true;
        return Ok(ancestors);
    };
    climb(own.parent, &mut ancestors, &mut look)?;
    // 0 means that the leader is outside this PID namespace, where nobody can be signalled from here anyway.
    if own.session != 0 && own.session != pid && exists(own.session) {
        climb(own.session, &mut ancestors, &mut look)?;
    }
    Ok(ancestors)
}

/// Adds this process and those above it that are not there yet. A list that already has one has all above it.
pub(super) fn climb(
    mut pid: u32,
    into: &mut Ancestors,
    mut look: impl FnMut(u32) -> io::Result<Option<Birth>>,
) -> io::Result<()> {
    while pid != 0 && into.found.iter().all(|known| known.pid != pid) {
        let Some(Birth {
            start_ticks,
            parent,
            ..
        }) = look(pid)?
        else {
            // Nobody is above PID 1.
            into.breaks_off |= pid != 1;
            break;
        };
        into.found.push(Identity { pid, start_ticks });
        pid = parent;
    }
    Ok(())
}

/// Every descendant of these processes, those of one of them with parents before their children, from a list of the children of each PID
/// that was made just now. One of them is among these only where it descends from another.
///
/// A list of PIDs says nothing about who they are. Whoever lived on until after the list was made had its number all the
/// time, so what the list says of its children is true; and a child is never older than its parent.
pub(super) fn below(of: &[&Handle], children: &HashMap<u32, Vec<u32>>) -> io::Result<Vec<Handle>> {
    let mut seen: HashSet<u32> = HashSet::new();
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

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Mark, has_unseen_child, started_since};

/// Where PIDs are not given out in order, starts are all there is to go by.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use crate::sys::{Handle, descendants, start_ticks_now};

    /// A point in time.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Mark {
        ticks: u64,
    }

    impl Mark {
        /// Now.
        pub(crate) fn now() -> Self {
            Self {
                ticks: start_ticks_now(),
            }
        }
    }

    /// The descendants of these processes that were started since then.
    pub(crate) fn started_since(mark: Mark, below: &[&Handle]) -> io::Result<Vec<Handle>> {
        let mut found = descendants(below)?;
        found.retain(|handle| handle.start_ticks() >= mark.ticks);
        Ok(found)
    }

    /// These systems don't tell of children that they hide.
    pub(crate) fn has_unseen_child(_: &Handle) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::{Mark, descendants, started_since};

    /// 40, started by 30, started by 1; 50 was started by 45, which is hidden. The leader of the session of 40 is 20, that of 60 was 25,
    /// which has ended, and that of 70 is hidden.
    fn look(pid: u32) -> io::Result<Option<Birth>> {
        let (parent, session) = match pid {
            1 => (0, 1),
            20 | 30 => (1, 20),
            40 => (30, 20),
            50 => (45, 50),
            60 => (1, 25),
            70 => (1, 45),
            80 => return Err(io::ErrorKind::OutOfMemory.into()),
            90 => (80, 90),
            _ => return Ok(None),
        };
        Ok(Some(Birth {
            start_ticks: u64::from(pid) * 10,
            parent,
            session,
        }))
    }

    fn exists(pid: u32) -> bool {
        pid != 25
    }

    #[test]
    fn those_above_are_found_once_and_to_the_end() {
        let ancestors = above(40, look, exists).unwrap();
        let pids: Vec<u32> = ancestors.found.iter().map(|found| found.pid).collect();
        assert_eq!(pids, [30, 1, 20]);
        assert_eq!(ancestors.found[0].start_ticks, 300);
        assert!(!ancestors.breaks_off);
    }

    #[test]
    fn the_chain_breaks_off_at_who_is_hidden_and_not_at_who_has_ended() {
        let breaks_off = |pid| above(pid, look, exists).unwrap().breaks_off;
        assert!(breaks_off(50));
        assert!(!breaks_off(60));
        assert!(breaks_off(70));
        assert!(breaks_off(99), "the caller is hidden");
        let mut ancestors = Ancestors::default();
        climb(1, &mut ancestors, |_| Ok(None)).unwrap();
        assert!(!ancestors.breaks_off, "nobody is above PID 1");
    }

    #[test]
    fn one_that_could_not_be_looked_at_is_not_the_last_of_the_chain() {
        assert!(above(80, look, exists).is_err());
        assert!(above(90, look, exists).is_err());
    }

    #[test]
    fn a_child_is_a_descendant_until_its_parent_has_ended() {
        let own = Handle::open(std::process::id()).unwrap().unwrap();
        let before = Mark::now();
        let mut child = idle();
        let pids = |found: Vec<Handle>| found.iter().map(Handle::pid).collect::<Vec<_>>();
        let has_child = |found: Vec<Handle>| pids(found).contains(&child.id());
        let found = pids(descendants(&[&own]).unwrap());
        assert!(found.contains(&child.id()) && !found.contains(&own.pid()));
        assert!(has_child(started_since(before, &[&own]).unwrap()));
        // Longer than the clocks take from one step to the next.
        std::thread::sleep(Duration::from_millis(50));
        assert!(!has_child(started_since(Mark::now(), &[&own]).unwrap()));

        let handle = Handle::open(child.id()).unwrap().unwrap();
        assert!(handle.started().is_some() && !handle.name().is_empty());
        assert_eq!(handle.parent_when_opened(), Some(own.pid()));
        let mut grandchild = idle();
        // The list says so, and nobody else does.
        let list = HashMap::from([(child.id(), vec![grandchild.id()])]);
        assert!(below(&[&handle], &list).unwrap().is_empty());
        let list = HashMap::from([(own.pid(), vec![grandchild.id()])]);
        assert_eq!(below(&[&own], &list).unwrap().len(), 1);
        let list = HashMap::from([(own.pid(), vec![child.id(), grandchild.id()])]);
        let of_both = pids(below(&[&handle, &own], &list).unwrap());
        assert_eq!(
            of_both,
            [child.id(), grandchild.id()],
            "one is below the other"
        );
        assert!(below(&[&handle], &list).unwrap().is_empty());
        for child in [&mut child, &mut grandchild] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(descendants(&[&handle]).unwrap().is_empty());
    }

    /// A process that does nothing until it is ended.
    fn idle() -> std::process::Child {
        let mut command = if cfg!(windows) {
            let mut command = std::process::Command::new("cmd");
            command.args(["/c", "pause"]);
            command
        } else {
            std::process::Command::new("cat")
        };
        let command = command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    }
}
