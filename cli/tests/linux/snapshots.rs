//! What a person reads, word for word: in a pipe, and on terminals of several widths.

use super::pty::{Terminal, shown};
use crate::command::{command, run_arguments};
use crate::fixture::{Fixture, Port};

fn server(port: &Port) -> Fixture {
    Fixture::role("server")
        .port(port)
        .set("name", "shop")
        .cwd("/")
        .arg0("/srv/shop/bin/server")
        .arg("--listen")
        .arg("a long name that needs quotes, and some more text so that the line has to be cut")
        .start()
}

/// Numbers differ from run to run, and with them what fits on a line: `N` stands for each, and an ellipsis for the rest of a
/// command line, of which at least this much is always there.
fn normal(lines: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        let mut in_number = false;
        let mut normal = String::new();
        for character in line.chars() {
            let goes_on = in_number && character == '.';
            let is_number = character.is_ascii_digit() || goes_on;
            match (is_number, in_number) {
                (true, false) => normal.push('N'),
                (true, true) => {}
                (false, _) => normal.push(character),
            }
            in_number = is_number;
        }
        let normal = normal.replace("N s", "N ms");
        // A column is as wide as what is in it.
        let start = normal.len() - normal.trim_start().len();
        let (indent, text_of_line) = normal.split_at(start);
        let words: Vec<&str> = text_of_line
            .split("  ")
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        let normal = format!("{indent}{}", words.join("  "));
        match normal.find(START) {
            Some(command) if normal.ends_with('…') => {
                text.push_str(&normal[..command]);
                text.push_str(START);
                text.push('…');
            }
            _ => text.push_str(&normal),
        }
        text.push('\n');
    }
    text
}

fn in_pipe(arguments: &[&str]) -> String {
    let run = run_arguments(arguments).exits(0).has_no_complaint();
    normal(run.out.lines().map(str::to_owned))
}

fn on_terminal(arguments: &[&str], columns: u16) -> String {
    let arguments: Vec<&str> = ["--color=never"].iter().chain(arguments).copied().collect();
    let (code, text) = Terminal::start(command(&arguments), columns).end();
    assert_eq!(code, Some(0), "{text}");
    let mut lines = shown(&text);
    assert_eq!(
        lines.pop().as_deref(),
        Some(""),
        "the last line ends: {text:?}"
    );
    for line in &lines {
        let width = line.chars().count();
        assert!(width <= usize::from(columns), "{width} columns: {line}");
        if line.ends_with('…') {
            assert_eq!(
                width,
                usize::from(columns),
                "a line that is cut uses the terminal: {line}"
            );
        }
    }
    normal(lines)
}

/// The program by the last part of its path.
const START: &str = "server --listen";

const WHOLE: &str = "server --listen 'a long name that needs quotes, and some more text so that the line has to be cut'";

/// Where the command line does not fit behind the rest, it has a line of its own, and is cut only there.
const NARROW: u16 = 80;

const WIDE: u16 = 200;

#[test]
fn a_freed_port_word_for_word() {
    let port = Port::claim();
    let _server = server(&port);
    assert_eq!(
        in_pipe(&[&port.to_string()]),
        format!("N: freed in N ms\n  shop (PID N)  SIGTERM, exited after N ms  in /  {WHOLE}\n")
    );
    let cut = format!("\n    {START}…");
    for (columns, end) in [(NARROW, cut), (WIDE, format!("  {WHOLE}"))] {
        let _server = server(&port);
        assert_eq!(
            on_terminal(&[&port.to_string()], columns),
            format!("N: freed in N ms\n  shop (PID N)  SIGTERM, exited after N ms  in /{end}\n")
        );
    }
}

#[test]
fn a_dry_run_word_for_word() {
    let port = Port::claim();
    let _server = server(&port);
    let expected = |end: &str| {
        format!("N: dry run: would be freed\n  shop (PID N)  would be sent SIGTERM  in /{end}\n")
    };
    let dry_run = ["-n", &port.to_string()];
    assert_eq!(in_pipe(&dry_run), expected(&format!("  {WHOLE}")));
    assert_eq!(
        on_terminal(&dry_run, NARROW),
        expected(&format!("\n    {START}…"))
    );
    assert_eq!(on_terminal(&dry_run, WIDE), expected(&format!("  {WHOLE}")));
}

#[test]
fn a_range_word_for_word() {
    let ports = Port::claim_row(3);
    let _server = server(&ports[1]);
    let range = format!("{}-{}", ports[0], ports[2]);
    assert_eq!(
        in_pipe(&[&range]),
        format!(
            "N: freed in N ms\n  shop (PID N)  SIGTERM, exited after N ms  in /  {WHOLE}\nN-N: the other N ports were free already\n"
        )
    );
    assert_eq!(in_pipe(&[&range]), "N-N: all N ports free already\n");
}

#[test]
fn a_list_word_for_word() {
    let port = Port::claim();
    let _server = server(&port);
    let port = port.to_string();
    for columns in [80, 120] {
        let table = on_terminal(&["-l", &port], columns);
        let lines: Vec<&str> = table.lines().collect();
        // Whoever lists knows who that is.
        assert_eq!(
            lines[0],
            "PORT  ADDRESS  PROCESS  PID  AGE  PROJECT  COMMAND"
        );
        assert_eq!(lines[1], format!("N/tcp  N  shop  N  N ms  /  {START}…"));
    }
    let table = in_pipe(&["-l", &port]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("  USER  AGE"), "{table}");
    assert!(
        lines[1].ends_with(&format!("  N ms  /  {WHOLE}")),
        "{table}"
    );
}
