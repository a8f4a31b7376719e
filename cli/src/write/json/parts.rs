//! What a port's object is made of.

use std::path::Path;
use std::time::Duration;

use kill_port::containers::Container;
use kill_port::{
    Error, Fate, HolderReport, Obstacle, Plan, Process, Socket, SparedReason, Supervisor,
};
use serde::{Serialize, Serializer};

use crate::next_step;
use crate::time;
use crate::write::json::object::object;

/// One for each obstacle.
pub fn errors(error: &Error) -> Vec<impl Serialize> {
    all(error.obstacles(), |obstacle| {
        let (supervisor, unit) = match obstacle {
            Obstacle::Respawned {
                supervisor, unit, ..
            } => (supervisor.as_ref(), unit.as_deref()),
            Obstacle::Fleeting { supervisor, .. } => (supervisor.as_ref(), None),
            _ => (None, None),
        };
        let help = match obstacle {
            Obstacle::Cancelled => Some(next_step::after_interrupt(error)),
            _ => next_step::after(obstacle, error.target()),
        };
        object! {
            kind: obstacle.kind(),
            message: obstacle.to_string(),
            help: help,
            pid: obstacle.process().map(|process| process.pid),
            supervisor: supervisor.map(parent),
            supervisor_spared: supervisor_spared(obstacle),
            others: others(obstacle),
            unit: unit,
        }
    })
}

/// Why the supervisor is not ended too.
fn supervisor_spared(obstacle: &Obstacle) -> Option<&'static str> {
    match obstacle {
        Obstacle::Respawned {
            supervisor_spared, ..
        } => supervisor_spared.map(SparedReason::as_str),
        _ => None,
    }
}

/// Those for whose sake it is not.
fn others(obstacle: &Obstacle) -> Vec<impl Serialize> {
    let others = match obstacle {
        Obstacle::Respawned { others, .. } => others.as_slice(),
        _ => &[],
    };
    all(others, |other| holder(&other.process, &other.sockets, None))
}

/// One who may start a server again: of a plan, or beside what was done.
pub fn supervisor(supervisor: &Supervisor, plan: Option<&Plan>) -> impl Serialize {
    let process = &supervisor.process;
    object! {
        pid: process.pid,
        name: &process.name,
        command: all(&process.command, |argument| argument.to_string_lossy()),
        unit: &supervisor.unit,
        restarts: supervisor.restarts.as_str(),
        would_end: supervisor.would_end,
        others: all(&supervisor.others, |other| holder(&other.process, &other.sockets, None)),
        help: match plan {
            Some(plan) => next_step::before(supervisor, plan.target),
            None => next_step::beside(supervisor),
        },
    }
}

pub fn parent(process: &Process) -> impl Serialize {
    object! {
        pid: process.pid,
        name: &process.name,
        // Invalid UTF-8 is replaced: JSON has no other bytes.
        command: all(&process.command, |argument| argument.to_string_lossy()),
    }
}

/// A holder that was only seen has no report.
pub fn holder<'a>(
    process: &'a Process,
    sockets: &'a [Socket],
    report: Option<&'a HolderReport>,
) -> impl Serialize {
    object! {
        pid: process.pid,
        name: &process.name,
        command: all(&process.command, |argument| argument.to_string_lossy()),
        executable: process.executable.as_deref().map(Path::to_string_lossy),
        cwd: process.cwd.as_deref().map(Path::to_string_lossy),
        user: &process.user,
        uid: process.uid,
        parent_pid: process.parent_pid,
        started: process.started.map(time::rfc3339),
        sockets: all(sockets, socket),
        signals: report.map_or_else(Vec::new, |report| {
            all(&report.signals, |signal| signal.name())
        }),
        outcome: report.map_or("seen", |report| report.fate.as_str()),
        reason: report.and_then(|report| match report.fate {
            Fate::Spared(reason) => Some(reason.as_str()),
            _ => None,
        }),
        elapsed_ms: report.and_then(|report| report.elapsed).map(millis),
    }
}

fn socket(socket: &Socket) -> impl Serialize {
    object! {
        protocol: socket.protocol.as_str(),
        address: socket.full_address().to_string(),
        port: socket.port,
        state: socket.state.as_str(),
    }
}

pub fn hidden(socket: &Socket) -> impl Serialize {
    object! {
        protocol: socket.protocol.as_str(),
        address: socket.full_address().to_string(),
        port: socket.port,
        state: socket.state.as_str(),
        uid: socket.uid,
        user: &socket.user,
    }
}

pub fn container(
    container: &Container,
    outcome: &'static str,
    elapsed: Option<Duration>,
) -> impl Serialize {
    let compose = container.compose.as_ref();
    object! {
        id: &container.id,
        name: &container.name,
        image: &container.image,
        ports: each(&container.ports, |port| object! {
            protocol: port.protocol.as_str(),
            address: port.ip,
            host_port: port.host_port,
            container_port: port.container_port,
        }),
        compose_project: compose.map(|compose| &compose.project),
        compose_service: compose.map(|compose| &compose.service),
        restart_policy: &container.restart_policy,
        engine: &container.engine,
        outcome: outcome,
        elapsed_ms: elapsed.map(millis),
    }
}

/// Milliseconds with three decimals.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// One object for each, made when its turn comes to be written: of thousands of ports, each may tell of thousands.
pub fn each<'a, T, U: Serialize>(items: &'a [T], object: impl Fn(&'a T) -> U) -> impl Serialize {
    struct Each<'a, T, F> {
        items: &'a [T],
        object: F,
    }
    impl<'a, T, U: Serialize, F: Fn(&'a T) -> U> Serialize for Each<'a, T, F> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.items.iter().map(&self.object))
        }
    }
    Each { items, object }
}

/// One object for each.
pub fn all<'a, T, U>(items: &'a [T], object: impl FnMut(&'a T) -> U) -> Vec<U> {
    items.iter().map(object).collect()
}
