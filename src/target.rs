//! What is to be freed: a port, with a protocol and a local address if they matter.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::holder::Socket;

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

impl Address {
    /// The addresses that it stands for.
    pub(crate) fn ips(self) -> impl Iterator<Item = IpAddr> {
        let (first, second) = match self {
            Self::Ip(ip) => (ip, None),
            Self::Localhost => (
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ),
        };
        std::iter::once(first).chain(second)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Localhost => f.write_str("localhost"),
        }
    }
}

/// What is to be freed: a port from 1 to 65535, with a protocol (both if none is named) and a local address (any if none
/// is named).
///
/// Made from a number or from text:
///
/// ```
/// use kill_port::{Protocol, Target};
///
/// let any: Target = 8080.into();
/// let dns: Target = "53/udp".parse()?;
/// let local: Target = "127.0.0.1:3000".parse()?;
/// assert_eq!(dns.protocol, Some(Protocol::Udp));
/// assert_eq!(local.to_string(), "127.0.0.1:3000");
/// # Ok::<(), kill_port::ParseTargetError>(())
/// ```
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

impl Target {
    /// The port, with both protocols, on any address.
    #[must_use]
    pub const fn port(port: u16) -> Self {
        Self {
            port,
            protocol: None,
            address: None,
        }
    }

    /// The same target narrowed to one protocol.
    #[must_use]
    pub const fn protocol(self, protocol: Protocol) -> Self {
        Self {
            protocol: Some(protocol),
            ..self
        }
    }

    /// The same target narrowed to one local address. A wildcard (`0.0.0.0`, `::`) narrows nothing.
    #[must_use]
    pub fn address(self, address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            address: (!address.is_unspecified()).then_some(Address::Ip(address)),
            ..self
        }
    }

    /// Whether a socket may have the target's address here: always for no address and `localhost`, else when this
    /// machine has the address.
    ///
    /// # Errors
    /// What the system answers when it is asked (by binding a UDP socket to the address and no particular port).
    pub fn is_local(&self) -> std::io::Result<bool> {
        match self.address {
            Some(Address::Ip(ip)) => crate::sys::is_local(ip),
            Some(Address::Localhost) | None => Ok(true),
        }
    }

    /// Whether a socket stands in the way of a bind to the target.
    pub(crate) fn is_blocked_by(&self, socket: &Socket) -> bool {
        socket.port == self.port
            && self
                .protocol
                .is_none_or(|protocol| protocol == socket.protocol)
            && self
                .address
                .is_none_or(|address| address.ips().any(|ip| covers(socket, ip)))
    }
}

impl Target {
    /// Whether a socket with this local address is one of the target's.
    pub(crate) fn covers(&self, local: IpAddr) -> bool {
        let local = local.to_canonical();
        self.address
            .is_none_or(|address| local.is_unspecified() || address.ips().any(|ip| ip == local))
    }
}

/// Whether a socket occupies its port on this address: it has the address itself, or a wildcard that covers it.
fn covers(socket: &Socket, ip: IpAddr) -> bool {
    let own = socket.address.to_canonical();
    match (own, ip) {
        (IpAddr::V6(own), IpAddr::V4(_)) => own.is_unspecified() && socket.dual_stack,
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
        _ => own.is_unspecified() || own == ip,
    }
}

/// Whether two sockets of one port and protocol stand in each other's way, as far as addresses tell.
pub(crate) fn overlap(one: &Socket, other: &Socket) -> bool {
    one.protocol == other.protocol
        && one.port == other.port
        && (covers(one, other.address.to_canonical())
            || covers(other, one.address.to_canonical())
            || both_take_ipv4(one, other))
}

/// A dual-stack `::` and `0.0.0.0` both take IPv4, though neither address lies within the other.
fn both_take_ipv4(one: &Socket, other: &Socket) -> bool {
    let takes_all_ipv4 = |socket: &Socket| {
        socket.address.is_unspecified() && (socket.address.is_ipv4() || socket.dual_stack)
    };
    takes_all_ipv4(one) && takes_all_ipv4(other)
}

impl From<u16> for Target {
    fn from(port: u16) -> Self {
        Self::port(port)
    }
}

impl From<(u16, Protocol)> for Target {
    fn from((port, protocol): (u16, Protocol)) -> Self {
        Self::port(port).protocol(protocol)
    }
}

impl From<std::net::SocketAddr> for Target {
    fn from(address: std::net::SocketAddr) -> Self {
        Self::port(address.port()).address(address.ip())
    }
}

impl fmt::Display for Target {
    /// As it can be parsed again: `8080`, `53/udp`, `127.0.0.1:8080`, `[::1]:8080/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(Address::Ip(IpAddr::V6(ip))) => write!(f, "[{ip}]:")?,
            Some(address) => write!(f, "{address}:")?,
            None => {}
        }
        write!(f, "{}", self.port)?;
        match self.protocol {
            Some(protocol) => write!(f, "/{protocol}"),
            None => Ok(()),
        }
    }
}

/// The text names no target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseTargetError {
    /// The port is missing, no number, or not within 1 to 65535.
    Port,
    /// What follows the slash is neither `tcp` nor `udp`.
    Protocol,
    /// What precedes the port is no IP address and not `localhost`. There is no name resolution.
    Address,
}

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port is a number from 1 to 65535",
            Self::Protocol => "a protocol is tcp or udp",
            Self::Address => {
                "an address is an IP address of this machine, localhost, or a wildcard such as *; host names are not looked up"
            }
        })
    }
}

impl std::error::Error for ParseTargetError {}

impl FromStr for Target {
    type Err = ParseTargetError;

    /// `8080`, `:8080`, `53/udp`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080/tcp`; a wildcard, in the ways that
    /// programs print it (`*:8080`, `0.0.0.0:8080`, `:::8080`, `[::]:8080`), narrows nothing.
    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, name)) => (rest, Some(parse_protocol(name)?)),
            None => (text, None),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port),
            None => ("", rest),
        };
        Ok(Self {
            port: parse_port(port)?,
            protocol,
            address: parse_host(host)?,
        })
    }
}

fn parse_protocol(name: &str) -> Result<Protocol, ParseTargetError> {
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|protocol| protocol.as_str().eq_ignore_ascii_case(name))
        .ok_or(ParseTargetError::Protocol)
}

/// Digits only: the standard parser would take `+80` as well.
fn parse_port(digits: &str) -> Result<u16, ParseTargetError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseTargetError::Port);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(ParseTargetError::Port),
        Ok(port) => Ok(port),
    }
}

/// What stands before the last colon. `:::3000` leaves `::`, a wildcard; `fe80::1:3000` is ambiguous without brackets,
/// and any other bare IPv6 address is refused for it.
fn parse_host(host: &str) -> Result<Option<Address>, ParseTargetError> {
    if matches!(host, "" | "*" | "::" | "[*]") {
        return Ok(None);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(Some(Address::Localhost));
    }
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = match bracketed {
        Some(inner) => inner.parse().map(IpAddr::V6).ok(),
        None => host.parse().map(IpAddr::V4).ok(),
    }
    .ok_or(ParseTargetError::Address)?;
    let ip = ip.to_canonical();
    Ok((!ip.is_unspecified()).then_some(Address::Ip(ip)))
}
