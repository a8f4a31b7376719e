//! `--interactive`: asks about each port before anybody is signalled.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};

use kill_port::{Fate, Plan, Process, Survey, Target, survey_all};

use crate::answer::{Answer, Answers};
use crate::output;
use crate::question;
use crate::request::Request;
use crate::style::{BOLD, WARN, paint};
use crate::verbs;
use crate::verbs::free::free;
use crate::write::text;

/// Looks, asks about each port, and ends those who were shown of the ports that were agreed to. Between the question and the answer, and
/// while it is carried out, another process may take a port: it was not shown, and is left alone.
pub fn ask(request: &Request) -> Answers {
    let mut agreed: Vec<Plan> = Vec::new();
    let mut settled: Vec<Settled> = Vec::new();
    let everything = Everything::new(|| survey_all().ok());
    for (target, planned) in verbs::plan(request).ports {
        let answer = match shown(request, planned, &everything) {
            Ok(plan) if is_agreed(&paint(BOLD, target)) => {
                agreed.push(plan);
                None
            }
            Ok(_) => Some(Answer::Declined),
            Err(answer) => Some(answer),
        };
        settled.push((target, answer));
    }
    carry_out(request, settled, &agreed)
}

/// The same with one question about all ports. `None` if the answer is no.
pub fn ask_once(request: &Request) -> Option<Answers> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut settled: Vec<Settled> = Vec::new();
    let everything = Everything::new(|| survey_all().ok());
    for (target, planned) in verbs::plan(request).ports {
        let answer = match shown(request, planned, &everything) {
            Ok(plan) => {
                plans.push(plan);
                None
            }
            Err(answer) => Some(answer),
        };
        settled.push((target, answer));
    }
    if plans.is_empty() {
        return Some(carry_out(request, settled, &[]));
    }
    // What is not asked about is answered at the end, but belongs to what is to be known before.
    for (target, answer) in &settled {
        let answer = answer.iter();
        answer.for_each(|answer| output::complain(&text::answer(request, *target, answer)));
    }
    let what = match plans.as_slice() {
        [plan] => plan.target.to_string(),
        plans => format!("these {} ports", plans.len()),
    };
    is_agreed(&paint(BOLD, what)).then(|| carry_out(request, settled, &plans))
}

/// A target, and its answer unless it was agreed to.
type Settled = (Target, Option<Answer>);

/// Shows the plan of a port that somebody has to be asked about, and what else goes with it. Any other is an answer already.
fn shown(request: &Request, planned: Answer, everything: &Everything) -> Result<Plan, Answer> {
    match planned {
        Answer::Planned(Ok(mut plan)) if is_for_a_person(&plan) => {
            let mut spared = Vec::new();
            // Whoever it would start again was not shown, and so nobody is ended for that.
            for supervisor in &mut plan.supervisors {
                spared.extend(supervisor.would_end.then(|| supervisor.process.to_string()));
                (supervisor.may_end, supervisor.would_end) = (false, false);
            }
            output::complain(&text::plan(request, &plan));
            for process in spared {
                let why = "is left alone where you are asked: what it starts again was not shown";
                output::complain(&format!("  {} {process} {why}\n", paint(WARN, "note:")));
            }
            let others = others(&plan, everything);
            if !others.is_empty() {
                let others = others.join(", ");
                output::complain(&format!(
                    "  {} whoever is ended has {others} as well\n",
                    paint(WARN, "note:")
                ));
            }
            Ok(plan)
        }
        _ => Err(planned),
    }
}

/// Everybody who listens, looked for once somebody is to be ended. Where nobody can look, nothing is told.
type Everything = LazyCell<Option<Survey>>;

/// So many other ports are named.
const OTHERS: usize = 8;

/// The other ports of those who would be ended.
fn others(plan: &Plan, everything: &Everything) -> Vec<String> {
    let ended = plan.holders.iter();
    let ended = ended.filter(|report| report.fate == Fate::WouldSignal);
    let ended: HashSet<&Process> = ended.map(|report| &report.holder.process).collect();
    let listening = everything.iter().flat_map(Survey::holders);
    let theirs = listening.filter(|holder| ended.contains(&holder.process));
    let ports = theirs.flat_map(|holder| &holder.sockets);
    let ports = ports.filter(|socket| socket.port != plan.target.port());
    let ports: BTreeSet<_> = ports.map(|socket| (socket.port, socket.protocol)).collect();
    let mut named: Vec<String> = ports
        .iter()
        .take(OTHERS)
        .map(|(port, protocol)| format!("{port}/{protocol}"))
        .collect();
    if ports.len() > OTHERS {
        named.push(format!("{} more", ports.len() - OTHERS));
    }
    named
}

/// Frees what was agreed to, and nobody else.
fn carry_out(request: &Request, settled: Vec<Settled>, agreed: &[Plan]) -> Answers {
    let targets: Vec<Target> = agreed.iter().map(|plan| plan.target).collect();
    let options = request.options.clone().agreed(agreed);
    let freed = free(request, &options, &targets);
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

/// Whether there is somebody to be ended. A port that is free, or would stay held, needs no question.
fn is_for_a_person(plan: &Plan) -> bool {
    let is_held = !plan.holders.is_empty() || !plan.containers.is_empty();
    is_held && plan.error.is_none()
}

/// Asks once. Everything but a clear yes is a no, and so is the end of the input.
fn is_agreed(what: &str) -> bool {
    let answer = question::ask(&format!("free {what}? [y/N] "));
    let answer = answer.map(|line| line.trim().to_ascii_lowercase());
    matches!(answer.as_deref(), Some("y" | "yes"))
}
