//! Writing: results to stdout, errors to stderr, and no panic when nobody reads them.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use terminal_size::{Height, Width, terminal_size_of};

use crate::exit::Exit;
use crate::style::{BAD, paint};
use crate::wrap;

/// So much text is written at a time.
const ENOUGH: usize = 64 * 1024;

/// Results and errors in the order in which they are given, so that on a terminal errors stand below their port.
#[derive(Debug)]
pub struct Output {
    pending: String,
    /// Whether results are wanted, and somebody can still read them.
    open: bool,
    lost: Option<io::Error>,
}

impl Output {
    /// Without `results`, only errors are written.
    pub fn new(results: bool) -> Self {
        Self {
            pending: String::new(),
            open: results,
            lost: None,
        }
    }

    /// Adds lines for people to the results, as wide as the terminal.
    pub fn say(&mut self, text: &str) {
        self.print(&wrap::lines(text, width()));
    }

    /// Adds text to the results as it is.
    pub fn print(&mut self, text: &str) {
        if self.open {
            self.pending.push_str(text);
        }
        if self.pending.len() >= ENOUGH {
            self.flush();
        }
    }

    /// Whether nobody can read results any more, or nobody wants them.
    pub fn is_closed(&self) -> bool {
        !self.open
    }

    /// Adds text to the errors, in lines as wide as the terminal.
    pub fn complain(&mut self, text: &str) {
        if !text.is_empty() {
            self.flush();
            complain(text);
        }
    }

    /// The results could not be made.
    pub fn fail(&mut self, error: io::Error) {
        self.lost = Some(error);
    }

    /// Writes what is left; fails if results were lost.
    pub fn end(mut self) -> Exit {
        self.flush();
        match self.lost {
            None => Exit::Done,
            Some(error) => {
                error_line(&format!("standard output: {error}"));
                Exit::Failed
            }
        }
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        // Without colours, what is between two of them would be written by itself.
        if AutoStream::choice(&io::stdout()) == ColorChoice::Never {
            self.pending = strip_str(&self.pending).to_string();
        }
        let mut stdout = anstream::stdout().lock();
        let written = stdout
            .write_all(self.pending.as_bytes())
            .and_then(|()| stdout.flush());
        self.pending.clear();
        if let Err(error) = written {
            self.open = false;
            // A reader such as `head` that has seen enough is no error.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.lost = Some(error);
            }
        }
    }
}

/// Prints text that was asked for, such as a completion script.
pub fn document(text: &str) -> Exit {
    let mut output = Output::new(true);
    output.print(text);
    output.end()
}

/// Writes to stderr, in lines as wide as the terminal. If that fails, there is nowhere left to say so.
pub fn complain(text: &str) {
    let text = wrap::lines(text, width_of_stderr());
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// One line about a wrong command line or a failure of the command itself.
pub fn error_line(message: &str) {
    complain(&format!("{} {message}\n", paint(BAD, "error:")));
}

/// The columns of stdout, if it is a terminal. Asked once: thousands of lines are laid out for the same width.
pub fn width() -> Option<usize> {
    static WIDTH: LazyLock<Option<usize>> = LazyLock::new(|| {
        let stdout = io::stdout();
        stdout
            .is_terminal()
            .then(|| columns(terminal_size_of(stdout)))
    });
    *WIDTH
}

/// The columns of stderr, if it is a terminal.
pub fn width_of_stderr() -> Option<usize> {
    let stderr = io::stderr();
    stderr
        .is_terminal()
        .then(|| columns(terminal_size_of(stderr)))
}

/// A terminal that doesn't tell its size has the usual eighty.
fn columns(size: Option<(Width, Height)>) -> usize {
    size.map_or(80, |(width, _)| usize::from(width.0))
}
