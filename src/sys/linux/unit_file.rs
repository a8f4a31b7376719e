//! systemd's unit files: what they say about restarting, and which `.socket` unit names a port.
//!
//! The manager itself is not asked: that takes its bus, which is often not to be had. A file may have been changed since the
//! manager read it, so what comes of it is shown as what the file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::protocol::Protocol;

/// Where the system's manager looks, what is found first counts.
const SYSTEM: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The same for users' managers, after the folders in the user's home.
const USER: &[&str] = &[
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];

/// The longest file that is read; a unit file has a few hundred bytes.
const LONGEST: u64 = 256 * 1024;

/// What the files of a unit say about `Restart=`; `None` where they say nothing or can't be read. `user` is the owner of the manager,
/// if it is a user's.
pub(super) fn restart(unit: &str, user: Option<u32>) -> Option<String> {
    restart_in(&folders(user), unit)
}

/// The first `.socket` unit whose file names this port.
pub(super) fn socket_unit(port: u16, protocol: Protocol, user: Option<u32>) -> Option<String> {
    socket_unit_in(&folders(user), port, protocol)
}

fn folders(user: Option<u32>) -> Vec<PathBuf> {
    let Some(uid) = user else {
        return SYSTEM.iter().map(PathBuf::from).collect();
    };
    let home = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid))
        .ok()
        .flatten()
        .map(|user| user.dir);
    let own = home.into_iter().flat_map(|home| {
        [
            home.join(".config/systemd/user"),
            home.join(".local/share/systemd/user"),
        ]
    });
    own.chain([PathBuf::from(format!("/run/user/{uid}/systemd/transient"))])
        .chain(USER.iter().map(PathBuf::from))
        .collect()
}

fn restart_in(folders: &[PathBuf], unit: &str) -> Option<String> {
    let mut restart = None;
    for text in texts(folders, unit) {
        for value in values(&text, "Service", &["Restart"]) {
            // An empty value takes back what was said before.
            restart = (!value.is_empty()).then_some(value);
        }
    }
    restart
}

fn socket_unit_in(folders: &[PathBuf], port: u16, protocol: Protocol) -> Option<String> {
    let mut units: Vec<String> = folders
        .iter()
        .flat_map(|folder| names(folder, ".socket"))
        .collect();
    units.sort_unstable();
    units.dedup();
    let key = match protocol {
        Protocol::Tcp => "ListenStream",
        Protocol::Udp => "ListenDatagram",
    };
    units.into_iter().find(|unit| {
        let mut listens = Vec::new();
        for text in texts(folders, unit) {
            for value in values(&text, "Socket", &[key]) {
                if value.is_empty() {
                    listens.clear();
                } else {
                    listens.push(value);
                }
            }
        }
        listens.iter().any(|listen| port_of(listen) == Some(port))
    })
}

/// `8080`, `127.0.0.1:8080`, `[::]:8080`; not a path, nor an abstract name.
fn port_of(listen: &str) -> Option<u16> {
    let port = listen.rsplit_once(':').map_or(listen, |(_, port)| port);
    port.parse().ok()
}

/// The texts of a unit: its file, then its drop-ins by their names. An instance (`web@1.service`) has its template's as well.
fn texts(folders: &[PathBuf], unit: &str) -> Vec<String> {
    // The name comes from a control group: it must not lead anywhere else.
    if unit.contains('/') || unit.starts_with('.') || unit.len() > 255 {
        return Vec::new();
    }
    let template = template(unit);
    let names: Vec<&str> = [Some(unit), template.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let file = names
        .iter()
        .find_map(|name| folders.iter().find_map(|folder| read(&folder.join(name))));
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for name in &names {
        for folder in folders {
            let folder = folder.join(format!("{name}.d"));
            for drop_in in self::names(&folder, ".conf") {
                let path = folder.join(&drop_in);
                drop_ins.entry(drop_in).or_insert(path);
            }
        }
    }
    file.into_iter()
        .chain(drop_ins.values().filter_map(|path| read(path)))
        .collect()
}

/// `web@1.service` → `web@.service`
fn template(unit: &str) -> Option<String> {
    let (name, rest) = unit.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{name}@.{kind}"))
}

/// The names in a folder with this ending, a few hundred at most.
fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .take(4096)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(ending))
        .collect()
}

