//! What a completion script is told at Tab.

use super::pty::{Terminal, shown};
use crate::command::{as_nobody, command, run, run_role};
use crate::fixture::{Fixture, Port, linux::root_or_skip};

/// What is said beside the port.
#[track_caller]
fn beside(port: &Port) -> String {
    let offered = run("--completions ports").exits(0).has_no_complaint().out;
    let line = offered
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{port}\t")));
    line.unwrap_or_else(|| panic!("{port} is not offered: {offered}"))
        .to_owned()
}

#[test]
fn completion_offers_the_ports_that_are_listened_on() {
    let ports = Port::claim_many(2);
    // Where it is long, it would be cut.
    let folder = std::path::Path::new("/usr");
    let server = Fixture::role("server")
        .listen(&format!(
            "tcp/127.0.0.1/{},udp/127.0.0.1/{}",
            ports[0], ports[1]
        ))
        .set("name", "shop")
        .cwd(folder)
        .start();
    let who = format!("shop (PID {}) in {}", server.pid(), folder.display());
    assert_eq!(beside(&ports[0]), who);
    assert_eq!(beside(&ports[1]), format!("udp: {who}"));
    let offered = run("--completions ports").exits(0).out;
    let numbers: Vec<u16> = offered
        .lines()
        .map(|line| {
            line.split('\t')
                .next()
                .unwrap_or_default()
                .parse()
                .expect("a port")
        })
        .collect();
    assert!(
        numbers.is_sorted_by(|one, other| one < other),
        "{numbers:?}"
    );
    assert!(server.is_alive());
}

#[test]
fn completion_folds_workers() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 4)
        .set("name", "shop")
        .start();
    server.wait_count("worker ready", 4);
    let who = beside(&port);
    assert!(who.starts_with("shop ×5 in "), "{who}");
}

#[test]
fn completion_names_the_user_of_a_server_that_cannot_be_seen() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    run_role(as_nobody("--completions ports"))
        .exits(0)
        .prints(&format!("{port}\tunknown, of root"));
}

/// A tab or a line end would make a port of a name; a control character would reach the terminal.
#[test]
fn completion_keeps_a_hostile_name_in_its_place() {
    for (name, is_told) in [
        ("\n1\t$(touch x)", "\\n1\\t$(touch x)"),
        ("\u{1b}[31m`x`", "\\u{1b}[31m`x`"),
        ("a:b\\c'\"\u{202e}", "a:b\\c'\"\\u{202e}"),
    ] {
        let port = Port::claim();
        let _server = Fixture::role("server")
            .port(&port)
            .set("name", name)
            .start();
        let who = beside(&port);
        assert!(who.starts_with(&format!("{is_told} (PID ")), "{who}");
        for line in run("--completions ports").out.lines() {
            let controls: Vec<char> = line.chars().filter(|one| one.is_control()).collect();
            assert_eq!(controls, ['\t'], "{line:?}");
        }
    }
}

#[test]
fn the_short_help_fits_a_terminal() {
    for columns in [80, 100, 140] {
        let (code, text) = Terminal::start(command(&["-h"]), columns).end();
        assert_eq!(code, Some(0));
        let lines = shown(&text);
        assert!(lines.len() <= 24, "{lines:#?}");
    }
}
