//! Where a holder comes from: its ancestry, what started it, what brings it back, and the command that stops it for good.

use std::fmt;

use super::programs;
use crate::discovery::{Id, People, Sight};
use crate::printable::printable;
use crate::process::Process;
use crate::socket::{Holder, Socket};
use crate::supervisor::Restarts;
use crate::sys::surroundings::{self, Managed, Surroundings, Unit, surroundings};
use crate::sys::{self, Handle};
use crate::target::Target;

/// Where a holder comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// The holder's PID.
    pub pid: u32,
    /// Its ancestors, nearest first.
    pub ancestry: Vec<Process>,
    /// The parent at which the ancestry breaks off, because it can't be seen (`hidepid`) or has ended.
    pub breaks_off: Option<u32>,
    /// The leader of its session, if that lives and is no ancestor: a shell whose background job was detached.
    pub session_leader: Option<Process>,
    /// What had a part in starting it, nearest first. Never empty: [`Origin::Unknown`] if nothing is known.
    pub origins: Vec<Origin>,
    /// What will bring it back when it is ended, as a short phrase, such as `Restart=always of web.service`.
    pub brought_back_by: Option<String>,
    /// The command that stops it for good, ready to be typed. Names in it are quoted for a POSIX shell.
    pub stop_command: Option<String>,
}

/// What had a part in starting a process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A shell.
    #[non_exhaustive]
    Shell {
        /// The shell.
        process: Process,
        /// Whether somebody types into it: it leads a session with a terminal.
        interactive: bool,
    },
    /// An editor or an IDE.
    #[non_exhaustive]
    Editor {
        /// The editor.
        process: Process,
    },
    /// A program that runs scripts and tasks: `npm run dev`, `make serve`.
    #[non_exhaustive]
    ScriptRunner {
        /// The runner.
        process: Process,
        /// What it was asked to run.
        command: String,
    },
    /// A program that starts servers again when they end: pm2, supervisord, runit, s6, nodemon.
    #[non_exhaustive]
    Supervisor {
        /// The supervisor.
        process: Process,
        /// What it is called.
        name: &'static str,
        /// What it calls the server, if that is known.
        app: Option<String>,
    },
    /// A master that holds the same port: it starts workers again, and ends them when it ends.
    #[non_exhaustive]
    Master {
        /// The master.
        process: Process,
    },
    /// A systemd unit, known by the control group, or by the port in a `.socket` unit that the manager holds.
    #[non_exhaustive]
    SystemdUnit {
        /// `web.service`, or `web.socket` where the manager itself holds the port.
        unit: String,
        /// Whether it is a unit of a user's own manager (`systemctl --user`).
        user_scope: bool,
        /// What systemd heeds of `Restart=`, where it can be asked.
        restart: Option<String>,
        /// The `.socket` unit that starts it at a connection.
        socket_unit: Option<String>,
    },
    /// cron or at.
    #[non_exhaustive]
    Cron {
        /// The daemon.
        process: Process,
    },
    /// A login over SSH.
    #[non_exhaustive]
    SshSession {
        /// The server of the session.
        process: Process,
    },
    /// tmux, screen or zellij.
    #[non_exhaustive]
    Multiplexer {
        /// Its server.
        process: Process,
    },
    /// A terminal window.
    #[non_exhaustive]
    Terminal {
        /// The terminal emulator.
        process: Process,
    },
    /// A container.
    #[non_exhaustive]
    Container {
        /// `docker`, `podman`, `containerd`, `cri-o`, `lxc`, `systemd-nspawn`; `None` where only a PID namespace of its own is seen.
        runtime: Option<&'static str>,
        /// Its ID or name.
        id: Option<String>,
    },
    /// The Windows Subsystem for Linux.
    Wsl,
    /// A job of launchd.
    #[non_exhaustive]
    LaunchdJob {
        /// `com.example.web`
        label: String,
        /// `system`, or `gui/501`.
        domain: String,
    },
    /// A Windows service.
    #[non_exhaustive]
    WindowsService {
        /// Its short name.
        name: String,
    },
    /// PID 1: a process whose parents are gone.
    Init,
    /// Nothing is known.
    Unknown,
}

