//! Plain data: containers that publish ports, and the engines that run them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::next_step::Advice;
use crate::protocol::Protocol;
use crate::target::{Address, Target};

/// A container that publishes at least one port of this host, as its engine describes it.
///
/// All text comes from the engine, and names and labels from whoever made the container: treat them as hostile input and
/// escape them before they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Container {
    /// The full ID: 64 hexadecimal digits as a rule.
    pub id: String,
    /// The name, without the leading slash of Docker's API. Empty where the engine tells none.
    pub name: String,
    /// The image that it was started from.
    pub image: String,
    /// The ports that it publishes, TCP and UDP, sorted. Its clones share them: there may be thousands, and an answer about each.
    pub ports: Arc<[PublishedPort]>,
    /// The compose project and service that it belongs to.
    pub compose: Option<Compose>,
    /// The restart policy: `always`, `unless-stopped`, `on-failure`. `None` if it has none, or the engine was not asked.
    pub restart_policy: Option<String>,
    /// What the engine says that it is doing: `running`, `paused` and others.
    pub state: String,
    /// The engine's address, such as `unix:///var/run/docker.sock`.
    pub engine: String,
    /// Where to reach the engine.
    pub(crate) endpoint: Endpoint,
    /// The signal that the engine's stop begins with, if the container names one.
    pub(crate) stop_signal: Option<String>,
}

impl Container {
    /// The ID as people know it: the first 12 digits.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// The name, or the short ID where there is no name.
    #[must_use]
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() {
            self.short_id()
        } else {
            &self.name
        }
    }

    /// Whether it publishes the target.
    #[must_use]
    pub fn publishes(&self, target: &Target) -> bool {
        self.ports_for(target).next().is_some()
    }

    /// The ports that serve the target. They are sorted, and a container may publish all that there are.
    pub fn ports_for(&self, target: &Target) -> impl Iterator<Item = &PublishedPort> {
        let start = self
            .ports
            .partition_point(|port| port.host_port < target.port());
        self.ports
            .iter()
            .skip(start)
            .take_while(|port| port.host_port == target.port())
            .filter(|port| port.serves(target))
    }

    /// Whether both publish the same port on addresses that exclude each other. Only one of them can be telling the
    /// truth then.
    pub(crate) fn contradicts(&self, other: &Self, target: &Target) -> bool {
        self.ports_for(target)
            .any(|port| other.ports_for(target).any(|theirs| port.overlaps(theirs)))
    }
}

impl fmt::Display for Container {
    /// `container web (nginx:1.27, 0123456789ab)`, and the compose service if there is one
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "container {} ({}, {})",
            self.display_name(),
            self.image,
            self.short_id()
        )?;
        if let Some(compose) = &self.compose {
            write!(f, ", {compose}")?;
        }
        Ok(())
    }
}

/// A container that was ended by its engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedContainer {
    /// The container as it was before.
    pub container: Container,
    /// From the order to the engine's word that it has ended.
    pub elapsed: std::time::Duration,
    /// Whether it was killed at once, and not stopped.
    pub killed: bool,
}

/// A port of the host that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PublishedPort {
    /// The port on this host.
    pub host_port: u16,
    /// The port inside the container.
    pub container_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address of this host; `None` where the engine names none, which means all of them.
    pub ip: Option<IpAddr>,
}

impl PublishedPort {
    /// Whether a connection to the target would arrive here.
    #[must_use]
    pub fn serves(&self, target: &Target) -> bool {
        if self.host_port != target.port()
            || target
                .protocol()
                .is_some_and(|protocol| protocol != self.protocol)
        {
            return false;
        }
        match target.address() {
            None => true,
            Some(Address::Ip(address)) => self.covers(address),
            Some(Address::OnInterface(address, _)) => self.covers(IpAddr::V6(address)),
            Some(Address::Localhost) => {
                self.covers(IpAddr::V4(Ipv4Addr::LOCALHOST))
                    || self.covers(IpAddr::V6(Ipv6Addr::LOCALHOST))
            }
        }
    }

    fn covers(&self, address: IpAddr) -> bool {
        match self.ip.map(|ip| ip.to_canonical()) {
            None => true,
            // Engines list an IPv4 and an IPv6 wildcard as two entries, so each stands for its own family.
            Some(ip) if ip.is_unspecified() => ip.is_ipv4() == address.is_ipv4(),
            Some(ip) => {
                ip == address || (address.is_unspecified() && ip.is_ipv4() == address.is_ipv4())
            }
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.host_port == other.host_port
            && self.protocol == other.protocol
            && other.ip.is_none_or(|ip| self.covers(ip.to_canonical()))
    }
}

impl fmt::Display for PublishedPort {
    /// `127.0.0.1:8080->80/tcp`, as `docker ps` writes it
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            None => {}
        }
        write!(
            f,
            "{}->{}/{}",
            self.host_port, self.container_port, self.protocol
        )
    }
}

/// The place of a container in a compose project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compose {
    /// The project's name.
    pub project: String,
    /// The service's name; empty where the engine tells none.
    pub service: String,
    /// The folder of the project, where the engine tells one.
    pub folder: Option<PathBuf>,
}

