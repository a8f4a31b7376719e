//! Why a target is not free: what is in the way, and what to do about it. All of it is data: formatting asks nobody.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{Connection, LingeringState, counted};
#[cfg(feature = "containers")]
use crate::container::{Container, EngineError, StoppedContainer};
use crate::editor::editor;
use crate::next_step::Advice;
use crate::printable::printable;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::report::{Fate, HolderReport, SparedReason};
use crate::signal::Signal;
use crate::socket::{HiddenCause, HiddenSocket, Holder, Socket};
use crate::supervisor::depend;
use crate::target::{Address, Target};
use crate::users::Users;

/// The target could not be freed.
///
/// Small (one pointer); tells what is in the way ([`Error::obstacles`]), and what had happened to each holder before it
/// was given up ([`Error::holders`]). Its `Display` is one sentence a person can act on, in which control characters of
/// other processes' names are escaped; its `Debug` is the same, since that is what `unwrap` prints.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    target: Target,
    obstacles: Vec<Obstacle>,
    holders: Vec<HolderReport>,
    #[cfg(feature = "containers")]
    containers: Vec<StoppedContainer>,
    elapsed: Duration,
}

/// One thing that is in the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Obstacle {
    /// A holder that is never signalled.
    #[non_exhaustive]
    Spared {
        /// The holder.
        holder: Holder,
        /// Why it is spared.
        reason: SparedReason,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A holder that the system does not permit the caller to signal (`EPERM`, access denied).
    #[non_exhaustive]
    NotPermitted {
        /// The holder.
        holder: Holder,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A listening socket whose holder can't be determined.
    #[non_exhaustive]
    Hidden {
        /// The socket.
        socket: Socket,
        /// Why its holder is unknown.
        cause: HiddenCause,
        /// Processes that may hold it: a guess, for a person to follow. None of them is signalled.
        candidates: Vec<Process>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Holders were ended and others came in their place.
    #[non_exhaustive]
    Respawned {
        /// The holder that was there at the end.
        holder: Holder,
        /// The process that started it, if it is known and lives.
        supervisor: Option<Process>,
        /// Why that process can't be ended too, if it can't: it is PID 1 or an ancestor of the caller, or others depend on it.
        supervisor_spared: Option<SparedReason>,
        /// Whether the system does not permit the caller to signal that process.
        supervisor_denied: bool,
        /// Holders of other ports below that process, if that is why.
        others: Vec<Holder>,
        /// The systemd unit that the holder belongs to, if its control group names one.
        unit: Option<String>,
        /// How many generations were ended before it was given up.
        generations: u32,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A holder that was sent SIGKILL and is still there, or whose socket is.
    #[non_exhaustive]
    Survived {
        /// The holder.
        holder: Holder,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A holder that was told to end, did not within the grace, and was not to be sent SIGKILL.
    #[non_exhaustive]
    TimedOut {
        /// The holder.
        holder: Holder,
        /// The last signal that it was sent.
        signal: Signal,
        /// How long it was given.
        grace: Duration,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A process whose connections have the port as their local port, so that it can't be bound although nobody listens.
    #[non_exhaustive]
    Client {
        /// The process; `None` where it can't be determined.
        process: Option<Process>,
        /// Its connections.
        connections: Vec<Connection>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Connections that no process has any more, or none has yet: the kernel keeps them, and the port with them.
    #[non_exhaustive]
    Lingering {
        /// TCP or UDP.
        protocol: Protocol,
        /// How many there are in each state.
        states: Vec<LingeringState>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Nothing is known to hold the target, and yet the kernel says that it is in use: a socket that this system does not
    /// list is bound there.
    #[non_exhaustive]
    Unbindable {
        /// TCP or UDP.
        protocol: Protocol,
        /// The address that was tried.
        address: Address,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Nobody listens, and yet somebody serves there for a moment again and again: new processes, each of which ends by itself before
    /// it can be told to, as in a loop around a server for one client.
    #[non_exhaustive]
    Fleeting {
        /// The last of them that was seen, if one was. It has ended.
        process: Option<Process>,
        /// The process that starts them, if it is known and lives.
        supervisor: Option<Process>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A container that publishes the target and was not stopped.
    #[cfg(feature = "containers")]
    #[non_exhaustive]
    Container {
        /// The container.
        container: Box<Container>,
        /// Why it was not stopped, or why that did not help.
        error: EngineError,
    },
    /// A container engine that could not be asked who publishes the target.
    #[cfg(feature = "containers")]
    #[non_exhaustive]
    Engine {
        /// Why it could not be asked.
        error: EngineError,
    },
    /// The caller's own callback broke it off.
    Cancelled,
    /// The system did not answer, or answered with an error.
    #[non_exhaustive]
    System {
        /// What was asked, as a short phrase.
        doing: &'static str,
        /// The system's error.
        error: Arc<io::Error>,
        /// What helps.
        advice: Option<Advice>,
    },
}

impl Obstacle {
    pub(crate) fn hidden(hidden: HiddenSocket) -> Self {
        Self::Hidden {
            socket: hidden.socket,
            cause: hidden.cause,
            candidates: hidden.candidates,
            advice: None,
        }
    }

    pub(crate) fn system(doing: &'static str, error: &Arc<io::Error>) -> Self {
        Self::System {
            doing,
            error: Arc::clone(error),
            advice: None,
        }
    }

    /// The word for it in JSON: `spared`, `not_permitted`, `hidden`, `respawned`, `survived`, `timed_out`, `client`,
    /// `lingering`, `unbindable`, `fleeting`, `container`, `engine`, `cancelled` or `system`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Spared { .. } => "spared",
            Self::NotPermitted { .. } => "not_permitted",
            Self::Hidden { .. } => "hidden",
            Self::Respawned { .. } => "respawned",
            Self::Survived { .. } => "survived",
            Self::TimedOut { .. } => "timed_out",
            Self::Client { .. } => "client",
            Self::Lingering { .. } => "lingering",
            Self::Unbindable { .. } => "unbindable",
            Self::Fleeting { .. } => "fleeting",
            #[cfg(feature = "containers")]
            Self::Container { .. } => "container",
            #[cfg(feature = "containers")]
            Self::Engine { .. } => "engine",
            Self::Cancelled => "cancelled",
            Self::System { .. } => "system",
        }
    }

    /// The holder that is in the way, if it is one.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Spared { holder, .. }
            | Self::NotPermitted { holder, .. }
            | Self::Respawned { holder, .. }
            | Self::Survived { holder, .. }
            | Self::TimedOut { holder, .. } => Some(holder),
            _ => None,
        }
    }

    /// The process that is in the way, if it is one: a holder, a client, or the last that served for a moment.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        match self {
            Self::Client { process, .. } | Self::Fleeting { process, .. } => process.as_ref(),
            _ => self.holder().map(|holder| &holder.process),
        }
    }

    /// A next step for a person, if there is one that helps.
    #[must_use]
    pub fn advice(&self) -> Option<&Advice> {
        match self {
            Self::Spared { advice, .. }
            | Self::NotPermitted { advice, .. }
            | Self::Hidden { advice, .. }
            | Self::Respawned { advice, .. }
            | Self::Survived { advice, .. }
            | Self::TimedOut { advice, .. }
            | Self::Client { advice, .. }
            | Self::Lingering { advice, .. }
            | Self::Unbindable { advice, .. }
            | Self::Fleeting { advice, .. }
            | Self::System { advice, .. } => advice.as_ref(),
            #[cfg(feature = "containers")]
            Self::Container { error, .. } | Self::Engine { error } => error.help.as_ref(),
            Self::Cancelled => None,
        }
    }

    /// Where its advice is kept, if it is not the engine's own.
    pub(crate) fn advice_mut(&mut self) -> Option<&mut Option<Advice>> {
        match self {
            Self::Spared { advice, .. }
            | Self::NotPermitted { advice, .. }
            | Self::Hidden { advice, .. }
            | Self::Respawned { advice, .. }
            | Self::Survived { advice, .. }
            | Self::TimedOut { advice, .. }
            | Self::Client { advice, .. }
            | Self::Lingering { advice, .. }
            | Self::Unbindable { advice, .. }
            | Self::Fleeting { advice, .. }
            | Self::System { advice, .. } => Some(advice),
            _ => None,
        }
    }
}

impl Error {
    pub(crate) fn new(
        target: Target,
        obstacles: Vec<Obstacle>,
        holders: Vec<HolderReport>,
        elapsed: Duration,
    ) -> Self {
        Self(Box::new(Inner {
            target,
            obstacles,
            holders,
            #[cfg(feature = "containers")]
            containers: Vec::new(),
            elapsed,
        }))
    }

    pub(crate) fn system(target: Target, doing: &'static str, error: &Arc<io::Error>) -> Self {
        let obstacle = Obstacle::system(doing, error);
        Self::new(target, vec![obstacle], Vec::new(), Duration::ZERO)
    }

    /// The containers that had been stopped by their engines, although the target is not free.
    #[cfg(feature = "containers")]
    #[must_use]
    pub fn containers(&self) -> &[StoppedContainer] {
        &self.0.containers
    }

    #[cfg(feature = "containers")]
    pub(crate) fn with_containers(mut self, containers: Vec<StoppedContainer>) -> Self {
        self.0.containers = containers;
        self
    }

    pub(crate) fn obstacles_mut(&mut self) -> &mut [Obstacle] {
        &mut self.0.obstacles
    }

    /// What was to be freed.
    #[must_use]
    pub fn target(&self) -> Target {
        self.0.target
    }

    /// What is in the way. Never empty.
    #[must_use]
    pub fn obstacles(&self) -> &[Obstacle] {
        &self.0.obstacles
    }

    /// Every holder that was seen, with what it was sent and what became of it.
    #[must_use]
    pub fn holders(&self) -> &[HolderReport] {
        &self.0.holders
    }

    /// Those who had been signalled and are gone, or have given up the port, although the target is not free.
    pub fn ended(&self) -> impl Iterator<Item = &HolderReport> {
        let is_over = |report: &&HolderReport| matches!(report.fate, Fate::Exited | Fate::Released);
        self.0.holders.iter().filter(is_over)
    }

    /// How long it took to find out.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    fn system_error(&self) -> Option<&Arc<io::Error>> {
        self.0.obstacles.iter().find_map(|obstacle| match obstacle {
            Obstacle::System { error, .. } => Some(error),
            _ => None,
        })
    }
}

impl Users for Error {
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
        self.0.obstacles.each_user(visit);
        self.0.holders.each_user(visit);
    }
}

impl Users for Obstacle {
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
        match self {
            Self::Spared { holder, .. }
            | Self::NotPermitted { holder, .. }
            | Self::Survived { holder, .. }
            | Self::TimedOut { holder, .. } => holder.each_user(visit),
            Self::Respawned {
                holder, supervisor, ..
            } => {
                holder.each_user(visit);
                supervisor.each_user(visit);
            }
            Self::Hidden {
                socket, candidates, ..
            } => {
                socket.each_user(visit);
                candidates.each_user(visit);
            }
            Self::Client { process, .. } => process.each_user(visit),
            Self::Fleeting {
                process,
                supervisor,
                ..
            } => {
                process.each_user(visit);
                supervisor.each_user(visit);
            }
            _ => {}
        }
    }
}

