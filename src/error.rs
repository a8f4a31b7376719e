//! Why a target is not free: what is in the way, and what to do about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::forwarder::how_to_stop;
use crate::holder::{Holder, Process, Socket};
use crate::outcome::{HolderReport, SparedReason};
use crate::printable::printable;
use crate::signal::Signal;
use crate::target::Target;

/// The target could not be freed.
///
/// Small (one pointer); tells what is in the way ([`Error::obstacles`]), and what had happened to each holder before it
/// was given up ([`Error::holders`]). Its `Display` is one sentence a person can act on, in which control characters of
/// other processes' names are escaped.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    target: Target,
    obstacles: Vec<Obstacle>,
    holders: Vec<HolderReport>,
    #[cfg(feature = "containers")]
    containers: Vec<crate::containers::StoppedContainer>,
    elapsed: Duration,
}

/// One thing that is in the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Obstacle {
    /// A holder that is never signalled.
    Spared {
        /// The holder.
        holder: Holder,
        /// Why it is spared.
        reason: SparedReason,
    },
    /// A holder that the system does not permit the caller to signal (`EPERM`, access denied).
    NotPermitted {
        /// The holder.
        holder: Holder,
    },
    /// A listening socket without a holder to be seen.
    Hidden {
        /// The socket.
        socket: Socket,
        /// Why nobody is seen.
        cause: HiddenCause,
        /// Processes whose descriptors can't be read and that may hold it: a guess, for a person to follow. None of
        /// them is signalled.
        candidates: Vec<Process>,
    },
    /// Holders were ended and others came in their place.
    Respawned {
        /// The holder that was there at the end.
        holder: Holder,
        /// The process that started it, if it is known and lives.
        supervisor: Option<Process>,
        /// Why that process can't be ended too, if it can't: it is PID 1 or an ancestor of the caller.
        supervisor_spared: Option<SparedReason>,
        /// The systemd unit that the holder belongs to, if its control group names one.
        unit: Option<String>,
        /// How many generations were ended before it was given up.
        generations: u32,
    },
    /// A holder that was sent SIGKILL and is still there, or whose socket is.
    Survived {
        /// The holder.
        holder: Holder,
    },
    /// A holder that was told to end, did not within the grace, and was not to be sent SIGKILL.
    TimedOut {
        /// The holder.
        holder: Holder,
        /// The last signal that it was sent.
        signal: Signal,
        /// How long it was given.
        grace: Duration,
    },
    /// A container that publishes the target and was not stopped.
    #[cfg(feature = "containers")]
    Container {
        /// The container.
        container: Box<crate::containers::Container>,
        /// Why it was not stopped, or why that did not help.
        error: crate::containers::EngineError,
    },
    /// A container engine that could not be asked who publishes the target.
    #[cfg(feature = "containers")]
    Engine {
        /// Why it could not be asked.
        error: crate::containers::EngineError,
    },
    /// The caller's own callback broke it off.
    Cancelled,
    /// The system did not answer, or answered with an error.
    System {
        /// What was asked, as a short phrase.
        doing: &'static str,
        /// The system's error.
        error: Arc<io::Error>,
    },
}

/// Why a socket has no holder to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HiddenCause {
    /// Some processes' descriptors can't be read by this user; one of them may hold it.
    Unreadable,
    /// Everything could be read: the holder is outside this PID namespace or the kernel itself.
    Elsewhere,
}

impl Obstacle {
    /// The word for it in JSON: `spared`, `not_permitted`, `hidden`, `respawned`, `survived`, `timed_out`, `cancelled`
    /// or `system`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Spared { .. } => "spared",
            Self::NotPermitted { .. } => "not_permitted",
            Self::Hidden { .. } => "hidden",
            Self::Respawned { .. } => "respawned",
            Self::Survived { .. } => "survived",
            Self::TimedOut { .. } => "timed_out",
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
            | Self::NotPermitted { holder }
            | Self::Respawned { holder, .. }
            | Self::Survived { holder }
            | Self::TimedOut { holder, .. } => Some(holder),
            #[cfg(feature = "containers")]
            Self::Container { .. } | Self::Engine { .. } => None,
            Self::Hidden { .. } | Self::Cancelled | Self::System { .. } => None,
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

