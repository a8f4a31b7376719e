//! The table of `--list`: as wide as the terminal, and in a pipe as wide as it needs.

use std::collections::HashSet;
use std::net::IpAddr;

use kill_port::containers::Container;
use kill_port::{
    HiddenCause, HiddenSocket, Process, Protocol, Socket, SocketState, Target, printable,
};
use unicode_width::UnicodeWidthStr as _;

use crate::answer::Answer;
use crate::container;
use crate::fold::{groups, likeness};
use crate::style::{BOLD, DIM, WARN, paint};
use crate::time;
use crate::user;
use crate::words::{self, command_line, cut};

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 120;

/// A column for the project takes no more than this.
const PROJECT: usize = 20;

/// However narrow the terminal, so much is left for the last columns; and without this much the command line has none of its own.
const LEAST: usize = 10;

/// The columns that are never cut. The project and the command line follow them, as far as there is room.
const COLUMNS: usize = 6;

const HEADER: [&str; COLUMNS] = ["PORT", "ADDRESS", "PROCESS", "PID", "USER", "AGE"];

/// Which of the columns is which.
const ADDRESS: usize = 1;
const PID: usize = 3;
const USER: usize = 4;

const GAP: &str = "  ";

/// One row: a socket, or a port that a container publishes.
struct Row<'a> {
    port: u16,
    protocol: Protocol,
    /// `None` where a container's engine names none, which means all of them.
    address: Option<IpAddr>,
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
            address: Some(socket.address),
            state: Some(socket.state),
            by,
        }
    }

    /// What it is about, but for the process.
    fn socket(&self) -> (u16, Protocol, Option<IpAddr>, Option<SocketState>) {
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
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
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

    fn cells(&self) -> [String; COLUMNS] {
        let Some(row) = self.first() else {
            return Default::default();
        };
        let holder = match row.by {
            Holder::Process(process) => {
                let name = printable(&process.name).into_owned();
                let count = self.0.len();
                let oldest = self.0.iter().filter_map(|row| row.process()?.started).min();
                [
                    Some(if count > 1 {
                        format!("{name} ×{count}")
                    } else {
                        name
                    }),
                    Some(process.pid.to_string()),
                    user::name(process.user.as_deref(), process.uid),
                    oldest.map(time::age),
                ]
            }
            Holder::Hidden(HiddenSocket { socket, .. }) => {
                let user = user::name(socket.user.as_deref(), socket.uid);
                [None, None, user, None]
            }
            Holder::Container(_) => [Some("(container)".into()), None, None, None],
        };
        let [name, pid, user, age] = holder.map(|cell| cell.unwrap_or_else(|| "-".into()));
        let port = format!("{}/{}", row.port, row.protocol);
        [port, row.address(), name, pid, user, age]
    }

    fn project(&self) -> Option<String> {
        words::project(self.first()?.process()?)
    }

    /// What the last column says, in full.
    fn command(&self, verbose: bool) -> String {
        match self.first().map(|row| &row.by) {
            Some(Holder::Process(process)) if verbose => command_line(&process.command),
            Some(Holder::Process(process)) => command_line(&process.short_command()),
            Some(Holder::Hidden(hidden)) => why_hidden(hidden.cause).into(),
            Some(Holder::Container(container)) => container::summary(container),
            None => String::new(),
        }
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
    let groups = groups
        .into_iter()
        .map(|group| group.into_iter().map(|(_, row)| row).collect());
    let groups: Vec<Group<'_>> = groups.map(Group).collect();
    let cells: Vec<[String; COLUMNS]> = groups.iter().map(Group::cells).collect();
    let projects: Vec<Option<String>> = groups.iter().map(Group::project).collect();
    let mut widths = HEADER.map(str::len);
    for cells in &cells {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.width().max(*width);
        }
    }
    if !has_user {
        widths[USER] = 0;
    }
    let taken: usize = widths
        .iter()
        .filter(|width| **width > 0)
        .map(|width| width + GAP.len())
        .sum();
    let tail = Tail::of(
        &projects,
        width.map(|width| width.saturating_sub(taken).max(LEAST)),
    );
    let header =
        line(&HEADER.map(String::from), widths, |_| None) + &tail.row(Some("PROJECT"), "COMMAND");
    let mut text = format!("{}\n", paint(BOLD, header.trim_end()));
    for ((group, cells), project) in groups.iter().zip(&cells).zip(&projects) {
        let is_public = group.first().is_some_and(Row::is_public);
        let style = |column| (column == ADDRESS).then_some(if is_public { WARN } else { DIM });
        let command = group.command(verbose);
        let end = match group.first().and_then(Row::process) {
            Some(_) => tail.row(project.as_deref().or(Some("-")), &command),
            None => tail.row(None, &command),
        };
        let line = line(cells, widths, style) + &end;
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The last columns.
struct Tail {
    /// How wide the project's column is.
    project: usize,
    /// What is left for the command line; `None`: there is no column for it.
    command: Option<usize>,
    /// What both have.
    whole: usize,
}

impl Tail {
    fn of(projects: &[Option<String>], left: Option<usize>) -> Self {
        let widest = projects
            .iter()
            .flatten()
            .map(|project| project.width())
            .max();
        let project = widest.unwrap_or(0).clamp("PROJECT".len(), PROJECT);
        let Some(left) = left else {
            return Self {
                project,
                command: Some(COMMAND_IN_PIPE),
                whole: COMMAND_IN_PIPE,
            };
        };
        // The folder tells more than the command line does.
        let command = left.saturating_sub(project + GAP.len());
        Self {
            project: project.min(left),
            command: (command >= LEAST).then_some(command),
            whole: left,
        }
    }

    /// Without a project, the rest has all the room.
    fn row(&self, project: Option<&str>, command: &str) -> String {
        let Some(project) = project else {
            return cut(command, self.whole);
        };
        let project = cut(project, self.project);
        let Some(room) = self.command else {
            return project;
        };
        let padding = " ".repeat(self.project.saturating_sub(project.width()));
        format!("{project}{padding}{GAP}{}", cut(command, room))
    }
}

/// Cells as wide as their columns, PIDs at the right. A column without a width is left out.
fn line(
    cells: &[String; COLUMNS],
    widths: [usize; COLUMNS],
    style: impl Fn(usize) -> Option<anstyle::Style>,
) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells
        .iter()
        .zip(widths)
        .enumerate()
        .filter(|(_, (_, width))| *width > 0)
    {
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        let cell = match style(column) {
            Some(style) => paint(style, cell),
            None => cell.clone(),
        };
        let (before, behind) = match column {
            PID => (padding.as_str(), ""),
            _ => ("", padding.as_str()),
        };
        line.extend([before, &cell, behind, GAP]);
    }
    line
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
                address: port.ip,
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
