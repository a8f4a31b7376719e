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
use crate::style::{BOLD, paint};
use crate::time;
use crate::user;
use crate::words::{command_line, cut};

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 120;

/// However narrow the terminal, this much of a command line is shown.
const LEAST_COMMAND: usize = 10;

/// The columns that are never cut; what fits of the last one, the command line, follows them.
const COLUMNS: usize = 7;

const HEADER: [&str; COLUMNS] = [
    "PROTO", "ADDRESS", "PORT", "PID", "USER", "PROCESS", "SINCE",
];

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

    fn order(&self) -> impl Ord + use<> {
        let pid = match self.by {
            Holder::Process(process) => Some(process.pid),
            Holder::Hidden(_) | Holder::Container(_) => None,
        };
        (self.port, self.protocol, self.address, self.state, pid)
    }

    fn cells(&self, for_terminal: bool) -> [String; COLUMNS] {
        let holder = match self.by {
            Holder::Process(process) => [
                Some(process.pid.to_string()),
                user::name(process.user.as_deref(), process.uid),
                Some(printable(&process.name).into_owned()),
                // An age on a terminal, and in a pipe a time that stays the same.
                process.started.map(match for_terminal {
                    true => time::age,
                    false => time::rfc3339,
                }),
            ],
            Holder::Hidden(HiddenSocket { socket, .. }) => {
                let user = user::name(socket.user.as_deref(), socket.uid);
                [None, user, None, None]
            }
            Holder::Container(_) => [None, None, Some("(container)".into()), None],
        };
        let [pid, user, name, since] = holder.map(|cell| cell.unwrap_or_else(|| "-".into()));
        let bound = match self.state {
            Some(SocketState::Bound) => " bound",
            _ => "",
        };
        let protocol = format!("{}{bound}", self.protocol);
        let address = self.address.map_or_else(|| "*".into(), |ip| ip.to_string());
        [
            protocol,
            address,
            self.port.to_string(),
            pid,
            user,
            name,
            since,
        ]
    }

    /// What the last column says, in full.
    fn command(&self) -> String {
        match self.by {
            Holder::Process(process) => command_line(&process.command),
            Holder::Hidden(hidden) => why_hidden(hidden.cause).into(),
            Holder::Container(container) => container::summary(container),
        }
    }
}

/// The rows of all ports, sorted by port. Empty without any row.
pub fn render(ports: &[(Target, Answer)], width: Option<usize>) -> String {
    let mut rows = rows(ports);
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(Row::order);
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(|row| row.cells(width.is_some())).collect();
    // On a terminal it is an age.
    let header = HEADER.map(|name| match name {
        "SINCE" if width.is_some() => "AGE",
        name => name,
    });
    let mut widths = header.map(str::len);
    for cells in &cells {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.width().max(*width);
        }
    }
    let taken: usize = widths.iter().map(|width| width + GAP.len()).sum();
    let left = match width {
        Some(width) => width.saturating_sub(taken).max(LEAST_COMMAND),
        None => COMMAND_IN_PIPE,
    };
    let header = line(&header.map(String::from), widths, false) + "COMMAND";
    let mut text = format!("{}\n", paint(BOLD, header));
    for (row, cells) in rows.iter().zip(&cells) {
        let line = line(cells, widths, true) + &cut(&row.command(), left);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Cells as wide as their columns, numbers at the right.
fn line(cells: &[String; COLUMNS], widths: [usize; COLUMNS], has_numbers: bool) -> String {
    let mut line = String::new();
    for ((name, cell), width) in HEADER.iter().zip(cells).zip(widths) {
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        let (before, behind) = match *name {
            "PORT" | "PID" if has_numbers => (padding.as_str(), ""),
            _ => ("", padding.as_str()),
        };
        line.extend([before, cell, behind, GAP]);
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
        HiddenCause::Unreadable => "(unknown: this user may not look)",
        HiddenCause::Elsewhere if cfg!(windows) => {
            "(its owner has ended, and who inherited it is not told)"
        }
        HiddenCause::Elsewhere => "(no descriptor leads to it: see --why)",
        _ => "(unknown)",
    }
}
