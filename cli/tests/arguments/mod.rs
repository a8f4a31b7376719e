//! What is wrong on the command line, and what is printed without looking at any port.

use crate::command::{run, run_arguments};

/// A usage error: exit 2, nothing on stdout, one line on stderr.
#[track_caller]
fn is_refused(arguments: &[&str]) -> String {
    let run = run_arguments(arguments).exits(2).prints_nothing();
    assert!(
        run.err.starts_with("error: ") && run.err.ends_with('\n') && run.err.lines().count() == 1,
        "not one clear line: {run:#?}"
    );
    run.err
}

#[test]
fn a_wrong_command_line_is_refused_in_one_clear_line() {
    for arguments in [
        &["99999"] as &[&str],
        &["0"],
        &["-1"],
        &["abc"],
        &["9-3"],
        &[""],
        &["http://example.com:3000"],
        &["example.com:3000"],
        &["203.0.113.7:3000"],
        &["[2001:db8::7]:3000"],
        &["http://203.0.113.7"],
        &["ftp://localhost"],
        &["3000/sctp"],
        &["8080/tcp", "--udp"],
        &["8080", "--tcp", "--udp"],
        &["-f", "-s", "INT", "8080"],
        &["-f", "-t", "1s", "8080"],
        &["-f", "--no-escalate", "8080"],
        &["-s", "WINCH", "8080"],
        &["-t", "soon", "8080"],
        &["--color", "pink", "8080"],
        &["--no-such-option", "8080"],
        &["\u{1b}[31mred\n8080"],
    ] {
        let line = is_refused(arguments);
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn nothing_to_do_is_an_error_with_an_example() {
    assert!(is_refused(&[]).contains("`kill_port 8080`"));
    is_refused(&["--dry-run"]);
}

#[test]
fn a_wrong_command_line_says_how_to_write_it() {
    assert!(is_refused(&["9-3"]).contains("`3-9`"));
    assert!(is_refused(&["http://example.com:3000"]).contains("`kill_port 3000`"));
    assert!(is_refused(&["203.0.113.7:3000"]).contains("`kill_port 3000`"));
    assert!(is_refused(&["--forse", "1"]).contains("--force"));
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let argument = std::ffi::OsStr::from_bytes(b"80\xff80");
    let output = crate::command::command(&[argument])
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn help_and_version_are_printed() {
    run("--help")
        .exits(0)
        .has_no_complaint()
        .prints("Exit codes:")
        .prints("--dry-run");
    run("-h")
        .exits(0)
        .has_no_complaint()
        .prints("Usage: kill_port [OPTIONS] [PORT]...");
    run("-V")
        .exits(0)
        .has_no_complaint()
        .prints(concat!("kill_port ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        run(&format!("--completions {shell}"))
            .exits(0)
            .has_no_complaint()
            .prints("kill_port")
            .prints("dry-run");
    }
}

#[test]
fn only_scripts_are_told_what_they_can_ask_for() {
    assert!(is_refused(&["--completions", "tcsh"]).contains("zsh]"));
    is_refused(&["--completions", "ports", "8080"]);
}

#[test]
fn the_manual_page_is_printed() {
    run("--man")
        .exits(0)
        .has_no_complaint()
        .prints(".TH KILL_PORT 1")
        .prints("dry");
}

#[test]
fn colour_in_help_and_errors_is_on_request_in_a_pipe() {
    assert!(run("--help --color=always").exits(0).out.contains('\u{1b}'));
    assert!(!run("--help").exits(0).out.contains('\u{1b}'));
    assert!(run("abc --color=always").exits(2).err.contains('\u{1b}'));
    assert!(!run("abc --color=never").exits(2).err.contains('\u{1b}'));
    assert!(run("--frob --color=always").exits(2).err.contains('\u{1b}'));
}