impl std::error::Error for Error {
    /// The system's own error, where there is one. The text does not repeat it.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let error = self.system_error()?;
        Some(error.as_ref())
    }
}

impl From<Error> for io::Error {
    /// With the kind of what is in the way first; the [`Error`] itself is inside.
    fn from(error: Error) -> Self {
        let kind = match error.obstacles().first() {
            Some(Obstacle::NotPermitted { .. }) => io::ErrorKind::PermissionDenied,
            Some(Obstacle::TimedOut { .. }) => io::ErrorKind::TimedOut,
            Some(Obstacle::Cancelled) => io::ErrorKind::Interrupted,
            Some(Obstacle::System { error, .. }) => error.kind(),
            _ => io::ErrorKind::AddrInUse,
        };
        Self::new(kind, error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is not free: ", self.0.target)?;
        for (index, obstacle) in self.0.obstacles.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match obstacle {
                // What the system answered is the source of this error.
                Obstacle::System { doing, .. } => write!(f, "{doing} failed")?,
                obstacle => write!(f, "{obstacle}")?,
            }
            if let Some(advice) = obstacle.advice() {
                write!(f, " ({advice})")?;
            }
        }
        let ended: Vec<String> = self
            .ended()
            .map(|report| report.holder.process.to_string())
            .collect();
        if ended.is_empty() {
            return Ok(());
        }
        write!(f, "; ended before that: {}", ended.join(", "))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spared { holder, reason, .. } => spared(f, holder, *reason),
            Self::NotPermitted { holder, .. } => {
                let process = &holder.process;
                write!(f, "not permitted to signal {process}")?;
                match owner(process.uid, process.user.as_deref()) {
                    Some(owner) => write!(f, " of user {owner}"),
                    None => Ok(()),
                }
            }
            Self::Hidden {
                socket,
                cause,
                candidates,
                ..
            } => hidden(f, socket, *cause, candidates),
            Self::Respawned {
                holder,
                supervisor,
                generations,
                unit,
                others,
                ..
            } => {
                match generations {
                    0 | 1 => write!(
                        f,
                        "it was ended, and {} took the port again",
                        holder.process
                    )?,
                    more => write!(
                        f,
                        "{more} generations were ended and {} took the port again",
                        holder.process
                    )?,
                }
                match (unit, supervisor) {
                    (Some(unit), _) => {
                        write!(f, ", started by the systemd unit {}", printable(unit))
                    }
                    (None, Some(supervisor)) => {
                        write!(f, ", started by {supervisor}")?;
                        match others.as_slice() {
                            [] => Ok(()),
                            others => write!(f, ", on which {} as well", depend(others)),
                        }
                    }
                    (None, None) => Ok(()),
                }
            }
            Self::Survived { holder, .. } => {
                let told = if cfg!(windows) {
                    "told to end"
                } else {
                    "sent SIGKILL"
                };
                write!(f, "{} was {told} and still holds it", holder.process)
            }
            Self::TimedOut {
                holder,
                signal,
                grace,
                ..
            } => write!(
                f,
                "{} did not end within {grace:?} of {signal}",
                holder.process
            ),
            Self::Client {
                process,
                connections,
                ..
            } => client(f, process.as_ref(), connections),
            Self::Lingering {
                protocol, states, ..
            } => {
                write!(
                    f,
                    "the kernel keeps {protocol} connections that no process has: "
                )?;
                counted(f, states)
            }
            Self::Unbindable {
                protocol, address, ..
            } => write!(
                f,
                "{protocol} {address} can't be bound, though nothing is known to hold it: a socket that this system does not list is bound there, or one that comes and goes"
            ),
            Self::Fleeting {
                process,
                supervisor,
                ..
            } => {
                f.write_str("somebody serves there for a moment again and again, and ends before it can be told to")?;
                if let Some(process) = process {
                    write!(f, "; the last one seen was {process}")?;
                }
                match supervisor {
                    Some(supervisor) => write!(f, ", started by {supervisor}"),
                    None => Ok(()),
                }
            }
            #[cfg(feature = "containers")]
            Self::Container { container, error } => write!(
                f,
                "{} publishes it: {}",
                printable(&container.to_string()),
                printable(error.message())
            ),
            #[cfg(feature = "containers")]
            Self::Engine { error } => f.write_str(&printable(error.message())),
            Self::Cancelled => f.write_str("cancelled"),
            Self::System { doing, error, .. } => write!(f, "{doing}: {error}"),
        }
    }
}

