//! Plain data: a next step for a person.

use std::fmt;

use crate::include::Include;
use crate::printable::printable;
use crate::process::Process;
use crate::protocol::Protocol;

/// A next step for a person, as far as one helps. It is found when the obstacle is made.
///
/// Displays in the words of this library; a program that uses it has its own names for its options.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// A command of the system, of a process manager or of a container engine, ready to be typed.
    Run(String),
    /// Free the target: [`KillOptions::kill`](crate::KillOptions::kill) ends who has it.
    Kill,
    /// Ask again with more rights: as root, or as administrator on Windows.
    MoreRights,
    /// Ask again with [`KillOptions::include`](crate::KillOptions::include).
    Include(Include),
    /// What to do, in words; or else ask again with [`KillOptions::include`](crate::KillOptions::include), which costs more.
    Rather(String, Include),
    /// Ask again for this protocol by name: see [`Target::with_protocol`](crate::Target::with_protocol).
    Protocol(Protocol),
    /// Ask again with [`KillOptions::force`](crate::KillOptions::force).
    Force,
    /// Ask again with [`KillOptions::supervisor`](crate::KillOptions::supervisor), which ends this process as well.
    Supervisor(Box<Process>),
    /// Ask again without [`Containers::Only`](crate::containers::Containers::Only).
    #[cfg(feature = "containers")]
    Processes,
    /// It is another folder's: leave it alone, or ask again without [`KillOptions::within`](crate::KillOptions::within).
    Anywhere,
    /// Ask again with the plans of today, as others hold the target now: see
    /// [`KillOptions::agreed`](crate::KillOptions::agreed).
    AgreeAgain,
    /// What to do, in words.
    Text(String),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(command) => write!(f, "`{}`", printable(command)),
            Self::Kill => f.write_str("free the port, which ends who has it"),
            Self::MoreRights if cfg!(windows) => f.write_str("ask as administrator"),
            Self::MoreRights => f.write_str("ask as root"),
            Self::Include(Include::Ancestors) => {
                f.write_str("include ancestors, and it is ended all the same")
            }
            Self::Include(include) => write!(f, "include {}, and it is ended", include.as_str()),
            Self::Rather(text, include) => {
                write!(f, "{}; or include {}", printable(text), include.as_str())
            }
            Self::Protocol(protocol) => write!(f, "ask for {protocol} by name, and it is ended"),
            Self::Force => f.write_str("force it, which sends SIGKILL at once"),
            Self::Supervisor(process) => {
                write!(f, "end its supervisor as well, which is {process}")
            }
            #[cfg(feature = "containers")]
            Self::Processes => f.write_str("ask for processes as well, and it is ended"),
            Self::Anywhere => f.write_str("choose another port, or ask without a folder"),
            Self::AgreeAgain => f.write_str("look again, and agree to what is there now"),
            Self::Text(text) => f.write_str(&printable(text)),
        }
    }
}
