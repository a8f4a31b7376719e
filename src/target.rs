//! What is to be freed: a port, with a protocol and a local address if they matter.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZeroU16, NonZeroU32};
use std::str::FromStr;

use crate::interface::{are_one, index_of, interface_of, needs_interface};
use crate::printable::printable;
use crate::protocol::Protocol;

/// A local address that narrows a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// One address of this machine. IPv4-mapped IPv6 addresses (`::ffff:a.b.c.d`) are kept as IPv4.
    Ip(IpAddr),
    /// A link-local address on the interface of this index, `fe80::1%eth0`. Every interface may have the same one, and a server on another has
    /// nothing to do with this one. [`Ip`](Self::Ip) of such an address means all of them.
    OnInterface(Ipv6Addr, NonZeroU32),
    /// `localhost`: both loopbacks, `127.0.0.1` and `::1`.
    Localhost,
}

impl Address {
    /// The addresses that it stands for.
    pub(crate) fn ips(self) -> impl Iterator<Item = IpAddr> {
        let (first, second) = match self {
            Self::Ip(ip) => (ip, None),
            Self::OnInterface(ip, _) => (IpAddr::V6(ip), None),
            Self::Localhost => (
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ),
        };
        std::iter::once(first).chain(second)
    }
}

impl Address {
    /// Each of them, on its interface.
    pub(crate) fn each(self) -> impl Iterator<Item = Self> {
        let interface = self.interface();
        self.ips().map(move |ip| Self::on_interface(ip, interface))
    }

    /// The index of its interface; 0 where it is meant on all.
    pub(crate) fn interface(self) -> u32 {
        match self {
            Self::OnInterface(_, interface) => interface.get(),
            Self::Ip(_) | Self::Localhost => 0,
        }
    }

    /// This address on the interface of this index, if it is one that needs an interface and 0 is not the index.
    pub(crate) fn on_interface(ip: IpAddr, interface: u32) -> Self {
        match (ip, NonZeroU32::new(interface)) {
            (IpAddr::V6(ip), Some(interface)) if needs_interface(ip) => {
                Self::OnInterface(ip, interface)
            }
            _ => Self::Ip(ip),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::on_interface(address.ip(), interface_of(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::OnInterface(ip, interface) => write!(f, "{ip}%{interface}"),
            Self::Localhost => f.write_str("localhost"),
        }
    }
}

/// What is to be freed: a port from 1 to 65535, with a protocol (both if none is named) and a local address (any if none
/// is named).
///
/// Made from a number, from a socket address or from text:
///
/// ```
/// use kill_port::{Protocol, Target};
///
/// let any: Target = 8080.into();
/// let dns: Target = "53/udp".parse()?;
/// let local = Target::try_from("127.0.0.1:3000")?;
/// assert_eq!(any, Target::new(8080));
/// assert_eq!(dns.protocol(), Some(Protocol::Udp));
/// assert_eq!(local.to_string(), "127.0.0.1:3000");
/// # Ok::<(), kill_port::ParseTargetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    port: u16,
    protocol: Option<Protocol>,
    address: Option<Address>,
}

impl Target {
    /// The port, with both protocols, on any address. Port 0 is nobody's port: nothing is ever signalled for it.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self {
            port,
            protocol: None,
            address: None,
        }
    }

    /// The same target narrowed to one protocol.
    #[must_use]
    pub const fn with_protocol(self, protocol: Protocol) -> Self {
        Self {
            protocol: Some(protocol),
            ..self
        }
    }

    /// The same target narrowed to one local address. A wildcard (`0.0.0.0`, `::`) narrows nothing, and an IPv4-mapped
    /// IPv6 address (`::ffff:127.0.0.1`) is the IPv4 address.
    #[must_use]
    pub fn with_address(self, address: impl Into<Address>) -> Self {
        let address = match address.into() {
            Address::Ip(ip) => {
                let ip = ip.to_canonical();
                (!ip.is_unspecified()).then_some(Address::Ip(ip))
            }
            other => Some(other),
        };
        Self { address, ..self }
    }

    /// The same protocol and address on another port.
    #[must_use]
    pub const fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The protocol; `None` means both.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// The local address; `None` means any.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.address
    }

    /// The index of the interface that its address is meant on; 0 for all.
    pub(crate) fn interface(&self) -> u32 {
        self.address.map_or(0, Address::interface)
    }

    /// The protocols that it stands for.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = Protocol> + use<> {
        let only = self.protocol;
        [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .filter(move |protocol| only.is_none_or(|only| only == *protocol))
    }

    /// Whether a socket with this local address is one of the target's.
    pub(crate) fn covers(&self, local: SocketAddr) -> bool {
        let (ip, interface) = (local.ip().to_canonical(), interface_of(local));
        are_one(self.interface(), interface)
            && (self.address)
                .is_none_or(|address| ip.is_unspecified() || address.ips().any(|other| other == ip))
    }
}

