//! The command `kill_port`: frees network ports. Everything that ends a process is in the library; here is what a
//! terminal needs.
//!
//! A command line becomes a request, a verb makes answers of it, and a writer prints them.

mod answer;
mod args;
mod ask;
mod columns;
mod container;
mod duration;
mod exit;
mod fold;
// What it reads of a process can be any bytes on Unix alone.
#[cfg(all(unix, any(test, fuzzing)))]
pub mod fuzzing;
mod generate;
mod help;
mod inherited;
mod interrupt;
mod logger;
mod next_step;
mod output;
mod picker;
mod ports;
mod progress;
mod question;
mod request;
mod services;
mod style;
mod sudo;
mod time;
mod user;
mod verbs;
mod words;
mod wrap;
mod write;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, Completions};
use exit::Exit;
use generate::{completion, man, offers};
use request::{Request, Verb};

fn main() -> ExitCode {
    inherited::close();
    #[cfg(unix)]
    interrupt::heed_as_first_process();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = match Args::parse_from_all(&arguments) {
        Ok(args) => run(&args),
        Err(error) if error.use_stderr() => {
            let step = args::signal_alone(&arguments).map(next_step::name_signal);
            let step = step.unwrap_or_else(|| next_step::SEE_HELP.into());
            usage(&format!("{}; {step}", args::one_line(&error)))
        }
        // Help and version.
        Err(error) => output::document(&error.render().ansi().to_string()),
    };
    exit.into()
}

fn run(args: &Args) -> Exit {
    if let Some(wanted) = args.completions {
        return output::document(&match wanted {
            Completions::Script(shell) => completion::script(shell),
            Completions::Ports => offers::ports(),
        });
    }
    if args.man {
        return output::document(&man::page());
    }
    next_step::repeat(&args.given);
    let mut request = match Request::new(args) {
        Ok(request) => request,
        Err(message) => return usage(&message),
    };
    logger::start(args.verbose);
    let mut answers = match (request.choose.take(), request.verb) {
        (Some(scope), _) => match picker::pick(&mut request, &scope) {
            Ok(answers) => answers,
            Err(exit) => return exit,
        },
        (None, Verb::Free) => verbs::free::free(&request, &request.options, &request.ports.targets),
        (None, Verb::Ask) => ask::ask(&request),
        (None, Verb::DryRun) => verbs::plan(&request),
        (None, Verb::List) => verbs::list::list(&request),
        (None, Verb::Why) => verbs::why(&request),
    };
    let notes = verbs::notes::of_pids(&request.ports, &answers.ports);
    answers.notes.extend(notes);
    match (
        answers.exit(request.fail_if_free),
        write::write(&request, &answers),
    ) {
        (exit @ Exit::Interrupted(_), _) | (exit, Exit::Done) => exit,
        (_, lost) => lost,
    }
}

fn usage(message: &str) -> Exit {
    output::error_line(message);
    Exit::Usage
}
