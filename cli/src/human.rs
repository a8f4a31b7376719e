//! What a person reads: one line for each port and one for each holder, and on stderr what is in the way.

use std::fmt::Write as _;

use kill_port::{
    Error, Fate, Freed, HolderReport, Obstacle, Plan, Process, SparedReason, Target, printable,
};
use unicode_width::UnicodeWidthStr;

use crate::containers;
use crate::exit::Status;
use crate::style::{BAD, BOLD, DIM, GOOD, WARN, command_line, cut, duration, paint};

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 200;

/// However narrow the terminal, this much of a command line is shown.
const LEAST_COMMAND: usize = 20;

/// So many obstacles of a port are told in full: a pool of two hundred workers would drown the next step.
const OBSTACLES: usize = 10;

/// The answer about one port, ready to be printed.
#[derive(Debug)]
pub struct Answer {
    /// The port.
    pub target: Target,
    /// What came of it.
    pub status: Status,
    /// Lines for stdout.
    pub text: String,
    /// Lines for stderr; empty where nothing is wrong.
    pub errors: String,
}

/// What the printed lines depend on.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The columns of the terminal that stdout is; `None` where it is none.
    pub width: Option<usize>,
    /// The caller's own user ID: its processes need no user named.
    pub uid: Option<u32>,
}

impl Page {
    /// What came of freeing one port.
    pub fn result(&self, target: Target, result: &Result<Freed, Error>) -> Answer {
        match result {
            Ok(freed) => self.freed(freed),
            Err(error) => {
                let took = duration(error.elapsed());
                let interrupted = error
                    .obstacles()
                    .iter()
                    .any(|obstacle| matches!(obstacle, Obstacle::Cancelled));
                let verdict = if interrupted {
                    format!("interrupted after {took}")
                } else {
                    format!("still held after {took}")
                };
                Answer {
                    target,
                    status: Status::Failed,
                    text: self.block(target, &paint(BAD, verdict), error.holders())
                        + &stopped(error.containers()),
                    errors: error_text(error),
                }
            }
        }
    }

    fn freed(&self, freed: &Freed) -> Answer {
        let target = freed.target;
        if freed.was_free() {
            return Answer {
                target,
                status: Status::AlreadyFree,
                text: already_free(target),
                errors: String::new(),
            };
        }
        let verdict = paint(GOOD, format!("freed in {}", duration(freed.elapsed)));
        Answer {
            target,
            status: Status::Freed,
            text: self.block(target, &verdict, &freed.ended) + &stopped(&freed.containers),
            errors: String::new(),
        }
    }

    /// What would come of freeing one port.
    pub fn plan(&self, target: Target, plan: &Result<Plan, Error>) -> Answer {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                return Answer {
                    target,
                    status: Status::Failed,
                    text: self.block(
                        target,
                        &paint(BAD, "could not be looked at"),
                        error.holders(),
                    ),
                    errors: error_text(error),
                };
            }
        };
        if let Some(error) = &plan.error {
            return Answer {
                target,
                status: Status::Failed,
                text: self.block(target, &paint(BAD, "would stay held"), &plan.holders),
                errors: error_text(error),
            };
        }
        if plan.holders.is_empty() && plan.containers.is_empty() {
            return Answer {
                target,
                status: Status::AlreadyFree,
                text: already_free(target),
                errors: String::new(),
            };
        }
        let mut text = self.block(target, &paint(GOOD, "would be freed"), &plan.holders);
        for container in &plan.containers {
            text.push_str(&containers::line(container, "would be stopped"));
        }
        for supervisor in &plan.supervisors {
            let name = who(supervisor);
            let _ = writeln!(
                text,
                "  {}",
                paint(WARN, format!("{name} may start it again"))
            );
        }
        Answer {
            target,
            status: Status::Freed,
            text,
            errors: String::new(),
        }
    }

    fn block(&self, target: Target, verdict: &str, holders: &[HolderReport]) -> String {
        let mut text = format!("{}: {verdict}\n", paint(BOLD, target));
        for report in holders {
            text.push_str(&self.holder(report));
        }
        text
    }

    /// `  node (PID 4711)  SIGTERM, exited after 11 ms  user dev  in /srv/app  node server.js`
    fn holder(&self, report: &HolderReport) -> String {
        let process = &report.holder.process;
        let name = who(process);
        let mut rest = format!("  {}", fate(report));
        if let Some(user) = self.foreign_user(process) {
            let _ = write!(rest, "  user {user}");
        }
        if let Some(cwd) = &process.cwd {
            let _ = write!(rest, "  in {}", printable(&cwd.to_string_lossy()));
        }
        let mut command = command_line(&process.command);
        if command.is_empty()
            && let Some(executable) = &process.executable
        {
            command = printable(&executable.to_string_lossy()).into_owned();
        }
        let columns = match self.width {
            Some(width) => width
                .saturating_sub(name.width() + rest.width() + 4)
                .max(LEAST_COMMAND),
            None => COMMAND_IN_PIPE,
        };
        let command = cut(&command, columns);
        let separator = if command.is_empty() { "" } else { "  " };
        format!(
            "  {}{rest}{separator}{}\n",
            paint(BOLD, name),
            paint(DIM, command)
        )
    }

    /// The user of a process, where it is not the caller.
    pub fn foreign_user(&self, process: &Process) -> Option<String> {
        if process.uid.is_some() && process.uid == self.uid {
            return None;
        }
        match (&process.user, process.uid) {
            (Some(user), _) => Some(printable(user).into_owned()),
            (None, Some(uid)) => Some(uid.to_string()),
            (None, None) => None,
        }
    }
}

