//! Free a network port by ending what holds it.

#[cfg(feature = "containers")]
pub mod containers;
mod forwarder;
mod holder;
mod signal;
mod sys;
mod target;

pub use holder::{Holder, Process, Socket, SocketState};
pub use signal::{ParseSignalError, Signal};
pub use target::{Address, Protocol, Target};
