//! Sockets that use a port without holding it: connections, which explain why a port is busy.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::socket::SocketId;

/// A socket whose local port is the port and which is no listening one. It may keep a bind from succeeding, and is never a
/// reason to signal anybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Connection {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The state of the connection.
    pub state: ConnectionState,
    /// The user who made the socket, where the system tells and the socket still belongs to somebody.
    pub uid: Option<u32>,
    /// How long the kernel keeps the port for it, where it will give it up by itself: in TIME_WAIT, and in FIN_WAIT_2 once no
    /// process has the socket any more.
    pub remaining: Option<Duration>,
    /// The inode; 0 where no process has the socket: in TIME_WAIT, orphaned, or not accepted yet.
    pub(crate) id: SocketId,
}

/// Whether the ports say that this is the server's end: its own is none that the kernel gives to clients, and the other's is one.
pub(crate) fn is_servers_by_ports(
    local: SocketAddr,
    remote: SocketAddr,
    ephemeral: &RangeInclusive<u16>,
) -> bool {
    !ephemeral.contains(&local.port()) && ephemeral.contains(&remote.port())
}

impl Connection {
    /// Whether no process has this socket any more, or none has it yet: only the kernel keeps it.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.id == 0
    }
}

/// The state of a [`Connection`], in the words of RFC 9293.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Both ends are open. Also a UDP socket that is connected to a peer.
    Established,
    /// It waits for the other end to answer.
    SynSent,
    /// It was asked for, and is not accepted yet.
    SynRecv,
    /// This end was closed; the other has not acknowledged that.
    FinWait1,
    /// This end was closed; the other has not closed yet.
    FinWait2,
    /// Both ends are closed; late packets are waited for.
    TimeWait,
    /// The other end was closed; the process here has not closed its own.
    CloseWait,
    /// Both ends were closed; the other has not acknowledged that.
    LastAck,
    /// Both ends were closed at once.
    Closing,
    /// The other end has broken it off; the process here has not closed its own.
    Closed,
    /// A state that has no name here.
    Other,
}

impl ConnectionState {
    /// The word for it in JSON and for people: `ESTABLISHED`, `TIME_WAIT`, `FIN_WAIT_2` and so on.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT_1",
            Self::FinWait2 => "FIN_WAIT_2",
            Self::TimeWait => "TIME_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Closing => "CLOSING",
            Self::Closed => "CLOSED",
            Self::Other => "OTHER",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The connections in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LingeringState {
    /// The state.
    pub state: ConnectionState,
    /// How many are in it.
    pub count: usize,
    /// How long the last of them takes at most until the kernel gives it up; `None` where that depends on the other end or on a process.
    pub longest: Option<Duration>,
}

impl LingeringState {
    /// Counts connections by their state.
    pub(crate) fn count(connections: &[&Connection]) -> Vec<Self> {
        let mut states: BTreeMap<ConnectionState, Self> = BTreeMap::new();
        for connection in connections {
            let entry = states.entry(connection.state).or_insert_with(|| Self {
                state: connection.state,
                count: 0,
                longest: connection.remaining,
            });
            entry.count += 1;
            // One that has no end of its own makes the whole state endless.
            entry.longest = entry
                .longest
                .zip(connection.remaining)
                .map(|(one, other)| one.max(other));
        }
        states.into_values().collect()
    }
}

/// `3 in TIME_WAIT for 60 s at most, 1 in FIN_WAIT_1`
pub(crate) fn counted(f: &mut fmt::Formatter<'_>, states: &[LingeringState]) -> fmt::Result {
    for (index, state) in states.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{} in {}", state.count, state.state)?;
        if let Some(longest) = state.longest {
            write!(f, " for {} s at most", longest.as_secs().saturating_add(1))?;
        }
    }
    Ok(())
}
