//! Exit codes, and how those of several ports merge into one.

use std::process::ExitCode;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every port asked for is free (would be freed, was shown).
    Done,
    /// At least one is still held (would be), or could not be looked at, or the answer could not be printed.
    Failed,
    /// The command line is wrong; nothing was signalled.
    Usage,
    /// Nothing held any of the ports, and `--fail-if-free` makes that a failure.
    WasFree,
    /// This signal interrupted it.
    Interrupted(u8),
}

/// What came of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody held it.
    AlreadyFree,
    /// It was held, and what was asked for is done: it is free now (would be, was shown).
    Done,
    /// It is still held (would be), or could not be looked at.
    Failed,
}

impl Exit {
    /// One failure outweighs everything. Otherwise one port that was held is enough to have had something to do.
    pub fn merge(statuses: impl IntoIterator<Item = Status>, fail_if_free: bool) -> Self {
        let mut merged = if fail_if_free {
            Self::WasFree
        } else {
            Self::Done
        };
        for status in statuses {
            match status {
                Status::AlreadyFree => {}
                Status::Done => merged = Self::Done,
                Status::Failed => return Self::Failed,
            }
        }
        merged
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::WasFree => 3,
            // What a shell makes of a command that a signal ended: 130 for Ctrl-C.
            Exit::Interrupted(signal) => 128_u8.saturating_add(signal),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{AlreadyFree, Done, Failed};

    #[test]
    fn one_failure_outweighs_everything() {
        assert_eq!(Exit::merge([Done, Failed, AlreadyFree], true), Exit::Failed);
        assert_eq!(Exit::merge([Done, Failed], false), Exit::Failed);
    }

    #[test]
    fn free_is_a_failure_only_where_it_was_asked_for_and_nothing_was_held() {
        assert_eq!(Exit::merge([AlreadyFree, AlreadyFree], false), Exit::Done);
        assert_eq!(Exit::merge([AlreadyFree, AlreadyFree], true), Exit::WasFree);
        assert_eq!(Exit::merge([Done, AlreadyFree], true), Exit::Done);
    }
}
