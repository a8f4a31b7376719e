//! What is asked for, once the command line has been understood.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use kill_port::{Include, KillOptions, printable};

use crate::args::{Args, Containers, Who};
use crate::next_step;
use crate::picker::row::Scope;
use crate::ports::{self, Ports};

/// What to do with which ports, and how to answer.
#[derive(Debug, Clone)]
pub struct Request {
    pub verb: Verb,
    /// What a person is to choose from first, where no port is named.
    pub choose: Option<Scope>,
    pub ports: Ports,
    pub options: KillOptions,
    /// Whether a list may ask the container engines.
    pub engines: bool,
    /// Whether nothing to do is a failure.
    pub fail_if_free: bool,
    /// Whether only errors are printed.
    pub quiet: bool,
    /// Whether the answer is for a program.
    pub json: bool,
    /// Whether everything is told, each worker by itself.
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// End the holders.
    Free,
    /// Ask about each port, then end the holders.
    Ask,
    /// Say what `Free` would do.
    DryRun,
    /// Say who listens.
    List,
    /// Say everything about the ports.
    Why,
}

impl Request {
    /// # Errors
    /// One line that says what is wrong with the command line.
    pub fn new(args: &Args) -> Result<Self, String> {
        let verb = verb(args);
        let named: Vec<&String> = args.ports.iter().chain(&args.named_ports).collect();
        let choose = if named.is_empty() && verb != Verb::List {
            Some(scope(args, verb)?)
        } else {
            None
        };
        let ports = ports::parse(&named, args.protocol())?;
        let options = kill_options(args)?;
        // `--why` has that as an answer.
        if verb != Verb::Why
            && let Some(target) = ports::first_foreign(&ports.targets)
        {
            return Err(format!(
                "'{target}': this machine does not have that address; {}",
                next_step::any_address(target.port())
            ));
        }
        if verb == Verb::Ask && !is_terminal() {
            return Err(next_step::NO_TERMINAL_TO_ASK_ON.into());
        }
        Ok(Self {
            verb,
            choose,
            ports,
            options,
            engines: args.containers != Containers::Never,
            fail_if_free: args.fail_if_free,
            quiet: args.quiet,
            json: args.json,
            verbose: args.verbose > 0,
        })
    }
}

fn verb(args: &Args) -> Verb {
    if args.list {
        Verb::List
    } else if args.why {
        Verb::Why
    } else if args.interactive {
        Verb::Ask
    } else if args.dry_run {
        Verb::DryRun
    } else {
        Verb::Free
    }
}

/// What is to be chosen from, where there is somebody to do it.
fn scope(args: &Args, verb: Verb) -> Result<Scope, String> {
    if verb == Verb::Why || args.json || !is_terminal() {
        let folder = args.within.as_deref().and_then(Path::to_str);
        return Err(match folder {
            Some(folder) if ports::parse(&[folder], None).is_ok() => {
                format!("no port is named: '{folder}' is the folder that --in asks for")
            }
            _ => next_step::NAME_A_PORT.into(),
        });
    }
    Ok(Scope {
        protocol: args.protocol(),
        within: args.within.as_deref().map(real_folder).transpose()?,
    })
}

/// Whether somebody can be asked.
fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The library's options.
fn kill_options(args: &Args) -> Result<KillOptions, String> {
    let mut options = KillOptions::new()
        .force(args.force)
        .escalate(!args.no_escalate)
        .containers(args.containers.into())
        .tree(args.tree)
        .supervisor(args.supervisor);
    if args.include_ancestors {
        options = options.include(Include::Ancestors);
    }
    for who in &args.include {
        options = options.include(match who {
            Who::Ancestors => Include::Ancestors,
            Who::Editors => Include::Editors,
            Who::Forwarders => Include::Forwarders,
        });
    }
    if args.connections {
        options = options.include(Include::Clients);
    }
    if let Some(signal) = args.signal {
        options = options.signal(signal);
    }
    if let Some(grace) = args.grace {
        options = options.grace(grace);
    }
    if let Some(settle) = args.settle {
        options = options.settle(settle);
    }
    if let Some(folder) = &args.within {
        options = options.within(real_folder(folder)?);
    }
    Ok(options)
}

/// The folder that a path leads to.
fn real_folder(path: &Path) -> Result<PathBuf, String> {
    let name = printable(&path.to_string_lossy()).into_owned();
    match path.canonicalize() {
        Ok(real) => match real.metadata() {
            Ok(known) if known.is_dir() => Ok(real),
            Ok(_) => Err(format!("--in '{name}': it is no folder")),
            Err(error) => Err(format!("--in '{name}': {error}")),
        },
        Err(error) => Err(format!("--in '{name}': {error}")),
    }
}
