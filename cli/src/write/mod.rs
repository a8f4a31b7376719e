//! Writers: each makes the same answers into text of its own kind, and only the one that was asked for runs.

mod consequences;
mod errors;
mod holders;
pub mod json;
mod table;
pub mod text;
mod why;

use kill_port::printable;

use crate::answer::Answers;
use crate::exit::Exit;
use crate::output::Output;
use crate::request::Request;
use crate::style::{WARN, paint};

/// Prints the answers. Fails where they could not be written.
pub fn write(request: &Request, answers: &Answers) -> Exit {
    let mut output = Output::new(request.json || !request.quiet);
    for error in &answers.silent_engines {
        let error = error.to_string();
        output.complain(&format!(
            "{} {}\n",
            paint(WARN, "warning:"),
            printable(&error)
        ));
    }
    if request.json {
        json::write(answers, &mut output);
    } else {
        text::write(request, answers, &mut output);
    }
    output.end()
}
