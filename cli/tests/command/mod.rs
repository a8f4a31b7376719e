//! Runs the command and keeps what it printed.

use std::process::{Command, Output, Stdio};

#[cfg(target_os = "linux")]
use crate::fixture::{Fixture, Role};

/// The command, in surroundings that are the same on every machine: no terminal, no input, no wishes about colour.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kill_port"));
    command.args(arguments).stdin(Stdio::null());
    // On a terminal, a machine that says it is CI gets colours even if the terminal is called dumb.
    for name in [
        "CI",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLORTERM",
        "COLUMNS",
        "LINES",
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CONFIG",
        "RUST_BACKTRACE",
    ] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints UTF-8");
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// What the system says of an error: each C library in words of its own.
#[cfg(target_os = "linux")]
pub fn in_words(error: i32) -> String {
    std::io::Error::from_raw_os_error(error).to_string()
}

/// Runs the command to its end. The arguments are separated by spaces.
pub fn run(line: &str) -> Run {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    run_arguments(&arguments)
}

/// Runs the command to its end.
pub fn run_arguments(arguments: &[&str]) -> Run {
    command(arguments)
        .output()
        .expect("the command runs")
        .into()
}

/// Nobody's user ID, on every Linux.
#[cfg(target_os = "linux")]
pub const NOBODY: u32 = 65534;

/// The command, to be run by a user who is nobody, even if it lies where that user may not go. The arguments are separated by spaces.
#[cfg(target_os = "linux")]
pub fn as_nobody(line: &str) -> Role {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    Fixture::role("exec")
        .set("program", env!("CARGO_BIN_EXE_kill_port"))
        .set("argv", arguments.join("\n"))
        .set("exec_uid", NOBODY)
}

/// Runs it to its end. What it said on both its outputs is in `out`.
#[cfg(target_os = "linux")]
pub fn run_role(role: Role) -> Run {
    let command = role.spawn();
    command.wait_gone();
    Run {
        code: command.exit_status().code(),
        out: command.lines().join("\n"),
        err: String::new(),
    }
}

impl Run {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(
            self.out.contains(text),
            "{text:?} is not printed: {self:#?}"
        );
        self
    }

    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.err.contains(text),
            "{text:?} is not on stderr: {self:#?}"
        );
        self
    }

    #[track_caller]
    pub fn prints_nothing(self) -> Self {
        assert_eq!(self.out, "", "{self:#?}");
        self
    }

    #[track_caller]
    pub fn has_no_complaint(self) -> Self {
        assert_eq!(self.err, "", "{self:#?}");
        self
    }
}
