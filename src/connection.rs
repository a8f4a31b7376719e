//! Sockets that use a port without holding it: connections, which explain why a port is busy.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::holder::SocketId;
use crate::target::Protocol;

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
            Self::Other => "OTHER",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
