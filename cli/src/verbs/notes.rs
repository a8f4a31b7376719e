//! What somebody should know beside the answer: the number that they typed may be a PID.

use kill_port::{Holder, Target, survey_all};

use crate::answer::{Answer, Note};
use crate::exit::Status;
use crate::ports::Ports;

/// So many ports of a process are named.
const PORTS: usize = 3;

/// A note for each port that nobody holds, was named by itself, and is the PID of a process that listens.
pub fn of_pids(ports: &Ports, answers: &[(Target, Answer)]) -> Vec<Note> {
    let may_be_pid = |target: Target| {
        target.address().is_none() && ports.is_single(target) && may_be_process(target.port())
    };
    let free = answers
        .iter()
        .filter(|(target, answer)| answer.status() == Status::AlreadyFree && may_be_pid(*target));
    let mut free = free.map(|(target, _)| *target).peekable();
    if free.peek().is_none() {
        return Vec::new();
    }
    // Nobody asked for it: where it can't be told, there is nothing to say.
    let Ok(survey) = survey_all() else {
        return Vec::new();
    };
    let note = |target: Target| {
        let pid = u32::from(target.port());
        let mut holders = survey.holders().iter();
        let holder = holders.find(|holder| holder.process.pid == pid)?;
        Some(Note {
            target,
            text: note(holder),
        })
    };
    free.filter_map(note).collect()
}

/// Whether there is a process of that number, where that is quickly told.
fn may_be_process(pid: u16) -> bool {
    !cfg!(target_os = "linux") || std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// `31509 is the PID of python3, which listens on 31140; …`
fn note(holder: &Holder) -> String {
    let mut ports: Vec<u16> = holder.sockets.iter().map(|socket| socket.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let named: Vec<String> = ports.iter().take(PORTS).map(u16::to_string).collect();
    let mut named = named.join(", ");
    match ports.len().saturating_sub(PORTS) {
        0 => {}
        more => named += &format!(" and {more} more"),
    }
    let process = &holder.process;
    let name = kill_port::printable(&process.name);
    let name = if name.is_empty() {
        "a process".into()
    } else {
        name
    };
    let step = match ports.as_slice() {
        [port] => format!("; `kill_port {port}` frees that"),
        _ => String::new(),
    };
    format!(
        "{} is the PID of {name}, which listens on {named}{step}",
        process.pid
    )
}
