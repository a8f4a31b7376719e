//! The socket tables of this network namespace: by netlink where it answers, else from `/proc/net`.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use log::debug;
use rustix::io::Errno;

use super::super::{Ports, is_short_of_something};
use super::netlink::{DumpError, Netlink, Parts};
use super::ports::Wanted;
use super::proc_net;
use super::row::{Row, state};
use super::sock_diag::{self, Asked, Family, Table};
use super::sockstat;
use super::table::ephemeral_ports;
use crate::connection::{Connection, ConnectionState, is_servers_by_ports};
use crate::interface::on_interface;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketState};

/// From this many ports on, one dump of all listening sockets is cheaper than a request for each port: it is the walk
/// through the hash tables that costs (three of them, 13 µs each), not the few rows in them.
const MANY_LISTENING: usize = 4;

/// The same for connections, of which there can be tens of thousands.
const MANY_CONNECTIONS: usize = 32;

/// Whether few other ports lie between these, so that one question about all from the first to the last brings few rows that nobody wants.
fn is_dense(ports: &[u16]) -> bool {
    let span = ports
        .first()
        .zip(ports.last())
        .map(|(first, last)| last - first);
    span.is_some_and(|span| usize::from(span) < 2 * ports.len())
}

/// The states of a connection: all but LISTEN, CLOSE (never connected, or not any more) and what is no state in an answer.
const CONNECTED: u32 = bit(state::ESTABLISHED)
    | bit(state::SYN_SENT)
    | bit(state::SYN_RECV)
    | bit(state::FIN_WAIT1)
    | bit(state::FIN_WAIT2)
    | bit(state::TIME_WAIT)
    | bit(state::CLOSE_WAIT)
    | bit(state::LAST_ACK)
    | bit(state::CLOSING);

/// How long the kernel keeps a connection in TIME_WAIT.
const TIME_WAIT: Duration = Duration::from_secs(60);

const fn bit(state: u8) -> u32 {
    1 << state
}

/// The name of a state in a row.
fn connection_state(number: u8) -> ConnectionState {
    match number {
        state::ESTABLISHED => ConnectionState::Established,
        state::SYN_SENT => ConnectionState::SynSent,
        state::SYN_RECV => ConnectionState::SynRecv,
        state::FIN_WAIT1 => ConnectionState::FinWait1,
        state::FIN_WAIT2 => ConnectionState::FinWait2,
        state::TIME_WAIT => ConnectionState::TimeWait,
        state::CLOSE_WAIT => ConnectionState::CloseWait,
        state::LAST_ACK => ConnectionState::LastAck,
        state::CLOSING => ConnectionState::Closing,
        state::CLOSE => ConnectionState::Closed,
        _ => ConnectionState::Other,
    }
}

/// How long the kernel keeps the port for a connection that nobody has any more. Other timers (retransmission, keepalive) tell
/// nothing about the end.
fn remaining(row: &Row) -> Option<Duration> {
    let left = Duration::from_millis(row.timer_ms.filter(|_| row.inode == 0)?);
    match row.state {
        state::TIME_WAIT => Some(left),
        // When the other end closes in time, another wait begins.
        state::FIN_WAIT2 => Some(left.saturating_add(TIME_WAIT)),
        _ => None,
    }
}

/// Whether a socket that has a port and does nothing with it had a connection: the other end has broken it off, and the process has not
/// closed its own. It is no more a server's than the connection was.
fn was_connected(row: &Row) -> bool {
    row.remote.port() != 0
}

fn connection(protocol: Protocol, row: &Row) -> Connection {
    Connection {
        protocol,
        local: on_interface(row.local, row.interface),
        remote: on_interface(row.remote, row.interface),
        state: connection_state(row.state),
        id: row.inode,
        // Rows without a socket show root.
        uid: (row.inode != 0).then_some(row.uid),
        remaining: remaining(row),
    }
}

/// The socket tables, with what serves more than one look at them.
#[derive(Debug)]
pub(crate) struct SocketTable {
    link: Link,
    refused: Refused,
    rows: Vec<Row>,
    /// Whether rows can have been skipped since this was last cleared.
    has_gaps: bool,
}

/// The way to the kernel's tables.
#[derive(Debug)]
enum Link {
    /// Netlink answers, as far as is known.
    Open(Netlink),
    /// To be opened (again) at the next look.
    Closed,
    /// Netlink is refused as a whole.
    Never,
}

