//! Asking the kernel whether a port can be bound, by binding it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::target::Protocol;

/// Binds a socket and closes it at once. It never listens, so nobody can connect to it.
///
/// An IPv6 socket asks for IPv6 alone: then the answer is about one address family.
pub(crate) fn try_bind(
    protocol: Protocol,
    address: SocketAddr,
    reuse_address: bool,
) -> io::Result<()> {
    let kind = match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(reuse_address)?;
    socket.bind(&address.into())
}
