//! Which processes only forward a port into a container.
//!
//! When a container publishes a port, the process that listens on the host is a helper of the container engine. Ending
//! it breaks the container's network, or every container's, while the server itself goes on. So such a process is never
//! signalled; its container is stopped instead, through the engine.
//!
//! A process can call itself `docker-proxy` to be spared. That costs a refused kill, which is reported. A forwarder
//! that is not recognised costs a broken engine. That is why any of the three names (the program's file, the short
//! name, the first argument) is enough.

use std::ffi::OsStr;
use std::path::Path;

use crate::process::Process;

/// Programs by their file name, in lower case and without `.exe`, with what they are called in messages.
const FORWARDERS: &[(&str, &str)] = &[
    // Docker Engine, with and without root.
    ("docker-proxy", "docker-proxy"),
    ("rootlesskit-docker-proxy", "docker-proxy"),
    ("rootlesskit", "rootlesskit"),
    ("dockerd", "dockerd"),
    ("dockerd-rootless.sh", "dockerd"),
    ("vpnkit", "vpnkit"),
    ("vpnkit-bridge", "vpnkit"),
    // Podman. conmon holds the sockets of a container in a bridge network.
    ("rootlessport", "rootlessport"),
    ("containers-rootlessport", "rootlessport"),
    ("containers-rootlessport-child", "rootlessport"),
    ("slirp4netns", "slirp4netns"),
    ("pasta", "pasta"),
    ("pasta.avx2", "pasta"),
    ("passt", "passt"),
    ("passt.avx2", "passt"),
    ("conmon", "conmon"),
    ("gvproxy", "gvproxy"),
    ("gvproxy-windows", "gvproxy"),
    ("win-sshproxy", "win-sshproxy"),
    // Virtual machines that run an engine.
    ("limactl", "limactl"),
    ("colima", "colima"),
    ("orbstack", "OrbStack"),
    ("orbstack helper", "OrbStack Helper"),
    ("wslrelay", "wslrelay"),
    ("host-switch", "Rancher Desktop"),
];

/// Linux cuts the short name of a process after this many bytes.
const COMM_LENGTH: usize = 15;

/// The name of the forwarder that this process is, or `None` if it is an ordinary process.
pub(crate) fn forwarder(process: &Process) -> Option<&'static str> {
    let executable = process
        .executable
        .as_deref()
        .and_then(Path::file_name)
        .and_then(OsStr::to_str)
        // Linux adds this to the link when the file was replaced by an upgrade.
        .map(|name| name.strip_suffix(" (deleted)").unwrap_or(name));
    let first_argument = process.command.first().and_then(|argument| {
        let path = Path::new(argument);
        path.file_name().and_then(OsStr::to_str)
    });

    executable
        .and_then(by_file_name)
        .or_else(|| by_short_name(&process.name))
        .or_else(|| first_argument.and_then(by_file_name))
        .or_else(|| {
            let names = [executable, Some(process.name.as_str()), first_argument];
            let is_ssh = names.into_iter().flatten().any(|name| {
                let name = name.to_ascii_lowercase();
                // A multiplexing master renames itself to `ssh: PATH [mux]`.
                name == "ssh" || name == "ssh.exe" || name.starts_with("ssh:")
            }) || process
                .command
                .first()
                .is_some_and(|argument| argument.to_string_lossy().starts_with("ssh:"));
            (is_ssh && belongs_to_lima(process)).then_some("Lima's ssh")
        })
}

/// Whether it forwards one port of one container, as the child of an engine that keeps it as long as that publishes the port.
pub(crate) fn is_kept_by_engine(process: &Process) -> bool {
    forwarder(process) == Some("docker-proxy")
}

/// A full file name, in any case, with or without `.exe`.
fn by_file_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    // Docker Desktop: com.docker.backend, com.docker.proxy, com.docker.vpnkit, com.docker.vmnetd and more to come.
    if name.starts_with("com.docker.") {
        return Some("Docker Desktop");
    }
    FORWARDERS
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, called)| *called)
}

