//! Plain data: a process.

use std::ffi::OsString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::printable::printable;

/// A process as it was seen when it was looked at. It is equal to itself however often it is looked at: what counts is
/// its PID together with its start, which no two processes share.
///
/// What can't be read (another user's process, a process that was just ending) is `None` or empty. Names and command
/// lines are chosen by the process itself: treat them as hostile input and escape them before they are printed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Process {
    /// The process ID.
    pub pid: u32,
    /// The ID of the parent, where it is known. 0 means that the parent is outside what this process can see.
    pub parent_pid: Option<u32>,
    /// The short name: on Linux the `comm` of `/proc/PID/stat` (15 bytes), elsewhere the file name of the program.
    pub name: String,
    /// The command line, an argument an element. Empty where it can't be read.
    pub command: Vec<OsString>,
    /// The program's file.
    pub executable: Option<PathBuf>,
    /// The working directory: it often tells which project a server belongs to.
    pub cwd: Option<PathBuf>,
    /// The user ID that the process acts as (its effective user ID). Always `None` on Windows.
    pub uid: Option<u32>,
    /// The user's name, where the system's user database has one and tells it in time. It is looked up for answers: `None` in an
    /// [`Event`](crate::Event).
    pub user: Option<String>,
    /// When the process started.
    pub started: Option<SystemTime>,
    /// What tells this process from a later one with the same PID: the start time in the system's own unit.
    pub(crate) start_ticks: u64,
}

crate::users::user_of!(Process);

impl Process {
    /// A process of which nothing but the PID is known.
    pub(crate) fn unknown(pid: u32) -> Self {
        Self {
            pid,
            parent_pid: None,
            name: String::new(),
            command: Vec::new(),
            executable: None,
            cwd: None,
            uid: None,
            user: None,
            started: None,
            start_ticks: 0,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Process {}

impl Hash for Process {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Display for Process {
    /// `node (PID 4711)`, safe to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return write!(f, "PID {}", self.pid);
        }
        write!(f, "{} (PID {})", printable(&self.name), self.pid)
    }
}

/// The start of whoever was started before the caller's time began, and cannot be told from others of the kind.
pub(crate) const BEFORE_TIME: u64 = 1;

/// A PID together with the start time: two processes never share both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub pid: u32,
    pub start_ticks: u64,
}
