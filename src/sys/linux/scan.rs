//! The complete look: every descriptor of every process that can be read.

use std::cell::Cell;
use std::ffi::CStr;
use std::ffi::c_long;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RawDir, SeekFrom, openat, readlinkat_raw, seek, statat,
};
use rustix::io::Errno;

use super::files;
use super::locked::keeps_back;
use super::stat::Stat;
use crate::socket::SocketId;

/// What one process's descriptors say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Those of the wanted sockets that it holds, each once.
    pub held: Vec<SocketId>,
    /// By which descriptors it does: all of them, unless it `hides_some` in a thread's own table or in a ring.
    pub by: Vec<(u32, SocketId)>,
    pub hides_some: bool,
    /// Whether its descriptors could not be read because they are another user's, or it keeps them back.
    pub denied: bool,
    /// Whether only its lowest descriptors were looked at.
    pub is_partial: bool,
    /// Why not all of it could be looked at, if that is no news of the process: then nothing is known.
    pub failed: Option<Errno>,
}

impl Look {
    fn denied() -> Self {
        Self {
            denied: true,
            ..Self::default()
        }
    }

    /// Whether it is worth keeping.
    pub(super) fn tells_something(&self) -> bool {
        self.denied || self.failed.is_some() || !self.held.is_empty()
    }

    /// Where this process was seen to hold what it holds.
    pub(super) fn references(&self, pid: u32) -> impl Iterator<Item = Reference> {
        self.by.iter().map(move |&(descriptor, socket)| Reference {
            socket,
            pid,
            descriptor,
        })
    }
}

/// A descriptor that leads to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    pub socket: SocketId,
    pub pid: u32,
    pub descriptor: u32,
}

/// How many of the lowest descriptors a quick look takes in.
const LOWEST: u32 = 16;

/// The directory `/proc`, which all scanners share.
pub(super) struct Proc {
    directory: OwnedFd,
    /// Whether the size of a directory of descriptors is their number (Linux 6.2 and later).
    sizes_count: bool,
    /// As whom the caller looks.
    user: u32,
}

