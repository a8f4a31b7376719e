//! Ports that containers publish: who publishes them, and how such a container is ended.
//!
//! Everything with Docker's API over a local socket counts: Docker with and without root, Podman, Docker Desktop,
//! OrbStack, Colima, Rancher Desktop. No engine is asked unless a forwarder holds the port, or nothing does and the port
//! is wanted all the same.
//!
//! # Why there is a small HTTP client of its own here
//! A kill takes three requests, each with one short answer. The usual client library (`bollard`) brings an asynchronous
//! runtime for that: 107 crates against 14, 60 s of build against 13 s, and 1.15 MB of program against 0.39 MB, measured
//! on the same task on two cores. In HTTP/1.0, which Docker and Podman answer as well, such an answer is some lines and
//! then the body until the connection ends: own code reads that, blocking, with a deadline, and `serde_json` the body.

mod api;
mod engine;
mod error;
#[cfg(all(test, unix))]
mod fixture;
mod http;
mod transport;

pub use crate::container::{
    Compose, Container, Containers, EngineError, EngineErrorKind, PublishedPort, StoppedContainer,
};

pub(crate) use api::{Ending, Stopping, end};
pub(crate) use engine::Engines;

use crate::container::Endpoint;
use crate::target::Target;

/// What a process that only forwards ports into containers is called (`docker-proxy`, `conmon`, `Docker Desktop`), or
/// `None` for every other process. Such a process is never signalled.
///
/// It goes by the names of the process, which the process itself may choose.
#[must_use]
pub fn forwarder(process: &crate::process::Process) -> Option<&'static str> {
    crate::forwarder::forwarder(process)
}

/// What the container engines of this machine say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The containers.
    pub containers: Vec<Container>,
    /// Engines that could not be asked, with the reasons. Their containers are missing above.
    pub errors: Vec<EngineError>,
}

/// Asks all container engines of this machine which running containers publish ports, and waits at most two seconds for
/// their answers.
///
/// Where no engine has a socket, nothing is asked and the answer comes at once. Remote engines (`DOCKER_HOST=ssh://…`)
/// are never asked.
#[must_use]
pub fn published() -> Published {
    let (containers, errors) = api::list(&Engines::find(&[]).local);
    Published { containers, errors }
}

impl Published {
    /// Those that publish this target.
    pub(crate) fn publishing(&self, target: Target) -> impl Iterator<Item = &Container> {
        let all = self.containers.iter();
        all.filter(move |container| container.publishes(&target))
    }
}

/// Asks these engines who publishes one of the targets, with restart policies and stop signals.
pub(crate) fn ask(engines: &[Endpoint], targets: &[Target]) -> Published {
    let (mut containers, errors) = api::list(engines);
    containers.retain(|container| targets.iter().any(|target| container.publishes(target)));
    api::inspect(&mut containers);
    Published { containers, errors }
}
