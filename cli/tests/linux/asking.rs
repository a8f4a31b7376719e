//! `--interactive`.

use super::pty::Terminal;
use crate::command::{command, run};
use crate::fixture::{Fixture, Port};

fn start(ports: &[Port]) -> Terminal {
    let ports = ports.iter().map(Port::to_string);
    let arguments: Vec<String> = ["-i", "--color=never"]
        .map(str::to_owned)
        .into_iter()
        .chain(ports)
        .collect();
    Terminal::start(command(&arguments), 100)
}

#[test]
fn only_a_yes_ends_a_server() {
    let ports = Port::claim_many(3);
    let servers: Vec<Fixture> = ports.iter().map(Fixture::server).collect();
    let mut terminal = start(&ports);
    for (port, answer) in ports.iter().zip(["y\r", "\r", "no\r"]) {
        terminal.wait_for(&format!("free {port}? [y/N] "));
        terminal.press(answer);
    }
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(servers[0].ended_by(), Some(libc::SIGTERM));
    assert!(servers[1].is_alive() && servers[2].is_alive());
    assert!(
        text.contains(&format!(
            "(PID {})  would be sent SIGTERM",
            servers[0].pid()
        )),
        "{text}"
    );
    assert!(text.contains(&format!("{}: freed in", ports[0])), "{text}");
    assert!(
        text.contains(&format!("{}: left alone", ports[1])),
        "{text}"
    );
}

#[test]
fn a_free_port_needs_no_answer() {
    let ports = Port::claim_many(1);
    let (code, text) = start(&ports).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("free already") && !text.contains("[y/N]"),
        "{text}"
    );
}

#[test]
fn the_end_of_the_input_is_a_no() {
    let ports = Port::claim_many(1);
    let server = Fixture::server(&ports[0]);
    let mut terminal = start(&ports);
    terminal.wait_for("[y/N]");
    terminal.press("\u{4}");
    assert_eq!(terminal.end().0, Some(1));
    assert!(server.is_alive());
}

#[test]
fn without_a_terminal_nobody_can_be_asked() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    run(&format!("-i {port}"))
        .exits(2)
        .prints_nothing()
        .complains("--interactive needs a terminal");
    assert!(server.is_alive());
}

#[test]
fn who_takes_the_port_while_the_question_stands_is_left_alone() {
    let ports = Port::claim_many(1);
    let first = Fixture::server(&ports[0]);
    let mut terminal = start(&ports);
    terminal.wait_for("[y/N]");
    drop(first);
    let second = Fixture::server(&ports[0]);
    terminal.press("y\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(second.is_alive());
    assert!(text.contains("you were not asked about it"), "{text}");
    assert!(text.contains("run it again"), "{text}");
}

#[test]
fn what_was_typed_before_a_question_does_not_answer_it() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut terminal = Terminal::start(command(&["-i", "--color=never", &port.to_string()]), 100);
    terminal.press("y\n");
    terminal.wait_for("[y/N] ");
    terminal.press("n\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("left alone"), "{text}");
    assert!(server.is_alive());
}

#[test]
fn the_other_ports_of_those_who_would_be_ended_are_named() {
    let ports = Port::claim_many(2);
    let listen = ports.iter().map(|port| format!("tcp/127.0.0.1/{port}"));
    let listen: Vec<String> = listen.collect();
    let server = Fixture::role("server").listen(&listen.join(",")).start();
    let mut terminal = Terminal::start(command(&["-i", &ports[0].to_string()]), 100);
    terminal.wait_for(&format!("whoever is ended has {}/tcp as well", ports[1]));
    terminal.wait_for("[y/N] ");
    terminal.press("n\n");
    assert_eq!(terminal.end().0, Some(1));
    assert!(server.is_alive());
}
