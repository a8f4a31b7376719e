//! What comes after the first server: those who were not asked about are left alone, and a supervisor that starts nothing is waited for.

use super::pty::Terminal;
use crate::command::{command, run};
use crate::fixture::{Fixture, Port};

/// Asks about this port, and answers yes.
fn agree(port: &Port) -> (Option<i32>, String) {
    let arguments = ["-i", "--color=never", "--settle=3s", &port.to_string()];
    let mut terminal = Terminal::start(command(&arguments), 120);
    terminal.wait_for("[y/N]");
    terminal.press("y\r");
    terminal.end()
}

#[test]
fn a_second_generation_that_nobody_was_asked_about_is_left_alone() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("on_term", "exit")
        .start();
    let first = supervisor.pid_of("server");
    let (code, text) = agree(&port);
    assert_eq!(code, Some(1), "{text}");
    supervisor.wait_line("again");
    let second = supervisor.pids("server")[1];
    assert!(
        text.contains(&format!("(PID {first})  SIGTERM, exited")),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "(PID {second})  spared: you were not asked about it"
        )),
        "{text}"
    );
    assert_eq!(supervisor.signals_after(second), ["SIGTERM"], "one in all");
    assert_eq!(supervisor.count("again"), 1);
}

#[test]
fn a_stranger_who_takes_the_port_during_the_run_is_left_alone() {
    let port = Port::claim();
    let first = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let stranger = Fixture::role("waits_for_the_port")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let (code, text) = agree(&port);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(&format!(
            "(PID {})  spared: you were not asked about it",
            stranger.pid()
        )),
        "{text}"
    );
    stranger.wait_line("took it");
    assert!(stranger.signals().is_empty());
    first.wait_line("gave up");
}

#[test]
fn without_grace_a_port_that_settles_is_free_and_not_timed_out() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let start = format!("{port}: freed in ");
    let answer = run(&format!("-t 0 --settle 3s {port}"))
        .exits(0)
        .complains("may start it again")
        .prints(&start);
    let took = answer.out.strip_prefix(&start).and_then(|text| {
        let seconds: f64 = text.split(' ').next()?.parse().ok()?;
        Some(seconds)
    });
    assert!(took.is_some_and(|seconds| seconds >= 3.0), "{answer:?}");
    assert!(supervisor.is_alive());
}
