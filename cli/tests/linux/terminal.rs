//! What is different on a terminal: colour, width, the waiting line, Ctrl-C.

use std::os::unix::process::CommandExt as _;

use super::pty::{Terminal, shown};
use crate::command::{command, run};
use crate::fixture::{Fixture, Port};

#[test]
fn colour_is_for_terminals_and_obeys_wishes() {
    let plain = |arguments: &str, variable: Option<(&str, &str)>| {
        let port = Port::claim();
        let arguments = format!("{arguments} {port}");
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = command(&arguments);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        let (code, text) = Terminal::start(command, 80).end();
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("free already"), "{text:?}");
        !text.contains('\u{1b}')
    };
    assert!(!plain("", None));
    assert!(plain("", Some(("NO_COLOR", "1"))));
    assert!(plain("--color=never", None));
    assert!(plain("", Some(("TERM", "dumb"))));
    assert!(!plain("--color always", Some(("NO_COLOR", "1"))));
    let port = Port::claim();
    assert!(!run(&port.to_string()).exits(0).out.contains('\u{1b}'));
    assert!(
        run(&format!("--color=always {port}"))
            .exits(0)
            .out
            .contains('\u{1b}')
    );
}

#[test]
fn help_on_a_terminal_has_no_colour_where_it_is_not_wanted() {
    let mut unwanted = command(&["--help"]);
    unwanted.env("NO_COLOR", "1");
    assert!(!Terminal::start(unwanted, 80).end().1.contains('\u{1b}'));
    assert!(
        Terminal::start(command(&["--help"]), 80)
            .end()
            .1
            .contains('\u{1b}')
    );
}

#[test]
fn a_line_fits_the_terminal() {
    for columns in [100, 140] {
        let port = Port::claim();
        let _server = Fixture::role("server")
            .port(&port)
            .cwd("/")
            .arg("漢字".repeat(200))
            .start();
        let command = command(&["--color=never", &port.to_string()]);
        let (_, text) = Terminal::start(command, columns).end();
        for line in shown(&text) {
            // The wide characters of the command line take two columns each.
            let width: usize = line
                .chars()
                .map(|character| if character > '\u{2fff}' { 2 } else { 1 })
                .sum();
            assert!(width <= usize::from(columns), "{width}: {line}");
        }
        assert!(text.contains('…'), "{text}");
    }
}

#[test]
fn a_long_wait_shows_who_is_waited_for_and_leaves_no_trace() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .set("name", "slow")
        .start();
    let terminal = Terminal::start(command(&["--color=never", &port.to_string()]), 100);
    terminal.wait_for(&format!(
        "{port}: waiting for slow (PID {}), SIGKILL in ",
        server.pid()
    ));
    server.signal(libc::SIGKILL);
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text:?}");
    let lines = shown(&text);
    assert!(
        lines[0].starts_with(&format!("{port}: freed in ")),
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("waiting")),
        "{lines:#?}"
    );
}

#[test]
fn a_terminal_that_takes_no_output_makes_nobodys_grace_longer() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let arguments = ["--color=never", "-t", "3s", &port.to_string()];
    let mut terminal = Terminal::start(command(&arguments), 100);
    terminal.wait_for("waiting for");
    // Ctrl-S, and Ctrl-Q when all is over.
    terminal.press("\u{13}");
    server.wait_gone();
    terminal.press("\u{11}");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text:?}");
}

#[test]
fn nobody_is_told_to_wait_where_no_terminal_is() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:1300")
        .start();
    run(&port.to_string()).exits(0).has_no_complaint();
}

#[test]
fn ctrl_c_breaks_off_and_leaves_the_terminal_tidy() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let mut terminal = Terminal::start(command(&["--color=never", &port.to_string()]), 100);
    terminal.wait_for("waiting for");
    terminal.press("\u{3}");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(130), "{text:?}");
    let lines = shown(&text);
    assert!(
        !lines.iter().any(|line| line.contains("waiting")),
        "{lines:#?}"
    );
    assert!(
        lines[0].starts_with(&format!("{port}: interrupted after ")),
        "{lines:#?}"
    );
    assert!(!lines[0].contains("^C"), "{lines:#?}");
    assert!(lines[1].contains("SIGTERM, still there"), "{lines:#?}");
    let step = format!("help: `kill_port --force {port}` sends SIGKILL");
    assert!(lines.iter().any(|line| line.contains(&step)), "{lines:#?}");
    assert!(server.is_alive());
    assert_eq!(server.count("got SIGTERM"), 1);
}

#[test]
fn an_interrupt_that_was_ignored_before_stays_ignored() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let mut command = command(&[port.to_string()]);
    // SAFETY: `signal` is allowed between fork and exec; SIG_IGN installs no handler.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut terminal = Terminal::start(command, 100);
    terminal.wait_for("waiting for");
    terminal.press("\u{3}");
    server.signal(libc::SIGKILL);
    assert_eq!(terminal.end().0, Some(0));
}

/// Each of thousands of ports is heard of many times a second: what is drawn must not be as much.
#[test]
fn many_ports_that_are_waited_for_are_one_line_that_seldom_changes() {
    let ports = Port::claim_row(40);
    let sockets: Vec<String> = ports
        .iter()
        .map(|port| format!("tcp/127.0.0.1/{port}"))
        .collect();
    let _server = Fixture::role("server")
        .listen(&sockets.join(","))
        .set("on_term", "cleanup:1500")
        .start();
    let range = format!("{}-{}", ports[0], ports[39]);
    let terminal = Terminal::start(command(&["--color=never", &range]), 100);
    terminal.wait_for("; and for 39 more ports");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let drawn = text.matches("waiting for").count();
    // Once a second, and while it is found out how many there are.
    assert!(drawn <= 20, "{drawn}: {text:?}");
}
