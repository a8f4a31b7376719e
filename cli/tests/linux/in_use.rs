//! Exit code 0 means that the port can be bound, and nothing less: clients, leftovers and what the kernel keeps.

use std::net::TcpStream;

use crate::command::{run, run_role};
use crate::fixture::linux::proc::can_bind;
use crate::fixture::linux::uses::{claim_untouched, client_from};
use crate::fixture::{Fixture, Port, Role};

#[test]
fn a_client_keeps_the_port_and_is_named_with_the_option_that_ends_it() {
    let ports = [claim_untouched(), Port::claim()];
    let port = &ports[0];
    let client = client_from(&ports)
        .set("name", "browser")
        .set("on_term", "swallow")
        .start();
    let who = format!("browser (PID {})", client.pid());
    for (line, verdict) in [
        (port.to_string(), "still in use"),
        (format!("-n {port}"), "dry run: would stay in use"),
    ] {
        run(&line)
            .exits(1)
            .prints(&format!("{port}: {verdict}"))
            .complains(&who)
            .complains(&format!("its connection to 127.0.0.1:{}", ports[1]))
            .complains(&format!("help: `kill_port --connections {port}`"));
    }
    run(&format!("--json {port}"))
        .exits(1)
        .prints(r#""kind":"client""#)
        .prints(&format!(r#""pid":{}"#, client.pid()));
    run(&format!("--fail-if-free {port}")).exits(1);
    assert!(client.is_alive());
    assert_eq!(client.count("got "), 0, "{:?}", client.lines());
}

#[test]
fn a_client_is_ended_on_request_and_the_port_can_be_bound() {
    let ports = [claim_untouched(), Port::claim()];
    let port = &ports[0];
    let client = client_from(&ports).set("unread", 1).start();
    run(&format!("-n --connections {port}"))
        .exits(0)
        .prints(&format!("{port}: dry run: would be freed"))
        .prints(&format!("(PID {})  would be sent SIGTERM", client.pid()));
    assert!(client.is_alive());
    run(&format!("--connections {port}"))
        .exits(0)
        .prints(&format!("{port}: freed in "))
        .prints(&format!("(PID {})  SIGTERM, exited", client.pid()));
    assert!(can_bind("0.0.0.0", port.number()));
}

/// A server without SO_REUSEADDR, and the PID of its worker, which keeps a connection.
fn server_and_worker(port: &Port) -> (Fixture, u32) {
    let server = Fixture::role("left_behind")
        .port(port)
        .set("heard", 1)
        .start();
    drop(TcpStream::connect(("127.0.0.1", port.number())).expect("connect"));
    server.wait_line("worker ready");
    let worker = server.pid_of("worker");
    (server, worker)
}

#[test]
fn a_worker_that_its_ended_server_leaves_behind_is_ended_and_told_about() {
    let port = claim_untouched();
    let (server, worker) = server_and_worker(&port);
    run(&format!("-v {port}"))
        .exits(0)
        .prints(&format!("{port}: freed in "))
        .prints(&format!("(PID {})  SIGTERM, exited", server.pid()))
        .prints(&format!("(PID {worker})  SIGTERM, exited"));
    assert!(can_bind("0.0.0.0", port.number()));
}

#[test]
fn a_worker_whose_server_had_ended_before_is_named_and_ended_on_request() {
    let port = claim_untouched();
    let (server, worker) = server_and_worker(&port);
    server.signal(libc::SIGKILL);
    server.exit_status();
    for line in [port.to_string(), format!("-n {port}")] {
        run(&line)
            .exits(1)
            .complains(&format!("(PID {worker})"))
            .complains(&format!("help: `kill_port --connections {port}`"));
    }
    run(&format!("--connections {port}")).exits(0);
    assert!(can_bind("0.0.0.0", port.number()));
}

#[test]
fn what_the_kernel_keeps_of_a_server_is_free_only_where_it_had_so_reuseaddr() {
    let port = claim_untouched();
    let _program = Fixture::role("lingering")
        .port(&port)
        .set("reuse", 1)
        .start();
    for option in ["", "-n"] {
        run(&format!("{option} {port}"))
            .exits(0)
            .has_no_complaint()
            .prints(&format!("{port}: free already"));
    }
    run(&format!("--fail-if-free {port}")).exits(3);

    let port = claim_untouched();
    let _program = Fixture::role("lingering").port(&port).start();
    for option in ["", "-n", "--connections"] {
        run(&format!("{option} {port}"))
            .exits(1)
            .complains("1 in TIME_WAIT for ")
            .complains("help: wait ");
    }
}

#[test]
fn a_list_and_a_dry_run_of_a_held_port_bind_nothing() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    for (line, code) in [
        (format!("--list {port}"), 0),
        ("--list".to_owned(), 0),
        (format!("-n {port}"), 0),
        (format!("--json -n {port}"), 0),
    ] {
        let line = format!("--containers=never {line}");
        run_role(command_without_bind(&line))
            .exits(code)
            .prints(&server.pid().to_string());
    }
    let free = Port::claim();
    run_role(command_without_bind(&format!(
        "--containers=never --list {free}"
    )))
    .exits(0)
    .prints("nobody listens");
    // The cross-check: to call it free takes a bind.
    let broken = run_role(command_without_bind(&format!("--containers=never {free}")));
    assert_eq!(broken.code, None, "{broken:#?}");
}

/// The command, as a process that ends at the first bind.
fn command_without_bind(line: &str) -> Role {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    Fixture::role("exec")
        .set("program", env!("CARGO_BIN_EXE_kill_port"))
        .set("argv", arguments.join("\n"))
        .set("fatal_bind", 1)
}
