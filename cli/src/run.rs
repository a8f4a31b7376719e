//! Frees the ports and tells what came of it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use kill_port::{Event, Target};

use crate::args::Args;
use crate::exit::Exit;
use crate::human::{Answer, Page};
use crate::interactive::Consent;
use crate::interrupt::Interrupt;
use crate::json::{Document, Port};
use crate::output;
use crate::ports::Request;
use crate::progress::{self, Progress};

/// Ends the holders of everything that was asked for.
pub fn run(args: &Args, request: &Request, page: &Page) -> Exit {
    free(args, request, page, &request.targets, Vec::new(), None)
}

/// Ends the holders of these targets. `settled` are answers about others; with a `consent`, nobody is signalled whom it does not
/// cover.
pub fn free(
    args: &Args,
    request: &Request,
    page: &Page,
    targets: &[Target],
    settled: Vec<Answer>,
    consent: Option<&Consent>,
) -> Exit {
    let mut surprise: Option<Target> = None;
    let mut progress = Progress::new(!args.quiet);
    let mut interrupt = Interrupt::default();
    let options = args.kill_options();
    let results = options.kill_all_with(targets.iter().copied(), |event| {
        if matches!(event, Event::Waiting { .. }) {
            interrupt.watch();
        }
        progress.follow(event);
        if let (
            Some(consent),
            Event::Try {
                target,
                number: 1,
                holders,
                ..
            },
        ) = (consent, event)
            && !consent.covers(*target, holders)
        {
            surprise = Some(*target);
            return ControlFlow::Break(());
        }
        match interrupt.signal() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    progress::clear();
    if let Some(target) = surprise {
        output::error_line(&format!(
            "{target}: another process has taken it since you were asked and is left alone; run it again"
        ));
    }
    let mut answers = settled;
    let is_mixed = !answers.is_empty();
    answers.extend(
        results
            .iter()
            .map(|(target, result)| page.result(*target, result)),
    );
    if is_mixed {
        let order: HashMap<Target, usize> = request
            .targets
            .iter()
            .enumerate()
            .map(|(index, &target)| (target, index))
            .collect();
        answers.sort_by_key(|answer| order.get(&answer.target).copied());
    }
    let exit = conclude(args, request, &answers, || {
        results
            .iter()
            .map(|(target, result)| Port::freed(*target, result))
            .collect()
    });
    match interrupt.signal() {
        Some(signal) => Exit::Interrupted(signal),
        None => exit,
    }
}

/// Prints the answers, for people or for programs, and makes one exit code of them.
pub fn conclude(
    args: &Args,
    request: &Request,
    answers: &[Answer],
    ports: impl FnOnce() -> Vec<Port>,
) -> Exit {
    let exit = Exit::merge(
        answers.iter().map(|answer| answer.status),
        args.fail_if_free,
    );
    let printed = if args.json {
        Document::new(ports(), std::iter::empty()).print()
    } else {
        output::answers(request, answers, args.quiet)
    };
    if printed == Exit::Done { exit } else { printed }
}
