//! Who is ended, how, and what is said about it.

use std::net::TcpListener;

use crate::command::run;
use crate::fixture::{Fixture, Port};

#[test]
fn a_server_is_ended_and_told_about_in_one_line() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("name", "shop")
        .arg("--project=shop")
        .cwd("/")
        .start();
    let run = run(&port.to_string()).exits(0).has_no_complaint();
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    let lines: Vec<&str> = run.out.lines().collect();
    let [first, second] = lines[..] else {
        panic!("not one line for the port and one for the holder: {run:#?}");
    };
    assert!(first.starts_with(&format!("{port}: freed in ")), "{first}");
    assert!(
        second.starts_with(&format!(
            "  shop (PID {})  SIGTERM, exited after ",
            server.pid()
        )),
        "{second}"
    );
    assert!(
        second.contains("  in /  ") && second.contains("--project=shop"),
        "{second}"
    );
}

#[test]
fn a_port_that_nobody_holds_is_free_already() {
    let port = Port::claim();
    run(&port.to_string())
        .exits(0)
        .has_no_complaint()
        .prints(&format!("{port}: free already\n"));
    run(&format!("--fail-if-free {port}")).exits(3);
    run(&format!("--fail-if-free -n {port}")).exits(3);
}

#[test]
fn something_to_do_satisfies_fail_if_free() {
    let ports = Port::claim_many(2);
    let _server = Fixture::server(&ports[0]);
    run(&format!("--fail-if-free {} {}", ports[0], ports[1])).exits(0);
}

#[test]
fn quiet_is_silent() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    run(&format!("-q {port}"))
        .exits(0)
        .prints_nothing()
        .has_no_complaint();
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    let listener = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    run(&format!("-q {port}"))
        .exits(1)
        .prints_nothing()
        .complains("error: ");
    drop(listener);
}

#[test]
fn a_dry_run_tells_and_signals_nobody() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    run(&format!("--dry-run {port}"))
        .exits(0)
        .has_no_complaint()
        .prints(&format!("{port}: dry run: would be freed\n"))
        .prints(&format!("(PID {})  would be sent SIGTERM", server.pid()));
    run(&format!("-n -f {port}"))
        .exits(0)
        .prints("would be sent SIGKILL");
    run(&format!("-n -s int {port}"))
        .exits(0)
        .prints("would be sent SIGINT");
    assert!(server.is_alive());
    assert_eq!(server.count("got "), 0, "{:?}", server.lines());
}

/// The test program is the command's parent, and holds the port itself.
#[test]
fn an_ancestor_is_spared_and_the_next_step_is_named() {
    let port = Port::claim();
    let _listener = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    for (line, verdict) in [
        (port.to_string(), "still held"),
        (format!("-n {port}"), "dry run: would stay held"),
    ] {
        let me = format!("(PID {})", std::process::id());
        run(&line)
            .exits(1)
            .prints(verdict)
            .prints(&format!("{me}  spared: an ancestor of kill_port"))
            .complains(&format!("error: {port}: "))
            .complains(&me)
            .complains(&format!("help: `kill_port --include ancestors {port}`"));
    }
}

#[test]
fn one_port_that_stays_held_does_not_keep_the_others() {
    let ports = Port::claim_many(2);
    let server = Fixture::server(&ports[0]);
    let _listener = TcpListener::bind(("127.0.0.1", ports[1].number())).expect("the port is free");
    run(&format!("{} {}", ports[1], ports[0]))
        .exits(1)
        .prints(&format!("{}: freed in ", ports[0]))
        .prints(&format!("{}: still held", ports[1]))
        .complains(&format!("error: {}: ", ports[1]));
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn patience_ends_with_sigkill() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    run(&format!("-t 100ms {port}"))
        .exits(0)
        .prints("SIGTERM, then SIGKILL, exited after ");
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
    assert_eq!(server.count("got SIGTERM"), 1);
}

#[test]
fn without_escalation_a_stubborn_server_is_an_error_with_a_next_step() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    run(&format!("--no-escalate -t 100ms {port}"))
        .exits(1)
        .prints("SIGTERM, still there")
        .complains(&format!(
            "(PID {}) did not end within 100ms of SIGTERM",
            server.pid()
        ))
        .complains(&format!("`kill_port --force {port}`"));
    assert!(server.is_alive());
}

#[test]
fn the_first_signal_can_be_chosen() {
    for (option, signal) in [
        ("-s INT", libc::SIGINT),
        ("-s sighup", libc::SIGHUP),
        ("-s 3", libc::SIGQUIT),
        ("-f", libc::SIGKILL),
    ] {
        let port = Port::claim();
        let server = Fixture::server(&port);
        run(&format!("{option} {port}")).exits(0);
        assert_eq!(server.ended_by(), Some(signal), "{option}");
    }
}

#[test]
fn every_way_to_name_a_port_frees_it() {
    for prefix in [
        ":",
        "*:",
        "localhost:",
        "127.0.0.1:",
        "0.0.0.0:",
        "http://localhost:",
        "http://user:pw@127.0.0.1:",
    ] {
        let port = Port::claim();
        let server = Fixture::server(&port);
        run(&format!("{prefix}{port}")).exits(0).prints("freed in");
        assert_eq!(server.ended_by(), Some(libc::SIGTERM), "{prefix}");
    }
}

#[test]
fn the_other_protocol_is_left_alone() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .listen("udp/127.0.0.1")
        .start();
    run(&format!("--tcp {port}"))
        .exits(0)
        .prints(&format!("{port}/tcp: free already"));
    assert!(server.is_alive());
    run(&format!("{port}/udp"))
        .exits(0)
        .prints(&format!("{port}/udp: freed in"));
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn a_wrong_argument_beside_a_right_one_signals_nobody() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    for wrong in [
        "99999",
        "0",
        "-1",
        "abc",
        "9-3",
        "http://example.com:3000",
        "203.0.113.7:80",
        "--frob",
        "1/tcp --udp",
    ] {
        run(&format!("{port} {wrong}")).exits(2).prints_nothing();
    }
    assert!(server.is_alive());
    assert_eq!(server.count("got "), 0, "{:?}", server.lines());
}

#[test]
fn a_verbose_run_logs_its_tries_to_stderr() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let run = run(&format!("-v {port}")).exits(0).prints("freed in");
    assert!(run.err.contains(&port.to_string()), "{run:#?}");
}

#[test]
fn a_tree_is_ended_whole_only_on_request() {
    for (option, survives) in [("", true), ("--tree", false)] {
        let port = Port::claim();
        let tree = Fixture::role("tree")
            .port(&port)
            .set("children", 1)
            .set("grandchildren", 1)
            .start();
        tree.wait_count("branch ready", 1);
        // Equal lines with PIDs that follow each other would be one.
        let run = run(&format!("-v {option} {port}")).exits(0);
        let descendants = [tree.pids("child"), tree.pids("grandchild")].concat();
        assert_eq!(descendants.len(), 2, "{:?}", tree.lines());
        for pid in descendants {
            let alive = crate::fixture::linux::proc::is_running(pid);
            assert_eq!(alive, survives, "PID {pid}: {run:#?}");
            assert_eq!(run.out.contains(&pid.to_string()), !survives, "{run:#?}");
        }
    }
}
