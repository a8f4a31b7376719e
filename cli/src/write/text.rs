//! Answers for people: one line for each port and one for each holder, and on stderr what is in the way.

use kill_port::containers::StoppedContainer;
use kill_port::{HolderReport, Target, printable};
use unicode_width::UnicodeWidthStr as _;

use crate::answer::{Answer, Answers, State};
use crate::container;
use crate::exit::Status;
use crate::next_step;
use crate::output::{self, Output};
use crate::ports::Range;
use crate::request::{Request, Verb};
use crate::style::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::user;
use crate::words::{self, command_line, cut, duration};
use crate::write::{consequences, errors, table, why};

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 200;

/// Nothing is known about a port that nobody could look at.
const UNKNOWN: &str = "could not be looked at";

/// However narrow the terminal, this much of a command line is shown.
const LEAST_COMMAND: usize = 20;

/// Writes the answers in their order. Of a range, only ports about which there is something to say have lines of their own.
pub fn write(request: &Request, answers: &Answers, output: &mut Output) {
    let is_list = request.verb == Verb::List;
    if is_list {
        output.say(&table::render(&answers.ports, output::width()));
    }
    let mut is_first = true;
    for (target, answer) in &answers.ports {
        if is_folded(request, *target, answer) {
            continue;
        }
        if matches!(answer, Answer::Explained(_)) && !std::mem::take(&mut is_first) {
            output.say("\n");
        }
        output.say(&self::answer(*target, answer));
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
pub fn answer(target: Target, answer: &Answer) -> String {
    let name = paint(BOLD, target);
    if answer.status() == Status::AlreadyFree {
        return match answer {
            Answer::Explained(explanation) => why::screen(explanation),
            Answer::Listed(_) => format!("{name}: nobody listens\n"),
            _ => format!("{name}: free already\n"),
        };
    }
    let block = |verdict: String, holders: &[HolderReport], containers: &[StoppedContainer]| {
        let mut text = format!("{name}: {verdict}\n");
        text.extend(holders.iter().map(holder));
        text.extend(containers.iter().map(container::stopped));
        text
    };
    match answer {
        Answer::Freed(Ok(freed)) => {
            let verdict = format!("freed in {}", duration(freed.elapsed));
            block(paint(GOOD, verdict), &freed.ended, &freed.containers)
        }
        Answer::Freed(Err(error)) => {
            let verdict = match State::after(error) {
                State::Broken => "interrupted",
                State::Unknown => UNKNOWN,
                State::Held => "still held",
                State::InUse => "still in use",
            };
            let verdict = format!("{verdict} after {}", duration(error.elapsed()));
            block(paint(BAD, verdict), error.holders(), error.containers())
        }
        Answer::Planned(Ok(plan)) => match plan.error.as_ref().map(State::after) {
            None => {
                let verdict = if plan.comes_back() {
                    paint(BAD, "would be freed, and would come back")
                } else {
                    paint(GOOD, "would be freed")
                };
                block(verdict, &plan.holders, &[]) + &consequences::lines("  ", plan)
            }
            Some(State::InUse) => block(paint(BAD, "would stay in use"), &plan.holders, &[]),
            Some(State::Unknown) => block(paint(BAD, UNKNOWN), &plan.holders, &[]),
            Some(_) => block(paint(BAD, "would stay held"), &plan.holders, &[]),
        },
        Answer::Planned(Err(error)) => block(paint(BAD, UNKNOWN), error.holders(), &[]),
        Answer::Declined => format!("{name}: left alone\n"),
        Answer::Explained(explanation) => why::screen(explanation),
        // It has its rows in the table.
        Answer::Listed(_) => String::new(),
    }
}

/// `  node (PID 4711)  SIGTERM, exited after 11 ms  user dev  in /srv/app  node server.js`
fn holder(report: &HolderReport) -> String {
    let process = &report.holder.process;
    let name = process.to_string();
    let mut rest = format!("  {}", words::fate(report));
    if let Some(user) = user::foreign(process) {
        rest += &format!("  user {user}");
    }
    if let Some(cwd) = &process.cwd {
        rest += &format!("  in {}", printable(&cwd.to_string_lossy()));
    }
    let mut command = command_line(&process.command);
    if command.is_empty()
        && let Some(executable) = &process.executable
    {
        command = printable(&executable.to_string_lossy()).into_owned();
    }
    let columns = match output::width() {
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
