//! Why a target can't be bound: what was seen, and what a person can do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::bind::BindProbe;
use crate::connection::{Connection, ConnectionState};
use crate::error::{HiddenCause, who};
use crate::holder::{Process, Socket, SocketId, SocketState};
use crate::survey::Survey;
use crate::sys::{self, Depth, Ports, Table};
use crate::target::{Protocol, Target};

/// A reason why a target can't be bound. Each was seen, none is a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Connections of a server that is gone, or does not listen any more.
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
    },
    /// A TCP socket that is bound to the port and does not listen.
    BoundOnly {
        /// The socket.
        socket: Socket,
        /// The processes that have it.
        processes: Vec<Process>,
    },
    /// Clients that have the port as their own local port: nobody serves there.
    Client {
        /// The process, if it can be seen.
        process: Option<Process>,
        /// Its connections.
        connections: Vec<Connection>,
    },
    /// The port is below `net.ipv4.ip_unprivileged_port_start` (1024 elsewhere), and the caller lacks `CAP_NET_BIND_SERVICE`.
    Privileged {
        /// The first port that anybody may bind.
        first_unprivileged: u16,
    },
    /// Windows has set the port aside.
    Excluded {
        /// TCP or UDP.
        protocol: Protocol,
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
    },
    /// The address is not one of this machine's.
    NotLocal {
        /// The address.
        address: IpAddr,
    },
    /// No process holds the socket: every one could be looked at, in the PID namespace that has them all. It is the kernel's own, or its descriptor is
    /// on its way through a Unix socket. On Windows it may also have been left to a child by a process that has ended.
    Kernel {
        /// The socket.
        socket: Socket,
    },
    /// Nobody holds the socket though every process that is visible here could be looked at: the holder is outside this PID namespace, or is the
    /// kernel.
    OutsideNamespace {
        /// The socket.
        socket: Socket,
    },
    /// Nobody is seen to hold the socket, and there are processes that the caller may not look at: another user's, as a rule.
    Unreadable {
        /// The socket, with its maker's name.
        socket: Socket,
        /// Processes that may have it: a guess, for a person to follow.
        candidates: Vec<Process>,
    },
}

/// The connections in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LingeringState {
    /// The state.
    pub state: ConnectionState,
    /// How many are in it.
    pub count: usize,
    /// How long the last of them takes at most until the kernel gives it up; `None` where that depends on the other end or on a process.
    pub longest: Option<Duration>,
}

/// The causes for this target, from what was seen.
pub(super) fn find(
    target: Target,
    survey: &Survey,
    connections: &[Connection],
    bind: &[BindProbe],
) -> io::Result<Vec<Cause>> {
    let mut causes = Vec::new();
    for ip in target.address.iter().flat_map(|address| address.ips()) {
        if !sys::is_local(ip)? {
            causes.push(Cause::NotLocal { address: ip });
        }
    }
    refused(target, bind, &mut causes);
    sockets(survey, &mut causes);
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        // A server that is there answers for its connections itself.
        let is_held = survey
            .sockets()
            .iter()
            .any(|socket| socket.protocol == protocol);
        let is_refused = bind
            .iter()
            .any(|probe| probe.protocol == protocol && failed(probe, io::ErrorKind::AddrInUse));
        if is_refused && !is_held {
            let of_protocol: Vec<&Connection> = connections
                .iter()
                .filter(|connection| connection.protocol == protocol)
                .collect();
            busy(protocol, &of_protocol, bind, &mut causes)?;
        }
    }
    Ok(causes)
}

fn failed(probe: &BindProbe, kind: io::ErrorKind) -> bool {
    probe.result.as_ref().is_err_and(|error| error.kind == kind)
}