impl Origin {
    /// The word for it in JSON: `shell`, `editor`, `script_runner`, `supervisor`, `master`, `systemd_unit`, `cron`, `ssh_session`, `multiplexer`,
    /// `terminal`, `container`, `wsl`, `launchd_job`, `windows_service`, `init` or `unknown`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shell { .. } => "shell",
            Self::Editor { .. } => "editor",
            Self::ScriptRunner { .. } => "script_runner",
            Self::Supervisor { .. } => "supervisor",
            Self::Master { .. } => "master",
            Self::SystemdUnit { .. } => "systemd_unit",
            Self::Cron { .. } => "cron",
            Self::SshSession { .. } => "ssh_session",
            Self::Multiplexer { .. } => "multiplexer",
            Self::Terminal { .. } => "terminal",
            Self::Container { .. } => "container",
            Self::Wsl => "wsl",
            Self::LaunchdJob { .. } => "launchd_job",
            Self::WindowsService { .. } => "windows_service",
            Self::Init => "init",
            Self::Unknown => "unknown",
        }
    }

    /// The process that it is, if it is one.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        match self {
            Self::Shell { process, .. }
            | Self::Editor { process }
            | Self::ScriptRunner { process, .. }
            | Self::Supervisor { process, .. }
            | Self::Master { process }
            | Self::Cron { process }
            | Self::SshSession { process }
            | Self::Multiplexer { process }
            | Self::Terminal { process } => Some(process),
            _ => None,
        }
    }

    /// Whether a person is at work there: what comes further up is where the person is, not what keeps the server alive.
    fn is_persons(&self) -> bool {
        matches!(
            self,
            Self::Shell {
                interactive: true,
                ..
            } | Self::Editor { .. }
                | Self::SshSession { .. }
                | Self::Multiplexer { .. }
                | Self::Terminal { .. }
        )
    }
}

