//! `--interactive`: asks about each port before anybody is signalled.

use std::io::{self, BufRead as _, IsTerminal as _};

use kill_port::Target;

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
        } else {
            settled.push(Answer {
                target: *target,
                status: Status::Failed,
                text: format!("{}: left alone\n", paint(BOLD, target)),
                errors: String::new(),
            });
        }
    }
    run::free(args, request, page, &agreed, settled)
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
