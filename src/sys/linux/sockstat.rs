//! How many TCP sockets there are, from `/proc/net/sockstat` and `sockstat6`: see `proc_pid_net(5)`.

use std::os::fd::OwnedFd;

use rustix::fs::CWD;
use rustix::io::{Errno, pread};

use super::files::open_at;
use super::namespaces::others;
use super::scan::pids;

/// From so many sockets on, the kernel's walk through them takes longer than a look at the namespaces of all processes.
const MANY: u64 = 4000;

/// Whether it is certain that no TCP socket is bound without listening, so that the kernel need not be asked to walk through all
/// of its sockets for one. `false` where that can't be told.
///
/// A socket counts as allocated before it enters a table and until after it has left it, so that one which is only bound leaves the
/// tables one short. The sums can be equal beside it only where others move while they are taken: a socket that was counted in its table
/// had not been allocated yet when those were counted, microseconds before, or its end was counted without its beginning, as each
/// processor has counts of its own. So everything is read again, and has to be the same to the last byte: not the sums alone, but also the
/// sockets of all kinds, those in TIME_WAIT, and the memory that all have. Connections that come and go leave their mark on these, so that
/// what made the first reading wrong would have to happen again and be undone in between. (The test below counts it: under some ten
/// thousand connections a second, one reading is wrong now and then, and two never were.) What might still slip through is met by the bind,
/// which has the last word before a port is called free.
pub(super) fn nothing_is_only_bound() -> bool {
    proof().unwrap_or(false)
}

fn proof() -> Option<bool> {
    let mut spaces = vec![Space::open("/proc/thread-self/net")?];
    let mut first = read(&spaces)?;
    // What is allocated counts in all network namespaces. The one of PID 1 is there where this is not it.
    if balance(&first)? != 0 {
        spaces.extend(elsewhere([1])?);
        first = read(&spaces)?;
    }
    if balance(&first)? != 0 && is_large(first.first()?) {
        spaces.truncate(1);
        spaces.extend(elsewhere(pids().ok()?)?);
        first = read(&spaces)?;
    }
    Some(balance(&first)? == 0 && read(&spaces)? == first)
}

/// The two files of one network namespace.
struct Space {
    v4: OwnedFd,
    /// Without IPv6 there is none.
    v6: Option<OwnedFd>,
}

/// What they say.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    v4: String,
    v6: String,
}

impl Space {
    fn open(folder: &str) -> Option<Self> {
        let v6 = match open_at(CWD, &format!("{folder}/sockstat6")) {
            Ok(file) => Some(file),
            Err(Errno::NOENT) => None,
            Err(_) => return None,
        };
        let v4 = open_at(CWD, &format!("{folder}/sockstat")).ok()?;
        Some(Self { v4, v6 })
    }

    fn read(&self) -> Option<Reading> {
        Some(Reading {
            v4: text(&self.v4)?,
            v6: match &self.v6 {
                Some(file) => text(file)?,
                None => String::new(),
            },
        })
    }
}

/// Those of other namespaces, as far as these processes tell.
fn elsewhere(among: impl IntoIterator<Item = u32>) -> Option<Vec<Space>> {
    let others = others(among).into_iter();
    others
        .map(|pid| Space::open(&format!("/proc/{pid}/net")))
        .collect()
}

fn read(spaces: &[Space]) -> Option<Vec<Reading>> {
    spaces.iter().map(Space::read).collect()
}

/// The whole file as it is now. The kernel writes it in one go; what fills the room or ends within a line is a part of it.
fn text(file: &OwnedFd) -> Option<String> {
    let mut room = [0; 1024];
    let length = pread(file, &mut room, 0).ok()?;
    let text = room.get(..length).filter(|text| text.len() < room.len())?;
    let text = str::from_utf8(text).ok()?;
    text.ends_with('\n').then(|| text.to_owned())
}

