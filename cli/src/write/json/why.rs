//! What only `--why` looks at.

use kill_port::{Explanation, Provenance};
use serde::Serialize;

use crate::answer::by_state;
use crate::next_step;
use crate::write::json::object::object;
use crate::write::json::parts::{all, holder, millis, parent};

pub fn why(explanation: &Explanation) -> impl Serialize {
    object! {
        can_be_bound: explanation.can_be_bound(),
        would_be_freed: explanation.plan.would_free(),
        provenance: all(&explanation.provenance, provenance),
        elsewhere: all(&explanation.elsewhere, |other| holder(&other.process, &other.sockets, None)),
        connections: connections(explanation),
        bind: all(&explanation.bind, |probe| object! {
            protocol: probe.protocol.as_str(),
            address: probe.address.to_string(),
            reuse_address: probe.reuse_address,
            error: probe.result.as_ref().err().map(ToString::to_string),
            code: probe.result.as_ref().err().and_then(|error| error.code),
        }),
        causes: all(&explanation.causes, |cause| object! {
            kind: cause.kind(),
            message: cause.to_string(),
            help: next_step::against(cause, explanation.target),
        }),
    }
}

fn provenance(provenance: &Provenance) -> impl Serialize {
    object! {
        pid: provenance.pid,
        ancestry: all(&provenance.ancestry, parent),
        breaks_off: provenance.breaks_off,
        session_leader: provenance.session_leader.as_ref().map(parent),
        origins: all(&provenance.origins, |origin| object! {
            kind: origin.kind(),
            description: origin.to_string(),
            pid: origin.process().map(|process| process.pid),
        }),
        brought_back_by: &provenance.brought_back_by,
        stop_command: &provenance.stop_command,
    }
}

fn connections(explanation: &Explanation) -> Vec<impl Serialize> {
    let groups = by_state(explanation).into_iter();
    let objects = groups.map(|((protocol, state), group)| {
        let longest = group.iter().filter_map(|connection| connection.remaining);
        object! {
            protocol: protocol.as_str(),
            state: state.as_str(),
            count: group.len(),
            longest_ms: longest.max().map(millis),
        }
    });
    objects.collect()
}