impl From<u16> for Target {
    fn from(port: u16) -> Self {
        Self::new(port)
    }
}

impl From<NonZeroU16> for Target {
    fn from(port: NonZeroU16) -> Self {
        Self::new(port.get())
    }
}

impl From<(u16, Protocol)> for Target {
    fn from((port, protocol): (u16, Protocol)) -> Self {
        Self::new(port).with_protocol(protocol)
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from((address, port): (IpAddr, u16)) -> Self {
        Self::new(port).with_address(address)
    }
}

impl From<SocketAddr> for Target {
    /// A link-local address keeps its interface, which is its `scope_id`.
    fn from(address: SocketAddr) -> Self {
        Self::new(address.port()).with_address(address)
    }
}

impl From<SocketAddrV4> for Target {
    fn from(address: SocketAddrV4) -> Self {
        SocketAddr::V4(address).into()
    }
}

impl From<SocketAddrV6> for Target {
    fn from(address: SocketAddrV6) -> Self {
        SocketAddr::V6(address).into()
    }
}

impl TryFrom<&str> for Target {
    type Error = ParseTargetError;

    fn try_from(text: &str) -> Result<Self, ParseTargetError> {
        text.parse()
    }
}

impl fmt::Display for Target {
    /// As it can be parsed again: `8080`, `53/udp`, `127.0.0.1:8080`, `[::1]:8080/tcp`, `[fe80::1%2]:8080` (with the index of the interface).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address @ (Address::Ip(IpAddr::V6(_)) | Address::OnInterface(..))) => {
                write!(f, "[{address}]:")?;
            }
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

/// The text is not a target. Displays what was given and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTargetError {
    text: String,
    kind: ParseTargetErrorKind,
}

/// What is wrong with a text that should have been a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseTargetErrorKind {
    /// The port is missing, not a number, or not within 1 to 65535.
    Port,
    /// What follows the slash is neither `tcp` nor `udp`.
    Protocol,
    /// What precedes the port is neither an IP address nor `localhost`. There is no name resolution.
    Address,
    /// It is a wildcard on one interface, such as `0.0.0.0%eth0:67`: who holds the port there alone is not told apart.
    Interface,
    /// No interface of this machine has the name (or the index) that a link-local address comes with: `fe80::1%eth7`.
    NoInterface,
}

impl ParseTargetError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ParseTargetErrorKind {
        self.kind
    }
}

impl fmt::Display for ParseTargetErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port is a number from 1 to 65535",
            Self::Protocol => "a protocol is tcp or udp",
            Self::Address => {
                "an address is an IP address of this machine, localhost, or a wildcard such as *; host names are not looked up"
            }
            Self::NoInterface => "there is no interface of that name here",
            Self::Interface => "the port can't be freed on one interface alone; without the interface it is all of them",
        })
    }
}

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}': {}", printable(&self.text), self.kind)
    }
}

