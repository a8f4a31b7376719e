//! What a port's object is made of.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use kill_port::containers::StoppedContainer;
use kill_port::{Fate, HolderReport, Obstacle, Process};
use serde::Serialize;

use crate::next_step;
use crate::time;

#[derive(Debug, Serialize)]
pub struct Error<'a> {
    kind: &'static str,
    message: String,
    help: Option<String>,
    pid: Option<u32>,
    supervisor: Option<Parent<'a>>,
    unit: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct Parent<'a> {
    pid: u32,
    name: &'a str,
    command: Vec<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
pub struct Holder<'a> {
    #[serde(flatten)]
    process: Parent<'a>,
    executable: Option<Cow<'a, str>>,
    cwd: Option<Cow<'a, str>>,
    user: Option<&'a str>,
    uid: Option<u32>,
    parent_pid: Option<u32>,
    started: Option<String>,
    sockets: Vec<Socket>,
    signals: Vec<&'static str>,
    outcome: &'static str,
    reason: Option<&'static str>,
    elapsed_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Socket {
    protocol: &'static str,
    address: IpAddr,
    port: u16,
    state: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Hidden<'a> {
    #[serde(flatten)]
    socket: Socket,
    uid: Option<u32>,
    user: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct Container<'a> {
    id: &'a str,
    name: &'a str,
    image: &'a str,
    ports: Vec<PublishedPort>,
    compose_project: Option<&'a str>,
    compose_service: Option<&'a str>,
    restart_policy: Option<&'a str>,
    engine: &'a str,
    outcome: &'static str,
    elapsed_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct PublishedPort {
    protocol: &'static str,
    address: Option<IpAddr>,
    host_port: u16,
    container_port: u16,
}

impl<'a> Error<'a> {
    /// One for each obstacle.
    pub fn all(error: &'a kill_port::Error) -> Vec<Self> {
        all(error.obstacles(), |obstacle| {
            let (supervisor, unit) = match obstacle {
                Obstacle::Respawned {
                    supervisor, unit, ..
                } => (supervisor.as_ref(), unit.as_deref()),
                _ => (None, None),
            };
            Self {
                kind: obstacle.kind(),
                message: obstacle.to_string(),
                help: next_step::after(obstacle, error.target()),
                pid: obstacle.holder().map(|holder| holder.process.pid),
                supervisor: supervisor.map(Parent::new),
                unit,
            }
        })
    }
}

impl<'a> Parent<'a> {
    pub fn new(process: &'a Process) -> Self {
        Self {
            pid: process.pid,
            name: &process.name,
            // Invalid UTF-8 is replaced: JSON has no other bytes.
            command: all(&process.command, |argument| argument.to_string_lossy()),
        }
    }
}

impl<'a> Holder<'a> {
    pub fn new(process: &'a Process, sockets: &[kill_port::Socket], outcome: &'static str) -> Self {
        Self {
            process: Parent::new(process),
            executable: process.executable.as_deref().map(Path::to_string_lossy),
            cwd: process.cwd.as_deref().map(Path::to_string_lossy),
            user: process.user.as_deref(),
            uid: process.uid,
            parent_pid: process.parent_pid,
            started: process.started.map(time::rfc3339),
            sockets: all(sockets, Socket::new),
            signals: Vec::new(),
            outcome,
            reason: None,
            elapsed_ms: None,
        }
    }

    pub fn reported(report: &'a HolderReport) -> Self {
        let holder = &report.holder;
        Self {
            signals: all(&report.signals, |signal| signal.name()),
            reason: match report.fate {
                Fate::Spared(reason) => Some(reason.as_str()),
                _ => None,
            },
            elapsed_ms: report.elapsed.map(millis),
            ..Self::new(&holder.process, &holder.sockets, report.fate.as_str())
        }
    }
}

impl Socket {
    fn new(socket: &kill_port::Socket) -> Self {
        Self {
            protocol: socket.protocol.as_str(),
            address: socket.address,
            port: socket.port,
            state: socket.state.as_str(),
        }
    }
}

impl<'a> Hidden<'a> {
    pub fn new(socket: &'a kill_port::Socket) -> Self {
        Self {
            socket: Socket::new(socket),
            uid: socket.uid,
            user: socket.user.as_deref(),
        }
    }

    /// Those that are in the way.
    pub fn of_error(error: &'a kill_port::Error) -> Vec<Self> {
        let obstacles = error.obstacles().iter();
        let hidden = obstacles.filter_map(|obstacle| match obstacle {
            Obstacle::Hidden { socket, .. } => Some(Self::new(socket)),
            _ => None,
        });
        hidden.collect()
    }
}

impl<'a> Container<'a> {
    pub fn new(container: &'a kill_port::containers::Container, outcome: &'static str) -> Self {
        let compose = container.compose.as_ref();
        Self {
            id: &container.id,
            name: &container.name,
            image: &container.image,
            ports: all(&container.ports, |port| PublishedPort {
                protocol: port.protocol.as_str(),
                address: port.ip,
                host_port: port.host_port,
                container_port: port.container_port,
            }),
            compose_project: compose.map(|compose| compose.project.as_str()),
            compose_service: compose.map(|compose| compose.service.as_str()),
            restart_policy: container.restart_policy.as_deref(),
            engine: &container.engine,
            outcome,
            elapsed_ms: None,
        }
    }

    pub fn stopped(stopped: &'a StoppedContainer) -> Self {
        let outcome = if stopped.killed { "killed" } else { "stopped" };
        Self {
            elapsed_ms: Some(millis(stopped.elapsed)),
            ..Self::new(&stopped.container, outcome)
        }
    }
}

/// Milliseconds with three decimals.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// One object for each.
pub fn all<'a, T, U>(items: &'a [T], object: impl FnMut(&'a T) -> U) -> Vec<U> {
    items.iter().map(object).collect()
}
