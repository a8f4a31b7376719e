#![doc = include_str!("../README.md")]

mod connection;
#[cfg(feature = "containers")]
pub mod containers;
mod error;
mod escalation;
mod event;
mod explain;
mod filter;
mod forwarder;
mod holder;
mod options;
mod outcome;
mod printable;
mod signal;
mod survey;
mod sys;
mod target;

pub use connection::{Connection, ConnectionState};
pub use error::{Error, HiddenCause, Obstacle};
pub use event::Event;
pub use explain::{
    BindError, BindProbe, Cause, Explanation, LingeringState, Origin, Provenance, explain,
};
pub use holder::{Holder, Process, Socket, SocketState};
pub use options::KillOptions;
pub use outcome::{Fate, Freed, HolderReport, Plan, SparedReason};
pub use printable::printable;
pub use signal::{ParseSignalError, Signal};
pub use survey::{HiddenSocket, Survey, survey, survey_all};
pub use target::{Address, ParseTargetError, Protocol, Target};

/// Frees a port: ends every process that listens on it, over TCP and UDP, on any address.
///
/// Blocks until the port is free or it is certain that it can't be freed. Each try is logged through [`log`]; a failure is
/// only logged too, as an error, since there is nothing to return it in. Use [`KillOptions::kill`] to learn what happened,
/// to choose signals and patience, or to cancel.
///
/// Holders are sent SIGTERM, and SIGKILL after ten tries of a second; on Windows their process trees are ended at once. The
/// caller and its ancestors are never signalled. Port 0 is nobody's port, and nothing happens.
pub fn kill_port(port: u16) {
    match KillOptions::new().kill(port) {
        Ok(freed) if freed.was_free() => log::info!("port {port} was free already"),
        Ok(freed) => log::info!("port {port} is free; {} ended", freed.ended.len()),
        Err(error) => log::error!("{error}"),
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
