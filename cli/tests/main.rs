//! The command's integration tests, through its binary.

use kill_port_fixture as fixture;

mod arguments;
mod command;
#[cfg(target_os = "linux")]
mod containers;
mod documents;
mod floors;
mod help;
#[cfg(target_os = "linux")]
mod linux;
mod portable;

fixture::roles![
    #[cfg(target_os = "linux")]
    &[linux::calls::ROLES],
];
