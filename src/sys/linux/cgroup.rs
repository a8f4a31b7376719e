//! `/proc/PID/cgroup`: which systemd unit or container a process belongs to.
//!
//! The paths are made by service managers and container engines, but also by any user in the part that is delegated to them:
//! what is read here is a hint for people, and quoted when it is shown.

use crate::sys::surroundings::{Container, Unit};

/// The innermost unit of type service that the control group names. `user@1000.service` alone is a whole login, not a unit that
/// starts a server. With the user whose manager it belongs to.
pub(super) fn unit(file: &[u8]) -> Option<Unit> {
    let text = String::from_utf8_lossy(file);
    let path = text.lines().find_map(systemd_path)?;
    let name = path
        .rsplit('/')
        .find(|part| part.ends_with(".service"))
        .filter(|part| !part.starts_with("user@"))?;
    // The outermost one: what is below it, its user may name.
    let user = path.split('/').find_map(|part| {
        let user = part.strip_prefix("user@")?.strip_suffix(".service")?;
        user.parse().ok()
    });
    Some(Unit {
        name: unescaped(name),
        user,
    })
}

/// Whether it is the place of a service manager, `init.scope`: of the system's own, a user's (`…/user@1000.service/init.scope`), or that of a
/// container, wherever the caller's cgroup namespace lies.
pub(super) fn is_manager(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    let mut paths = text.lines().filter_map(controllers_and_path);
    paths.any(|(_, path)| path.ends_with("/init.scope"))
}

/// systemd writes a `_` before a name that would look like one of the kernel's own files.
fn unescaped(part: &str) -> String {
    part.strip_prefix('_').unwrap_or(part).to_owned()
}

/// The path of the unified hierarchy (`0::/…`), or of the one that systemd names with cgroup v1.
fn systemd_path(line: &str) -> Option<&str> {
    let (controllers, path) = controllers_and_path(line)?;
    let systemd = matches!(controllers, "" | "name=systemd");
    (systemd && path.contains(".service")).then_some(path)
}

fn controllers_and_path(line: &str) -> Option<(&str, &str)> {
    line.split_once(':')?.1.split_once(':')
}

/// The container that a control group names: the outermost one, which is the one that can be stopped from here.
pub(super) fn container(file: &[u8]) -> Option<Container> {
    let text = String::from_utf8_lossy(file);
    text.lines()
        .filter_map(controllers_and_path)
        .find_map(|(_, path)| in_path(path))
}

fn in_path(path: &str) -> Option<Container> {
    let mut above = "";
    let mut in_pod = false;
    for part in path.split('/') {
        if let Some(container) = in_part(above, part, in_pod) {
            return Some(container);
        }
        in_pod |= part.starts_with("kubepods");
        above = part;
    }
    None
}

/// Engines that put a prefix before the ID, with systemd (`docker-ID.scope`) and without it (`libpod-ID`).
const PREFIXES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("libpod-", "podman"),
    ("cri-containerd-", "containerd"),
    ("cri-containerd:", "containerd"),
    ("nerdctl-", "containerd"),
    ("containerd-", "containerd"),
    ("crio-", "cri-o"),
];

fn in_part(above: &str, part: &str, in_pod: bool) -> Option<Container> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix).filter(|id| is_id(id)) {
            return known(runtime, id);
        }
    }
    if is_id(name) {
        return match above {
            "docker" | "buildkit" => known("docker", name),
            "libpod_parent" => known("podman", name),
            "default" | "k8s.io" | "moby" => known("containerd", name),
            // A pod's control group tells that it is a container, not whose.
            _ if in_pod => Some(Container {
                runtime: None,
                id: Some(name.to_owned()),
            }),
            _ => None,
        };
    }
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return known("lxc", name);
    }
    if above == "lxc" && !part.is_empty() {
        return known("lxc", part);
    }
    part.strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"))
        .and_then(|name| known("systemd-nspawn", name))
}

fn known(runtime: &'static str, id: &str) -> Option<Container> {
    (!id.is_empty()).then(|| Container {
        runtime: Some(runtime),
        id: Some(id.to_owned()),
    })
}

