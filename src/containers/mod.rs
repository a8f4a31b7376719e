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
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
mod transport;

pub use crate::container::{
    Compose, Container, Containers, EngineError, EngineErrorKind, PublishedPort, StoppedContainer,
};

pub(crate) use api::{Ending, Stopping, end};
pub(crate) use engine::Engines;

use std::collections::{HashMap, HashSet};

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
    /// The places of the containers that publish a port: an engine may list very many.
    by_port: HashMap<u16, Vec<usize>>,
}

/// Asks all container engines of this machine which running containers publish ports, and waits at most two seconds for
/// their answers.
///
/// Where no engine has a socket, nothing is asked and the answer comes at once. Remote engines (`DOCKER_HOST=ssh://…`)
/// are never asked.
#[must_use]
pub fn published() -> Published {
    let engines = Engines::find(&[]);
    let (containers, mut errors) = api::list(&engines.local);
    errors.extend(engines.errors());
    Published::new(containers, errors)
}

impl Published {
    pub(crate) fn new(containers: Vec<Container>, errors: Vec<EngineError>) -> Self {
        let mut by_port: HashMap<u16, Vec<usize>> = HashMap::new();
        for (place, container) in containers.iter().enumerate() {
            for port in container.ports.iter() {
                let places = by_port.entry(port.host_port).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        Self {
            containers,
            errors,
            by_port,
        }
    }

    /// Those that publish this target.
    pub fn publishing(&self, target: Target) -> impl Iterator<Item = &Container> {
        let places = self.by_port.get(&target.port()).into_iter().flatten();
        places
            .filter_map(|&place| self.containers.get(place))
            .filter(move |container| container.publishes(&target))
    }
}

/// So many containers of one engine may publish a target: each has to have an address for itself. An engine that names more is not
/// believed.
const MOST: usize = 64;

/// Asks these engines who publishes one of the targets, with restart policies and stop signals.
pub(crate) fn ask(engines: &[Endpoint], targets: &[Target]) -> Published {
    let (containers, mut errors) = api::list(engines);
    let all = Published::new(containers, Vec::new());
    let mut wanted: Vec<&Container> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for &target in targets {
        let mut by_engine: HashMap<&Endpoint, Vec<&Container>> = HashMap::new();
        for container in all.publishing(target) {
            let of_engine = by_engine.entry(&container.endpoint).or_default();
            of_engine.push(container);
        }
        for (engine, found) in by_engine {
            if found.len() > MOST {
                errors.push(EngineError::not_believed(engine, found.len(), target));
                continue;
            }
            wanted.extend(found.into_iter().filter(|one| seen.insert(&one.id)));
        }
    }
    let mut containers: Vec<Container> = wanted.into_iter().cloned().collect();
    api::inspect(&mut containers);
    Published::new(containers, errors)
}
