#![doc = include_str!("../README.md")]

mod advice;
mod connection;
#[cfg(feature = "containers")]
mod container;
#[cfg(feature = "containers")]
pub mod containers;
mod discovery;
mod editor;
mod error;
mod escalation;
mod event;
mod explain;
mod filtration;
mod forwarder;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod include;
mod interface;
mod names;
mod next_step;
mod options;
mod plan;
mod printable;
mod process;
mod protocol;
mod report;
mod short_command;
mod signal;
mod socket;
mod stop_signal;
mod supervisor;
mod sys;
mod target;
mod users;
mod verbs;
mod verification;

pub use connection::{Connection, ConnectionState, LingeringState};
pub use error::{Error, Obstacle};
pub use event::Event;
pub use explain::{BindError, BindProbe, Cause, Explanation, Origin, Provenance};
pub use include::Include;
pub use next_step::Advice;
pub use options::KillOptions;
pub use plan::Plan;
pub use printable::printable;
pub use process::Process;
pub use protocol::Protocol;
pub use report::{Fate, Freed, HolderReport, SparedReason};
pub use signal::{ParseSignalError, Signal};
pub use socket::{HiddenCause, HiddenSocket, Holder, Socket, SocketState, Survey};
pub use supervisor::{Restarts, Supervisor};
pub use target::{Address, ParseTargetError, ParseTargetErrorKind, Target};
pub use verbs::{explain, is_local, survey, survey_all, survey_each};

/// Frees a port: ends every process that listens on it, over TCP and UDP, on any address.
///
/// Blocks until the port is free or it is certain that it can't be freed. Each try is logged through [`log`]; a failure is
/// only logged too, as an error, since there is nothing to return it in. Use [`KillOptions::kill`] to learn what happened,
/// to choose signals and patience, or to cancel.
///
/// Holders are sent SIGTERM (PostgreSQL and uWSGI: SIGINT), and SIGKILL after ten tries of a second; on Windows their process trees are ended at once. The
/// caller and its ancestors are never signalled, nor are editors and the forwarders of containers. Port 0 is nobody's port, and nothing happens.
pub fn kill_port(port: u16) {
    match KillOptions::new().kill(port) {
        Ok(freed) if freed.was_free() => {
            log::info!(target: "kill_port", "port {port} was free already")
        }
        Ok(freed) => {
            log::info!(target: "kill_port", "port {port} is free; {} ended", freed.ended.len())
        }
        Err(error) => match std::error::Error::source(&error) {
            Some(source) => log::error!(target: "kill_port", "{error}: {source}"),
            None => log::error!(target: "kill_port", "{error}"),
        },
    }
}

/// The Rust blocks of the documents compile. None of them is run: that would end a server of whoever runs the tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../readme/en.md")]
    mod english {}

    #[doc = include_str!("../readme/zh.md")]
    mod chinese {}
}
