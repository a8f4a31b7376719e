//! What happens while a target is being freed, for callbacks.

use std::time::Duration;

#[cfg(feature = "containers")]
use crate::container::Container;
use crate::process::Process;
use crate::report::Fate;
use crate::signal::Signal;
use crate::socket::Holder;
use crate::target::Target;

/// Something that happened, or that is still being waited for.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use kill_port::{Event, KillOptions};
///
/// KillOptions::new().kill_with(8080, |event| {
///     match event {
///         Event::Signalled { process, signal, .. } => println!("{signal} to {process}"),
///         Event::Ended { process, elapsed, .. } => println!("{process} ended within {elapsed:?}"),
///         Event::Waiting { until_kill: Some(left), .. } => println!("SIGKILL in {left:?}"),
///         _ => {}
///     }
///     ControlFlow::Continue(())
/// })?;
/// # Ok::<(), kill_port::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A try begins: the target is held, and its holders have been looked at.
    #[non_exhaustive]
    Try {
        /// The target.
        target: Target,
        /// The number of the try, from 1.
        number: u32,
        /// Who holds it.
        holders: &'a [Holder],
    },
    /// A process was sent a signal.
    #[non_exhaustive]
    Signalled {
        /// The target.
        target: Target,
        /// The process.
        process: &'a Process,
        /// The signal.
        signal: Signal,
    },
    /// A process that was signalled ended or gave up the port.
    #[non_exhaustive]
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
    #[non_exhaustive]
    Stopping {
        /// The target.
        target: Target,
        /// The container that publishes it.
        container: &'a Container,
    },
    /// A container was ended by its engine.
    #[cfg(feature = "containers")]
    #[non_exhaustive]
    Stopped {
        /// The target.
        target: Target,
        /// The container.
        container: &'a Container,
        /// From the order on.
        elapsed: Duration,
    },
    /// Nothing new; sent at least every 50 ms as long as anything is waited for.
    #[non_exhaustive]
    Waiting {
        /// The target.
        target: Target,
        /// The processes that were signalled and still hold it. Empty while a free port settles, while a container
        /// engine is asked or told, and before anybody was signalled.
        processes: &'a [&'a Process],
        /// Since the first signal.
        elapsed: Duration,
        /// Until SIGKILL, if it is still to come.
        until_kill: Option<Duration>,
    },
    /// The target is free.
    #[non_exhaustive]
    Freed {
        /// The target.
        target: Target,
    },
    /// The target can't be freed; the result of the call says why.
    #[non_exhaustive]
    GaveUp {
        /// The target.
        target: Target,
    },
}
