//! What is in the way, and the next step.

use std::fmt::Write as _;

use kill_port::{Error, Obstacle};

use crate::answer::State;
use crate::next_step;
use crate::style::{BAD, GOOD, paint};

/// So many obstacles of a port are named: a pool of two hundred workers would drown the next step.
const OBSTACLES: usize = 10;

/// One line for each obstacle and one for each next step.
pub fn lines(error: &Error) -> String {
    let target = error.target();
    // Port 0 stands for all ports at once.
    let about = match target.port() {
        0 => String::new(),
        _ => format!("{target}: "),
    };
    let mut text = String::new();
    let mut line = |what: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{} {about}{what}", paint(BAD, "error:"));
    };
    // Whoever pressed Ctrl-C knows.
    let obstacles = || {
        let obstacles = error.obstacles().iter();
        obstacles.filter(|obstacle| !matches!(obstacle, Obstacle::Cancelled))
    };
    for obstacle in obstacles().take(OBSTACLES) {
        line(obstacle);
    }
    match obstacles().count().saturating_sub(OBSTACLES) {
        0 => {}
        more => line(&format_args!("and {more} more like these")),
    }
    let mut steps: Vec<String> = Vec::new();
    let interrupted =
        (State::after(error) == State::Broken).then(|| next_step::after_interrupt(error));
    let others = obstacles().filter_map(|obstacle| next_step::after(obstacle, target));
    for step in interrupted.into_iter().chain(others) {
        if steps.len() < OBSTACLES && !steps.contains(&step) {
            text.push_str(&help("  ", &step));
            steps.push(step);
        }
    }
    text
}

/// A line with a next step.
pub fn help(indent: &str, step: &str) -> String {
    format!("{indent}{} {step}\n", paint(GOOD, "help:"))
}