/// How many more sockets there are than in the tables of these namespaces.
fn balance(readings: &[Reading]) -> Option<i128> {
    let allocated = number(&readings.first()?.v4, "TCP:", "alloc")?;
    let in_tables = readings.iter().map(|reading| {
        let v6 = match reading.v6.as_str() {
            "" => 0,
            text => number(text, "TCP6:", "inuse")?,
        };
        Some(i128::from(number(&reading.v4, "TCP:", "inuse")?) + i128::from(v6))
    });
    let in_tables = in_tables.collect::<Option<Vec<i128>>>()?;
    Some(i128::from(allocated) - in_tables.iter().sum::<i128>())
}

/// Whether there are so many sockets in the kernel's tables that walking through them takes long; those in TIME_WAIT are among them.
fn is_large(reading: &Reading) -> bool {
    let of_tcp = |word| number(&reading.v4, "TCP:", word).unwrap_or_default();
    of_tcp("alloc").max(of_tcp("tw")) >= MANY
}

/// The number behind a word in the line that begins like this.
fn number(text: &str, line: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|text| text.strip_prefix(line))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|found| *found == word)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    const V4: &str =
        "sockets: used 23\nTCP: inuse 5 orphan 0 tw 7 alloc 9 mem 243\nUDP: inuse 0 mem 0\n";

    fn reading(v4: &str, v6: &str) -> Reading {
        Reading {
            v4: v4.to_owned(),
            v6: v6.to_owned(),
        }
    }

    #[test]
    fn the_numbers_are_read() {
        assert_eq!(number(V4, "TCP:", "inuse"), Some(5));
        assert_eq!(number(V4, "TCP:", "alloc"), Some(9));
        assert_eq!(number(V4, "TCP6:", "inuse"), None);
        assert_eq!(number("TCP: inuse", "TCP:", "inuse"), None);
    }

    #[test]
    fn the_tables_of_all_namespaces_are_held_against_what_is_allocated() {
        let own = || reading(V4, "TCP6: inuse 1\n");
        assert_eq!(balance(&[own()]), Some(3));
        let other = V4.replace("inuse 5", "inuse 2");
        assert_eq!(
            balance(&[own(), reading(&other, "TCP6: inuse 1\n")]),
            Some(0)
        );
        assert_eq!(balance(&[own(), reading(&other, "")]), Some(1));
        assert_eq!(balance(&[own(), reading(&other, "TCP6: in")]), None);
    }

    fn socket() -> socket2::Socket {
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap()
    }

    fn only_bound() -> socket2::Socket {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = socket();
        socket.bind(&address.into()).unwrap();
        socket
    }

    /// Connections that come and go, and others that are made and closed without ever being connected.
    fn churn(address: SocketAddr, until: &AtomicBool, connections: &AtomicUsize) {
        while !until.load(Ordering::Relaxed) {
            // The ports of this machine may be used up for a moment.
            if TcpStream::connect(address).is_ok() {
                connections.fetch_add(1, Ordering::Relaxed);
            }
            drop(socket());
        }
    }

    #[test]
    fn a_socket_that_is_only_bound_is_never_missed_while_connections_come_and_go() {
        const CONNECTIONS: usize = 5000;
        const LOOKS: usize = 25;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_over, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut looks, mut misled) = (0, 0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| churn(address, &is_over, &connections));
            }
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    drop(listener.accept());
                }
            });
            while connections.load(Ordering::Relaxed) < CONNECTIONS {
                let held = only_bound();
                for _ in 0..LOOKS {
                    looks += 1;
                    assert!(!nothing_is_only_bound());
                    let once = Space::open("/proc/thread-self/net").unwrap().read();
                    misled += usize::from(balance(&[once.unwrap()]) == Some(0));
                }
                drop(held);
            }
            is_over.store(true, Ordering::Relaxed);
            // Whoever waits for a connection gets one.
            drop(TcpStream::connect(address));
        });
        eprintln!(
            "{looks} looks, {CONNECTIONS} connections: one reading was wrong {misled} times, two never"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[A-Z0-9a-z: \n]{0,200}") {
            number(&text, "TCP:", "alloc");
        }
    }
}
