//! One process, by a handle: as long as it is open, the system gives the PID to nobody else.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess,
    WaitForMultipleObjects, WaitForSingleObject,
};

use super::process_info::{self, Opened};
use crate::process::Process;
use crate::signal::Signal;
use crate::sys::{Condition, Delivery, Folder, Patience, Place};

/// The most handles that one call can wait for (`MAXIMUM_WAIT_OBJECTS`).
const MOST_AT_ONCE: usize = 64;

/// How long to wait between two looks where no event can be waited for.
const BLINK: Duration = Duration::from_millis(5);

/// The exit code of a process that was ended here, the same that the task manager gives.
const EXIT_CODE: u32 = 1;

/// A process. What this user may do with it depends on how far it could be opened.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: u32,
    start_ticks: u64,
    /// `None`: it is there, and that is all this user may know.
    process: Option<OwnedHandle>,
    /// What the handle is good for.
    rights: u32,
    /// Its parent when it was opened.
    parent: Option<u32>,
}

/// The ID of the calling process.
pub(crate) fn caller() -> u32 {
    std::process::id()
}

impl Handle {
    /// The process of this ID with as many rights as this user has, or `None` if there is none.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        const QUERY: u32 = PROCESS_QUERY_LIMITED_INFORMATION;
        const WAIT: u32 = QUERY | PROCESS_SYNCHRONIZE;
        for rights in [WAIT | PROCESS_TERMINATE, WAIT, QUERY] {
            match process_info::open(pid, rights) {
                Opened::Process(process) => {
                    let start_ticks = process_info::birth(process.as_handle()).unwrap_or(0);
                    let mut handle = Self {
                        pid,
                        start_ticks,
                        process: Some(process),
                        rights,
                        parent: None,
                    };
                    handle.parent = handle.parent();
                    // A process that has ended stays open to others for as long as somebody has a handle for it.
                    return Ok((!handle.has_exited()).then_some(handle));
                }
                Opened::Denied => {}
                Opened::NoSuchProcess => break,
            }
        }
        // The system's own processes can't be opened at all, PID 0 not even with an error that says so.
        let is_there = process_info::snapshot()?
            .iter()
            .any(|entry| entry.pid == pid);
        Ok(is_there.then_some(Self {
            pid,
            start_ticks: 0,
            process: None,
            rights: 0,
            parent: None,
        }))
    }

    /// The handle, if it has this right.
    fn with(&self, right: u32) -> Option<BorrowedHandle<'_>> {
        let process = self.process.as_ref()?;
        (self.rights & right == right).then(|| process.as_handle())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Where it works is kept in its memory alone.
    #[expect(clippy::unused_self, reason = "other systems can tell")]
    pub(crate) fn is_in(&self, _: &Folder, _: &mut Patience) -> Option<bool> {
        None
    }

    /// The process that started it, if that still lives. A process that has its PID by now but is younger is not it.
    pub(crate) fn parent(&self) -> Option<u32> {
        if self.has_exited() {
            return None;
        }
        let parent = process_info::noted_parent(self.with(PROCESS_QUERY_LIMITED_INFORMATION)?)?;
        let is_older = match process_info::open(parent, PROCESS_QUERY_LIMITED_INFORMATION) {
            Opened::Process(process) => process_info::birth(process.as_handle())
                .is_none_or(|birth| birth <= self.start_ticks),
            // It can't be compared. Taking it for the parent can only spare somebody.
            Opened::Denied => true,
            Opened::NoSuchProcess => false,
        };
        is_older.then_some(parent)
    }

    pub(crate) fn parent_when_opened(&self) -> Option<u32> {
        self.parent
    }

    /// Nothing of the kind is told, or would tell a shell from a script that starts servers over and over: `cmd.exe` runs both.
    #[expect(clippy::unused_self, reason = "other systems can tell")]
    pub(crate) fn place(&self) -> Place {
        Place::default()
    }

    pub(crate) fn started(&self) -> Option<SystemTime> {
        wall_clock(self.start_ticks)
    }

    /// The file name of its program.
    pub(crate) fn name(&self) -> String {
        let executable = self
            .with(PROCESS_QUERY_LIMITED_INFORMATION)
            .and_then(process_info::executable);
        self.name_by(executable.as_deref())
    }

    fn name_by(&self, executable: Option<&Path>) -> String {
        if let Some(name) = executable.and_then(Path::file_name) {
            return name.to_string_lossy().into_owned();
        }
        let entries = process_info::snapshot().unwrap_or_default().into_iter();
        let mut own = entries.filter(|entry| entry.pid == self.pid);
        own.next().map(|entry| entry.name).unwrap_or_default()
    }

    /// Windows' own: Idle (0) and System (4), in whose name the kernel's own listeners run, HTTP.sys above all.
    pub(crate) fn is_kernel(&self) -> bool {
        matches!(self.pid, 0 | 4)
    }

    /// There is no such process on Windows.
    pub(crate) fn is_init(&self) -> bool {
        false
    }

    /// Which service it belongs to is not looked up.
    #[expect(clippy::unused_self, reason = "other systems can tell")]
    pub(crate) fn unit(&self) -> Option<String> {
        None
    }

    /// Everything about it that this user may read. Where a process works is not told on Windows.
    pub(crate) fn describe(&self) -> Process {
        let mut process = Process::unknown(self.pid);
        process.start_ticks = self.start_ticks;
        process.parent_pid = self.parent();
        if let Some(handle) = self.with(PROCESS_QUERY_LIMITED_INFORMATION) {
            process.executable = process_info::executable(handle);
            process.command = process_info::command(handle);
        }
        process.started = self.started();
        process.name = self.name_by(process.executable.as_deref());
        process
    }

    /// Ends this process, whichever of the accepted signals it is, or nobody.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<Delivery> {
        if !signal.is_supported() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("Windows has no {signal}"),
            ));
        }
        if self.has_exited() {
            return Ok(Delivery::Gone);
        }
        let Some(process) = self.with(PROCESS_TERMINATE) else {
            return Ok(Delivery::NotPermitted);
        };
        // SAFETY: the handle is open and has the right to do this.
        if unsafe { TerminateProcess(process.as_raw_handle(), EXIT_CODE) } != 0 {
            return Ok(Delivery::Sent);
        }
        let error = io::Error::last_os_error();
        // A process that is already ending denies it as well.
        match error.kind() {
            _ if self.has_exited() => Ok(Delivery::Gone),
            io::ErrorKind::PermissionDenied => Ok(Delivery::NotPermitted),
            _ => Err(error),
        }
    }

    pub(crate) fn may_signal(&self) -> bool {
        self.with(PROCESS_TERMINATE).is_some()
    }

    /// A suspended process ends like any other.
    #[expect(clippy::unused_self, reason = "other systems have something to do")]
    pub(crate) fn wake(&self) {}

    pub(crate) fn has_exited(&self) -> bool {
        match self.with(PROCESS_SYNCHRONIZE) {
            // SAFETY: the handle is open and may be waited for.
            Some(process) => unsafe {
                WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0
            },
            // The PID is nobody else's while the handle is open.
            None => process_info::snapshot()
                .is_ok_and(|entries| !entries.iter().any(|entry| entry.pid == self.pid)),
        }
    }

    /// Windows closes a process's sockets before it says that it has ended.
    pub(crate) fn condition(&self) -> Condition {
        if self.has_exited() {
            Condition::Exiting
        } else {
            Condition::Running
        }
    }
}