fn read(path: &Path) -> Option<String> {
    let bytes = crate::sys::read_small_file(path, LONGEST)?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values of these keys in this section, in order. See systemd.syntax(7).
fn values(text: &str, section: &str, keys: &[&str]) -> Vec<String> {
    let mut here = false;
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while let Some(kept) = line.strip_suffix('\\') {
            let next = lines.next().unwrap_or_default().trim();
            line = if next.starts_with(['#', ';']) {
                format!("{kept}\\")
            } else {
                format!("{kept} {next}")
            };
        }
        if let Some(name) = line.strip_prefix('[') {
            here = name.strip_suffix(']') == Some(section);
        } else if here
            && let Some((key, value)) = line.split_once('=')
            && keys.contains(&key.trim())
        {
            found.push(value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Folders of unit files that go away with the test.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("kill_port-units-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn folders(&self) -> Vec<PathBuf> {
            vec![self.0.join("etc"), self.0.join("lib")]
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_last_word_about_restarting_counts() {
        let files = Files::new("restart");
        files.write(
            "lib/web.service",
            "[Unit]\nRestart=no\n[Service]\n# Restart=no\nRestart = on-failure\n",
        );
        assert_eq!(
            restart_in(&files.folders(), "web.service").as_deref(),
            Some("on-failure")
        );
        files.write(
            "etc/web.service.d/10-up.conf",
            "[Service]\nRestart=always\n",
        );
        assert_eq!(
            restart_in(&files.folders(), "web.service").as_deref(),
            Some("always")
        );
        files.write("etc/web.service.d/20-off.conf", "[Service]\nRestart=\n");
        assert_eq!(restart_in(&files.folders(), "web.service"), None);
        assert_eq!(restart_in(&files.folders(), "other.service"), None);
    }

    #[test]
    fn the_administrators_file_hides_the_packages() {
        let files = Files::new("order");
        files.write("lib/web.service", "[Service]\nRestart=always\n");
        files.write(
            "etc/web.service",
            "[Service]\nExecStart=/bin/web \\\n  --port 80\n",
        );
        assert_eq!(restart_in(&files.folders(), "web.service"), None);
    }

    #[test]
    fn an_instance_has_its_templates_files() {
        let files = Files::new("template");
        files.write("lib/web@.service", "[Service]\nRestart=on-abort\n");
        assert_eq!(
            restart_in(&files.folders(), "web@blue.service").as_deref(),
            Some("on-abort")
        );
    }

    #[test]
    fn a_socket_unit_is_found_by_its_port() {
        let files = Files::new("socket");
        files.write(
            "lib/a.socket",
            "[Socket]\nListenStream=/run/a.sock\nListenStream=@abstract\n",
        );
        files.write(
            "lib/web.socket",
            "[Socket]\nListenStream=127.0.0.1:8080\nListenDatagram=[::]:53\n",
        );
        let folders = files.folders();
        assert_eq!(
            socket_unit_in(&folders, 8080, Protocol::Tcp).as_deref(),
            Some("web.socket")
        );
        assert_eq!(
            socket_unit_in(&folders, 53, Protocol::Udp).as_deref(),
            Some("web.socket")
        );
        assert_eq!(socket_unit_in(&folders, 53, Protocol::Tcp), None);
        files.write(
            "etc/web.socket.d/port.conf",
            "[Socket]\nListenStream=\nListenStream=9090\n",
        );
        assert_eq!(socket_unit_in(&folders, 8080, Protocol::Tcp), None);
    }

    #[test]
    fn a_name_leads_to_no_other_folder_and_a_pipe_keeps_nobody_waiting() {
        let files = Files::new("hostile");
        files.write("secret", "[Service]\nRestart=always\n");
        assert_eq!(restart_in(&files.folders(), "../secret"), None);
        std::fs::create_dir_all(files.0.join("etc")).unwrap();
        let pipe = std::ffi::CString::new(
            files
                .0
                .join("etc/pipe.service")
                .into_os_string()
                .into_encoded_bytes(),
        )
        .unwrap();
        // SAFETY: the path is a string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        assert_eq!(restart_in(&files.folders(), "pipe.service"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>(), unit in any::<String>()) {
            let _ = (values(&text, "Service", &["Restart"]), template(&unit), port_of(&text));
        }

        #[test]
        fn any_lines_are_taken_without_a_panic(text in "[\\[\\]Service=Rt\\\\#; \n]{0,200}") {
            let _ = values(&text, "Service", &["Restart"]);
        }
    }
}
