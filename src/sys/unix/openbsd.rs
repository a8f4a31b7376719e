//! OpenBSD: the process table, and every descriptor with its socket.

use std::collections::HashSet;
use std::ffi::{OsString, c_int};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::Info;
pub(super) use super::bsd::{all, info};
use super::bsd::{table, terminal};
use super::sysctl::{self, at, path, text, unsigned, until_nul};
use crate::protocol::Protocol;
use crate::sys::Place;
use crate::sys::listeners::Row;

pub(super) const ALL: c_int = libc::KERN_PROC_ALL;

pub(super) fn processes(which: c_int, pid: c_int) -> io::Result<Vec<Info>> {
    // SAFETY: the record is made of numbers.
    let records: Vec<libc::kinfo_proc> =
        unsafe { table(&[libc::CTL_KERN, libc::KERN_PROC, which, pid]) }?;
    Ok(records.iter().map(parse).collect())
}

fn parse(record: &libc::kinfo_proc) -> Info {
    /// `SSTOP`, `SZOMB` and `SDEAD` of `sys/proc.h`.
    const STOPPED: i8 = 4;
    const ENDED: [i8; 2] = [5, 6];
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
        start: record
            .p_ustart_sec
            .saturating_mul(1_000_000)
            .saturating_add(record.p_ustart_usec.into()),
        is_stopped: record.p_stat == STOPPED,
        is_zombie: ENDED.contains(&record.p_stat),
    }
}

/// An array of pointers, with a null behind the last one, to texts behind it. The pointers are into the buffer that the kernel
/// wrote to, which may have moved since, so the texts are taken in the order in which they lie there.
pub(super) fn command(pid: u32) -> Vec<OsString> {
    let read = || {
        let pid = c_int::try_from(pid).ok()?;
        let mib = [
            libc::CTL_KERN,
            libc::KERN_PROC_ARGS,
            pid,
            libc::KERN_PROC_ARGV,
        ];
        let bytes = sysctl::by_mib(&mib).ok()?;
        let pointers = bytes.chunks_exact(size_of::<usize>());
        let count = pointers
            .take_while(|pointer| pointer.iter().any(|&byte| byte != 0))
            .count();
        let texts = bytes.get((count + 1) * size_of::<usize>()..)?;
        let arguments = texts.split_inclusive(|&byte| byte == 0).take(count);
        Some(
            arguments
                .map(|argument| OsString::from_vec(until_nul(argument).to_vec()))
                .collect(),
        )
    };
    read().unwrap_or_default()
}

/// OpenBSD doesn't tell which file a program came from.
pub(super) fn executable(_pid: u32) -> Option<PathBuf> {
    None
}

pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
    let pid = c_int::try_from(pid).ok()?;
    path(&sysctl::by_mib(&[libc::CTL_KERN, libc::KERN_PROC_CWD, pid]).ok()?)
}

/// All sockets: those that processes have descriptors for, and those that are open without any.
pub(in crate::sys) fn complete(rows: &mut Vec<Row>) -> io::Result<()> {
    const EVERY_PROCESS: c_int = -1;
    rows.extend(
        files(libc::KERN_FILE_BYPID, EVERY_PROCESS)?
            .iter()
            .filter_map(|file| {
                let pid = Some(file.p_pid);
                row(file).map(|row| Row { pid, ..row })
            }),
    );
    let known: HashSet<(Protocol, IpAddr, u16)> = rows
        .iter()
        .map(|row| (row.protocol, row.address, row.port))
        .collect();
    let unowned = files(libc::KERN_FILE_BYFILE, 0)?;
    rows.extend(
        unowned
            .iter()
            .filter_map(row)
            .filter(|row| !known.contains(&(row.protocol, row.address, row.port))),
    );
    Ok(())
}

fn files(which: c_int, argument: c_int) -> io::Result<Vec<libc::kinfo_file>> {
    // SAFETY: the record is made of numbers.
    unsafe { table(&[libc::CTL_KERN, libc::KERN_FILE, which, argument]) }
}

/// A socket that holds a port: TCP in LISTEN, or UDP without a peer.
fn row(file: &libc::kinfo_file) -> Option<Row> {
    /// `TCPS_LISTEN` of `netinet/tcp_fsm.h`.
    const LISTEN: u32 = 1;
    if file.f_type != u32::try_from(libc::DTYPE_SOCKET).ok()? {
        return None;
    }
    let protocol = match c_int::try_from(file.so_protocol).ok()? {
        libc::IPPROTO_TCP if file.t_state == LISTEN => Protocol::Tcp,
        libc::IPPROTO_UDP if file.inp_fport == 0 => Protocol::Udp,
        _ => return None,
    };
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip(file.inp_laddru) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    let address = match c_int::try_from(file.so_family).ok()? {
        libc::AF_INET => Ipv4Addr::from(at::<4>(&bytes, 0)?).into(),
        libc::AF_INET6 => Ipv6Addr::from(bytes).into(),
        _ => return None,
    };
    // The port is in network order in the lower half of the number.
    let port = u16::from_be(u16::try_from(file.inp_lport).ok()?);
    (port != 0).then_some(Row {
        protocol,
        address,
        port,
        pid: None,
        uid: Some(file.f_uid),
    })
}

/// What pf.conf and sysctl(8) call the default range, `net.inet.ip.portfirst` and `portlast`.
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    1024..=49151
}
