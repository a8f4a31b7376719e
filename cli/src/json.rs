//! `--json`: the same answers for programs. `cli/schema.json` describes them.
//!
//! Fields may be added without a new `schema_version`, and new words where a field holds one of several; nothing is
//! renamed, removed or given another meaning.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::time::Duration;

use kill_port::containers::{Container, StoppedContainer};
use kill_port::{
    Error, Explanation, Fate, Freed, Holder, HolderReport, Obstacle, Plan, Process, Provenance,
    Socket, Target, printable,
};
use serde::Serialize;

use crate::exit::Exit;
use crate::list::Listing;
use crate::output;
use crate::time;

const SCHEMA_VERSION: u32 = 1;

/// The one object that is printed.
#[derive(Debug, Serialize)]
pub struct Document {
    schema_version: u32,
    ports: Vec<Port>,
    /// What went wrong and belongs to none of the ports.
    errors: Vec<Trouble>,
}

#[derive(Debug, Serialize)]
pub struct Port {
    port: u16,
    protocol: Option<&'static str>,
    address: Option<String>,
    outcome: &'static str,
    elapsed_ms: Option<f64>,
    errors: Vec<Trouble>,
    holders: Vec<Held>,
    hidden: Vec<Unseen>,
    /// Containers that publish it: stopped, or to be stopped.
    containers: Vec<Packed>,
    /// Parents that may start a holder again; only a dry run looks for them.
    supervisors: Vec<Parent>,
    /// What only `--why` looks at.
    why: Option<Why>,
}