    /// Adds what the way through the container engines brought.
    #[cfg(feature = "containers")]
    pub(crate) fn add(
        &mut self,
        obstacles: Vec<Obstacle>,
        mut earlier: Vec<HolderReport>,
        containers: Vec<crate::containers::StoppedContainer>,
        elapsed: Duration,
    ) {
        self.0.obstacles.extend(obstacles);
        earlier.append(&mut self.0.holders);
        self.0.holders = earlier;
        self.0.containers.extend(containers);
        self.0.elapsed += elapsed;
    }

    /// The containers that had been stopped by their engines, although the target is not free.
    #[cfg(feature = "containers")]
    #[must_use]
    pub fn containers(&self) -> &[crate::containers::StoppedContainer] {
        &self.0.containers
    }

    pub(crate) fn system(target: Target, doing: &'static str, error: io::Error) -> Self {
        let error = Arc::new(error);
        let obstacle = Obstacle::System { doing, error };
        Self::new(target, vec![obstacle], Vec::new(), Duration::ZERO)
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
        use crate::outcome::Fate;
        self.0
            .holders
            .iter()
            .filter(|report| matches!(report.fate, Fate::Exited | Fate::Released))
    }

    /// How long it took to find out.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.obstacles.iter().find_map(|obstacle| match obstacle {
            Obstacle::System { error, .. } => {
                Some(error.as_ref() as &(dyn std::error::Error + 'static))
            }
            _ => None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is not free: ", self.0.target)?;
        for (index, obstacle) in self.0.obstacles.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{obstacle}")?;
            if let Some(help) = obstacle.help(self.0.target) {
                write!(f, " ({help})")?;
            }
        }
        let ended: Vec<String> = self
            .ended()
            .map(|report| who(&report.holder.process))
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
            Self::Spared { holder, reason } => spared(f, holder, *reason),
            Self::NotPermitted { holder } => {
                let process = &holder.process;
                write!(f, "not permitted to signal {}", who(process))?;
                match owner(process.uid, process.user.as_deref()) {
                    Some(owner) => write!(f, " of user {owner}"),
                    None => Ok(()),
                }
            }
            Self::Hidden {
                socket,
                cause,
                candidates,
            } => {
                write!(f, "{socket} ({}) has no holder to be seen", socket.state)?;
                if let Some(owner) = owner(socket.uid, socket.user.as_deref()) {
                    write!(f, "; it was made by user {owner}")?;
                }
                if *cause == HiddenCause::Elsewhere {
                    f.write_str(if cfg!(windows) {
                        "; Windows names no living process as its owner: it has ended, and a process that inherited the socket keeps it"
                    } else {
                        "; every process was looked at, so the holder is outside this PID namespace or the kernel itself"
                    })?;
                }
                if candidates.is_empty() {
                    return Ok(());
                }
                let names: Vec<String> = candidates.iter().take(3).map(who).collect();
                write!(f, "; perhaps {}", names.join(" or "))
            }
            Self::Respawned {
                holder,
                supervisor,
                generations,
                unit,
                ..
            } => {
                write!(
                    f,
                    "{generations} generations were ended and {} took the port again",
                    who(&holder.process)
                )?;
                match (unit, supervisor) {
                    (Some(unit), _) => {
                        write!(f, ", started by the systemd unit {}", printable(unit))
                    }
                    (None, Some(supervisor)) => write!(f, ", started by {}", who(supervisor)),
                    (None, None) => Ok(()),
                }
            }
            Self::Survived { holder } => {
                write!(
                    f,
                    "{} was sent SIGKILL and still holds it",
                    who(&holder.process)
                )
            }
            Self::TimedOut {
                holder,
                signal,
                grace,
            } => {
                write!(
                    f,
                    "{} did not end within {grace:?} of {signal}",
                    who(&holder.process)
                )
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
            Self::System { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

fn spared(f: &mut fmt::Formatter<'_>, holder: &Holder, reason: SparedReason) -> fmt::Result {
    let who = who(&holder.process);
    match reason {
        SparedReason::Caller => write!(f, "{who} holds it, and that is the caller itself"),
        SparedReason::Ancestor => write!(f, "{who} holds it, and it is an ancestor of the caller"),
        SparedReason::Init if holder.process.pid == 1 => {
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
        #[cfg(feature = "containers")]
        SparedReason::NoContainer => {
            write!(f, "{who} holds it, and only containers were to be stopped")
        }
    }
}

/// `node (PID 4711)`, safe to print.
pub(crate) fn who(process: &Process) -> String {
    let name = if process.name.is_empty() {
        "a process"
    } else {
        &process.name
    };
    format!("{} (PID {})", printable(name), process.pid)
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

impl Obstacle {
    /// A next step for a person, if there is one that helps: a command, or where to look.
    #[must_use]
    pub fn help(&self, target: Target) -> Option<String> {
        match self {
            Self::Spared { reason, holder } => match reason {
                SparedReason::Caller => Some("close the listener in this program".into()),
                SparedReason::Ancestor => Some(format!("`kill_port --include-ancestors {target}` ends it all the same")),
                SparedReason::Client => Some(format!(
                    "`kill_port {}` ends it",
                    target.protocol(crate::Protocol::Udp)
                )),
                SparedReason::Forwarder => Some(how_to_stop(&holder.process, target.port)),
                #[cfg(feature = "containers")]
                SparedReason::NoContainer => Some(format!("`kill_port {target}` ends it")),
                SparedReason::Init if let Some(command) = crate::explain::socket_command(holder) => Some(format!("`{command}`")),
                SparedReason::Init => Some("stop what it holds the port for: `systemctl list-sockets` shows the unit; in a container, stop the container".into()),
                SparedReason::System => Some("`netsh http show servicestate` shows who is behind it".into()),
                SparedReason::Kernel => None,
            },
            Self::NotPermitted { .. } => Some(as_root(target)),
            // Root can't do more than it has done, even where it was refused a look at somebody.
            Self::Hidden { cause: HiddenCause::Unreadable, .. } if !crate::sys::is_superuser() => Some(as_root(target)),
            Self::Hidden { socket, .. } => Some(elsewhere(socket)),
            // What keeps it alive may have a command of its own: a unit of a user, a process manager, a container engine.
            Self::Respawned { holder, unit, .. }
                if let Some(command) = crate::explain::stop_command(&holder.process)
                    .or_else(|| Some(format!("systemctl stop {}", printable(unit.as_deref()?)))) =>
            {
                Some(format!("`{command}`"))
            }
            Self::Respawned {
                supervisor_spared: Some(_),
                ..
            } => Some("stop what starts it first".into()),
            Self::Respawned { supervisor: Some(supervisor), .. } => Some(format!(
                "`kill_port --supervisor {target}` ends {} as well",
                who(supervisor)
            )),
            Self::Respawned { .. } => Some("stop what starts it".into()),
            Self::Survived { holder } if cfg!(target_os = "linux") => Some(format!(
                "it is stuck in the kernel or frozen: `cat /proc/{0}/wchan` shows where, `cat /proc/{0}/cgroup` the group to thaw",
                holder.process.pid
            )),
            Self::Survived { .. } => Some("it is stuck in the kernel; only a restart of the machine helps".into()),
            Self::TimedOut { .. } => Some(format!("`kill_port --force {target}` sends SIGKILL")),
            #[cfg(feature = "containers")]
            Self::Container { error, .. } | Self::Engine { error } => {
                error.help.as_deref().map(|help| printable(help).into_owned())
            }
            Self::Cancelled | Self::System { .. } => None,
        }
    }
}

fn as_root(target: Target) -> String {
    if cfg!(windows) {
        "run it as administrator".into()
    } else {
        format!("`sudo kill_port {target}`")
    }
}

fn elsewhere(socket: &Socket) -> String {
    if cfg!(windows) {
        return format!(
            "end what that process had started; `netstat -ano | findstr :{}` shows its former PID",
            socket.port
        );
    }
    format!(
        "look from the host or outside the container with `ss -lnp sport = :{}`; a kernel service such as NFS or WireGuard has no process",
        socket.port
    )
}