impl std::error::Error for ParseTargetError {}

impl FromStr for Target {
    type Err = ParseTargetError;

    /// One local socket address, as people and programs write it: `8080`, `:8080`, `53/udp`, `127.0.0.1:8080`, `[::1]:8080`,
    /// `localhost:8080/tcp`.
    ///
    /// - A wildcard (`*:8080`, `0.0.0.0:8080`, `:::8080`, `[::]:8080`) narrows nothing.
    /// - `localhost` and every name below it (`shop.localhost:3000`, RFC 6761) are both loopbacks.
    /// - A link-local address (or multicast group) may come with its interface, by name or by index: `[fe80::1%eth0]:80` (getaddrinfo(3), which looks nothing up for it). Without one it is
    ///   that address on every interface.
    /// - What `ss` puts behind any other address that is bound to an interface (`127.0.0.53%lo:53`) is left out: the address says it
    ///   already. A wildcard with an interface (`0.0.0.0%eth0:67`) is refused, as it would be more than was asked for.
    /// - The `netstat` of macOS and the BSDs has a dot before the port: `*.8080`, `127.0.0.1.8080`, `::1.8080`.
    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        parse(text).map_err(|kind| ParseTargetError {
            text: text.to_owned(),
            kind,
        })
    }
}

fn parse(text: &str) -> Result<Target, ParseTargetErrorKind> {
    let (rest, protocol) = match text.rsplit_once('/') {
        Some((rest, name)) => (rest, Some(parse_protocol(name)?)),
        None => (text, None),
    };
    let (host, separator, port) = split(rest);
    let target = Target {
        protocol,
        ..Target::new(parse_port(port)?)
    };
    Ok(match parse_host(host, separator)? {
        Some(address) => target.with_address(address),
        None => target,
    })
}

fn parse_protocol(name: &str) -> Result<Protocol, ParseTargetErrorKind> {
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|protocol| protocol.as_str().eq_ignore_ascii_case(name))
        .ok_or(ParseTargetErrorKind::Protocol)
}

/// Digits only: the standard parser would take `+80` as well.
fn parse_port(digits: &str) -> Result<u16, ParseTargetErrorKind> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseTargetErrorKind::Port);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(ParseTargetErrorKind::Port),
        Ok(port) => Ok(port),
    }
}

/// What stands before and behind the last colon or, as the BSDs have it, dot.
fn split(text: &str) -> (&str, Separator, &str) {
    let Some(at) = text.rfind([':', '.']) else {
        return ("", Separator::Colon, text);
    };
    let (host, rest) = text.split_at(at);
    match rest.strip_prefix('.') {
        None => (host, Separator::Colon, rest.get(1..).unwrap_or_default()),
        Some(port) => (host, Separator::Dot, port),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Colon,
    Dot,
}

/// What stands before the port. `:::3000` leaves `::`, a wildcard.
fn parse_host(host: &str, separator: Separator) -> Result<Option<Address>, ParseTargetErrorKind> {
    use ParseTargetErrorKind::{Address as NoAddress, Interface, NoInterface, Port};
    let wrong = match separator {
        Separator::Colon => NoAddress,
        // An address without a port, such as `192.168.0.1`, or a number with a fraction.
        Separator::Dot => Port,
    };
    if host.is_empty() && separator == Separator::Colon {
        return Ok(None);
    }
    let (host, interface) = without_interface(host).ok_or(wrong)?;
    // On Linux `eth0.100` is the name of an interface.
    if interface.is_some() && separator == Separator::Dot && cfg!(target_os = "linux") {
        return Err(Port);
    }
    let address = if is_localhost(&host) {
        Some(Address::Localhost)
    } else if matches!(host.as_ref(), "*" | "[*]") {
        None
    } else {
        let ip = parse_ip(&host, separator).ok_or(wrong)?;
        (!ip.is_unspecified()).then_some(Address::Ip(ip))
    };
    match (interface, address) {
        (Some(_), None) => Err(Interface),
        (Some(name), Some(Address::Ip(IpAddr::V6(ip)))) if needs_interface(ip) => {
            let index = index_of(name).ok_or(NoInterface)?;
            Ok(Some(Address::on_interface(ip.into(), index)))
        }
        (_, address) => Ok(address),
    }
}

/// The address of `127.0.0.53%lo`, `[fe80::1%eth0]` or `[fe80::1]%eth0`, and its interface.
fn without_interface(host: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    let Some((address, interface)) = host.split_once('%') else {
        return Some((host.into(), None));
    };
    let (interface, end) = match interface.strip_suffix(']') {
        Some(interface) => (interface, "]"),
        None => (interface, ""),
    };
    (!interface.is_empty()).then(|| (format!("{address}{end}").into(), Some(interface)))
}

/// `localhost`, and every name that ends in it: all of them are the loopback, without any look-up.
fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty()
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let labels = || host.split('.');
    labels().next_back() == Some("localhost") && labels().all(is_label)
}

