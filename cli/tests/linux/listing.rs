//! `--list`.

use std::net::{TcpListener, UdpSocket};

use super::pty::{Terminal, shown};
use crate::command::{as_nobody, command, run, run_role};
use crate::fixture::{
    Fixture, Port,
    linux::{ipv6_or_skip, lists_bound_or_skip, root_or_skip},
};

#[test]
fn a_list_names_who_listens_and_signals_nobody() {
    let ports = Port::claim_row(3);
    let server = Fixture::role("server")
        .listen(&format!(
            "tcp/127.0.0.1/{},udp/127.0.0.1/{}",
            ports[2], ports[0]
        ))
        .set("on_term", "swallow")
        .set("name", "shop")
        .cwd("/")
        .arg("--project")
        .start();
    let run = run(&format!("--list {}-{}", ports[0], ports[2]))
        .exits(0)
        .has_no_complaint();
    let rows: Vec<Vec<&str>> = run
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{run:#?}");
    assert_eq!(
        rows[0],
        [
            "PORT", "ADDRESS", "PROCESS", "PID", "USER", "AGE", "PROJECT", "COMMAND"
        ]
    );
    let pid = server.pid().to_string();
    let start = |protocol: &str, port: &Port| {
        let port = format!("{port}/{protocol}");
        [port, "127.0.0.1".into(), "shop".into(), pid.clone()]
    };
    assert_eq!(rows[1][..4], start("udp", &ports[0]), "{run:#?}");
    assert_eq!(rows[2][..4], start("tcp", &ports[2]), "{run:#?}");
    assert_eq!(rows[2][6..8], ["s", "/"], "an age, a project: {run:#?}");
    assert!(run.out.contains(" --project"), "{run:#?}");
    assert!(server.is_alive());
    assert_eq!(server.count("got "), 0);
}

#[test]
fn everything_is_listed_if_no_port_is_named() {
    let ports = Port::claim_many(2);
    let _tcp = TcpListener::bind(("127.0.0.1", ports[0].number())).expect("the port is free");
    let _udp = UdpSocket::bind(("127.0.0.1", ports[1].number())).expect("the port is free");
    let run = run("-l").exits(0);
    let me = std::process::id().to_string();
    for (protocol, port) in [("tcp", &ports[0]), ("udp", &ports[1])] {
        assert!(
            run.out.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.starts_with(&[&format!("{port}/{protocol}"), "127.0.0.1"])
                    && words.contains(&me.as_str())
            }),
            "{run:#?}"
        );
    }
    let numbers: Vec<u16> = run
        .out
        .lines()
        .skip(1)
        .map(|line| {
            let port = line.split('/').next().unwrap_or_default();
            port.parse().expect("a port")
        })
        .collect();
    assert!(numbers.is_sorted(), "{run:#?}");
}

#[test]
fn a_bound_socket_is_listed_as_such() {
    if !lists_bound_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = match Fixture::role("server")
        .port(&port)
        .listen("bound/127.0.0.1")
        .try_start()
    {
        Ok(server) => server,
        Err(why) => return crate::fixture::skip(&why),
    };
    run(&format!("-l {port}"))
        .exits(0)
        .prints(&format!("{port}/tcp  127.0.0.1 bound  "));
}

#[test]
fn a_port_without_a_listener_is_said_to_have_none() {
    let port = Port::claim();
    assert_eq!(
        run(&format!("-l {port}")).exits(0).out,
        format!("{port}: nobody listens\n")
    );
    run(&format!("-l --fail-if-free {port}")).exits(3);
    run(&format!("-q -l {port}")).exits(0).prints_nothing();
}

#[test]
fn an_address_and_a_protocol_narrow_a_list() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1,udp/127.0.0.1")
        .start();
    run(&format!("-l 127.0.0.1:{port}/udp"))
        .exits(0)
        .prints(&format!("{port}/udp"));
    assert!(
        !run(&format!("-l --tcp {port}"))
            .exits(0)
            .out
            .contains("/udp")
    );
    run(&format!("-l [::1]:{port}"))
        .exits(0)
        .prints("nobody listens");
}

#[test]
fn a_socket_without_a_visible_holder_is_a_row_as_well() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    run_role(as_nobody(&format!("--list {port}")))
        .exits(0)
        .prints(&format!("{port}/tcp  127.0.0.1  -        -    root"))
        .prints(concat!(
            "`sudo ",
            env!("CARGO_BIN_EXE_kill_port"),
            " --list`"
        ));
}

#[test]
fn a_list_fits_the_terminal_and_cuts_neither_ports_nor_pids() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("name", "shop")
        .arg0("/srv/shop/bin/server")
        .arg("x".repeat(300))
        .start();
    for columns in [80, 120] {
        let command = command(&["--list", "--color=never", &port.to_string()]);
        let (code, text) = Terminal::start(command, columns).end();
        assert_eq!(code, Some(0), "{text}");
        let lines = shown(&text);
        assert_eq!(lines[1].chars().count(), usize::from(columns), "{lines:#?}");
        assert!(
            lines[1].ends_with('…') && lines[1].contains("  server xxx"),
            "{lines:#?}"
        );
        assert!(
            lines[1].contains(&format!("{port}/tcp  127.0.0.1  shop  "))
                && lines[1].contains(&format!(" {}  ", server.pid())),
            "{lines:#?}"
        );
        assert!(
            lines[1].contains(" s  ") || lines[1].contains(" min  "),
            "an age: {lines:#?}"
        );
    }
}

#[test]
fn a_list_contradicts_what_ends_something() {
    for option in [
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
        run(&format!("-l {option} 1")).exits(2).prints_nothing();
        run(&format!("1 {option} --list")).exits(2).prints_nothing();
    }
}

/// Of an interface that is down, or with `IP_FREEBIND`.
#[test]
fn what_is_listed_can_be_freed_though_the_machine_has_no_such_address() {
    for (address, named) in [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "[2001:db8::9]"),
    ] {
        if named.starts_with('[') && !ipv6_or_skip() {
            continue;
        }
        let port = Port::claim();
        let foreign = format!("{named}:{port}");
        run(&foreign).exits(2).complains("does not have");
        let server = Fixture::role("server")
            .port(&port)
            .set("freebind", 1)
            .listen(&format!("tcp/{address}"))
            .start();
        run(&format!("-l {port}")).exits(0).prints(address);
        run(&format!("-l {foreign}"))
            .exits(0)
            .prints(&format!("{}", server.pid()));
        run(&foreign)
            .exits(0)
            .prints("freed in")
            .prints(&format!("(PID {})", server.pid()));
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
}
