//! What became of the holders, or would: a line for each, or for those that are alike.

use kill_port::{HolderReport, printable};

use crate::fold::{self, groups, likeness};
use crate::output;
use crate::style::{BOLD, DIM, paint};
use crate::user;
use crate::words::{self, command_line, cut};
use crate::wrap::pack;

/// Where a line goes on.
const HANGING: usize = 4;

/// How much of a command line is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 200;

/// Those who are alike, and of whom the same became, together, unless each is wanted.
pub fn alike(reports: &[HolderReport], each: bool) -> Vec<Vec<&HolderReport>> {
    groups(reports, each, |report| {
        let likeness = likeness(&report.holder.process);
        (likeness, report.fate, report.signals.as_slice())
    })
}

/// A line for each, or for those who are alike.
pub fn lines(reports: &[HolderReport], verbose: bool) -> String {
    let groups = alike(reports, verbose);
    groups.iter().map(|group| line(group, verbose)).collect()
}

/// `  node (PID 4711)  SIGTERM, exited after 11 ms  in /srv/app  user dev  node server.js`
fn line(group: &[&HolderReport], verbose: bool) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let process = &first.holder.process;
    let processes: Vec<_> = group.iter().map(|report| &report.holder.process).collect();
    let folder = process
        .cwd
        .as_deref()
        .map(|cwd| format!("in {}", printable(&cwd.to_string_lossy())));
    let user = user::foreign(process).map(|user| format!("user {user}"));
    let pieces = [
        format!("  {}", paint(BOLD, fold::name(&processes))),
        words::fate(group),
        folder.unwrap_or_default(),
        user.unwrap_or_default(),
    ];
    let width = output::width();
    let text = pack(&pieces, HANGING, width);
    let command = if verbose {
        &process.command
    } else {
        &process.short_command()
    };
    let mut command = command_line(command);
    if command.is_empty()
        && let Some(executable) = &process.executable
    {
        command = printable(&executable.to_string_lossy()).into_owned();
    }
    if command.is_empty() {
        return format!("{text}\n");
    }
    let Some(width) = width else {
        let command = if verbose {
            command
        } else {
            cut(&command, COMMAND_IN_PIPE)
        };
        return format!("{text}  {}\n", paint(DIM, command));
    };
    let last = words::width(text.lines().next_back().unwrap_or_default());
    let left = width.saturating_sub(last + 2);
    // One that would be cut gets a line of its own.
    let (separator, left) = if words::width(&command) <= left {
        ("  ".to_owned(), left)
    } else {
        let left = width.saturating_sub(HANGING);
        (format!("\n{}", " ".repeat(HANGING)), left)
    };
    let command = if verbose {
        command
    } else {
        cut(&command, left)
    };
    format!("{text}{separator}{}\n", paint(DIM, command))
}
