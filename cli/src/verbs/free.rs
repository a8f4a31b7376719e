//! Frees ports, shows whom it waits for, and stops at Ctrl-C.

use std::ops::ControlFlow;

use kill_port::{Event, KillOptions, Target};

use crate::answer::{Answer, Answers};
use crate::interrupt::Interrupt;
use crate::progress::{self, Progress};
use crate::request::Request;

/// Ends the holders of these targets.
pub fn free(request: &Request, options: &KillOptions, targets: &[Target]) -> Answers {
    let mut progress = Progress::new(!request.quiet);
    let mut interrupt = Interrupt::default();
    let results = options.kill_all_with(targets.iter().copied(), |event| {
        if matches!(event, Event::Waiting { .. }) {
            interrupt.watch();
        }
        progress.follow(event);
        match interrupt.signal() {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    });
    progress::clear();
    Answers {
        ports: results
            .into_iter()
            .map(|(target, result)| (target, Answer::Freed(result)))
            .collect(),
        interrupted: interrupt.signal(),
        ..Answers::default()
    }
}
