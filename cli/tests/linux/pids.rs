//! Somebody types the PID of a server instead of its port.

use std::net::TcpListener;

use crate::command::run;
use crate::fixture::{Fixture, Folder, Port, skip};

/// A server whose PID is a port that nobody holds.
fn server_whose_pid_is_a_port() -> Option<(Port, Fixture)> {
    for _ in 0..20 {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("name", "shop")
            .start();
        let Ok(pid @ 1024..) = u16::try_from(server.pid()) else {
            continue;
        };
        if TcpListener::bind(("0.0.0.0", pid)).is_ok() {
            return Some((port, server));
        }
    }
    skip("no process here has a PID that is a free port");
    None
}

#[test]
fn a_port_that_is_the_pid_of_a_server_is_told_from_its_port() {
    let Some((port, server)) = server_whose_pid_is_a_port() else {
        return;
    };
    let pid = server.pid();
    let note =
        format!("{pid} is the PID of shop, which listens on {port}; `kill_port {port}` frees that");
    // Whoever may have been given that port meanwhile works elsewhere.
    let nowhere = Folder::new();
    let really = format!("--in {}", nowhere.path().display());
    for options in [really.as_str(), "-n", "--why", "-l"] {
        run(&format!("{options} {pid}"))
            .exits(0)
            .complains(&format!("note: {note}\n"));
    }
    run(&format!("--json -n {pid}"))
        .exits(0)
        .has_no_complaint()
        .prints(&format!("\"notes\":[\"{note}\"]"));
    run(&format!("--fail-if-free -n {pid}")).exits(3);
    run(&format!("-q -n {pid}")).exits(0).has_no_complaint();
    // Nobody means a PID by a range, or by an address.
    run(&format!("-n {pid}-{pid} 127.0.0.1:{pid}"))
        .exits(0)
        .complains("note: ");
    run(&format!("-n 127.0.0.1:{pid}"))
        .exits(0)
        .has_no_complaint();
    assert!(server.is_alive());
}
