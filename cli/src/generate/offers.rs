//! What a completion script offers for PORT.

use std::collections::BTreeMap;
use std::path::Path;

use kill_port::{Process, Protocol, Survey, printable, survey_all};

use crate::fold::groups;
use crate::user::name;
use crate::words::cut;

/// More of it nobody reads beside a port.
const COLUMNS: usize = 60;

/// A line for each port that is listened on: the port, a tab, and who listens. Empty where that can't be told: at Tab nobody reads errors.
pub fn ports() -> String {
    survey_all().map_or_else(|_| String::new(), |survey| lines(&survey))
}

/// Who listens on a port.
#[derive(Default)]
struct Listeners<'a> {
    processes: Vec<&'a Process>,
    is_tcp: bool,
    /// Who made the socket, which is known even where its process can't be seen.
    user: Option<String>,
}

fn lines(survey: &Survey) -> String {
    let mut ports: BTreeMap<u16, Listeners> = BTreeMap::new();
    for socket in survey.sockets() {
        let listeners = ports.entry(socket.port).or_default();
        listeners.is_tcp |= socket.protocol == Protocol::Tcp;
        listeners.user = name(socket.user.as_deref(), socket.uid);
    }
    for holder in survey.holders() {
        for socket in &holder.sockets {
            let processes = &mut ports.entry(socket.port).or_default().processes;
            if processes.last() != Some(&&holder.process) {
                processes.push(&holder.process);
            }
        }
    }
    let lines = ports.iter().map(|(port, listeners)| {
        let protocol = if listeners.is_tcp { "" } else { "udp: " };
        let who = format!("{protocol}{}", who(listeners));
        format!("{port}\t{}\n", cut(&who, COLUMNS))
    });
    lines.collect()
}

/// `node (PID 17) in /srv/app`, `gunicorn ×5 in /srv/app`. Safe to print, and without tabs and line ends.
fn who(listeners: &Listeners) -> String {
    let processes = &*listeners.processes;
    let names = groups(processes, false, |process| process.name.as_str());
    let mut text = match processes {
        [] => {
            let user = listeners.user.as_deref();
            return user.map_or_else(|| "unknown".into(), |user| format!("unknown, of {user}"));
        }
        [only] => format!("{} (PID {})", printable(&only.name), only.pid),
        _ => {
            let names = names.iter().filter_map(|group| {
                let own = printable(&group.first()?.name);
                Some(match group.len() {
                    1 => own.into_owned(),
                    count => format!("{own} ×{count}"),
                })
            });
            names.collect::<Vec<_>>().join(", ")
        }
    };
    if let Some(folder) = folder(processes) {
        text += &format!(" in {}", printable(&folder.to_string_lossy()));
    }
    text
}

/// Where all of them work, if that tells anything.
fn folder<'a>(processes: &[&'a Process]) -> Option<&'a Path> {
    let mut folders = processes.iter().map(|process| process.cwd.as_deref());
    let first = folders.next()??;
    let is_told = first.parent().is_some() && folders.all(|folder| folder == Some(first));
    is_told.then_some(first)
}
