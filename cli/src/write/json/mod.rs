//! Answers for programs. `cli/schema.json` describes them, and what makes an object here is called what it calls it.
//!
//! Fields may be added without a new `schema_version`, and new words where a field holds one of several; nothing is
//! renamed, removed or given another meaning.

#![allow(
    non_camel_case_types,
    reason = "the types of `object!` are called like its fields"
)]

pub mod escape;
mod object;
mod parts;
mod why;

use std::io::{self, IsTerminal as _, Write as _};

use kill_port::containers::StoppedContainer;
use kill_port::{Error, HolderReport, Obstacle, Plan, Socket, Supervisor, Target};
use serde::Serialize;

use crate::answer::{Answer, Answers, State};
use crate::exit::Status;
use crate::output::Output;
use crate::write::json::escape::escape;
use crate::write::json::object::object;
use crate::write::json::parts::{all, container, each, errors, hidden, holder, millis, supervisor};
use crate::write::json::why::why;

const SCHEMA_VERSION: u32 = 1;

/// Writes the one object: on one line for programs, indented for people.
pub fn write(answers: &Answers, output: &mut Output) {
    let document = object! {
        schema_version: SCHEMA_VERSION,
        ports: each(&answers.ports, |(target, answer)| port(answers, *target, answer)),
        errors: answers.errors.iter().flat_map(errors).collect::<Vec<_>>(),
    };
    let mut escaped = io::BufWriter::new(Escaped(output));
    let written = if std::io::stdout().is_terminal() {
        serde_json::to_writer_pretty(&mut escaped, &document)
    } else {
        serde_json::to_writer(&mut escaped, &document)
    };
    let written = written
        .map_err(io::Error::from)
        .and_then(|()| escaped.flush());
    drop(escaped);
    match written {
        Ok(()) => output.print("\n"),
        // Nobody reads it any more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => output.fail(error),
    }
}

/// What is written here goes to the output as it comes: an answer about thousands of ports is never in memory as a whole.
struct Escaped<'o>(&'o mut Output);

impl io::Write for Escaped<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // Characters come whole, and are kept so until here.
        let written = std::str::from_utf8(text).map_err(io::Error::other)?;
        self.0.print(&escape(written));
        if self.0.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn port<'a>(answers: &'a Answers, target: Target, answer: &'a Answer) -> impl Serialize {
    let elapsed = match answer {
        Answer::Freed(Ok(freed)) => Some(freed.elapsed),
        Answer::Freed(Err(error)) => Some(error.elapsed()),
        _ => None,
    };
    object! {
        port: target.port(),
        protocol: target.protocol().map(|protocol| protocol.as_str()),
        address: target.address().map(|address| address.to_string()),
        outcome: outcome(answer),
        elapsed_ms: elapsed.map(millis),
        errors: answer.error().map(errors).unwrap_or_default(),
        holders: holders(answer),
        hidden: hidden_sockets(answer),
        containers: containers(answer),
        supervisors: all(supervisors(answer), |left| supervisor(left, plan(answer))),
        notes: supervisors(answer)
            .iter()
            .map(ToString::to_string)
            .chain(answers.notes(target).map(str::to_owned))
            .collect::<Vec<_>>(),
        why: match answer {
            Answer::Explained(explanation) => Some(why(explanation)),
            _ => None,
        },
    }
}

fn outcome(answer: &Answer) -> &'static str {
    let state = || answer.error().map(State::after);
    match (answer, answer.status()) {
        (_, Status::AlreadyFree) => "already_free",
        (Answer::Listed(_) | Answer::Explained(_), _) => "held",
        (_, Status::Failed) if state() == Some(State::Unknown) => "unknown",
        (Answer::Freed(_), Status::Done) => "freed",
        (Answer::Freed(_) | Answer::Declined, _) => "still_held",
        (Answer::Planned(_), Status::Done) => "would_free",
        (Answer::Planned(Ok(plan)), Status::Failed) if plan.comes_back() => "would_come_back",
        (Answer::Planned(_), Status::Failed) => "would_fail",
    }
}

fn supervisors(answer: &Answer) -> &[Supervisor] {
    match answer {
        Answer::Freed(Ok(freed)) => &freed.supervisors,
        _ => plan(answer).map_or(&[], |plan| &plan.supervisors),
    }
}

fn plan(answer: &Answer) -> Option<&Plan> {
    match answer {
        Answer::Planned(Ok(plan)) => Some(plan),
        Answer::Explained(explanation) => Some(&explanation.plan),
        _ => None,
    }
}

fn holders<'a>(answer: &'a Answer) -> Vec<impl Serialize> {
    let reported = |report: &'a HolderReport| {
        let seen = &report.holder;
        holder(&seen.process, &seen.sockets, Some(report))
    };
    match answer {
        Answer::Freed(Ok(freed)) => all(&freed.ended, reported),
        Answer::Freed(Err(error)) => all(error.holders(), reported),
        Answer::Planned(Ok(plan)) => all(&plan.holders, reported),
        Answer::Planned(Err(_)) | Answer::Declined => Vec::new(),
        Answer::Listed(listing) => all(&listing.holders, |listener| {
            holder(&listener.process, &listener.sockets, None)
        }),
        // What would become of those that were seen is in the plan.
        Answer::Explained(explanation) => all(explanation.survey.holders(), |seen| {
            let mut reports = explanation.plan.holders.iter();
            match reports.find(|report| report.holder.process.pid == seen.process.pid) {
                Some(report) => reported(report),
                None => holder(&seen.process, &seen.sockets, None),
            }
        }),
    }
}

fn hidden_sockets<'a>(answer: &'a Answer) -> Vec<impl Serialize> {
    let in_the_way = |error: &'a Error| -> Vec<&'a Socket> {
        let obstacles = error.obstacles().iter();
        let sockets = obstacles.filter_map(|obstacle| match obstacle {
            Obstacle::Hidden { socket, .. } => Some(socket),
            _ => None,
        });
        sockets.collect()
    };
    let sockets = match answer {
        Answer::Listed(listing) => all(&listing.hidden, |hidden| &hidden.socket),
        Answer::Explained(explanation) => all(explanation.survey.hidden(), |hidden| &hidden.socket),
        _ => answer.error().map(in_the_way).unwrap_or_default(),
    };
    sockets.into_iter().map(hidden).collect()
}

fn containers<'a>(answer: &'a Answer) -> Vec<impl Serialize> {
    let stopped = |stopped: &'a StoppedContainer| {
        let outcome = if stopped.killed { "killed" } else { "stopped" };
        container(&stopped.container, outcome, Some(stopped.elapsed))
    };
    match answer {
        Answer::Freed(Ok(freed)) => all(&freed.containers, stopped),
        Answer::Freed(Err(error)) => all(error.containers(), stopped),
        Answer::Listed(listing) => all(&listing.containers, |seen| container(seen, "seen", None)),
        _ => plan(answer).map_or_else(Vec::new, |plan| {
            all(&plan.containers, |planned| {
                container(planned, "would_stop", None)
            })
        }),
    }
}
