//! One process: read through its `/proc/PID` directory, signalled and waited for through the same process or not at all.

use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, StatxFlags, fstat, makedev, openat, readlinkat, stat, statat, statx,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Resource, Signal as RawSignal, getrlimit, kill_process, pidfd_open,
    pidfd_send_signal, test_kill_process,
};
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

use super::super::aside::{Progress, Task};
use super::super::{Condition, Delivery, Folder, Patience, Place};
use super::borrowed::Owner;
use super::cgroup;
use super::files;
use super::locked;
use super::memory::is_runnable;
use super::stat::{self, Life, Stat};
use super::surroundings;
use crate::process::Process;
use crate::signal::Signal;

/// A process, held by a descriptor of its `/proc/PID` directory.
///
/// Once the process is gone, everything read through that descriptor fails with ESRCH, and so does
/// `pidfd_send_signal(2)` on it, even if the PID belongs to somebody else by then.
pub(crate) struct Handle {
    pid: u32,
    /// `None` when the caller has no descriptor left; then each use compares the start time first.
    directory: Option<Arc<OwnedFd>>,
    start_ticks: u64,
    /// What follows was read when it was opened.
    parent: u32,
    place: Place,
    /// A process is a thread of the kernel from its start to its end.
    is_kernel: bool,
    name: String,
    /// For poll(2), opened when it is first waited for. `None` inside where the kernel (before 5.3) or a seccomp filter has no
    /// `pidfd_open(2)`, or where the process had already ended.
    pidfd: OnceCell<Option<OwnedFd>>,
    /// Whether a question where it works was not answered in time.
    keeps_folder: Cell<bool>,
    /// Whether it worked in the folder of this call, when that was last asked.
    was_inside: Cell<Option<bool>>,
}

/// What stands for the error of who [keeps his answer back](locked). He can't be seen.
const KEPT_BACK: Errno = Errno::BUSY;

/// The ID of the calling process.
pub(crate) fn caller() -> u32 {
    std::process::id()
}

impl Handle {
    /// The process of this ID, or `None` if there is none (or `hidepid` hides it).
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || openat(CWD, proc_path(pid, ""), flags, Mode::empty());
        let directory = match retry_on_intr(open) {
            Ok(directory) => keep(directory).map(Arc::new),
            Err(Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM) => return Ok(None),
            Err(Errno::MFILE | Errno::NFILE) => None,
            Err(error) => return Err(error.into()),
        };
        let mut handle = Self {
            pid,
            directory,
            start_ticks: 0,
            parent: 0,
            place: Place::default(),
            is_kernel: false,
            name: String::new(),
            pidfd: OnceCell::new(),
            keeps_folder: Cell::new(false),
            was_inside: Cell::new(None),
        };
        let stat = match handle.stat_or_gone() {
            Ok(Some(stat)) => stat,
            Ok(None) | Err(Errno::ACCESS | Errno::PERM | KEPT_BACK) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        handle.start_ticks = stat.start_ticks;
        handle.parent = stat.life.parent;
        handle.place = Place {
            session: stat.session,
            group: stat.group,
            terminal: stat.terminal,
            arguments: stat::by_chance(stat.arguments),
        };
        handle.is_kernel = stat.is_kernel();
        handle.name = String::from_utf8_lossy(&stat.name).into_owned();
        Ok(Some(handle))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// A file of this process's directory, whole.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        files::content(self.whereabouts().open(name).ok()?).ok()
    }

    /// Where it is read.
    pub(super) fn whereabouts(&self) -> Whereabouts {
        Whereabouts {
            pid: self.pid,
            directory: self.directory.clone(),
        }
    }

    /// The directory that stands for it, if the caller had a descriptor left.
    pub(super) fn directory(&self) -> Option<Arc<OwnedFd>> {
        self.directory.clone()
    }

    /// What names a namespace of it, such as `pid:[4026531836]`.
    pub(super) fn namespace(&self, kind: &str) -> Option<PathBuf> {
        let (place, name) = (self.whereabouts(), format!("ns/{kind}"));
        locked::ask(self.pid, move || place.link(&name)).ok()??
    }

