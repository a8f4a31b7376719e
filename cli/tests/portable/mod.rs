//! What the command does on every system. What is wrong on its command line is in `arguments`, which runs everywhere as well.
//!
//! Terminals, pipes that break, other users and signals that are counted are in `linux`: they need a pseudo-terminal, a second
//! user or a system with signals.

use std::net::TcpListener;

use crate::command::run;
use crate::fixture::{Fixture, Port};

#[test]
fn a_server_is_ended_and_told_about() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let planned = run(&format!("-n {port}")).exits(0);
    let run = run(&port.to_string())
        .exits(0)
        .has_no_complaint()
        .prints(&format!("{port}: freed in "))
        .prints(&format!("(PID {})", server.pid()));
    // Windows has no signals.
    for out in [&planned.out, &run.out] {
        assert_eq!(out.contains("SIGTERM"), !cfg!(windows), "{out}");
    }
    assert!(!server.exit_status().success());
    TcpListener::bind(("127.0.0.1", port.number())).expect("nobody holds it");
}

#[test]
fn a_port_that_nobody_holds_is_free() {
    let port = Port::claim();
    run(&port.to_string())
        .exits(0)
        .has_no_complaint()
        .prints(&format!("{port}: free already"));
    run(&format!("--fail-if-free {port}")).exits(3);
}

#[test]
fn a_dry_run_ends_nobody() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    run(&format!("--dry-run {port}"))
        .exits(0)
        .prints(&format!("{port}: dry run: would be freed"))
        .prints(&format!("(PID {})", server.pid()));
    assert!(server.is_alive());
}

#[test]
fn force_and_the_accepted_signals_end_it() {
    for option in ["--force", "-s TERM", "-s int", "-s KILL"] {
        let port = Port::claim();
        let server = Fixture::role("listen").port(&port).start();
        run(&format!("{option} {port}"))
            .exits(0)
            .prints(&format!("{port}: freed in "));
        assert!(!server.exit_status().success(), "{option}");
    }
}

#[test]
fn the_test_that_holds_the_port_is_spared_with_exit_code_1() {
    let port = Port::claim();
    let own = TcpListener::bind(("127.0.0.1", port.number())).expect("bind");
    // Wine shows who owns a socket only once its owner has used it.
    own.set_ttl(64).expect("an option of every socket");
    run(&port.to_string())
        .exits(1)
        .prints("still held")
        .complains(&format!("error: {port}: "))
        .complains(&format!("(PID {})", std::process::id()));
}

#[test]
fn several_ports_are_freed_in_one_run() {
    let ports = Port::claim_many(2);
    let servers: Vec<Fixture> = ports
        .iter()
        .map(|port| Fixture::role("listen").port(port).start())
        .collect();
    let line = format!("{} {}", ports[0], ports[1]);
    let output = run(&line).exits(0);
    for (port, server) in ports.iter().zip(&servers) {
        assert!(
            output.out.contains(&format!("{port}: freed in ")),
            "{output:#?}"
        );
        assert!(!server.exit_status().success());
    }
}

#[test]
fn a_list_names_the_holder_and_ends_nobody() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    run(&format!("--list {port}"))
        .exits(0)
        .prints(&server.pid().to_string())
        .prints(&port.to_string());
    assert!(server.is_alive());
}

#[test]
fn json_tells_what_came_of_it() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    run(&format!("--json {port}"))
        .exits(0)
        .prints("\"outcome\":")
        .prints(&server.pid().to_string());
    assert!(!server.exit_status().success());
}

/// Elsewhere all of them have a meaning.
#[cfg(windows)]
#[test]
fn signals_that_windows_has_not_are_refused_in_one_line() {
    for signal in ["HUP", "QUIT", "ABRT", "USR1", "usr2", "1"] {
        let output = run(&format!("-s {signal} 9")).exits(2);
        assert_eq!(output.err.trim_end().lines().count(), 1, "{output:#?}");
        assert!(output.out.is_empty(), "{output:#?}");
    }
}
