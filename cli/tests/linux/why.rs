//! `--why`.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use super::json::answer;
use crate::command::{as_nobody, in_words, run, run_role};
use crate::fixture::linux::uses::claim_untouched_row;
use crate::fixture::linux::{ipv6_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port};

#[test]
fn a_held_port_is_explained_and_nobody_signalled() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .set("name", "shop")
        .arg0("/srv/shop/bin/server")
        .arg("--listen")
        .cwd("/")
        .start();
    let run = run(&format!("--why {port}")).exits(0).has_no_complaint();
    for line in [
        format!("{port}: held by one process"),
        format!("  tcp 127.0.0.1:{port}, listen"),
        format!("  shop (PID {})", server.pid()),
        "    command     server --listen".into(),
        "    in          /".into(),
        format!("  `kill_port {port}` would free it"),
        format!("    shop (PID {})  would be sent SIGTERM", server.pid()),
    ] {
        assert!(
            run.out.lines().any(|printed| printed == line),
            "{line:?} in {run:#?}"
        );
    }
    let ancestry = run
        .out
        .lines()
        .find(|line| line.starts_with("    ancestry    "))
        .expect("an ancestry");
    assert!(
        ancestry.contains(&format!("(PID {})", std::process::id())),
        "{ancestry}"
    );
    assert!(
        !run.out.contains("  bind "),
        "that goes without saying: {run:#?}"
    );
    assert!(server.is_alive());
    assert_eq!(server.count("got "), 0);
}

#[test]
fn what_would_not_be_freed_is_said_with_the_next_step() {
    let port = Port::claim();
    let _listener = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    run(&format!("--why {port}"))
        .exits(0)
        .has_no_complaint()
        .prints(&format!("`kill_port {port}` would not free it"))
        .prints("spared: an ancestor of kill_port")
        .prints(&format!("help: `kill_port --include ancestors {port}`"));
}

#[test]
fn what_starts_it_again_is_named() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("name", "restarter")
        .start();
    let pid = supervisor.pid_of("supervisor");
    run(&format!("--why {port}"))
        .exits(0)
        .prints(&format!("restarter (PID {pid}) may start it again"));
}

#[test]
fn connections_that_linger_are_the_reason_and_the_remedy_is_named() {
    let port = Port::claim();
    let listener = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    let mut client =
        TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (accepted, _) = listener.accept().expect("a connection");
    // Who closes first keeps the connection in TIME_WAIT.
    drop(accepted);
    assert_eq!(client.read(&mut [0]).expect("the end of the connection"), 0);
    drop(client);
    drop(listener);
    run(&format!("--why {port}"))
        .exits(0)
        .prints(&format!(
            "{port}: nobody holds it, and it can be bound with SO_REUSEADDR alone"
        ))
        .prints(&format!(
            ": {}; with SO_REUSEADDR: possible",
            in_words(libc::EADDRINUSE)
        ))
        .prints("because: 1 tcp connection lingers")
        .prints("TIME_WAIT")
        .prints("help: a server that sets SO_REUSEADDR");
}

#[test]
fn an_address_of_another_machine_is_a_reason_here() {
    run("--why 203.0.113.7:80")
        .exits(0)
        .prints("nobody holds it, and yet it can't be bound")
        .prints("because: 203.0.113.7 is not an address of this machine")
        .prints("help: ");
}

#[test]
fn free_ports_of_a_range_are_one_line() {
    let ports = claim_untouched_row(3);
    let _server = Fixture::server(&ports[1]);
    let run = run(&format!("--why {}-{}", ports[0], ports[2])).exits(0);
    assert!(
        run.out
            .starts_with(&format!("{}: held by one process\n", ports[1])),
        "{run:#?}"
    );
    assert!(
        run.out.ends_with(&format!(
            "{}-{}: 2 ports are free and can be bound\n",
            ports[0], ports[2]
        )),
        "{run:#?}"
    );
}

#[test]
fn another_users_socket_is_explained_to_a_user() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    run_role(as_nobody(&format!("--why {port}")))
        .exits(0)
        .prints(&format!("{port}: held, and its holder can't be determined"))
        .prints(&format!(
            "`sudo {} --why {port}`",
            env!("CARGO_BIN_EXE_kill_port")
        ));
}

#[test]
fn hostile_names_are_escaped_in_an_explanation() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("name", "\u{1b}[31mevil\n1")
        .arg("\u{202e}txt")
        .start();
    let run = run(&format!("--why {port}"))
        .exits(0)
        .prints("\\u{1b}[31mevil\\n1")
        .prints("\\u{202e}txt");
    assert!(!run.out.contains(['\u{1b}', '\u{202e}']), "{run:#?}");
}

#[test]
fn an_explanation_contradicts_what_ends_something() {
    for option in [
        "-l",
        "-f",
        "-s INT",
        "-t 1",
        "--no-escalate",
        "--settle 1",
        "--tree",
        "--supervisor",
        "--include-ancestors",
        "-n",
        "-i",
    ] {
        run(&format!("--why {option} 1")).exits(2).prints_nothing();
        run(&format!("1 {option} --why")).exits(2).prints_nothing();
    }
    run("--why").exits(2).prints_nothing();
}

#[test]
fn a_server_in_another_network_namespace_is_named_where_nobody_holds_the_port_here() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server").port(&port).set("netns", 1).start();
    run(&format!("--why {port}"))
        .exits(0)
        .prints("nobody holds it, and it can be bound")
        .prints(&format!("(PID {})", server.pid()))
        .prints("is in another network namespace");
    let run = run(&format!("--why --json {port}")).exits(0);
    let value = answer(&run);
    let elsewhere = &value["ports"][0]["why"]["elsewhere"];
    assert_eq!(elsewhere[0]["pid"], server.pid(), "{value:#}");
    assert!(server.is_alive());
}

#[test]
fn a_wildcard_is_bound_as_servers_do_it_so_that_a_server_on_ipv4_is_in_its_way() {
    if !ipv6_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("listen", "tcp/0.0.0.0")
        .start();
    run(&format!("--why -v {port}/tcp"))
        .exits(0)
        .prints(&format!(
            "bind tcp [::] (IPv4 too): {}",
            in_words(libc::EADDRINUSE)
        ));
}
