//! Network interfaces, by which link-local addresses are told apart.

use std::net::Ipv6Addr;

/// The index of the interface of this name: if_nametoindex(3).
#[cfg(unix)]
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// Windows has an index where others have a name.
#[cfg(not(unix))]
pub(crate) fn interface_index(_: &str) -> Option<u32> {
    None
}

/// The indices of the interfaces that have this address. Only Linux is asked.
pub(crate) fn interfaces_with(address: Ipv6Addr) -> Vec<u32> {
    #[cfg(target_os = "linux")]
    let interfaces = super::linux::interfaces_with(address).unwrap_or_default();
    #[cfg(not(target_os = "linux"))]
    let interfaces = {
        let _ = address;
        Vec::new()
    };
    interfaces
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_the_first_one_and_has_its_address() {
        assert_eq!(interface_index("lo"), Some(1));
        assert_eq!(interface_index("no-such-one"), None);
        assert_eq!(interface_index("nul\0"), None);
        let interfaces = interfaces_with(Ipv6Addr::LOCALHOST);
        assert!(interfaces.is_empty() || interfaces == [1], "{interfaces:?}");
        assert_eq!(interfaces_with("2001:db8::1".parse().unwrap()), [0_u32; 0]);
    }
}