/// What a refusal for want of permission means.
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
    if !denied.is_empty() && target.port < first_unprivileged {
        causes.push(Cause::Privileged { first_unprivileged });
    }
    for protocol in denied {
        causes.extend(
            sys::surroundings::excluded_ports(protocol)
                .into_iter()
                .find(|range| range.contains(&target.port))
                .map(|range| Cause::Excluded {
                    protocol,
                    first: *range.start(),
                    last: *range.end(),
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
            });
        }
        let Some(hidden) = hidden else {
            continue;
        };
        let socket = socket.clone();
        causes.push(match hidden.cause {
            HiddenCause::Unreadable => Cause::Unreadable {
                socket,
                candidates: hidden.candidates.clone(),
            },
            HiddenCause::Elsewhere if sys::surroundings::in_first_pid_namespace() => {
                Cause::Kernel { socket }
            }
            HiddenCause::Elsewhere => Cause::OutsideNamespace { socket },
        });
    }
}

/// What the connections of a port tell that is refused though nobody serves there.
fn busy(
    protocol: Protocol,
    connections: &[&Connection],
    bind: &[BindProbe],
    causes: &mut Vec<Cause>,
) -> io::Result<()> {
    if connections.is_empty() {
        return Ok(());
    }
    let judge = Judge::new()?;
    let owners = owners(connections)?;
    let (clients, lingering): (Vec<&Connection>, Vec<&Connection>) = connections
        .iter()
        .copied()
        .partition(|connection| judge.is_client(connection));
    let mut by_process: BTreeMap<Option<u32>, Vec<Connection>> = BTreeMap::new();
    for &connection in &clients {
        let owner = owners
            .get(&connection.id)
            .and_then(|owners| owners.first())
            .map(|process| process.pid);
        by_process
            .entry(owner)
            .or_default()
            .push(connection.clone());
    }
    for (pid, connections) in by_process {
        causes.push(Cause::Client {
            process: owners
                .values()
                .flatten()
                .find(|process| Some(process.pid) == pid)
                .cloned(),
            connections,
        });
    }
    if lingering.is_empty() {
        return Ok(());
    }
    let mut processes: Vec<Process> = lingering
        .iter()
        .filter_map(|connection| owners.get(&connection.id))
        .flatten()
        .cloned()
        .collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    let with_reuse: Vec<&BindProbe> = bind
        .iter()
        .filter(|probe| probe.protocol == protocol && probe.reuse_address)
        .collect();
    causes.push(Cause::Lingering {
        protocol,
        states: count(&lingering),
        processes,
        reuse_address_helps: !with_reuse.is_empty()
            && !with_reuse
                .iter()
                .any(|probe| failed(probe, io::ErrorKind::AddrInUse)),
    });
    Ok(())
}

fn count(connections: &[&Connection]) -> Vec<LingeringState> {
    let mut states: BTreeMap<ConnectionState, LingeringState> = BTreeMap::new();
    for connection in connections {
        let entry = states
            .entry(connection.state)
            .or_insert_with(|| LingeringState {
                state: connection.state,
                count: 0,
                longest: connection.remaining,
            });
        entry.count += 1;
        // One that has no end of its own makes the whole state endless.
        entry.longest = entry
            .longest
            .zip(connection.remaining)
            .map(|(one, other)| one.max(other));
    }
    states.into_values().collect()
}

/// Tells the client's end of a connection from the server's.
struct Judge {
    ephemeral: std::ops::RangeInclusive<u16>,
    listening: Vec<Socket>,
}

impl Judge {
    fn new() -> io::Result<Self> {
        let mut listening = Vec::new();
        Table::open()?.listening(Ports::All, &mut listening)?;
        Ok(Self {
            ephemeral: sys::ephemeral_ports(),
            listening,
        })
    }