/// An IPv6 address needs brackets before a colon: `fe80::1:3000` may be an address alone. Not so `::1:3000` and
/// `::ffff:127.0.0.1:3000`, which `netstat` prints: no machine has such an address, and nothing follows the dotted part of one.
fn parse_ip(host: &str, separator: Separator) -> Option<IpAddr> {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = bracketed {
        return inner.parse().map(IpAddr::V6).ok();
    }
    let ip: IpAddr = host.parse().ok()?;
    let is_clear = match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => {
            separator == Separator::Dot
                || ip.is_unspecified()
                || ip.is_loopback()
                || host.contains('.')
        }
    };
    is_clear.then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_programs_print_it() {
        for (text, target) in [
            ("8080", "8080"),
            (":8080", "8080"),
            ("*:8080", "8080"),
            (":::8080", "8080"),
            ("[::]:8080/tcp", "8080/tcp"),
            ("127.0.0.53%lo:53", "127.0.0.53:53"),
            ("[fe80::1%7]:80", "[fe80::1%7]:80"),
            ("[fe80::1]%7:546/udp", "[fe80::1%7]:546/udp"),
            ("[2001:db8::1%eth0]:80", "[2001:db8::1]:80"),
            #[cfg(target_os = "linux")]
            ("[fe80::1%lo]:80", "[fe80::1%1]:80"),
            ("*.8080", "8080"),
            ("127.0.0.1.8080", "127.0.0.1:8080"),
            ("::1.8080/udp", "[::1]:8080/udp"),
            ("localhost.8080", "localhost:8080"),
            ("Shop.LocalHost:3000", "localhost:3000"),
            ("::1:631", "[::1]:631"),
            ("::ffff:127.0.0.1:8080", "127.0.0.1:8080"),
        ] {
            let parsed = text.parse::<Target>().map(|target| target.to_string());
            assert_eq!(parsed.as_deref(), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_may_mean_two_things_is_refused() {
        use ParseTargetErrorKind::{Address, Interface, NoInterface, Port};
        for (text, kind) in [
            ("fe80::1:3000", Address),
            ("34000:34010", Address),
            ("notlocalhost:80", Address),
            (".localhost:80", Address),
            ("localhost.example:80", Address),
            ("127.0.0.1%:80", Address),
            ("0.0.0.0%virbr0:67", Interface),
            ("*%eth0:67", Interface),
            ("[ff02::fb%no-such-one]:5353", NoInterface),
            ("[fe80::1%no-such-one]:80", NoInterface),
            ("[fe80::1%0]:80", NoInterface),
            ("127.0.0.1", Port),
            ("3000.5", Port),
            (".8080", Port),
            ("::1", Address),
            ("*:*", Port),
            // A port, or an interface of that name.
            #[cfg(target_os = "linux")]
            ("fe80::1%eth0.100", Port),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
        }
    }
}
