//! Writing: results to stdout, errors to stderr, and no panic when nobody reads them.

use std::io::{self, Write as _};

use crate::exit::{Exit, Status};
use crate::human::Answer;
use crate::ports::Request;
use crate::style::{BAD, BOLD, paint};

/// Writes results. Whether anybody can still read: `false` once the pipe is closed.
///
/// # Errors
/// Where the text is lost for another reason, such as a full disk.
pub fn results(text: &str) -> io::Result<bool> {
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        // A reader such as `head` that has seen enough is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes to stderr. If that fails, there is nowhere left to say so.
pub fn complain(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// One line about a wrong command line or a failure of the command itself.
pub fn error_line(message: &str) {
    complain(&format!("{} {message}\n", paint(BAD, "error:")));
}

/// Prints text that was asked for, such as a completion script.
pub fn document(text: &str) -> Exit {
    match results(text) {
        Ok(_) => Exit::Done,
        Err(error) => lost(&error),
    }
}

/// Prints the answers in the order asked. Of a range, only the ports that were held have lines of their own.
pub fn answers(request: &Request, answers: &[Answer], quiet: bool) -> Exit {
    match try_answers(request, answers, quiet) {
        Ok(()) => Exit::Done,
        Err(error) => lost(&error),
    }
}

fn lost(error: &io::Error) -> Exit {
    error_line(&format!("standard output: {error}"));
    Exit::Failed
}

fn try_answers(request: &Request, answers: &[Answer], quiet: bool) -> io::Result<()> {
    let mut readable = !quiet;
    let mut pending = String::new();
    for answer in answers {
        if answer.status != Status::AlreadyFree || request.is_single(answer.target) {
            pending.push_str(&answer.text);
        }
        // Errors go in between, so that on a terminal they stand below their port.
        if !answer.errors.is_empty() {
            if readable {
                readable = results(&pending)?;
            }
            pending.clear();
            complain(&answer.errors);
        }
    }
    for range in &request.ranges {
        let total = range.targets().count();
        let free = answers
            .iter()
            .filter(|answer| answer.status == Status::AlreadyFree)
            .filter(|answer| range.contains(answer.target) && !request.is_single(answer.target))
            .count();
        let phrase = match free {
            0 => continue,
            _ if free == total => format!("all {total} ports free already"),
            1 => "the other port was free already".into(),
            _ => format!("the other {free} ports were free already"),
        };
        pending.push_str(&format!("{}: {phrase}\n", paint(BOLD, range)));
    }
    if readable && !pending.is_empty() {
        results(&pending)?;
    }
    Ok(())
}