impl fmt::Display for Origin {
    /// As a phrase: `npm run dev (PID 12)`, `the systemd unit web.service`. Names are safe to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell {
                process,
                interactive: true,
            } => write!(f, "the interactive shell {}", process),
            Self::Shell { process, .. } => write!(f, "the shell {}", process),
            Self::Editor { process } => write!(f, "the editor {}", process),
            Self::ScriptRunner { process, command } => {
                write!(f, "`{}` (PID {})", printable(command), process.pid)
            }
            Self::Supervisor { process, name, app } => {
                write!(f, "{name} (PID {})", process.pid)?;
                match app {
                    Some(app) => write!(f, ", which calls it {}", printable(app)),
                    None => Ok(()),
                }
            }
            Self::Master { process } => write!(f, "the master {}", process),
            Self::SystemdUnit {
                unit,
                user_scope,
                restart,
                socket_unit,
            } => {
                let whose = if *user_scope {
                    "user's systemd unit"
                } else {
                    "systemd unit"
                };
                write!(f, "the {whose} {}", printable(unit))?;
                if let Some(restart) = restart {
                    write!(f, ", Restart={}", printable(restart))?;
                }
                match socket_unit {
                    Some(socket) if socket != unit => {
                        write!(f, ", which {} starts", printable(socket))
                    }
                    _ => Ok(()),
                }
            }
            Self::Cron { process } => write!(f, "{process}"),
            Self::SshSession { process } => write!(f, "the SSH session of {}", process),
            Self::Multiplexer { process } => write!(f, "{process}"),
            Self::Terminal { process } => write!(f, "the terminal {}", process),
            Self::Container { runtime, id } => {
                match runtime {
                    Some(runtime) => write!(f, "a container of {runtime}")?,
                    None if id.is_some() => f.write_str("a container")?,
                    None => f.write_str("a PID namespace of its own, as containers have")?,
                }
                match id {
                    Some(id) => write!(f, ", {}", printable(&short(id))),
                    None => Ok(()),
                }
            }
            Self::Wsl => f.write_str("the Windows Subsystem for Linux"),
            Self::LaunchdJob { label, domain } => {
                write!(
                    f,
                    "the launchd job {}/{}",
                    printable(domain),
                    printable(label)
                )
            }
            Self::WindowsService { name } => write!(f, "the Windows service {}", printable(name)),
            Self::Init => f.write_str("PID 1: its parents are gone"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Where each of these holders comes from.
pub(super) fn provenance(people: &mut People, target: Target, sight: &Sight) -> Vec<Provenance> {
    let held = sight.found.iter().flat_map(|found| &found.held);
    let holders: Vec<(Id, &[Socket])> = held
        .map(|(id, sockets)| (*id, sockets.as_slice()))
        .collect();
    let ids: Vec<Id> = holders.iter().map(|(id, _)| *id).collect();
    let manager = ids
        .iter()
        .copied()
        .find(|&id| is_manager(&people.crowd[id].process));
    let socket = manager.and_then(|manager| {
        let (_, sockets) = holders.iter().find(|(id, _)| *id == manager)?;
        socket_unit(target.port(), sockets, &people.crowd[manager].process)
    });
    let mut systemd = Systemd {
        socket,
        told: Vec::new(),
    };
    let mut stories: Vec<Provenance> = ids
        .iter()
        .map(|&id| of_process(people, id, &ids, &mut systemd))
        .collect();
    stories.sort_by_key(|story| story.pid);
    stories
}

/// Whether it is systemd, the system's or a user's.
fn is_manager(process: &Process) -> bool {
    process.name == "systemd"
}

/// What systemd told, which is asked once about each unit: many holders may belong to one.
#[derive(Default)]
struct Systemd {
    /// The `.socket` unit of the port, if the manager holds it.
    socket: Option<String>,
    told: Vec<(Unit, Managed)>,
}

impl Systemd {
    fn about(&mut self, unit: &Unit) -> Managed {
        if let Some((_, told)) = self.told.iter().find(|(known, _)| known == unit) {
            return told.clone();
        }
        let told = surroundings::managed(unit);
        self.told.push((unit.clone(), told.clone()));
        told
    }
}

/// The `.socket` unit by which a service manager holds a port.
fn socket_unit(port: u16, sockets: &[Socket], manager: &Process) -> Option<String> {
    let user = (manager.pid != 1).then_some(manager.uid).flatten();
    sockets
        .iter()
        .find_map(|socket| surroundings::socket_unit(port, socket.protocol, user))
}

fn of_process(people: &mut People, id: Id, holders: &[Id], systemd: &mut Systemd) -> Provenance {
    let around = surroundings(people.handle(id));
    let chain = chain(people, id);
    let leader = session_leader(people, &around, &chain, id);
    let crowd = &people.crowd;
    let process = &crowd[id].process;
    let origin_of = |&above: &Id| {
        let facts = &crowd[above];
        programs::origin(&facts.process, facts.is_interactive_shell(), process)
    };
    let mut origins: Vec<Origin> = chain
        .iter()
        .filter_map(|above| {
            let process = &crowd[*above].process;
            if process.pid != 1 && !is_manager(process) && holders.contains(above) {
                let process = process.clone();
                return Some(Origin::Master { process });
            }
            origin_of(above)
        })
        .collect();
    origins.extend(leader.as_ref().and_then(origin_of));
    let outer = outermost(process, &origins, around, systemd);
    if matches!(outer, Some(Origin::Container { .. })) {
        // Its runtime is an ancestor as well, and would name it again.
        origins.retain(|origin| !matches!(origin, Origin::Container { .. }));
    }
    origins.extend(outer);
    let is_relayed = chain
        .iter()
        .any(|&above| programs::is_wsl_relay(&crowd[above].process));
    if is_relayed && surroundings::is_wsl() {
        origins.push(Origin::Wsl);
    }
    if origins.is_empty() {
        let at_init = chain
            .last()
            .is_some_and(|&above| crowd[above].process.pid == 1);
        origins.push(if at_init {
            Origin::Init
        } else {
            Origin::Unknown
        });
    }
    let (brought_back_by, stop_command) = comeback(&origins);
    let last = chain.last().unwrap_or(&id);
    let breaks_off = match chain.last() {
        Some(&last) => crowd[last].process.parent_pid.filter(|&pid| pid != 0),
        None => crowd[*last].unseen_parent,
    };
    Provenance {
        pid: process.pid,
        breaks_off,
        ancestry: chain
            .iter()
            .map(|&above| crowd[above].process.clone())
            .collect(),
        session_leader: leader.map(|leader| crowd[leader].process.clone()),
        origins,
        brought_back_by,
        stop_command,
    }
}

/// Those above a process, nearest first, with all that can be read of them.
fn chain(people: &mut People, of: Id) -> Vec<Id> {
    let chain = people.crowd[of].ancestors.clone();
    // What can't be read of them is left out.
    let _ = people.describe_all(&chain);
    chain
}

/// The leader of the holder's session, where the ancestry leads past it.
fn session_leader(people: &mut People, around: &Surroundings, chain: &[Id], of: Id) -> Option<Id> {
    let leader = around.session.filter(|&leader| leader != 0)?;
    let id = people.pass(leader).ok().flatten()?;
    if id == of || chain.contains(&id) {
        return None;
    }
    people.describe(id).ok()?;
    Some(id)
}

/// What lies around all ancestors: a container, a unit, a job, a service.
fn outermost(
    holder: &Process,
    origins: &[Origin],
    around: Surroundings,
    systemd: &mut Systemd,
) -> Option<Origin> {
    if let Some(container) = around.container {
        return Some(Origin::Container {
            runtime: container.runtime,
            id: container.id,
        });
    }
    if is_manager(holder) {
        let unit = systemd.socket.clone()?;
        return Some(Origin::SystemdUnit {
            socket_unit: Some(unit.clone()),
            unit,
            user_scope: holder.pid != 1,
            restart: None,
        });
    }
    // A unit that a person works in (a web terminal, the SSH server) did not start the server: the person did.
    if origins.iter().any(Origin::is_persons) {
        return None;
    }
    if let Some(unit) = around.unit {
        let told = systemd.about(&unit);
        return Some(Origin::SystemdUnit {
            unit: unit.name,
            user_scope: unit.user.is_some(),
            restart: told.restart,
            socket_unit: systemd.socket.clone().or(told.socket),
        });
    }
    if let Some(job) = around.job {
        return Some(Origin::LaunchdJob {
            label: job.label,
            domain: job.domain,
        });
    }
    around.service.map(|name| Origin::WindowsService { name })
}

/// What brings the holder back, and the command that stops it for good.
fn comeback(origins: &[Origin]) -> (Option<String>, Option<String>) {
    let up_to_person = origins.iter().take_while(|origin| !origin.is_persons());
    for origin in up_to_person.chain(origins.iter().filter(|origin| {
        // A container is stopped as a whole, wherever in it the person is.
        matches!(origin, Origin::Container { .. })
    })) {
        let found = match origin {
            Origin::Supervisor { process, name, app } => Some((
                Some(match Restarts::of(process) {
                    Restarts::OnChange => {
                        format!("{name} (PID {}), when a file changes", process.pid)
                    }
                    _ => format!("{name} (PID {})", process.pid),
                }),
                programs::stop_command(name, app.as_deref(), process).or_else(|| {
                    let is_watcher = Restarts::of(process) == Restarts::OnChange;
                    is_watcher.then(|| programs::kill_command(process))
                }),
            )),
            Origin::SystemdUnit {
                unit,
                user_scope,
                restart,
                socket_unit,
            } => Some(unit_comeback(
                unit,
                *user_scope,
                restart.as_deref(),
                socket_unit.as_deref(),
            )),
            Origin::Container { runtime, id } => {
                Some((None, stop_container(*runtime, id.as_deref())))
            }
            Origin::LaunchdJob { label, domain } => Some((
                None,
                Some(format!(
                    "launchctl bootout {}",
                    quoted(&format!("{domain}/{label}"))
                )),
            )),
            Origin::WindowsService { name } => {
                Some((None, Some(format!("sc stop {}", quoted(name)))))
            }
            _ => None,
        };
        if let Some(found) = found {
            return found;
        }
    }
    (None, None)
}

fn unit_comeback(
    unit: &str,
    user: bool,
    restart: Option<&str>,
    socket_unit: Option<&str>,
) -> (Option<String>, Option<String>) {
    let restarts = restart.filter(|restart| *restart != "no");
    let by = match (restarts, socket_unit) {
        (_, Some(socket)) => Some(format!(
            "{}, which starts the service at the next connection",
            printable(socket)
        )),
        (Some(restart), None) => Some(format!(
            "Restart={} of {}",
            printable(restart),
            printable(unit)
        )),
        (None, None) => None,
    };
    let scope = if user { " --user" } else { "" };
    // The socket first, so that it can't start the service again in between.
    let units = match socket_unit {
        Some(socket) if socket != unit => format!("{} {}", quoted(socket), quoted(unit)),
        _ => quoted(unit),
    };
    (by, Some(format!("systemctl{scope} stop {units}")))
}

fn stop_container(runtime: Option<&str>, id: Option<&str>) -> Option<String> {
    let id = quoted(&short(id?));
    Some(match runtime? {
        "docker" => format!("docker stop {id}"),
        "podman" => format!("podman stop {id}"),
        "cri-o" => format!("crictl stop {id}"),
        "containerd" => format!("nerdctl stop {id}"),
        "lxc" => format!("lxc-stop -n {id}"),
        "systemd-nspawn" => format!("machinectl poweroff {id}"),
        _ => return None,
    })
}

/// Twelve digits of a long ID are enough for every engine.
fn short(id: &str) -> String {
    let is_long = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_long {
        id.chars().take(12).collect()
    } else {
        id.to_owned()
    }
}

/// A word of a command, quoted where a shell would see more in it than a word, and safe to print.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric()
            || matches!(character, '.' | '-' | '_' | '@' | '/' | ':' | '+' | ',')
    };
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", printable(word).replace('\'', r"'\''"))
}

