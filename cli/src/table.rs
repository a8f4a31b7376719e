//! The table of `--list`: as wide as the terminal, and in a pipe as wide as it needs.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::SystemTime;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table, presets};
use kill_port::containers::{Container, PublishedPort};
use kill_port::{HiddenCause, HiddenSocket, Process, Socket, SocketState, printable};
use unicode_width::UnicodeWidthStr as _;

use crate::containers;
use crate::list::Listing;
use crate::style::{BOLD, command_line, cut, paint};
use crate::time;

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 120;

/// However narrow the terminal, this much of a command line is shown.
const LEAST_COMMAND: usize = 10;

const HEADER: [&str; 8] = [
    "PROTO", "ADDRESS", "PORT", "PID", "USER", "PROCESS", "SINCE", "COMMAND",
];

/// One row: a socket and a process that holds it if one is to be seen, or a port that a container publishes.
enum Entry<'a> {
    Socket {
        socket: &'a Socket,
        holder: Result<&'a Process, &'a HiddenSocket>,
    },
    Published {
        port: &'a PublishedPort,
        container: &'a Container,
    },
}

impl Entry<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| match entry {
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

    fn cells(&self, now: SystemTime, for_terminal: bool) -> [String; 8] {
        let (socket, holder) = match self {
            Self::Socket { socket, holder } => (socket, holder),
            Self::Published { port, container } => {
                return [
                    port.protocol.to_string(),
                    port.ip.map_or_else(|| "*".into(), |ip| ip.to_string()),
                    port.host_port.to_string(),
                    "-".into(),
                    "-".into(),
                    "(container)".into(),
                    "-".into(),
                    containers::summary(container),
                ];
            }
        };
        let protocol = match socket.state {
            SocketState::Bound => format!("{} bound", socket.protocol),
            _ => socket.protocol.to_string(),
        };
        let (pid, user, name, since, command) = match *holder {
            Ok(process) => (
                process.pid.to_string(),
                user(process.user.as_deref(), process.uid),
                printable(&process.name).into_owned(),
                started(process, now, for_terminal),
                command_line(&process.command),
            ),
            Err(hidden) => (
                "-".into(),
                user(socket.user.as_deref(), socket.uid),
                "-".into(),
                "-".into(),
                why_hidden(hidden.cause).into(),
            ),
        };
        [
            protocol,
            socket.address.to_string(),
            socket.port.to_string(),
            pid,
            user,
            name,
            since,
            command,
        ]
    }
}

/// The rows of all listings, sorted by port. Empty without any row.
pub fn render(listings: &[Listing], width: Option<usize>) -> String {
    let mut entries = entries(listings);
    if entries.is_empty() {
        return String::new();
    }
    entries.sort_by(Entry::order);
    let now = SystemTime::now();
    let rows: Vec<[String; 8]> = entries
        .iter()
        .map(|entry| entry.cells(now, width.is_some()))
        .collect();
    let command_width = match width {
        Some(width) => width
            .saturating_sub(width_of_the_rest(&rows))
            .max(LEAST_COMMAND),
        None => COMMAND_IN_PIPE,
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER);
    for mut cells in rows {
        if let Some(command) = cells.last_mut() {
            *command = cut(command, command_width);
        }
        let cells = cells.into_iter().zip(HEADER).map(|(text, name)| {
            let is_number = matches!(name, "PORT" | "PID");
            let side = if is_number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            };
            Cell::new(text).set_alignment(side)
        });
        table.add_row(Row::from(cells.collect::<Vec<_>>()));
    }
    finish(&table)
}

/// What all columns but the last take: ports and PIDs are never cut, the command line is.
fn width_of_the_rest(rows: &[[String; 8]]) -> usize {
    let gap = 2;
    let columns = HEADER.iter().enumerate().take(HEADER.len() - 1);
    columns
        .map(|(index, name)| {
            let cells = rows.iter().filter_map(|cells| cells.get(index));
            cells
                .map(|text| text.width())
                .fold(name.width(), usize::max)
                + gap
        })
        .sum()
}

/// Without the padding at both ends of a line, and with a header that stands out.
fn finish(table: &Table) -> String {
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        if index == 0 {
            text.push_str(&paint(BOLD, line));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// Targets may overlap (`8080 8080/tcp`); every row is shown once.
fn entries(listings: &[Listing]) -> Vec<Entry<'_>> {
    let mut seen = HashSet::new();
    let mut published = HashSet::new();
    let mut entries = Vec::new();
    for listing in listings {
        for holder in &listing.holders {
            for socket in &holder.sockets {
                if seen.insert((socket, Some(holder.process.pid))) {
                    let holder = Ok(&holder.process);
                    entries.push(Entry::Socket { socket, holder });
                }
            }
        }
        let target = listing.target;
        for container in &listing.containers {
            for port in container.ports.iter().filter(|port| port.serves(&target)) {
                if published.insert((port, &container.id)) {
                    entries.push(Entry::Published { port, container });
                }
            }
        }
        for hidden in &listing.hidden {
            if seen.insert((&hidden.socket, None)) {
                let socket = &hidden.socket;
                let holder = Err(hidden);
                entries.push(Entry::Socket { socket, holder });
            }
        }
    }
    entries
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

fn user(name: Option<&str>, uid: Option<u32>) -> String {
    match (name, uid) {
        (Some(name), _) => printable(name).into_owned(),
        (None, Some(uid)) => uid.to_string(),
        (None, None) => "-".into(),
    }
}

/// An age on a terminal, and in a pipe a time that stays the same.
fn started(process: &Process, now: SystemTime, for_terminal: bool) -> String {
    match process.started {
        None => "-".into(),
        Some(started) if for_terminal => time::age(now.duration_since(started).unwrap_or_default()),
        Some(started) => time::rfc3339(started),
    }
}
