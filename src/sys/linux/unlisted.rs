//! TCP sockets that are bound without listening, where the kernel does not list them (before Linux 6.8, or where netlink is refused).
//!
//! A socket knows its own port. So each one that a traceable process has is borrowed by pidfd_getfd(2) and asked. That is
//! expensive, and only done for a port that can't be bound though nothing is known to hold it.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir, fstat, openat, readlinkat, stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, socket, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::locked::keeps_back;
use super::process::proc_path;
use super::scan;
use crate::interface::interface_of;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketId, SocketState};

/// Those with this local port, each once.
pub(super) fn bound_to(port: u16) -> io::Result<Vec<Socket>> {
    let mut seen: HashSet<SocketId> = HashSet::new();
    let mut found = Vec::new();
    let here = Here::new()?;
    for pid in scan::pids()?.into_iter().filter(|&pid| !keeps_back(pid)) {
        // What can't be opened has ended, or may not be traced.
        let Some(process) = Pid::from_raw(pid.cast_signed())
            .and_then(|raw| pidfd_open(raw, PidfdFlags::empty()).ok())
        else {
            continue;
        };
        for (descriptor, id) in sockets_of(pid) {
            if seen.contains(&id) {
                continue;
            }
            match pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()) {
                // By then the descriptor may be another socket's.
                Ok(socket) if fstat(&socket).is_ok_and(|socket| socket.st_ino == id) => {
                    seen.insert(id);
                    if here.has(&socket, pid) {
                        found.extend(ask(&socket, port, id));
                    }
                }
                // It may be another process's as well, and that one may be traced.
                Err(Errno::PERM) => break,
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(found)
}

/// This network namespace: the same port of another one is another.
struct Here {
    cookie: Option<u64>,
    file: Option<u64>,
}

impl Here {
    fn new() -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        Ok(Self {
            cookie: cookie_of(&socket),
            file: file_of("/proc/thread-self/net/sockstat"),
        })
    }

    /// Whether a socket that this process has is of this namespace; before Linux 5.14, whether the process is in it.
    fn has(&self, socket: &OwnedFd, pid: u32) -> bool {
        match self.cookie {
            Some(cookie) => cookie_of(socket) == Some(cookie),
            None => self.file.is_some() && self.file == file_of(&proc_path(pid, "net/sockstat")),
        }
    }
}

fn file_of(path: &str) -> Option<u64> {
    Some(stat(path).ok()?.st_ino)
}

/// Which network namespace a socket belongs to, since Linux 5.14.
fn cookie_of(socket: &OwnedFd) -> Option<u64> {
    option(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE).map(u64::from_ne_bytes)
}

/// What getsockopt(2) tells, where `rustix` has no word for it. What an older kernel leaves out is 0.
fn option<const SIZE: usize>(
    socket: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
) -> Option<[u8; SIZE]> {
    let mut value = [0_u8; SIZE];
    let mut length = SIZE as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which the array has.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (answer == 0).then_some(value)
}

/// The sockets among a process's descriptors.
fn sockets_of(pid: u32) -> Vec<(i32, SocketId)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = openat(rustix::fs::CWD, proc_path(pid, "fd"), flags, Mode::empty()) else {
        return Vec::new();
    };
    let mut buffer = vec![std::mem::MaybeUninit::uninit(); 8 * 1024];
    let mut entries = RawDir::new(&directory, &mut buffer);
    let mut sockets = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        let number = scan::number(name.to_bytes()).and_then(|number| i32::try_from(number).ok());
        let target = readlinkat(&directory, name, Vec::new()).ok();
        let id = target.and_then(|target| scan::socket_in(target.as_bytes()));
        sockets.extend(number.zip(id));
    }
    sockets
}

fn ask(socket: &OwnedFd, port: u16, id: SocketId) -> Option<Socket> {
    let is_bound_only = sockopt::socket_type(socket).ok()? == SocketType::STREAM
        && !sockopt::socket_acceptconn(socket).ok()?
        && getpeername(socket).is_err()
        && !was_connected(socket);
    if !is_bound_only {
        return None;
    }
    let local = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
    (local.port() == port).then(|| Socket {
        protocol: Protocol::Tcp,
        address: local.ip(),
        port,
        interface: interface_of(local),
        state: SocketState::Bound,
        uid: None,
        user: None,
        dual_stack: local.is_ipv6() && !sockopt::ipv6_v6only(socket).unwrap_or(false),
        id,
    })
}

/// Whether it had a connection, which its other end has broken off: packets have come. Where that is not told, it had none.
fn was_connected(socket: &OwnedFd) -> bool {
    const SEGMENTS: usize = std::mem::offset_of!(libc::tcp_info, tcpi_segs_in);
    option::<{ size_of::<libc::tcp_info>() }>(socket, libc::IPPROTO_TCP, libc::TCP_INFO)
        .and_then(|info| info.get(SEGMENTS..)?.first_chunk().copied())
        .is_some_and(|segments| u32::from_ne_bytes(segments) != 0)
}
