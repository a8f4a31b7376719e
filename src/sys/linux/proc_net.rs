//! The socket tables as text: `/proc/net/{tcp,tcp6,udp,udp6}`, see `proc_pid_net(5)`.
//!
//! They are there where netlink is refused or lacks a protocol, but they are expensive (every row is printed, whatever is
//! wanted), have no TCP sockets that are bound without listening, and do not tell whether an IPv6 socket takes IPv4.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::row::Row;
use super::sock_diag::Family;
use crate::protocol::Protocol;

/// The text is read in pieces of this size, so that its length costs no memory. A line is about 150 bytes long.
const BUFFER: usize = 32 * 1024;

/// Times are printed in hundredths of a second (`USER_HZ`).
const MS_PER_TICK: u64 = 10;

/// Hands every row of a table to `each`.
///
/// A system without IPv6 has no tables of it, which is no error.
pub(super) fn read(protocol: Protocol, family: Family, each: impl FnMut(Row)) -> io::Result<()> {
    match open(name(protocol, family)) {
        Ok(file) => rows(file, each),
        // The file is not there. That means "no IPv6" only when its IPv4 sibling is: with no `/proc`, or that of
        // another PID namespace, nothing is known and nothing may be called free.
        Err(error) if error.kind() == io::ErrorKind::NotFound && family == Family::V6 => {
            open(name(protocol, Family::V4)).map(drop)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn name(protocol: Protocol, family: Family) -> &'static str {
    match (protocol, family) {
        (Protocol::Tcp, Family::V4) => "tcp",
        (Protocol::Tcp, Family::V6) => "tcp6",
        (Protocol::Udp, Family::V4) => "udp",
        (Protocol::Udp, Family::V6) => "udp6",
    }
}

/// Opens a file of `/proc/net` as the calling thread sees it.
pub(super) fn open(name: &str) -> io::Result<File> {
    // `/proc/net` is the network namespace of the process's main thread, and the caller may be a thread that has changed
    // its own. A netlink socket follows the thread, too.
    match File::open(format!("/proc/thread-self/net/{name}")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::open(format!("/proc/net/{name}"))
        }
        result => result,
    }
}

/// Reads a table line by line. The first line is a heading.
///
/// Another line that makes no sense is an error: passed over, it could make a port look free that is not.
pub(super) fn rows(mut text: impl Read, mut each: impl FnMut(Row)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut heading = true;
    let mut take = |line: &[u8]| match parse(line) {
        Some(row) => {
            each(row);
            Ok(())
        }
        None if std::mem::take(&mut heading) || line.trim_ascii().is_empty() => Ok(()),
        None => Err(nonsense()),
    };
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(nonsense());
        }
        let read = match text.read(room) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += read;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            take(line)?;
            rest = after.get(1..).unwrap_or_default();
        }
        if read == 0 {
            return take(rest);
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
    }
}

fn nonsense() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a socket table in /proc/net can't be understood",
    )
}

/// Reads a line:
///
/// ```text
///   sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode …
///    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 …
/// ```
fn parse(line: &[u8]) -> Option<Row> {
    let line = str::from_utf8(line).ok()?;
    let mut fields = line.split_ascii_whitespace();
    let local = endpoint(fields.nth(1)?)?;
    let remote = endpoint(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let (timer, expires) = fields.nth(1)?.split_once(':')?;
    let timer = u8::from_str_radix(timer, 16).ok()?;
    let expires = u64::from_str_radix(expires, 16).ok()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Row {
        local,
        remote,
        state,
        timer_ms: (timer != 0).then_some(expires.saturating_mul(MS_PER_TICK)),
        uid,
        inode,
        interface: 0,
        v6_only: None,
    })
}

/// Reads `0100007F:1F90`. An address is printed as one or four numbers of 32 bits, each in the machine's own byte order
/// while the address itself is in network byte order; the port is an ordinary number.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// The indices of the interfaces that have this address, by `/proc/net/if_inet6`. No such file, no IPv6.
pub(crate) fn interfaces_with(address: Ipv6Addr) -> io::Result<Vec<u32>> {
    let mut text = String::new();
    match open("if_inet6") {
        Ok(file) => file.take(4 << 20).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let addresses = interface_addresses(&text).filter(|(other, _)| *other == address);
    Ok(addresses.map(|(_, interface)| interface).collect())
}

/// The addresses in `/proc/net/if_inet6`, each with the index of its interface: `fe800000000000000000000000000001 02 40 20 80 eth0`, in network
/// byte order.
pub(super) fn interface_addresses(text: &str) -> impl Iterator<Item = (Ipv6Addr, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let digits = fields.next().filter(|digits| digits.len() == 32)?;
        let address = u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)?;
        let interface = u32::from_str_radix(fields.next()?, 16).ok()?;
        Some((address, interface))
    })
}

