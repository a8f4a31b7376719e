//! What happens while a target is being freed, for callbacks.

use std::time::Duration;

use crate::holder::{Holder, Process};
use crate::outcome::Fate;
use crate::signal::Signal;
use crate::target::Target;

/// Something that happened, or that is still being waited for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A try begins: the target is held, and its holders have been looked at.
    Try {
        /// The target.
        target: Target,
        /// The number of the try, from 1.
        number: u32,
        /// Who holds it.
        holders: &'a [Holder],
    },
    /// A process was sent a signal.
    Signalled {
        /// The target.
        target: Target,
        /// The process.
        process: &'a Process,
        /// The signal.
        signal: Signal,
    },
    /// A process that was signalled ended or gave up the port.
    Ended {
        /// The target.
        target: Target,
        /// The process.
        process: &'a Process,
        /// [`Fate::Exited`] or [`Fate::Released`].
        fate: Fate,
        /// From its first signal.
        elapsed: Duration,
    },
    /// A container's engine was told to end it.
    #[cfg(feature = "containers")]
    Stopping {
        /// The target.
        target: Target,
        /// The container that publishes it.
        container: &'a crate::containers::Container,
    },
    /// A container was ended by its engine.
    #[cfg(feature = "containers")]
    Stopped {
        /// The target.
        target: Target,
        /// The container.
        container: &'a crate::containers::Container,
        /// From the order on.
        elapsed: Duration,
    },
    /// Nothing new; sent at least every 50 ms as long as anything is waited for.
    Waiting {
        /// The target.
        target: Target,
        /// The processes that were signalled and still hold it. Empty while a free port settles.
        processes: &'a [&'a Process],
        /// Since the first signal.
        elapsed: Duration,
        /// Until SIGKILL, if it is still to come.
        until_kill: Option<Duration>,
    },
    /// The target is free.
    Freed {
        /// The target.
        target: Target,
    },
    /// The target can't be freed; the result of the call says why.
    GaveUp {
        /// The target.
        target: Target,
    },
}