fn spared(f: &mut fmt::Formatter<'_>, holder: &Holder, reason: SparedReason) -> fmt::Result {
    let who = &holder.process;
    match reason {
        SparedReason::Caller => write!(f, "{who} holds it, and that is the caller itself"),
        SparedReason::Ancestor => write!(f, "{who} holds it, and it is an ancestor of the caller"),
        SparedReason::PerhapsAncestor => write!(
            f,
            "{who} holds it, and it may be an ancestor of the caller, whose ancestors can't all be seen"
        ),
        SparedReason::Init if who.pid == 1 => {
            write!(f, "{who} holds it, and PID 1 is never signalled")
        }
        SparedReason::Init => write!(
            f,
            "{who} holds it, and a service manager is never signalled"
        ),
        SparedReason::Kernel => write!(f, "{who} holds it, and it is a kernel thread"),
        SparedReason::System => write!(
            f,
            "{who} holds it, which is Windows itself: HTTP.sys, or a service behind it, listens in its name"
        ),
        SparedReason::Client => write!(
            f,
            "{who} has an unconnected UDP socket on it and is perhaps only a client"
        ),
        SparedReason::Forwarder => {
            write!(f, "{who} holds it, and it forwards the port to a container")
        }
        SparedReason::Shell => write!(f, "{who} is a shell that somebody types into"),
        SparedReason::Needed => {
            write!(f, "others that hold ports depend on {who}")
        }
        SparedReason::Editor => write!(
            f,
            "{who} holds it, and it belongs to {}, whose windows would end with it",
            editor(who).map_or("an editor", |editor| editor.name)
        ),
        SparedReason::Outside => match &who.cwd {
            Some(cwd) => write!(
                f,
                "{who} holds it, and works in {}, outside the folder asked for",
                printable(&cwd.to_string_lossy())
            ),
            None => write!(f, "{who} holds it, and works outside the folder asked for"),
        },
        SparedReason::FolderUnknown => write!(
            f,
            "{who} holds it, and it can't be told whether it works in the folder asked for"
        ),
        SparedReason::NotAgreed => {
            write!(f, "{who} holds it, and was not among those agreed to")
        }
        #[cfg(feature = "containers")]
        SparedReason::NoContainer => {
            write!(f, "{who} holds it, and only containers were to be stopped")
        }
    }
}