impl fmt::Display for Compose {
    /// `compose service shop/web`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.service.is_empty() {
            write!(f, "compose project {}", self.project)
        } else {
            write!(f, "compose service {}/{}", self.project, self.service)
        }
    }
}

/// Whether containers that publish a target are stopped: see [`KillOptions::containers`](crate::KillOptions::containers).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Containers {
    /// No engine is asked. A forwarder is never signalled all the same.
    #[default]
    Never,
    /// Where a forwarder holds the target, or a socket of which no holder can be seen, or nothing at all, the engines
    /// are asked, and the containers that publish it are stopped by them.
    Auto,
    /// Containers are stopped, and no process is signalled.
    Only,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A named pipe of Windows.
    Pipe(PathBuf),
}

impl Endpoint {
    /// The address in the form of `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Pipe(path) => {
                format!("npipe://{}", path.display().to_string().replace('\\', "/"))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Unix(path) | Self::Pipe(path) => path,
        }
    }

    /// What people call the engine there, going by its address alone.
    pub(crate) fn engine_name(&self) -> &'static str {
        let path = self.path().to_string_lossy().to_ascii_lowercase();
        [
            ("podman", "Podman"),
            ("orbstack", "OrbStack"),
            ("colima", "Colima"),
            ("/.rd/", "Rancher Desktop"),
            ("desktop", "Docker Desktop"),
        ]
        .iter()
        .find(|(part, _)| path.contains(part))
        .map_or("Docker", |(_, name)| name)
    }
}

/// Why a container engine could not be asked, or did not do as it was told.
///
/// It displays as one sentence. The texts of an engine are in it as they came, cut to a few hundred characters: escape
/// them before they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineError {
    /// The engine's address, such as `unix:///var/run/docker.sock`. Empty where no engine is meant.
    pub engine: String,
    /// What went wrong.
    pub kind: EngineErrorKind,
    /// What to do about it, where something can be said.
    pub help: Option<Advice>,
    pub(crate) message: String,
}

/// What went wrong with a container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// This user may not use the engine's socket.
    NotPermitted,
    /// There is a socket, and nobody listens on it.
    NotRunning,
    /// It did not answer in time.
    NotAnswering,
    /// What it answered is not understood.
    NotUnderstood,
    /// It answered with an error of its own.
    Refused,
    /// It is on another host, whose ports are not this host's. It was not contacted.
    Remote,
    /// Containers of two engines claim the same port, and only one of them can be right.
    Ambiguous,
    /// A forwarder holds the port, and no engine that could be asked publishes it.
    NoContainer,
    /// A forwarder holds the port whose engine is gone, and no engine that could be asked publishes it.
    Orphan,
    /// The engine ended the container, or said so, and the port is published still or again.
    StillPublished,
    /// It publishes the port by a container whose compose project is not in the folder asked for, or that has none.
    Outside,
    /// It publishes the port by a container that was not among those agreed to.
    NotAgreed,
}

impl EngineErrorKind {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotPermitted => "engine_not_permitted",
            Self::NotRunning => "engine_not_running",
            Self::NotAnswering => "engine_not_answering",
            Self::NotUnderstood => "engine_not_understood",
            Self::Refused => "engine_refused",
            Self::Remote => "engine_remote",
            Self::Ambiguous => "engine_ambiguous",
            Self::NoContainer => "no_container",
            Self::Orphan => "orphan",
            Self::StillPublished => "still_published",
            Self::Outside => "outside",
            Self::NotAgreed => "not_agreed",
        }
    }
}

impl EngineError {
    /// The sentence without what to do about it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl std::error::Error for EngineError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: Option<&str>) -> PublishedPort {
        PublishedPort {
            host_port: 8080,
            container_port: 80,
            protocol: Protocol::Tcp,
            ip: ip.map(|ip| ip.parse().expect("an address")),
        }
    }

    fn target(address: Option<Address>) -> Target {
        let any = Target::new(8080);
        address.map_or(any, |address| any.with_address(address))
    }

    fn at(ip: &str) -> Target {
        target(Some(Address::Ip(ip.parse().expect("an address"))))
    }

    #[test]
    fn a_published_port_serves_the_addresses_that_it_covers() {
        assert!(port(None).serves(&at("127.0.0.1")));
        assert!(port(None).serves(&at("::1")));
        assert!(port(Some("0.0.0.0")).serves(&at("192.0.2.1")));
        assert!(!port(Some("0.0.0.0")).serves(&at("::1")));
        assert!(port(Some("::")).serves(&at("::1")));
        assert!(!port(Some("127.0.0.1")).serves(&at("127.0.0.2")));
        assert!(port(Some("127.0.0.1")).serves(&target(None)));
        assert!(port(Some("::1")).serves(&target(Some(Address::Localhost))));
        assert!(!port(Some("192.0.2.1")).serves(&target(Some(Address::Localhost))));
    }

    #[test]
    fn another_protocol_or_port_is_another_target() {
        let udp = Target::new(8080).with_protocol(Protocol::Udp);
        assert!(!port(None).serves(&udp));
        assert!(!port(None).serves(&Target::new(8081)));
    }

    #[test]
    fn published_ports_print_as_people_know_them() {
        assert_eq!(port(Some("::")).to_string(), "[::]:8080->80/tcp");
        assert_eq!(port(None).to_string(), "8080->80/tcp");
    }
}
