//! macOS: the process table and the socket tables.
//!
//! The layouts are those of XNU's `sys/sysctl.h`, `netinet/in_pcb.h` and `sys/socketvar.h`, the same since macOS 10.15. What
//! is read is checked against the length of the answer.

use std::collections::HashSet;
use std::ffi::{OsString, c_int};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::Info;
use super::sysctl::{self, arguments, at, path, u32_at, unsigned, until_nul};
use crate::protocol::Protocol;
use crate::sys::Place;
use crate::sys::listeners::Row;

/// The length of a `struct kinfo_proc`.
const RECORD: usize = 648;

pub(super) fn info(pid: u32) -> Option<Info> {
    let pid = c_int::try_from(pid).ok()?;
    let bytes =
        sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid]).ok()?;
    parse(bytes.get(..RECORD)?)
}

pub(super) fn all() -> io::Result<Vec<Info>> {
    let bytes = sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_ALL, 0])?;
    Ok(bytes.chunks_exact(RECORD).filter_map(parse).collect())
}

/// A `struct kinfo_proc`.
fn parse(record: &[u8]) -> Option<Info> {
    let signed = |offset| at(record, offset).map(i32::from_ne_bytes);
    let seconds = at(record, 0).map(u64::from_ne_bytes)?;
    let pid = signed(40)?;
    let status = u32::from(*record.get(36)?);
    // SAFETY: the call takes a number and returns one.
    let session = unsafe { libc::getsid(pid) };
    Some(Info {
        pid: unsigned(pid),
        parent: unsigned(signed(560)?),
        place: Place {
            session: unsigned(session),
            group: unsigned(signed(564)?),
            // Without a terminal it is -1, and the device of the console has the number 0.
            terminal: i64::from(signed(572)?) + 1,
            arguments: 0,
        },
        uid: u32_at(record, 420)?,
        name: String::from_utf8_lossy(until_nul(record.get(243..260)?)).into_owned(),
        start: seconds
            .saturating_mul(1_000_000)
            .saturating_add(u32_at(record, 8)?.into()),
        is_stopped: status == libc::SSTOP,
        is_zombie: status == libc::SZOMB,
    })
}

/// `KERN_PROCARGS2`: a count, the program's path, NULs, and as many arguments as were counted, each ended by a NUL.
pub(super) fn command(pid: u32) -> Vec<OsString> {
    let read = || {
        let pid = c_int::try_from(pid).ok()?;
        let bytes = sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROCARGS2, pid]).ok()?;
        let count = usize::try_from(u32_at(&bytes, 0)?).ok()?;
        let rest = bytes.get(4..)?;
        let rest = rest.get(until_nul(rest).len()..)?;
        let rest = rest.get(rest.iter().position(|&byte| byte != 0)?..)?;
        let end: usize = rest
            .split_inclusive(|&byte| byte == 0)
            .take(count)
            .map(<[u8]>::len)
            .sum();
        Some(arguments(rest.get(..end)?))
    };
    read().unwrap_or_default()
}

pub(super) fn executable(pid: u32) -> Option<PathBuf> {
    const LENGTH: u32 = 4096;
    let mut buffer = vec![0u8; usize::try_from(LENGTH).ok()?];
    let pid = c_int::try_from(pid).ok()?;
    // SAFETY: the buffer is ours and as long as is told.
    let length = unsafe { libc::proc_pidpath(pid, buffer.as_mut_ptr().cast(), LENGTH) };
    path(buffer.get(..usize::try_from(length).ok()?)?)
}

pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
    // SAFETY: the type is made of numbers, all of which may be zero.
    let mut paths: libc::proc_vnodepathinfo = unsafe { std::mem::zeroed() };
    let length = c_int::try_from(size_of_val(&paths)).ok()?;
    let pid = c_int::try_from(pid).ok()?;
    // SAFETY: the place is ours and as long as is told.
    let written = unsafe {
        libc::proc_pidinfo(
            pid,
            libc::PROC_PIDVNODEPATHINFO,
            0,
            (&raw mut paths).cast(),
            length,
        )
    };
    let bytes: Vec<u8> = paths
        .pvi_cdir
        .vip_path
        .as_flattened()
        .iter()
        .map(|&character| u8::from_ne_bytes(character.to_ne_bytes()))
        .collect();
    (written == length).then(|| path(&bytes)).flatten()
}

