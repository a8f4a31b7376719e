//! Why a port can't be bound, and what to do about it, when ending a process is not the answer or not the whole of it.

mod bind;
mod cause;
mod origin;
mod programs;

pub use bind::{BindError, BindProbe};
pub use cause::Cause;
pub(crate) use cause::service;
pub use origin::{Origin, Provenance};
pub(crate) use origin::{quoted, socket_command, stop_command, unit_restarts};
pub(crate) use programs::{kill_command, may_supervise, supervisor_command};

use std::collections::HashSet;
use std::io;

use crate::connection::Connection;
use crate::discovery::{Discovery, Sight};
use crate::plan::Plan;
use crate::socket::{Holder, Survey};
use crate::target::Target;

/// Everything that can be said about a target. Nobody was signalled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// What it is about.
    pub target: Target,
    /// The sockets that hold the target, and who has them.
    pub survey: Survey,
    /// What a kill would do.
    pub plan: Plan,
    /// Where each holder of the survey comes from, in the same order.
    pub provenance: Vec<Provenance>,
    /// Who holds the target in another network namespace, as servers in containers do whose ports are not published: nobody reaches
    /// them through this machine's own addresses, and nothing there is in the way of a bind. Only looked for where nobody holds
    /// it in this one, and on Linux; other users' are seen by root alone.
    pub elsewhere: Vec<Holder>,
    /// The sockets that use the port without holding it.
    pub connections: Vec<Connection>,
    /// What the kernel answered when the target was bound, with and without `SO_REUSEADDR`, over each protocol and address family.
    /// Each socket was closed at once, and none ever listened.
    pub bind: Vec<BindProbe>,
    /// Why the target can't be bound, beside the holders of the survey that a kill would end: only what was seen.
    pub causes: Vec<Cause>,
}

impl Explanation {
    /// Whether every bind succeeded, in at least one of the two ways.
    #[must_use]
    pub fn can_be_bound(&self) -> bool {
        self.bind.iter().all(|probe| {
            probe.result.is_ok()
                || self.bind.iter().any(|other| {
                    (other.protocol, other.address) == (probe.protocol, probe.address)
                        && other.result.is_ok()
                })
        })
    }
}

crate::users::users_in! {
    Provenance: ancestry, session_leader;
    Explanation: survey, plan, provenance, causes;
}

/// Everything about a target, from one look at it.
pub(crate) fn explained(
    discovery: &mut Discovery,
    plan: Plan,
    sight: Sight,
) -> io::Result<Explanation> {
    let target = plan.target;
    let provenance = origin::provenance(&mut discovery.people, target, &sight);
    let uses = sight.uses.clone();
    let survey = discovery.survey(sight);
    let connections: Vec<Connection> = uses.iter().map(|used| used.connection.clone()).collect();
    let bind = bind::probe(target, &survey, &connections);
    let causes = cause::find(target, &survey, &uses, &discovery.people.crowd, &bind)?;
    Ok(Explanation {
        target,
        survey,
        plan,
        provenance,
        elsewhere: Vec::new(),
        connections,
        bind,
        causes,
    })
}

/// Adds who holds those targets in other network namespaces that nobody holds in this one, with one look for all.
pub(crate) fn look_elsewhere(
    discovery: &mut Discovery,
    explanations: &mut [Explanation],
) -> io::Result<()> {
    let free = || explanations.iter().filter(|one| one.survey.is_free());
    let ports: HashSet<u16> = free().map(|one| one.target.port()).collect();
    if ports.is_empty() {
        return Ok(());
    }
    let elsewhere = discovery.elsewhere(&ports)?;
    for one in explanations.iter_mut().filter(|one| one.survey.is_free()) {
        one.elsewhere = elsewhere
            .iter()
            .filter_map(|holder| on(one.target, holder))
            .collect();
    }
    Ok(())
}

/// The holder with those sockets that are in the target.
fn on(target: Target, holder: &Holder) -> Option<Holder> {
    let mut own = holder.clone();
    own.sockets.retain(|socket| socket.blocks(target));
    (!own.sockets.is_empty()).then_some(own)
}

impl Explanation {
    /// Whether the port is in use and nothing was seen that uses it.
    pub(crate) fn is_puzzling(&self) -> bool {
        let in_use = |probe: &BindProbe| {
            let error = probe.result.as_ref().err();
            error.is_some_and(|error| error.kind == io::ErrorKind::AddrInUse)
        };
        self.survey.is_free() && self.causes.is_empty() && self.bind.iter().any(in_use)
    }
}
