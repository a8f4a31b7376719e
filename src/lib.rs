//! Free a network port by ending what holds it.

#[cfg(feature = "containers")]
pub mod containers;
mod error;
mod escalation;
mod event;
mod forwarder;
mod filter;
mod holder;
mod options;
mod outcome;
mod printable;
mod signal;
mod survey;
mod sys;
mod target;

pub use error::{Error, HiddenCause, Obstacle};
pub use event::Event;
pub use holder::{Holder, Process, Socket, SocketState};
pub use options::KillOptions;
pub use outcome::{Fate, Freed, HolderReport, Plan, SparedReason};
pub use printable::printable;
pub use signal::{ParseSignalError, Signal};
pub use survey::{HiddenSocket, Survey, survey, survey_all};
pub use target::{Address, ParseTargetError, Protocol, Target};

/// Frees a port.
pub fn kill_port(port: u16) {
    let _ = KillOptions::new().kill(port);
}
