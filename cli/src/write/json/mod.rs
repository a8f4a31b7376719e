//! Answers for programs. `cli/schema.json` describes them, and the types here are called what it calls them.
//!
//! Fields may be added without a new `schema_version`, and new words where a field holds one of several; nothing is
//! renamed, removed or given another meaning.

mod escape;
mod parts;
mod why;

use std::io::IsTerminal as _;

use kill_port::{Explanation, Plan, Target};
use serde::Serialize;

use crate::answer::{Answer, Answers};
use crate::exit::Status;
use crate::output::Output;
use crate::write::json::escape::escape;
use crate::write::json::parts::{Container, Error, Hidden, Holder, Parent, all, millis};
use crate::write::json::why::Why;

const SCHEMA_VERSION: u32 = 1;

/// The one object that is printed.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema_version: u32,
    ports: Vec<Port<'a>>,
    errors: Vec<Error<'a>>,
}

#[derive(Debug, Serialize)]
struct Port<'a> {
    port: u16,
    protocol: Option<&'static str>,
    address: Option<String>,
    outcome: &'static str,
    elapsed_ms: Option<f64>,
    errors: Vec<Error<'a>>,
    holders: Vec<Holder<'a>>,
    hidden: Vec<Hidden<'a>>,
    containers: Vec<Container<'a>>,
    supervisors: Vec<Parent<'a>>,
    why: Option<Why<'a>>,
}

/// Writes the object: on one line for programs, indented for people.
pub fn write(answers: &Answers, output: &mut Output) {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        ports: all(&answers.ports, |(target, answer)| {
            Port::new(*target, answer)
        }),
        errors: answers.errors.iter().flat_map(Error::all).collect(),
    };
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(&document)
    } else {
        serde_json::to_string(&document)
    };
    match text {
        Ok(text) => {
            output.say(&escape(&text));
            output.say("\n");
        }
        Err(error) => output.fail(error.into()),
    }
}

impl<'a> Port<'a> {
    fn new(target: Target, answer: &'a Answer) -> Self {
        let port = Self {
            port: target.port,
            protocol: target.protocol.map(|protocol| protocol.as_str()),
            address: target.address.map(|address| address.to_string()),
            outcome: outcome(answer),
            elapsed_ms: None,
            errors: answer.error().into_iter().flat_map(Error::all).collect(),
            holders: Vec::new(),
            hidden: Vec::new(),
            containers: Vec::new(),
            supervisors: Vec::new(),
            why: None,
        };
        match answer {
            Answer::Freed(Ok(freed)) => Self {
                elapsed_ms: Some(millis(freed.elapsed)),
                holders: all(&freed.ended, Holder::reported),
                containers: all(&freed.containers, Container::stopped),
                ..port
            },
            Answer::Freed(Err(error)) => Self {
                elapsed_ms: Some(millis(error.elapsed())),
                holders: all(error.holders(), Holder::reported),
                hidden: Hidden::of_error(error),
                containers: all(error.containers(), Container::stopped),
                ..port
            },
            Answer::Planned(Ok(plan)) => Self {
                holders: all(&plan.holders, Holder::reported),
                hidden: plan.error.iter().flat_map(Hidden::of_error).collect(),
                ..port.planned(plan)
            },
            Answer::Planned(Err(error)) => Self {
                hidden: Hidden::of_error(error),
                ..port
            },
            Answer::Declined => port,
            Answer::Listed(listing) => Self {
                holders: all(&listing.holders, |listener| {
                    Holder::new(&listener.process, &listener.sockets, "seen")
                }),
                hidden: all(&listing.hidden, |hidden| Hidden::new(&hidden.socket)),
                containers: all(&listing.containers, |container| {
                    Container::new(container, "seen")
                }),
                ..port
            },
            Answer::Explained(explanation) => Self {
                holders: holders(explanation),
                hidden: all(explanation.survey.hidden(), |hidden| {
                    Hidden::new(&hidden.socket)
                }),
                why: Some(Why::new(explanation)),
                ..port.planned(&explanation.plan)
            },
        }
    }

    fn planned(self, plan: &'a Plan) -> Self {
        Self {
            containers: all(&plan.containers, |container| {
                Container::new(container, "would_stop")
            }),
            supervisors: all(&plan.supervisors, Parent::new),
            ..self
        }
    }
}

fn outcome(answer: &Answer) -> &'static str {
    match (answer, answer.status()) {
        (_, Status::AlreadyFree) => "already_free",
        (Answer::Freed(_), Status::Done) => "freed",
        (Answer::Freed(_) | Answer::Declined, _) => "still_held",
        (Answer::Planned(_), Status::Done) => "would_free",
        (Answer::Planned(_), Status::Failed) => "would_fail",
        (Answer::Listed(_) | Answer::Explained(_), _) => "held",
    }
}

/// The holders that were seen. What would become of them is in the plan.
fn holders(explanation: &Explanation) -> Vec<Holder<'_>> {
    all(explanation.survey.holders(), |holder| {
        let mut reports = explanation.plan.holders.iter();
        let report = reports.find(|report| report.holder.process.pid == holder.process.pid);
        match report {
            Some(report) => Holder::reported(report),
            None => Holder::new(&holder.process, &holder.sockets, "seen"),
        }
    })
}
