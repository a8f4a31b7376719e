//! The rows of the list: who listens on which port.

use std::path::{Path, PathBuf};

use kill_port::containers::Container;
use kill_port::{HiddenCause, HiddenSocket, Process, Protocol, Socket, Target, printable};

use crate::answer::{Answer, Listing};
use crate::columns::{Column, Kind, WHOLE, fitting};
use crate::container;
use crate::fold::{groups, likeness};
use crate::time;
use crate::user;
use crate::words::{self, command_line};

/// So much can be filtered by: some command lines are megabytes.
const SEARCHED: usize = 4096;

/// What narrows the list: the options that do so for named ports.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `--tcp` or `--udp`.
    pub protocol: Option<Protocol>,
    /// `--in`.
    pub within: Option<PathBuf>,
}

/// The columns, in the order in which they are given room.
const KINDS: [Kind<Row>; 7] = [
    Kind::new("PORT", |row| &row.port, WHOLE, 9, 0),
    Kind::new("PROCESS", |row| &row.process, 12, 24, 1),
    Kind::new("PROJECT", |row| &row.project, 8, 16, 3),
    Kind::new(AGE, |row| &row.age, WHOLE, 8, 4),
    Kind::new("USER", |row| &row.user, 4, 12, 5),
    Kind::new("PID", |row| &row.pid, WHOLE, 10, 2),
    Kind::new("COMMAND", |row| &row.about, 12, WHOLE, 6),
];

/// So wide that it seldom changes: it is another one every second.
const AGE: &str = "AGE   ";

/// The columns for which there is room. They are as wide as everything that could be shown needs, so that nothing moves sideways.
pub fn columns<'a>(rows: impl Iterator<Item = &'a Row> + Clone, width: usize) -> Vec<Column<Row>> {
    // Whoever is alone on a machine knows the user.
    let has_user = rows.clone().any(|row| !row.is_own);
    let kinds = KINDS
        .into_iter()
        .filter(|kind| kind.name != "USER" || has_user);
    fitting(&kinds.collect::<Vec<_>>(), rows, width)
}

/// Somebody who has a port.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: Key,
    /// `3000`, `53/udp`
    pub port: String,
    pub process: String,
    pub pid: String,
    /// The name of the folder that it works in.
    pub project: String,
    pub age: String,
    pub user: String,
    pub is_own: bool,
    /// The command line, shortened, or what an engine tells of a container.
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
        // PIDs begin anew at times: who comes later stands below.
        let (kind, since, pid) = match &self.who {
            Who::Container(_) => (0, None, 0),
            Who::Process(process) => (1, process.started, process.pid),
            Who::Hidden(_) => (2, None, 0),
        };
        (self.port, self.protocol, kind, since, pid)
    }
}

/// The rows of a list, by port: one for each process on a port, on however many addresses. Workers that are alike are one row, unless each
/// is wanted: that of the oldest.
pub fn rows(ports: &[(Target, Answer)], scope: &Scope, each: bool) -> Vec<Row> {
    let listings = ports
        .iter()
        .filter_map(|(target, answer)| Some((target.port(), answer.listing()?)));
    let rows = listings.flat_map(|(port, listing)| {
        let within = scope.within.as_deref();
        let processes = processes(port, listing, within, each);
        let containers = containers(port, listing, within);
        let hidden = listing.hidden.iter().filter(move |_| within.is_none());
        let rows = processes.into_iter().chain(containers);
        rows.chain(hidden.map(Row::of_hidden))
    });
    let is_asked = |row: &Row| scope.protocol.is_none_or(|only| only == row.key.protocol);
    let mut rows: Vec<Row> = rows.filter(is_asked).collect();
    rows.sort_by_key(|row| row.key.order());
    rows
}

fn processes(port: u16, listing: &Listing, within: Option<&Path>, each: bool) -> Vec<Row> {
    let is_within = |process: &Process| is_within(process.cwd.as_deref(), within);
    let holders = listing.holders.iter();
    let holders = holders.filter(|holder| is_within(&holder.process));
    let mut held: Vec<(Protocol, &Process)> = holders
        .flat_map(|holder| {
            let sockets = holder.sockets.iter();
            sockets.map(|socket| (socket.protocol, &*holder.process))
        })
        .collect();
    held.sort_by_key(|(protocol, process)| (*protocol, process.started, process.pid));
    held.dedup();
    let groups = groups(held, each, |(protocol, process)| {
        (*protocol, likeness(process))
    });
    let rows = groups.into_iter().filter_map(|group| {
        let (protocol, oldest) = group.first()?;
        Some(Row::of_process(port, *protocol, oldest, group.len(), each))
    });
    rows.collect()
}

