//! The library's integration tests: real processes, real sockets, real signals.

use kill_port_fixture as fixture;

mod documents;
mod floors;
#[cfg(target_os = "linux")]
mod linux;
mod logs;
mod portable;

fixture::roles![
    portable::ROLES,
    #[cfg(target_os = "linux")]
    linux::ROLES,
];
