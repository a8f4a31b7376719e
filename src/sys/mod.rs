//! What each operating system has to offer, and nothing about what is done with it.
//!
//! # The contract
//! Each system has one folder or file here and offers these, with the same names and meanings. What a system can't tell is empty,
//! `None`, 0 or `false`, unless it says otherwise here.
//!
//! - `Table`: the socket table of this network namespace, and the way from its sockets to processes. What it adds to
//!   a list it appends.
//!   - `open() -> io::Result<Table>` looks at nothing yet.
//!   - `listening(Ports, &mut Vec<Socket>) -> io::Result<bool>` is the cheap look: TCP in LISTEN, UDP without a peer, and UDP that is connected to its client. `false`: a
//!     table came in several parts, and rows may have been skipped.
//!   - `bound(Ports, &mut Vec<Socket>) -> io::Result<()>` is the expensive look: TCP sockets that are bound and do not listen.
//!   - `bound_unlisted(u16, &mut Vec<Socket>) -> io::Result<()>` finds the same for one port by asking processes, where the kernel lists
//!     none: more expensive still.
//!   - `connections(Ports, &mut Vec<Connection>) -> io::Result<()>`: every other socket with such a local port, those that no process
//!     has (TIME_WAIT) among them. Linux alone tells them.
//!   - `find(Vec<SocketId>, Depth) -> io::Result<Found>` tells which processes have descriptors for these sockets, and fails where
//!     processes can't be told apart (a `/proc` of another PID namespace).
//! - `Handle`: one process, kept from being confused with a later one of the same PID.
//!   - `open(pid) -> io::Result<Option<Handle>>`; `None`: there is no such process, or it can't be seen.
//!   - As they were when it was opened: `pid()`, `start_ticks() -> u64` (in the system's own unit, 0 where it isn't told; together they
//!     are its identity), `started() -> Option<SystemTime>`, `parent_when_opened() -> Option<u32>`, `name() -> String`,
//!     `place() -> Place`, `is_kernel() -> bool`, `is_init() -> bool` (PID 1, or the service manager of a user or a container).
//!   - As they are now: `parent() -> Option<u32>` (`None` once it has exited), `unit() -> Option<String>` (the
//!     service manager's unit that it belongs to), `may_signal() -> bool`, `has_exited() -> bool`, `condition() -> Condition`, `is_in(&Folder, &mut Patience) -> Option<bool>` (whether its working directory is that folder or
//!     below; `None`: it can't be told).
//!   - `signal(Signal) -> io::Result<Delivery>`, to this very process or to nobody; `wake()`: SIGCONT.
//! - `wait(&[&Handle], Duration)` returns when one of them has exited, or when the time is over, or earlier.
//! - `describe(&[&Handle], &mut Patience) -> io::Result<Vec<Process>>`: everything that can be read of these processes but their users'
//!   names. What does not come is left out.
//! - `caller() -> u32`, and `ancestors() -> io::Result<Ancestors>`: those above it.
//! - `descendants(&[&Handle]) -> io::Result<Vec<Handle>>`: those below these processes; one of them is among those only where it is below
//!   another. By identity: a process that has exited by then has none, and a child is never older than its parent.
//! - `Mark::now()`, a point in time, and `started_since(Mark, &[&Handle]) -> io::Result<Vec<Handle>>`: on Linux everybody who was
//!   started since then and lived when it was looked for, elsewhere those of them who are below these processes.
//! - `keeps_back(pid) -> bool`: whether a process of this ID is there and can't be opened, as nothing is told of it for now.
//! - `has_unseen_child(&Handle) -> bool`: whether a child of it is hidden from this user. Linux alone tells.
//! - `waiting_on_closed(Protocol) -> Vec<u32>`: the processes in which a thread waits for a connection or a datagram on a descriptor that was
//!   closed meanwhile: a guess at who keeps a socket to which no descriptor leads. Linux alone tells.
//! - `ephemeral_ports() -> RangeInclusive<u16>`, `is_local(IpAddr) -> io::Result<bool>`.
//! - `ENDS_TREES: bool`: whether ending a holder always means its descendants as well (Windows).
//! - In `surroundings`, for explanations and next steps alone: `surroundings(&Handle) -> Surroundings` (the unit, container, job or
//!   service that it belongs to, and its session), `managed(&Unit) -> Managed`, `socket_unit(u16, Protocol, Option<u32>) ->
//!   Option<String>`, `excluded_ports(Protocol) -> Vec<RangeInclusive<u16>>`, `first_unprivileged_port() -> u16`,
//!   `in_first_pid_namespace() -> bool`, `is_wsl() -> bool`.
//!
//! `users(Vec<u32>) -> HashMap<u32, User>`: names and homes. The system may have to ask a server, which has a limit here.
//! `Folder`, `bind(Protocol, SocketAddr, Manner) -> io::Result<Bind>`, `try_bind(..) -> io::Result<()>`,
//! `is_short_of_something(&io::Error) -> bool`, `read_small_file(&Path, u64) -> Option<Vec<u8>>` and
//! `is_superuser() -> bool` and `is_local_address(Address) -> io::Result<bool>` are here once for all systems. `interfaces_with(Ipv6Addr) -> io::Result<Vec<u32>>` tells the indices of the
//! interfaces that have an address, on Linux alone. `missing() -> Missing` tells what a caller lacks who was refused a look.
//!
//! Whose end is permitted and what follows when is decided above, in `filtration` and `escalation`.