    /// How it lives, or `None` if it is not there any more. Unlike `stat`, `status` is told [at any time](locked); but it doesn't tell the start,
    /// by which a process is known without a descriptor.
    fn life(&self) -> Result<Option<Life>, Errno> {
        let Some(directory) = &self.directory else {
            return Ok(self.stat_or_gone()?.map(|stat| stat.life));
        };
        match files::open_at(directory, "status").and_then(files::content) {
            Ok(status) => {
                let life = Life::parse(&status).ok_or(Errno::IO)?;
                Ok((!life.is_released()).then_some(life))
            }
            Err(error) if files::is_gone(error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The stat line, if it is still this process's.
    pub(super) fn stat(&self) -> Option<Stat> {
        self.stat_or_gone().ok()?
    }

    /// The stat line, or `None` if this process is not there any more. It fails where it could not be read, as without a descriptor left.
    fn stat_or_gone(&self) -> Result<Option<Stat>, Errno> {
        let place = self.whereabouts();
        let read = move || place.open("stat").and_then(files::content);
        let line = locked::ask(self.pid, read).map_err(|_| Errno::TIMEDOUT)?;
        let line = match line.unwrap_or(Err(KEPT_BACK)) {
            Ok(line) => line,
            Err(error) if files::is_gone(error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = Stat::parse(&line).ok_or(Errno::IO)?;
        let is_same = self.start_ticks == 0 || stat.start_ticks == self.start_ticks;
        Ok((is_same && !stat.life.is_released()).then_some(stat))
    }

    pub(crate) fn parent(&self) -> Option<u32> {
        let life = self.life().ok()?.filter(|life| !life.has_exited());
        life.map(|life| life.parent)
    }

    pub(crate) fn parent_when_opened(&self) -> Option<u32> {
        Some(self.parent)
    }

    /// The short name that it had when it was opened.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn started(&self) -> Option<SystemTime> {
        started(self.start_ticks)
    }

    pub(crate) fn is_kernel(&self) -> bool {
        self.is_kernel
    }

    /// Whether it is PID 1, or the systemd of a user or a container: ended, it takes everything along that it has started.
    pub(crate) fn is_init(&self) -> bool {
        // Who can't be looked at may be one.
        let is_manager = || (self.read("cgroup")).is_none_or(|file| cgroup::is_manager(&file));
        let is_first = || (self.read("status")).is_none_or(|file| stat::is_first_of_its_own(&file));
        self.pid == 1 || (self.name == "systemd" && (is_manager() || is_first()))
    }

    /// The systemd unit that it belongs to, from its control group.
    pub(crate) fn unit(&self) -> Option<String> {
        Some(surroundings::unit(self)?.name)
    }

    /// Everything about it that this user may read without waiting for it.
    pub(super) fn describe(&self) -> Process {
        let mut process = Process::unknown(self.pid);
        process.start_ticks = self.start_ticks;
        process.parent_pid = Some(self.parent);
        process.started = self.started();
        process.name.clone_from(&self.name);
        process.uid = self.user();
        process
    }

    /// Its effective user, to whom its directory belongs, even if what is in there belongs to root. That of somebody who is gone is root's.
    fn user(&self) -> Option<u32> {
        let stat = match &self.directory {
            Some(directory) => fstat(directory),
            None => stat(proc_path(self.pid, "")),
        };
        let user = stat.ok()?.st_uid;
        let is_certain = user != 0 && self.directory.is_some();
        (is_certain || self.is_there()).then_some(user)
    }

    /// Whether it has not been collected by its parent.
    fn is_there(&self) -> bool {
        match &self.directory {
            Some(directory) => statat(directory, "stat", AtFlags::empty()).is_ok(),
            None => self.stat().is_some(),
        }
    }

    /// Whether it works in this folder or below. The folder's storage may hang, so that the answer has a limit.
    pub(crate) fn is_in(&self, folder: &Folder, patience: &mut Patience) -> Option<bool> {
        // Who is on the way into another program goes nowhere else.
        if locked::keeps_back(self.pid) {
            return self.was_inside.get();
        }
        let is_inside = self.leads_to(folder, patience);
        self.was_inside.set(is_inside.or(self.was_inside.get()));
        is_inside
    }

    fn leads_to(&self, folder: &Folder, patience: &mut Patience) -> Option<bool> {
        // Each question leaves a thread behind.
        if self.keeps_folder.get() && !patience.is_left() {
            return None;
        }
        let (pid, directory, folder) = (self.pid, self.directory.clone(), folder.clone());
        let thread = Arc::new(OnceLock::new());
        let own = Arc::clone(&thread);
        let look = Task::start(Duration::MAX, move |_| {
            let _ = own.set(gettid());
            leads_to(working_directory(pid, directory.as_deref())?, &folder)
        });
        let is_in = loop {
            let limit = patience.for_one();
            if let Progress::Done(is_in) = look.wait(limit) {
                break is_in;
            }
            patience.spend(limit);
            // It may only wait for a processor, and will answer.
            let is_hopeful = thread.get().is_none_or(|&thread| is_runnable(thread));
            if !is_hopeful || !patience.is_left() {
                self.keeps_folder.set(true);
                return None;
            }
        };
        // Without a descriptor the PID may have been given to another.
        self.stat()?;
        is_in
    }

    /// Sends a signal to this process, or to nobody.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<Delivery> {
        let raw = RawSignal::from_named_raw(signal.number()).ok_or(io::ErrorKind::InvalidInput)?;
        self.send(raw)
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        // It may end or be denied at this very moment; then there is nobody to wake.
        let _ = self.send(RawSignal::CONT);
    }

    fn send(&self, signal: RawSignal) -> io::Result<Delivery> {
        let sent = match &self.directory {
            Some(directory) => pidfd_send_signal(directory, signal),
            None => Err(Errno::NOSYS),
        };
        let sent = match sent {
            // Before Linux 5.1, under a seccomp filter, or without a descriptor: compare the start time right before.
            Err(Errno::NOSYS | Errno::PERM) if !self.denies(sent) => self.send_by_pid(signal),
            other => other,
        };
        match sent {
            Ok(()) => Ok(Delivery::Sent),
            // The kernel's word, unless its other word is that it lives.
            Err(Errno::SRCH) if !self.is_alive() => Ok(Delivery::Gone),
            Err(Errno::PERM | Errno::ACCESS) => Ok(Delivery::NotPermitted),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether EPERM is the kernel's word about this process, not a filter's about the call.
    fn denies(&self, sent: Result<(), Errno>) -> bool {
        sent == Err(Errno::PERM) && !self.may_signal()
    }

    fn send_by_pid(&self, signal: RawSignal) -> Result<(), Errno> {
        // Whoever can't be looked at may be another by now.
        if self
            .stat_or_gone()?
            .is_none_or(|stat| stat.life.has_exited())
        {
            return Err(Errno::SRCH);
        }
        kill_process(self.raw_pid().ok_or(Errno::SRCH)?, signal)
    }

    /// Whether the caller may signal it, as far as the kernel tells without sending anything.
    pub(crate) fn may_signal(&self) -> bool {
        self.raw_pid()
            .is_some_and(|pid| test_kill_process(pid) != Err(Errno::PERM))
    }

    fn raw_pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    /// Whether its last thread has ended. It may not have been collected by its parent yet.
    ///
    /// To open something that can be polled costs more than to look once; who has been waited for has it.
    pub(crate) fn has_exited(&self) -> bool {
        if let Some(Some(pidfd)) = self.pidfd.get() {
            let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
            if let Ok(count) = poll(&mut fds, Some(&Timespec::default())) {
                return count > 0;
            }
        }
        // Who can't be looked at is there, as far as is known.
        (self.life()).is_ok_and(|life| life.is_none_or(|life| life.has_exited()))
    }

    /// Whether it was seen to live.
    fn is_alive(&self) -> bool {
        (self.life()).is_ok_and(|life| life.is_some_and(|life| !life.has_exited()))
    }

    pub(crate) fn condition(&self) -> Condition {
        match self.stat_or_gone() {
            Ok(None) => Condition::Exiting,
            Ok(Some(stat)) if stat.is_exiting() => Condition::Exiting,
            Ok(Some(stat)) if stat.is_stopped() => Condition::Stopped,
            // Who can't be looked at is there, as far as is known.
            Ok(Some(_)) | Err(_) => Condition::Running,
        }
    }

    /// What poll(2) can wait on.
    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        let open = || {
            let pidfd = pidfd_open(self.raw_pid()?, PidfdFlags::empty()).ok()?;
            // The PID may have been given to another before it was opened, but not after: still being there now means
            // having been there all along.
            keep(pidfd).filter(|_| self.is_there())
        };
        self.pidfd.get_or_init(open).as_ref().map(AsFd::as_fd)
    }
}

/// Where a process is read.
#[derive(Clone)]
pub(super) struct Whereabouts {
    pub pid: u32,
    directory: Option<Arc<OwnedFd>>,
}

impl Whereabouts {
    pub(super) fn open(&self, name: &str) -> Result<OwnedFd, Errno> {
        match &self.directory {
            Some(directory) => files::open_at(directory, name),
            None => files::open_at(CWD, &proc_path(self.pid, name)),
        }
    }

    pub(super) fn link(&self, name: &str) -> Option<PathBuf> {
        let read = || match &self.directory {
            Some(directory) => readlinkat(directory, name, Vec::new()),
            None => readlinkat(CWD, proc_path(self.pid, name), Vec::new()),
        };
        let target = match read() {
            Err(Errno::ACCESS | Errno::PERM) => Owner::of(self.pid)?.read(read)?,
            target => target,
        };
        Some(PathBuf::from(OsString::from_vec(target.ok()?.into_bytes())))
    }
}

/// More folders than a path can name are not gone through.
const DEEPEST: usize = 2048;

/// The working directory of a process, as a descriptor for paths alone. Who may open it without being its owner is told by
/// [`borrowed`](super::borrowed).
fn working_directory(pid: u32, directory: Option<&OwnedFd>) -> Option<OwnedFd> {
    let open = || match directory {
        Some(directory) => openat(directory, "cwd", FOLDER, Mode::empty()),
        None => openat(CWD, proc_path(pid, "cwd"), FOLDER, Mode::empty()),
    };
    match open() {
        Err(Errno::ACCESS | Errno::PERM) => Owner::of(pid)?.read(open)?.ok(),
        opened => opened.ok(),
    }
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether this directory is that folder or lies below. The way up is gone step by step: a path may be another's in another mount
/// namespace, and tells nothing of a folder that was removed.
fn leads_to(mut at: OwnedFd, folder: &Folder) -> Option<bool> {
    let mut here = place_of(&at)?;
    for _ in 0..DEEPEST {
        if folder.is(here.folder) {
            return Some(true);
        }
        let above = openat(&at, "..", FOLDER, Mode::empty()).ok()?;
        let there = place_of(&above)?;
        // Only the root has itself above it. A folder that is mounted below itself has not: it is another mount.
        if there == here {
            return Some(false);
        }
        (at, here) = (above, there);
    }
    None
}

/// Where a folder is.
#[derive(PartialEq, Eq)]
struct WhereAt {
    folder: (u64, u64),
    /// 0 before Linux 5.8.
    mount: u64,
}

/// The storage is not asked: a request that a file system in user space has taken and does not answer can't be given up, not even by SIGKILL.
fn place_of(at: &OwnedFd) -> Option<WhereAt> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let asked = StatxFlags::INO | StatxFlags::MNT_ID;
    match statx(at, "", flags, asked) {
        Ok(found) => Some(WhereAt {
            folder: (
                makedev(found.stx_dev_major, found.stx_dev_minor),
                found.stx_ino,
            ),
            mount: found.stx_mnt_id,
        }),
        // Before Linux 4.11, or under a filter.
        Err(Errno::NOSYS | Errno::PERM) => {
            let stat = fstat(at).ok()?;
            Some(WhereAt {
                folder: (stat.st_dev, stat.st_ino),
                mount: 0,
            })
        }
        Err(_) => None,
    }
}

/// How many descriptors are left for looking around, however many processes are being dealt with.
const RESERVE: u64 = 32;

/// This descriptor, unless it is one of the last that the caller may have: a handle can do without, a look at the processes can't.
fn keep(descriptor: OwnedFd) -> Option<OwnedFd> {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    let limit = *LIMIT.get_or_init(|| getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX));
    let number = u64::try_from(descriptor.as_raw_fd()).ok()?;
    (number.saturating_add(RESERVE) < limit).then_some(descriptor)
}

/// Waits until one of the processes has exited or the time is over, whichever is first.
pub(crate) fn wait(handles: &[&Handle], timeout: Duration) {
    let mut fds: Vec<PollFd<'_>> = handles
        .iter()
        .filter_map(|handle| handle.pollable())
        .map(|pidfd| PollFd::from_borrowed_fd(pidfd, PollFlags::IN))
        .collect();
    // Where a process can't be polled, a short look now and then has to do.
    let blind = fds.len() < handles.len();
    let moment = timeout.min(Duration::from_millis(5));
    let timeout = if blind { moment } else { timeout };
    if blind && handles.iter().any(|handle| handle.has_exited()) {
        return;
    }
    let timeout = Timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match poll(&mut fds, Some(&timeout)) {
        // An interrupted wait is a short one: the caller looks and waits again.
        Ok(_) | Err(Errno::INTR) => {}
        Err(_) => std::thread::sleep(moment),
    }
}

/// `/proc/PID/name`
pub(super) fn proc_path(pid: u32, name: &str) -> String {
    let mut path = String::with_capacity(32);
    // Writing to a `String` can't fail.
    let _ = write!(path, "/proc/{pid}/{name}");
    path
}

/// The arguments in `/proc/PID/cmdline`, each ended by a NUL. A server that writes a title over its arguments leaves NULs or
/// blanks behind it; they are cut off.
pub(super) fn arguments(line: &[u8]) -> Vec<OsString> {
    let end = line
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let line = line.get(..end).unwrap_or_default();
    if line.is_empty() {
        return Vec::new();
    }
    let mut arguments: Vec<OsString> = line
        .split(|&byte| byte == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect();
    if let [title] = arguments.as_mut_slice() {
        let trimmed = title.as_encoded_bytes().trim_ascii_end().to_vec();
        *title = OsString::from_vec(trimmed);
    }
    arguments
}

/// The short name, unless it is the beginning of a path: some programs call themselves like their file, and the kernel keeps 15 bytes
/// of that (`/usr/sbin/munin` of `/usr/sbin/munin-node`). Then it is the name of that file.
pub(super) fn whole_name(short: &str, process: &Process) -> String {
    if !short.starts_with(['/', '.']) || !short.contains('/') {
        return short.to_owned();
    }
    let title = process.command.first().map(|first| first.to_string_lossy());
    let program = title.as_deref().and_then(|title| title.split(' ').next());
    let file = program
        .filter(|program| program.starts_with(short))
        .map(Path::new)
        .or(process.executable.as_deref())
        .unwrap_or(Path::new(short))
        .file_name();
    file.map_or_else(
        || short.to_owned(),
        |file| file.to_string_lossy().into_owned(),
    )
}

/// The kernel marks a program whose file was replaced or removed.
pub(super) fn without_deleted(path: PathBuf) -> PathBuf {
    let bytes = path.into_os_string().into_vec();
    let kept = bytes.strip_suffix(b" (deleted)").unwrap_or(&bytes).to_vec();
    PathBuf::from(OsString::from_vec(kept))
}

/// The wall-clock time of a start that is counted in ticks since boot.
fn started(ticks: u64) -> Option<SystemTime> {
    let per_second = ticks_per_second();
    let start = Duration::from_secs(ticks / per_second)
        + Duration::from_secs(ticks % per_second) / u32::try_from(per_second).ok()?;
    SystemTime::now().checked_sub(since_boot().checked_sub(start)?)
}

/// Now, in the unit and from the point in which starts are counted.
pub(super) fn ticks_since_boot() -> u64 {
    let up = since_boot();
    let per_second = ticks_per_second();
    up.as_secs() * per_second + u64::from(up.subsec_millis()) * per_second / 1000
}

fn since_boot() -> Duration {
    let up = clock_gettime(ClockId::Boottime);
    Duration::new(
        up.tv_sec.try_into().unwrap_or_default(),
        up.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_over_the_arguments_loses_what_it_left_behind() {
        assert_eq!(
            arguments(b"nginx: master process nginx\0\0\0\0"),
            ["nginx: master process nginx"]
        );
        assert_eq!(arguments(b"worker    \0"), ["worker"]);
        assert_eq!(arguments(b"sh\0-c\0\0echo\0"), ["sh", "-c", "", "echo"]);
        assert!(arguments(b"").is_empty() && arguments(b"\0\0").is_empty());
    }

    #[test]
    fn half_a_path_is_no_name() {
        let mut process = Process::unknown(7);
        assert_eq!(whole_name("kworker/0:1", &process), "kworker/0:1");
        assert_eq!(whole_name("/usr/sbin/munin", &process), "munin");
        process.executable = Some("/usr/bin/perl".into());
        assert_eq!(whole_name("/usr/sbin/munin", &process), "perl");
        process.command = vec!["/usr/sbin/munin-node --debug".into()];
        assert_eq!(whole_name("/usr/sbin/munin", &process), "munin-node");
        assert_eq!(whole_name("node", &process), "node");
        assert_eq!(whole_name("./", &process), "perl");
    }

    #[test]
    fn the_own_process_is_described() {
        let handle = Handle::open(caller()).unwrap().unwrap();
        let process = handle.describe();
        assert_eq!(
            process.parent_pid,
            Some(std::os::unix::process::parent_id())
        );
        assert_eq!(process.uid, Some(rustix::process::geteuid().as_raw()));
        let age = process.started.unwrap().elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
        assert!(!handle.has_exited() && handle.may_signal());
    }

    #[test]
    fn a_child_that_ended_is_seen_and_gets_nothing() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let handle = Handle::open(child.id()).unwrap().unwrap();
        assert!(!handle.has_exited());
        assert_eq!(handle.signal(Signal::Kill).unwrap(), Delivery::Sent);
        while !handle.has_exited() {
            wait(&[&handle], Duration::from_secs(10));
        }
        child.wait().unwrap();
        assert_eq!(handle.user(), None);
        assert_eq!(handle.signal(Signal::Term).unwrap(), Delivery::Gone);
        assert!(
            Handle::open(child.id())
                .unwrap()
                .is_none_or(|other| other.start_ticks() != handle.start_ticks())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = arguments(&bytes);
        }
    }
}
