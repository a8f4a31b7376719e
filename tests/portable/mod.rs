//! What kill_port promises on every system, on real processes: the same tests on Linux, macOS, the BSDs and Windows.
//!
//! What is not here, and why:
//! - several processes on *one* socket, suspended servers, signals that are caught and counted: Windows has no fork, no stopped
//!   processes and no signals. They are in `linux`;
//! - another user's server, hidden sockets: they need a second user, which Wine and the hosted machines don't offer to a test.

mod freeing;
mod inside;
mod looking;
mod sparing;
mod trees;

/// The roles of these tests.
pub const ROLES: &[&[crate::fixture::RoleKind]] = &[inside::ROLES];