/// Waits until one of the processes has exited or the time is over, whichever is first. Where there are more than one call can
/// wait for, or some that can't be waited for, it returns after a short while and the caller looks again.
pub(crate) fn wait(handles: &[&Handle], timeout: Duration) {
    let raw: Vec<HANDLE> = handles
        .iter()
        .filter_map(|handle| handle.with(PROCESS_SYNCHRONIZE))
        .map(|handle| handle.as_raw_handle())
        .take(MOST_AT_ONCE)
        .collect();
    let all = raw.len() == handles.len();
    if !all && handles.iter().any(|handle| handle.has_exited()) {
        return;
    }
    let timeout = if all { timeout } else { timeout.min(BLINK) };
    if raw.is_empty() {
        std::thread::sleep(timeout);
        return;
    }
    // Rounded up, as a wait of less than a millisecond would be none. The longest but one: the longest means for ever.
    let millis = u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX - 1);
    let count = u32::try_from(raw.len()).unwrap_or(0);
    // SAFETY: all handles are open for as long as `handles` is borrowed, and there are as many as the count says.
    unsafe { WaitForMultipleObjects(count, raw.as_ptr(), 0, millis.min(u32::MAX - 1)) };
}

/// In units of 100 ns.
const UNTIL_1970: u64 = 116_444_736_000_000_000;

/// Now, as starts are counted. Windows notes a start by a clock that may be a 64th of a second behind.
pub(in crate::sys) fn start_ticks_now() -> u64 {
    const BEHIND: Duration = Duration::from_millis(16);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let units = now.saturating_sub(BEHIND).as_nanos() / 100;
    UNTIL_1970.saturating_add(u64::try_from(units).unwrap_or(u64::MAX))
}

/// The wall-clock time of a number of 100 ns since 1601.
fn wall_clock(ticks: u64) -> Option<SystemTime> {
    let since = ticks.checked_sub(UNTIL_1970)?;
    let whole = Duration::from_secs(since / 10_000_000);
    SystemTime::UNIX_EPOCH.checked_add(whole + Duration::from_nanos(since % 10_000_000 * 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that does nothing until it is ended.
    fn idle() -> std::process::Child {
        std::process::Command::new("cmd")
            .args(["/c", "pause"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    fn the_own_process_is_described() {
        let handle = Handle::open(caller()).unwrap().unwrap();
        let process = handle.describe();
        assert_eq!(process.executable, std::env::current_exe().ok());
        assert!(!handle.has_exited() && handle.may_signal() && handle.start_ticks() > 0);
        let age = process.started.unwrap().elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
    }

    #[test]
    fn a_child_is_ended_through_its_handle_and_only_once() {
        let mut child = idle();
        let handle = Handle::open(child.id()).unwrap().unwrap();
        assert_eq!(handle.parent(), Some(caller()));
        assert_eq!(handle.signal(Signal::Term).unwrap(), Delivery::Sent);
        while !handle.has_exited() {
            wait(&[&handle], Duration::from_secs(10));
        }
        assert_eq!(handle.signal(Signal::Kill).unwrap(), Delivery::Gone);
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn more_processes_than_one_call_takes_are_waited_for() {
        let mut children: Vec<_> = (0..MOST_AT_ONCE + 2).map(|_| idle()).collect();
        let handles: Vec<_> = children
            .iter()
            .map(|child| Handle::open(child.id()).unwrap().unwrap())
            .collect();
        // The last one is beyond what one call waits for.
        let last = handles.last().unwrap();
        assert_eq!(last.signal(Signal::Kill).unwrap(), Delivery::Sent);
        while !last.has_exited() {
            wait(&handles.iter().collect::<Vec<_>>(), Duration::from_secs(60));
        }
        for handle in &handles {
            handle.signal(Signal::Kill).unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
        }
    }

    #[test]
    fn signals_that_windows_has_not_are_refused() {
        let handle = Handle::open(caller()).unwrap().unwrap();
        let error = handle.signal(Signal::Hup).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