    /// A connection is a client's if a server of this machine is seen at its other end, or if its ports say so: its own is one that the
    /// kernel gives to clients, and the other's is not. A UDP socket with a peer, or one that is still being connected, always is.
    fn is_client(&self, connection: &Connection) -> bool {
        if connection.protocol == Protocol::Udp || connection.state == ConnectionState::SynSent {
            return true;
        }
        let remote = connection.remote.ip().to_canonical();
        let is_server = |socket: &Socket| {
            let address = socket.address.to_canonical();
            socket.protocol == connection.protocol
                && socket.port == connection.remote.port()
                && (address == remote || address.is_unspecified())
        };
        let is_of_this_machine = remote == connection.local.ip().to_canonical()
            || sys::is_local(remote).unwrap_or(false);
        let has_server = is_of_this_machine && self.listening.iter().any(is_server);
        let by_ports = self.ephemeral.contains(&connection.local.port())
            && !self.ephemeral.contains(&connection.remote.port());
        has_server || by_ports
    }
}

/// The processes that have these connections open.
fn owners(connections: &[&Connection]) -> io::Result<BTreeMap<SocketId, Vec<Process>>> {
    let sockets: Vec<Socket> = connections
        .iter()
        .filter(|connection| !connection.is_orphaned())
        .map(|connection| Socket {
            protocol: connection.protocol,
            address: connection.local.ip(),
            port: connection.local.port(),
            state: SocketState::Bound,
            uid: connection.uid,
            user: None,
            dual_stack: false,
            id: connection.id,
            cgroup: 0,
        })
        .collect();
    let mut owners: BTreeMap<SocketId, Vec<Process>> = BTreeMap::new();
    if sockets.is_empty() {
        return Ok(owners);
    }
    let found = Table::open()?.find(&sockets, Depth::Complete)?;
    for (handle, ids) in found.holders {
        let process = handle.describe();
        for id in ids {
            owners.entry(id).or_default().push(process.clone());
        }
    }
    Ok(owners)
}

impl Cause {
    /// The word for it in JSON: `lingering`, `bound_only`, `client`, `privileged`, `excluded`, `not_local`, `kernel`,
    /// `outside_namespace` or `unreadable`.
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
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// What a person can do about it: one line.
    #[must_use]
    pub fn remedy(&self, target: Target) -> String {
        match self {
            Self::Lingering {
                processes,
                reuse_address_helps,
                states,
                ..
            } => lingering_remedy(processes, *reuse_address_helps, states),
            Self::BoundOnly { processes, .. } if processes.is_empty() => {
                "end the process that has it".into()
            }
            Self::BoundOnly { .. } => format!("`kill_port {target}` ends it"),
            Self::Client { process, .. } => match process {
                Some(process) => format!(
                    "wait until {} is done, end it, or choose a port outside the range that clients are given ports from",
                    who(process)
                ),
                None => "wait until it is done, or choose a port outside the range that clients are given ports from".into(),
            },
            Self::Privileged { first_unprivileged } => {
                if cfg!(target_os = "linux") {
                    format!(
                        "choose a port from {first_unprivileged} on, or give the server's program the right: `sudo setcap cap_net_bind_service=+ep PROGRAM`"
                    )
                } else {
                    format!("choose a port from {first_unprivileged} on, or start the server as root")
                }
            }
            Self::Excluded { .. } => {
                "choose another port; as administrator, `net stop winnat` and `net start winnat` let the range be chosen anew".into()
            }
            Self::NotLocal { .. } => {
                "bind an address that one of this machine's interfaces has, or a wildcard".into()
            }
            Self::Kernel { .. } if cfg!(windows) => {
                "look for a child that a process which has ended has left its sockets to; `netstat -abno` as administrator shows more".into()
            }
            Self::Kernel { socket } if cfg!(not(target_os = "linux")) => {
                format!("`sudo lsof -nP -i :{}` shows more", socket.port)
            }
            Self::Kernel { socket } => match service(socket) {
                Some((_, remedy)) => remedy.into(),
                None => "stop the kernel service that uses it, such as NFS (`rpcinfo -p`) or a WireGuard interface (`wg show`)".into(),
            },
            Self::OutsideNamespace { socket } => format!(
                "look from the host or outside the container: `ss -lnp sport = :{}`",
                socket.port
            ),
            Self::Unreadable { .. } if cfg!(windows) => "look as administrator".into(),
            Self::Unreadable { socket, .. } if sys::is_superuser() => format!(
                "even root may not look at every process here; look from the host: `ss -lnp sport = :{}`",
                socket.port
            ),
            Self::Unreadable { .. } => format!("`sudo kill_port --why {target}` shows who it is"),
        }
    }
}

