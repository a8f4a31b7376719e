//! The command `kill_port`: frees network ports. Everything that ends a process is in the library; here is what a
//! terminal needs.

mod args;
mod containers;
mod dry_run;
mod duration;
mod exit;
mod generate;
mod human;
mod interactive;
mod interrupt;
mod json;
mod list;
mod logger;
mod output;
mod ports;
mod progress;
mod run;
mod style;
mod table;
mod time;
mod why;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use args::Args;
use exit::Exit;
use human::Page;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = match Args::parse_from_all(&arguments) {
        Ok(args) => start(&args),
        Err(error) if error.use_stderr() => usage(&format!(
            "{}; see `kill_port --help`",
            args::one_line(&error)
        )),
        // Help and version.
        Err(error) => output::document(&error.render().ansi().to_string()),
    };
    exit.into()
}

fn start(args: &Args) -> Exit {
    if let Some(shell) = args.completions {
        return generate::completions(shell);
    }
    if args.man {
        return generate::man();
    }
    if args.ports.is_empty() && !args.list {
        return usage(
            "no port is named; name one, as in `kill_port 8080`, or see `kill_port --help`",
        );
    }
    let request = match ports::parse(&args.ports, args.protocol()) {
        Ok(request) => request,
        Err(message) => return usage(&message),
    };
    // `--why` has that as an answer.
    if !args.why
        && let Some(target) = ports::first_foreign(&request.targets)
    {
        let port = target.port;
        return usage(&format!(
            "'{target}': this machine does not have that address; `kill_port {port}` frees the port on every address"
        ));
    }
    if args.interactive && !interactive::is_possible() {
        return usage(
            "--interactive needs a terminal to ask on; `kill_port --dry-run` shows what would be done",
        );
    }
    logger::start(args.verbose);
    let page = Page {
        width: width(),
        uid: own_uid(),
    };
    if args.list {
        list::run(args, &request, &page)
    } else if args.why {
        why::run(args, &request, &page)
    } else if args.interactive {
        interactive::run(args, &request, &page)
    } else if args.dry_run {
        dry_run::run(args, &request, &page)
    } else {
        run::run(args, &request, &page)
    }
}

fn usage(message: &str) -> Exit {
    output::error_line(message);
    Exit::Usage
}

/// The columns of the terminal that stdout is. One that doesn't tell its size has the usual eighty.
fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = terminal_size::terminal_size_of(stdout);
    Some(size.map_or(80, |(width, _)| usize::from(width.0)))
}

#[cfg(unix)]
fn own_uid() -> Option<u32> {
    Some(nix::unistd::geteuid().as_raw())
}

#[cfg(not(unix))]
fn own_uid() -> Option<u32> {
    None
}
