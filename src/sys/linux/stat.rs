//! `/proc/PID/stat`: one line, whose second field is a name that may contain anything, blanks and parentheses included. And what `status` tells of
//! the same.

use super::scan::number;
use crate::process::BEFORE_TIME;

/// The fields that are used here; their numbers are those of proc_pid_stat(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    /// (2) The short name, at most 15 bytes of the process's own choice.
    pub name: Vec<u8>,
    /// (3), (4), (20) How it lives.
    pub life: Life,
    /// (5) The process group: the PID of its leader.
    pub group: u32,
    /// (6) The session: the PID of its leader.
    pub session: u32,
    /// (7) The controlling terminal; 0 for none.
    pub terminal: i64,
    /// (9) The kernel's flags of the main thread.
    pub flags: u64,
    /// (22) The start, in clock ticks since boot.
    pub start_ticks: u64,
    /// (48) Where the arguments lie in its memory; 0 for whoever may not trace it.
    pub arguments: u64,
}

/// How a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// `R`, `S`, `Z`, `T` and so on.
    pub state: u8,
    /// The parent's PID; 0 if the parent is outside this PID namespace.
    pub parent: u32,
    /// The number of threads.
    pub threads: u64,
}

/// The kernel's `PF_EXITING`.
const EXITING: u64 = 0x4;
/// The kernel's `PF_KTHREAD`.
const KERNEL_THREAD: u64 = 0x20_0000;

