//! The signals that may come first: parse, print.

use std::fmt;
use std::str::FromStr;

/// A signal that ends a process, politely or not.
///
/// On Windows, which has no signals, [`Signal::Term`], [`Signal::Int`] and [`Signal::Kill`] all end the process tree at
/// once and the others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGTERM`: please end. What `kill_port` sends first unless told otherwise.
    #[default]
    Term,
    /// `SIGINT`: what Ctrl-C sends.
    Int,
    /// `SIGHUP`: the terminal is gone. Some servers reload their configuration instead of ending.
    Hup,
    /// `SIGQUIT`: end, often with a core dump; nginx and php-fpm finish their requests first.
    Quit,
    /// `SIGABRT`: end with a core dump.
    Abrt,
    /// `SIGUSR1`: meaning chosen by the program.
    Usr1,
    /// `SIGUSR2`: meaning chosen by the program.
    Usr2,
    /// `SIGKILL`: the kernel ends the process; it can't be caught or ignored.
    Kill,
}

impl Signal {
    /// All signals, in the order in which help lists them.
    pub const ALL: [Self; 8] = [
        Self::Term,
        Self::Int,
        Self::Hup,
        Self::Quit,
        Self::Abrt,
        Self::Usr1,
        Self::Usr2,
        Self::Kill,
    ];

    /// The name without `SIG`: `TERM`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Abrt => "ABRT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Kill => "KILL",
        }
    }

    /// The number that `kill -l` shows on this platform.
    #[must_use]
    pub fn number(self) -> i32 {
        #[cfg(unix)]
        use libc::{SIGUSR1, SIGUSR2};
        #[cfg(not(unix))]
        const SIGUSR1: i32 = 10;
        #[cfg(not(unix))]
        const SIGUSR2: i32 = 12;
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Abrt => 6,
            Self::Kill => 9,
            // These differ between systems, and on Linux between processors.
            Self::Usr1 => SIGUSR1,
            Self::Usr2 => SIGUSR2,
            Self::Term => 15,
        }
    }

    /// Whether this platform has a meaning for it.
    ///
    /// Always `true` on Unix. On Windows only [`Signal::Term`], [`Signal::Int`] and [`Signal::Kill`] mean anything, and
    /// all three mean the same: the process tree is ended at once.
    #[must_use]
    pub fn is_supported(self) -> bool {
        cfg!(not(windows)) || matches!(self, Self::Term | Self::Int | Self::Kill)
    }
}

impl fmt::Display for Signal {
    /// `SIGTERM`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// The text is no signal that `kill_port` sends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseSignalError;

impl fmt::Display for ParseSignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a signal that is sent here; it can be TERM, INT, HUP, QUIT, ABRT, USR1, USR2 or KILL")
    }
}

impl std::error::Error for ParseSignalError {}

impl FromStr for Signal {
    type Err = ParseSignalError;

    /// With or without `SIG`, in any case, or the number.
    fn from_str(text: &str) -> Result<Self, ParseSignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL
            .into_iter()
            .find(|signal| {
                signal.name() == name || (!text.is_empty() && signal.number().to_string() == text)
            })
            .ok_or(ParseSignalError)
    }
}
