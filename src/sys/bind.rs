//! Asking the kernel whether a port can be bound, by binding it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::protocol::Protocol;

/// A way to bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// With `SO_REUSEADDR`.
    pub reuse_address: bool,
    /// An IPv6 wildcard with IPv4 as well, as most servers have it; without, the answer is about one address family.
    pub dual_stack: bool,
}

/// Whether a call has failed at what is used up now, such as descriptors or memory: it tells nothing, and has to be made again.
pub(crate) fn is_short_of_something(error: &io::Error) -> bool {
    #[cfg(unix)]
    let short = {
        use nix::libc::{EAGAIN, EINTR, EIO, EMFILE, ENFILE, ENOBUFS, ENOMEM};
        [EAGAIN, EINTR, EIO, EMFILE, ENFILE, ENOBUFS, ENOMEM]
    };
    // WSAEINTR, WSAEMFILE, WSAENOBUFS.
    #[cfg(windows)]
    let short = [10004, 10024, 10055];
    error
        .raw_os_error()
        .is_some_and(|number| short.contains(&number))
}

/// Whether this says that there are no sockets of a family here, such as those of IPv6.
pub(crate) fn has_no_such_family(error: &io::Error) -> bool {
    #[cfg(unix)]
    let such = {
        use nix::libc::{EAFNOSUPPORT, EPROTONOSUPPORT};
        [EAFNOSUPPORT, EPROTONOSUPPORT]
    };
    // WSAEPROTONOSUPPORT, WSAEAFNOSUPPORT.
    #[cfg(windows)]
    let such = [10043, 10047];
    error
        .raw_os_error()
        .is_some_and(|number| such.contains(&number))
}

/// Binds a socket and closes it at once. It never listens, so nobody can connect to it.
pub(crate) fn try_bind(protocol: Protocol, address: SocketAddr, manner: Manner) -> io::Result<()> {
    socket_for(protocol, address, manner)?.bind(&address.into())
}

/// A socket to bind in this manner.
pub(crate) fn socket_for(
    protocol: Protocol,
    address: SocketAddr,
    manner: Manner,
) -> io::Result<Socket> {
    let kind = match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        // OpenBSD has no sockets for both families, and refuses to make one.
        socket.set_only_v6(!manner.dual_stack || cfg!(target_os = "openbsd"))?;
    }
    if manner.reuse_address {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}
