//! The table of `--list`: as wide as the terminal, and in a pipe as wide as it needs.

use std::cmp::Ordering;
use std::collections::HashSet;

use kill_port::containers::{Container, PublishedPort};
use kill_port::{HiddenCause, HiddenSocket, Process, Socket, SocketState, Target, printable};
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

/// One row: a socket and a process that holds it if one can be seen, or a port that a container publishes.
enum Row<'a> {
    Socket {
        socket: &'a Socket,
        holder: Result<&'a Process, &'a HiddenSocket>,
    },
    Published {
        port: &'a PublishedPort,
        container: &'a Container,
    },
}

impl Row<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let key = |row: &Self| match row {
            Self::Socket { socket, holder } => (
                socket.port,
                socket.protocol,
                Some(socket.address),
                Some(socket.state),
                holder.map(|process| process.pid).ok(),
            ),
            Self::Published { port, .. } => (port.host_port, port.protocol, port.ip, None, None),
        };
        key(self).cmp(&key(other))
    }

    fn cells(&self, for_terminal: bool) -> [String; COLUMNS] {
        let nothing = || "-".to_owned();
        let (protocol, address, port) = match self {
            Self::Socket { socket, .. } => {
                let bound = match socket.state {
                    SocketState::Bound => " bound",
                    _ => "",
                };
                let protocol = format!("{}{bound}", socket.protocol);
                (protocol, socket.address.to_string(), socket.port)
            }
            Self::Published { port, .. } => {
                let address = port.ip.map_or_else(|| "*".into(), |ip| ip.to_string());
                (port.protocol.to_string(), address, port.host_port)
            }
        };
        let (pid, user, name, since) = match self {
            Self::Socket {
                holder: Ok(process),
                ..
            } => (
                process.pid.to_string(),
                user::name(process.user.as_deref(), process.uid).unwrap_or_else(nothing),
                printable(&process.name).into_owned(),
                started(process, for_terminal),
            ),
            Self::Socket { socket, .. } => (
                nothing(),
                user::name(socket.user.as_deref(), socket.uid).unwrap_or_else(nothing),
                nothing(),
                nothing(),
            ),
            Self::Published { .. } => (nothing(), nothing(), "(container)".into(), nothing()),
        };
        [protocol, address, port.to_string(), pid, user, name, since]
    }

    /// What the last column says, in full.
    fn command(&self) -> String {
        match self {
            Self::Socket {
                holder: Ok(process),
                ..
            } => command_line(&process.command),
            Self::Socket {
                holder: Err(hidden),
                ..
            } => why_hidden(hidden.cause).into(),
            Self::Published { container, .. } => container::summary(container),
        }
    }
}

/// The rows of all ports, sorted by port. Empty without any row.
pub fn render(ports: &[(Target, Answer)], width: Option<usize>) -> String {
    let mut rows = rows(ports);
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by(Row::order);
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(|row| row.cells(width.is_some())).collect();
    let mut widths = HEADER.map(str::len);
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
    let header = HEADER.iter().zip(widths);
    let header: String = header
        .map(|(name, width)| format!("{name:width$}{GAP}"))
        .collect();
    let mut text = format!("{}\n", paint(BOLD, format_args!("{header}COMMAND")));
    for (row, cells) in rows.iter().zip(&cells) {
        let mut line = String::new();
        for ((name, cell), width) in HEADER.iter().zip(cells).zip(widths) {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            let (before, behind) = match *name {
                "PORT" | "PID" => (padding.as_str(), ""),
                _ => ("", padding.as_str()),
            };
            line.extend([before, cell, behind, GAP]);
        }
        line.push_str(&cut(&row.command(), left));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Targets may overlap (`8080 8080/tcp`); every row is shown once.
fn rows(ports: &[(Target, Answer)]) -> Vec<Row<'_>> {
    let mut seen = HashSet::new();
    let mut published = HashSet::new();
    let mut rows = Vec::new();
    for (target, answer) in ports {
        let Some(listing) = answer.listing() else {
            continue;
        };
        for holder in &listing.holders {
            for socket in &holder.sockets {
                if seen.insert((socket, Some(holder.process.pid))) {
                    let holder = Ok(&*holder.process);
                    rows.push(Row::Socket { socket, holder });
                }
            }
        }
        for container in &listing.containers {
            for port in container.ports.iter().filter(|port| port.serves(target)) {
                if published.insert((port, &container.id)) {
                    rows.push(Row::Published { port, container });
                }
            }
        }
        for hidden in &listing.hidden {
            if seen.insert((&hidden.socket, None)) {
                let socket = &hidden.socket;
                let holder = Err(hidden);
                rows.push(Row::Socket { socket, holder });
            }
        }
    }
    rows
}

fn why_hidden(cause: HiddenCause) -> &'static str {
    match cause {
        HiddenCause::Unreadable => "(holder not to be seen by this user)",
        HiddenCause::Elsewhere if cfg!(windows) => {
            "(its owner has ended, and who inherited it is not told)"
        }
        HiddenCause::Elsewhere => "(holder outside this PID namespace, or the kernel itself)",
        _ => "(holder not to be seen)",
    }
}

/// An age on a terminal, and in a pipe a time that stays the same.
fn started(process: &Process, for_terminal: bool) -> String {
    match process.started {
        None => "-".into(),
        Some(started) if for_terminal => time::age(started),
        Some(started) => time::rfc3339(started),
    }
}
