//! `/proc/PID/cgroup`: which systemd unit a process belongs to.

/// The innermost unit of type service that the control group names. `user@1000.service` alone is a whole login, not a unit that
/// starts a server.
pub(super) fn unit(file: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(file);
    let path = text.lines().find_map(systemd_path)?;
    path.rsplit('/')
        .find(|part| part.ends_with(".service"))
        .filter(|part| !part.starts_with("user@"))
        .map(str::to_owned)
}

/// The path of the unified hierarchy (`0::/…`), or of the one that systemd names with cgroup v1.
fn systemd_path(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let systemd = matches!(controllers, "" | "name=systemd");
    (systemd && path.contains(".service")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_service_is_the_unit() {
        assert_eq!(
            unit(b"0::/system.slice/web.service\n").as_deref(),
            Some("web.service")
        );
        assert_eq!(
            unit(b"12:cpu:/x\n1:name=systemd:/system.slice/web.service/worker\n").as_deref(),
            Some("web.service")
        );
        assert_eq!(
            unit(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/dev.service\n")
                .as_deref(),
            Some("dev.service")
        );
    }

    #[test]
    fn a_login_and_a_container_are_no_unit() {
        assert_eq!(
            unit(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope\n"),
            None
        );
        assert_eq!(unit(b"0::/user.slice/user-0.slice/session-3.scope\n"), None);
        assert_eq!(unit(b"0::/\n"), None);
        assert_eq!(unit(b""), None);
    }
}