#[derive(Debug, Serialize)]
struct Why {
    can_be_bound: bool,
    would_be_freed: bool,
    provenance: Vec<Story>,
    connections: Vec<Connections>,
    bind: Vec<Bind>,
    causes: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Story {
    pid: u32,
    ancestry: Vec<Parent>,
    breaks_off: Option<u32>,
    session_leader: Option<Parent>,
    origins: Vec<Beginning>,
    brought_back_by: Option<String>,
    stop_command: Option<String>,
}

#[derive(Debug, Serialize)]
struct Beginning {
    kind: &'static str,
    description: String,
    pid: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Connections {
    protocol: &'static str,
    state: &'static str,
    count: usize,
    longest_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Bind {
    protocol: &'static str,
    address: String,
    reuse_address: bool,
    error: Option<String>,
    code: Option<i32>,
}

#[derive(Debug, Serialize)]
struct Reason {
    kind: &'static str,
    message: String,
    help: String,
}

#[derive(Debug, Serialize)]
struct Trouble {
    kind: &'static str,
    message: String,
    help: Option<String>,
    pid: Option<u32>,
    supervisor: Option<Parent>,
    unit: Option<String>,
}

#[derive(Debug, Serialize)]
struct Parent {
    pid: u32,
    name: String,
    command: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Held {
    pid: u32,
    name: String,
    command: Vec<String>,
    executable: Option<String>,
    cwd: Option<String>,
    user: Option<String>,
    uid: Option<u32>,
    parent_pid: Option<u32>,
    started: Option<String>,
    sockets: Vec<Listening>,
    signals: Vec<&'static str>,
    outcome: &'static str,
    reason: Option<&'static str>,
    elapsed_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Packed {
    id: String,
    name: String,
    image: String,
    ports: Vec<Published>,
    compose_project: Option<String>,
    compose_service: Option<String>,
    restart_policy: Option<String>,
    engine: String,
    outcome: &'static str,
    elapsed_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Published {
    protocol: &'static str,
    address: Option<String>,
    host_port: u16,
    container_port: u16,
}

#[derive(Debug, Serialize)]
struct Listening {
    protocol: &'static str,
    address: String,
    port: u16,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct Unseen {
    #[serde(flatten)]
    socket: Listening,
    uid: Option<u32>,
    user: Option<String>,
}

impl Document {
    /// The answers about these ports, and errors that belong to none of them.
    pub fn new<'a>(ports: Vec<Port>, errors: impl Iterator<Item = &'a Error>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            ports,
            errors: errors.flat_map(troubles).collect(),
        }
    }

    /// Prints it: on one line for programs, indented for people.
    pub fn print(&self) -> Exit {
        let indented = std::io::stdout().is_terminal();
        let text = if indented {
            serde_json::to_string_pretty(self)
        } else {
            serde_json::to_string(self)
        };
        match text {
            Ok(text) => output::document(&format!("{}\n", escape(&text))),
            Err(error) => {
                output::error_line(&format!("JSON: {error}"));
                Exit::Failed
            }
        }
    }
}

impl Port {
    fn new(target: Target, outcome: &'static str) -> Self {
        Self {
            port: target.port,
            protocol: target.protocol.map(|protocol| protocol.as_str()),
            address: target.address.map(|address| address.to_string()),
            outcome,
            elapsed_ms: None,
            errors: Vec::new(),
            holders: Vec::new(),
            hidden: Vec::new(),
            containers: Vec::new(),
            supervisors: Vec::new(),
            why: None,
        }
    }

    /// What came of freeing it.
    pub fn freed(target: Target, result: &Result<Freed, Error>) -> Self {
        match result {
            Ok(freed) => {
                let outcome = if freed.was_free() {
                    "already_free"
                } else {
                    "freed"
                };
                Self {
                    elapsed_ms: Some(millis(freed.elapsed)),
                    holders: freed.ended.iter().map(Held::report).collect(),
                    containers: freed.containers.iter().map(Packed::stopped).collect(),
                    ..Self::new(target, outcome)
                }
            }
            Err(error) => Self {
                elapsed_ms: Some(millis(error.elapsed())),
                holders: error.holders().iter().map(Held::report).collect(),
                containers: error.containers().iter().map(Packed::stopped).collect(),
                ..Self::failed(target, "still_held", error)
            },
        }
    }

    /// What would come of freeing it.
    pub fn planned(target: Target, plan: &Result<Plan, Error>) -> Self {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return Self::failed(target, "would_fail", error),
        };
        let answer = match &plan.error {
            Some(error) => Self::failed(target, "would_fail", error),
            None if plan.holders.is_empty() && plan.containers.is_empty() => {
                Self::new(target, "already_free")
            }
            None => Self::new(target, "would_free"),
        };
        Self {
            holders: plan.holders.iter().map(Held::report).collect(),
            containers: plan
                .containers
                .iter()
                .map(|container| Packed::new(container, "would_stop"))
                .collect(),
            supervisors: plan.supervisors.iter().map(Parent::new).collect(),
            ..answer
        }
    }

    /// Who holds it.
    pub fn listed(listing: &Listing) -> Self {
        let outcome = if listing.is_free() {
            "already_free"
        } else {
            "held"
        };
        Self {
            holders: listing
                .holders
                .iter()
                .map(|holder| Held::new(holder, "seen"))
                .collect(),
            hidden: listing
                .hidden
                .iter()
                .map(|hidden| Unseen::new(&hidden.socket))
                .collect(),
            containers: listing
                .containers
                .iter()
                .map(|container| Packed::new(container, "seen"))
                .collect(),
            ..Self::new(listing.target, outcome)
        }
    }

    /// Everything about it. What would become of the holders comes from the plan.
    pub fn explained(target: Target, explanation: &Explanation) -> Self {
        let survey = &explanation.survey;
        let plan = &explanation.plan;
        let mut answer = Self::listed(&Listing {
            target,
            holders: survey.holders().to_vec(),
            hidden: survey.hidden().to_vec(),
            containers: plan.containers.clone(),
        });
        for held in &mut answer.holders {
            let report = plan
                .holders
                .iter()
                .find(|report| report.holder.process.pid == held.pid);
            if let Some(report) = report {
                *held = Held::report(report);
            }
        }
        Self {
            errors: plan.error.iter().flat_map(troubles).collect(),
            containers: plan
                .containers
                .iter()
                .map(|container| Packed::new(container, "would_stop"))
                .collect(),
            supervisors: plan.supervisors.iter().map(Parent::new).collect(),
            why: Some(Why::new(explanation)),
            ..answer
        }
    }

    fn failed(target: Target, outcome: &'static str, error: &Error) -> Self {
        let hidden = error
            .obstacles()
            .iter()
            .filter_map(|obstacle| match obstacle {
                Obstacle::Hidden { socket, .. } => Some(Unseen::new(socket)),
                _ => None,
            });
        Self {
            errors: troubles(error).collect(),
            hidden: hidden.collect(),
            ..Self::new(target, outcome)
        }
    }
}

fn troubles(error: &Error) -> impl Iterator<Item = Trouble> {
    let target = error.target();
    error.obstacles().iter().map(move |obstacle| {
        let (supervisor, unit) = match obstacle {
            Obstacle::Respawned {
                supervisor, unit, ..
            } => (supervisor.as_ref().map(Parent::new), unit.clone()),
            _ => (None, None),
        };
        Trouble {
            kind: obstacle.kind(),
            message: obstacle.to_string(),
            help: obstacle.help(target),
            pid: obstacle.holder().map(|holder| holder.process.pid),
            supervisor,
            unit,
        }
    })
}

impl Why {
    fn new(explanation: &Explanation) -> Self {
        let mut connections: BTreeMap<_, Connections> = BTreeMap::new();
        for connection in &explanation.connections {
            let (protocol, state) = (connection.protocol, connection.state);
            let entry = connections.entry((protocol, state)).or_insert(Connections {
                protocol: protocol.as_str(),
                state: state.as_str(),
                count: 0,
                longest_ms: None,
            });
            entry.count += 1;
            if let Some(remaining) = connection.remaining.map(millis) {
                entry.longest_ms = Some(entry.longest_ms.unwrap_or(0.0).max(remaining));
            }
        }
        let bind = explanation.bind.iter().map(|probe| Bind {
            protocol: probe.protocol.as_str(),
            address: probe.address.to_string(),
            reuse_address: probe.reuse_address,
            error: probe.result.as_ref().err().map(ToString::to_string),
            code: probe.result.as_ref().err().and_then(|error| error.code),
        });
        let causes = explanation.causes.iter().map(|cause| Reason {
            kind: cause.kind(),
            message: cause.to_string(),
            help: cause.remedy(explanation.target),
        });
        Self {
            can_be_bound: explanation.can_be_bound(),
            would_be_freed: explanation.plan.would_free(),
            provenance: explanation.provenance.iter().map(Story::new).collect(),
            connections: connections.into_values().collect(),
            bind: bind.collect(),
            causes: causes.collect(),
        }
    }
}

impl Story {
    fn new(provenance: &Provenance) -> Self {
        let origins = provenance.origins.iter().map(|origin| Beginning {
            kind: origin.kind(),
            description: origin.to_string(),
            pid: origin.process().map(|process| process.pid),
        });
        Self {
            pid: provenance.pid,
            ancestry: provenance.ancestry.iter().map(Parent::new).collect(),
            breaks_off: provenance.breaks_off,
            session_leader: provenance.session_leader.as_ref().map(Parent::new),
            origins: origins.collect(),
            brought_back_by: provenance.brought_back_by.clone(),
            stop_command: provenance.stop_command.clone(),
        }
    }
}

impl Parent {
    fn new(process: &Process) -> Self {
        Self {
            pid: process.pid,
            name: process.name.clone(),
            command: arguments(process),
        }
    }
}

impl Held {
    fn new(holder: &Holder, outcome: &'static str) -> Self {
        let process = &holder.process;
        Self {
            pid: process.pid,
            name: process.name.clone(),
            command: arguments(process),
            executable: process
                .executable
                .as_deref()
                .map(|path| text(path.as_os_str())),
            cwd: process.cwd.as_deref().map(|path| text(path.as_os_str())),
            user: process.user.clone(),
            uid: process.uid,
            parent_pid: process.parent_pid,
            started: process.started.map(time::rfc3339),
            sockets: holder.sockets.iter().map(Listening::new).collect(),
            signals: Vec::new(),
            outcome,
            reason: None,
            elapsed_ms: None,
        }
    }

    fn report(report: &HolderReport) -> Self {
        Self {
            signals: report.signals.iter().map(|signal| signal.name()).collect(),
            reason: match report.fate {
                Fate::Spared(reason) => Some(reason.as_str()),
                _ => None,
            },
            elapsed_ms: report.elapsed.map(millis),
            ..Self::new(&report.holder, report.fate.as_str())
        }
    }
}

impl Packed {
    fn new(container: &Container, outcome: &'static str) -> Self {
        let compose = container.compose.as_ref();
        let ports = container.ports.iter().map(|port| Published {
            protocol: port.protocol.as_str(),
            address: port.ip.map(|ip| ip.to_string()),
            host_port: port.host_port,
            container_port: port.container_port,
        });
        Self {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            ports: ports.collect(),
            compose_project: compose.map(|compose| compose.project.clone()),
            compose_service: compose.map(|compose| compose.service.clone()),
            restart_policy: container.restart_policy.clone(),
            engine: container.engine.clone(),
            outcome,
            elapsed_ms: None,
        }
    }

    fn stopped(stopped: &StoppedContainer) -> Self {
        let outcome = if stopped.killed { "killed" } else { "stopped" };
        Self {
            elapsed_ms: Some(millis(stopped.elapsed)),
            ..Self::new(&stopped.container, outcome)
        }
    }
}

impl Listening {
    fn new(socket: &Socket) -> Self {
        Self {
            protocol: socket.protocol.as_str(),
            address: socket.address.to_string(),
            port: socket.port,
            state: socket.state.as_str(),
        }
    }
}

impl Unseen {
    fn new(socket: &Socket) -> Self {
        Self {
            socket: Listening::new(socket),
            uid: socket.uid,
            user: socket.user.clone(),
        }
    }
}

fn arguments(process: &Process) -> Vec<String> {
    process
        .command
        .iter()
        .map(|argument| text(argument))
        .collect()
}

/// Invalid UTF-8 is replaced: JSON has no other bytes.
fn text(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// JSON itself escapes only ASCII's control characters. The others that could deceive a terminal are escaped as well: it is
/// the same JSON for a program. They stand only within strings, so the text need not be parsed.
fn escape(json: &str) -> Cow<'_, str> {
    let deceives = |character: char| {
        character >= '\u{7f}'
            && matches!(printable(character.encode_utf8(&mut [0; 4])), Cow::Owned(_))
    };
    if !json.chars().any(deceives) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if deceives(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_changes_nothing_for_a_program(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let escaped = escape(&json).into_owned();
            prop_assert_eq!(&serde_json::from_str::<String>(&escaped).unwrap(), &text);
            prop_assert!(matches!(printable(&escaped), Cow::Borrowed(_)), "{}", escaped);
        }
    }
}
