//! The interface of a link-local address: every one may have it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};

/// Whether every interface may have this address: it is link-local, or a multicast group of one link or one machine.
pub(crate) fn needs_interface(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_unicast_link_local() || (first == 0xff && matches!(second & 0xf, 1 | 2))
}

/// Whether these are the same interface, where 0 stands for any.
pub(crate) fn are_one(interface: u32, other: u32) -> bool {
    interface == 0 || other == 0 || interface == other
}

/// This address on this interface, if it is one that every interface may have.
pub(crate) fn on_interface(address: SocketAddr, interface: u32) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if needs_interface(ip) => {
            SocketAddrV6::new(ip, address.port(), 0, interface).into()
        }
        _ => address,
    }
}

/// The index of the interface that comes with a link-local address; 0 for none.
pub(crate) fn interface_of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(address) if needs_interface(*address.ip()) => address.scope_id(),
        _ => 0,
    }
}

/// The index of an interface by its name, or as it is written. The system knows the names: getaddrinfo(3) takes an address with one, and looks
/// nothing else up for it.
pub(crate) fn index_of(name: &str) -> Option<u32> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return name.parse().ok().filter(|&index| index != 0);
    }
    // What looks like none might be asked for elsewhere on some systems.
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'@');
    if name.len() > 15 || !name.bytes().all(is_name) {
        return None;
    }
    let any = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let mut found = (format!("{any}%{name}"), 0).to_socket_addrs().ok()?;
    found.next().map(interface_of).filter(|&index| index != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_known_by_its_name_or_its_index() {
        #[cfg(target_os = "linux")]
        assert_eq!(index_of("lo"), Some(1));
        assert_eq!(index_of("7"), Some(7));
        for none in [
            "no-such-one",
            "0",
            "99999999999",
            "",
            "nul\0",
            "a b",
            "%",
            "]",
        ] {
            assert_eq!(index_of(none), None, "{none}");
        }
    }
}
