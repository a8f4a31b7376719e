//! What the help says beside the options: groups, examples, exit codes.

use anstyle::Style;
use clap::Command;
use clap::error::ErrorKind;
use textwrap::{Options, WordSeparator, WordSplitter, fill};

use crate::style::paint;
use crate::words;

/// The groups of the options, in their order.
pub const WHAT: &str = "What to free";
pub const HOW: &str = "How";
pub const WHO: &str = "Who";
pub const LOOK: &str = "Look only";
pub const OUTPUT: &str = "Output";

/// A command, and what it does. The first are those of the short help.
pub const EXAMPLES: [(&str, &str); 10] = [
    ("kill_port 3000", "free port 3000"),
    ("kill_port", "choose from a list of who listens"),
    ("kill_port 3000-3010 53/udp", "several ports, side by side"),
    ("kill_port -n 8080", "show who would be ended"),
    (
        "kill_port --in . 3000",
        "only if it is a server of this folder",
    ),
    ("kill_port http://localhost:3000/", "a pasted URL"),
    ("kill_port -l", "show who listens on which port"),
    (
        "kill_port --why 8080",
        "show everything about who holds it, and what to do",
    ),
    (
        "kill_port -t 3s 8080",
        "SIGKILL after three seconds instead of ten",
    ),
    ("sudo kill_port 80", "another user's server"),
];

const IN_SHORT: usize = 5;

/// An exit code, and what it means.
pub const EXIT_CODES: [(&str, &str); 7] = [
    (
        "0",
        "every port asked for is free now (dry run: would be freed)",
    ),
    (
        "1",
        "at least one is still held, or could not be looked at, or none was chosen; the reason and a next step are on stderr",
    ),
    ("2", "the command line is wrong; nothing was signalled"),
    ("3", "with --fail-if-free: nothing held any of the ports"),
    ("129", "interrupted: the terminal went away"),
    ("130", "interrupted by Ctrl-C"),
    ("143", "interrupted by SIGTERM"),
];

/// As clap writes its own headings.
const HEADING: Style = Style::new().bold().underline();

/// What follows the options of the short help.
fn after_short() -> String {
    format!(
        "{}\n\nAll options, in groups, and the exit codes: kill_port --help",
        section("Examples", EXAMPLES.get(..IN_SHORT).unwrap_or(&EXAMPLES))
    )
}

/// What follows the options of the long help.
fn after_long() -> String {
    format!(
        "{}\n\n{}",
        section("Examples", &EXAMPLES),
        section("Exit codes", &EXIT_CODES)
    )
}

fn section(heading: &str, rows: &[(&str, &str)]) -> String {
    let lefts = rows.iter().map(|(left, _)| words::width(left));
    let start = lefts.max().unwrap_or(0) + 4;
    let hanging = " ".repeat(start);
    let mut text = paint(HEADING, format!("{heading}:"));
    for (left, right) in rows {
        let left = format!("  {left:<width$}", width = start - 2);
        let row = Options::new(WIDTH)
            .initial_indent(&left)
            .subsequent_indent(&hanging)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        text.push('\n');
        text += &fill(right, row);
    }
    text
}

/// The columns that every terminal has.
const WIDTH: usize = 80;

/// An answer that is the help, with what follows the options: clap is asked again, since making that text at every start takes a third
/// of the time in which the command finds a port free. The short help is read at a glance, so that it has no groups. Any error is as it was.
pub fn whole(
    error: clap::Error,
    command: &mut Command,
    again: &[impl AsRef<std::ffi::OsStr>],
) -> clap::Error {
    if error.kind() != ErrorKind::DisplayHelp {
        return error;
    }
    let is_short = error.render().to_string() == command.render_help().to_string();
    let mut command = command
        .clone()
        .after_help(after_short())
        .after_long_help(after_long());
    if is_short {
        command = command.mut_args(|option| option.help_heading(None));
    }
    let arguments = again.iter().map(AsRef::as_ref);
    command
        .try_get_matches_from_mut(arguments)
        .err()
        .unwrap_or(error)
}