/// The dumps that netlink does not offer here: no handler in this kernel, a filter of system calls, a rule of a security
/// module. Remembered, so that it is asked only once.
#[derive(Debug, Default)]
struct Refused(Vec<Table>);

impl Refused {
    fn has(&self, table: Table) -> bool {
        self.0.contains(&table)
    }

    fn add(&mut self, table: Table) {
        if !self.has(table) {
            self.0.push(table);
        }
    }
}

/// What is looked for in a table.
#[derive(Clone, Copy)]
struct Look<'a> {
    protocol: Protocol,
    /// What the kernel is asked for: a set of bits, `1 << state`.
    states: u32,
    /// What it answers with, which is another number for bound sockets.
    answers: u32,
    wanted: &'a Wanted,
    /// From how many ports on the kernel is asked for all of them at once.
    many: usize,
}

impl Look<'_> {
    /// What the kernel is asked for, in one question or more. Rows that lie elsewhere would make a dump longer, and one that comes in several
    /// parts may skip some.
    fn asked(&self) -> Vec<Asked> {
        match self.wanted {
            Wanted::All => vec![Asked::All],
            Wanted::These(ports) => match ports.as_slice() {
                [first, .., last] if ports.len() >= self.many || is_dense(ports) => {
                    vec![Asked::Between(*first, *last)]
                }
                [port] if self.many == 0 => vec![Asked::Between(*port, *port)],
                ports => ports.iter().map(|&port| Asked::One(port)).collect(),
            },
        }
    }

    fn seeks(&self, row: &Row) -> bool {
        let bit = 1_u32.checked_shl(u32::from(row.state)).unwrap_or_default();
        self.answers & bit != 0 && self.wanted.contains(row.local.port())
    }
}

impl SocketTable {
    /// Opens the tables of the calling thread's network namespace. Where netlink is refused, `/proc/net` serves.
    pub(crate) fn open() -> Self {
        let mut table = Self {
            link: Link::Closed,
            refused: Refused::default(),
            rows: Vec::new(),
            has_gaps: false,
        };
        table.open_link();
        table
    }

    /// The tables as they are without netlink, for tests of the other way.
    #[cfg_attr(not(test), allow(dead_code, reason = "it serves tests"))]
    pub(crate) fn open_without_netlink() -> Self {
        Self {
            link: Link::Never,
            refused: Refused::default(),
            rows: Vec::new(),
            has_gaps: false,
        }
    }

    /// The cheap look: adds TCP sockets in LISTEN, and UDP sockets without a peer or with one that is their client. Tells whether that is all of them: of a table
    /// that came in several parts, some may have been skipped.
    ///
    /// # Errors
    /// Neither netlink nor `/proc/net` told. Sockets may have been added before.
    pub(crate) fn listening(
        &mut self,
        ports: Ports<'_>,
        into: &mut Vec<Socket>,
    ) -> io::Result<bool> {
        self.has_gaps = false;
        let before = into.len();
        let mut ephemeral = None;
        let mut state_of = |row: &Row| match row.state {
            state::LISTEN => Some(SocketState::Listen),
            state::CLOSE => Some(SocketState::Unconnected),
            _ => {
                let ephemeral = ephemeral.get_or_insert_with(ephemeral_ports);
                is_servers_by_ports(row.local, row.remote, ephemeral)
                    .then_some(SocketState::Connected)
            }
        };
        for (protocol, states) in [
            (Protocol::Tcp, bit(state::LISTEN)),
            (Protocol::Udp, bit(state::CLOSE) | bit(state::ESTABLISHED)),
        ] {
            let wanted = Wanted::of(protocol, ports);
            self.look(
                Look {
                    protocol,
                    states,
                    answers: states,
                    wanted: &wanted,
                    many: MANY_LISTENING,
                },
                |row| into.extend(state_of(&row).and_then(|state| socket(protocol, state, row))),
            )?;
        }
        once_each(into, before);
        Ok(!self.has_gaps)
    }

    /// The expensive look: adds TCP sockets that are bound without listening.
    ///
    /// Linux 6.8 and later tell, through netlink alone: elsewhere nothing is found.
    ///
    /// # Errors
    /// Netlink serves, and failed this time.
    pub(crate) fn bound(&mut self, ports: Ports<'_>, into: &mut Vec<Socket>) -> io::Result<()> {
        let before = into.len();
        let result = self.inactive(ports, |row| {
            if !was_connected(&row) {
                into.extend(socket(Protocol::Tcp, SocketState::Bound, row));
            }
        });
        once_each(into, before);
        result
    }

