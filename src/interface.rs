//! The interface of a link-local address: every one may have it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};

/// This address on this interface, if it is one that every interface may have.
pub(crate) fn on_interface(address: SocketAddr, interface: u32) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            SocketAddrV6::new(ip, address.port(), 0, interface).into()
        }
        _ => address,
    }
}

/// The index of the interface that comes with a link-local address; 0 for none.
pub(crate) fn interface_of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(address) if address.ip().is_unicast_link_local() => address.scope_id(),
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
