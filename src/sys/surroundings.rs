//! Where a process lives: the service manager's unit, the container, the job or service that it belongs to.
//!
//! A system that has none of a kind leaves it empty. Everything here is looked up for an explanation or after a failure, never
//! on the way of a kill.

use std::ops::RangeInclusive;
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
use std::process::Command;

#[cfg(not(target_os = "linux"))]
use super::Handle;
use crate::protocol::Protocol;

#[cfg(any(target_os = "macos", test))]
mod launchctl;
#[cfg(any(windows, test))]
mod netsh;
#[cfg(any(windows, test))]
mod service_control;
#[cfg(target_os = "linux")]
pub(super) mod systemctl;

/// What is known of where a process lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// The systemd unit.
    pub unit: Option<Unit>,
    /// The container, if it is not the caller's own.
    pub container: Option<Container>,
    /// The launchd job.
    pub job: Option<Job>,
    /// The Windows service.
    pub service: Option<String>,
    /// The PID of its session's leader.
    pub session: Option<u32>,
}

/// A systemd unit of type service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// `web.service`
    pub name: String,
    /// The user to whose own manager it belongs (`systemctl --user`), if it is not the system's.
    pub user: Option<u32>,
}

/// What a service manager tells of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managed {
    /// What it heeds of `Restart=`.
    pub restart: Option<String>,
    /// The `.socket` unit that starts it at a connection.
    pub socket: Option<String>,
}

/// A container, as far as it is known from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    /// `docker`, `podman`, `containerd`, `cri-o`, `lxc`, `systemd-nspawn`.
    pub runtime: Option<&'static str>,
    /// Its ID or name.
    pub id: Option<String>,
}

/// A launchd job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// `com.example.web`
    pub label: String,
    /// `system`, or `gui/501`.
    pub domain: String,
}

#[cfg(target_os = "linux")]
pub(crate) use super::linux::{
    first_unprivileged_port, in_first_pid_namespace, is_wsl, listening_elsewhere, managed,
    socket_unit, surroundings,
};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{
    first_unprivileged_port, in_first_pid_namespace, is_wsl, listening_elsewhere, managed,
    socket_unit,
};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::collections::HashSet;
    use std::io;

    use super::{Managed, Unit};
    use crate::protocol::Protocol;
    use crate::socket::Socket;

    /// The BSDs and macOS before Mojave keep ports below 1024 for root; Windows keeps none.
    pub(crate) fn first_unprivileged_port() -> u16 {
        if cfg!(unix) { 1024 } else { 0 }
    }

    /// There are no others here.
    pub(crate) fn in_first_pid_namespace() -> bool {
        true
    }

    pub(crate) fn is_wsl() -> bool {
        false
    }

    /// There are none here, or none that can be seen from another.
    pub(crate) fn listening_elsewhere(_: &HashSet<u16>) -> io::Result<Vec<Socket>> {
        Ok(Vec::new())
    }

    pub(crate) fn managed(_: &Unit) -> Managed {
        Managed::default()
    }

    pub(crate) fn socket_unit(_: u16, _: Protocol, _: Option<u32>) -> Option<String> {
        None
    }
}

#[cfg(target_os = "macos")]
pub(crate) fn surroundings(handle: &Handle) -> Surroundings {
    let listed = output(Command::new("/bin/launchctl").arg("list"), PATIENCE).unwrap_or_default();
    let label = launchctl::label(&listed, handle.pid());
    let uid = nix::unistd::getuid().as_raw();
    Surroundings {
        job: label.map(|label| Job {
            label,
            domain: if uid == 0 {
                "system".to_owned()
            } else {
                format!("gui/{uid}")
            },
        }),
        session: Some(handle.place().session),
        ..Surroundings::default()
    }
}

#[cfg(windows)]
pub(crate) fn surroundings(handle: &Handle) -> Surroundings {
    let arguments = ["queryex", "type=", "service", "state=", "all"];
    let listed = program_says("sc.exe", &arguments);
    Surroundings {
        service: service_control::service(&listed, handle.pid()),
        ..Surroundings::default()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
pub(crate) fn surroundings(handle: &Handle) -> Surroundings {
    Surroundings {
        session: Some(handle.place().session),
        ..Surroundings::default()
    }
}

/// The ranges in which nobody may bind: on Windows those that are set aside for Hyper-V, WSL, Docker and others.
#[cfg(windows)]
pub(crate) fn excluded_ports(protocol: Protocol) -> Vec<RangeInclusive<u16>> {
    let protocol = format!("protocol={protocol}");
    let mut ranges = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let arguments = ["interface", family, "show", "excludedportrange", &protocol];
        let shown = program_says("netsh.exe", &arguments);
        ranges.extend(netsh::excluded_ranges(&shown));
    }
    ranges
}

#[cfg(not(windows))]
pub(crate) fn excluded_ports(_: Protocol) -> Vec<RangeInclusive<u16>> {
    Vec::new()
}

/// What a program of Windows' own folder prints.
#[cfg(windows)]
fn program_says(name: &str, arguments: &[&str]) -> String {
    super::windows::program(name).map_or_else(String::new, |path| {
        output(Command::new(path).args(arguments), PATIENCE).unwrap_or_default()
    })
}

/// How long one of the system's own programs may take.
#[cfg(any(target_os = "macos", windows))]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What one of the system's own programs prints; `None` if it takes longer than this.
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
pub(super) fn output(command: &mut Command, patience: std::time::Duration) -> Option<String> {
    use std::io::Read as _;
    use std::process::Stdio;
    const MOST: u64 = 4 << 20;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return Some(String::new());
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let stdout = child.stdout.take();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            // What could be read until it broke off is better than nothing.
            let _ = stdout.take(MOST).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    let bytes = match reader {
        Ok(_) => receiver.recv_timeout(patience).ok(),
        Err(_) => Some(Vec::new()),
    };
    // It has ended by itself, as a rule; then there is nobody to end.
    let _ = child.kill();
    let _ = child.wait();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}
