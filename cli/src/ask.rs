//! `--interactive`: asks about each port before anybody is signalled.

use std::collections::HashMap;
use std::io::{self, BufRead as _};
use std::time::{Duration, SystemTime};

use kill_port::{Event, Holder, Plan, Process, Target};

use crate::answer::{Answer, Answers};
use crate::exit::Status;
use crate::next_step;
use crate::output;
use crate::request::Request;
use crate::style::{BOLD, paint};
use crate::verbs;
use crate::verbs::free::free;
use crate::write::text;

/// Looks, asks, and ends the holders of those ports that were agreed to.
pub fn ask(request: &Request) -> Answers {
    let mut consent = Consent::default();
    let mut agreed: Vec<Target> = Vec::new();
    let mut settled: Vec<(Target, Option<Answer>)> = Vec::new();
    for (target, planned) in verbs::plan(request).ports {
        let answer = match &planned {
            Answer::Planned(Ok(plan)) if planned.status() == Status::Done => {
                output::complain(&text::answer(target, &planned));
                if is_agreed(target) {
                    agreed.push(target);
                    consent.note(plan);
                    None
                } else {
                    Some(Answer::Declined)
                }
            }
            // A port that is free, or would stay held, needs no question.
            _ => Some(planned),
        };
        settled.push((target, answer));
    }
    let mut surprise: Option<Target> = None;
    let freed = free(request, &agreed, |event| {
        surprise = surprise.or_else(|| consent.is_exceeded(event));
        surprise.is_none()
    });
    if let Some(target) = surprise {
        output::error_line(&next_step::taken_meanwhile(target));
    }
    let mut results = freed.ports.into_iter().map(|(_, answer)| answer);
    let ports = settled.into_iter().filter_map(|(target, answer)| {
        let answer = answer.or_else(|| results.next())?;
        Some((target, answer))
    });
    Answers {
        ports: ports.collect(),
        ..freed
    }
}

/// Asks once. Everything but a clear yes is a no, and so is the end of the input.
fn is_agreed(target: Target) -> bool {
    output::complain(&format!("free {}? [y/N] ", paint(BOLD, target)));
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => {
            output::complain("\n");
            false
        }
        Ok(_) => matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"),
    }
}

/// Whom a person agreed to end. Between the question and the answer, another process may have taken a port.
#[derive(Debug, Default)]
struct Consent(HashMap<Target, Vec<Process>>);

impl Consent {
    fn note(&mut self, plan: &Plan) {
        let reports = plan.holders.iter();
        let processes = reports.map(|report| report.holder.process.clone());
        self.0.insert(plan.target, processes.collect());
    }

    /// The target whose first try finds somebody else.
    fn is_exceeded(&self, event: &Event<'_>) -> Option<Target> {
        let Event::Try {
            target,
            number: 1,
            holders,
            ..
        } = event
        else {
            return None;
        };
        let shown = self.0.get(target).map(Vec::as_slice).unwrap_or_default();
        let is_shown = |holder: &Holder| {
            let mut shown = shown.iter();
            shown.any(|process| is_same(process, &holder.process))
        };
        (!holders.iter().all(is_shown)).then_some(*target)
    }
}

/// The same PID, and a start within the same second: the system's clock is read anew for each look.
fn is_same(one: &Process, other: &Process) -> bool {
    let apart = |one: SystemTime, other: SystemTime| {
        one.duration_since(other)
            .unwrap_or_else(|error| error.duration())
    };
    one.pid == other.pid
        && match (one.started, other.started) {
            (Some(one), Some(other)) => apart(one, other) < Duration::from_secs(1),
            (None, None) => true,
            _ => false,
        }
}
