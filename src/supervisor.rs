//! Plain data: who may start an ended holder again.

use std::borrow::Cow;
use std::fmt;

use crate::names::{Names, SHELLS};
use crate::next_step::Advice;
use crate::printable::printable;
use crate::process::Process;
use crate::socket::Holder;

/// A process above a holder, or a service manager, that may start it again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Supervisor {
    /// The process.
    pub process: Process,
    /// The systemd unit that the holder belongs to, if the process is the service manager.
    pub unit: Option<String>,
    /// When it does so, as far as it is known by its name.
    pub restarts: Restarts,
    /// Whether [`KillOptions::supervisor`](crate::KillOptions::supervisor) would end it as well, in a [`Plan`](crate::Plan).
    pub may_end: bool,
    /// The same, if that was asked for.
    pub would_end: bool,
    /// Holders of other ports below it, for whose sake it is not ended. Only looked for where supervisors may be ended.
    pub others: Vec<Holder>,
    /// What stops it.
    pub advice: Option<Advice>,
}

crate::users::users_in! {
    Supervisor: process, others;
}

impl Supervisor {
    /// One of whom no more is known than when it starts something again.
    pub(crate) fn new(process: Process, unit: Option<String>, restarts: Restarts) -> Self {
        Self {
            process,
            unit,
            restarts,
            may_end: false,
            would_end: false,
            others: Vec::new(),
            advice: None,
        }
    }
}

/// When a supervisor starts a server again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restarts {
    /// Perhaps never: it is only known that it lives above the holder.
    Perhaps,
    /// If a loop was typed into it: a shell in which something else was started as soon as the holder had ended.
    Typed,
    /// When a file changes: nodemon, cargo-watch, `node --watch`.
    OnChange,
    /// Whenever it ends: pm2, supervisord, a unit with `Restart=always`.
    Always,
}

impl Restarts {
    /// The word for it in JSON: `perhaps`, `typed`, `on_change` or `always`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Perhaps => "perhaps",
            Self::Typed => "typed",
            Self::OnChange => "on_change",
            Self::Always => "always",
        }
    }

    /// What this program is known for.
    pub(crate) fn of(process: &Process) -> Self {
        known(process).map_or(Self::Perhaps, |(_, restarts)| restarts)
    }
}

/// Programs that start whatever has ended again.
const MANAGERS: &str = "supervisord runsv s6-supervise supervise supervise-daemon circusd monit god immortal forever nssm winsw";

/// Programs that start what they watch over again when a file changes.
const WATCHERS: &str =
    "nodemon node-dev ts-node-dev watchexec cargo-watch bacon entr air watchmedo chokidar onchange";

/// Programs that do so when they are told by an argument, and those arguments.
const TOLD: &[(&str, &[&str])] = &[
    (
        "node nodejs bun deno tsx",
        &["--watch", "--watch-path", "watch", "--hot"],
    ),
    ("dotnet", &["watch"]),
    ("flask", &["--debug", "--reload"]),
    (
        "uvicorn hypercorn gunicorn daphne granian sanic quart litestar",
        &["--reload", "--dev", "--auto-reload", "--debug"],
    ),
    ("fastapi", &["dev", "--reload"]),
    ("manage manage.py django-admin", &["runserver"]),
];

