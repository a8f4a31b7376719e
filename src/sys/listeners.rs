//! Sockets and their owners on Windows, macOS and the BSDs.
//!
//! They come from the `listeners` crate. What version 0.6.1 leaves out or gets wrong is put right here and by each system's
//! `complete`, which says what it adds:
//!
//! - A socket of which no owner can be named is not in its list at all, so another user's server would read as a free port.
//!   Each system's own table is asked for these, and they are hidden sockets.
//! - On FreeBSD it keeps one process for each socket, so a pre-fork server would lose all but one of its processes. The
//!   descriptors of every process are looked at for the others.
//! - Its call for a single port returns one process on every system, so the whole list is always asked for.
//! - On macOS it may read what the system did not write, when a descriptor is closed between two calls, and so name a wrong
//!   process. An owner counts only if it is named twice, before and after its process was opened.
//! - On OpenBSD it writes past the end of a buffer that it made for smaller records. It is not used there.
//! - On NetBSD it goes by the kernel's address of a socket alone. Where the kernel keeps that back, all of them are 0, and it would
//!   name one process as the owner of every socket. It is not used there either.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use super::{Depth, Found, Handle, Manner, Ports};
use crate::connection::Connection;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketId, SocketState};

/// One listening socket and one process that holds it, or nobody who can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub protocol: Protocol,
    pub address: IpAddr,
    pub port: u16,
    pub pid: Option<u32>,
    /// The user who made it, if the system tells and nobody can be named.
    pub uid: Option<u32>,
}

impl Row {
    /// The name of the socket. These systems give a socket none that could be learned, so it is made of what the row says, and a
    /// socket that is shared has one for each of its processes.
    fn id(&self) -> SocketId {
        let bytes = match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let tail = [
            u8::from(self.address.is_ipv4()),
            u8::from(self.protocol == Protocol::Tcp),
        ];
        let pid = self.pid.unwrap_or(0).to_ne_bytes();
        let port = self.port.to_ne_bytes();
        // FNV-1a, whose start and prime these are.
        bytes
            .iter()
            .chain(&tail)
            .chain(&port)
            .chain(&pid)
            .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    fn to_socket(self) -> Socket {
        Socket {
            protocol: self.protocol,
            address: self.address,
            port: self.port,
            state: match self.protocol {
                Protocol::Tcp => SocketState::Listen,
                Protocol::Udp => SocketState::Unconnected,
            },
            uid: self.uid,
            user: None,
            dual_stack: super::WILDCARD_IS_DUAL_STACK
                && self.address.is_ipv6()
                && self.address.is_unspecified(),
            interface: 0,
            id: self.id(),
        }
    }
}

/// See the contract in `sys`.
#[derive(Debug)]
pub(crate) struct Table {
    /// As they were when `listening` was last called.
    rows: Vec<Row>,
}

impl Table {
    #[expect(clippy::unnecessary_wraps, reason = "it may fail on Linux")]
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { rows: Vec::new() })
    }

    /// The whole list is asked for each time, so nothing is skipped.
    pub(crate) fn listening(
        &mut self,
        ports: Ports<'_>,
        into: &mut Vec<Socket>,
    ) -> io::Result<bool> {
        self.rows = rows()?;
        let sockets = self.rows.iter().map(|row| row.to_socket());
        into.extend(sockets.filter(|socket| socket.port != 0 && is_asked_for(ports, socket)));
        Ok(true)
    }

    /// None of these systems shows TCP sockets that are bound and don't listen.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "Linux has something to do"
    )]
    pub(crate) fn bound(&mut self, _: Ports<'_>, _: &mut Vec<Socket>) -> io::Result<()> {
        Ok(())
    }

    /// Nor can a process's sockets be asked for their port.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "Linux has something to do"
    )]
    pub(crate) fn bound_unlisted(&mut self, _: u16, _: &mut Vec<Socket>) -> io::Result<()> {
        Ok(())
    }

    /// Connections are not looked at on these systems.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "Linux has something to do"
    )]
    pub(crate) fn connections(&mut self, _: Ports<'_>, _: &mut Vec<Connection>) -> io::Result<()> {
        Ok(())
    }

    /// Every look is a complete one, so that nobody who is there can have been missed.
    pub(crate) fn find(&mut self, sockets: Vec<SocketId>, _depth: Depth<'_>) -> io::Result<Found> {
        let sockets: HashSet<SocketId> = sockets.into_iter().collect();
        let mut found = Found::default();
        let mut wanted: Vec<(u32, SocketId)> = self.owners(&sockets).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut handles = Vec::new();
        for &(pid, _) in &wanted {
            if handles.last().is_none_or(|(last, _)| *last != pid) {
                handles.push((pid, Handle::open(pid)?));
            }
        }
        // A PID may have been given to another between the first look and the opening: the process that was opened has to
        // be named by a look that follows.
        self.rows = rows()?;
        let still: HashSet<(u32, SocketId)> = self.owners(&sockets).collect();
        let mut unheld = sockets;
        for (pid, handle) in handles {
            let pairs = wanted.iter().filter(|pair| pair.0 == pid);
            let held: Vec<SocketId> = pairs
                .filter(|pair| still.contains(pair))
                .map(|pair| pair.1)
                .collect();
            if let Some(handle) = handle.filter(|handle| !held.is_empty() && !handle.has_exited()) {
                unheld.retain(|socket| !held.contains(socket));
                found.holders.push((handle, held));
            }
        }
        if !unheld.is_empty() {
            found.unreadable = super::unreadable()?;
        }
        Ok(found)
    }

    /// The owners of these sockets.
    fn owners(&self, of: &HashSet<SocketId>) -> impl Iterator<Item = (u32, SocketId)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row.pid?, row.id())))
            .filter(|(_, id)| of.contains(id))
    }
}