#[cfg(any(test, fuzzing))]
pub(super) mod written {
    //! What the kernel writes.

    use std::fmt::Write;

    use super::*;

    /// An end of a connection.
    pub(in super::super) fn end(end: SocketAddr) -> String {
        let octets = match end.ip() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let mut text = String::new();
        for word in octets.chunks_exact(4) {
            let word = u32::from_ne_bytes(word.try_into().unwrap());
            write!(text, "{word:08X}").unwrap();
        }
        write!(text, ":{:04X}", end.port()).unwrap();
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A line as the kernel prints it.
    fn line(number: usize, row: &Row) -> String {
        format!(
            "{number:4}: {} {} {:02X} 00000000:00000000 {:02X}:{:08X} 00000000 {:5}        0 {} 1 ffff888000000000 100 0 0 10 0\n",
            written::end(row.local),
            written::end(row.remote),
            row.state,
            u8::from(row.timer_ms.is_some()),
            row.timer_ms.unwrap_or_default() / MS_PER_TICK,
            row.uid,
            row.inode,
        )
    }

    fn read_all(text: impl Read) -> Vec<Row> {
        let mut all = Vec::new();
        rows(text, |row| all.push(row)).unwrap();
        all
    }

    prop_compose! {
        fn any_row()(
            ends in prop_oneof![
                any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
                any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
            ],
            ports in any::<(u16, u16)>(),
            state in 1_u8..13,
            ticks in any::<Option<u32>>(),
            uid in any::<u32>(),
            inode in any::<u64>(),
        ) -> Row {
            Row {
                local: SocketAddr::new(ends.0, ports.0),
                remote: SocketAddr::new(ends.1, ports.1),
                state,
                timer_ms: ticks.map(|ticks| u64::from(ticks) * MS_PER_TICK),
                uid,
                inode,
                interface: 0,
                v6_only: None,
                }
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_a_real_table_is_read() {
        let row = parse(b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0 100 0 0 10 0").unwrap();
        assert_eq!(row.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(row.remote, "0.0.0.0:0".parse().unwrap());
        assert_eq!(
            (row.state, row.uid, row.inode, row.timer_ms),
            (10, 1000, 31337, None)
        );
        let row = parse(b"  12: 00000000000000000000000001000000:0016 0000000000000000FFFF00000100007F:D431 06 00000000:00000000 03:000000C8 00000000     0        0 0 3 0").unwrap();
        assert_eq!(row.local, "[::1]:22".parse().unwrap());
        assert_eq!(row.remote, "[::ffff:127.0.0.1]:54321".parse().unwrap());
        assert_eq!((row.state, row.inode, row.timer_ms), (6, 0, Some(2000)));
    }

    #[test]
    fn the_heading_and_an_empty_table_have_no_rows() {
        assert_eq!(read_all(HEADING.as_bytes()), []);
        assert_eq!(read_all(&b""[..]), []);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let error = rows(io::repeat(b'0'), |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_an_error() {
        let table = format!("{HEADING}   0: 0100007F:1F90 rubbish\n");
        let error = rows(table.as_bytes(), |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn interface_addresses_are_read() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\nfe80000000000000000000fffe000001 02 40 20 80     eth0\nrubbish\n";
        let addresses: Vec<(Ipv6Addr, u32)> = interface_addresses(text).collect();
        assert_eq!(
            addresses,
            [
                (Ipv6Addr::LOCALHOST, 1),
                ("fe80::ff:fe00:1".parse::<Ipv6Addr>().unwrap(), 2)
            ]
        );
    }

    proptest! {
        #[test]
        fn a_table_comes_out_as_it_was_printed(wanted in proptest::collection::vec(any_row(), 0..20)) {
            let mut text = HEADING.to_owned();
            for (number, row) in wanted.iter().enumerate() {
                text.push_str(&line(number, row));
            }
            prop_assert_eq!(&read_all(text.as_bytes()), &wanted);
            // The kernel may give it in pieces of any size.
            prop_assert_eq!(&read_all(Piecemeal(text.as_bytes())), &wanted);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
            let _ = rows(&bytes[..], |_| {});
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9A-F: é\n]{0,200}") {
            parse(text.as_bytes());
            endpoint(&text);
            interface_addresses(&text).count();
        }
    }

    /// Gives seven bytes at a time.
    struct Piecemeal<'a>(&'a [u8]);

    impl Read for Piecemeal<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = into.len().min(7);
            self.0.read(&mut into[..length])
        }
    }
}