/// The program that starts others again which this process is, if it is known as one.
pub(crate) fn known(process: &Process) -> Option<(&'static str, Restarts)> {
    let names = Names::of(process);
    let title = process.command.first();
    if title.is_some_and(|title| title.to_string_lossy().starts_with("PM2 v")) {
        return Some(("pm2", Restarts::Always));
    }
    // A script of that name in another language is somebody's own.
    let is_own_script = |name: &str| {
        let mut words = process.command.iter().map(|word| word.to_string_lossy());
        words.any(|word| {
            word.ends_with(&format!("{name}.py")) || word.ends_with(&format!("{name}.rb"))
        })
    };
    if let Some(name) = names.first_of(MANAGERS).filter(|name| !is_own_script(name)) {
        return Some((name, Restarts::Always));
    }
    if let Some(name) = names.first_of(WATCHERS).filter(|name| !is_own_script(name)) {
        return Some((name, Restarts::OnChange));
    }
    let options: Vec<String> = own_arguments(process, &names)
        .map(|argument| argument.split('=').next().unwrap_or_default().to_owned())
        .collect();
    let has = |word: &str| options.iter().any(|option| option == word);
    let is_told = |words: &[&str]| words.iter().any(|word| has(word)) && !has("--noreload");
    TOLD.iter().find_map(|(programs, words)| {
        let name = names.first_of(programs).filter(|_| is_told(words))?;
        Some((name, Restarts::OnChange))
    })
}

/// Programs that run a script, and end with it.
const RUNNERS: &str = "npm npx pnpm pnpx yarn make gmake just";

/// Whether it runs a script once: as a shell that was given one command line without a loop, or as what starts such a shell.
pub(crate) fn starts_once(process: &Process) -> bool {
    let names = Names::of(process);
    if names.first_of(RUNNERS).is_some() {
        return true;
    }
    let words: Vec<_> = process
        .command
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let [_, option, line, ..] = words.as_slice() else {
        return false;
    };
    let is_loop = |word: &str| matches!(word, "while" | "until" | "for" | "exec" | "watch");
    let mut parts = line.split(|character: char| !character.is_ascii_alphanumeric());
    names.first_of(SHELLS).is_some()
        && option.starts_with('-')
        && !option.starts_with("--")
        && option.ends_with('c')
        && !parts.any(is_loop)
}

/// The arguments that are for the program itself and not for what it runs: of an interpreter those before the script, unless the script
/// is what it is known by.
fn own_arguments<'p>(process: &'p Process, names: &Names) -> impl Iterator<Item = Cow<'p, str>> {
    let interprets =
        names.first_of("node nodejs bun deno").is_some() && names.first_of("tsx").is_none();
    let arguments = process.command.iter().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy());
    // `bun run --hot server.ts`
    let is_own = |argument: &Cow<'_, str>| {
        argument.starts_with('-') || argument == "run" || argument == "serve"
    };
    arguments.take_while(move |argument| !interprets || is_own(argument))
}

impl fmt::Display for Supervisor {
    /// As a sentence: `nodemon (PID 4711) starts it again when a file changes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Some(unit) => write!(f, "the systemd unit {}", printable(unit))?,
            None => match known(&self.process) {
                Some((name, _)) => write!(f, "{name} (PID {})", self.process.pid)?,
                None => write!(f, "{}", self.process)?,
            },
        }
        f.write_str(match self.restarts {
            _ if self.would_end => " would be ended as well if it starts it again",
            Restarts::Always => " starts it again whenever it ends",
            Restarts::OnChange => " starts it again when a file changes",
            Restarts::Perhaps => " may start it again",
            Restarts::Typed => " has gone on to another command, and may start it again",
        })?;
        match self.others.as_slice() {
            [] => Ok(()),
            others => write!(
                f,
                ", and would not be ended: {} on it as well",
                depend(others)
            ),
        }
    }
}

/// `node (PID 12, port 34021) depends`, and of many the first three.
pub(crate) fn depend(others: &[Holder]) -> String {
    let mut names: Vec<String> = others.iter().take(3).map(with_ports).collect();
    if others.len() > 3 {
        names.push(format!("{} more", others.len() - 3));
    }
    let verb = if others.len() == 1 {
        "depends"
    } else {
        "depend"
    };
    format!("{} {verb}", names.join(" and "))
}

