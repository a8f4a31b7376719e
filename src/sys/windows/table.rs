//! The socket tables themselves, for what the `listeners` crate leaves out.

use std::ffi::c_void;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, GetExtendedUdpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID,
    MIB_UDP6ROW_OWNER_PID, MIB_UDPROW_OWNER_PID, TCP_TABLE_OWNER_PID_LISTENER, UDP_TABLE_OWNER_PID,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};

use super::process_info;
use crate::protocol::Protocol;
use crate::sys::listeners::Row;

/// Adds the rows that `listeners` 0.6.1 leaves out: those whose owner is not in the list of processes (it has ended and a child
/// has inherited the socket, or the owner reads 0), and the whole of a table that it could not read, which it takes for an empty one.
pub(in crate::sys) fn complete(rows: &mut Vec<Row>) -> io::Result<()> {
    let alive: Vec<u32> = process_info::snapshot()?
        .iter()
        .map(|entry| entry.pid)
        .collect();
    for mut row in all()? {
        // A PID of nobody is no owner. 0 is nobody's: what has to do with no process any more is shown with it.
        row.pid = row.pid.filter(|pid| *pid != 0 && alive.contains(pid));
        rows.push(row);
    }
    // The Idle process is not an owner either.
    for row in rows.iter_mut() {
        row.pid = row.pid.filter(|&pid| pid != 0);
    }
    Ok(())
}

/// Every listening TCP socket and every UDP socket.
fn all() -> io::Result<Vec<Row>> {
    let (mut rows, tcp, udp) = (Vec::new(), Protocol::Tcp, Protocol::Udp);
    each(&mut rows, tcp, AF_INET, |row: MIB_TCPROW_OWNER_PID| {
        (v4(row.dwLocalAddr), row.dwLocalPort, row.dwOwningPid)
    })?;
    each(&mut rows, tcp, AF_INET6, |row: MIB_TCP6ROW_OWNER_PID| {
        (row.ucLocalAddr.into(), row.dwLocalPort, row.dwOwningPid)
    })?;
    each(&mut rows, udp, AF_INET, |row: MIB_UDPROW_OWNER_PID| {
        (v4(row.dwLocalAddr), row.dwLocalPort, row.dwOwningPid)
    })?;
    each(&mut rows, udp, AF_INET6, |row: MIB_UDP6ROW_OWNER_PID| {
        (row.ucLocalAddr.into(), row.dwLocalPort, row.dwOwningPid)
    })?;
    Ok(rows)
}

fn v4(address: u32) -> IpAddr {
    Ipv4Addr::from(u32::from_be(address)).into()
}

/// A row as the system writes it: the port in network order in the lower half of a number.
fn owned(protocol: Protocol, (address, port, pid): (IpAddr, u32, u32)) -> Row {
    let [first, second, ..] = port.to_ne_bytes();
    Row {
        protocol,
        address,
        port: u16::from_be_bytes([first, second]),
        pid: Some(pid),
        uid: None,
    }
}

/// Asks for a table: into a buffer of this size, which comes back as what is needed.
///
/// # Safety
/// The buffer is as long as its size says, or null with the size 0.
unsafe fn ask(protocol: Protocol, family: u16, buffer: *mut c_void, size: &mut u32) -> u32 {
    let family = u32::from(family);
    // SAFETY: the caller promises what the buffer has to be; nothing else is pointed to but the size.
    unsafe {
        match protocol {
            Protocol::Tcp => {
                GetExtendedTcpTable(buffer, size, 0, family, TCP_TABLE_OWNER_PID_LISTENER, 0)
            }
            Protocol::Udp => GetExtendedUdpTable(buffer, size, 0, family, UDP_TABLE_OWNER_PID, 0),
        }
    }
}

/// Reads a table: a count, and behind it as many rows.
///
/// `T` has to be one of the row types above, which are made of numbers with an alignment of 4.
fn each<T: Copy>(
    rows: &mut Vec<Row>,
    protocol: Protocol,
    family: u16,
    read: impl Fn(T) -> (IpAddr, u32, u32),
) -> io::Result<()> {
    const FIRST_ROW: usize = size_of::<u32>();
    let mut buffer: Vec<u32> = Vec::new();
    // The table may grow between two questions, but not for ever.
    for _ in 0..16 {
        let mut size = u32::try_from(buffer.len() * size_of::<u32>()).unwrap_or(0);
        let place = match buffer.is_empty() {
            true => std::ptr::null_mut(),
            false => buffer.as_mut_ptr().cast(),
        };
        // SAFETY: the place is the buffer's, and the size as well.
        let answer = unsafe { ask(protocol, family, place, &mut size) };
        match answer {
            NO_ERROR if buffer.is_empty() => return Ok(()),
            NO_ERROR => {
                let bytes = buffer.len() * size_of::<u32>();
                let count = buffer.first().copied().unwrap_or(0);
                let room = bytes.saturating_sub(FIRST_ROW) / size_of::<T>();
                for index in 0..room.min(usize::try_from(count).unwrap_or(0)) {
                    // SAFETY: the row lies within the buffer, as `room` says, and any numbers make a row.
                    let row = unsafe {
                        let start = buffer.as_ptr().cast::<u8>().add(FIRST_ROW);
                        start.cast::<T>().add(index).read_unaligned()
                    };
                    rows.push(owned(protocol, read(row)));
                }
                return Ok(());
            }
            ERROR_INSUFFICIENT_BUFFER => {
                // Some room for those that come between the two calls.
                let words = usize::try_from(size)
                    .unwrap_or(0)
                    .div_ceil(size_of::<u32>());
                buffer = vec![0; words + 256];
            }
            error => return Err(io::Error::from_raw_os_error(error.cast_signed())),
        }
    }
    Err(io::Error::other("the socket table never stopped growing"))
}
