//! Which container engines there are on this machine.
//!
//! A published port is this host's, whichever engine the user's `docker` command happens to talk to. So every engine
//! counts whose socket is found: `DOCKER_HOST`, the contexts of the Docker command, and the usual places. Under sudo the
//! places of the user who called sudo count as well, and for a forwarder the places of the user whom it runs as.
//!
//! Looking costs one `stat` for each place, or for a folder of several that is not there, and opens no connection. A socket of
//! somebody else is no engine: whoever may make one in a shared place could answer in an engine's name.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Deserialize;

use crate::container::{Endpoint, EngineError};
use crate::sys::Task;

/// The engines of this machine, as found without asking any of them.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    /// Engines whose socket exists, each once.
    pub(crate) local: Vec<Endpoint>,
    /// Places that this user may not even look at.
    pub(crate) out_of_reach: Vec<Endpoint>,
    /// The remote engine that `DOCKER_HOST` or the current context names. It is never contacted: the ports of its
    /// containers are another host's.
    pub(crate) remote: Option<String>,
    /// Whether a place did not let itself be looked at in time, so that nothing is known of any.
    pub(crate) is_unknown: bool,
}

/// How long a look around may take: homes may lie on storage that hangs.
const PLACES: Duration = Duration::from_secs(1);
/// What the look around that took too long last keeps until its end.
static LATE: Mutex<Weak<()>> = Mutex::new(Weak::new());

impl Engines {
    /// Looks around. `users` are user IDs whose own engines count, too.
    pub(crate) fn find(users: &[u32]) -> Self {
        let mut late = LATE.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = Self {
            is_unknown: true,
            ..Self::default()
        };
        if late.strong_count() > 0 {
            return unknown;
        }
        let users = users.to_vec();
        let until_its_end = Arc::new(());
        *late = Arc::downgrade(&until_its_end);
        let look = Task::start(PLACES, move |_| {
            let _until_its_end = until_its_end;
            Self::find_in(&Environment::of_this_process(&users))
        });
        let found = look.finish();
        if found.is_some() {
            // The thread may not have given it up yet.
            *late = Weak::new();
        }
        found.unwrap_or(unknown)
    }

    /// What an answer lacks that is of these alone.
    pub(crate) fn errors(&self) -> Vec<EngineError> {
        self.is_unknown
            .then(EngineError::places_unknown)
            .into_iter()
            .collect()
    }

    pub(super) fn find_in(environment: &Environment) -> Self {
        let mut engines = Self::default();
        let mut seen = HashSet::new();

        let selected = environment.selected();
        for address in selected.iter().chain(&environment.contexts()) {
            match parse_address(address) {
                Some(endpoint) => engines.add(endpoint, true, environment, &mut seen),
                None if selected.as_ref() == Some(address) => {
                    engines.remote = Some(address.clone())
                }
                None => {}
            }
        }
        for path in environment.usual_sockets() {
            engines.add(Endpoint::Unix(path), false, environment, &mut seen);
        }
        for pipe in &environment.pipes {
            let pipe = Endpoint::Pipe(PathBuf::from(pipe));
            engines.add(pipe, false, environment, &mut seen);
        }
        engines
    }

    fn add(
        &mut self,
        endpoint: Endpoint,
        is_named: bool,
        environment: &Environment,
        seen: &mut HashSet<Identity>,
    ) {
        match identify(&endpoint, environment) {
            Ok(Some(identity)) => {
                if seen.insert(identity) {
                    self.local.push(endpoint);
                }
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if (is_named || is_seen_closed(&endpoint)) && !self.out_of_reach.contains(&endpoint)
                {
                    self.out_of_reach.push(endpoint);
                }
            }
            Err(_) => {}
        }
    }
}

/// Whether the directory that would have the socket is there, though closed to this user: an engine made it. Where not even that can be
/// seen, as in another user's home, nothing says that there is an engine at all.
fn is_seen_closed(endpoint: &Endpoint) -> bool {
    endpoint
        .path()
        .parent()
        .is_some_and(|directory| fs::metadata(directory).is_ok())
}

