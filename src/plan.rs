//! Plain data: what freeing a target would come to.

#[cfg(feature = "containers")]
use crate::container::Container;
use crate::error::Error;
use crate::report::HolderReport;
use crate::supervisor::{Restarts, Supervisor};
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
    /// Those who may start a holder again: see [`KillOptions::settle`](crate::KillOptions::settle). Whoever would be ended at once is
    /// among the holders.
    pub supervisors: Vec<Supervisor>,
}

impl Plan {
    /// Whether the target would become free, and stay free, as far as that is known.
    #[must_use]
    pub fn would_free(&self) -> bool {
        self.error.is_none() && !self.comes_back()
    }

    /// Whether it would be freed, and held again at once: by something that is known for starting holders again whenever they end, and would
    /// not be ended.
    #[must_use]
    pub fn comes_back(&self) -> bool {
        let mut supervisors = self.supervisors.iter();
        self.error.is_none()
            && supervisors
                .any(|supervisor| supervisor.restarts == Restarts::Always && !supervisor.would_end)
    }
}

crate::users::users_in! {
    Plan: holders, error, supervisors;
}