    /// Hands the TCP sockets that have a port and do nothing with it to `each`.
    fn inactive(&mut self, ports: Ports<'_>, each: impl FnMut(Row)) -> io::Result<()> {
        let wanted = Wanted::of(Protocol::Tcp, ports);
        if wanted.is_empty() || sockstat::nothing_is_only_bound() {
            return Ok(());
        }
        let look = Look {
            protocol: Protocol::Tcp,
            states: bit(state::BOUND_INACTIVE),
            answers: bit(state::CLOSE),
            wanted: &wanted,
            // The kernel does not look at the port here, and walks through the whole table each time.
            many: 0,
        };
        let mut rows = std::mem::take(&mut self.rows);
        let mut result = Ok(());
        for family in self.by_netlink(look, &mut rows) {
            if !self.has_no_netlink(look.protocol, family) {
                result = Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "the kernel could not list the TCP sockets that are bound without listening",
                ));
            }
        }
        rows.drain(..).for_each(each);
        self.rows = rows;
        result
    }

    /// Adds the connections whose local port is one of these: TCP in any state between SYN_SENT and TIME_WAIT, or broken by its other end and
    /// not closed yet where that is told (see [`SocketTable::bound`]), and UDP with a peer.
    ///
    /// # Errors
    /// Neither netlink nor `/proc/net` told. Connections may have been added before.
    pub(crate) fn connections(
        &mut self,
        ports: Ports<'_>,
        into: &mut Vec<Connection>,
    ) -> io::Result<()> {
        let before = into.len();
        for (protocol, states) in [
            (Protocol::Tcp, CONNECTED),
            (Protocol::Udp, bit(state::ESTABLISHED)),
        ] {
            let wanted = Wanted::of(protocol, ports);
            self.look(
                Look {
                    protocol,
                    states,
                    answers: states,
                    wanted: &wanted,
                    many: MANY_CONNECTIONS,
                },
                |row| into.push(connection(protocol, &row)),
            )?;
        }
        self.inactive(ports, |row| {
            if was_connected(&row) {
                into.push(connection(Protocol::Tcp, &row));
            }
        })?;
        let mut added = into.split_off(before);
        connections_once_each(&mut added);
        into.append(&mut added);
        Ok(())
    }

    /// Hands the rows to `each`: by netlink, and what it does not tell from `/proc/net`.
    fn look(&mut self, look: Look<'_>, mut each: impl FnMut(Row)) -> io::Result<()> {
        if look.wanted.is_empty() {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.rows);
        let untold = self.by_netlink(look, &mut rows);
        rows.drain(..).for_each(&mut each);
        self.rows = rows;
        for family in untold {
            proc_net::read(look.protocol, family, |row| {
                if look.seeks(&row) {
                    each(row);
                }
            })?;
        }
        Ok(())
    }

    /// Collects rows by netlink, and returns the families that it did not tell.
    fn by_netlink(&mut self, look: Look<'_>, rows: &mut Vec<Row>) -> Vec<Family> {
        let both = Table::TcpOfBothFamilies;
        if look.protocol == Protocol::Tcp && !self.refused.has(both) && self.dump(both, look, rows)
        {
            return Vec::new();
        }
        [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| !self.dump(Table::One(look.protocol, *family), look, rows))
            .collect()
    }

    /// Collects the rows of one table. `false`: netlink does not tell, and nothing was collected.
    fn dump(&mut self, table: Table, look: Look<'_>, rows: &mut Vec<Row>) -> bool {
        if self.refused.has(table) {
            return false;
        }
        let before = rows.len();
        // A socket with leftovers in it is replaced once.
        for _ in 0..2 {
            let Some(netlink) = self.open_link() else {
                return false;
            };
            let mut has_gaps = false;
            let result = look.asked().into_iter().try_for_each(|ports| {
                let keep = |row: &Row| look.seeks(row);
                let parts = sock_diag::dump(netlink, table, look.states, ports, keep, rows)?;
                has_gaps |= parts == Parts::Several;
                Ok(())
            });
            self.has_gaps |= has_gaps;
            let Err(error) = result else {
                return true;
            };
            rows.truncate(before);
            debug!(target: "kill_port", "sock_diag does not list {table:?}: {error:?}");
            match error {
                DumpError::Kernel(errno) if is_refusal(errno) => {
                    self.refused.add(table);
                    return false;
                }
                DumpError::Interrupted => return false,
                // Whatever is there at the other end, it would make every look wait.
                DumpError::Silent => {
                    self.link = Link::Never;
                    return false;
                }
                DumpError::Kernel(_) | DumpError::Broken => self.link = Link::Closed,
            }
        }
        false
    }

    /// The netlink socket, opened if that is worth a try.
    fn open_link(&mut self) -> Option<&mut Netlink> {
        if matches!(self.link, Link::Closed) {
            self.link = match Netlink::open() {
                Ok(netlink) => Link::Open(netlink),
                Err(errno) => {
                    debug!(target: "kill_port", "no netlink socket for sock_diag: {errno}");
                    // Being short of descriptors or memory passes; anything else is how this system is.
                    if is_short_of_something(&errno.into()) {
                        Link::Closed
                    } else {
                        Link::Never
                    }
                }
            };
        }
        match &mut self.link {
            Link::Open(netlink) => Some(netlink),
            Link::Closed | Link::Never => None,
        }
    }

    /// Whether TCP sockets that are bound without listening are listed here: by Linux 6.8 and later, and by netlink alone.
    pub(crate) fn lists_bound(&self) -> bool {
        has_bound_inactive()
            && [Family::V4, Family::V6]
                .into_iter()
                .all(|family| !self.has_no_netlink(Protocol::Tcp, family))
    }

    /// Whether it is how this system is, that netlink does not list this table.
    fn has_no_netlink(&self, protocol: Protocol, family: Family) -> bool {
        matches!(self.link, Link::Never) || self.refused.has(Table::One(protocol, family))
    }
}

