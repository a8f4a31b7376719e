//! Plain data: who holds a port, and by which sockets.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::target::Protocol;

/// A process as it was seen when it was looked at.
///
/// What can't be read (another user's process, a process that was just ending) is `None` or empty. Names and command
/// lines are chosen by the process itself: treat them as hostile input and escape them before they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The user's name, where the system's user database has one.
    pub user: Option<String>,
    /// When the process started.
    pub started: Option<SystemTime>,
    /// What tells this process from a later one with the same PID: the start time in the system's own unit.
    pub(crate) start_ticks: u64,
}

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
}

/// A PID together with the start time: two processes never share both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub pid: u32,
    pub start_ticks: u64,
}

/// What a listening socket does, as far as the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketState {
    /// TCP that accepts connections.
    Listen,
    /// TCP that is bound to the port and does not listen: it blocks the port all the same. Only Linux 6.8 and later show it.
    Bound,
    /// UDP that is bound and not connected to a peer.
    Unconnected,
}

impl SocketState {
    /// The word for it in JSON and in tables: `listen`, `bound` or `unconnected`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Bound => "bound",
            Self::Unconnected => "unconnected",
        }
    }
}

impl fmt::Display for SocketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A socket that holds a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The local address; `0.0.0.0` and `::` are the wildcards.
    pub address: IpAddr,
    /// The local port.
    pub port: u16,
    /// What the socket does.
    pub state: SocketState,
    /// The user who made the socket, where the system tells. It may differ from the user whose process holds it now.
    pub uid: Option<u32>,
    /// That user's name.
    pub user: Option<String>,
    /// Whether an IPv6 socket takes IPv4 as well. Always `false` for an IPv4 socket.
    pub(crate) dual_stack: bool,
    /// What the system calls this socket: on Linux its inode, elsewhere a number made of its other fields.
    pub(crate) id: SocketId,
    /// The ID of the control group that made it, on Linux with cgroup v2; 0 elsewhere.
    pub(crate) cgroup: u64,
}

/// The system's name of a socket; unique among the sockets that exist at one time.
pub(crate) type SocketId = u64;

impl Socket {
    /// The address and port together.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl fmt::Display for Socket {
    /// `tcp 127.0.0.1:8080`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.local())
    }
}

/// A process that has at least one descriptor for a listening socket of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process.
    pub process: Process,
    /// The listening sockets of the target that it holds, in the kernel's order.
    pub sockets: Vec<Socket>,
}
