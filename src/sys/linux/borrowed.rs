//! Reading as another user. Root without `CAP_SYS_PTRACE`, as in every default container, may not look into other users' processes. With
//! `CAP_SETUID` and `CAP_SETGID` a thread may read files as the user and group of such a process, and as them it may look.

use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};

use super::files;
use super::process::proc_path;

/// The user and group that all of a process acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    /// Whose process this is, where reading as them may help: the kernel wants their real, effective and saved IDs to be the same.
    pub(super) fn of(pid: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let status = files::content_of(&proc_path(pid, "status"))?;
        let only = |kind| match ids(&status, kind)? {
            [real, effective, saved] if real == effective && real == saved => Some(real),
            _ => None,
        };
        let owner = Self {
            uid: only("Uid:")?,
            gid: only("Gid:")?,
        };
        // Who is closed to itself is so for another reason.
        let is_own = owner.uid == 0 && owner.gid == rustix::process::getegid().as_raw();
        (!is_own).then_some(owner)
    }

    /// Does this as the owner, on a thread of its own: it ends with the work, so that nothing has to be given back. `None` where
    /// there is no such thread, or it may not read as the owner.
    pub(super) fn read<T: Send>(self, work: impl FnOnce() -> T + Send) -> Option<T> {
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new()
                .spawn_scoped(scope, || self.is_taken_on().then(work))
                .ok()?;
            reader.join().ok().flatten()
        })
    }

    /// These two calls are about this thread alone. They tell of no error: who one is now is told by the next one.
    fn is_taken_on(self) -> bool {
        // The kernel takes a process that changes who it is for one whose memory nobody should see. One at a time, what it was before
        // is not mistaken; and nobody reads meanwhile, which may take for ever.
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dumpable_behavior();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        setfsgid(gid);
        setfsuid(uid);
        let is_taken_on = setfsgid(gid) == gid && setfsuid(uid) == uid;
        if let Ok(DumpableBehavior::Dumpable) = before {
            // It was so before, so it may be so again.
            let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
        is_taken_on
    }
}

/// The real, effective and saved ID of a line of `/proc/PID/status`.
pub(super) fn ids(status: &[u8], kind: &str) -> Option<[u32; 3]> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(kind.as_bytes()))?;
    let mut numbers = std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_ids_are_read_and_what_is_no_line_of_ids_is_not() {
        let status = std::fs::read("/proc/self/status").unwrap();
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(ids(&status, "Uid:").unwrap()[1], me);
        for line in ["", "Uid:", "Uid:\t1\t2", "Uid:\t1\t-2\t3", "Uid: x y z"] {
            assert_eq!(ids(line.as_bytes(), "Uid:"), None, "{line}");
        }
    }

    #[test]
    fn only_the_thread_that_reads_is_somebody_else_and_only_while_it_reads() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: it needs root");
            return;
        }
        let nobody = Owner {
            uid: 65534,
            gid: 65533,
        };
        let fourth = |kind: &str, path: &str| {
            let status = std::fs::read_to_string(path).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(kind));
            line.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok())
        };
        let main = |kind| fourth(kind, "/proc/thread-self/status");
        let before: (Option<u32>, Option<u32>) = (main("Uid:"), main("Gid:"));
        let seen = nobody.read(|| (main("Uid:"), main("Gid:"))).unwrap();
        assert_eq!(seen, (Some(65534), Some(65533)));
        assert_eq!((main("Uid:"), main("Gid:")), before);
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::Dumpable));
    }
}
