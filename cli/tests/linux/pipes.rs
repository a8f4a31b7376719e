//! Output that nobody reads, or that can't be written.

use std::process::Stdio;

use crate::command::command;
use crate::fixture::{Fixture, Port, eventually};

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

#[test]
fn ctrl_c_ends_a_command_that_is_stuck_in_its_own_output() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

    for interrupts in [1, 2] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", "swallow")
            .start();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let stderr = writer.try_clone().expect("another end");
        // SIGKILL comes before the next try, which is told of before it is made; on a slow machine as well.
        let mut command = command(&["-v", "-t", "500ms", &port.to_string()]);
        // SAFETY: between fork and exec this is one call that only takes numbers. The tests may run where Ctrl-C is ignored.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            });
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the command runs");
        let told = BufReader::new(&reader)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("SIGTERM"));
        assert!(told);
        // From here on nobody reads, and there is no room for one line more.
        // SAFETY: the descriptor lives through the call, which takes numbers.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        for room in [4096, 1] {
            while writer.write(&vec![b'.'; room]).is_ok() {}
        }
        // SAFETY: as above. The command shares this end's flags, and has to wait.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, 0) };
        // The line about SIGKILL comes after it.
        assert_eq!(server.ended_by(), Some(libc::SIGKILL));
        for _ in 0..interrupts {
            // SAFETY: it takes numbers; the child has not been waited for.
            unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
        }
        let mut status = None;
        eventually("the command ends", || {
            status = child.try_wait().expect("a child");
            status.is_some()
        });
        let status = status.expect("it has ended");
        assert_eq!(status.signal(), Some(libc::SIGINT), "{status:?}");
    }
}