fn has_bound_inactive() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|digits| digits.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(8))
}

/// Whether an error says that such dumps are unavailable here, now and later.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::PERM
            | Errno::ACCESS
            | Errno::INVAL
            | Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::PROTONOSUPPORT
            | Errno::AFNOSUPPORT
    )
}

/// A listening socket, unless the row is a leftover that no process has any more.
pub(super) fn socket(protocol: Protocol, state: SocketState, row: Row) -> Option<Socket> {
    (row.inode != 0).then(|| Socket {
        protocol,
        address: row.local.ip(),
        port: row.local.port(),
        state,
        uid: Some(row.uid),
        user: None,
        // Where the table does not say, it is taken to block IPv4, too: too much is reported rather than too little.
        dual_stack: row.local.is_ipv6() && row.v6_only != Some(true),
        interface: row.interface,
        id: row.inode,
    })
}

/// Drops repeated sockets from `start` on. A table that changes between two parts of a dump can show one twice.
fn once_each(sockets: &mut Vec<Socket>, start: usize) {
    if sockets.len() - start < 2 {
        return;
    }
    let mut seen = BTreeSet::new();
    let mut index = 0;
    sockets.retain(|socket| {
        index += 1;
        index <= start || seen.insert(socket.id)
    });
}

/// The same for connections: those that nobody has are told apart by their ends. They are sorted for it, since a set of tens of thousands of
/// them costs more memory than all the rest.
fn connections_once_each(connections: &mut Vec<Connection>) {
    let key = |it: &Connection| (it.protocol, it.local, it.remote, it.id);
    connections.sort_unstable_by_key(key);
    connections.dedup_by_key(|it| key(it));
}

/// Whether a local server could have this address: it is this machine's, in the calling thread's network namespace, a
/// wildcard, or a multicast group.
///
/// # Errors
/// The system could not be asked.
pub(crate) fn is_local(address: IpAddr) -> io::Result<bool> {
    let address = address.to_canonical();
    let error = match UdpSocket::bind((address, 0)) {
        Ok(_) => return Ok(true),
        Err(error) => error,
    };
    match (Errno::from_io_error(&error), address) {
        // A link-local address can't be bound without its interface, and one that is new not before it has been tested
        // against its neighbours. Both are this machine's all the same.
        (Some(Errno::INVAL | Errno::ADDRNOTAVAIL), IpAddr::V6(address)) => {
            Ok(!proc_net::interfaces_with(address)?.is_empty())
        }
        (Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT), _) => Ok(false),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
