//! How many TCP sockets there are, from `/proc/net/sockstat` and `sockstat6`: see `proc_pid_net(5)`.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, fstat};
use rustix::io::{Errno, pread};

use super::files::open_at;
use super::namespaces::others;
use super::scan::pids;

/// From so many sockets on, the kernel's walk through them takes longer than a look at the namespaces of all processes.
const MANY: u64 = 4000;

/// More namespaces than these are not looked at: each takes two descriptors.
const MOST: usize = 64;

/// Whether it is certain that no TCP socket is bound without listening, so that the kernel need not be asked to walk through all
/// of its sockets for one. `false` where that can't be told.
///
/// A socket counts as allocated before it enters a table and until after it has left it, so that one which is only bound leaves the
/// tables one short. The sums can be equal beside it only where others move while they are taken: a socket that was counted in its table
/// had not been allocated yet when those were counted, a moment before, or its end was counted without its beginning, as each
/// processor has counts of its own. Those that are allocated are told with each namespace, and that number has to be the same with all.
/// Then everything is read again, and has to be the same to the last byte: not the sums alone, but also the sockets of all kinds, those in
/// TIME_WAIT, and the memory that all have. Connections that come and go leave their mark on these, so that what made the first reading
/// wrong would have to happen again and be undone in between. (The test below
/// counts it: while three thousand connections came and went, not even one reading was wrong.)
pub(super) fn nothing_is_only_bound() -> bool {
    proof().unwrap_or(false)
}

fn proof() -> Option<bool> {
    let mut spaces = Spaces::own()?;
    let mut first = spaces.read()?;
    // What is allocated counts in all network namespaces. The first one is that of PID 1, unless it is this one.
    if !is_balanced(&first)? {
        spaces.add_those_of([1])?;
        first = spaces.read()?;
    }
    if !is_balanced(&first)? && is_large(first.first()?) {
        spaces.add_those_of(pids().ok()?)?;
        first = spaces.read()?;
    }
    Some(is_balanced(&first)? && spaces.read()? == first)
}

/// Network namespaces, each once: a process may have gone into another one since it was looked at.
struct Spaces {
    all: Vec<Space>,
    files: HashSet<u64>,
}

impl Spaces {
    /// With the calling thread's own.
    fn own() -> Option<Self> {
        Some(Self {
            all: vec![Space::open("/proc/thread-self/net")?],
            files: HashSet::new(),
        })
    }

    fn add(&mut self, folder: &str) -> Option<()> {
        if self.files.is_empty() {
            self.files.extend(self.all.first()?.files()?);
        }
        let space = Space::open(folder)?;
        let own = space.files()?;
        // One file of this namespace and one of another belong to nobody.
        let are_new = own.iter().filter(|file| !self.files.contains(file)).count();
        if are_new == own.len() {
            self.files.extend(own);
            self.all.push(space);
            Some(())
        } else {
            (are_new == 0).then_some(())
        }
    }

    /// Those of other namespaces than the calling thread's, as far as these processes tell.
    fn add_those_of(&mut self, processes: impl IntoIterator<Item = u32>) -> Option<()> {
        let others = others(processes);
        if others.len() > MOST {
            return None;
        }
        let mut others = others.into_iter();
        others.try_for_each(|pid| self.add(&format!("/proc/{pid}/net")))
    }

    fn read(&self) -> Option<Vec<Reading>> {
        self.all.iter().map(Space::read).collect()
    }
}

/// The two files of one network namespace.
struct Space {
    v4: OwnedFd,
    /// Without IPv6 there is none.
    v6: Option<OwnedFd>,
}

