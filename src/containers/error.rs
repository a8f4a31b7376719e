//! What can go wrong between a container engine and this process.

use std::fmt;
use std::io;

use super::engine::{Endpoint, group_of};
use super::http::HttpError;

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
    pub help: Option<String>,
    message: String,
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
    /// The engine ended the container, or said so, and the port is published still or again.
    StillPublished,
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
            Self::StillPublished => "still_published",
        }
    }
}

/// As much of an engine's text as belongs in a message.
const TEXT_LIMIT: usize = 400;

impl EngineError {
    pub(super) fn new(endpoint: &Endpoint, kind: EngineErrorKind, what: impl fmt::Display) -> Self {
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

    pub(super) fn not_permitted(endpoint: &Endpoint) -> Self {
        let mut error = Self::new(
            endpoint,
            EngineErrorKind::NotPermitted,
            "may not be used by this user",
        );
        error.help = Some(if cfg!(windows) {
            "use a terminal that runs as administrator, or join the group docker-users".to_owned()
        } else {
            match group_of(endpoint.path()) {
                Some(group) => format!("use sudo, or join the group {group}"),
                None => "use sudo".to_owned(),
            }
        });
        error
    }

    pub(super) fn not_answering(endpoint: &Endpoint) -> Self {
        let mut error = Self::new(
            endpoint,
            EngineErrorKind::NotAnswering,
            "does not answer within two seconds",
        );
        error.help = Some("look whether the engine is well, or start it again".to_owned());
        error
    }

    pub(super) fn refused(endpoint: &Endpoint, status: u16, text: &str) -> Self {
        let text: String = text.trim().chars().take(TEXT_LIMIT).collect();
        let what = if text.is_empty() {
            format!("answered with status {status}")
        } else {
            format!("answered with status {status}: {text}")
        };
        Self::new(endpoint, EngineErrorKind::Refused, what)
    }

    pub(super) fn remote(address: &str) -> Self {
        Self {
            engine: address.to_owned(),
            kind: EngineErrorKind::Remote,
            help: Some(
                "name an engine of this host by DOCKER_HOST or by the Docker context".to_owned(),
            ),
            message: format!("the engine at {address} is another host's and was not asked"),
        }
    }

    pub(super) fn no_container(asked: usize) -> Self {
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
            help: Some(help.to_owned()),
            message: message.to_owned(),
        }
    }

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
