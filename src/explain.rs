//! Why a port can't be bound, and what to do about it, when ending a process is not the answer or not the whole of it.

mod bind;
mod cause;
mod origin;
mod programs;

pub use bind::{BindError, BindProbe};
pub use cause::{Cause, LingeringState};
pub use origin::{Origin, Provenance};
pub(crate) use origin::{socket_command, stop_command};

use std::io;

use crate::connection::Connection;
use crate::error::Error;
use crate::options::KillOptions;
use crate::outcome::Plan;
use crate::survey::{Survey, survey};
use crate::sys::{self, Ports};
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

/// Why the target can't be bound, who holds it and where they come from, with the plan of [`KillOptions::new`].
///
/// Beside a [`survey`], it reads the ancestry of each holder (on Linux also control groups, and what systemd tells), asks for the connections of the port, and
/// tries to bind the target; see [`Explanation::bind`]. Over UDP, and over TCP on Windows, `SO_REUSEADDR` is left out while
/// somebody holds the target, because there it would take datagrams or connections away from them.
///
/// # Errors
/// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
pub fn explain(target: impl Into<Target>) -> Result<Explanation, Error> {
    KillOptions::new().explain(target)
}

impl KillOptions {
    /// [`explain`], with the plan of these options.
    ///
    /// # Errors
    /// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
    pub fn explain(&self, target: impl Into<Target>) -> Result<Explanation, Error> {
        let target = target.into();
        let mut explanation = self.look(target)?;
        // What was in the way of the bind may have come after the survey: then it is seen now.
        if explanation.is_puzzling() {
            explanation = self.look(target)?;
        }
        Ok(explanation)
    }

    fn look(&self, target: Target) -> Result<Explanation, Error> {
        let failed = |error: io::Error| Error::system(target, "looking at connections", error);
        let survey = survey(target)?;
        let plan = self.plan(target)?;
        let ports = [(target.port, target.protocol)];
        let mut connections = Vec::new();
        sys::surroundings::connections(Ports::These(&ports), &mut connections).map_err(failed)?;
        connections.retain(|connection| target.covers(connection.local.ip()));
        connections.sort_by_key(|connection| (connection.protocol, connection.state));
        let bind = bind::probe(target, &survey, &connections);
        let causes = cause::find(target, &survey, &connections, &bind).map_err(failed)?;
        Ok(Explanation {
            provenance: origin::provenance(target, &survey),
            target,
            survey,
            plan,
            connections,
            bind,
            causes,
        })
    }
}

impl Explanation {
    /// Whether the port is in use and nothing was seen that uses it.
    fn is_puzzling(&self) -> bool {
        let in_use = |probe: &BindProbe| {
            probe
                .result
                .as_ref()
                .is_err_and(|error| error.kind == io::ErrorKind::AddrInUse)
        };
        self.survey.is_free() && self.causes.is_empty() && self.bind.iter().any(in_use)
    }
}
