//! Where a process lives on Linux, from its control group and namespaces; and what else an explanation needs of the system.

use std::path::Path;

use super::process::Handle;
use super::{cgroup, unit_file};
use crate::protocol::Protocol;
use crate::sys::surroundings::{Container, Surroundings, Unit};

/// See `sys::surroundings`.
pub(crate) fn surroundings(handle: &Handle) -> Surroundings {
    let file = handle.read("cgroup").unwrap_or_default();
    let own = std::fs::read("/proc/self/cgroup").unwrap_or_default();
    let own = cgroup::container(&own);
    // In its own container, the caller sees processes, not a container that it could stop.
    let container = cgroup::container(&file)
        .filter(|container| own.as_ref() != Some(container))
        .or_else(|| {
            in_other_pid_namespace(handle).then_some(Container {
                runtime: None,
                id: None,
            })
        });
    let unit = match container {
        // A unit inside a container belongs to another manager than the one that answers here.
        Some(_) => None,
        None => cgroup::unit_name(&file).map(|unit| Unit {
            restart: unit_file::restart(&unit.name, unit.user.then(|| owner(handle)).flatten()),
            name: unit.name,
            user: unit.user,
        }),
    };
    Surroundings {
        unit,
        container,
        session: Some(handle.place().session),
        ..Surroundings::default()
    }
}

fn owner(handle: &Handle) -> Option<u32> {
    handle.describe().uid
}

fn in_other_pid_namespace(handle: &Handle) -> bool {
    let own = std::fs::read_link("/proc/self/ns/pid").ok();
    let other = handle.namespace("pid");
    own.is_some() && other.is_some() && own != other
}

/// The `.socket` unit whose file names this port: of the system's manager, or of this user's.
pub(crate) fn socket_unit(port: u16, protocol: Protocol, user: Option<u32>) -> Option<String> {
    unit_file::socket_unit(port, protocol, user)
}

/// The first port that needs no `CAP_NET_BIND_SERVICE` (`net.ipv4.ip_unprivileged_port_start`), of this network namespace.
pub(crate) fn first_unprivileged_port() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024)
}

/// Whether the caller is in the PID namespace that the kernel made first, where every process has a number.
pub(crate) fn in_first_pid_namespace() -> bool {
    // The kernel's PROC_PID_INIT_INO.
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}

/// Whether this is the Windows Subsystem for Linux, by the name of its kernel.
pub(crate) fn is_wsl() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .is_ok_and(|release| release.to_ascii_lowercase().contains("microsoft"))
}
