//! What can go wrong between a container engine and this process.

use std::fmt;
use std::io;

use super::engine::group_of;
use super::http::HttpError;
use crate::container::{Endpoint, EngineError, EngineErrorKind};
use crate::next_step::Advice;
use crate::target::Target;

/// As much of an engine's text as belongs in a message.
const TEXT_LIMIT: usize = 400;

impl EngineError {
    pub(crate) fn new(endpoint: &Endpoint, kind: EngineErrorKind, what: impl fmt::Display) -> Self {
        Self {
            engine: endpoint.address(),
            kind,
            help: None,
            message: format!(
                "{} at {} {what}",
                endpoint.engine_name(),
                endpoint.path().display()
            ),
        }
    }

    pub(super) fn from_http(endpoint: &Endpoint, error: &HttpError) -> Self {
        match error {
            HttpError::Io(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => Self::not_permitted(endpoint),
                io::ErrorKind::TimedOut => Self::not_answering(endpoint),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Self::new(endpoint, EngineErrorKind::NotRunning, "does not run")
                }
                _ => Self::new(
                    endpoint,
                    EngineErrorKind::NotUnderstood,
                    format_args!("broke the connection off: {error}"),
                ),
            },
            HttpError::Nonsense(what) => Self::new(
                endpoint,
                EngineErrorKind::NotUnderstood,
                format_args!("is not understood: {what}"),
            ),
        }
    }

    pub(crate) fn not_permitted(endpoint: &Endpoint) -> Self {
        let mut error = Self::new(
            endpoint,
            EngineErrorKind::NotPermitted,
            "may not be used by this user",
        );
        error.help = Some(Advice::Text(if cfg!(windows) {
            "use a terminal that runs as administrator, or join the group docker-users".to_owned()
        } else {
            match group_of(endpoint.path()) {
                Some(group) => format!("use sudo, or join the group {group}"),
                None => "use sudo".to_owned(),
            }
        }));
        error
    }

    pub(super) fn not_believed(endpoint: &Endpoint, count: usize, target: Target) -> Self {
        let what = format!("names {count} containers that publish port {target}, which can't be");
        let mut error = Self::new(endpoint, EngineErrorKind::NotUnderstood, what);
        error.help = Some(text("look whether the engine is well, or start it again"));
        error
    }

    /// Nobody knows whether there is an engine.
    pub(crate) fn places_unknown() -> Self {
        Self {
            engine: String::new(),
            kind: EngineErrorKind::NotAnswering,
            help: Some(text(
                "look whether a home, or the folder that DOCKER_CONFIG names, lies on storage that hangs",
            )),
            message: "whether there are container engines can't be told: a folder that tells where they are does not answer within a second"
                .to_owned(),
        }
    }

    pub(crate) fn not_answering(endpoint: &Endpoint) -> Self {
        let mut error = Self::new(
            endpoint,
            EngineErrorKind::NotAnswering,
            "does not answer within two seconds",
        );
        error.help = Some(text("look whether the engine is well, or start it again"));
        error
    }

    pub(crate) fn refused(endpoint: &Endpoint, status: u16, text: &str) -> Self {
        let text: String = text.trim().chars().take(TEXT_LIMIT).collect();
        let what = if text.is_empty() {
            format!("answered with status {status}")
        } else {
            format!("answered with status {status}: {text}")
        };
        Self::new(endpoint, EngineErrorKind::Refused, what)
    }

    pub(crate) fn remote(address: &str) -> Self {
        Self {
            engine: address.to_owned(),
            kind: EngineErrorKind::Remote,
            help: Some(text(
                "name an engine of this host by DOCKER_HOST or by the Docker context",
            )),
            message: format!("the engine at {address} is another host's and was not asked"),
        }
    }

    pub(crate) fn no_container(asked: usize) -> Self {
        let (message, help) = if asked == 0 {
            (
                "no container engine was found on this machine",
                "name the engine's socket by DOCKER_HOST",
            )
        } else {
            (
                "no container engine that was asked publishes the port",
                "if its engine has another socket, name that by DOCKER_HOST; if the container is gone, start the engine again",
            )
        };
        Self {
            engine: String::new(),
            kind: EngineErrorKind::NoContainer,
            help: Some(text(help)),
            message: message.to_owned(),
        }
    }

    /// No engine knows a container for the forwarder, and the one that had started it is gone.
    pub(crate) fn orphan() -> Self {
        Self {
            engine: String::new(),
            kind: EngineErrorKind::Orphan,
            help: None,
            message:
                "its forwarder is an orphan: no engine is above it, and none publishes the port"
                    .to_owned(),
        }
    }
}

fn text(help: &str) -> Advice {
    Advice::Text(help.to_owned())
}
