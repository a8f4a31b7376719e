//! What ending the holders would do beside that, and who may undo it.

use kill_port::{Freed, Plan, Supervisor, Target};

use crate::container;
use crate::next_step;
use crate::style::{WARN, paint};
use crate::write::errors;

/// One line for each container that would be stopped, and each that may start a holder again.
pub fn lines(indent: &str, plan: &Plan) -> String {
    let mut text: String = plan
        .containers
        .iter()
        .map(|container| container::line(indent, container, "would be stopped"))
        .collect();
    for supervisor in &plan.supervisors {
        text += &format!("{indent}{}\n", paint(WARN, supervisor));
        if let Some(step) = next_step::before(supervisor, plan.target) {
            text += &errors::help(&format!("{indent}  "), &step);
        }
    }
    text
}

/// A note for each that may start again what was ended.
pub fn notes(freed: &Freed) -> String {
    let note = |supervisor: &Supervisor| note(freed.target, supervisor);
    freed.supervisors.iter().map(note).collect()
}

fn note(target: Target, supervisor: &Supervisor) -> String {
    let mut text = format!("{} {target}: {supervisor}\n", paint(WARN, "note:"));
    if let Some(step) = next_step::beside(supervisor) {
        text += &errors::help("  ", &step);
    }
    text
}