fn with_ports(holder: &Holder) -> String {
    let mut ports: Vec<u16> = holder.sockets.iter().map(|socket| socket.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let word = if ports.len() == 1 { "port" } else { "ports" };
    let few: Vec<String> = ports.iter().take(3).map(u16::to_string).collect();
    let rest = if ports.len() > 3 { ", …" } else { "" };
    let process = &holder.process;
    if ports.is_empty() {
        return process.to_string();
    }
    format!(
        "{} (PID {}, {word} {}{rest})",
        printable(&process.name),
        process.pid,
        few.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn restarts(name: &str, command: &[&str]) -> Restarts {
        let mut process = Process::unknown(4711);
        process.name = name.to_owned();
        process.command = command.iter().map(OsString::from).collect();
        Restarts::of(&process)
    }

    #[test]
    fn a_shell_with_one_command_starts_it_once() {
        let is_once = |command: &[&str]| {
            let mut process = Process::unknown(4711);
            process.name = "sh".to_owned();
            process.command = command.iter().map(OsString::from).collect();
            starts_once(&process)
        };
        assert!(is_once(&["sh", "-c", "node server.js"]));
        assert!(is_once(&["bash", "-ec", "cd app && node server.js"]));
        assert!(!is_once(&["sh", "-c", "while :; do node server.js; done"]));
        assert!(is_once(&["npm run dev"]) && is_once(&["node", "/usr/bin/yarn", "dev"]));
        assert!(!is_once(&["node", "server.js", "npm"]));
        assert!(!is_once(&["bash", "--norc", "-i"]));
        assert!(!is_once(&["sh", "run.sh"]));
        assert!(!is_once(&["sh"]));
    }

    #[test]
    fn watchers_and_managers_are_known_by_name_script_and_argument() {
        use Restarts::{Always, OnChange, Perhaps};
        for (name, command, expected) in [
            (
                "node",
                &["node", "/srv/node_modules/.bin/nodemon", "app.js"][..],
                OnChange,
            ),
            ("node", &["node", "--watch", "app.js"], OnChange),
            ("node", &["node", "--watch-path=src", "app.js"], OnChange),
            ("node", &["node", "app.js"], Perhaps),
            (
                "node",
                &[
                    "node",
                    "/srv/node_modules/tsx/dist/cli.mjs",
                    "watch",
                    "app.ts",
                ],
                OnChange,
            ),
            ("air", &["air", "-c", ".air.toml"], OnChange),
            (
                "cargo-watch",
                &["cargo-watch", "watch", "-x", "run"],
                OnChange,
            ),
            (
                "watchexec",
                &["watchexec", "--", "node", "app.js"],
                OnChange,
            ),
            (
                "python3",
                &["python3", "-m", "flask", "--debug", "run"],
                OnChange,
            ),
            (
                "flask",
                &["/usr/bin/python3", "/usr/bin/flask", "--app", "x", "run"],
                Perhaps,
            ),
            (
                "python3",
                &["python3", "/usr/bin/uvicorn", "app:app", "--reload"],
                OnChange,
            ),
            ("python3", &["python3", "manage.py", "runserver"], OnChange),
            ("dotnet", &["dotnet", "watch", "run"], OnChange),
            (
                "PM2 v5.3.0: God",
                &["PM2 v5.3.0: God Daemon (/home/dev/.pm2)"],
                Always,
            ),
            (
                "supervisord",
                &["/usr/bin/python3", "/usr/bin/supervisord", "-n"],
                Always,
            ),
            ("runsv", &["runsv", "web"], Always),
            (
                "sh",
                &["sh", "-c", "while :; do node app.js; sleep 1; done"],
                Perhaps,
            ),
            ("npm run watch", &["npm run watch"], Perhaps),
            ("", &[], Perhaps),
            ("node", &["node", "manager.js", "watch", "--watch"], Perhaps),
            ("python3", &["python3", "air.py"], Perhaps),
            ("bun", &["bun", "run", "--hot", "server.ts"], OnChange),
            (
                "python3",
                &["python3", "manage.py", "runserver", "--noreload"],
                Perhaps,
            ),
            ("nodemon", &[], OnChange),
        ] {
            assert_eq!(restarts(name, command), expected, "{command:?}");
        }
    }
}
