//! The table of `--list`: as wide as the terminal, and in a pipe as wide as it needs.

use std::collections::HashSet;

use kill_port::containers::Container;
use kill_port::{
    Address, HiddenCause, HiddenSocket, Process, Protocol, Socket, SocketState, Target, printable,
};

use crate::answer::Answer;
use crate::columns::{self, Kind, WHOLE};
use crate::container;
use crate::fold::{groups, likeness};
use crate::style::{BOLD, DIM, WARN, paint};
use crate::time;
use crate::user;
use crate::words::{self, command_line};

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 120;

/// The columns, in the order in which they are given room.
const KINDS: [Kind<Cells>; 8] = [
    Kind::new("PORT", |row| &row.port, WHOLE, WHOLE, 0),
    Kind::new("PROCESS", |row| &row.process, WHOLE, WHOLE, 2),
    Kind::new("PID", |row| &row.pid, WHOLE, WHOLE, 3),
    Kind::new(ADDRESS, |row| &row.address, WHOLE, WHOLE, 1),
    Kind::new("PROJECT", |row| &row.project, 8, 20, 6),
    Kind::new("AGE", |row| &row.age, WHOLE, WHOLE, 5),
    Kind::new(USER, |row| &row.user, 4, 12, 4),
    Kind::new("COMMAND", |row| &row.command, 12, COMMAND_IN_PIPE, 7),
];

const ADDRESS: &str = "ADDRESS";
const USER: &str = "USER";

/// What a row says.
#[derive(Default)]
struct Cells {
    port: String,
    address: String,
    process: String,
    pid: String,
    user: String,
    age: String,
    project: String,
    command: String,
    is_public: bool,
}

/// One row: a socket, or a port that a container publishes.
struct Row<'a> {
    port: u16,
    protocol: Protocol,
    /// `None` where a container's engine names none, which means all of them.
    address: Option<Address>,
    state: Option<SocketState>,
    by: Holder<'a>,
}

/// Who has the port.
enum Holder<'a> {
    Process(&'a Process),
    Hidden(&'a HiddenSocket),
    Container(&'a Container),
}

impl<'a> Row<'a> {
    fn of_socket(socket: &Socket, by: Holder<'a>) -> Self {
        Self {
            port: socket.port,
            protocol: socket.protocol,
            address: Some(socket.full_address()),
            state: Some(socket.state),
            by,
        }
    }

    /// What it is about, but for the process.
    fn socket(&self) -> (u16, Protocol, Option<Address>, Option<SocketState>) {
        (self.port, self.protocol, self.address, self.state)
    }

    fn process(&self) -> Option<&'a Process> {
        match self.by {
            Holder::Process(process) => Some(process),
            Holder::Hidden(_) | Holder::Container(_) => None,
        }
    }

    /// Whether others than this machine can reach it.
    fn is_public(&self) -> bool {
        let is_loopback =
            |address| matches!(address, Address::Ip(ip) if ip.to_canonical().is_loopback());
        self.state != Some(SocketState::Bound) && !self.address.is_some_and(is_loopback)
    }

    /// Whether the user is named: whoever asks knows who that is.
    fn is_foreign(&self) -> bool {
        match self.by {
            Holder::Process(process) => !user::is_own(process.uid),
            Holder::Hidden(hidden) => !user::is_own(hidden.socket.uid),
            Holder::Container(_) => false,
        }
    }

    /// An address, with a word for what it means.
    fn address(&self) -> String {
        let address = self.address.map_or_else(|| "*".into(), |ip| ip.to_string());
        match self.state {
            Some(SocketState::Bound) => format!("{address} bound"),
            _ if self.is_public() => format!("{address} public"),
            _ => address,
        }
    }
}

/// A row and those that are alike but for their PIDs.
struct Group<'a>(Vec<Row<'a>>);

