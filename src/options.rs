//! How to end the holders: a builder in the manner of [`std::fs::OpenOptions`]. What can be done with it is in `verbs`.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "containers")]
use crate::container::Containers;
use crate::include::Include;
use crate::plan::Plan;
use crate::process::Identity;
use crate::report::Fate;
use crate::signal::Signal;

/// How holders are ended, and how patiently.
///
/// ```no_run
/// use std::time::Duration;
/// use kill_port::KillOptions;
///
/// let patient = KillOptions::new().grace(Duration::from_secs(30));
/// let freed = patient.kill(8080)?;
/// println!("{} processes ended", freed.ended.len());
/// # Ok::<(), kill_port::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is done until it is asked to kill, plan or explain"]
pub struct KillOptions {
    pub(crate) signal: Option<Signal>,
    pub(crate) grace: Duration,
    pub(crate) force: bool,
    pub(crate) escalate: bool,
    pub(crate) settle: Option<Duration>,
    pub(crate) tree: bool,
    pub(crate) supervisor: bool,
    pub(crate) ancestors: bool,
    pub(crate) clients: bool,
    pub(crate) editors: bool,
    pub(crate) forwarders: bool,
    pub(crate) within: Option<PathBuf>,
    pub(crate) agreed: Option<Agreed>,
    #[cfg(feature = "containers")]
    pub(crate) containers: Containers,
}

/// How long the target has to stay free where the next server may be started.
const SETTLE: Duration = Duration::from_millis(200);
/// The same where whoever starts it is to be ended: many wait for a second before they do.
const SUPERVISED_SETTLE: Duration = Duration::from_secs(3);

/// Whom and what a person has agreed to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub processes: Vec<Identity>,
    #[cfg(feature = "containers")]
    pub containers: Vec<String>,
}

impl Default for KillOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl KillOptions {
    /// SIGTERM, ten seconds of grace, then SIGKILL; ancestors of the caller, clients, editors and the forwarders of containers are spared.
    pub const fn new() -> Self {
        Self {
            signal: None,
            grace: Duration::from_secs(10),
            force: false,
            escalate: true,
            settle: None,
            tree: false,
            supervisor: false,
            ancestors: false,
            clients: false,
            editors: false,
            forwarders: false,
            within: None,
            agreed: None,
            #[cfg(feature = "containers")]
            containers: Containers::Never,
        }
    }

    /// The first signal. [`Signal::Kill`] is the same as [`KillOptions::force`].
    ///
    /// If none is named it is SIGTERM, except to servers that are known to take another signal for "stop": PostgreSQL (whose SIGTERM
    /// waits for the clients) and uWSGI (whose SIGTERM loads it anew) get SIGINT.
    pub fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// How long holders have to end by themselves before SIGKILL. It is one clock per target, from the first signal on.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// SIGKILL at once.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Whether SIGKILL follows when the grace is over. If not, a holder that is still there is an error.
    pub fn escalate(mut self, escalate: bool) -> Self {
        self.escalate = escalate;
        self
    }

    /// How long the target has to stay free where the next server may be started (200 ms, and 3 s with [`KillOptions::supervisor`]): when the parent of an ended holder lives
    /// on and is neither an ancestor of the caller, nor an interactive shell, nor PID 1; when a holder gave up the port and
    /// lives on; when a holder has started the same program again or another has taken its place; and
    /// when an interactive shell has gone on to another job. A holder that gave up the port and lives on below such a parent is waited for, two seconds
    /// longer than this time at the most, and the time begins anew when it has ended.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = Some(settle);
        self
    }

    pub(crate) fn settling(&self) -> Duration {
        self.settle.unwrap_or(if self.supervisor {
            SUPERVISED_SETTLE
        } else {
            SETTLE
        })
    }

    /// Whether the holders' descendants are ended as well. On Windows they always are.
    pub fn tree(mut self, tree: bool) -> Self {
        self.tree = tree;
        self
    }

    /// Whether a parent that was seen to start a holder again is ended too, before the holder. So is one that is known for starting it again
    /// when a file changes, such as nodemon. A parent below which others hold ports is spared.
    pub fn supervisor(mut self, supervisor: bool) -> Self {
        self.supervisor = supervisor;
        self
    }

    /// Ends these as well, who are spared otherwise. It may be called more than once.
    pub fn include(mut self, include: Include) -> Self {
        match include {
            Include::Ancestors => self.ancestors = true,
            Include::Clients => self.clients = true,
            Include::Editors => self.editors = true,
            Include::Forwarders => self.forwarders = true,
        }
        self
    }

    /// Ends only processes whose working directory is this folder or below, whatever paths lead there, and what descends from them where
    /// that is ended too. The others are spared, with [`SparedReason::Outside`](crate::SparedReason::Outside); so is a parent that starts
    /// holders again, unless it works there as well, and a container, unless the folder of its compose project is there.
    ///
    /// A relative path counts from the working directory at the time of the call that ends or plans. If it leads to no folder then,
    /// that is an error. Where the system does not tell where a process works (Windows, or another user's process), nobody is ended.
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.within = Some(folder.into());
        self
    }

    /// Ends only the processes, and stops only the containers, of which these plans say so: whoever takes the target later is spared, and so is
    /// whoever a plan spares.
    ///
    /// For programs that show a person a [`Plan`] and ask. Processes are told apart by their identity, not by their PID.
    pub fn agreed<'a>(mut self, plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        let mut agreed = Agreed {
            processes: Vec::new(),
            #[cfg(feature = "containers")]
            containers: Vec::new(),
        };
        for plan in plans {
            let reports = plan.holders.iter();
            let told = reports.filter(|report| report.fate == Fate::WouldSignal);
            agreed
                .processes
                .extend(told.map(|report| report.holder.process.identity()));
            #[cfg(feature = "containers")]
            agreed
                .containers
                .extend(plan.containers.iter().map(|container| container.id.clone()));
        }
        self.agreed = Some(agreed);
        self
    }

    /// Whether a container that publishes the target is stopped, through its engine. Not by default.
    #[cfg(feature = "containers")]
    pub fn containers(mut self, containers: Containers) -> Self {
        self.containers = containers;
        self
    }

    /// The signal that comes first.
    pub(crate) fn first_signal(&self) -> Signal {
        if self.force {
            Signal::Kill
        } else {
            self.signal.unwrap_or_default()
        }
    }

    /// The signal that comes first to one who takes this one for "stop", if none was named.
    pub(crate) fn first_signal_to(&self, stop_signal: Option<Signal>) -> Signal {
        match stop_signal {
            Some(signal) if self.signal.is_none() && !self.force => signal,
            _ => self.first_signal(),
        }
    }

    /// Whether SIGKILL comes at all, if another signal comes before it.
    pub(crate) fn escalates(&self) -> bool {
        self.escalate && self.first_signal() != Signal::Kill
    }
}
