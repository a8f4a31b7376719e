//! The rows of the list: who listens on which port.

use std::path::{Path, PathBuf};

use kill_port::containers::Container;
use kill_port::{HiddenCause, HiddenSocket, Process, Protocol, Socket, Target, printable};

use crate::answer::{Answer, Listing};
use crate::container;
use crate::time;
use crate::user;
use crate::words::command_line;

/// So much of a command line can be filtered by; some are megabytes.
const SEARCHED: usize = 4096;

/// What narrows the list: the options that do so for named ports.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `--tcp` or `--udp`.
    pub protocol: Option<Protocol>,
    /// `--in`.
    pub within: Option<PathBuf>,
}

/// Somebody who has a port.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: Key,
    pub process: String,
    pub pid: String,
    /// The name of the folder that it works in.
    pub project: String,
    pub age: String,
    pub user: String,
    /// The command line, or what an engine tells of a container.
    pub about: String,
    /// Everything that can be filtered by, in lower case.
    pub text: String,
}

/// What makes a row the same row however often it is looked at: the port, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub port: u16,
    pub protocol: Protocol,
    pub who: Who,
}

/// Who has a port, as one that no other is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// By PID and start.
    Process(Box<Process>),
    /// By its ID.
    Container(String),
    /// A socket whose holder can't be seen.
    Hidden(Box<Socket>),
}

impl Key {
    /// What is freed when the row is chosen.
    pub fn target(&self) -> Target {
        Target::new(self.port).with_protocol(self.protocol)
    }

    /// Whether it can be chosen.
    pub fn is_seen(&self) -> bool {
        !matches!(self.who, Who::Hidden(_))
    }

    pub fn order(&self) -> impl Ord + use<> {
        let pid = match &self.who {
            Who::Process(process) => process.pid,
            Who::Container(_) => 0,
            Who::Hidden(_) => u32::MAX,
        };
        (self.port, self.protocol, pid)
    }

    /// `3000`, `53/udp`
    pub fn port(&self) -> String {
        match self.protocol {
            Protocol::Tcp => self.port.to_string(),
            protocol => format!("{}/{protocol}", self.port),
        }
    }
}

/// The rows of a list, by port: one for each process on a port, on however many addresses.
pub fn rows(ports: &[(Target, Answer)], scope: &Scope) -> Vec<Row> {
    let listings = ports
        .iter()
        .filter_map(|(target, answer)| Some((target.port(), answer.listing()?)));
    let mut rows: Vec<Row> = Vec::new();
    for (port, listing) in listings {
        let start = rows.len();
        for row in of_port(port, listing, scope.within.as_deref()) {
            let same = rows.get(start..).unwrap_or_default();
            let is_new = same.iter().all(|other| other.key != row.key);
            if is_new && scope.protocol.is_none_or(|only| only == row.key.protocol) {
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row| row.key.order());
    rows
}

fn of_port<'a>(
    port: u16,
    listing: &'a Listing,
    within: Option<&'a Path>,
) -> impl Iterator<Item = Row> + 'a {
    let is_within = move |folder: Option<&PathBuf>| {
        within.is_none_or(|within| folder.is_some_and(|folder| folder.starts_with(within)))
    };
    let holders = listing.holders.iter();
    let processes = holders
        .filter(move |holder| is_within(holder.process.cwd.as_ref()))
        .flat_map(|holder| {
            let sockets = holder.sockets.iter();
            sockets.map(|socket| Row::of_process(socket, &holder.process))
        });
    let hidden = listing.hidden.iter().filter(move |_| within.is_none());
    let containers = listing.containers.iter().filter(move |container| {
        let compose = container.compose.as_ref();
        is_within(compose.and_then(|compose| compose.folder.as_ref()))
    });
    let published = containers.flat_map(move |container| {
        let target = Target::new(port);
        let ports = container.ports_for(&target).map(|port| port.protocol);
        let protocols: Vec<Protocol> = ports.collect();
        protocols
            .into_iter()
            .map(move |protocol| Row::of_container(port, protocol, container))
    });
    processes.chain(hidden.map(Row::of_hidden)).chain(published)
}

impl Row {
    fn of_process(socket: &Socket, process: &Process) -> Self {
        let folder = process.cwd.as_deref();
        Self {
            process: printable(&process.name).into_owned(),
            pid: process.pid.to_string(),
            project: folder.map(project).unwrap_or_default(),
            age: process.started.map(time::age).unwrap_or_default(),
            user: user::name(process.user.as_deref(), process.uid).unwrap_or_default(),
            about: command_line(&process.command),
            text: folder.map_or_else(String::new, |folder| folder.to_string_lossy().into_owned()),
            key: Key {
                port: socket.port,
                protocol: socket.protocol,
                who: Who::Process(Box::new(process.clone())),
            },
        }
        .searchable()
    }

    fn of_hidden(hidden: &HiddenSocket) -> Self {
        let socket = &hidden.socket;
        Self {
            process: "(unknown)".into(),
            pid: String::new(),
            project: String::new(),
            age: String::new(),
            user: user::name(socket.user.as_deref(), socket.uid).unwrap_or_default(),
            about: match hidden.cause {
                HiddenCause::Unreadable => "(this user may not look)".into(),
                _ => "(see --why)".into(),
            },
            text: String::new(),
            key: Key {
                port: socket.port,
                protocol: socket.protocol,
                who: Who::Hidden(Box::new(socket.clone())),
            },
        }
        .searchable()
    }

    fn of_container(port: u16, protocol: Protocol, container: &Container) -> Self {
        let compose = container.compose.as_ref();
        let project = compose.map(|compose| printable(&compose.project).into_owned());
        Self {
            process: "(container)".into(),
            pid: String::new(),
            project: project.unwrap_or_default(),
            age: String::new(),
            user: String::new(),
            about: container::summary(container),
            text: String::new(),
            key: Key {
                port,
                protocol,
                who: Who::Container(container.id.clone()),
            },
        }
        .searchable()
    }

    /// With everything that can be seen of it in what it can be found by, beside what is there already.
    fn searchable(mut self) -> Self {
        let Key { port, protocol, .. } = self.key;
        let about: String = self.about.chars().take(SEARCHED).collect();
        let Self {
            process,
            project,
            text,
            ..
        } = &self;
        self.text =
            format!("{port}/{protocol}\n{process}\n{project}\n{text}\n{about}").to_lowercase();
        self
    }
}

/// What people call a folder: its last part.
fn project(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    printable(&name.to_string_lossy()).into_owned()
}
