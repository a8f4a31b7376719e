//! Linux: sock_diag(7) for sockets, `/proc` for who holds them, pidfds for signals and waiting.

mod borrowed;
mod cgroup;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod lineage;
mod locked;
mod memory;
mod namespaces;
mod netlink;
mod ports;
mod proc_net;
mod process;
mod rights;
mod row;
mod scan;
mod search;
mod share;
mod sock_diag;
mod sockets;
mod sockstat;
mod stat;
mod surroundings;
mod sweep;
mod table;
mod unlisted;
mod waiting;

pub(crate) use lineage::{Mark, ancestors, descendants, has_unseen_child, started_since};
pub(crate) use locked::keeps_back;
pub(crate) use memory::describe;
pub(crate) use namespaces::listening_elsewhere;
pub(crate) use proc_net::interfaces_with;
pub(crate) use process::{Handle, caller, wait};
pub(crate) use rights::missing;
pub(crate) use sockets::is_local;
pub(crate) use surroundings::{
    first_unprivileged_port, in_first_pid_namespace, is_wsl, managed, socket_unit, surroundings,
};
pub(crate) use table::{Table, ephemeral_ports};
pub(crate) use waiting::waiting_on_closed;

/// A holder is ended alone, unless the caller asks for its descendants.
pub(crate) const ENDS_TREES: bool = false;