/// A short name, which Linux may have cut.
fn by_short_name(name: &str) -> Option<&'static str> {
    by_file_name(name).or_else(|| {
        if name.len() != COMM_LENGTH {
            return None;
        }
        let name = name.to_ascii_lowercase();
        FORWARDERS
            .iter()
            .find(|(file, _)| file.len() > COMM_LENGTH && file.starts_with(&name))
            .map(|(_, called)| *called)
    })
}

/// Lima, Colima and Rancher Desktop forward ports by an ssh whose control socket lies in Lima's folder.
fn belongs_to_lima(process: &Process) -> bool {
    process.command.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        ["/.lima/", "/_lima/", "/.colima/", "/lima/"]
            .iter()
            .any(|folder| argument.contains(folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::PathBuf;

    fn process(executable: Option<&str>, name: &str, command: &[&str]) -> Process {
        let mut process = Process::unknown(4711);
        process.executable = executable.map(PathBuf::from);
        process.name = name.to_owned();
        process.command = command.iter().map(OsString::from).collect();
        process
    }

    #[test]
    fn forwarders_are_known_by_their_program() {
        for (path, called) in [
            ("/usr/sbin/docker-proxy", "docker-proxy"),
            ("/usr/sbin/docker-proxy (deleted)", "docker-proxy"),
            ("/usr/lib/podman/rootlessport", "rootlessport"),
            ("/usr/bin/passt.avx2", "passt"),
            ("/usr/bin/conmon", "conmon"),
            (
                "/Applications/Docker.app/Contents/MacOS/com.docker.backend",
                "Docker Desktop",
            ),
            (
                "/Applications/OrbStack.app/Contents/Frameworks/OrbStack Helper.app/Contents/MacOS/OrbStack Helper",
                "OrbStack Helper",
            ),
            ("/opt/WslRelay.exe", "wslrelay"),
            ("/usr/local/bin/limactl", "limactl"),
        ] {
            assert_eq!(
                forwarder(&process(Some(path), "anything", &[])),
                Some(called),
                "{path}"
            );
        }
    }

    #[test]
    fn another_users_forwarder_is_known_by_its_short_name() {
        assert_eq!(
            forwarder(&process(None, "docker-proxy", &[])),
            Some("docker-proxy")
        );
        assert_eq!(forwarder(&process(None, "pasta.avx2", &[])), Some("pasta"));
        // rootlesskit-docker-proxy and com.docker.backend, cut by the kernel.
        assert_eq!(
            forwarder(&process(None, "rootlesskit-doc", &[])),
            Some("docker-proxy")
        );
        assert_eq!(
            forwarder(&process(None, "com.docker.back", &[])),
            Some("Docker Desktop")
        );
    }

    #[test]
    fn a_program_that_starts_itself_again_is_known_by_its_first_argument() {
        let child = process(None, "exe", &["rootlesskit", "--net=slirp4netns"]);
        assert_eq!(forwarder(&child), Some("rootlesskit"));
    }

    #[test]
    fn only_the_ssh_of_a_virtual_machine_is_a_forwarder() {
        let lima = process(
            Some("/usr/bin/ssh"),
            "ssh",
            &[
                "ssh",
                "-S",
                "/Users/dev/.colima/_lima/colima/ssh.sock",
                "-N",
            ],
        );
        assert_eq!(forwarder(&lima), Some("Lima's ssh"));
        let renamed = process(
            None,
            "ssh",
            &["ssh: /Users/dev/.lima/default/ssh.sock [mux]"],
        );
        assert_eq!(forwarder(&renamed), Some("Lima's ssh"));
        let tunnel = process(
            Some("/usr/bin/ssh"),
            "ssh",
            &["ssh", "-L", "8080:localhost:80", "server"],
        );
        assert_eq!(forwarder(&tunnel), None);
    }

    #[test]
    fn ordinary_servers_are_no_forwarders() {
        for name in [
            "node",
            "nginx",
            "docker-proxy-ui",
            "python3",
            "conmo",
            "",
            "com.dock",
            "pastas",
        ] {
            assert_eq!(
                forwarder(&process(Some(&format!("/usr/bin/{name}")), name, &[name])),
                None,
                "{name}"
            );
        }
    }
}
