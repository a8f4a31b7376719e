//! A caller inside the tree of the holder: a server that runs kill_port from its own terminal.

use std::net::TcpListener;
use std::process::Stdio;

use kill_port::{KillOptions, Obstacle, SparedReason};

use crate::fixture::{
    Fixture, Flag, Params, Port, RoleKind, Takes, say, takes, until_the_test_is_over,
};

pub const ROLES: &[RoleKind] = &[
    RoleKind::new("server_with_caller", &[CALL], |params| {
        server(params);
        until_the_test_is_over();
    }),
    RoleKind::new("inner_caller", &[CALL], |params| {
        caller(params);
        until_the_test_is_over();
    }),
];

const CALL: &[Takes] = takes![port: u16, include_ancestors: Flag];

/// Holds the port, and starts the caller.
#[expect(
    clippy::zombie_processes,
    reason = "it ends when the test closes the pipe, as this process does"
)]
fn server(params: &Params) {
    let socket = TcpListener::bind(("127.0.0.1", params.port())).expect("bind");
    // Wine shows who owns a socket only once its owner has used it.
    let _ = socket.set_ttl(64);
    // Kept open until this process ends.
    std::mem::forget(socket);
    let mut told = Params::of("inner_caller");
    told.set("port", params.port());
    told.set(
        "include_ancestors",
        u8::from(params.has("include_ancestors")),
    );
    let child = told
        .command()
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .spawn()
        .expect("the test program starts again");
    say(&format!("pid caller {}", child.id()));
    say("ready");
}

/// Frees the port that its parent holds, and tells what came of it.
fn caller(params: &Params) {
    let mut options = KillOptions::new();
    if params.has("include_ancestors") {
        options = options.include(kill_port::Include::Ancestors);
    }
    let outcome = match options.kill(params.port()) {
        Ok(freed) => {
            let pids: Vec<String> = freed
                .ended
                .iter()
                .map(|report| report.holder.process.pid.to_string())
                .collect();
            format!("freed {}", pids.join(" "))
        }
        Err(error) => match error.obstacles() {
            [Obstacle::Spared { holder, reason, .. }] if *reason == SparedReason::Ancestor => {
                format!("spared {}", holder.process.pid)
            }
            _ => format!("failed {error}"),
        },
    };
    say(&format!("outcome {outcome}"));
}

#[test]
fn a_server_that_runs_the_caller_is_spared_and_named() {
    let port = Port::claim();
    let server = Fixture::role("server_with_caller").port(&port).start();
    let outcome = server.wait_line("outcome ");
    assert_eq!(outcome, format!("outcome spared {}", server.pid()));
    assert!(server.is_alive());
}

#[test]
fn a_caller_inside_the_tree_outlives_the_server_that_it_ends() {
    let port = Port::claim();
    let server = Fixture::role("server_with_caller")
        .port(&port)
        .set("include_ancestors", 1)
        .start();
    let outcome = server.wait_line("outcome ");
    assert_eq!(outcome, format!("outcome freed {}", server.pid()));
    assert!(!server.exit_status().success());
}
