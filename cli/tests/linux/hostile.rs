//! Names and command lines that other processes chose to deceive.

use super::pty::Terminal;
use crate::command::{command, run};
use crate::fixture::{Fixture, Port};

#[test]
fn a_hostile_name_reaches_the_terminal_escaped() {
    for colour in ["never", "always"] {
        for dry in ["", "-n"] {
            let port = Port::claim();
            let _server = Fixture::role("server")
                .port(&port)
                .set("name", "\u{1b}[31mevil\n1")
                .arg("safe\u{202e}live\u{2066}\u{7f}\u{9b}31m\u{200b}")
                .start();
            let run = run(&format!("--color={colour} {dry} {port}"))
                .exits(0)
                .prints("\\u{1b}[31mevil\\n1")
                .prints("safe\\u{202e}live\\u{2066}\\u{7f}\\u{9b}31m\\u{200b}");
            // What is left are the command's own colours.
            assert!(!run.out.contains("\u{1b}[31mevil"), "{run:#?}");
            assert!(
                !run.out
                    .contains(['\u{202e}', '\u{2066}', '\u{7f}', '\u{9b}', '\u{200b}']),
                "{run:#?}"
            );
            assert_eq!(run.out.lines().count(), 2, "{run:#?}");
        }
    }
}

#[test]
fn a_hostile_name_is_escaped_in_errors_and_in_the_log() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("name", "\u{1b}[2Jevil")
        .set("on_term", "swallow")
        .start();
    let run = run(&format!("-vvv --no-escalate -t 50ms {port}"))
        .exits(1)
        .complains("\\u{1b}[2Jevil");
    assert!(
        !run.err.contains('\u{1b}') && !run.out.contains('\u{1b}'),
        "{run:#?}"
    );
    assert!(server.is_alive());
}

#[test]
fn a_long_command_line_is_cut() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .arg("x".repeat(100_000))
        .start();
    let run = run(&port.to_string()).exits(0).prints("xxx…");
    assert!(run.out.len() < 1000, "{run:#?}");
}

#[test]
fn characters_that_join_in_good_fonts_alone_break_no_row_of_the_list() {
    for title in [
        format!("x{}", "\u{644}\u{627}".repeat(24)),
        "\u{1f44d}\u{1f3fb}".repeat(14),
        "\u{1780}\u{17d2}\u{1780}".repeat(26),
    ] {
        let port = Port::claim();
        let _server = Fixture::role("server")
            .port(&port)
            .set("name", "node")
            .arg0(&title)
            .cwd("/")
            .start();
        let command = command(&["--color=never", "-l", &port.to_string()]);
        let (_, text) = Terminal::start(command, 80).end();
        let mut terminal = vt100::Parser::new(24, 80, 0);
        terminal.process(text.as_bytes());
        let screen = terminal.screen();
        assert!(screen.contents().contains('…'), "{text}");
        assert_eq!(screen.contents().lines().count(), 2, "{text}");
        for row in 0..24 {
            assert!(!screen.row_wrapped(row), "{text}");
        }
    }
}

#[test]
fn a_long_command_line_of_one_argument_is_limited_as_well() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .arg0(format!("` {}", "``x ".repeat(30_000)))
        .start();
    for options in ["-nv", "-lv"] {
        let run = run(&format!("{options} {port}")).exits(0).prints("``x");
        assert!(run.out.len() < 20_000, "{options}: {}", run.out.len());
    }
}

/// Perl and others call themselves by the path of their file, of which the kernel keeps fifteen bytes.
#[test]
fn a_process_that_calls_itself_by_a_path_has_the_name_of_that_file() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .arg0("/srv/shop/front-server")
        .set("name", "/srv/shop/front-server")
        .start();
    for options in ["-l", "-n", ""] {
        run(&format!("{options} {port}"))
            .exits(0)
            .prints("front-server")
            .prints(&server.pid().to_string());
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .arg0("/srv/shop/front-server")
        .set("name", "/srv/shop/front-server")
        .start();
    run(&port.to_string())
        .exits(0)
        .prints(&format!("  front-server (PID {})  ", server.pid()));
}