/// Whether it is certain that there is nothing of this name.
fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What tells two sockets apart, however many paths lead to them.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Identity {
    #[cfg(unix)]
    Inode {
        device: u64,
        inode: u64,
    },
    Pipe(String),
}

/// `None` if there is something else than a socket, or somebody else's.
fn identify(endpoint: &Endpoint, environment: &Environment) -> io::Result<Option<Identity>> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => {
            use std::os::unix::fs::{FileTypeExt, MetadataExt};
            let metadata = fs::metadata(path)?;
            if !metadata.file_type().is_socket() {
                return Ok(None);
            }
            let owner = metadata.uid();
            if owner != 0 && !environment.users.contains(&owner) {
                log::info!(
                    target: "kill_port", "{} is not asked: it belongs to the user {owner}",
                    endpoint.address()
                );
                return Ok(None);
            }
            Ok(Some(Identity::Inode {
                device: metadata.dev(),
                inode: metadata.ino(),
            }))
        }
        #[cfg(not(unix))]
        Endpoint::Unix(_) => {
            let _ = environment;
            Ok(None)
        }
        // To look whether a pipe exists is to open it, so it is left to the question itself.
        Endpoint::Pipe(path) if cfg!(windows) => Ok(Some(Identity::Pipe(
            path.to_string_lossy().to_ascii_lowercase(),
        ))),
        Endpoint::Pipe(_) => Ok(None),
    }
}

/// An address in the form of `DOCKER_HOST`. `None` if it names no socket or pipe of this machine.
fn parse_address(address: &str) -> Option<Endpoint> {
    if let Some(path) = address.strip_prefix("unix://") {
        let path = if path.is_empty() {
            "/var/run/docker.sock"
        } else {
            path
        };
        Some(Endpoint::Unix(PathBuf::from(path)))
    } else if let Some(path) = address.strip_prefix("npipe://") {
        let path = path.replace('/', "\\");
        // `\\SERVER\pipe\NAME` is another machine's.
        path.starts_with("\\\\.\\")
            .then(|| Endpoint::Pipe(PathBuf::from(path)))
    } else {
        None
    }
}

/// Everything around this process that says where engines are.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The users whose sockets count, besides root's.
    #[cfg_attr(not(unix), expect(dead_code, reason = "pipes have no owner to go by"))]
    pub(super) users: Vec<u32>,
    pub(super) docker_host: Option<OsString>,
    pub(super) docker_context: Option<OsString>,
    /// The folder where the caller's own Docker command has its settings.
    pub(super) docker_config: Option<PathBuf>,
    pub(super) homes: Vec<PathBuf>,
    /// Docker's folders in these homes: settings, and sockets.
    pub(super) docker_folders: Vec<PathBuf>,
    pub(super) runtime_dirs: Vec<PathBuf>,
    /// Sockets that belong to the machine.
    pub(super) system: Vec<PathBuf>,
    pub(super) pipes: Vec<String>,
}

/// In a home.
const DOCKER_FOLDER: &str = ".docker";

/// Docker without root and Docker Desktop.
const IN_DOCKER_FOLDER: [&str; 2] = ["run/docker.sock", "desktop/docker.sock"];

/// The folders that are there: one look tells that there is none, in place of one for everything below.
fn docker_folders(homes: &[PathBuf]) -> Vec<PathBuf> {
    let folders = homes.iter().map(|home| home.join(DOCKER_FOLDER));
    folders.filter(|folder| !is_missing(folder)).collect()
}

/// The sockets of other engines in a home.
const IN_HOME: &[&str] = &[
    #[cfg(target_os = "macos")]
    ".orbstack/run/docker.sock",
    ".colima/default/docker.sock",
    ".config/colima/default/docker.sock",
    ".rd/docker.sock",
    ".local/share/containers/podman/machine/podman.sock",
];

