//! How to end the holders: a builder in the manner of [`std::fs::OpenOptions`].

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Error;
use crate::escalation;
use crate::event::Event;
use crate::outcome::{Freed, Plan};
use crate::signal::Signal;
use crate::target::Target;

/// How holders are ended, and how patiently.
///
/// ```no_run
/// use std::time::Duration;
/// use kill_port::KillOptions;
///
/// let freed = KillOptions::new()
///     .grace(Duration::from_secs(3))
///     .kill(8080)?;
/// println!("{} processes ended", freed.ended.len());
/// # Ok::<(), kill_port::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillOptions {
    pub(crate) signal: Signal,
    pub(crate) grace: Duration,
    pub(crate) force: bool,
    pub(crate) escalate: bool,
    pub(crate) settle: Duration,
    pub(crate) spare_ancestors: bool,
    pub(crate) tree: bool,
    pub(crate) supervisor: bool,
    pub(crate) thorough: bool,
    #[cfg(feature = "containers")]
    pub(crate) containers: crate::containers::Containers,
}

impl Default for KillOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl KillOptions {
    /// SIGTERM, ten seconds of grace, then SIGKILL; ancestors of the caller are spared.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            signal: Signal::Term,
            grace: Duration::from_secs(10),
            force: false,
            escalate: true,
            settle: Duration::from_millis(200),
            spare_ancestors: true,
            tree: false,
            supervisor: false,
            thorough: false,
            #[cfg(feature = "containers")]
            containers: crate::containers::Containers::Never,
        }
    }

    /// The first signal. [`Signal::Kill`] is the same as [`KillOptions::force`].
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        self.signal = signal;
        self
    }

    /// How long holders have to end by themselves before SIGKILL. It is one clock per target, from the first signal on.
    pub fn grace(&mut self, grace: Duration) -> &mut Self {
        self.grace = grace;
        self
    }

    /// Another spelling of a grace of `tries` seconds, since one try lasts at most a second. The last call wins.
    pub fn retries(&mut self, tries: u32) -> &mut Self {
        self.grace(Duration::from_secs(tries.into()))
    }

    /// SIGKILL at once.
    pub fn force(&mut self, force: bool) -> &mut Self {
        self.force = force;
        self
    }

    /// Whether SIGKILL follows when the grace is over. If not, a holder that is still there is an error.
    pub fn escalate(&mut self, escalate: bool) -> &mut Self {
        self.escalate = escalate;
        self
    }

    /// How long the target has to stay free where a supervisor may start the next server: when the parent of an ended
    /// holder lives on and is neither an ancestor of the caller, nor an interactive shell, nor PID 1.
    pub fn settle(&mut self, settle: Duration) -> &mut Self {
        self.settle = settle;
        self
    }

    /// Whether the caller's ancestors are spared. The caller itself and PID 1 always are.
    pub fn spare_ancestors(&mut self, spare: bool) -> &mut Self {
        self.spare_ancestors = spare;
        self
    }

    /// Whether the holders' descendants are ended as well. On Windows they always are.
    pub fn tree(&mut self, tree: bool) -> &mut Self {
        self.tree = tree;
        self
    }

    /// Whether a parent that was seen to start a holder again is ended too, before the holder.
    pub fn supervisor(&mut self, supervisor: bool) -> &mut Self {
        self.supervisor = supervisor;
        self
    }

    /// Whether a container that publishes the target is stopped, through its engine. Not by default.
    #[cfg(feature = "containers")]
    pub fn containers(&mut self, containers: crate::containers::Containers) -> &mut Self {
        self.containers = containers;
        self
    }

    /// Whether every descriptor of every process is looked at before anybody is signalled, at a cost that grows with their
    /// number. Not by default: then the lowest descriptors come first, where servers have their listeners, and a holder that
    /// this misses is found when its socket outlives the others'. Either way the target is not called free while anybody holds
    /// it; the difference is that a holder who is out of reach may be found only after others were ended, which the error
    /// then says. Only Linux makes the difference.
    pub fn thorough(&mut self, thorough: bool) -> &mut Self {
        self.thorough = thorough;
        self
    }

    /// Frees one target. `Ok` means that it is free now.
    ///
    /// # Errors
    /// [`Error`] tells what is in the way and who was ended before.
    pub fn kill(&self, target: impl Into<Target>) -> Result<Freed, Error> {
        self.kill_with(target, |_| ControlFlow::Continue(()))
    }

    /// Frees one target, tells of progress, and can be cancelled: the callback is called at least every 50 ms, and when
    /// it breaks, the call returns with [`Obstacle::Cancelled`](crate::Obstacle::Cancelled). Signals that were sent
    /// are not taken back.
    ///
    /// # Errors
    /// [`Error`] tells what is in the way and who was ended before.
    pub fn kill_with(
        &self,
        target: impl Into<Target>,
        callback: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Result<Freed, Error> {
        let target = target.into();
        let mut results = self.kill_all_with([target], callback);
        match results.pop() {
            Some((_, result)) => result,
            None => Ok(escalation::nothing_to_do(target)),
        }
    }

    /// Frees several targets side by side, with one look at the process table for all. The results are in the order
    /// asked; a target that is named twice is freed once and answered twice.
    pub fn kill_all<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Vec<(Target, Result<Freed, Error>)> {
        self.kill_all_with(targets, |_| ControlFlow::Continue(()))
    }

    /// [`KillOptions::kill_all`] with progress and cancellation, as in [`KillOptions::kill_with`].
    pub fn kill_all_with<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
        mut callback: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Vec<(Target, Result<Freed, Error>)> {
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        #[cfg(feature = "containers")]
        return crate::containers::run(self, &targets, &mut callback);
        #[cfg(not(feature = "containers"))]
        escalation::run(self, &targets, &mut callback)
    }

    /// What [`KillOptions::kill`] would do; nobody is signalled.
    ///
    /// # Errors
    /// Only where the system could not be asked. A target that would not become free is a [`Plan`] with an error in it.
    pub fn plan(&self, target: impl Into<Target>) -> Result<Plan, Error> {
        let target = target.into();
        match self.plan_all([target]).pop() {
            Some((_, plan)) => plan,
            None => Ok(escalation::empty_plan(target)),
        }
    }

    /// [`KillOptions::plan`] for several targets, with one look at the process table for all.
    pub fn plan_all<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Vec<(Target, Result<Plan, Error>)> {
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        #[cfg(feature = "containers")]
        return crate::containers::plan(self, &targets);
        #[cfg(not(feature = "containers"))]
        escalation::plan(self, &targets)
    }
}