/// The command that stops this process for good, if it has a unit, a supervisor or a container. What the caller itself lives in is not
/// to be stopped from inside.
pub(crate) fn stop_command(process: &Process) -> Option<String> {
    let mut people = People::default();
    let handle = Handle::open(process.pid).ok().flatten()?;
    let id = people.meet_all([handle]).ok()?.pop()?;
    if people.crowd[id].process != *process {
        return None;
    }
    let mut origins = of_process(&mut people, id, &[], &mut Systemd::default()).origins;
    let own = sys::ancestors().ok()?.found;
    let is_own =
        |process: &Process| process.pid == sys::caller() || own.contains(&process.identity());
    origins.retain(|origin| origin.process().is_none_or(|process| !is_own(process)));
    comeback(&origins).1
}

/// The command that stops the `.socket` unit by which a service manager holds a port, if one names the port.
pub(crate) fn socket_command(holder: &Holder) -> Option<String> {
    let process = &holder.process;
    let port = holder.sockets.first()?.port;
    let unit = socket_unit(port, &holder.sockets, process)?;
    unit_comeback(&unit, process.pid != 1, None, Some(&unit)).1
}

/// How a service manager restarts this unit, and the command that stops it; `None` if nothing starts it again.
pub(crate) fn unit_restarts(unit: &str, manager: &Process) -> Option<(Restarts, Option<String>)> {
    let is_users = manager.pid != 1;
    let told = surroundings::managed(&Unit {
        name: unit.to_owned(),
        user: manager.uid.filter(|_| is_users),
    });
    let restart = told.restart.as_deref();
    if restart == Some("no") && told.socket.is_none() {
        return None;
    }
    let restarts = match restart {
        Some("always" | "on-success") => Restarts::Always,
        _ => Restarts::Perhaps,
    };
    let (_, command) = unit_comeback(unit, is_users, restart, told.socket.as_deref());
    Some((restarts, command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(name: &str, user_scope: bool, restart: Option<&str>, socket: Option<&str>) -> Origin {
        Origin::SystemdUnit {
            unit: name.to_owned(),
            user_scope,
            restart: restart.map(str::to_owned),
            socket_unit: socket.map(str::to_owned),
        }
    }

    fn shell(interactive: bool) -> Origin {
        Origin::Shell {
            process: Process::unknown(7),
            interactive,
        }
    }

    /// What brings it back, and the command.
    fn told(origins: &[Origin]) -> (String, String) {
        let (by, command) = comeback(origins);
        (by.unwrap_or_default(), command.unwrap_or_default())
    }

    fn both(by: &str, command: &str) -> (String, String) {
        (by.to_owned(), command.to_owned())
    }

    #[test]
    fn a_unit_is_stopped_by_its_manager() {
        assert_eq!(
            told(&[
                shell(false),
                unit("web.service", false, Some("always"), None)
            ]),
            both(
                "Restart=always of web.service",
                "systemctl stop web.service"
            )
        );
        assert_eq!(
            told(&[unit("web.service", false, Some("no"), None)]),
            both("", "systemctl stop web.service")
        );
        assert_eq!(
            told(&[unit("dev.service", true, None, None)]),
            both("", "systemctl --user stop dev.service")
        );
    }

    #[test]
    fn a_socket_unit_is_stopped_before_its_service() {
        let (by, command) = told(&[unit("web.service", false, None, Some("web.socket"))]);
        assert!(by.starts_with("web.socket"), "{by}");
        assert_eq!(command, "systemctl stop web.socket web.service");
        let (_, command) = told(&[unit("web.socket", false, None, Some("web.socket"))]);
        assert_eq!(command, "systemctl stop web.socket");
    }

    #[test]
    fn other_managers_have_commands_of_their_own() {
        let job = Origin::LaunchdJob {
            label: "com.example.web".into(),
            domain: "gui/501".into(),
        };
        assert_eq!(told(&[job]).1, "launchctl bootout gui/501/com.example.web");
        let service = Origin::WindowsService {
            name: "W3SVC".into(),
        };
        assert_eq!(told(&[service]).1, "sc stop W3SVC");
        for (runtime, command) in [
            ("docker", "docker stop web"),
            ("podman", "podman stop web"),
            ("cri-o", "crictl stop web"),
            ("containerd", "nerdctl stop web"),
            ("lxc", "lxc-stop -n web"),
            ("systemd-nspawn", "machinectl poweroff web"),
        ] {
            let container = Origin::Container {
                runtime: Some(runtime),
                id: Some("web".into()),
            };
            // Even where a person has a shell in it.
            assert_eq!(told(&[shell(true), container]).1, command);
        }
        let nameless = Origin::Container {
            runtime: None,
            id: None,
        };
        assert_eq!(told(&[nameless]), both("", ""));
    }

    #[test]
    fn what_a_person_started_comes_back_by_nobody() {
        let supervisor = Origin::Supervisor {
            process: Process::unknown(9),
            name: "pm2",
            app: Some("web".into()),
        };
        assert_eq!(
            told(&[supervisor.clone(), shell(true)]),
            both("pm2 (PID 9)", "pm2 stop web")
        );
        // What keeps the person's shell alive does not start servers.
        assert_eq!(told(&[shell(true), supervisor]), both("", ""));
        assert_eq!(told(&[Origin::Init]), both("", ""));
    }

    #[test]
    fn names_from_others_are_quoted_and_escaped() {
        assert_eq!(quoted("web@1.service"), "web@1.service");
        assert_eq!(quoted("a b; rm -rf ~"), "'a b; rm -rf ~'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("--now"), "'--now'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a\u{1b}[2J"), r"'a\u{1b}[2J'");
    }

    proptest! {
        #[test]
        fn a_quoted_word_is_safe_to_print(word in any::<String>()) {
            let quoted = quoted(&word);
            prop_assert_eq!(printable(&quoted).into_owned(), quoted);
        }
    }
}
