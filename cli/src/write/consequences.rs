//! What ending the holders would do beside that.

use kill_port::Plan;

use crate::container;
use crate::style::{WARN, paint};

/// One line for each container that would be stopped, and each parent that may start a holder again.
pub fn lines(indent: &str, plan: &Plan) -> String {
    let mut text: String = plan
        .containers
        .iter()
        .map(|container| container::line(indent, container, "would be stopped"))
        .collect();
    for supervisor in &plan.supervisors {
        let warning = format!("{supervisor} may start it again");
        text += &format!("{indent}{}\n", paint(WARN, warning));
    }
    text
}
