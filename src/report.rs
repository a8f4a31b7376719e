//! What came of it: the fate of each holder, and what a freed target returns.

use std::time::Duration;

#[cfg(feature = "containers")]
use crate::container::StoppedContainer;
use crate::signal::Signal;
use crate::socket::Holder;
use crate::supervisor::Supervisor;
use crate::target::Target;

/// Why a holder is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SparedReason {
    /// It is the process that asked.
    Caller,
    /// It is an ancestor of the caller (its shell, editor, test runner) or the leader of the caller's session.
    Ancestor,
    /// The chain of the caller's ancestors breaks off at one that can't be seen, and it may be above that: it is of the caller's session,
    /// process group or terminal, or has a child that can't be seen.
    PerhapsAncestor,
    /// It is PID 1, or a user's own systemd: everything that it has started would end with it.
    Init,
    /// It is a thread of the kernel.
    Kernel,
    /// It is Windows' System or Idle process.
    System,
    /// It only uses the port as a client; or perhaps does, with an unconnected UDP socket on an ephemeral port.
    Client,
    /// It forwards the port to a container: ending it would break the container, which would go on without the port.
    Forwarder,
    /// It is a shell that somebody types into: a terminal would close with it. Only as a supervisor.
    Shell,
    /// Others that hold ports depend on it, and would end with it: it is a supervisor of more than one server.
    Needed,
    /// It is an editor or an IDE, or its server on this machine, which may forward the port: its windows would end with it.
    Editor,
    /// It does not work in the folder asked for, or below: see [`KillOptions::within`](crate::KillOptions::within).
    Outside,
    /// Where it works can't be told, and only those were to be ended who work in a folder.
    FolderUnknown,
    /// It was not among those agreed to: see [`KillOptions::agreed`](crate::KillOptions::agreed).
    NotAgreed,
    /// It is an ordinary process, and only containers were to be stopped.
    #[cfg(feature = "containers")]
    NoContainer,
}

impl SparedReason {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Ancestor => "ancestor",
            Self::PerhapsAncestor => "perhaps_ancestor",
            Self::Init => "init",
            Self::Kernel => "kernel",
            Self::System => "system",
            Self::Client => "client",
            Self::Forwarder => "forwarder",
            Self::Shell => "shell",
            Self::Needed => "needed",
            Self::Editor => "editor",
            Self::Outside => "outside",
            Self::FolderUnknown => "folder_unknown",
            Self::NotAgreed => "not_agreed",
            #[cfg(feature = "containers")]
            Self::NoContainer => "no_container",
        }
    }
}

/// What became of a holder, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It ended.
    Exited,
    /// It gave up the port and lives.
    Released,
    /// It was signalled, and still holds the port.
    Survived,
    /// It is not signalled, whatever happens.
    Spared(SparedReason),
    /// It was not signalled because another holder or socket would have kept the port anyway.
    Withheld,
    /// The system does not permit the caller to signal it.
    Denied,
    /// It would be signalled (in a [`Plan`](crate::Plan)).
    WouldSignal,
}

impl Fate {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Released => "released",
            Self::Survived => "survived",
            Self::Spared(_) => "spared",
            Self::Withheld => "withheld",
            Self::Denied => "denied",
            Self::WouldSignal => "would_signal",
        }
    }
}

/// One holder's story: who it was, what it was sent, what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HolderReport {
    /// The holder as it was when it was looked at. Its sockets are empty if it is here only as somebody's descendant
    /// or supervisor.
    pub holder: Holder,
    /// The signals that it was sent, in order, without the SIGCONT that wakes a stopped process. In a [`Plan`](crate::Plan): the
    /// signal that would be sent first.
    pub signals: Vec<Signal>,
    /// What became of it.
    pub fate: Fate,
    /// From the first signal to the end of the process or of its hold on the port.
    pub elapsed: Option<Duration>,
}

/// The target is free now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freed {
    /// What was to be freed.
    pub target: Target,
    /// Who held it, in the order in which they were signalled. Empty: it was free already.
    pub ended: Vec<HolderReport>,
    /// The containers that published it and were stopped by their engines.
    #[cfg(feature = "containers")]
    pub containers: Vec<StoppedContainer>,
    /// Those who live and may start one of them again, though none was seen to.
    pub supervisors: Vec<Supervisor>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Freed {
    /// Whether nothing had to be ended.
    #[must_use]
    pub fn was_free(&self) -> bool {
        #[cfg(feature = "containers")]
        let has_stopped = !self.containers.is_empty();
        #[cfg(not(feature = "containers"))]
        let has_stopped = false;
        self.ended.is_empty() && !has_stopped
    }
}

crate::users::users_in! {
    HolderReport: holder;
    Freed: ended, supervisors;
}
