//! Why a target can't be bound: what was seen, and what a person can do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::bind::BindProbe;
use crate::connection::{Connection, LingeringState, counted};
use crate::discovery::{Crowd, Id, Use};
use crate::next_step::Advice;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::socket::{HiddenCause, Socket, SocketState, Survey};
use crate::sys;
use crate::target::{Address, Target};
use crate::users::Users;

/// A reason why a target can't be bound. Each was seen, none is a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Connections of a server that is gone, or does not listen any more.
    #[non_exhaustive]
    Lingering {
        /// TCP or UDP.
        protocol: Protocol,
        /// How many there are in each state.
        states: Vec<LingeringState>,
        /// The processes that have one of them open: ending them ends their connections.
        processes: Vec<Process>,
        /// What the kernel answered to a bind with `SO_REUSEADDR`: `true` means that a server which sets it can start now. It helps only
        /// if the old socket had it as well.
        reuse_address_helps: bool,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A TCP socket that is bound to the port and does not listen.
    #[non_exhaustive]
    BoundOnly {
        /// The socket.
        socket: Socket,
        /// The processes that have it.
        processes: Vec<Process>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Clients that have the port as their own local port: nobody serves there.
    #[non_exhaustive]
    Client {
        /// The process, if it can be seen.
        process: Option<Process>,
        /// Its connections.
        connections: Vec<Connection>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// The port is below `net.ipv4.ip_unprivileged_port_start` (1024 elsewhere), and the caller lacks `CAP_NET_BIND_SERVICE`.
    #[non_exhaustive]
    Privileged {
        /// The first port that anybody may bind.
        first_unprivileged: u16,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Windows has set the port aside.
    #[non_exhaustive]
    Excluded {
        /// TCP or UDP.
        protocol: Protocol,
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
        /// What helps.
        advice: Option<Advice>,
    },
    /// The address is not one of this machine's.
    #[non_exhaustive]
    NotLocal {
        /// The address.
        address: Address,
        /// What helps.
        advice: Option<Advice>,
    },
    /// No process holds the socket: every one could be looked at, in the PID namespace that has them all. It is the kernel's own, or its descriptor is
    /// on its way through a Unix socket. On Windows it may also have been left to a child by a process that has ended.
    #[non_exhaustive]
    Kernel {
        /// The socket.
        socket: Socket,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Nobody holds the socket though every process that is visible here could be looked at: the holder is outside this PID namespace, or is the
    /// kernel.
    #[non_exhaustive]
    OutsideNamespace {
        /// The socket.
        socket: Socket,
        /// What helps.
        advice: Option<Advice>,
    },
    /// No descriptor leads to the socket, and a process has a thread that waits for connections (or datagrams) on a descriptor which was closed
    /// meanwhile: such a wait keeps a socket.
    #[non_exhaustive]
    Closed {
        /// The socket.
        socket: Socket,
        /// The processes with such a thread: a guess, for a person to follow.
        candidates: Vec<Process>,
        /// What helps.
        advice: Option<Advice>,
    },
    /// Nobody is seen to hold the socket, and there are processes that the caller may not look at: another user's, as a rule.
    #[non_exhaustive]
    Unreadable {
        /// The socket, with its maker's name.
        socket: Socket,
        /// Processes that may have it: a guess, for a person to follow.
        candidates: Vec<Process>,
        /// What helps.
        advice: Option<Advice>,
    },
}

/// The causes for this target, from what was seen.
pub(super) fn find(
    target: Target,
    survey: &Survey,
    uses: &[Use],
    crowd: &Crowd,
    bind: &[BindProbe],
) -> io::Result<Vec<Cause>> {
    let mut causes = Vec::new();
    for address in target.address().into_iter().flat_map(Address::each) {
        if !sys::is_local_address(address)? {
            let advice = None;
            causes.push(Cause::NotLocal { address, advice });
        }
    }
    refused(target, bind, &mut causes);
    sockets(survey, &mut causes);
    for protocol in target.protocols() {
        // A server that is there answers for its connections itself.
        let is_held = survey
            .sockets()
            .iter()
            .any(|socket| socket.protocol == protocol);
        let is_refused = bind
            .iter()
            .any(|probe| probe.protocol == protocol && failed(probe, io::ErrorKind::AddrInUse));
        if is_refused && !is_held {
            let own: Vec<&Use> = uses
                .iter()
                .filter(|used| used.connection.protocol == protocol)
                .collect();
            busy(protocol, &own, crowd, bind, &mut causes);
        }
    }
    Ok(causes)
}

fn failed(probe: &BindProbe, kind: io::ErrorKind) -> bool {
    probe.result.as_ref().is_err_and(|error| error.kind == kind)
}

/// What a bind that is not permitted means.
fn refused(target: Target, bind: &[BindProbe], causes: &mut Vec<Cause>) {
    let is_denied = |protocol: Protocol| {
        bind.iter().any(|probe| {
            probe.protocol == protocol && failed(probe, io::ErrorKind::PermissionDenied)
        })
    };
    let denied: Vec<Protocol> = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter(|protocol| is_denied(*protocol))
        .collect();
    let first_unprivileged = sys::surroundings::first_unprivileged_port();
    if !denied.is_empty() && target.port() < first_unprivileged {
        causes.push(Cause::Privileged {
            first_unprivileged,
            advice: None,
        });
    }
    for protocol in denied {
        causes.extend(
            sys::surroundings::excluded_ports(protocol)
                .into_iter()
                .find(|range| range.contains(&target.port()))
                .map(|range| Cause::Excluded {
                    protocol,
                    first: *range.start(),
                    last: *range.end(),
                    advice: None,
                }),
        );
    }
}

/// What the sockets of the survey tell.
fn sockets(survey: &Survey, causes: &mut Vec<Cause>) {
    for socket in survey.sockets() {
        let hidden = survey
            .hidden()
            .iter()
            .find(|hidden| hidden.socket == *socket);
        if socket.state == SocketState::Bound {
            causes.push(Cause::BoundOnly {
                socket: socket.clone(),
                processes: survey
                    .holders()
                    .iter()
                    .filter(|holder| holder.sockets.contains(socket))
                    .map(|holder| holder.process.clone())
                    .collect(),
                advice: None,
            });
        }
        let Some(hidden) = hidden else {
            continue;
        };
        let socket = socket.clone();
        let advice = None;
        causes.push(match hidden.cause {
            HiddenCause::Unreadable => Cause::Unreadable {
                socket,
                candidates: hidden.candidates.clone(),
                advice,
            },
            HiddenCause::Closed => Cause::Closed {
                socket,
                candidates: hidden.candidates.clone(),
                advice,
            },
            HiddenCause::Elsewhere if sys::surroundings::in_first_pid_namespace() => {
                Cause::Kernel { socket, advice }
            }
            HiddenCause::Elsewhere => Cause::OutsideNamespace { socket, advice },
        });
    }
}

/// What the connections of a port tell that is refused though nobody serves there.
fn busy(
    protocol: Protocol,
    uses: &[&Use],
    crowd: &Crowd,
    bind: &[BindProbe],
    causes: &mut Vec<Cause>,
) {
    let (clients, lingering): (Vec<&Use>, Vec<&Use>) =
        uses.iter().copied().partition(|used| used.is_clients_end);
    let mut by_owner: BTreeMap<Option<Id>, Vec<Connection>> = BTreeMap::new();
    for used in clients {
        let owner = used.owners.first().copied();
        let connections = by_owner.entry(owner).or_default();
        connections.push(used.connection.clone());
    }
    causes.extend(
        by_owner
            .into_iter()
            .map(|(owner, connections)| Cause::Client {
                process: owner.map(|id| crowd[id].process.clone()),
                connections,
                advice: None,
            }),
    );
    if lingering.is_empty() {
        return;
    }
    let owners = lingering.iter().flat_map(|used| &used.owners);
    let mut processes: Vec<Process> = owners.map(|&id| crowd[id].process.clone()).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup();
    let with_reuse: Vec<&BindProbe> = bind
        .iter()
        .filter(|probe| probe.protocol == protocol && probe.reuse_address)
        .collect();
    let connections: Vec<&Connection> = lingering.iter().map(|used| &used.connection).collect();
    causes.push(Cause::Lingering {
        protocol,
        states: LingeringState::count(&connections),
        processes,
        reuse_address_helps: !with_reuse.is_empty()
            && !with_reuse
                .iter()
                .any(|probe| failed(probe, io::ErrorKind::AddrInUse)),
        advice: None,
    });
}

impl Users for Cause {
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
        match self {
            Self::Lingering { processes, .. } => processes.each_user(visit),
            Self::BoundOnly {
                socket, processes, ..
            }
            | Self::Closed {
                socket,
                candidates: processes,
                ..
            }
            | Self::Unreadable {
                socket,
                candidates: processes,
                ..
            } => {
                socket.each_user(visit);
                processes.each_user(visit);
            }
            Self::Client { process, .. } => process.each_user(visit),
            Self::Kernel { socket, .. } | Self::OutsideNamespace { socket, .. } => {
                socket.each_user(visit);
            }
            _ => {}
        }
    }
}

impl Cause {
    /// The word for it in JSON: `lingering`, `bound_only`, `client`, `privileged`, `excluded`, `not_local`, `kernel`,
    /// `outside_namespace`, `closed` or `unreadable`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lingering { .. } => "lingering",
            Self::BoundOnly { .. } => "bound_only",
            Self::Client { .. } => "client",
            Self::Privileged { .. } => "privileged",
            Self::Excluded { .. } => "excluded",
            Self::NotLocal { .. } => "not_local",
            Self::Kernel { .. } => "kernel",
            Self::OutsideNamespace { .. } => "outside_namespace",
            Self::Closed { .. } => "closed",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// A next step for a person.
    #[must_use]
    pub fn advice(&self) -> Option<&Advice> {
        match self {
            Self::Lingering { advice, .. }
            | Self::BoundOnly { advice, .. }
            | Self::Client { advice, .. }
            | Self::Privileged { advice, .. }
            | Self::Excluded { advice, .. }
            | Self::NotLocal { advice, .. }
            | Self::Kernel { advice, .. }
            | Self::OutsideNamespace { advice, .. }
            | Self::Closed { advice, .. }
            | Self::Unreadable { advice, .. } => advice.as_ref(),
        }
    }

    /// Where its advice is kept.
    pub(crate) fn advice_mut(&mut self) -> &mut Option<Advice> {
        match self {
            Self::Lingering { advice, .. }
            | Self::BoundOnly { advice, .. }
            | Self::Client { advice, .. }
            | Self::Privileged { advice, .. }
            | Self::Excluded { advice, .. }
            | Self::NotLocal { advice, .. }
            | Self::Kernel { advice, .. }
            | Self::OutsideNamespace { advice, .. }
            | Self::Closed { advice, .. }
            | Self::Unreadable { advice, .. } => advice,
        }
    }
}

/// Kernel services that are known by their port, and how they are stopped.
pub(crate) fn service(socket: &Socket) -> Option<(&'static str, &'static str)> {
    match (socket.protocol, socket.port) {
        (_, 2049) => Some((
            "the port of NFS",
            "if it is the NFS server: `systemctl stop nfs-server`",
        )),
        (Protocol::Udp, 51820) => Some((
            "the usual port of WireGuard",
            "`wg show` names the interface; `wg-quick down INTERFACE` stops it",
        )),
        (Protocol::Udp, 4789) => Some((
            "the port of VXLAN",
            "`ip -d link show type vxlan` names the interface",
        )),
        _ => None,
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lingering {
                protocol,
                states,
                processes,
                ..
            } => {
                let total: usize = states.iter().map(|state| state.count).sum();
                let plural = if total == 1 {
                    "connection lingers"
                } else {
                    "connections linger"
                };
                write!(
                    f,
                    "{total} {protocol} {plural} though nobody listens any more: "
                )?;
                counted(f, states)?;
                held_by(f, processes)
            }
            Self::BoundOnly {
                socket, processes, ..
            } => {
                write!(f, "{socket} is bound without listening")?;
                held_by(f, processes)
            }
            Self::Client {
                process,
                connections,
                ..
            } => {
                match process {
                    Some(process) => write!(f, "{process}")?,
                    None => f.write_str("a client")?,
                }
                f.write_str(" has it as the local port of ")?;
                match connections.as_slice() {
                    [one] => write!(f, "its connection to {} ({})", one.remote, one.state),
                    many => write!(f, "{} connections", many.len()),
                }
            }
            Self::Privileged {
                first_unprivileged, ..
            } => write!(
                f,
                "ports below {first_unprivileged} are for root and for programs with CAP_NET_BIND_SERVICE"
            ),
            Self::Excluded {
                protocol,
                first,
                last,
                ..
            } => write!(
                f,
                "Windows has set {protocol} ports {first} to {last} aside"
            ),
            Self::NotLocal { address, .. } => {
                write!(f, "{address} is not an address of this machine")
            }
            Self::Kernel { socket, .. } => {
                write!(
                    f,
                    "no process has {socket}: it is the kernel's own, or a process keeps it without a descriptor (a message on its way, a mapping, an io_uring)"
                )?;
                match service(socket) {
                    Some((name, _)) => write!(f, " ({name})"),
                    None => Ok(()),
                }
            }
            Self::OutsideNamespace { socket, .. } => write!(
                f,
                "no process that is visible here has {socket}: its holder is outside this PID namespace, it is the kernel itself, or a process keeps it without a descriptor (a message on its way, a mapping, an io_uring)"
            ),
            Self::Closed {
                socket, candidates, ..
            } => {
                write!(f, "the holder of {socket} can't be determined: ")?;
                crate::error::closed(f, candidates)
            }
            Self::Unreadable {
                socket, candidates, ..
            } => {
                write!(
                    f,
                    "the holder of {socket} can't be determined, since not every process may be looked at"
                )?;
                if let Some(owner) = crate::error::owner(socket.uid, socket.user.as_deref()) {
                    write!(f, "; it was made by user {owner}")?;
                }
                if candidates.is_empty() {
                    return Ok(());
                }
                let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
                write!(f, "; perhaps {}", names.join(" or "))
            }
        }
    }
}

fn held_by(f: &mut fmt::Formatter<'_>, processes: &[Process]) -> fmt::Result {
    if processes.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = processes.iter().take(3).map(ToString::to_string).collect();
    write!(f, "; {} has it", names.join(", "))?;
    match processes.len().saturating_sub(names.len()) {
        0 => Ok(()),
        more => write!(f, ", and {more} more"),
    }
}
