//! A listening socket that a shell hands on to whatever it starts, and so to the command.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::command::{Run, command};
use crate::fixture::{Port, no_forks};

/// Hands this descriptor on under these numbers.
fn hand_on(command: &mut Command, own: i32, numbers: &'static [i32]) {
    // SAFETY: `dup2` is allowed between fork and exec; it takes numbers.
    unsafe {
        command.pre_exec(move || {
            for number in numbers {
                if libc::dup2(own, *number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

#[test]
fn a_port_that_only_the_command_has_inherited_is_free() {
    let port = Port::claim();
    let listener = TcpListener::bind(("127.0.0.1", port.number())).expect("bind");
    let (go, mut say_go) = std::io::pipe().expect("a pipe");
    let line = format!("read go; exec '{}' {port}", env!("CARGO_BIN_EXE_kill_port"));
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &line])
        .stdin(go)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    hand_on(&mut shell, listener.as_raw_fd(), &[55]);
    let child = {
        let _alone = no_forks();
        let child = shell.spawn().expect("a shell");
        drop(shell);
        drop(listener);
        child
    };
    say_go.write_all(b"go\n").expect("a word to the shell");
    let output = child.wait_with_output().expect("the command runs");
    Run::from(output)
        .exits(0)
        .has_no_complaint()
        .prints(&format!("{port}: free already\n"));
}

#[test]
fn who_has_handed_it_on_is_an_ancestor_as_ever() {
    let port = Port::claim();
    let listener = TcpListener::bind(("127.0.0.1", port.number())).expect("bind");
    let mut command = command(&[port.to_string()]);
    hand_on(&mut command, listener.as_raw_fd(), &[54, 55]);
    let run = Run::from(command.output().expect("the command runs"))
        .exits(1)
        .prints("spared: an ancestor of kill_port")
        .complains("`kill_port --include ancestors ");
    assert!(!run.out.contains("kill_port itself"), "{run:#?}");
    assert!(!run.err.contains("itself"), "{run:#?}");
}