/// Adds the sockets of processes that this user can't look into: the kernel lists them for everybody, with their users.
pub(in crate::sys) fn complete(rows: &mut Vec<Row>) -> io::Result<()> {
    let mut listed = sockets(&sysctl::by_name(c"net.inet.tcp.pcblist_n")?, Protocol::Tcp);
    let known: HashSet<(Protocol, IpAddr, u16)> = rows.iter().map(socket_of).collect();
    let is_known = |row: &Row| known.contains(&socket_of(row));
    // The layout is not promised. Where it is another one, nothing of what is known turns up, and nothing is believed.
    let has_tcp = rows.iter().any(|row| row.protocol == Protocol::Tcp);
    if has_tcp && !listed.iter().any(is_known) {
        log::warn!(
            target: "kill_port", "the kernel's list of sockets has an unknown layout: other users' sockets may not be seen"
        );
        return Ok(());
    }
    listed.extend(sockets(
        &sysctl::by_name(c"net.inet.udp.pcblist_n")?,
        Protocol::Udp,
    ));
    listed.retain(|row| !is_known(row));
    rows.append(&mut listed);
    Ok(())
}

fn socket_of(row: &Row) -> (Protocol, IpAddr, u16) {
    (row.protocol, row.address, row.port)
}

/// The sockets in a `pcblist_n` that can be held: records of different kinds, each with its length and kind, and aligned to 8.
/// A socket's own record follows that of its addresses.
fn sockets(bytes: &[u8], protocol: Protocol) -> Vec<Row> {
    const SOCKET: u32 = 0x01;
    const ADDRESSES: u32 = 0x10;
    const ACCEPTS: u32 = 0x02;
    let mut rows = Vec::new();
    let mut last: Option<(Row, u16)> = None;
    let mut rest = bytes;
    // The list itself has a head of its own.
    let mut is_head = true;
    while let Some(length) = u32_at(rest, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(record) = rest.get(..length).filter(|record| record.len() >= 8) else {
            break;
        };
        match u32_at(record, 4) {
            _ if is_head => {}
            Some(ADDRESSES) => last = addresses(record, protocol),
            Some(SOCKET) => {
                let Some((mut row, peer_port)) = last.take() else {
                    continue_after(&mut rest, length);
                    continue;
                };
                let accepts = u32_at(record, 20).is_some_and(|options| options & ACCEPTS != 0);
                let holds = match protocol {
                    Protocol::Tcp => accepts,
                    Protocol::Udp => peer_port == 0,
                };
                row.uid = u32_at(record, 64);
                if holds && row.port != 0 {
                    rows.push(row);
                }
            }
            _ => {}
        }
        is_head = false;
        continue_after(&mut rest, length);
    }
    rows
}

/// Cuts a record off, with what fills it up to a multiple of 8.
fn continue_after(rest: &mut &[u8], length: usize) {
    *rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
}

/// A `struct xinpcb_n`: the local address and port, and the port of the peer.
fn addresses(record: &[u8], protocol: Protocol) -> Option<(Row, u16)> {
    const IPV6: u8 = 0x2;
    let peer_port = u16::from_be_bytes(at(record, 16)?);
    let port = u16::from_be_bytes(at(record, 18)?);
    let address: IpAddr = if record.get(44)? & IPV6 != 0 {
        Ipv6Addr::from(at::<16>(record, 64)?).into()
    } else {
        Ipv4Addr::from(at::<4>(record, 76)?).into()
    };
    let row = Row {
        protocol,
        address,
        port,
        pid: None,
        uid: None,
    };
    Some((row, peer_port))
}

pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    sysctl::port(c"net.inet.ip.portrange.first").unwrap_or(49152)
        ..=sysctl::port(c"net.inet.ip.portrange.last").unwrap_or(65535)
}
