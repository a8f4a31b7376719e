//! Which end of a connection this is: the server's or the client's.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::connection::{Connection, ConnectionState, is_servers_by_ports};
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::sys;

/// Below it no client's port lies.
const WELL_KNOWN: u16 = 512;

/// Tells the client's end of a connection from the server's.
pub(super) struct Ends {
    ephemeral: RangeInclusive<u16>,
    /// The addresses at which this machine's servers listen. There may be thousands of them, and of connections.
    servers: HashSet<(Protocol, u16, IpAddr)>,
    /// Whether these addresses are this machine's, as far as that was asked.
    local: HashMap<IpAddr, bool>,
}

impl Ends {
    /// By the servers of this machine.
    pub(super) fn new(listening: Vec<Socket>) -> Self {
        let at = |socket: Socket| (socket.protocol, socket.port, socket.address.to_canonical());
        Self {
            ephemeral: sys::ephemeral_ports(),
            servers: listening.into_iter().map(at).collect(),
            local: HashMap::new(),
        }
    }

    /// A connection is a client's if a server of this machine is seen at its other end, or if its ports say so: its own is one that the
    /// kernel gives to clients, and the other's is not; or the other's is one of those that are kept for well-known services, where no client
    /// begins (those who want a port below 1024 take one from 512 on). One that is still being connected always is; and a UDP socket with a peer, unless the
    /// ports say that it is the server's.
    pub(super) fn is_clients(&mut self, connection: &Connection) -> bool {
        let (local, remote) = (connection.local, connection.remote);
        if connection.protocol == Protocol::Udp {
            return !is_servers_by_ports(local, remote, &self.ephemeral);
        }
        if connection.state == ConnectionState::SynSent {
            return true;
        }
        let by_ports = is_servers_by_ports(remote, local, &self.ephemeral)
            || (remote.port() < WELL_KNOWN && local.port() >= WELL_KNOWN);
        by_ports || self.has_server(connection)
    }

    /// Whether a server of this machine is seen at its other end.
    fn has_server(&mut self, connection: &Connection) -> bool {
        let port = connection.remote.port();
        let address = connection.remote.ip().to_canonical();
        let wildcards = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let mut listening = wildcards.into_iter().chain([address]);
        let is_seen =
            listening.any(|address| self.servers.contains(&(connection.protocol, port, address)));
        is_seen && (address == connection.local.ip().to_canonical() || self.is_local(address))
    }

    fn is_local(&mut self, address: IpAddr) -> bool {
        let local = self.local.entry(address);
        *local.or_insert_with(|| sys::is_local(address).unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_other_end_is_a_well_known_service_this_one_is_the_clients() {
        let mut ends = Ends::new(Vec::new());
        let mut is_clients = |remote: u16| {
            ends.is_clients(&Connection {
                protocol: Protocol::Tcp,
                local: "203.0.113.1:8080".parse().unwrap(),
                remote: (Ipv4Addr::new(203, 0, 113, 2), remote).into(),
                state: ConnectionState::Established,
                uid: None,
                remaining: None,
                id: 7,
            })
        };
        assert!(is_clients(443) && is_clients(22));
        // Clients of NFS and the like have ports of root's.
        assert!(!is_clients(700) && !is_clients(50_000));
    }
}
