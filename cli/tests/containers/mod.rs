//! Ports that containers publish: with a fake engine everywhere, and with a real one where a script has started it.

#[path = "../../../src/containers/fixture.rs"]
mod fixture;

mod fake;
mod real;

use std::process::{Command, Output};

/// The command, with nothing of this machine's own engines in its surroundings.
fn kill_port() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kill_port"));
    for name in ["DOCKER_CONTEXT", "XDG_RUNTIME_DIR", "SUDO_UID", "SUDO_USER"] {
        command.env_remove(name);
    }
    command
        .env("DOCKER_CONFIG", "/nowhere")
        .env("NO_COLOR", "1");
    command
}

/// Everything that it said, for messages.
fn said(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the command runs")
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

/// Asserts that standard output or standard error has this text in it.
#[track_caller]
fn assert_says(output: &Output, text: &str) {
    assert!(
        said(output).contains(text),
        "{text:?} is missing: {}",
        said(output)
    );
}
