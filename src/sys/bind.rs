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

/// What a bind tells of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bind {
    Done,
    InUse,
    /// A missing permission, a foreign address, a family that there is not here, or the like: it proves nothing.
    Untold,
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
    is_one_of(error, &short)
}

fn is_one_of(error: &io::Error, numbers: &[i32]) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| numbers.contains(&number))
}

/// Binds for an instant. The socket never listens, so nobody can connect to it. What neither says that the address is taken nor why it would
/// be refused to the caller anyway is an error: a port is not free for that.
pub(crate) fn bind(protocol: Protocol, address: SocketAddr, manner: Manner) -> io::Result<Bind> {
    #[cfg(unix)]
    let (no_such_family, no_proof) = {
        use nix::libc::{
            EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENODEV, EPERM, EPROTONOSUPPORT,
        };
        let no_such_family = [EAFNOSUPPORT, EPROTONOSUPPORT];
        (
            no_such_family,
            [EACCES, EPERM, EADDRNOTAVAIL, EINVAL, ENODEV, EAFNOSUPPORT],
        )
    };
    // WSAEPROTONOSUPPORT, WSAEAFNOSUPPORT; and WSAEACCES, WSAEINVAL, WSAEADDRNOTAVAIL.
    #[cfg(windows)]
    let (no_such_family, no_proof) = ([10043, 10047], [10013, 10022, 10049, 10047]);
    let socket = match socket_for(protocol, address, manner) {
        Err(error) if is_one_of(&error, &no_such_family) => return Ok(Bind::Untold),
        Err(error) if is_short_of_something(&error) => return Err(error),
        // In words, for it says nothing about processes.
        Err(error) => {
            return Err(io::Error::other(format!("no socket can be made: {error}")));
        }
        Ok(socket) => socket,
    };
    match socket.bind(&address.into()) {
        Ok(()) => Ok(Bind::Done),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(Bind::InUse),
        Err(error) if is_one_of(&error, &no_proof) => Ok(Bind::Untold),
        Err(error) => Err(error),
    }
}

/// The same for whoever shows the error.
pub(crate) fn try_bind(protocol: Protocol, address: SocketAddr, manner: Manner) -> io::Result<()> {
    socket_for(protocol, address, manner)?.bind(&address.into())
}

/// A socket to bind in this manner.
fn socket_for(protocol: Protocol, address: SocketAddr, manner: Manner) -> io::Result<Socket> {
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
