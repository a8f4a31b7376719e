//! Frees ports, shows whom it waits for, and stops at Ctrl-C.

use std::ops::ControlFlow;

use kill_port::{Event, Target};

use crate::answer::{Answer, Answers};
use crate::interrupt::Interrupt;
use crate::progress::{self, Progress};
use crate::request::Request;

/// Ends the holders of these targets, as long as `goes_on` agrees to what happens.
pub fn free(
    request: &Request,
    targets: &[Target],
    mut goes_on: impl FnMut(&Event<'_>) -> bool,
) -> Answers {
    let mut progress = Progress::new(!request.quiet);
    let mut interrupt = Interrupt::default();
    let results = request
        .options
        .kill_all_with(targets.iter().copied(), |event| {
            if matches!(event, Event::Waiting { .. }) {
                interrupt.watch();
            }
            progress.follow(event);
            if goes_on(event) && interrupt.signal().is_none() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
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
