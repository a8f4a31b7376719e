//! The lowest descriptors of everybody, when there are many: once one holder of each socket is known, kcmp(2) tells whether somebody else's
//! descriptor is the same, at a third of what it costs to read where it leads. Where there is no telling, it is read.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::scan::{Look, Proc, Reference, Scanner};
use super::share::{ENOUGH, share};
use crate::socket::SocketId;

/// From more sockets than this on, reading costs less than to compare with each.
const FEW: usize = 2;

/// What one process was seen to hold.
pub(super) type Found = Vec<(u32, Look)>;

/// Looks at the lowest descriptors of these processes, and returns those of whom there is something to tell. Some holders may be known
/// already.
pub(super) fn lowest_of(
    proc: &Proc,
    pids: &[u32],
    wanted: &[SocketId],
    known: Vec<Reference>,
) -> Found {
    if pids.len() < ENOUGH || wanted.len() > FEW {
        by_reading(proc, pids, wanted)
    } else {
        by_comparing(proc, pids, wanted, known)
    }
}

fn by_reading(proc: &Proc, pids: &[u32], wanted: &[SocketId]) -> Found {
    share(proc, pids, wanted, |scanner, pid| {
        note(pid, scanner.lowest(pid, None))
    })
}

fn by_comparing(proc: &Proc, pids: &[u32], wanted: &[SocketId], known: Vec<Reference>) -> Found {
    let references = References::new(wanted.len(), known);
    let look = |scanner: &mut Scanner<'_>, pid: u32| {
        let known = references.all.get();
        let look = scanner.lowest(pid, known.map(Vec::as_slice));
        if known.is_none() {
            references.add(pid, &look);
        }
        note(pid, look)
    };
    share(proc, &from_both_ends(pids), wanted, look)
}

fn note(pid: u32, look: Look) -> Option<(u32, Look)> {
    look.tells_something().then_some((pid, look))
}

/// A server has just been started, or has been there since long ago: then it is met early.
fn from_both_ends(pids: &[u32]) -> Vec<u32> {
    let (old, young) = pids.split_at(pids.len() / 2);
    let mut old = old.iter().copied();
    let young = young.iter().rev();
    let alternately = young.flat_map(|&pid| [Some(pid), old.next()]);
    alternately.flatten().collect()
}

/// One holder of each socket.
struct References {
    sockets: usize,
    some: Mutex<Vec<Reference>>,
    all: OnceLock<Vec<Reference>>,
}

impl References {
    fn new(sockets: usize, known: Vec<Reference>) -> Self {
        let references = Self {
            sockets,
            some: Mutex::default(),
            all: OnceLock::new(),
        };
        references.extend(known);
        references
    }

    fn add(&self, pid: u32, look: &Look) {
        if !look.by.is_empty() {
            self.extend(look.references(pid));
        }
    }

    fn extend(&self, new: impl IntoIterator<Item = Reference>) {
        let mut some = self.some.lock().unwrap_or_else(PoisonError::into_inner);
        for reference in new {
            if some.iter().all(|known| known.socket != reference.socket) {
                some.push(reference);
            }
        }
        if some.len() == self.sockets {
            self.all.get_or_init(|| some.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::process::{Child, Command, Stdio};

    use super::super::scan::socket_in;
    use super::*;

    #[test]
    fn the_youngest_and_the_oldest_come_first_and_nobody_is_left_out() {
        assert_eq!(from_both_ends(&[1, 2, 3, 4, 5]), [5, 1, 4, 2, 3]);
        assert_eq!(from_both_ends(&[1, 2, 3, 4]), [4, 1, 3, 2]);
        assert_eq!(from_both_ends(&[1]), [1]);
        assert!(from_both_ends(&[]).is_empty());
    }

    fn sleep(stdin: impl Into<Stdio>) -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").stdin(stdin);
        sleep.stdout(Stdio::null()).stderr(Stdio::null());
        sleep.spawn().unwrap()
    }

    fn pids(found: &Found) -> Vec<u32> {
        let mut pids: Vec<u32> = found.iter().map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn comparing_finds_whom_reading_finds_even_if_what_was_compared_with_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let wanted = [socket_in(link.as_os_str().as_encoded_bytes()).unwrap()];
        let mut children = Vec::new();
        for number in 0..12 {
            children.push(match number % 5 {
                1 => sleep(OwnedFd::from(listener.try_clone().unwrap())),
                _ => sleep(Stdio::null()),
            });
        }
        let everybody: Vec<u32> = children.iter().map(Child::id).collect();
        let holders = [1, 6, 11].map(|at| everybody[at]);
        let proc = Proc::open().unwrap();
        assert_eq!(pids(&by_reading(&proc, &everybody, &wanted)), holders);
        let compared = by_comparing(&proc, &everybody, &wanted, Vec::new());
        assert_eq!(pids(&compared), holders);

        let mut ended = sleep(Stdio::null());
        ended.kill().unwrap();
        ended.wait().unwrap();
        for pid in [everybody[0], ended.id()] {
            let gone = Reference {
                socket: wanted[0],
                pid,
                descriptor: 77,
            };
            let compared = by_comparing(&proc, &everybody, &wanted, vec![gone]);
            assert_eq!(pids(&compared), holders);
        }
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
