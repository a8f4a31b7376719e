//! Answers for people: one line for each port and one for each holder, and on stderr what is in the way.

use kill_port::containers::StoppedContainer;
use kill_port::{Error, HolderReport, Plan, Target};

use crate::answer::{Answer, Answers, State};
use crate::container;
use crate::exit::Status;
use crate::next_step;
use crate::output::{self, Output};
use crate::ports::Range;
use crate::request::{Request, Verb};
use crate::style::{BAD, BOLD, GOOD, WARN, paint};
use crate::words::duration;
use crate::write::{consequences, errors, holders, table, why};

/// Nothing is known about a port that nobody could look at.
const UNKNOWN: &str = "could not be looked at";

/// Writes the answers in their order. Of a range, only ports about which there is something to say have lines of their own.
pub fn write(request: &Request, answers: &Answers, output: &mut Output) {
    let is_list = request.verb == Verb::List;
    if is_list {
        output.say(&table::render(
            &answers.ports,
            request.verbose,
            output::width(),
        ));
    }
    let mut is_first = true;
    for (target, answer) in &answers.ports {
        if is_folded(request, *target, answer) {
            continue;
        }
        if matches!(answer, Answer::Explained(_)) && !std::mem::take(&mut is_first) {
            output.say("\n");
        }
        output.say(&self::answer(request, *target, answer));
        if let (Answer::Freed(_) | Answer::Planned(_), Some(error)) = (answer, answer.error()) {
            output.complain(&errors::lines(error));
        }
        if let Answer::Freed(Ok(freed)) = answer
            && !request.quiet
        {
            output.complain(&consequences::notes(freed));
        }
    }
    for note in answers.notes.iter().filter(|_| !request.quiet) {
        output.complain(&format!("{} {}\n", paint(WARN, "note:"), note.text));
    }
    for range in &request.ports.ranges {
        output.say(&rest_of_range(request, *range, answers));
    }
    if is_list {
        list_end(request, answers, output);
    }
    for error in &answers.errors {
        output.complain(&errors::lines(error));
    }
}

/// The lines about one port.
pub fn answer(request: &Request, target: Target, answer: &Answer) -> String {
    if let Answer::Explained(explanation) = answer {
        return why::screen(explanation, request.verbose);
    }
    let name = paint(BOLD, target);
    if answer.status() == Status::AlreadyFree {
        let verdict = match answer {
            Answer::Listed(_) => "nobody listens",
            _ => "free already",
        };
        return format!("{name}: {verdict}\n");
    }
    match answer {
        Answer::Freed(Ok(freed)) => {
            let verdict = paint(GOOD, format!("freed in {}", duration(freed.elapsed)));
            block(
                &format!("{name}: {verdict}"),
                &freed.ended,
                &freed.containers,
                request,
            )
        }
        Answer::Freed(Err(error)) => {
            let verdict = match State::after(error) {
                State::Broken => "interrupted",
                State::Unknown => UNKNOWN,
                State::Held => "still held",
                State::InUse => "still in use",
            };
            // Who ended nobody took no time worth telling.
            let mut reports = error.holders().iter();
            let after = if reports.any(|report| !report.signals.is_empty()) {
                format!(" after {}", duration(error.elapsed()))
            } else {
                String::new()
            };
            let verdict = paint(BAD, format!("{verdict}{after}"));
            block(
                &format!("{name}: {verdict}"),
                error.holders(),
                error.containers(),
                request,
            )
        }
        Answer::Planned(plan) => {
            // What is not done must not look as if it were.
            let is_trial = if request.verb == Verb::DryRun {
                "dry run: "
            } else {
                ""
            };
            block_of_plan(&format!("{name}: {is_trial}"), plan.as_ref(), request)
        }
        Answer::Declined => format!("{name}: left alone\n"),
        // They are told elsewhere, and a list has its rows in the table.
        Answer::Explained(_) | Answer::Listed(_) => String::new(),
    }
}

/// What freeing it would do.
pub fn plan(request: &Request, plan: &Plan) -> String {
    let name = paint(BOLD, plan.target);
    block_of_plan(&format!("{name}: "), Ok(plan), request)
}

fn block_of_plan(start: &str, plan: Result<&Plan, &Error>, request: &Request) -> String {
    let (error, reports) = match plan {
        Ok(plan) => (plan.error.as_ref(), plan.holders.as_slice()),
        Err(error) => (Some(error), error.holders()),
    };
    let verdict = match (error.map(State::after), plan) {
        (None, Ok(plan)) if plan.comes_back() => paint(BAD, "would be freed, and would come back"),
        (None, _) => paint(WARN, "would be freed"),
        (Some(State::InUse), Ok(_)) => paint(BAD, "would stay in use"),
        (Some(State::Held | State::Broken), Ok(_)) => paint(BAD, "would stay held"),
        (Some(_), _) => paint(BAD, UNKNOWN),
    };
    let text = block(&format!("{start}{verdict}"), reports, &[], request);
    match plan {
        Ok(plan) if plan.error.is_none() => text + &consequences::lines("  ", plan),
        _ => text,
    }
}

/// A verdict, and under it who it is about.
fn block(
    verdict: &str,
    reports: &[HolderReport],
    containers: &[StoppedContainer],
    request: &Request,
) -> String {
    let mut text = format!("{verdict}\n{}", holders::lines(reports, request.verbose));
    text.extend(containers.iter().map(container::stopped));
    text
}

/// Whether the port has no line of its own.
fn is_folded(request: &Request, target: Target, answer: &Answer) -> bool {
    answer.is_unremarkable() && !request.ports.is_single(target)
}

/// One line for all ports of a range that have none of their own.
fn rest_of_range(request: &Request, range: Range, answers: &Answers) -> String {
    let folded = answers
        .ports
        .iter()
        .filter(|(target, answer)| range.contains(*target) && is_folded(request, *target, answer));
    let free = folded.count();
    let total = range.targets().count();
    let phrase = match request.verb {
        _ if free == 0 => return String::new(),
        Verb::List => return String::new(),
        Verb::Why if free == 1 => "1 port is free and can be bound".into(),
        Verb::Why => format!("{free} ports are free and can be bound"),
        _ if free == total => format!("all {total} ports free already"),
        _ if free == 1 => "the other port was free already".into(),
        _ => format!("the other {free} ports were free already"),
    };
    format!("{}: {phrase}\n", paint(BOLD, range))
}

/// What a list says below its table.
fn list_end(request: &Request, answers: &Answers, output: &mut Output) {
    let mut ports = answers.ports.iter();
    if answers.errors.is_empty()
        && ports.all(|(target, answer)| is_folded(request, *target, answer))
    {
        output.say("nobody listens\n");
    }
    let listings = answers
        .ports
        .iter()
        .filter_map(|(_, answer)| answer.listing());
    let hidden = listings.flat_map(|listing| &listing.hidden);
    if let Some(step) = next_step::to_see(hidden).filter(|_| !request.quiet) {
        output.complain(&errors::help("  ", &step));
    }
}
