//! FreeBSD: the process table, and every process's descriptors.

use std::collections::HashSet;
use std::ffi::{OsString, c_int};
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::Info;
use super::bsd::{address, terminal};
pub(super) use super::bsd::{all, info};
use super::sysctl::{self, arguments, path, text, u32_at, unsigned};
use crate::protocol::Protocol;
use crate::sys::Place;
use crate::sys::listeners::Row;

/// Which processes are all of them: those that are no threads.
pub(super) const ALL: c_int = libc::KERN_PROC_PROC;

pub(super) fn processes(which: c_int, pid: c_int) -> io::Result<Vec<Info>> {
    let bytes = sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC, which, pid])?;
    // SAFETY: the record is made of numbers, and pointers that are not followed.
    let records = unsafe { sysctl::records::<libc::kinfo_proc>(&bytes) };
    Ok(records.iter().map(parse).collect())
}

fn parse(record: &libc::kinfo_proc) -> Info {
    let start = &record.ki_start;
    Info {
        pid: unsigned(record.ki_pid),
        parent: unsigned(record.ki_ppid),
        place: Place {
            session: unsigned(record.ki_sid),
            group: unsigned(record.ki_pgid),
            terminal: terminal(record.ki_tdev_freebsd11),
            arguments: 0,
        },
        uid: record.ki_uid,
        name: text(&record.ki_comm),
        start: u64::try_from(start.tv_sec)
            .unwrap_or(0)
            .saturating_mul(1_000_000)
            .saturating_add(u64::try_from(start.tv_usec).unwrap_or(0)),
        is_stopped: record.ki_stat == libc::SSTOP,
        is_zombie: record.ki_stat == libc::SZOMB,
    }
}

fn about(what: c_int, pid: u32) -> Option<Vec<u8>> {
    let pid = c_int::try_from(pid).ok()?;
    sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC, what, pid]).ok()
}

pub(super) fn command(pid: u32) -> Vec<OsString> {
    about(libc::KERN_PROC_ARGS, pid).map_or_else(Vec::new, |bytes| arguments(&bytes))
}

pub(super) fn executable(pid: u32) -> Option<PathBuf> {
    path(&about(libc::KERN_PROC_PATHNAME, pid)?)
}

pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
    let bytes = about(libc::KERN_PROC_CWD, pid)?;
    path(bytes.get(std::mem::offset_of!(libc::kinfo_file, kf_path)..)?)
}

/// Adds the other processes of shared sockets: `listeners` keeps one for each.
pub(in crate::sys) fn complete(rows: &mut Vec<Row>) -> io::Result<()> {
    let known: HashSet<(Protocol, IpAddr, u16)> = rows
        .iter()
        .map(|row| (row.protocol, row.address, row.port))
        .collect();
    for process in all()? {
        let Some(bytes) = about(libc::KERN_PROC_FILEDESC, process.pid) else {
            continue;
        };
        let held = descriptors(&bytes).filter_map(unconnected);
        for (protocol, address, port) in held.filter(|socket| known.contains(socket)) {
            rows.push(Row {
                protocol,
                address,
                port,
                pid: Some(process.pid),
                uid: None,
            });
        }
    }
    Ok(())
}

/// The records in an answer, each of which begins with its own length.
fn descriptors(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let record = rest.get(..length).filter(|record| record.len() > 4)?;
        rest = rest.get(length..)?;
        Some(record)
    })
}

/// The socket of a `struct kinfo_file`, if it is one of the internet's without a peer. `libc` leaves the part out in which
/// these fields are.
fn unconnected(record: &[u8]) -> Option<(Protocol, IpAddr, u16)> {
    const SOCKET: u32 = 2;
    if u32_at(record, 4)? != SOCKET {
        return None;
    }
    let protocol = match u32_at(record, 44).and_then(|number| c_int::try_from(number).ok())? {
        libc::IPPROTO_TCP => Protocol::Tcp,
        libc::IPPROTO_UDP => Protocol::Udp,
        _ => return None,
    };
    let (address, port) = address(record.get(48..176)?)?;
    match super::bsd::address(record.get(176..304)?) {
        Some((_, peer)) if peer != 0 => None,
        _ => Some((protocol, address, port)),
    }
}

pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    sysctl::port(c"net.inet.ip.portrange.first").unwrap_or(10000)
        ..=sysctl::port(c"net.inet.ip.portrange.last").unwrap_or(65535)
}
