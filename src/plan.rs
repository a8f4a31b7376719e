//! Plain data: what freeing a target would come to.

#[cfg(feature = "containers")]
use crate::container::Container;
use crate::error::Error;
use crate::process::Process;
use crate::report::HolderReport;
use crate::target::Target;

/// What [`KillOptions::kill`](crate::KillOptions::kill) would do, as far as can be seen; nobody has been signalled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// What would be freed.
    pub target: Target,
    /// Who holds it: [`Fate::WouldSignal`](crate::Fate::WouldSignal), [`Fate::Spared`](crate::Fate::Spared),
    /// [`Fate::Withheld`](crate::Fate::Withheld) or [`Fate::Denied`](crate::Fate::Denied).
    pub holders: Vec<HolderReport>,
    /// The containers that publish it and would be stopped.
    #[cfg(feature = "containers")]
    pub containers: Vec<Container>,
    /// Why it would not become free, if it would not.
    pub error: Option<Error>,
    /// Parents that may start a holder again: see
    /// [`KillOptions::settle`](crate::KillOptions::settle).
    pub supervisors: Vec<Process>,
}

impl Plan {
    /// Whether the target would become free.
    #[must_use]
    pub fn would_free(&self) -> bool {
        self.error.is_none()
    }
}
