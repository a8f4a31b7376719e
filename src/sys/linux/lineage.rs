//! Who started whom, from every process's `stat`.

use std::collections::HashMap;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::super::Ancestors;
use super::super::lineage::{Birth, above, below, climb};
use super::files;
use super::locked::{aside, keeps_back};
use super::process::{Handle, caller, proc_path, ticks_since_boot};
use super::scan;
use super::stat::Stat;
use crate::process::Identity;

/// The caller's ancestors, see the contract in `sys`.
pub(crate) fn ancestors() -> io::Result<Ancestors> {
    aside(ancestors_aside)
}

fn ancestors_aside() -> io::Result<Ancestors> {
    let mut handles = Vec::new();
    let open = |pid| {
        let Some(handle) = Handle::open(pid)? else {
            return Ok(None);
        };
        let birth = Birth {
            start_ticks: handle.start_ticks(),
            parent: handle.parent_when_opened().unwrap_or_default(),
            session: handle.place().session,
        };
        handles.push(handle);
        Ok(Some(birth))
    };
    let found = above(caller(), open, exists)?;
    Ok(Ancestors { handles, ..found })
}

/// Everyone above these processes, each once, but for those who are `known` together with all above them.
pub(super) fn ancestors_of(pids: &[u32], known: &[u32]) -> Vec<u32> {
    let identity = |&pid| Identity {
        pid,
        start_ticks: 0,
    };
    let mut ancestors = Ancestors {
        found: known.iter().map(identity).collect(),
        ..Ancestors::default()
    };
    for &pid in pids {
        if let Some(stat) = stat_of(pid) {
            // Where to look first; who is missed is met later.
            let _ = climb(stat.life.parent, &mut ancestors, |pid| Ok(birth_of(pid)));
        }
    }
    let found = ancestors.found.iter().skip(known.len());
    found.map(|identity| identity.pid).collect()
}

/// Whether there is such a process, though it may be hidden.
fn exists(pid: u32) -> bool {
    Pid::from_raw(pid.cast_signed()).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

fn stat_of(pid: u32) -> Option<Stat> {
    if keeps_back(pid) {
        return None;
    }
    Stat::parse(&files::content_of(&proc_path(pid, "stat"))?)
}

fn birth_of(pid: u32) -> Option<Birth> {
    let stat = stat_of(pid)?;
    Some(Birth {
        start_ticks: stat.start_ticks,
        parent: stat.life.parent,
        session: stat.session,
    })
}

/// Every descendant of these processes, see the contract in `sys`.
pub(crate) fn descendants(of: &[&Handle]) -> io::Result<Vec<Handle>> {
    let children = aside(|| {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for pid in scan::pids()? {
            if let Some(stat) = stat_of(pid) {
                children.entry(stat.life.parent).or_default().push(pid);
            }
        }
        Ok(children)
    })?;
    below(of, &children)
}

/// Whether this process has a child that can't be seen: then it may be above a process whose parent can't be seen. `true` also
/// where the kernel does not list children (`CONFIG_PROC_CHILDREN`).
pub(crate) fn has_unseen_child(handle: &Handle) -> bool {
    let pid = handle.pid();
    aside(move || Ok(has_unseen_child_aside(pid))).unwrap_or(true)
}

fn has_unseen_child_aside(pid: u32) -> bool {
    let threads = format!("/proc/{pid}/task");
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
    if mark.last.is_some() && mark.last == scan::last_pid() {
        return Ok(Vec::new());
    }
    aside(move || started_since_aside(mark))
}

fn started_since_aside(mark: Mark) -> io::Result<Vec<Handle>> {
    let mut found: Vec<Handle> = Vec::new();
    let mut from = mark.last;
    for _ in 0..LOOKS {
        // Whoever has ended may have started another first, which shows only afterwards.
        found.retain(|handle| !handle.has_exited());
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
        from = now;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_leader_that_has_ended_hides_nobody() {
        const INSIDE: &str = "KILL_PORT_TEST_WITHOUT_A_LEADER";
        if std::env::var_os(INSIDE).is_some() {
            let session = stat_of(caller()).unwrap().session;
            while exists(session) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let ancestors = ancestors().unwrap();
            assert!(!ancestors.breaks_off, "{:?}", ancestors.found);
            return;
        }
        // This test once more, in a session whose leader has started it and ended.
        let name = "sys::linux::lineage::tests::a_leader_that_has_ended_hides_nobody";
        let mut leader = Command::new("setsid")
            .args(["sh", "-c", "\"$0\" --exact \"$1\" & exit"])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(INSIDE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        leader.wait().unwrap();
        let mut told = String::new();
        let mut stdout = leader.stdout.take().unwrap();
        stdout.read_to_string(&mut told).unwrap();
        assert!(told.contains("1 passed"), "{told}");
    }
}
