//! `--dry-run`: who would be signalled and who spared.

use crate::args::Args;
use crate::exit::Exit;
use crate::human::{Answer, Page};
use crate::json::Port;
use crate::ports::Request;
use crate::run;

/// Looks, and signals nobody.
pub fn run(args: &Args, request: &Request, page: &Page) -> Exit {
    let plans = args
        .kill_options()
        .plan_all(request.targets.iter().copied());
    let answers: Vec<Answer> = plans
        .iter()
        .map(|(target, plan)| page.plan(*target, plan))
        .collect();
    run::conclude(args, request, &answers, || {
        plans
            .iter()
            .map(|(target, plan)| Port::planned(*target, plan))
            .collect()
    })
}