fn stopped(stopped: &[kill_port::containers::StoppedContainer]) -> String {
    stopped.iter().map(containers::stopped).collect()
}

fn already_free(target: Target) -> String {
    format!("{}: free already\n", paint(BOLD, target))
}

/// `node (PID 4711)`
pub fn who(process: &Process) -> String {
    if process.name.is_empty() {
        return format!("PID {}", process.pid);
    }
    format!("{} (PID {})", printable(&process.name), process.pid)
}

/// What a holder was sent and what became of it.
pub fn fate(report: &HolderReport) -> String {
    let signals: Vec<String> = report.signals.iter().map(ToString::to_string).collect();
    let signals = signals.join(", then ");
    let after = match report.elapsed {
        Some(elapsed) => format!(" after {}", duration(elapsed)),
        None => String::new(),
    };
    let sent = if signals.is_empty() {
        String::new()
    } else {
        format!("{signals}, ")
    };
    match report.fate {
        Fate::Exited => format!("{sent}exited{after}"),
        Fate::Released => format!("{sent}gave up the port{after} and goes on"),
        Fate::Survived => format!("{sent}still there{after}"),
        Fate::Spared(reason) => format!("spared: {}", spared(reason)),
        Fate::Withheld => "not signalled: the port would stay held".into(),
        Fate::Denied => "not permitted to signal it".into(),
        Fate::WouldSignal if signals.is_empty() => "would be ended".into(),
        Fate::WouldSignal => format!("would be sent {signals}"),
        _ => format!("{sent}{}", report.fate.as_str()),
    }
}

fn spared(reason: SparedReason) -> &'static str {
    match reason {
        SparedReason::Caller => "kill_port itself",
        SparedReason::Ancestor => "an ancestor of kill_port",
        SparedReason::Init => "PID 1",
        SparedReason::Kernel => "a kernel thread",
        SparedReason::System => "a part of Windows",
        SparedReason::Client => "perhaps only a UDP client",
        SparedReason::Forwarder => "it forwards the port to a container",
        _ => reason.as_str(),
    }
}

/// One line for each obstacle and one for each next step.
pub fn error_text(error: &Error) -> String {
    let target = error.target();
    // Port 0 stands for all ports at once.
    let about = if target.port == 0 {
        String::new()
    } else {
        format!("{target}: ")
    };
    let mut text = String::new();
    let mut helps: Vec<String> = Vec::new();
    let mut told = 0;
    let mut untold = 0;
    for obstacle in error.obstacles() {
        if matches!(obstacle, Obstacle::Cancelled) {
            // Whoever pressed Ctrl-C knows.
            continue;
        }
        if let Some(help) = obstacle.help(target)
            && !helps.contains(&help)
            && helps.len() < OBSTACLES
        {
            helps.push(help);
        }
        if told < OBSTACLES {
            told += 1;
            let _ = writeln!(text, "{} {about}{obstacle}", paint(BAD, "error:"));
        } else {
            untold += 1;
        }
    }
    if untold > 0 {
        let _ = writeln!(
            text,
            "{} {about}and {untold} more like these",
            paint(BAD, "error:")
        );
    }
    for help in helps {
        let _ = writeln!(text, "  {} {help}", paint(GOOD, "help:"));
    }
    text
}
