//! Output that nobody reads, or that can't be written.

use std::process::Stdio;

use crate::command::command;
use crate::fixture::{Fixture, Port};

/// The write end of a pipe whose reader is gone.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_is_no_reason_to_panic() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let output = command(&[port.to_string()])
        .stdout(closed_pipe())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    for argument in ["--help", "--man", "-V"] {
        let output = command(&[argument])
            .stdout(closed_pipe())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_closed_stderr_is_no_reason_to_panic() {
    for arguments in [&["abc"] as &[&str], &["--frob"], &[]] {
        let status = command(arguments)
            .stdout(Stdio::null())
            .stderr(closed_pipe())
            .status()
            .expect("the command runs");
        assert_eq!(status.code(), Some(2), "{status:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let port = Port::claim().to_string();
    for arguments in [
        &[port.as_str()] as &[&str],
        &["--json", &port],
        &["--list"],
        &["--why", &port],
        &["--help"],
        &["-h"],
        &["--version"],
        &["--man"],
        &["--completions", "bash"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = command(arguments)
            .stdout(full)
            .output()
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).starts_with("error: standard output: "),
            "{arguments:?}: {output:?}"
        );
    }
}
