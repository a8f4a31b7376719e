//! One process: its PID and when it started, which are compared before anything is done to it.

use std::io;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::signal::{Signal as RawSignal, kill};
use nix::unistd::Pid;

use super::{Info, system};
use crate::process::Process;
use crate::signal::Signal;
use crate::sys::{Condition, Delivery, Folder, Patience, Place};

/// How long to wait between two looks where no event can be waited for.
const BLINK: Duration = Duration::from_millis(5);

/// A process.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: u32,
    start_ticks: u64,
    /// What follows was read when it was opened.
    parent: u32,
    place: Place,
    name: String,
}

/// The ID of the calling process.
pub(crate) fn caller() -> u32 {
    std::process::id()
}

impl Handle {
    /// The process of this ID, or `None` if there is none.
    #[expect(clippy::unnecessary_wraps, reason = "it may fail on Linux")]
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        Ok(system::info(pid).map(|info| Self {
            pid,
            start_ticks: info.start,
            parent: info.parent,
            place: info.place,
            name: info.name,
        }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// What the kernel tells of it now, if it is still this process.
    fn info(&self) -> Option<Info> {
        system::info(self.pid).filter(|info| info.start == self.start_ticks)
    }

    pub(crate) fn parent(&self) -> Option<u32> {
        let info = self.info().filter(|info| !info.is_zombie);
        info.map(|info| info.parent)
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
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(self.start_ticks))
    }

    /// The kernel's own process. Its threads are not processes on these systems, or have it as their parent and hold no port.
    pub(crate) fn is_kernel(&self) -> bool {
        self.pid == 0
    }

    /// Whether it is PID 1.
    pub(crate) fn is_init(&self) -> bool {
        self.pid() == 1
    }

    /// Which service it belongs to is not told by these systems' process tables.
    #[expect(clippy::unused_self, reason = "Linux can tell")]
    pub(crate) fn unit(&self) -> Option<String> {
        None
    }

    /// Everything about it that this user may read.
    pub(crate) fn describe(&self) -> Process {
        let mut process = Process::unknown(self.pid);
        process.start_ticks = self.start_ticks;
        process.started = self.started();
        if let Some(info) = self.info() {
            process.parent_pid = Some(info.parent);
            process.name = info.name;
            process.uid = Some(info.uid);
            process.command = system::command(self.pid);
            process.executable = system::executable(self.pid);
            process.cwd = system::cwd(self.pid);
        }
        process
    }

    /// Whether it works in this folder or below.
    pub(crate) fn is_in(&self, folder: &Folder, _: &mut Patience) -> Option<bool> {
        let cwd = system::cwd(self.pid)?;
        // It may be another's, who has its PID by now.
        folder.holds(&cwd).filter(|_| !self.has_exited())
    }

    /// Sends a signal to this process, or to nobody.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<Delivery> {
        self.send(RawSignal::try_from(signal.number())?)
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        // It may end or be denied at this very moment; then there is nobody to wake.
        let _ = self.send(RawSignal::SIGCONT);
    }

    fn send(&self, signal: RawSignal) -> io::Result<Delivery> {
        // 0 and negative numbers mean groups of processes; nothing of the kind is ever signalled.
        let Some(pid) = self.raw_pid().filter(|pid| pid.as_raw() > 0) else {
            return Ok(Delivery::NotPermitted);
        };
        // The PID may be another process's by now: its start is compared as late as can be.
        if self.has_exited() {
            return Ok(Delivery::Gone);
        }
        match kill(pid, signal) {
            Ok(()) => Ok(Delivery::Sent),
            Err(Errno::ESRCH) => Ok(Delivery::Gone),
            Err(Errno::EPERM) => Ok(Delivery::NotPermitted),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the caller may signal it, as far as the kernel tells without sending anything.
    pub(crate) fn may_signal(&self) -> bool {
        self.raw_pid()
            .is_some_and(|pid| pid.as_raw() > 0 && kill(pid, None) != Err(Errno::EPERM))
    }

    fn raw_pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().map(Pid::from_raw)
    }

    /// Whether it has ended. Its parent may not have asked for it yet.
    pub(crate) fn has_exited(&self) -> bool {
        self.info().is_none_or(|info| info.is_zombie)
    }

    /// Between its last instruction and its end these systems don't tell of a process.
    pub(crate) fn condition(&self) -> Condition {
        match self.info() {
            None => Condition::Exiting,
            Some(info) if info.is_zombie => Condition::Exiting,
            Some(info) if info.is_stopped => Condition::Stopped,
            Some(_) => Condition::Running,
        }
    }
}

/// Waits until one of the processes has exited or the time is over, whichever is first. Where the kernel won't tell of one's
/// end, it returns after a short while and the caller looks again.
pub(crate) fn wait(handles: &[&Handle], timeout: Duration) {
    let Ok(queue) = Kqueue::new() else {
        std::thread::sleep(timeout.min(BLINK));
        return;
    };
    let mut timeout = timeout;
    for handle in handles {
        let watch = KEvent::new(
            usize::try_from(handle.pid).unwrap_or(0),
            EventFilter::EVFILT_PROC,
            EvFlags::EV_ADD | EvFlags::EV_ONESHOT,
            FilterFlag::NOTE_EXIT,
            0,
            0,
        );
        match queue.kevent(&[watch], &mut [], None) {
            Ok(_) => {}
            Err(Errno::ESRCH) => return,
            Err(_) => timeout = timeout.min(BLINK),
        }
    }
    // One may have ended, and its PID been given to another, before it was watched.
    if handles.iter().any(|handle| handle.has_exited()) {
        return;
    }
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let nothing = KEvent::new(
        0,
        EventFilter::EVFILT_PROC,
        EvFlags::empty(),
        FilterFlag::empty(),
        0,
        0,
    );
    // An interrupted wait is a short one: the caller looks and waits again.
    let _ = queue.kevent(&[], &mut [nothing], Some(timeout));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_described() {
        let handle = Handle::open(caller()).unwrap().unwrap();
        let process = handle.describe();
        assert_eq!(
            process.parent_pid,
            Some(std::os::unix::process::parent_id())
        );
        assert_eq!(process.uid, Some(nix::unistd::geteuid().as_raw()));
        assert!(!process.name.is_empty() && !process.command.is_empty());
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
        assert_eq!(handle.signal(Signal::Term).unwrap(), Delivery::Gone);
    }

    #[test]
    fn a_process_that_started_at_another_time_gets_nothing() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let mut other = Handle::open(child.id()).unwrap().unwrap();
        other.start_ticks += 1;
        assert_eq!(other.signal(Signal::Kill).unwrap(), Delivery::Gone);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