/// Kernel services that are known by their port, and how they are stopped.
fn service(socket: &Socket) -> Option<(&'static str, &'static str)> {
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

fn lingering_remedy(processes: &[Process], helps: bool, states: &[LingeringState]) -> String {
    if helps {
        return "a server that sets SO_REUSEADDR before it binds can start now".into();
    }
    let mut parts = Vec::new();
    if !processes.is_empty() {
        let names: Vec<String> = processes.iter().take(3).map(who).collect();
        parts.push(format!("end {}", names.join(" and ")));
    }
    let kernels = states.iter().map(|state| state.longest).max().flatten();
    if let Some(longest) = kernels {
        parts.push(format!("wait {} s", longest.as_secs() + 1));
    }
    if parts.is_empty() {
        parts.push("close the other ends, or wait until the kernel gives them up".into());
    }
    let next = "have the server set SO_REUSEADDR from its next start on: it helps only if the old socket had it as well";
    format!("{}; {next}", parts.join(", "))
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
                for (index, state) in states.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{} in {}", state.count, state.state)?;
                    if let Some(longest) = state.longest {
                        write!(f, " for {} s at most", longest.as_secs() + 1)?;
                    }
                }
                held_by(f, processes)
            }
            Self::BoundOnly { socket, processes } => {
                write!(f, "{socket} is bound without listening")?;
                held_by(f, processes)
            }
            Self::Client {
                process,
                connections,
            } => {
                match process {
                    Some(process) => f.write_str(&who(process))?,
                    None => f.write_str("a client")?,
                }
                f.write_str(" has it as the local port of ")?;
                match connections.as_slice() {
                    [one] => write!(f, "its connection to {} ({})", one.remote, one.state),
                    many => write!(f, "{} connections", many.len()),
                }
            }
            Self::Privileged { first_unprivileged } => write!(
                f,
                "ports below {first_unprivileged} are for root and for programs with CAP_NET_BIND_SERVICE"
            ),
            Self::Excluded {
                protocol,
                first,
                last,
            } => write!(
                f,
                "Windows has set {protocol} ports {first} to {last} aside"
            ),
            Self::NotLocal { address } => write!(f, "{address} is not an address of this machine"),
            Self::Kernel { socket } => {
                write!(
                    f,
                    "no process has {socket}: it is the kernel's own, or on its way from one process to another"
                )?;
                match service(socket) {
                    Some((name, _)) => write!(f, " ({name})"),
                    None => Ok(()),
                }
            }
            Self::OutsideNamespace { socket } => write!(
                f,
                "{socket} belongs to no process that is visible here: its holder is outside this PID namespace, or the kernel itself"
            ),
            Self::Unreadable { socket, candidates } => {
                write!(
                    f,
                    "nobody is seen to hold {socket}, and not every process may be looked at"
                )?;
                if let Some(owner) = crate::error::owner(socket.uid, socket.user.as_deref()) {
                    write!(f, "; it was made by user {owner}")?;
                }
                if candidates.is_empty() {
                    return Ok(());
                }
                let names: Vec<String> = candidates.iter().map(who).collect();
                write!(f, "; perhaps {}", names.join(" or "))
            }
        }
    }
}

fn held_by(f: &mut fmt::Formatter<'_>, processes: &[Process]) -> fmt::Result {
    if processes.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = processes.iter().take(3).map(who).collect();
    write!(f, "; {} has it", names.join(", "))?;
    match processes.len().saturating_sub(names.len()) {
        0 => Ok(()),
        more => write!(f, ", and {more} more"),
    }
}