impl Environment {
    fn of_this_process(users: &[u32]) -> Self {
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let mut homes: Vec<PathBuf> = [path("HOME"), path("USERPROFILE")]
            .into_iter()
            .flatten()
            .collect();
        let mut runtime_dirs: Vec<PathBuf> = path("XDG_RUNTIME_DIR").into_iter().collect();

        let me = own_user();
        let sudo = env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        let users: Vec<u32> = me
            .into_iter()
            .chain(users.iter().copied())
            .chain(sudo.filter(|_| me == Some(0)))
            .collect();
        for &user in &users {
            let directory = PathBuf::from(format!("/run/user/{user}"));
            if cfg!(target_os = "linux") && !runtime_dirs.contains(&directory) {
                runtime_dirs.push(directory);
            }
            // The database of users may ask a server. One's own home is known without, as a rule.
            if Some(user) == me && !homes.is_empty() {
                continue;
            }
            if let Some(home) = home_of(user)
                && !homes.contains(&home)
            {
                homes.push(home);
            }
        }
        let docker_folders = docker_folders(&homes);
        let docker_config = path("DOCKER_CONFIG").or_else(|| {
            let own = homes.first()?.join(DOCKER_FOLDER);
            docker_folders.contains(&own).then_some(own)
        });

        Self {
            users,
            docker_host: env::var_os("DOCKER_HOST"),
            docker_context: env::var_os("DOCKER_CONTEXT"),
            docker_config,
            homes,
            docker_folders,
            runtime_dirs,
            system: if cfg!(unix) {
                [
                    "/var/run/docker.sock",
                    "/run/docker.sock",
                    "/run/podman/podman.sock",
                ]
                .map(PathBuf::from)
                .to_vec()
            } else {
                Vec::new()
            },
            pipes: if cfg!(windows) {
                [
                    "docker_engine",
                    "dockerDesktopLinuxEngine",
                    "podman-machine-default",
                ]
                .map(|name| format!(r"\\.\pipe\{name}"))
                .to_vec()
            } else {
                Vec::new()
            },
        }
    }

    /// The engine that the Docker command would talk to, if something selects one.
    fn selected(&self) -> Option<String> {
        let text = |value: &Option<OsString>| {
            value
                .as_ref()
                .map(|value| value.to_string_lossy().into_owned())
                .filter(|value| !value.is_empty())
        };
        if let Some(host) = text(&self.docker_host) {
            return Some(host);
        }
        let config = self.docker_config.as_ref()?;
        let name = text(&self.docker_context)
            .or_else(|| read_json::<Config>(&config.join("config.json"))?.current_context)
            .filter(|name| name != "default")?;
        contexts_in(config)
            .into_iter()
            .find(|context| context.name == name)
            .and_then(Context::host)
    }

    /// The addresses of all contexts.
    fn contexts(&self) -> Vec<String> {
        let own = &self.docker_config;
        let others = self.docker_folders.iter();
        own.iter()
            .chain(others.filter(|folder| own.as_ref() != Some(*folder)))
            .flat_map(|config| contexts_in(config))
            .filter_map(Context::host)
            .collect()
    }

    fn usual_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = self.system.clone();
        for directory in &self.runtime_dirs {
            sockets.push(directory.join("docker.sock"));
            sockets.push(directory.join("podman/podman.sock"));
        }
        if cfg!(unix) {
            for folder in &self.docker_folders {
                sockets.extend(IN_DOCKER_FOLDER.map(|path| folder.join(path)));
            }
            for home in &self.homes {
                sockets.extend(IN_HOME.iter().map(|path| home.join(path)));
            }
        }
        sockets
    }
}

/// The part of the Docker command's settings that matters here.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

/// The part of a context's description that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    host: Option<String>,
}

impl Context {
    fn host(self) -> Option<String> {
        self.endpoints.docker?.host.filter(|host| !host.is_empty())
    }
}

