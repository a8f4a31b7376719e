//! What only `--why` looks at.

use std::net::IpAddr;

use kill_port::Explanation;
use serde::Serialize;

use crate::answer::by_state;
use crate::next_step;
use crate::write::json::parts::{Parent, all, millis};

#[derive(Debug, Serialize)]
pub struct Why<'a> {
    can_be_bound: bool,
    would_be_freed: bool,
    provenance: Vec<Provenance<'a>>,
    connections: Vec<Connections>,
    bind: Vec<Bind>,
    causes: Vec<Cause>,
}

#[derive(Debug, Serialize)]
struct Provenance<'a> {
    pid: u32,
    ancestry: Vec<Parent<'a>>,
    breaks_off: Option<u32>,
    session_leader: Option<Parent<'a>>,
    origins: Vec<Origin>,
    brought_back_by: Option<&'a str>,
    stop_command: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Origin {
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
    address: IpAddr,
    reuse_address: bool,
    error: Option<String>,
    code: Option<i32>,
}

#[derive(Debug, Serialize)]
struct Cause {
    kind: &'static str,
    message: String,
    help: String,
}

impl<'a> Why<'a> {
    pub fn new(explanation: &'a Explanation) -> Self {
        Self {
            can_be_bound: explanation.can_be_bound(),
            would_be_freed: explanation.plan.would_free(),
            provenance: all(&explanation.provenance, Provenance::new),
            connections: by_state(explanation)
                .into_iter()
                .map(|((protocol, state), group)| Connections {
                    protocol: protocol.as_str(),
                    state: state.as_str(),
                    count: group.len(),
                    longest_ms: group
                        .iter()
                        .filter_map(|one| one.remaining)
                        .max()
                        .map(millis),
                })
                .collect(),
            bind: all(&explanation.bind, |probe| Bind {
                protocol: probe.protocol.as_str(),
                address: probe.address,
                reuse_address: probe.reuse_address,
                error: probe.result.as_ref().err().map(ToString::to_string),
                code: probe.result.as_ref().err().and_then(|error| error.code),
            }),
            causes: all(&explanation.causes, |cause| Cause {
                kind: cause.kind(),
                message: cause.to_string(),
                help: next_step::against(cause, explanation.target),
            }),
        }
    }
}

impl<'a> Provenance<'a> {
    fn new(provenance: &'a kill_port::Provenance) -> Self {
        Self {
            pid: provenance.pid,
            ancestry: all(&provenance.ancestry, Parent::new),
            breaks_off: provenance.breaks_off,
            session_leader: provenance.session_leader.as_ref().map(Parent::new),
            origins: all(&provenance.origins, |origin| Origin {
                kind: origin.kind(),
                description: origin.to_string(),
                pid: origin.process().map(|process| process.pid),
            }),
            brought_back_by: provenance.brought_back_by.as_deref(),
            stop_command: provenance.stop_command.as_deref(),
        }
    }
}
