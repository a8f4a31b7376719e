//! `--interactive`: asks about each port before anybody is signalled.

use std::collections::HashMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::{Duration, SystemTime};

use kill_port::{Error, Holder, Plan, Process, Target};

use crate::args::Args;
use crate::exit::{Exit, Status};
use crate::human::{Answer, Page};
use crate::output;
use crate::ports::Request;
use crate::run;
use crate::style::{BOLD, paint};

/// Whether there is somebody to ask.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Looks, asks, and ends the holders of those ports that were agreed to.
pub fn run(args: &Args, request: &Request, page: &Page) -> Exit {
    let plans = args
        .kill_options()
        .plan_all(request.targets.iter().copied());
    let mut agreed: Vec<Target> = Vec::new();
    let mut consent = Consent::default();
    let mut settled: Vec<Answer> = Vec::new();
    for (target, plan) in &plans {
        let answer = page.plan(*target, plan);
        // A port that is free, or would stay held, needs no question.
        if answer.status != Status::Freed {
            settled.push(answer);
            continue;
        }
        output::complain(&answer.text);
        if ask(*target) {
            agreed.push(*target);
            consent.note(*target, plan);
        } else {
            settled.push(Answer {
                target: *target,
                status: Status::Failed,
                text: format!("{}: left alone\n", paint(BOLD, target)),
                errors: String::new(),
            });
        }
    }
    run::free(args, request, page, &agreed, settled, Some(&consent))
}

/// Whom a person agreed to end. Between the question and the answer, another process may have taken a port.
#[derive(Debug, Default)]
pub struct Consent(HashMap<Target, Vec<Process>>);

impl Consent {
    fn note(&mut self, target: Target, plan: &Result<Plan, Error>) {
        let holders = plan.iter().flat_map(|plan| &plan.holders);
        let processes = holders.map(|report| report.holder.process.clone());
        self.0.insert(target, processes.collect());
    }

    /// Whether it covers all of these holders.
    pub fn covers(&self, target: Target, holders: &[Holder]) -> bool {
        let shown = self.0.get(&target).map(Vec::as_slice).unwrap_or_default();
        holders.iter().all(|holder| {
            shown
                .iter()
                .any(|process| is_same(process, &holder.process))
        })
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

/// Asks once. Everything but a clear yes is a no, and so is the end of the input.
fn ask(target: Target) -> bool {
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