fn hidden(
    f: &mut fmt::Formatter<'_>,
    socket: &Socket,
    cause: HiddenCause,
    candidates: &[Process],
) -> fmt::Result {
    write!(
        f,
        "the holder of {socket} ({}) can't be determined",
        socket.state
    )?;
    if let Some(owner) = owner(socket.uid, socket.user.as_deref()) {
        write!(f, "; it was made by user {owner}")?;
    }
    if cause == HiddenCause::Elsewhere {
        f.write_str(if cfg!(windows) {
            "; Windows names no living process as its owner: it has ended, and a process that inherited the socket keeps it"
        } else {
            "; no descriptor of any process here leads to it: the holder is outside this PID namespace, it is the kernel itself, or a process keeps it without a descriptor (a thread that waits in accept, a message on its way, a mapping, an io_uring)"
        })?;
    }
    if cause == HiddenCause::Closed {
        f.write_str("; ")?;
        return closed(f, candidates);
    }
    if candidates.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = candidates.iter().take(3).map(ToString::to_string).collect();
    write!(f, "; perhaps {}", names.join(" or "))
}

/// Who waits on a descriptor that was closed.
pub(crate) fn closed(f: &mut fmt::Formatter<'_>, candidates: &[Process]) -> fmt::Result {
    let names: Vec<String> = candidates.iter().take(3).map(ToString::to_string).collect();
    write!(
        f,
        "no descriptor leads to it; perhaps {} keeps it, where a thread still waits on a descriptor that is closed",
        names.join(" or ")
    )
}

fn client(
    f: &mut fmt::Formatter<'_>,
    process: Option<&Process>,
    connections: &[Connection],
) -> fmt::Result {
    match process {
        Some(process) => write!(f, "{process}")?,
        None => f.write_str("a process that can't be determined")?,
    }
    f.write_str(" has it as the local port of ")?;
    match connections {
        [one] => write!(f, "its connection to {} ({})", one.remote, one.state),
        [first, ..] => write!(
            f,
            "{} connections, one of them to {} ({})",
            connections.len(),
            first.remote,
            first.state
        ),
        [] => f.write_str("a connection"),
    }
}

/// A user by name and ID, as far as both are known.
pub(crate) fn owner(uid: Option<u32>, user: Option<&str>) -> Option<String> {
    match (uid, user) {
        (Some(uid), Some(user)) => Some(format!("{} ({uid})", printable(user))),
        (Some(uid), None) => Some(uid.to_string()),
        (None, Some(user)) => Some(printable(user).into_owned()),
        (None, None) => None,
    }
}
