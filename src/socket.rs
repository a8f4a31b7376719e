//! Plain data: the sockets that hold a port, and which of them stand in each other's way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::interface::{are_one, interface_of, on_interface};
use crate::process::Process;
use crate::protocol::Protocol;
use crate::target::{Address, Target};

/// What a listening socket does, as far as the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketState {
    /// TCP that accepts connections.
    Listen,
    /// TCP that is bound to the port and does not listen: it blocks the port all the same. Only Linux 6.8 and later list it.
    Bound,
    /// UDP that is bound and not connected to a peer.
    Unconnected,
    /// UDP that is connected to its client, as a server for one client at a time is (`nc -u -l`, DTLS). Only Linux tells.
    Connected,
}

impl SocketState {
    /// The word for it in JSON and in tables: `listen`, `bound`, `unconnected` or `connected`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Bound => "bound",
            Self::Unconnected => "unconnected",
            Self::Connected => "connected",
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
    /// The index of the interface on which alone it is; 0 where it is on all, or where that is not told.
    pub(crate) interface: u32,
    /// What the system calls this socket: on Linux its inode, elsewhere a number made of its other fields.
    pub(crate) id: SocketId,
}

crate::users::user_of!(Socket);
crate::users::users_in! {
    Holder: process, sockets;
    HiddenSocket: socket, candidates;
    Survey: sockets, holders, hidden;
}

/// The system's name of a socket; unique among the sockets that exist at one time.
pub(crate) type SocketId = u64;

impl Socket {
    /// The address and port together; of a link-local address with its interface, where that is told.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        on_interface(SocketAddr::new(self.address, self.port), self.interface)
    }

    /// The address; of a link-local one with its interface, where that is told.
    #[must_use]
    pub fn full_address(&self) -> Address {
        self.local().into()
    }

    /// Whether it stands in the way of a bind to the target.
    pub(crate) fn blocks(&self, target: Target) -> bool {
        self.port == target.port()
            && target
                .protocol()
                .is_none_or(|protocol| protocol == self.protocol)
            && are_one(self.interface, target.interface())
            && target
                .address()
                .is_none_or(|address| address.ips().any(|ip| self.occupies(ip)))
    }

    /// Whether two sockets stand in each other's way, as far as addresses tell.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.port == other.port
            && are_one(self.interface, other.interface)
            && (self.occupies(other.address.to_canonical())
                || other.occupies(self.address.to_canonical())
                // A dual-stack `::` and `0.0.0.0` both take IPv4, though neither address lies within the other.
                || (self.takes_all_of_ipv4() && other.takes_all_of_ipv4()))
    }

    /// Whether the target is not free as long as one of both is there: they overlap, or a bind that it stands for meets both, as where each of
    /// them is on an interface of its own.
    pub(crate) fn meets(&self, other: &Self, target: Target) -> bool {
        let is_met_with = |address: Address| {
            let mut ips = address.ips();
            ips.any(|ip| self.occupies(ip) && other.occupies(ip))
        };
        self.overlaps(other)
            || (self.protocol == other.protocol && target.address().is_none_or(is_met_with))
    }

    /// Whether a connection to this local address arrives at it.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        are_one(self.interface, interface_of(local)) && self.occupies(local.ip().to_canonical())
    }

    /// Whether it occupies its port on this address: it has the address itself, or a wildcard that covers it.
    fn occupies(&self, ip: IpAddr) -> bool {
        let own = self.address.to_canonical();
        match (own, ip) {
            (IpAddr::V6(own), IpAddr::V4(_)) => own.is_unspecified() && self.dual_stack,
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
            _ => own.is_unspecified() || own == ip,
        }
    }

    fn takes_all_of_ipv4(&self) -> bool {
        self.address.is_unspecified() && (self.address.is_ipv4() || self.dual_stack)
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

impl fmt::Display for Holder {
    /// `node (PID 4711) on tcp 127.0.0.1:8080`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.process)?;
        for (index, socket) in self.sockets.iter().enumerate() {
            let between = if index == 0 { " on" } else { "," };
            write!(f, "{between} {socket}")?;
        }
        Ok(())
    }
}

/// Why a socket has no known holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HiddenCause {
    /// Some processes' descriptors can't be read by this user; one of them may hold it.
    Unreadable,
    /// Every process that is visible here was looked at, and no descriptor leads to it.
    Elsewhere,
    /// No descriptor was seen to lead to it, and a process has a thread that waits for connections (or datagrams) on a descriptor which was
    /// closed meanwhile. Such a wait keeps a socket; nothing tells which. Only Linux shows it.
    Closed,
}

/// A listening socket whose holder can't be determined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenSocket {
    /// The socket.
    pub socket: Socket,
    /// Why its holder is unknown.
    pub cause: HiddenCause,
    /// Processes that may hold it: a guess. Their descriptors can't be read, or a thread of theirs waits on one that was closed. Empty where
    /// too many might.
    pub candidates: Vec<Process>,
}

/// Who holds a target, as found at one moment. See [`survey`](crate::survey).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) holders: Vec<Holder>,
    pub(crate) hidden: Vec<HiddenSocket>,
}

impl Survey {
    /// The processes that hold at least one of the sockets, by PID.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// The sockets whose holder can't be determined.
    #[must_use]
    pub fn hidden(&self) -> &[HiddenSocket] {
        &self.hidden
    }

    /// Every listening socket of the target, by port.
    #[must_use]
    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Whether the target has no listening socket. That it can be bound as well is what a [`Plan`](crate::Plan) tells.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.sockets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    #[test]
    fn sockets_on_different_interfaces_are_not_in_each_others_way() {
        let on = |interface| Socket {
            protocol: Protocol::Tcp,
            address: "fe80::1".parse().unwrap(),
            port: 3000,
            state: SocketState::Listen,
            uid: None,
            user: None,
            dual_stack: false,
            interface,
            id: 1,
        };
        let target = |scope| -> Target {
            let address: SocketAddrV6 = format!("[fe80::1%{scope}]:3000").parse().unwrap();
            address.into()
        };
        // 0 is any interface, or one that is not told.
        for (one, other, meet) in [(2, 2, true), (2, 3, false), (2, 0, true), (0, 3, true)] {
            assert_eq!(on(one).overlaps(&on(other)), meet);
            assert_eq!(on(one).blocks(target(other)), meet, "{one} and {other}");
            assert_eq!(on(one).serves(on(other).local()), meet);
            assert_eq!(target(one).covers(on(other).local()), meet);
        }
        assert_eq!(on(2).to_string(), "tcp [fe80::1%2]:3000");
    }
}
