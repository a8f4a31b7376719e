//! What fits a screen of 80 columns and 24 lines, and is read at a glance.

use std::net::TcpListener;

use super::json::answer;
use super::pty::{Terminal, shown};
use crate::command::{command, run};
use crate::fixture::linux::ipv6_or_skip;
use crate::fixture::{Fixture, Port};

const COLUMNS: u16 = 80;

/// The lines on a terminal without colours, the last of which ended.
fn screen(line: &str) -> Vec<String> {
    let arguments: Vec<&str> = ["--color=never"]
        .into_iter()
        .chain(line.split_whitespace())
        .collect();
    let (_, text) = Terminal::start(command(&arguments), COLUMNS).end();
    let mut lines = shown(&text);
    assert_eq!(lines.pop().as_deref(), Some(""), "{text:?}");
    for line in &lines {
        assert!(line.chars().count() <= usize::from(COLUMNS), "{line}");
    }
    lines
}

fn prefork(port: &Port) -> Fixture {
    let server = Fixture::role("prefork")
        .port(port)
        .set("workers", 4)
        .set("name", "shop")
        .arg0("/srv/shop/bin/serve")
        .arg("--config")
        .arg("/etc/shop/production/and/a/path/that/is/longer/than/the/line/of/a/terminal.toml")
        .cwd("/")
        .start();
    server.wait_count("worker ready", 4);
    server
}

#[test]
fn identical_workers_are_folded_but_for_verbose_and_json() {
    let port = Port::claim();
    let server = prefork(&port);
    let pids = [vec![server.pid()], server.pids("worker")].concat();
    for verb in ["-n", "--why", "-l"] {
        let lines = screen(&format!("{verb} {port}"));
        assert!(
            lines.iter().any(|line| line.contains("shop ×5")),
            "{lines:#?}"
        );
        let verbose = run(&format!("-v {verb} {port}")).exits(0);
        assert!(!verbose.out.contains('×'), "{verbose:#?}");
        for pid in &pids {
            assert!(verbose.out.contains(&pid.to_string()), "{pid} {verbose:#?}");
        }
    }
    let value = answer(&run(&format!("--json -n {port}")).exits(0));
    let holders = value["ports"][0]["holders"].as_array().expect("holders");
    assert_eq!(holders.len(), 5, "{value:#}");
}

/// A master may end its workers before they are told to; servers that share a port by themselves all meet the same end.
#[test]
fn those_of_whom_the_same_became_are_folded() {
    let port = Port::claim();
    let _servers = [(); 3].map(|()| {
        let server = Fixture::role("server").port(&port).set("reuseport", 1);
        server.set("name", "shop").start()
    });
    run(&port.to_string())
        .exits(0)
        .prints("  shop ×3 (PIDs ")
        .prints("SIGTERM, exited within ");
}

#[test]
fn an_explanation_fits_one_screen() {
    if !ipv6_or_skip() {
        return;
    }
    let (held, free) = (Port::claim(), Port::claim());
    let server = prefork(&held);
    let lines = screen(&format!("--why {held}"));
    assert!(lines.len() < 24, "{lines:#?}");
    assert_eq!(lines[0], format!("{held}: held by 5 processes"));
    let place = |what: &str| {
        let place = lines.iter().position(|line| line.contains(what));
        place.unwrap_or_else(|| panic!("no {what:?} in {lines:#?}"))
    };
    let order = [
        "shop ×5 (PIDs ",
        "command     serve --config",
        "in          /",
        "started by",
        "would free it",
    ];
    assert!(order.map(place).is_sorted(), "{lines:#?}");
    assert!(server.is_alive());
    let lines = screen(&format!("--why {free}"));
    assert!(lines.len() <= 3, "{lines:#?}");
    assert_eq!(
        lines[0],
        format!("{free}: nobody holds it, and it can be bound")
    );
}

#[test]
fn equal_answers_to_a_bind_are_one_line_and_each_is_one_in_a_verbose_answer() {
    if !ipv6_or_skip() {
        return;
    }
    let port = Port::claim();
    let count = |line: &str| {
        let run = run(line).exits(0);
        run.out.matches("  bind ").count()
    };
    assert_eq!(count(&format!("--why {port}")), 1);
    assert!(count(&format!("--why -v {port}")) > 1);
}

/// A path may be wider than the terminal; nothing else is.
#[test]
fn no_line_of_an_answer_or_an_error_breaks_inside_a_word() {
    let port = Port::claim();
    let _own = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    for line in [
        format!("{port}"),
        format!("-n {port}"),
        format!("--why {port}"),
        format!("-l {port}"),
        format!("--include ancestors,nobody {port}"),
        format!("--grace a-while {port}"),
        format!("203.0.113.7:{port}"),
        format!("{port} and-some-more-text-that-is-no-port-at-all-and-is-long"),
    ] {
        let lines = screen(&line);
        assert!(!lines.is_empty(), "{line}");
    }
    let text = screen(&port.to_string()).join("\n");
    let step = format!("`kill_port --include ancestors {port}`");
    assert!(text.contains(&step), "a command is not broken: {text}");
}

#[test]
fn a_dry_run_does_not_look_like_a_success() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let green = "\u{1b}[32m";
    let trial = run(&format!("-n --color=always {port}")).exits(0);
    assert!(trial.out.contains("dry run: "), "{trial:#?}");
    assert!(!trial.out.contains(green), "{trial:#?}");
    let freed = run(&format!("--color=always {port}")).exits(0);
    assert!(freed.out.contains(green), "{freed:#?}");
}

#[test]
fn an_address_that_others_reach_is_told_from_loopback_by_a_word_and_a_colour() {
    let port = Port::claim();
    let _servers = [("tcp/0.0.0.0", "0"), ("udp/127.0.0.1", "1")].map(|(listen, name)| {
        Fixture::role("server")
            .port(&port)
            .set("listen", listen)
            .set("name", name)
            .start()
    });
    let run = run(&format!("-l --color=always {port}")).exits(0);
    let line = |what: &str| {
        run.out
            .lines()
            .find(|line| line.contains(what))
            .expect("a line")
            .to_owned()
    };
    let (tcp, udp) = (line("/tcp"), line("/udp"));
    assert!(
        tcp.contains("0.0.0.0 public") && !udp.contains("public"),
        "{run:#?}"
    );
    let yellow = "\u{1b}[33m";
    assert!(tcp.contains(yellow) && !udp.contains(yellow), "{run:#?}");
}

#[test]
fn the_project_is_a_column_and_what_has_no_room_is_the_command_line() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("name", "shop")
        .cwd("/usr")
        .arg("--listen")
        .start();
    let lines = screen(&format!("-l {port}"));
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(
        words(&lines[0]).ends_with(&["AGE", "PROJECT", "COMMAND"].map(String::from)),
        "{lines:#?}"
    );
    assert!(words(&lines[1]).contains(&"usr".to_owned()), "{lines:#?}");
}