impl Group<'_> {
    fn first(&self) -> Option<&Row<'_>> {
        self.0.first()
    }

    fn cells(&self, verbose: bool) -> Cells {
        let Some(row) = self.first() else {
            return Cells::default();
        };
        let known = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
        let mut cells = Cells {
            port: format!("{}/{}", row.port, row.protocol),
            address: row.address(),
            is_public: row.is_public(),
            pid: "-".into(),
            age: "-".into(),
            ..Cells::default()
        };
        match row.by {
            Holder::Process(process) => {
                cells.process = match (printable(&process.name), self.0.len()) {
                    (name, 1) => name.into_owned(),
                    (name, count) => format!("{name} ×{count}"),
                };
                let oldest = self.0.iter().filter_map(|row| row.process()?.started);
                cells.age = known(oldest.min().map(time::age));
                cells.pid = process.pid.to_string();
                cells.user = known(user::name(process.user.as_deref(), process.uid));
                cells.project = known(words::project(process));
                cells.command = if verbose {
                    command_line(&process.command)
                } else {
                    command_line(&process.short_command())
                };
            }
            Holder::Hidden(HiddenSocket { socket, cause, .. }) => {
                cells.process = "-".into();
                cells.user = known(user::name(socket.user.as_deref(), socket.uid));
                cells.project = "-".into();
                cells.command = why_hidden(*cause).into();
            }
            Holder::Container(container) => {
                cells.process = "(container)".into();
                cells.user = "-".into();
                let compose = container.compose.as_ref();
                cells.project = known(compose.map(|it| printable(&it.project).into_owned()));
                cells.command = container::summary(container);
            }
        }
        cells
    }
}

/// The rows of all ports, sorted by port. Empty without any row.
pub fn render(ports: &[(Target, Answer)], verbose: bool, width: Option<usize>) -> String {
    let mut rows = rows(ports);
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(|row| (row.socket(), row.process().map(|process| process.pid)));
    // Whoever is alone on a machine knows the user. A program finds the same columns everywhere.
    let has_user = width.is_none() || rows.iter().any(Row::is_foreign);
    // Without a process, each is alone.
    let rows = rows.into_iter().enumerate();
    let groups = groups(rows, verbose, |(at, row)| {
        (row.socket(), row.process().map(likeness).ok_or(*at))
    });
    let groups = groups.into_iter().map(|group| {
        let rows = group.into_iter().map(|(_, row)| row);
        Group(rows.collect())
    });
    let cells: Vec<Cells> = groups.map(|group| group.cells(verbose)).collect();
    let kinds = KINDS
        .into_iter()
        .filter(|kind| kind.name != USER || has_user);
    let kinds: Vec<Kind<Cells>> = kinds.collect();
    let columns = columns::fitting(&kinds, cells.iter(), width.unwrap_or(usize::MAX));
    let mut text = format!("{}\n", paint(BOLD, columns::header(&columns)));
    for cells in &cells {
        let address = if cells.is_public { WARN } else { DIM };
        let line = columns::line(cells, &columns, |name| (name == ADDRESS).then_some(address));
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Targets may overlap (`8080 8080/tcp`); every row is shown once.
fn rows(ports: &[(Target, Answer)]) -> Vec<Row<'_>> {
    let mut seen = HashSet::new();
    let mut published = HashSet::new();
    let mut rows = Vec::new();
    let listings = ports
        .iter()
        .filter_map(|(target, answer)| Some((target, answer.listing()?)));
    for (target, listing) in listings {
        for holder in &listing.holders {
            let sockets = holder.sockets.iter();
            let pid = Some(holder.process.pid);
            let new = sockets.filter(|socket| seen.insert((*socket, pid)));
            rows.extend(new.map(|socket| Row::of_socket(socket, Holder::Process(&holder.process))));
        }
        let hidden = listing.hidden.iter();
        let new = hidden.filter(|hidden| seen.insert((&hidden.socket, None)));
        rows.extend(new.map(|hidden| Row::of_socket(&hidden.socket, Holder::Hidden(hidden))));
        for container in &listing.containers {
            let ports = container.ports_for(target);
            let new = ports.filter(|port| published.insert((*port, &container.id)));
            rows.extend(new.map(|port| Row {
                port: port.host_port,
                protocol: port.protocol,
                address: port.ip.map(Address::from),
                state: None,
                by: Holder::Container(container),
            }));
        }
    }
    rows
}

fn why_hidden(cause: HiddenCause) -> &'static str {
    match cause {
        HiddenCause::Unreadable => "(hidden)",
        HiddenCause::Elsewhere if cfg!(windows) => {
            "(its owner has ended, and who inherited it is not told)"
        }
        HiddenCause::Elsewhere => "(no descriptor leads to it: see --why)",
        _ => "(unknown)",
    }
}
