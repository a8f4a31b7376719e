//! Another user's processes.

use crate::command::run;
use crate::fixture::{Fixture, Port, linux::root_or_skip};

/// Nobody's user ID, on every Linux.
const NOBODY: u32 = 65534;

#[test]
fn another_users_process_is_named_with_a_next_step() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    for arguments in [port.to_string(), format!("-n\n{port}")] {
        let command = Fixture::role("exec")
            .set("program", env!("CARGO_BIN_EXE_kill_port"))
            .set("argv", arguments)
            .set("exec_uid", NOBODY)
            .spawn();
        command.wait_gone();
        let said = command.lines().join("\n");
        assert_eq!(command.exit_status().code(), Some(1), "{said}");
        assert!(said.contains(&format!("error: {port}: ")), "{said}");
        assert!(said.contains(&format!("`sudo kill_port {port}`")), "{said}");
    }
    assert!(server.is_alive());
}

#[test]
fn the_user_is_named_where_it_is_not_the_caller() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("uid", NOBODY)
        .start();
    run(&port.to_string()).exits(0).prints("  user nobody  ");
    let own = Port::claim();
    let _server = Fixture::server(&own);
    assert!(!run(&own.to_string()).exits(0).out.contains("  user "));
}