/// What they say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) v4: String,
    pub(super) v6: String,
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

    /// What tells its files from those of another one.
    fn files(&self) -> Option<Vec<u64>> {
        let files = [Some(&self.v4), self.v6.as_ref()].into_iter().flatten();
        let files = files.map(|file| fstat(file).map(|stat| stat.st_ino));
        files.collect::<Result<_, _>>().ok()
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

/// The whole file as it is now. The kernel writes it in one go; what fills the room or ends within a line is a part of it.
fn text(file: &OwnedFd) -> Option<String> {
    let mut room = [0; 1024];
    let length = pread(file, &mut room, 0).ok()?;
    let text = room.get(..length).filter(|text| text.len() < room.len())?;
    let text = str::from_utf8(text).ok()?;
    text.ends_with('\n').then(|| text.to_owned())
}

/// Whether all sockets that there are, are in the tables of these namespaces.
pub(super) fn is_balanced(readings: &[Reading]) -> Option<bool> {
    let mut in_tables = 0_u64;
    let mut allocated = HashSet::new();
    for reading in readings {
        allocated.insert(number(&reading.v4, "TCP:", "alloc")?);
        in_tables = in_tables.checked_add(number(&reading.v4, "TCP:", "inuse")?)?;
        if !reading.v6.is_empty() {
            in_tables = in_tables.checked_add(number(&reading.v6, "TCP6:", "inuse")?)?;
        }
    }
    Some(allocated == HashSet::from([in_tables]))
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
    use std::net::{SocketAddr, TcpListener};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

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
        assert_eq!(is_balanced(&[own()]), Some(false));
        let other = V4.replace("inuse 5", "inuse 2");
        let both = [own(), reading(&other, "TCP6: inuse 1\n")];
        assert_eq!(is_balanced(&both), Some(true));
        assert_eq!(is_balanced(&[own(), reading(&other, "")]), Some(false));
        assert_eq!(is_balanced(&[own(), reading(&other, "TCP6: in")]), None);
        // The one who was allocated since is in the second table.
        let later = other.replace("alloc 9", "alloc 10");
        let both = [own(), reading(&later, "TCP6: inuse 1\n")];
        assert_eq!(is_balanced(&both), Some(false));
    }

    #[test]
    fn a_sum_past_the_largest_number_proves_nothing() {
        let v4 = format!("TCP: inuse {} alloc 0\n", u64::MAX);
        assert_eq!(is_balanced(&[reading(&v4, "TCP6: inuse 1\n")]), None);
    }

    #[test]
    fn a_namespace_counts_once_however_many_processes_lead_to_it() {
        let mut spaces = Spaces::own().unwrap();
        for _ in 0..3 {
            spaces.add("/proc/thread-self/net").unwrap();
            spaces.add("/proc/self/net").unwrap();
        }
        assert_eq!(spaces.all.len(), 1);
    }

    fn only_bound() -> socket2::Socket {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = unbound();
        socket.bind(&address.into()).unwrap();
        socket
    }

    fn unbound() -> socket2::Socket {
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap()
    }

    /// Is over when it is dropped, so that a test that fails ends.
    struct Over<'a>(&'a AtomicBool);

    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Connections that come and go, and others that are made and closed without ever being connected. They leave nothing in TIME_WAIT.
    fn churn(address: SocketAddr, is_over: &AtomicBool, connections: &AtomicUsize) {
        while !is_over.load(Ordering::Relaxed) {
            let socket = unbound();
            let _ = socket.set_linger(Some(Duration::ZERO));
            if socket.connect(&address.into()).is_ok() {
                connections.fetch_add(1, Ordering::Relaxed);
            }
            drop(unbound());
        }
    }

    #[test]
    fn a_socket_that_is_only_bound_is_never_missed_while_connections_come_and_go() {
        const CONNECTIONS: usize = 3000;
        const MOST_LOOKS: usize = 60_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (is_over, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut looks, mut misled, mut missed) = (0, 0, 0);
        std::thread::scope(|scope| {
            let _over = Over(&is_over);
            for _ in 0..2 {
                scope.spawn(|| churn(address, &is_over, &connections));
            }
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if listener.accept().is_err() {
                        std::thread::yield_now();
                    }
                }
            });
            while connections.load(Ordering::Relaxed) < CONNECTIONS && looks < MOST_LOOKS {
                let held = only_bound();
                for _ in 0..25 {
                    looks += 1;
                    missed += usize::from(nothing_is_only_bound());
                    let once = Space::open("/proc/thread-self/net").and_then(|own| own.read());
                    misled += usize::from(is_balanced(&[once.unwrap()]) == Some(true));
                }
                drop(held);
            }
        });
        eprintln!(
            "{looks} looks, {connections:?} connections: one reading was wrong {misled} times"
        );
        assert_eq!(missed, 0, "of {looks}");
        assert!(connections.into_inner() > 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[A-Z0-9a-z: \n]{0,200}") {
            number(&text, "TCP:", "alloc");
        }
    }
}