fn containers(port: u16, listing: &Listing, within: Option<&Path>) -> Vec<Row> {
    let folder = |container: &Container| container.compose.as_ref()?.folder.clone();
    let target = Target::new(port);
    let containers = listing.containers.iter();
    let published = containers
        .filter(|container| is_within(folder(container).as_deref(), within))
        .flat_map(|container| {
            let mut protocols: Vec<Protocol> = container
                .ports_for(&target)
                .map(|port| port.protocol)
                .collect();
            // An engine names an address of IPv4 and one of IPv6.
            protocols.sort_unstable();
            protocols.dedup();
            let rows = protocols.into_iter();
            rows.map(|protocol| Row::of_container(port, protocol, container))
        });
    published.collect()
}

/// What is shown at first, by the paths alone: nobody knows where those belong who don't tell. Whom `--in` spares, the plan says.
fn is_within(folder: Option<&Path>, within: Option<&Path>) -> bool {
    within.is_none_or(|within| folder.is_some_and(|folder| folder.starts_with(within)))
}

impl Row {
    fn of_process(
        port: u16,
        protocol: Protocol,
        process: &Process,
        count: usize,
        verbose: bool,
    ) -> Self {
        let called = printable(&process.name);
        let whole = command_line(&process.command);
        let folder = process.cwd.as_deref().unwrap_or(Path::new(""));
        let text = format!("{}\n{whole}", folder.to_string_lossy());
        Self {
            port: name(port, protocol),
            process: match count {
                1 => called.into_owned(),
                count => format!("{called} ×{count}"),
            },
            pid: process.pid.to_string(),
            project: words::project(process).unwrap_or_default(),
            age: process.started.map(time::age).unwrap_or_default(),
            user: user::name(process.user.as_deref(), process.uid).unwrap_or_default(),
            is_own: user::is_own(process.uid),
            about: if verbose {
                whole
            } else {
                command_line(&process.short_command())
            },
            text: String::new(),
            key: Key {
                port,
                protocol,
                who: Who::Process(Box::new(process.clone())),
            },
        }
        .found_by(&text)
    }

    fn of_hidden(hidden: &HiddenSocket) -> Self {
        let socket = &hidden.socket;
        // A user's name is looked up for a while alone, and is no part of it.
        let mut key = socket.clone();
        key.user = None;
        Self {
            port: name(socket.port, socket.protocol),
            process: "(unknown)".into(),
            pid: String::new(),
            project: String::new(),
            age: String::new(),
            user: user::name(socket.user.as_deref(), socket.uid).unwrap_or_default(),
            is_own: user::is_own(socket.uid),
            about: match hidden.cause {
                HiddenCause::Unreadable => "(hidden)".into(),
                _ => "(see --why)".into(),
            },
            text: String::new(),
            key: Key {
                port: socket.port,
                protocol: socket.protocol,
                who: Who::Hidden(Box::new(key)),
            },
        }
        .found_by("")
    }

    fn of_container(port: u16, protocol: Protocol, container: &Container) -> Self {
        let compose = container.compose.as_ref();
        let project = compose.map(|compose| printable(&compose.project).into_owned());
        Self {
            port: name(port, protocol),
            process: "(container)".into(),
            pid: String::new(),
            project: project.unwrap_or_default(),
            age: String::new(),
            user: String::new(),
            is_own: true,
            about: container::summary(container),
            text: String::new(),
            key: Key {
                port,
                protocol,
                who: Who::Container(container.id.clone()),
            },
        }
        .found_by("")
    }

    /// With what it can be found by: everything that can be seen of it, and this.
    fn found_by(mut self, more: &str) -> Self {
        let Key { port, protocol, .. } = self.key;
        let Self {
            process,
            project,
            about,
            ..
        } = &self;
        let text = format!("{port}/{protocol}\n{process}\n{project}\n{about}\n{more}");
        self.text = text
            .chars()
            .take(SEARCHED)
            .collect::<String>()
            .to_lowercase();
        self
    }
}

fn name(port: u16, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => port.to_string(),
        protocol => format!("{port}/{protocol}"),
    }
}
