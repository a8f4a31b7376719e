//! What is to be freed: a port, with a protocol and a local address if they matter.

use std::fmt;
use std::net::IpAddr;

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP, Multipath TCP included.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A local address that narrows a [`Target`]. A wildcard narrows nothing and is no address here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// One address of this machine. IPv4-mapped IPv6 addresses (`::ffff:a.b.c.d`) are kept as IPv4.
    Ip(IpAddr),
    /// `localhost`: both loopbacks, `127.0.0.1` and `::1`.
    Localhost,
}

/// What is to be freed: a port from 1 to 65535, with a protocol (both if none is named) and a local address (any if none
/// is named).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Target {
    /// The port. 0 is nobody's port: nothing is ever signalled for it.
    pub port: u16,
    /// The protocol; `None` means both.
    pub protocol: Option<Protocol>,
    /// The local address; `None` means any.
    pub address: Option<Address>,
}
