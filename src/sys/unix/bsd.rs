//! What FreeBSD, NetBSD and OpenBSD have in common: how tables are asked for, and socket addresses.

use std::ffi::c_int;
use std::io;

use super::{Info, system};

/// A terminal by its device, which is `NODEV` where there is none.
pub(super) fn terminal(device: u32) -> i64 {
    const NODEV: u32 = u32::MAX;
    // A device may have the number 0, which is to be none.
    if device == NODEV {
        0
    } else {
        i64::from(device) + 1
    }
}

pub(super) fn info(pid: u32) -> Option<Info> {
    let pid = c_int::try_from(pid).ok()?;
    system::processes(libc::KERN_PROC_PID, pid).ok()?.pop()
}

pub(super) fn all() -> io::Result<Vec<Info>> {
    system::processes(system::ALL, 0)
}

/// The records of a table, where the kernel wants to be told how long one is and how many there may be.
///
/// # Safety
/// As for `sysctl::records`.
#[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
pub(super) unsafe fn table<T>(name: &[c_int]) -> io::Result<Vec<T>> {
    let length = c_int::try_from(size_of::<T>()).unwrap_or(0);
    let bytes = super::sysctl::by_mib(&[name, &[length, c_int::MAX]].concat())?;
    // SAFETY: the caller promises what is needed.
    Ok(unsafe { super::sysctl::records(&bytes) })
}

/// A `struct sockaddr` of IPv4 or IPv6.
#[cfg(any(target_os = "freebsd", target_os = "netbsd"))]
pub(super) fn address(bytes: &[u8]) -> Option<(std::net::IpAddr, u16)> {
    use super::sysctl::at;
    use std::net::{Ipv4Addr, Ipv6Addr};
    let port = u16::from_be_bytes(at(bytes, 2)?);
    let address = match c_int::from(*bytes.get(1)?) {
        libc::AF_INET => Ipv4Addr::from(at::<4>(bytes, 4)?).into(),
        libc::AF_INET6 => Ipv6Addr::from(at::<16>(bytes, 8)?).into(),
        _ => return None,
    };
    Some((address, port))
}
