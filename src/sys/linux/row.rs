//! A row of one of the kernel's socket tables, whichever way it was read.

use std::net::SocketAddr;

/// The kernel's numbers of socket states (`TCP_*` in `net/tcp_states.h`), which UDP uses as well.
pub(super) mod state {
    /// A TCP connection, or a UDP socket that is connected to a peer.
    pub(in super::super) const ESTABLISHED: u8 = 1;
    pub(in super::super) const SYN_SENT: u8 = 2;
    pub(in super::super) const SYN_RECV: u8 = 3;
    pub(in super::super) const FIN_WAIT1: u8 = 4;
    pub(in super::super) const FIN_WAIT2: u8 = 5;
    pub(in super::super) const TIME_WAIT: u8 = 6;
    /// A UDP socket without a peer, or a TCP socket that is bound and does not listen.
    pub(in super::super) const CLOSE: u8 = 7;
    pub(in super::super) const CLOSE_WAIT: u8 = 8;
    pub(in super::super) const LAST_ACK: u8 = 9;
    pub(in super::super) const LISTEN: u8 = 10;
    pub(in super::super) const CLOSING: u8 = 11;
    /// Never in an answer, only in a request: TCP sockets that are bound and do not listen (Linux 6.8).
    pub(in super::super) const BOUND_INACTIVE: u8 = 13;
}

/// A row of a socket table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// One of [`state`].
    pub(super) state: u8,
    /// Milliseconds until the running timer fires, where one runs.
    pub(super) timer_ms: Option<u64>,
    pub(super) uid: u32,
    /// 0 where no process has the socket any more, or none has it yet.
    pub(super) inode: u64,
    /// The index of the interface on which alone it is; 0 for all, or where the table does not say.
    pub(super) interface: u32,
    /// Whether an IPv6 socket refuses IPv4; `None` where the table does not say.
    pub(super) v6_only: Option<bool>,
}
