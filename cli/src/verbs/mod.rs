//! What can be done with ports. A verb takes a request, asks the library, and returns answers; it prints nothing.

pub mod free;
pub mod list;
pub mod notes;
mod published;

use crate::answer::{Answer, Answers};
use crate::request::Request;

/// What freeing the ports would do.
pub fn plan(request: &Request) -> Answers {
    let targets = request.ports.targets.iter().copied();
    let plans = request.options.plan_all(targets).into_iter();
    Answers {
        ports: plans
            .map(|(target, plan)| (target, Answer::Planned(plan)))
            .collect(),
        ..Answers::default()
    }
}

/// Everything about the ports.
pub fn why(request: &Request) -> Answers {
    let mut answers = Answers::default();
    let targets = request.ports.targets.iter().copied();
    for (target, explained) in request.options.explain_all(targets) {
        match explained {
            Ok(explanation) => {
                let answer = Answer::Explained(Box::new(explanation));
                answers.ports.push((target, answer));
            }
            Err(error) => answers.errors.push(error),
        }
    }
    answers
}
