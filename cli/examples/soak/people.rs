//! Processes, told apart though their PIDs are given to others again and again.

use std::fs;

use kill_port_fixture::linux::proc;

/// The ticks since boot at which a process was started; `None` if there is no such process.
fn start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// A process of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub pid: u32,
    pub name: String,
    start: u64,
}

impl Person {
    /// `None` if it has ended.
    pub fn meet(name: &str, pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            name: name.to_owned(),
            start: start(pid)?,
        })
    }

    /// Whether it has not ended: it is there, and not only waited for.
    pub fn lives(&self) -> bool {
        let threads =
            || fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count);
        // One whose main thread is gone looks like one that has ended.
        start(self.pid) == Some(self.start) && (proc::is_running(self.pid) || threads() > 1)
    }
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (PID {})", self.name, self.pid)
    }
}

/// All processes that have this in their environment, as those have that were started with it and all below them.
pub fn marked(variable: &str) -> Vec<u32> {
    let is_marked = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    };
    pids().filter(is_marked).collect()
}

/// All processes.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