#[cfg(not(unix))]
use std::collections::HashMap;
use std::io;
#[cfg(not(target_os = "linux"))]
use std::net::Ipv6Addr;
use std::net::{SocketAddrV6, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use crate::process::Identity;
#[cfg(not(target_os = "linux"))]
use crate::process::Process;
use crate::protocol::Protocol;
use crate::socket::SocketId;
use crate::target::Address;

mod aside;
mod bind;
mod folder;
mod lineage;
mod small_file;
pub(crate) mod surroundings;
#[cfg(unix)]
mod users;

#[cfg(feature = "containers")]
pub(crate) use aside::Progress;
pub(crate) use aside::Task;
pub(crate) use bind::{Bind, Manner, bind, is_short_of_something, try_bind};
pub(crate) use folder::Folder;
pub(crate) use small_file::read_small_file;
#[cfg(all(unix, feature = "containers"))]
pub(crate) use users::group_name;
#[cfg(unix)]
pub(crate) use users::users;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(target_os = "linux", any(test, fuzzing)))]
pub(crate) use linux::fuzzing;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    ENDS_TREES, Handle, Mark, Table, ancestors, caller, descendants, describe, ephemeral_ports,
    has_unseen_child, interfaces_with, is_local, keeps_back, missing, started_since, wait,
    waiting_on_closed,
};

#[cfg(not(target_os = "linux"))]
mod listeners;
#[cfg(not(target_os = "linux"))]
pub(crate) use lineage::{Mark, has_unseen_child, started_since};
#[cfg(not(target_os = "linux"))]
pub(crate) use listeners::{Table, is_local};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{
    ENDS_TREES, Handle, ancestors, caller, descendants, ephemeral_ports, wait,
};
#[cfg(windows)]
use windows::{WILDCARD_IS_DUAL_STACK, complete, start_ticks_now, unreadable};

#[cfg(any(
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
mod unix;
#[cfg(any(
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
pub(crate) use unix::{ENDS_TREES, Handle, ancestors, caller, descendants, ephemeral_ports, wait};
#[cfg(any(
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
use unix::{WILDCARD_IS_DUAL_STACK, complete, start_ticks_now, unreadable};

#[cfg(not(any(
    target_os = "linux",
    windows,
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
compile_error!(
    "kill_port runs on Linux, Windows, macOS, FreeBSD, OpenBSD and NetBSD, not on this operating system"
);

/// What the system's database tells of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    #[cfg_attr(
        not(feature = "containers"),
        allow(dead_code, reason = "engines are what is looked for in homes")
    )]
    pub home: PathBuf,
}

/// What a caller lacks who was refused a look at a process, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "not every system has all of these")
)]
pub(crate) enum Missing {
    /// The rights of the superuser.
    Rights,
    /// It has them all but the right to look at others (`CAP_SYS_PTRACE`), as in a container.
    Capability,
    /// It has them in a user namespace, and not outside of it.
    OuterNamespace,
    /// Nothing that the system could give it.
    Nothing,
}

/// There is no such user on Windows: an administrator may be denied as well.
#[cfg(not(target_os = "linux"))]
pub(crate) fn missing() -> Missing {
    #[cfg(unix)]
    if nix::unistd::geteuid().is_root() {
        return Missing::Nothing;
    }
    Missing::Rights
}

/// Whether the caller is the superuser: then it is no help to say that such rights are missing.
pub(crate) fn is_superuser() -> bool {
    missing() != Missing::Rights
}