/// An ID as the engines make them: 64 hexadecimal digits, sometimes cut to twelve.
fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "6f3c0d7a9b1e4f5a8c2d0e1f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b";

    fn unit_name(file: &[u8]) -> Option<String> {
        unit(file).map(|unit| unit.name)
    }

    fn found(path: &str) -> Option<(Option<&'static str>, String)> {
        let container = container(format!("0::{path}\n").as_bytes())?;
        Some((container.runtime, container.id.unwrap_or_default()))
    }

    #[test]
    fn the_innermost_service_is_the_unit() {
        assert_eq!(
            unit_name(b"0::/system.slice/web.service\n").as_deref(),
            Some("web.service")
        );
        assert_eq!(
            unit_name(b"12:cpu:/x\n1:name=systemd:/system.slice/web.service/worker\n").as_deref(),
            Some("web.service")
        );
        assert_eq!(
            unit_name(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/dev.service\n")
                .as_deref(),
            Some("dev.service")
        );
        assert_eq!(
            unit_name(b"0::/system.slice/_cpu.service\n").as_deref(),
            Some("cpu.service")
        );
    }

    #[test]
    fn a_users_unit_is_told_from_the_systems() {
        let user =
            unit(b"0::/user.slice/user-1000.slice/user@1000.service/user@0.service/dev.service\n");
        assert_eq!(user.unwrap().user, Some(1000));
        let system = unit(b"0::/system.slice/system-web.slice/web@1.service\n").unwrap();
        assert_eq!((system.name.as_str(), system.user), ("web@1.service", None));
    }

    #[test]
    fn a_service_manager_is_known_by_its_place() {
        for place in [
            "user.slice/user-1000.slice/user@1000.service/init.scope",
            "../init.scope",
            "../../init.scope",
            "init.scope",
            "machine.slice/systemd-nspawn@web.service/payload/init.scope",
        ] {
            assert!(is_manager(format!("0::/{place}\n").as_bytes()), "{place}");
        }
        for other in [
            &b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/dev.service\n"[..],
            b"0::/user@1000.service/init.scope/x\n",
            b"0::/../app.slice/dev.service\n",
            b"0::/my-init.scope\n",
            b"",
        ] {
            assert!(!is_manager(other));
        }
    }

    #[test]
    fn a_login_and_a_container_are_no_unit() {
        assert_eq!(
            unit_name(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope\n"),
            None
        );
        assert_eq!(
            unit_name(b"0::/user.slice/user-0.slice/session-3.scope\n"),
            None
        );
        assert_eq!(unit_name(b"0::/\n"), None);
        assert_eq!(unit_name(b""), None);
    }

    #[test]
    fn containers_are_known_by_the_paths_of_their_engines() {
        for (path, runtime) in [
            (format!("/docker/{ID}"), Some("docker")),
            (format!("/system.slice/docker-{ID}.scope"), Some("docker")),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope"
                ),
                Some("docker"),
            ),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                Some("podman"),
            ),
            (format!("/libpod_parent/libpod-{ID}"), Some("podman")),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-{ID}.scope"
                ),
                Some("containerd"),
            ),
            (
                format!("/kubepods.slice/kubepods-pod1_2.slice/crio-{ID}.scope"),
                Some("cri-o"),
            ),
            (format!("/kubepods/besteffort/pod0ab-1/{ID}"), None),
            (format!("/default/{ID}"), Some("containerd")),
            (
                format!("/docker/{ID}/system.slice/nginx.service"),
                Some("docker"),
            ),
        ] {
            assert_eq!(found(&path), Some((runtime, ID.to_owned())), "{path}");
        }
        assert_eq!(
            found("/lxc.payload.web/system.slice/nginx.service"),
            Some((Some("lxc"), "web".to_owned()))
        );
        assert_eq!(
            found("/machine.slice/systemd-nspawn@web.service/payload"),
            Some((Some("systemd-nspawn"), "web".to_owned()))
        );
        let v1 = format!("12:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n");
        assert_eq!(
            container(v1.as_bytes()).and_then(|container| container.runtime),
            Some("docker")
        );
    }

    #[test]
    fn engines_and_ordinary_groups_are_no_container() {
        for path in [
            "/",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/machine.slice/libpod-conmon-0123456789ab.scope/x",
            "/user.slice/user-1000.slice/session-3.scope",
            "/docker/buildx",
            "/lxc.monitor.web",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = (unit(&bytes), container(&bytes), is_manager(&bytes));
        }

        #[test]
        fn any_path_is_taken_without_a_panic(path in "[a-z@.:/_-]{0,80}") {
            let file = format!("0::{path}\n1:name=systemd:/{path}");
            let _ = (unit(file.as_bytes()), container(file.as_bytes()));
        }
    }
}
