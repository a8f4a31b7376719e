//! What has to hold for whatever the kernel's tables and other people's processes may say: a panic is a find.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;

use super::netlink::{Answer, read_u32};
use super::proc_net;
use super::process::{arguments, whole_name};
use super::row::Row;
use super::scan::{fixed_files, number, socket_in};
use super::sock_diag;
use super::sockets::socket;
use super::sockstat::{Reading, is_balanced};
use super::stat::{Life, Stat};
use super::{borrowed, cgroup, rights, search};
use crate::names::is_bare_shell;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::socket::SocketState;
use crate::sys::surroundings::systemctl;

/// Datagrams from `NETLINK_SOCK_DIAG`, each behind its length in two bytes. A row has the port, the addresses and the inode of its message.
pub fn netlink(bytes: &[u8]) {
    let mut answer = Answer::to(1);
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        let mut left = datagram.len();
        let taken = answer.take(datagram, |message| {
            // Each has a header, and none is read twice.
            left = left
                .checked_sub(message.len() + 16)
                .expect("no more rows than bytes");
            if let Some(row) = sock_diag::parse(message) {
                compare(message, &row);
            }
        });
        match taken {
            Ok(None) => assert!(!datagram.is_empty()),
            Ok(Some(_)) | Err(_) => break,
        }
    }
    // A message by itself as well, which needs no header to be guessed.
    if let Some(row) = sock_diag::parse(bytes) {
        compare(bytes, &row);
    }
}

/// `struct inet_diag_msg`, by its offsets.
fn compare(message: &[u8], row: &Row) {
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    assert_eq!((row.local.port(), row.remote.port()), (port(4), port(6)));
    for (end, at) in [(row.local, 8), (row.remote, 24)] {
        match end.ip() {
            IpAddr::V4(ip) => assert_eq!((message[0], &ip.octets()[..]), (2, &message[at..at + 4])),
            IpAddr::V6(ip) => {
                assert_eq!((message[0], &ip.octets()[..]), (10, &message[at..at + 16]));
            }
        }
    }
    assert_eq!(row.state, message[1]);
    assert_eq!(Some(row.inode), read_u32(message, 68).map(u64::from));
    assert_eq!(Some(row.uid), read_u32(message, 64));
    as_socket(row);
}

/// What the upper rooms see of a row is that port, and what nobody has is no socket.
fn as_socket(row: &Row) {
    match socket(Protocol::Tcp, SocketState::Listen, row.clone()) {
        None => assert_eq!(row.inode, 0),
        Some(socket) => {
            assert_eq!(
                (socket.port, socket.address),
                (row.local.port(), row.local.ip())
            );
            assert_eq!(socket.id, row.inode);
            assert!(!socket.dual_stack || socket.address.is_ipv6());
        }
    }
}

/// A table of `/proc/net`, and `if_inet6`. However it is cut it says the same, no line is passed over in silence, and each row printed again is
/// the same row.
pub fn proc_net(bytes: &[u8]) {
    let read = |text: &mut dyn Read| {
        let mut rows = Vec::new();
        let result = proc_net::rows(text, |row| rows.push(row));
        (result.is_ok(), rows)
    };
    let (is_whole, rows) = read(&mut &bytes[..]);
    assert_eq!((is_whole, rows.clone()), read(&mut Pieces(bytes)));
    let lines = bytes.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty()).count();
    assert!(rows.len() <= lines);
    assert!(
        !is_whole || rows.len() + 1 >= lines,
        "only the heading is passed over"
    );
    for row in &rows {
        as_socket(row);
        let timer = row.timer_ms.map_or(0, |ms| ms / 10);
        let line = format!(
            "1: {} {} {:02X} 0:0 {:02X}:{timer:08X} 0 {} 0 {} 1\n",
            proc_net::written::end(row.local),
            proc_net::written::end(row.remote),
            row.state,
            u8::from(row.timer_ms.is_some()),
            row.uid,
            row.inode,
        );
        let (is_whole, mut again) = read(&mut line.as_bytes());
        let again = again.pop().filter(|_| is_whole).expect("the row again");
        // The largest number of milliseconds is that of many numbers of ticks.
        let row = Row {
            timer_ms: row.timer_ms.map(|ms| ms / 10 * 10),
            ..row.clone()
        };
        assert_eq!(again, row);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let addresses = proc_net::interface_addresses(text).count();
        assert!(addresses <= lines);
    }
}

/// Three bytes at a time.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(3);
        self.0.read(&mut into[..length])
    }
}

/// `/proc/PID/stat`. The line made of what was read is read the same, whatever the name is.
pub fn stat(bytes: &[u8]) {
    let Some(stat) = Stat::parse(bytes) else {
        return;
    };
    let inside = |name: &[u8]| {
        bytes.windows(name.len() + 2).any(|window| {
            window.starts_with(b"(") && window.ends_with(b")") && window[1..=name.len()] == *name
        })
    };
    assert!(inside(&stat.name));
    let mut line = b"1 (".to_vec();
    line.extend(&stat.name);
    line.extend(b") ");
    line.push(stat.life.state);
    let fields = format!(
        " {} {} {} {} 0 {} 1 2 3 4 5 6 7 8 9 10 {} 0 {}{} {}\n",
        stat.life.parent,
        stat.group,
        stat.session,
        stat.terminal,
        stat.flags,
        stat.life.threads,
        stat.start_ticks,
        " 0".repeat(25),
        stat.arguments
    );
    line.extend(fields.as_bytes());
    // Half of a character is no state.
    if stat.life.state.is_ascii() {
        assert_eq!(Stat::parse(&line), Some(stat));
    }
}

