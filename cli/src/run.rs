//! Frees the ports and tells what came of it.

use std::ops::ControlFlow;

use kill_port::Event;

use crate::args::Args;
use crate::exit::Exit;
use crate::human::{Answer, Page};
use crate::interrupt::Interrupt;
use crate::output;
use crate::ports::Request;
use crate::progress::{self, Progress};

/// Ends the holders.
pub fn run(args: &Args, request: &Request, page: &Page) -> Exit {
    let mut progress = Progress::new(!args.quiet);
    let mut interrupt = Interrupt::default();
    let targets = request.targets.iter().copied();
    let results = args.kill_options().kill_all_with(targets, |event| {
        if matches!(event, Event::Waiting { .. }) {
            interrupt.watch();
        }
        progress.follow(event);
        match interrupt.signal() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    progress::clear();
    let answers: Vec<Answer> = results
        .iter()
        .map(|(target, result)| page.result(*target, result))
        .collect();
    let exit = conclude(args, request, &answers);
    match interrupt.signal() {
        Some(signal) => Exit::Interrupted(signal),
        None => exit,
    }
}

/// Prints the answers and makes one exit code of them.
pub fn conclude(args: &Args, request: &Request, answers: &[Answer]) -> Exit {
    let exit = Exit::merge(
        answers.iter().map(|answer| answer.status),
        args.fail_if_free,
    );
    match output::answers(request, answers, args.quiet) {
        Ok(()) => exit,
        Err(error) => {
            output::error_line(&format!("standard output: {error}"));
            Exit::Failed
        }
    }
}