/// Contexts lie in folders that are named by a hash of the context's name; the name itself stands in the file.
fn contexts_in(config: &Path) -> Vec<Context> {
    /// Nobody has more, and somebody else's folder may be made to waste our time.
    const LIMIT: usize = 64;

    let Ok(entries) = fs::read_dir(config.join("contexts/meta")) else {
        return Vec::new();
    };
    let mut contexts: Vec<Context> = entries
        .take(LIMIT)
        .filter_map(|entry| read_json(&entry.ok()?.path().join("meta.json")))
        .collect();
    // The folder's own order means nothing.
    contexts.sort_by(|one, other| one.name.cmp(&other.name));
    contexts
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let text = crate::sys::read_small_file(path, 1024 * 1024)?;
    serde_json::from_slice(&text)
        .map_err(|error| log::debug!(target: "kill_port", "{} is not understood: {error}", path.display()))
        .ok()
}

/// The user that this process acts as.
fn own_user() -> Option<u32> {
    #[cfg(unix)]
    return Some(nix::unistd::geteuid().as_raw());
    #[cfg(not(unix))]
    None
}

/// The home of a user, by the user database.
fn home_of(user: u32) -> Option<PathBuf> {
    let known = crate::sys::users(vec![user]).remove(&user);
    known
        .map(|user| user.home)
        .filter(|home| home.is_absolute())
}