fn is_asked_for(ports: Ports<'_>, socket: &Socket) -> bool {
    match ports {
        Ports::All => true,
        Ports::These(ports) => ports.iter().any(|&(port, protocol)| {
            port == socket.port && protocol.is_none_or(|protocol| protocol == socket.protocol)
        }),
    }
}

/// Every listening socket with every process that holds it.
fn rows() -> io::Result<Vec<Row>> {
    let mut rows = listed()?;
    super::complete(&mut rows)?;
    rows.sort_unstable_by_key(|row| (row.port, row.protocol, row.address, row.pid));
    rows.dedup_by_key(|row| (row.port, row.protocol, row.address, row.pid));
    Ok(rows)
}

/// TCP sockets that listen and UDP sockets, as `listeners` tells. All other TCP states are connections.
#[cfg(not(any(target_os = "openbsd", target_os = "netbsd")))]
fn listed() -> io::Result<Vec<Row>> {
    use listeners::{Protocol as Named, SocketState as State};
    let all = listeners::get_all().map_err(|error| io::Error::other(error.to_string()))?;
    let rows = all.into_iter().filter_map(|listener| {
        let protocol = match (listener.protocol, listener.state) {
            (Named::TCP, State::Listen) => Protocol::Tcp,
            (Named::UDP, _) => Protocol::Udp,
            (Named::TCP, _) => return None,
        };
        Some(Row {
            protocol,
            address: listener.socket.ip(),
            port: listener.socket.port(),
            pid: Some(listener.process.pid),
            uid: None,
        })
    });
    Ok(rows.collect())
}

/// All of them come from `complete`.
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
fn listed() -> io::Result<Vec<Row>> {
    Ok(Vec::new())
}

/// Whether a socket of this machine can have this address. It is tried out on a port of the system's choice, without listening.
pub(crate) fn is_local(address: IpAddr) -> io::Result<bool> {
    let manner = Manner {
        reuse_address: false,
        dual_stack: true,
    };
    match super::try_bind(Protocol::Tcp, (address, 0).into(), manner) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(false),
        // A machine without IPv6 has no such addresses.
        Err(_) if address.is_ipv6() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_have_names_that_differ() {
        let row = Row {
            protocol: Protocol::Tcp,
            address: "127.0.0.1".parse().unwrap(),
            port: 3000,
            pid: Some(7),
            uid: None,
        };
        let others = [
            Row {
                protocol: Protocol::Udp,
                ..row
            },
            Row {
                address: "::ffff:127.0.0.1".parse().unwrap(),
                ..row
            },
            Row { port: 3001, ..row },
            Row {
                pid: Some(8),
                ..row
            },
            Row { pid: None, ..row },
        ];
        assert!(others.iter().all(|other| other.id() != row.id()));
    }

    #[test]
    fn the_own_listener_is_found_with_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // Wine tells an owner only once it has used the socket.
        listener.set_ttl(64).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut table = Table::open().unwrap();
        let mut sockets = Vec::new();
        table
            .listening(Ports::These(&[(port, None)]), &mut sockets)
            .unwrap();
        assert_eq!(sockets.len(), 1, "{sockets:?}");
        let found = table.find(vec![sockets[0].id], Depth::Complete).unwrap();
        let pids: Vec<u32> = found
            .holders
            .iter()
            .map(|(handle, _)| handle.pid())
            .collect();
        assert_eq!(pids, [std::process::id()]);
    }

    #[test]
    fn loopback_is_local_and_a_documentation_address_is_not() {
        assert!(is_local("127.0.0.1".parse().unwrap()).unwrap());
        assert!(!is_local("192.0.2.1".parse().unwrap()).unwrap());
    }
}