impl Proc {
    pub(super) fn open() -> io::Result<Self> {
        let directory = openat(CWD, "/proc", directory(), Mode::empty())?;
        let own = statat(&directory, "self/fd", AtFlags::empty());
        Ok(Self {
            directory,
            sizes_count: own.is_ok_and(|stat| stat.st_size > 0),
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// The IDs of all processes, in the kernel's order: ascending.
    pub(super) fn pids(&self) -> io::Result<Vec<u32>> {
        // Where the last list has left off.
        seek(&self.directory, SeekFrom::Start(0))?;
        let mut room: Vec<u8> = Vec::with_capacity(ROOM);
        let mut pids = Vec::new();
        let mut entries = RawDir::new(&self.directory, room.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            if let Some(pid) = number(entry?.file_name().to_bytes()) {
                pids.push(pid);
            }
        }
        Ok(pids)
    }
}

/// So many bytes of a directory's entries are asked for at once.
const ROOM: usize = 32 * 1024;

/// Reads descriptors, with buffers that are used again from one process to the next.
pub(super) struct Scanner<'a> {
    proc: &'a Proc,
    /// Sorted.
    wanted: &'a [SocketId],
    /// Room for the entries of a directory.
    entries: Vec<u8>,
    /// What this look has failed at.
    failure: Cell<Option<Errno>>,
    /// As whom it looks.
    user: u32,
}

/// The IDs of all processes, in the kernel's order: ascending.
pub(super) fn pids() -> io::Result<Vec<u32>> {
    Proc::open()?.pids()
}

/// The PID that was given out last: the last field of `/proc/loadavg`.
pub(super) fn last_pid() -> Option<u32> {
    let text = files::content_of("/proc/loadavg")?;
    number(text.trim_ascii_end().rsplit(|&byte| byte == b' ').next()?)
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// A directory entry that is a number: a process, a thread or a descriptor.
pub(super) fn number(name: &[u8]) -> Option<u32> {
    if name.is_empty() {
        return None;
    }
    name.iter().try_fold(0u32, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The inode in `socket:[12345]`.
pub(super) fn socket_in(link: &[u8]) -> Option<SocketId> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    // The standard parser would take `+7` as well.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|_| is_number)
}

/// The inodes of the sockets in an io_uring's table of fixed files, as its `fdinfo` lists them: `    0: socket:[77]`. The path of another file
/// may have the same in it, at a place of its own.
pub(super) fn fixed_files(fdinfo: &[u8]) -> impl Iterator<Item = SocketId> {
    fdinfo.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (index, link) = line.split_at_checked(colon)?;
        number(index.trim_ascii_start())?;
        socket_in(link.strip_prefix(b": ")?.trim_ascii_end())
    })
}

impl<'a> Scanner<'a> {
    /// A scanner for these sockets, which have to be sorted.
    pub(super) fn new(proc: &'a Proc, wanted: &'a [SocketId]) -> Self {
        debug_assert!(wanted.is_sorted());
        Self {
            proc,
            wanted,
            entries: Vec::with_capacity(ROOM),
            failure: Cell::new(None),
            user: proc.user,
        }
    }

    /// The same, where this thread looks as another user.
    pub(super) fn of_user(proc: &'a Proc, wanted: &'a [SocketId], user: u32) -> Self {
        Self {
            user,
            ..Self::new(proc, wanted)
        }
    }

    /// All descriptors of a process, those of threads with a table of their own included.
    pub(super) fn look(&mut self, pid: u32) -> Look {
        if keeps_back(pid) {
            return Look::denied();
        }
        let mut look = Look::default();
        self.failure.set(None);
        self.read_table(&pid.to_string(), None, &mut look);
        look.denied = look.denied && self.is_closed(pid);
        if !look.denied && self.threads(pid) != 1 {
            self.read_private_tables(pid, &mut look);
        }
        self.finish(look)
    }

    /// The lowest descriptors of a process, without those of threads with a table of their own.
    ///
    /// How many it has (the size of the directory, since Linux 6.2) tells how they are read at the least cost. The kernel's own threads have
    /// none. The kernel makes an entry for each that is listed, so that of many the lowest are read by their numbers; and a few without a
    /// gap need no open directory. It costs least to compare them with some that are known.
    pub(super) fn lowest(&mut self, pid: u32, known: Option<&[Reference]>) -> Look {
        const FEW: u32 = 4;
        if keeps_back(pid) {
            return Look::denied();
        }
        let mut look = Look {
            is_partial: true,
            ..Look::default()
        };
        self.failure.set(None);
        let mut path = Path::default();
        let size = statat(&self.proc.directory, path.of(pid, b"/fd"), AtFlags::empty())
            .map(|stat| u32::try_from(stat.st_size).unwrap_or_default());
        let result = match size {
            Ok(_) if !self.proc.sizes_count => self.read_numbers(pid, &mut look),
            Ok(count @ ..=FEW) => self.read_few(pid, count, &mut look),
            Ok(_) if known.is_some_and(|known| self.compare_lowest(pid, known, &mut look)) => {
                Ok(())
            }
            Ok(..=LOWEST) => Err(Errno::NOENT),
            Ok(_) => self.read_numbers(pid, &mut look),
            Err(Errno::NOENT | Errno::SRCH) => return look,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {}
            Err(Errno::ACCESS | Errno::PERM) => look.denied = true,
            // There is a gap.
            Err(Errno::NOENT) => self.read_table(&pid.to_string(), size.ok(), &mut look),
            Err(error) => self.note_failure(error),
        }
        look.denied = look.denied && self.is_closed(pid);
        self.finish(look)
    }

    /// Compares the lowest descriptors with these. `false`: the kernel does not compare, or there is nothing to compare with any more.
    fn compare_lowest(&self, pid: u32, references: &[Reference], look: &mut Look) -> bool {
        for reference in references {
            for descriptor in 0..LOWEST {
                match compare(reference, pid, descriptor) {
                    Ok(true) => self.note(descriptor, Some(reference.socket), look),
                    Ok(false) => {}
                    // One of the two is not there; compared with itself, it tells which.
                    Err(Errno::BADF | Errno::SRCH) => {
                        let own = Reference {
                            pid,
                            descriptor,
                            ..*reference
                        };
                        match compare(&own, pid, descriptor) {
                            Err(Errno::BADF) => {}
                            Err(Errno::SRCH) => return true,
                            _ => return false,
                        }
                    }
                    Err(_) => return false,
                }
            }
        }
        true
    }

    /// Reads the first descriptors by their numbers, and fails at a gap.
    fn read_few(&self, pid: u32, count: u32, look: &mut Look) -> Result<(), Errno> {
        let mut path = Path::default();
        (0..count).try_for_each(|descriptor| {
            let path = path.below(pid, b"/fd/", descriptor);
            self.note(descriptor, socket_at(&self.proc.directory, path)?, look);
            Ok(())
        })
    }

    /// Reads the lowest descriptors by their numbers, whichever there are.
    fn read_numbers(&self, pid: u32, look: &mut Look) -> Result<(), Errno> {
        let mut path = Path::default();
        // A descriptor for paths alone costs less to open and to close. It is given for any process; whether this one may be looked
        // at shows at the first link.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path_of = path.of(pid, b"/fd");
        let directory = match openat(&self.proc.directory, path_of, flags, Mode::empty()) {
            Err(error) if files::is_gone(error) => return Ok(()),
            opened => opened?,
        };
        for descriptor in 0..LOWEST {
            match socket_at(&directory, path.of(descriptor, b"")) {
                Ok(socket) => self.note(descriptor, socket, look),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn note(&self, descriptor: u32, socket: Option<SocketId>, look: &mut Look) {
        if let Some(socket) = socket.filter(|socket| self.is_wanted(socket)) {
            look.held.push(socket);
            look.by.push((descriptor, socket));
        }
    }

    fn is_wanted(&self, socket: &SocketId) -> bool {
        self.wanted.binary_search(socket).is_ok()
    }

    /// Either the process ended in between, or nothing is known.
    fn note_failure(&self, error: Errno) {
        note_failure(&self.failure, error);
    }

    fn finish(&self, mut look: Look) -> Look {
        look.failed = self.failure.get();
        look.held.sort_unstable();
        look.held.dedup();
        look
    }

    /// Whether a process that refused to show its descriptors is another user's, or has closed itself to its own. If not, its main thread
    /// has exited: what is left of that belongs to root, but its other threads can be looked at; or all of it has ended.
    fn is_closed(&self, pid: u32) -> bool {
        // The owner of the directory is the process's user, and costs little to ask for.
        let owner = match statat(&self.proc.directory, pid.to_string(), AtFlags::empty()) {
            Ok(owner) => owner,
            Err(Errno::ACCESS | Errno::PERM) => return true,
            Err(error) => {
                self.note_failure(error);
                return false;
            }
        };
        if owner.st_uid != self.user {
            return true;
        }
        let file = files::open_at(&self.proc.directory, &format!("{pid}/stat"));
        match file.and_then(files::content) {
            Ok(line) => {
                Stat::parse(&line).is_some_and(|stat| !matches!(stat.life.state, b'Z' | b'X'))
            }
            Err(Errno::ACCESS | Errno::PERM) => true,
            Err(error) => {
                self.note_failure(error);
                false
            }
        }
    }

    /// The number of threads, from the link count of the directory of threads; 0 if the process is gone.
    fn threads(&self, pid: u32) -> u64 {
        let tasks = format!("{pid}/task");
        statat(&self.proc.directory, tasks, AtFlags::empty()).map_or(0, |stat| {
            #[allow(
                clippy::useless_conversion,
                reason = "the field's width differs between architectures"
            )]
            u64::from(stat.st_nlink).saturating_sub(2)
        })
    }

    /// Threads share their process's table unless they asked for one of their own, or the main thread, whose table is shown
    /// as the process's, has exited. kcmp(2) tells them apart at a small part of the cost of reading every link again.
    fn read_private_tables(&mut self, pid: u32, look: &mut Look) {
        let mut tables: Vec<u32> = vec![pid];
        let threads = match self.numbers(&format!("{pid}/task")) {
            Ok(threads) => threads,
            Err(error) => {
                look.denied |= matches!(error, Errno::ACCESS | Errno::PERM);
                return self.note_failure(error);
            }
        };
        for thread in threads {
            if thread == pid || tables.iter().any(|&other| same_table(other, thread)) {
                continue;
            }
            let mut own = Look::default();
            self.read_table(&format!("{pid}/task/{thread}"), None, &mut own);
            look.hides_some |= !own.held.is_empty();
            look.held.append(&mut own.held);
            look.denied |= own.denied;
            // Each table that is kept is compared with every later thread, so there is an end to how many.
            if tables.len() < 16 {
                tables.push(thread);
            }
        }
    }

    fn numbers(&mut self, path: &str) -> Result<Vec<u32>, Errno> {
        let directory = openat(&self.proc.directory, path, directory(), Mode::empty())?;
        let mut numbers = Vec::new();
        let mut entries = RawDir::new(&directory, self.entries.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            numbers.extend(number(entry?.file_name().to_bytes()));
        }
        Ok(numbers)
    }

    /// Reads the descriptors of a process or a thread: all, or the lowest of so many.
    fn read_table(&mut self, of: &str, lowest_of: Option<u32>, look: &mut Look) {
        let fd = format!("{of}/fd");
        let opened = openat(&self.proc.directory, &*fd, directory(), Mode::empty());
        let directory = match opened {
            Ok(directory) => directory,
            Err(Errno::ACCESS | Errno::PERM) => {
                look.denied = true;
                return;
            }
            Err(error) => return self.note_failure(error),
        };
        let mut link = [MaybeUninit::uninit(); 64];
        let mut count = 0;
        let mut room = std::mem::take(&mut self.entries);
        let mut entries = RawDir::new(&directory, room.spare_capacity_mut());
        while lowest_of != Some(count)
            && let Some(entry) = entries.next()
        {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::ACCESS | Errno::PERM) => {
                    look.denied = true;
                    break;
                }
                Err(error) => {
                    self.note_failure(error);
                    break;
                }
            };
            let name = entry.file_name();
            let Some(number) = number(name.to_bytes()) else {
                continue;
            };
            count += 1;
            if lowest_of.is_some() && number >= LOWEST {
                continue;
            }
            let target = match readlinkat_raw(&directory, name, &mut link[..]) {
                Ok((target, _)) => &*target,
                Err(Errno::ACCESS | Errno::PERM) => {
                    // The links of a process that has ended since its directory was opened answer like this, too.
                    let there = statat(&self.proc.directory, &*fd, AtFlags::empty());
                    look.denied = !there.is_err_and(files::is_gone);
                    break;
                }
                // It is a file, whose path is longer than the kernel tells.
                Err(Errno::NAMETOOLONG) => continue,
                Err(error) => {
                    self.note_failure(error);
                    continue;
                }
            };
            // To ask a ring takes its lock, for which a quick look has no time.
            if target == b"anon_inode:[io_uring]" && lowest_of.is_none() {
                let path = format!("{of}/fdinfo/{}", name.to_string_lossy());
                let ring = read_ring(&self.proc.directory, &path, &self.failure);
                let before = look.held.len();
                let files = ring.as_deref().map(fixed_files).into_iter().flatten();
                look.held
                    .extend(files.filter(|socket| self.is_wanted(socket)));
                look.hides_some |= look.held.len() > before;
            } else {
                self.note(number, socket_in(target), look);
            }
        }
        self.entries = room;
    }
}

/// Whether the process with this directory still holds what a look has found, by the same descriptors.
pub(super) fn still_holds(process: &OwnedFd, look: &Look) -> bool {
    let mut path = Path::default();
    !look.hides_some
        && look.by.iter().all(|&(descriptor, socket)| {
            let path = path.after(b"fd/", descriptor);
            socket_at(process, path) == Ok(Some(socket))
        })
}

/// The socket to which this link leads, if it leads to one.
fn socket_at(directory: impl AsFd, path: &CStr) -> Result<Option<SocketId>, Errno> {
    let mut link = [MaybeUninit::uninit(); 64];
    match readlinkat_raw(directory, path, &mut link[..]) {
        Ok((target, _)) => Ok(socket_in(target)),
        Err(Errno::NAMETOOLONG) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A path of numbers and what is between them, made without allocating.
#[derive(Default)]
struct Path {
    bytes: [u8; 32],
    length: usize,
}

impl Path {
    /// A number and a suffix.
    fn of(&mut self, number: u32, suffix: &[u8]) -> &CStr {
        self.length = 0;
        self.push_number(number);
        self.push(suffix);
        self.whole()
    }

    /// A prefix and a number.
    fn after(&mut self, prefix: &[u8], number: u32) -> &CStr {
        self.length = 0;
        self.push(prefix);
        self.push_number(number);
        self.whole()
    }

    /// Two numbers, and what is between them.
    fn below(&mut self, number: u32, between: &[u8], other: u32) -> &CStr {
        self.of(number, between);
        self.push_number(other);
        self.whole()
    }

    fn push_number(&mut self, number: u32) {
        let mut digits = [0u8; 10];
        let mut first = digits.len();
        let mut rest = number;
        while first == digits.len() || rest > 0 {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&digits[first..]);
    }

    /// Two numbers of ten digits each and `/fd/` leave room here.
    fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        self.bytes[self.length..end].copy_from_slice(part);
        self.bytes[end] = 0;
        self.length = end;
    }

    fn whole(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// Whether something is closed to the caller is noted by those who ask.
fn note_failure(failure: &Cell<Option<Errno>>, error: Errno) {
    if !files::is_gone(error) && !matches!(error, Errno::ACCESS | Errno::PERM) {
        failure.set(failure.get().or(Some(error)));
    }
}

fn read_at(proc: &OwnedFd, path: &str, failure: &Cell<Option<Errno>>) -> Option<Vec<u8>> {
    let content = files::open_at(proc, path).and_then(files::content);
    content
        .inspect_err(|&error| note_failure(failure, error))
        .ok()
}

/// The `fdinfo` of an io_uring. The kernel leaves out what the ring holds while somebody else has its lock, another reader of the same
/// file included, so that is asked for again.
fn read_ring(proc: &OwnedFd, path: &str, failure: &Cell<Option<Errno>>) -> Option<Vec<u8>> {
    const ATTEMPTS: usize = 8;
    for _ in 1..ATTEMPTS {
        let content = read_at(proc, path, failure)?;
        if content.windows(9).any(|window| window == b"UserFiles") {
            return Some(content);
        }
        std::thread::yield_now();
    }
    read_at(proc, path, failure)
}

/// Whether two threads use the same table of descriptors, as kcmp(2) with `KCMP_FILES` tells. `false` where the kernel doesn't say:
/// then both are read.
pub(super) fn same_table(one: u32, other: u32) -> bool {
    const KCMP_FILES: u32 = 2;
    kcmp(one, other, KCMP_FILES, 0, 0) == Ok(true)
}

/// Whether a descriptor leads to the same socket, as kcmp(2) with `KCMP_FILE` tells. EBADF where one of the two does not exist.
fn compare(reference: &Reference, pid: u32, descriptor: u32) -> Result<bool, Errno> {
    const KCMP_FILE: u32 = 0;
    kcmp(
        reference.pid,
        pid,
        KCMP_FILE,
        reference.descriptor,
        descriptor,
    )
}

fn kcmp(one: u32, other: u32, kind: u32, first: u32, second: u32) -> Result<bool, Errno> {
    let [one, other, kind, first, second] = [one, other, kind, first, second].map(c_long::from);
    // SAFETY: kcmp takes five integers and touches no memory of this process.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, kind, first, second) } {
        -1 => {
            let error = io::Error::last_os_error();
            Err(Errno::from_io_error(&error).unwrap_or(Errno::NOSYS))
        }
        order => Ok(order == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    fn inode(listener: &TcpListener) -> SocketId {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        socket_in(link.as_os_str().as_encoded_bytes()).unwrap()
    }

    #[test]
    fn the_own_listener_is_found_once_though_it_has_two_descriptors() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = listener.try_clone().unwrap();
        let wanted = [inode(&listener)];
        let proc = Proc::open().unwrap();
        let look = Scanner::new(&proc, &wanted).look(std::process::id());
        assert_eq!(
            look,
            Look {
                held: wanted.to_vec(),
                by: look.by.clone(),
                ..Look::default()
            }
        );
        let mut by = vec![listener.as_raw_fd(), copy.as_raw_fd()];
        by.sort_unstable();
        let found: Vec<i32> = look.by.iter().map(|(number, _)| *number as i32).collect();
        assert_eq!(found, by);
        let process = std::fs::File::open("/proc/self").unwrap().into();
        assert!(still_holds(&process, &look));
        drop(copy);
        assert!(!still_holds(&process, &look));
    }

    #[test]
    fn fixed_files_are_read_from_any_shape_of_list() {
        let text =
            b"SqMask:\t0x7\nUserFiles:\t2\n    0: socket:[77]\n    1: /dev/null\nUserBufs:\t0\n";
        assert_eq!(fixed_files(text).collect::<Vec<_>>(), [77]);
    }

    #[test]
    fn a_file_in_a_ring_that_is_called_like_a_socket_is_none() {
        let text = b"UserFiles:\t2\n    0: /tmp/socket:[77]\n    1: /x: socket:[78]\n";
        assert_eq!(fixed_files(text).count(), 0);
        assert_eq!(socket_in(b"socket:[+7]"), None);
    }

    #[test]
    fn this_process_is_among_all_each_time() {
        let proc = Proc::open().unwrap();
        for _ in 0..2 {
            let pids = proc.pids().unwrap();
            assert!(pids.is_sorted() && pids.contains(&std::process::id()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = (number(&bytes), socket_in(&bytes), fixed_files(&bytes).count());
        }

        #[test]
        fn numbers_and_inodes_come_back(value in any::<u32>(), inode in any::<u64>()) {
            prop_assert_eq!(number(value.to_string().as_bytes()), Some(value));
            prop_assert_eq!(socket_in(format!("socket:[{inode}]").as_bytes()), Some(inode));
        }
    }
}