/// The name of the group that may use a socket.
pub(super) fn group_of(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).ok()?;
        // The group's own permission to write is what connecting takes.
        if metadata.mode() & 0o020 == 0 || metadata.gid() == 0 {
            return None;
        }
        crate::sys::group_name(metadata.gid())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::fixture::Folder;
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn context(config: &Path, folder: &str, name: &str, host: &str) {
        let folder = config.join("contexts/meta").join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(
            folder.join("meta.json"),
            format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#),
        )
        .expect("a context");
    }

    /// Nothing but the user whose sockets the tests make.
    fn bare() -> Environment {
        Environment {
            users: own_user().into_iter().collect(),
            ..Environment::default()
        }
    }

    #[test]
    fn a_socket_of_somebody_else_is_no_engine() {
        let folder = Folder::new();
        let socket = folder.path().join("d.sock");
        let _engine = UnixListener::bind(&socket).expect("a socket");
        let other = 65533;
        if std::os::unix::fs::chown(&socket, Some(other), None).is_err() {
            eprintln!("SKIPPED: only root can give a socket away");
            return;
        }
        // Not even where it is named: the name may come from the settings of another user.
        let environment = |users: &[u32]| Environment {
            users: users.to_vec(),
            docker_host: Some(format!("unix://{}", socket.display()).into()),
            ..Environment::default()
        };
        assert!(Engines::find_in(&environment(&[0, 1])).local.is_empty());
        let under_sudo = Engines::find_in(&environment(&[0, other]));
        assert_eq!(under_sudo.local, [Endpoint::Unix(socket.clone())]);
    }

    #[test]
    fn one_socket_counts_once_however_many_paths_lead_to_it() {
        let folder = Folder::new();
        let socket = folder.path().join("a.sock");
        let _engine = UnixListener::bind(&socket).expect("a socket");
        symlink(&socket, folder.path().join("b.sock")).expect("a link");
        let engines = Engines::find_in(&Environment {
            docker_host: Some(format!("unix://{}", socket.display()).into()),
            system: vec![folder.path().join("b.sock"), socket.clone()],
            ..bare()
        });
        assert_eq!(engines.local, [Endpoint::Unix(socket)]);
        assert_eq!(engines.remote, None);
    }

    #[test]
    fn engines_in_a_home_are_found() {
        let folder = Folder::new();
        let home = folder.path().to_owned();
        let in_docker_folder = IN_DOCKER_FOLDER.map(|path| home.join(DOCKER_FOLDER).join(path));
        let others = IN_HOME.iter().map(|path| home.join(path));
        let sockets: Vec<PathBuf> = in_docker_folder.into_iter().chain(others).collect();
        let find = || {
            let homes = vec![home.clone()];
            Engines::find_in(&Environment {
                docker_folders: docker_folders(&homes),
                homes,
                ..bare()
            })
        };
        assert!(find().local.is_empty());
        let listen = |socket: &PathBuf| {
            fs::create_dir_all(socket.parent().expect("a folder")).expect("a folder");
            UnixListener::bind(socket).expect("a socket")
        };
        let _engines: Vec<UnixListener> = sockets.iter().map(listen).collect();
        let found: Vec<Endpoint> = sockets.into_iter().map(Endpoint::Unix).collect();
        assert_eq!(find().local, found);
    }

    #[test]
    fn remote_engines_are_reported_and_not_contacted() {
        for address in ["tcp://192.0.2.1:2375", "ssh://dev@example.org", "nonsense"] {
            let engines = Engines::find_in(&Environment {
                docker_host: Some(address.into()),
                ..bare()
            });
            assert!(engines.local.is_empty());
            assert_eq!(engines.remote.as_deref(), Some(address));
        }
    }

    #[test]
    fn the_current_context_is_found_by_its_name() {
        let folder = Folder::new();
        let config = folder.path().join("config");
        let socket = folder.path().join("c.sock");
        let _engine = UnixListener::bind(&socket).expect("a socket");
        context(
            &config,
            "0123",
            "mine",
            &format!("unix://{}", socket.display()),
        );
        context(&config, "4567", "far", "tcp://192.0.2.1:2376");
        let environment = |context: Option<&str>| Environment {
            docker_context: context.map(OsString::from),
            docker_config: Some(config.clone()),
            ..bare()
        };
        let engines = Engines::find_in(&environment(Some("mine")));
        assert_eq!(engines.local, [Endpoint::Unix(socket)]);
        assert_eq!(engines.remote, None);

        // The setting in the file says the same as the variable, which goes before it.
        fs::write(
            config.join("config.json"),
            r#"{"auths":{},"currentContext":"far"}"#,
        )
        .expect("a file");
        let engines = Engines::find_in(&environment(None));
        assert_eq!(engines.remote.as_deref(), Some("tcp://192.0.2.1:2376"));
        assert_eq!(Engines::find_in(&environment(Some("mine"))).remote, None);
    }

    #[test]
    fn broken_settings_are_passed_over() {
        let folder = Folder::new();
        let config = folder.path().join("config");
        context(&config, "0123", "\\u0000", "unix://\\u0000");
        fs::create_dir_all(config.join("contexts/meta/dir/meta.json")).expect("a folder");
        fs::write(config.join("config.json"), "{").expect("a file");
        let engines = Engines::find_in(&Environment {
            docker_config: Some(config),
            system: vec![folder.path().to_owned(), folder.path().join("nothing")],
            ..bare()
        });
        assert!(engines.local.is_empty());
    }

    #[test]
    fn engines_are_called_by_their_names() {
        for (path, name) in [
            ("/var/run/docker.sock", "Docker"),
            ("/run/user/1000/podman/podman.sock", "Podman"),
            ("/Users/dev/.orbstack/run/docker.sock", "OrbStack"),
            ("/Users/dev/.colima/default/docker.sock", "Colima"),
            ("/Users/dev/.rd/docker.sock", "Rancher Desktop"),
            ("/home/dev/.docker/desktop/docker.sock", "Docker Desktop"),
        ] {
            assert_eq!(Endpoint::Unix(PathBuf::from(path)).engine_name(), name);
        }
    }

    #[test]
    fn pipes_of_another_machine_are_remote() {
        assert_eq!(
            parse_address("npipe:////./pipe/docker_engine"),
            Some(Endpoint::Pipe(PathBuf::from(r"\\.\pipe\docker_engine")))
        );
        assert_eq!(parse_address("npipe:////server/pipe/docker_engine"), None);
    }
}
