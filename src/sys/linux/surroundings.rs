//! Where a process lives on Linux, from its control group and namespaces; and what else an explanation needs of the system.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use super::cgroup;
use super::process::Handle;
use crate::protocol::Protocol;
use crate::sys::surroundings::{Container, Managed, Surroundings, Unit, output, systemctl};

/// See `sys::surroundings`.
pub(crate) fn surroundings(handle: &Handle) -> Surroundings {
    let file = handle.read("cgroup").unwrap_or_default();
    let container = container(handle, &file);
    Surroundings {
        // A unit inside a container belongs to another manager than the one that answers here.
        unit: container.is_none().then(|| cgroup::unit(&file)).flatten(),
        container,
        session: Some(handle.place().session),
        ..Surroundings::default()
    }
}

/// The systemd unit that it belongs to, of the manager that answers here.
pub(super) fn unit(handle: &Handle) -> Option<Unit> {
    let file = handle.read("cgroup")?;
    cgroup::unit(&file).filter(|_| container(handle, &file).is_none())
}

/// The container that it belongs to. In its own container, the caller sees processes, not a container that it could stop.
fn container(handle: &Handle, file: &[u8]) -> Option<Container> {
    let own = || cgroup::container(&std::fs::read("/proc/self/cgroup").unwrap_or_default());
    cgroup::container(file)
        .filter(|container| own().as_ref() != Some(container))
        .or_else(|| {
            in_other_pid_namespace(handle).then_some(Container {
                runtime: None,
                id: None,
            })
        })
}

fn in_other_pid_namespace(handle: &Handle) -> bool {
    let own = std::fs::read_link("/proc/self/ns/pid").ok();
    let other = handle.namespace("pid");
    own.is_some() && other.is_some() && own != other
}

/// What the unit's manager tells of it.
pub(crate) fn managed(unit: &Unit) -> Managed {
    let shown = show(unit.user, &[systemctl::OF_SERVICE, "--", &unit.name]);
    systemctl::managed(&shown, &unit.name)
}

/// The `.socket` unit that listens on this port: of the system's manager, or of this user's.
pub(crate) fn socket_unit(port: u16, protocol: Protocol, user: Option<u32>) -> Option<String> {
    let shown = show(user, &[systemctl::OF_SOCKET, "*.socket"]);
    systemctl::socket_unit(&shown, port, protocol)
}

/// What `systemctl show` prints; nothing where systemd doesn't run. A user's manager answers to that user alone.
fn show(user: Option<u32>, arguments: &[&str]) -> String {
    /// Not by PATH, which may lead root to somebody else's program.
    const PROGRAMS: [&str; 3] = [
        "/usr/bin/systemctl",
        "/bin/systemctl",
        "/run/current-system/sw/bin/systemctl",
    ];
    let me = rustix::process::geteuid().as_raw();
    let program = PROGRAMS.iter().find(|path| Path::new(path).exists());
    let Some(program) = program.filter(|_| {
        // What systemd itself goes by to tell that it runs, see sd_booted(3).
        Path::new("/run/systemd/system").is_dir() && user.is_none_or(|user| user == me)
    }) else {
        return String::new();
    };
    let mut command = Command::new(program);
    // Nothing around the caller is to lead to another bus. After su(1) the folder of a user's own bus is not named at all.
    command.env_clear();
    if user.is_some() {
        command
            .arg("--user")
            .env("XDG_RUNTIME_DIR", format!("/run/user/{me}"));
    }
    // SAFETY: between fork and exec it makes one system call, and touches no memory of the parent's.
    unsafe {
        // Whoever presses Ctrl-C while it is asked leaves nobody behind.
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let [system, users] = &SILENT;
    let silent = if user.is_some() { users } else { system };
    let mut silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
    if silent.is_some_and(|since| since.elapsed() < QUIET) {
        return String::new();
    }
    let shown = output(command.arg("show").args(arguments), PATIENCE);
    *silent = shown.is_none().then(Instant::now);
    shown.unwrap_or_default()
}

/// Since when the system's manager and the user's have not answered.
static SILENT: [Mutex<Option<Instant>>; 2] = [Mutex::new(None), Mutex::new(None)];
/// How long it may take. What it tells is advice, for which nobody waits long.
const PATIENCE: Duration = Duration::from_millis(1500);
/// So long it is not asked again.
const QUIET: Duration = Duration::from_secs(60);

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
