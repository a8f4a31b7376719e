//! Which end of a connection this is: the server's or the client's.

use std::ops::RangeInclusive;

use crate::connection::{Connection, ConnectionState, is_servers_by_ports};
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::sys;

/// Tells the client's end of a connection from the server's.
pub(super) struct Ends {
    ephemeral: RangeInclusive<u16>,
    listening: Vec<Socket>,
}

impl Ends {
    /// By the servers of this machine.
    pub(super) fn new(listening: Vec<Socket>) -> Self {
        Self {
            ephemeral: sys::ephemeral_ports(),
            listening,
        }
    }

    /// A connection is a client's if a server of this machine is seen at its other end, or if its ports say so: its own is one that the
    /// kernel gives to clients, and the other's is not. One that is still being connected always is; and a UDP socket with a peer, unless the
    /// ports say that it is the server's.
    pub(super) fn is_clients(&self, connection: &Connection) -> bool {
        let (local, remote) = (connection.local, connection.remote);
        if connection.protocol == Protocol::Udp {
            return !is_servers_by_ports(local, remote, &self.ephemeral);
        }
        if connection.state == ConnectionState::SynSent {
            return true;
        }
        let remote = connection.remote.ip().to_canonical();
        let is_server = |socket: &Socket| {
            let address = socket.address.to_canonical();
            socket.protocol == connection.protocol
                && socket.port == connection.remote.port()
                && (address == remote || address.is_unspecified())
        };
        let is_of_this_machine = || {
            remote == connection.local.ip().to_canonical() || sys::is_local(remote).unwrap_or(false)
        };
        let has_server = self.listening.iter().any(is_server) && is_of_this_machine();
        let by_ports = is_servers_by_ports(connection.remote, local, &self.ephemeral);
        has_server || by_ports
    }
}
