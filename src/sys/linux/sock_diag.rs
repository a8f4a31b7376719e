//! The kernel's socket monitoring interface: requests and rows. See `sock_diag(7)` and `linux/inet_diag.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::netlink::{Attributes, DumpError, Netlink, Parts, read_u32};
use super::row::Row;
use crate::protocol::Protocol;

/// `SOCK_DIAG_BY_FAMILY`: a `struct inet_diag_req_v2`, for one family and protocol.
const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`: the older `struct inet_diag_req`, for TCP alone.
const TCP_BOTH_FAMILIES: u16 = 18;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

/// The length of `struct inet_diag_msg`, which attributes follow.
const MESSAGE: usize = 72;
const INET_DIAG_SKV6ONLY: u16 = 11;

const INET_DIAG_REQ_BYTECODE: u16 = 1;
/// `INET_DIAG_BC_S_GE` and `INET_DIAG_BC_S_LE`: the local port is at least, or at most, the number that follows.
const S_GE: u8 = 2;
const S_LE: u8 = 3;

/// How often a dump that the kernel calls interrupted is asked for again.
const ATTEMPTS: usize = 5;

/// Which local ports the kernel is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    One(u16),
    /// From the first to the last, both included.
    Between(u16, u16),
}

/// The address family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Which table is dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// TCP of both families in one dump.
    ///
    /// The request from before Linux 3.3 has a family that the kernel does not look at. So a walk through a hash table,
    /// of which most buckets are empty, is done once where the newer request does it for each family.
    TcpOfBothFamilies,
    /// One protocol, one family.
    One(Protocol, Family),
}

/// Adds the rows of a table that are in one of `states` (a set of bits, `1 << state`), have one of these local ports, and pass `keep`.
///
/// The kernel looks at a single port in the tables of connections, TCP listeners and UDP, but not in that of bound TCP sockets:
/// the caller must look again. A row can come twice, since the table may change between two parts of a long dump. When an
/// error comes, `rows` is as it was.
pub(super) fn dump(
    netlink: &mut Netlink,
    table: Table,
    states: u32,
    ports: Asked,
    keep: impl Fn(&Row) -> bool,
    rows: &mut Vec<Row>,
) -> Result<Parts, DumpError> {
    let (kind, request) = request(table, states, ports);
    let before = rows.len();
    let mut result = Err(DumpError::Interrupted);
    for _ in 0..ATTEMPTS {
        let mut whole = true;
        result = netlink
            .dump(kind, &request, |message| match parse(message) {
                Some(row) if keep(&row) => rows.push(row),
                Some(_) => {}
                None => whole = false,
            })
            .and_then(|parts| {
                if whole {
                    Ok(parts)
                } else {
                    Err(DumpError::Broken)
                }
            });
        if result.is_err() {
            rows.truncate(before);
        }
        if result != Err(DumpError::Interrupted) {
            break;
        }
    }
    result
}

/// The type and the body of a request.
fn request(table: Table, states: u32, ports: Asked) -> (u16, Vec<u8>) {
    let mut body = Vec::with_capacity(80);
    // 0 means every port.
    let port = match ports {
        Asked::One(port) => port,
        Asked::All | Asked::Between(..) => 0,
    };
    let kind = match table {
        Table::TcpOfBothFamilies => {
            // family, src_len, dst_len, ext, id, states, dbs
            body.extend_from_slice(&[0; 4]);
            write_id(&mut body, port);
            body.extend_from_slice(&states.to_ne_bytes());
            body.extend_from_slice(&[0; 4]);
            TCP_BOTH_FAMILIES
        }
        Table::One(protocol, family) => {
            let family = match family {
                Family::V4 => AF_INET,
                Family::V6 => AF_INET6,
            };
            let protocol = match protocol {
                Protocol::Tcp => IPPROTO_TCP,
                Protocol::Udp => IPPROTO_UDP,
            };
            // family, protocol, ext, pad, states, id
            body.extend_from_slice(&[family, protocol, 0, 0]);
            body.extend_from_slice(&states.to_ne_bytes());
            write_id(&mut body, port);
            BY_FAMILY
        }
    };
    if let Asked::Between(first, last) = ports {
        write_filter(&mut body, first, last);
    }
    (kind, body)
}

/// Writes an `INET_DIAG_REQ_BYTECODE`: two comparisons of the local port, each a `struct inet_diag_bc_op` with how far it is to the next one
/// where it is true and behind the end where it is not, and another that holds the number.
fn write_filter(body: &mut Vec<u8>, first: u16, last: u16) {
    const OPERATION: u16 = 4;
    const LENGTH: u16 = 4 * OPERATION;
    let mut left = LENGTH;
    body.extend_from_slice(&(4 + LENGTH).to_ne_bytes());
    body.extend_from_slice(&INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    for (comparison, port) in [(S_GE, first), (S_LE, last)] {
        body.extend_from_slice(&[comparison, 2 * OPERATION as u8]);
        body.extend_from_slice(&(left + OPERATION).to_ne_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&port.to_ne_bytes());
        left -= 2 * OPERATION;
    }
}

/// Writes a `struct inet_diag_sockid` of which only the local port matters: two ports in network byte order, two addresses,
/// the interface, and the cookie that means "any".
fn write_id(body: &mut Vec<u8>, port: u16) {
    body.extend_from_slice(&port.to_be_bytes());
    body.extend_from_slice(&[0; 2 + 16 + 16 + 4]);
    body.extend_from_slice(&[0xff; 8]);
}

/// Reads a `struct inet_diag_msg` and the attributes after it; `None` where it is none of IPv4 or IPv6.
pub(super) fn parse(message: &[u8]) -> Option<Row> {
    let fixed: &[u8; MESSAGE] = message.first_chunk()?;
    let [family, state, timer, _retransmits, ..] = *fixed;
    let expires = read_u32(fixed, 52)?;
    let mut row = Row {
        local: endpoint(family, fixed.get(8..24)?, fixed.get(4..6)?)?,
        remote: endpoint(family, fixed.get(24..40)?, fixed.get(6..8)?)?,
        interface: read_u32(fixed, 40)?,
        state,
        timer_ms: (timer != 0).then_some(u64::from(expires)),
        uid: read_u32(fixed, 64)?,
        inode: u64::from(read_u32(fixed, 68)?),
        v6_only: None,
    };
    for (kind, value) in Attributes(message.get(MESSAGE..)?) {
        if let (INET_DIAG_SKV6ONLY, [only, ..]) = (kind, value) {
            row.v6_only = Some(*only != 0);
        }
    }
    Some(row)
}

/// An address and a port, both in network byte order. An IPv4 address takes the first four of the sixteen bytes.
fn endpoint(family: u8, address: &[u8], port: &[u8]) -> Option<SocketAddr> {
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*address.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*address.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(
        address,
        u16::from_be_bytes(*port.first_chunk()?),
    ))
}

/// Leaves a netlink socket with an answer that nobody has read.
#[cfg(test)]
pub(super) fn send_without_reading(netlink: &mut Netlink, table: Table) {
    let (kind, body) = request(table, u32::MAX, Asked::All);
    netlink.send_without_reading(kind, &body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message as the kernel would write it.
    fn message(row: &Row) -> Vec<u8> {
        let mut bytes = Vec::new();
        let is_v4 = row.local.is_ipv4();
        let timer = u8::from(row.timer_ms.is_some());
        bytes.extend_from_slice(&[if is_v4 { AF_INET } else { AF_INET6 }, row.state, timer, 0]);
        bytes.extend_from_slice(&row.local.port().to_be_bytes());
        bytes.extend_from_slice(&row.remote.port().to_be_bytes());
        for end in [row.local, row.remote] {
            match end.ip() {
                IpAddr::V4(address) => {
                    bytes.extend_from_slice(&address.octets());
                    bytes.extend_from_slice(&[0; 12]);
                }
                IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
            }
        }
        bytes.extend_from_slice(&row.interface.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        let expires = u32::try_from(row.timer_ms.unwrap_or_default()).unwrap();
        bytes.extend_from_slice(&expires.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&row.uid.to_ne_bytes());
        bytes.extend_from_slice(&u32::try_from(row.inode).unwrap().to_ne_bytes());
        assert_eq!(bytes.len(), MESSAGE);
        // An attribute that is not asked for comes first, as the kernel's INET_DIAG_SHUTDOWN does.
        attribute(&mut bytes, 8, &[0]);
        if let Some(only) = row.v6_only {
            attribute(&mut bytes, INET_DIAG_SKV6ONLY, &[u8::from(only)]);
        }
        bytes
    }

    fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap();
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }

    prop_compose! {
        fn any_row()(
            ends in prop_oneof![
                any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
                any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
            ],
            ports in any::<(u16, u16)>(),
            state in 1_u8..13,
            timer_ms in any::<Option<u32>>(),
            uid in any::<u32>(),
            inode in any::<u32>(),
            v6_only in any::<Option<bool>>(),
            interface in any::<u32>(),
        ) -> Row {
            Row {
                interface,
                local: SocketAddr::new(ends.0, ports.0),
                remote: SocketAddr::new(ends.1, ports.1),
                state,
                timer_ms: timer_ms.map(u64::from),
                uid,
                inode: u64::from(inode),
                v6_only,
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_comes_out_as_the_kernel_wrote_it(row in any_row()) {
            prop_assert_eq!(parse(&message(&row)), Some(row));
        }

        #[test]
        fn a_cut_row_is_refused_or_loses_attributes_only(row in any_row()) {
            let whole = message(&row);
            for length in 0..whole.len() {
                match parse(&whole[..length]) {
                    None => prop_assert!(length < MESSAGE),
                    Some(cut) => {
                        prop_assert!(length >= MESSAGE);
                        prop_assert_eq!(cut.local, row.local);
                        prop_assert_eq!(cut.inode, row.inode);
                    }
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }
    }

    #[test]
    fn requests_have_the_length_of_their_structures() {
        assert_eq!(
            request(Table::TcpOfBothFamilies, 1, Asked::One(80)).1.len(),
            60
        );
        assert_eq!(
            request(Table::One(Protocol::Udp, Family::V6), 1, Asked::One(80))
                .1
                .len(),
            56
        );
    }
}