/// Which ports are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ports<'a> {
    /// All of them.
    All,
    /// These, each with one protocol or both.
    These(&'a [(u16, Option<Protocol>)]),
}

/// How thoroughly holders are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth<'a> {
    /// Where holders most likely are. A holder may be missed, so the caller has to look again, completely, if a socket
    /// outlives the holders found or has none.
    Quick {
        /// Those of whom every descriptor counts, as they must not be signalled by mistake, and all above them.
        #[cfg_attr(
            not(target_os = "linux"),
            allow(dead_code, reason = "every look is complete there")
        )]
        closely: &'a [u32],
    },
    /// Every descriptor of every process that can be read.
    Complete,
}

/// What a look at the processes found.
#[derive(Default)]
pub(crate) struct Found {
    /// Each holder once, with the sockets it holds.
    pub holders: Vec<(Handle, Vec<SocketId>)>,
    /// The processes whose descriptors this user can't read.
    pub unreadable: Vec<u32>,
    /// The processes that were there, after a look that may have missed holders among them.
    pub present: Vec<u32>,
}

/// What tells which processes belong together. 0 is none, or none that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The PID of its session's leader.
    pub session: u32,
    /// The PID of its process group's leader.
    pub group: u32,
    /// Its controlling terminal.
    pub terminal: i64,
    /// Where its arguments lie in its memory: in a fork of it at the same place, in another start of the program elsewhere.
    pub arguments: u64,
}

/// Those above the caller.
#[derive(Default)]
pub(crate) struct Ancestors {
    /// Nearest first; then the leader of the caller's session, and those above that.
    pub found: Vec<Identity>,
    /// Those by whom they were found, the caller among them, where that takes a handle.
    pub handles: Vec<Handle>,
    /// Whether one of them can't be seen, so that those above it are unknown.
    pub breaks_off: bool,
}

/// How long one call of the library may wait for what other processes keep from it.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            left: Duration::from_secs(1),
        }
    }
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing waits there")
)]
impl Patience {
    /// With one of them: something, however much has been spent.
    fn for_one(&self) -> Duration {
        const ONE: Duration = Duration::from_millis(200);
        const LEAST: Duration = Duration::from_millis(5);
        self.left.clamp(LEAST, ONE)
    }

    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn is_left(&self) -> bool {
        !self.left.is_zero()
    }
}

/// Whether a socket of this machine can have this address: on its interface, if it names one.
pub(crate) fn is_local_address(address: Address) -> io::Result<bool> {
    let (ip, interface) = match address {
        Address::Ip(ip) => return is_local(ip),
        Address::OnInterface(ip, interface) => (ip, interface.get()),
        Address::Localhost => return Ok(true),
    };
    match UdpSocket::bind(SocketAddrV6::new(ip, 0, 0, interface)) {
        Ok(_) => Ok(true),
        Err(error) if is_short_of_something(&error) => Err(error),
        // A new address can't be bound before it has been tested against its neighbours.
        Err(_) => Ok(interfaces_with(ip)?.contains(&interface)),
    }
}

/// On Linux alone a process keeps back who it is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keeps_back(_: u32) -> bool {
    false
}

/// Linux alone is asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn interfaces_with(_: Ipv6Addr) -> io::Result<Vec<u32>> {
    Ok(Vec::new())
}

/// Linux alone tells.
#[cfg(not(target_os = "linux"))]
pub(crate) fn waiting_on_closed(_: Protocol) -> Vec<u32> {
    Vec::new()
}

/// Everything that can be read of these processes, see the contract.
#[cfg(not(target_os = "linux"))]
pub(crate) fn describe(of: &[&Handle], _: &mut Patience) -> io::Result<Vec<Process>> {
    Ok(of.iter().map(|handle| handle.describe()).collect())
}

/// The names of these users, and their homes. Windows has no user IDs.
#[cfg(not(unix))]
pub(crate) fn users(_: Vec<u32>) -> HashMap<u32, User> {
    HashMap::new()
}

/// What keeps a process from acting on what it was sent, or that it is acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is known to keep it.
    Running,
    /// A stop signal or Ctrl-Z has stopped it.
    #[cfg_attr(
        windows,
        allow(dead_code, reason = "a suspended process ends like any other")
    )]
    Stopped,
    /// It is on its way out, or gone: its sockets may be closed before it has ended.
    Exiting,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The process got it.
    Sent,
    /// The process had ended: nobody got it.
    Gone,
    /// The system does not permit it.
    NotPermitted,
}