impl Stat {
    /// Takes the line apart; `None` if it is not such a line.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        // The name is everything between the first "(" and the last ")": no later field has a parenthesis in it.
        let open = line.iter().position(|&byte| byte == b'(')?;
        let close = line.iter().rposition(|&byte| byte == b')')?;
        let name = line.get(open + 1..close)?.to_vec();
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let leader = group(fields.next()?)?;
        let session = group(fields.next()?)?;
        let terminal = fields.next()?.parse().ok()?;
        let _terminal_group = fields.next()?;
        let flags = fields.next()?.parse().ok()?;
        // Fields 10 to 19 are page faults, times and priorities; 21 is always 0.
        let threads = fields.nth(10)?.parse().ok()?;
        let start_ticks = in_time(fields.nth(1)?.parse().ok()?);
        // A number of later kernels.
        let arguments = fields.nth(25).and_then(|field| field.parse().ok());
        Some(Self {
            name,
            life: Life {
                state,
                parent,
                threads,
            },
            group: leader,
            session,
            terminal,
            flags,
            start_ticks,
            arguments: arguments.unwrap_or(0),
        })
    }

    /// Whether the main thread is on its way out or gone.
    pub(super) fn is_exiting(&self) -> bool {
        self.flags & EXITING != 0
    }

    /// Whether a stop signal or Ctrl-Z has stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        self.life.state == b'T'
    }

    pub(super) fn is_kernel(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

impl Life {
    /// By `/proc/PID/status`, whose lines are in this order; what is in the name is escaped there. `None` if it is not such a file.
    pub(super) fn parse(status: &[u8]) -> Option<Self> {
        let mut lines = status.split(|&byte| byte == b'\n');
        let mut value =
            |key: &[u8]| Some(lines.find_map(|line| line.strip_prefix(key))?.trim_ascii());
        Some(Self {
            state: *value(b"State:")?.first()?,
            parent: number(value(b"PPid:")?)?,
            threads: number(value(b"Threads:")?)?.into(),
        })
    }

    /// Whether the last thread has ended. The main thread alone may have, and then another holds the port.
    pub(super) fn has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Whether it has been waited for, and is just being taken down: it has no thread left.
    pub(super) fn is_released(&self) -> bool {
        self.threads == 0
    }
}

/// The earliest start of all, for who was started before the caller's time namespace began: the kernel prints what has gone below zero as a
/// large number, and so large is no other.
fn in_time(start_ticks: u64) -> u64 {
    const NANOSECONDS_OF_A_TICK: u64 = 10_000_000;
    if start_ticks > u64::MAX / NANOSECONDS_OF_A_TICK / 2 {
        return BEFORE_TIME;
    }
    start_ticks
}

/// Where arguments lie, if they lie there by chance, which tells a fork from others. Without randomization (`setarch -R`,
/// `randomize_va_space`) they lie right below the end of all memory, which is a power of two, as those of every program do: then 0.
pub(super) fn by_chance(address: u64) -> u64 {
    const NEAR: u64 = 1 << 20;
    let end = address.checked_next_power_of_two().unwrap_or(u64::MAX);
    if end - address < NEAR { 0 } else { address }
}

/// Whether it is PID 1 of a namespace below the caller's, by `/proc/PID/status`: `NSpid: 4711 1`.
pub(super) fn is_first_of_its_own(status: &[u8]) -> bool {
    let mut lines = status.split(|&byte| byte == b'\n');
    let pids = lines.find_map(|line| line.strip_prefix(b"NSpid:"));
    let last = pids.and_then(|pids| pids.rsplit(u8::is_ascii_whitespace).next());
    last == Some(b"1")
}

/// The leader of a group or a session; -1 stands for one that is being taken down, and has none any more.
fn group(field: &str) -> Option<u32> {
    if field == "-1" {
        return Some(0);
    }
    field.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &[u8], state: char, parent: u32, threads: u64, start: u64) -> Vec<u8> {
        let mut line = b"77 (".to_vec();
        line.extend_from_slice(name);
        let rest = format!(
            ") {state} {parent} 5 6 34816 5 4194304 1 2 3 4 5 6 7 8 20 0 {threads} 0 {start} 9 9 9\n"
        );
        line.extend_from_slice(rest.as_bytes());
        line
    }

    #[test]
    fn how_a_process_lives_is_told_by_status_as_by_stat() {
        let read = |name| std::fs::read(format!("/proc/self/{name}")).unwrap();
        let (stat, status) = (Stat::parse(&read("stat")), Life::parse(&read("status")));
        let (stat, status) = (stat.unwrap().life, status.unwrap());
        assert_eq!(stat.parent, status.parent);
        assert!(!status.has_exited() && !status.is_released());

        let of = |state, threads| {
            let text = format!("Name:\tState:\nState:\t{state}\nPPid:\t7\nThreads:\t{threads}\n");
            Life::parse(text.as_bytes()).unwrap()
        };
        assert!(of("Z (zombie)", 1).has_exited());
        assert!(!of("Z (zombie)", 2).has_exited(), "another thread lives");
        assert!(of("X (dead)", 0).is_released());
        assert_eq!(Life::parse(b"State:\tS\nThreads:\t1\n"), None);
    }

    #[test]
    fn a_name_that_looks_like_the_end_of_the_field_does_not_shift_the_others() {
        let stat = Stat::parse(&line(b") R 1 (", 'S', 42, 3, 991)).unwrap();
        assert_eq!(stat.name, b") R 1 (");
        assert_eq!(
            (stat.life.state, stat.life.parent, stat.session),
            (b'S', 42, 6)
        );
        assert_eq!((stat.terminal, stat.flags), (34816, 4_194_304));
        assert_eq!((stat.life.threads, stat.start_ticks), (3, 991));
    }

    #[test]
    fn a_zombie_with_living_threads_has_not_exited() {
        assert!(
            !Stat::parse(&line(b"x", 'Z', 1, 2, 1))
                .unwrap()
                .life
                .has_exited()
        );
        assert!(
            Stat::parse(&line(b"x", 'Z', 1, 1, 1))
                .unwrap()
                .life
                .has_exited()
        );
    }

    #[test]
    fn a_process_that_is_being_taken_down_is_none_any_more() {
        let line = b"77 (sleep) X 42 -1 -1 0 -1 4228364 0 0 0 0 0 0 0 0 20 0 0 0 991 0 0 0\n";
        let stat = Stat::parse(line).unwrap();
        assert!(stat.life.is_released() && stat.life.has_exited());
        assert!(
            !Stat::parse(&self::line(b"x", 'Z', 1, 1, 1))
                .unwrap()
                .life
                .is_released()
        );
    }

    #[test]
    fn a_start_before_the_beginning_of_time_is_the_earliest_of_all() {
        // What 6.18 printed in a time namespace that begins an hour after the process.
        let before = Stat::parse(&line(b"x", 'S', 1, 1, 1_844_674_407_342)).unwrap();
        let after = Stat::parse(&line(b"x", 'S', 1, 1, 5)).unwrap();
        assert!(0 < before.start_ticks && before.start_ticks < after.start_ticks);
    }

    #[test]
    fn arguments_that_lie_where_those_of_all_programs_do_tell_nothing() {
        for end in [1_u64 << 47, 1 << 48, 1 << 42] {
            assert_eq!(by_chance(end - 0x1977), 0);
            assert_eq!(by_chance(end - (7 << 30)), end - (7 << 30));
        }
        assert_eq!((by_chance(0), by_chance(u64::MAX)), (0, 0));
    }

    #[test]
    fn the_first_process_of_a_namespace_is_known() {
        for (line, is_first) in [
            ("NSpid:\t4711\t1", true),
            ("NSpid:\t4711\t12\t1", true),
            ("NSpid:\t4711\t1\t11", false),
            ("NSpid:\t11", false),
            ("", false),
        ] {
            let status = format!("Name:\tsystemd\nPid:\t1\n{line}\nNSsid:\t1\n");
            assert_eq!(is_first_of_its_own(status.as_bytes()), is_first, "{line}");
        }
    }

    #[test]
    fn the_own_line_is_understood() {
        let stat = Stat::parse(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        assert_eq!(stat.life.parent, std::os::unix::process::parent_id());
        assert!(stat.start_ticks > 0 && stat.life.threads >= 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = Stat::parse(&bytes);
        }

        #[test]
        fn any_name_comes_back_as_it_was(
            name in proptest::collection::vec(any::<u8>(), 0..16),
            parent in any::<u32>(), threads in any::<u64>(), start in 0..u64::MAX / 20_000_000,
        ) {
            let stat = Stat::parse(&line(&name, 'T', parent, threads, start)).unwrap();
            prop_assert_eq!(&stat.name, &name);
            prop_assert_eq!((stat.life.parent, stat.life.threads, stat.start_ticks), (parent, threads, start));
            prop_assert!(stat.is_stopped());
        }

        #[test]
        fn a_line_cut_short_is_refused_or_right(cut in 0usize..80) {
            let whole = line(b"name", 'S', 7, 1, 123_456);
            let part = &whole[..cut.min(whole.len())];
            if let Some(stat) = Stat::parse(part) {
                prop_assert_eq!(stat.life.parent, 7);
            }
        }
    }
}
