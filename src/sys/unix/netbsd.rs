//! NetBSD: the process table, the socket tables and every descriptor.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsString, c_int};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::Info;
use super::bsd::{address, table, terminal};
pub(super) use super::bsd::{all, info};
use super::sysctl::{self, arguments, path, text, unsigned};
use crate::protocol::Protocol;
use crate::sys::Place;
use crate::sys::listeners::Row;

pub(super) const ALL: c_int = libc::KERN_PROC_ALL;

pub(super) fn processes(which: c_int, pid: c_int) -> io::Result<Vec<Info>> {
    // SAFETY: the record is made of numbers.
    let records: Vec<libc::kinfo_proc2> =
        unsafe { table(&[libc::CTL_KERN, libc::KERN_PROC2, which, pid]) }?;
    Ok(records.iter().map(parse).collect())
}

fn parse(record: &libc::kinfo_proc2) -> Info {
    let status = c_int::from(record.p_stat);
    Info {
        pid: unsigned(record.p_pid),
        parent: unsigned(record.p_ppid),
        place: Place {
            session: unsigned(record.p_sid),
            group: unsigned(record.p__pgid),
            terminal: terminal(record.p_tdev),
            arguments: 0,
        },
        uid: record.p_uid,
        name: text(&record.p_comm),
        start: u64::from(record.p_ustart_sec) * 1_000_000 + u64::from(record.p_ustart_usec),
        is_stopped: status == libc::LSSTOP,
        is_zombie: status == libc::LSZOMB,
    }
}

fn about(what: c_int, pid: u32) -> Option<Vec<u8>> {
    let pid = c_int::try_from(pid).ok()?;
    sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC_ARGS, pid, what]).ok()
}

pub(super) fn command(pid: u32) -> Vec<OsString> {
    about(libc::KERN_PROC_ARGV, pid).map_or_else(Vec::new, |bytes| arguments(&bytes))
}

pub(super) fn executable(pid: u32) -> Option<PathBuf> {
    path(&about(libc::KERN_PROC_PATHNAME, pid)?)
}

pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
    /// `KERN_PROC_CWD` of `sys/sysctl.h`.
    const CWD: c_int = 6;
    path(&about(CWD, pid)?)
}

/// All sockets: those that processes have descriptors for, and those of which no process can be seen.
pub(in crate::sys) fn complete(rows: &mut Vec<Row>) -> io::Result<()> {
    let mut owners: HashMap<u64, HashSet<u32>> = HashMap::new();
    for (socket, pid) in descriptors()? {
        owners.entry(socket).or_default().insert(pid);
    }
    for (name, protocol) in [
        (c"net.inet.tcp.pcblist", Protocol::Tcp),
        (c"net.inet6.tcp6.pcblist", Protocol::Tcp),
        (c"net.inet.udp.pcblist", Protocol::Udp),
        (c"net.inet6.udp6.pcblist", Protocol::Udp),
    ] {
        for pcb in pcbs(name)? {
            let Some(row) = row(&pcb, protocol) else {
                continue;
            };
            match owners.get(&pcb.ki_sockaddr) {
                Some(pids) => {
                    rows.extend(pids.iter().map(|&pid| Row {
                        pid: Some(pid),
                        ..row
                    }));
                }
                None => rows.push(row),
            }
        }
    }
    Ok(())
}

/// The sockets that processes have descriptors for: the kernel's address of each, and the process. Where the kernel keeps its
/// addresses back (`kern.expose_address` in sysctl(7)) they are 0, which is the name of no socket: none has an owner then.
fn descriptors() -> io::Result<impl Iterator<Item = (u64, u32)>> {
    /// `DTYPE_SOCKET` of `sys/file.h`.
    const SOCKET: u32 = 2;
    let mut mib = sysctl::mib_of(c"kern.file2")?;
    mib.extend([libc::KERN_FILE_BYPID, 0]);
    // SAFETY: the record is made of numbers.
    let records: Vec<libc::kinfo_file> = unsafe { table(&mib) }?;
    let sockets = records
        .into_iter()
        .filter(|file| file.ki_ftype == SOCKET && file.ki_fdata != 0);
    Ok(sockets.map(|file| (file.ki_fdata, file.ki_pid)))
}

fn pcbs(name: &CStr) -> io::Result<Vec<libc::kinfo_pcb>> {
    let mut mib = match sysctl::mib_of(name) {
        // A kernel without IPv6 has no such table.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    mib.extend([libc::PCB_ALL, 0]);
    // SAFETY: the record is made of numbers.
    unsafe { table(&mib) }
}

/// A socket that holds a port: TCP in LISTEN, or UDP without a peer.
fn row(pcb: &libc::kinfo_pcb, protocol: Protocol) -> Option<Row> {
    /// `TCPS_LISTEN` of `netinet/tcp_fsm.h`.
    const LISTEN: i32 = 1;
    if protocol == Protocol::Tcp && pcb.ki_tstate != LISTEN {
        return None;
    }
    let (address, port) = address(bytes_of(&pcb.ki_s))?;
    let peer = super::bsd::address(bytes_of(&pcb.ki_d)).map_or(0, |(_, port)| port);
    (port != 0 && peer == 0).then_some(Row {
        protocol,
        address,
        port,
        pid: None,
        uid: None,
    })
}

/// The bytes of a place for a socket address, which is larger than the type of the address in it.
fn bytes_of<T>(place: &T) -> &[u8] {
    // SAFETY: the places that this is used for came from the kernel as bytes, so that all of them are initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(place).cast(), size_of::<T>()) }
}

pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    sysctl::port(c"net.inet.ip.anonportmin").unwrap_or(49152)
        ..=sysctl::port(c"net.inet.ip.anonportmax").unwrap_or(65535)
}