/// `/proc/PID/status` and `uid_map`. The IDs are those of a line that begins so.
pub fn status(bytes: &[u8]) {
    for kind in ["Uid:", "Gid:"] {
        if let Some(found) = borrowed::ids(bytes, kind) {
            let line = bytes
                .split(|&byte| byte == b'\n')
                .find(|line| line.starts_with(kind.as_bytes()))
                .expect("such a line");
            let text = std::str::from_utf8(line).expect("digits");
            let mut words = text[kind.len()..].split_ascii_whitespace();
            for id in found {
                assert_eq!(words.next().and_then(|word| word.parse().ok()), Some(id));
            }
        }
    }
    let _ = Life::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        rights::is_of_all_users(text);
        search::hides_in(text);
    }
}

/// The `fdinfo` of an io_uring, links and names of descriptors. A socket in a ring is an entry of the list and nothing else: a file may be
/// called like one.
pub fn fdinfo(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    for socket in fixed_files(bytes) {
        let is_entry = lines.by_ref().any(|line| {
            let (index, link) =
                line.split_at(line.iter().position(|&byte| byte == b':').unwrap_or(0));
            index.trim_ascii().iter().all(u8::is_ascii_digit)
                && link
                    .strip_prefix(b": ")
                    .and_then(|link| socket_in(link.trim_ascii_end()))
                    == Some(socket)
        });
        assert!(is_entry, "{socket}");
    }
    if let Some(socket) = socket_in(bytes) {
        let digits = &bytes[8..bytes.len() - 1];
        assert!(digits.iter().all(u8::is_ascii_digit), "{socket}");
    }
    if let Some(number) = number(bytes) {
        let text = std::str::from_utf8(bytes).expect("digits");
        assert_eq!(text.parse(), Ok(number));
    }
}

/// `/proc/PID/cgroup`. A unit and a container are one part of a path, which stays on its line.
pub fn cgroup(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(unit) = cgroup::unit(bytes) {
        assert!(unit.name.ends_with(".service") && !unit.name.contains(['/', '\n']));
        assert!(text.contains(&unit.name));
    }
    if let Some(container) = cgroup::container(bytes) {
        let id = container.id.expect("an ID or a name");
        assert!(!id.is_empty() && !id.contains(['/', '\n']) && text.contains(&id));
        if !matches!(container.runtime, Some("lxc" | "systemd-nspawn")) {
            assert!(
                (12..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
            );
        }
    }
    if cgroup::is_manager(bytes) {
        assert!(text.contains("/init.scope"));
    }
}

/// The files that count sockets: `sockstat` up to an empty line, `sockstat6` behind it. Nobody is told that nothing is bound by sums that
/// have gone past the largest number.
pub fn sockstat(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let readings: Vec<Reading> = text
        .split("\n\n\n")
        .map(|reading| {
            let (v4, v6) = reading.split_once("\n\n").unwrap_or((reading, ""));
            Reading {
                v4: v4.to_owned(),
                v6: v6.to_owned(),
            }
        })
        .collect();
    if is_balanced(&readings) == Some(true) {
        let sum = |line: &str, word: &str, of: &dyn Fn(&Reading) -> &String| -> u128 {
            let numbers = readings.iter().filter_map(|reading| {
                let line = of(reading)
                    .lines()
                    .find_map(|text| text.strip_prefix(line))?;
                let mut words = line
                    .split_ascii_whitespace()
                    .skip_while(|found| *found != word);
                words.nth(1)?.parse::<u128>().ok()
            });
            numbers.sum()
        };
        let allocated = sum("TCP:", "alloc", &|reading| &reading.v4);
        let in_tables = sum("TCP:", "inuse", &|reading| &reading.v4)
            + sum("TCP6:", "inuse", &|reading| &reading.v6);
        assert_eq!(allocated, in_tables * readings.len() as u128);
    }
}

/// What `systemctl show` prints. A unit is a value of a line, and an active one that listens on the port.
pub fn systemctl(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let managed = systemctl::managed(&text, "web.service");
    for found in [&managed.restart, &managed.socket].into_iter().flatten() {
        assert!(!found.is_empty() && !found.contains('\n') && text.contains(found.as_str()));
    }
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        if let Some(unit) = systemctl::socket_unit(&text, 8080, protocol) {
            assert!(text.contains(&format!("Id={unit}")) && text.contains("=active"));
            assert!(text.contains("8080"));
        }
    }
}

/// `/proc/PID/cmdline`, behind a short name and a path in lines of their own, and everything that is concluded from names.
pub fn command(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
    let mut process = Process::unknown(4711);
    process.name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    process.executable = (!path.is_empty()).then(|| PathBuf::from(path));
    let line = parts.next().unwrap_or_default();
    process.command = arguments(line);
    let words = || process.command.iter().map(|word| word.as_encoded_bytes());
    assert!(words().all(|word| !word.contains(&0)));
    let whole = words().collect::<Vec<_>>().join(&0);
    assert!(line.starts_with(&whole));
    assert!(
        line[whole.len()..]
            .iter()
            .all(|byte| *byte == 0 || byte.is_ascii_whitespace())
    );
    let name = whole_name(&process.name, &process);
    assert!(name == process.name || !name.contains('/'));
    is_bare_shell(&process);
    crate::forwarder::forwarder(&process);
    crate::forwarder::is_kept_by_engine(&process);
    crate::editor::editor(&process);
    crate::supervisor::known(&process);
    crate::supervisor::starts_once(&process);
    crate::stop_signal::stop_signal(&process);
    let short = process.short_command();
    assert!(short.len() <= process.command.len() + 1);
    assert_eq!(short.is_empty(), process.command.is_empty());
    let told = process.to_string();
    assert_eq!(crate::printable::printable(&told), told);
}
