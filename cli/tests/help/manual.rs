//! The manual page.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::run;
use crate::fixture::skip;

fn page() -> String {
    run("--man").exits(0).has_no_complaint().out
}

/// What the program says about the page. `None` where it isn't there.
fn checked(program: &str, arguments: &[&str], page: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that takes no such option reads nothing.
    let _ = stdin.write_all(page.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if program == "mandoc" {
        said += &String::from_utf8_lossy(&output.stdout);
    }
    Some(said)
}

#[test]
fn the_manual_page_has_no_warnings() {
    if cfg!(not(target_os = "linux")) {
        return skip("other systems have other programs of these names");
    }
    let page = page();
    let mandoc = checked("mandoc", &["-Tlint", "-Wwarning"], &page);
    let groff = checked("groff", &["-man", "-Tascii", "-ww", "-z"], &page);
    if mandoc.is_none() && groff.is_none() {
        skip("there is neither mandoc nor groff here");
    }
    for said in mandoc.into_iter().chain(groff) {
        assert_eq!(said, "");
    }
}

#[test]
fn the_manual_page_has_the_sections_that_one_has() {
    let page = page();
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".SH "))
        .collect();
    assert_eq!(
        sections,
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "SEE ALSO"
        ]
    );
}

/// Both come from one definition.
#[test]
fn the_manual_page_has_every_option_example_and_exit_code_of_the_help() {
    let page = page();
    let terms: Vec<String> = page
        .split("\n.TP\n")
        .skip(1)
        .filter_map(|item| Some(plain(item.lines().next()?)))
        .collect();
    let help = run("--help").exits(0).out;
    let (options, rest) = help.split_once("\nExamples:\n").expect("examples");
    let of_options = options
        .lines()
        .filter(|line| line.trim_start().starts_with('-') && !line.starts_with("          "))
        .map(|line| {
            line.trim()
                .replace(['<', '>'], "")
                .replace("verbose...", "verbose")
        });
    let of_rest = rest
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.trim().split("  ").next().map(str::to_owned));
    let mut seen = 0;
    for term in of_options.chain(of_rest) {
        seen += 1;
        assert!(
            terms.contains(&term),
            "{term:?} is not on the page: {terms:#?}"
        );
    }
    assert!(seen > 35, "{seen}");
}

/// What is left of a line when it is formatted.
fn plain(line: &str) -> String {
    [r"\fB", r"\fI", r"\fR", r"\&"]
        .into_iter()
        .fold(line.replace(r"\-", "-"), |line, escape| {
            line.replace(escape, "")
        })
}

#[test]
fn the_manual_page_names_every_variable_that_is_read() {
    let page = page();
    let (_, section) = page.split_once(".SH ENVIRONMENT").expect("the section");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    gather(&root.join("src"), &mut sources);
    gather(&root.join("cli/src"), &mut sources);
    let mut seen = 0;
    for source in sources {
        let text = fs::read_to_string(&source).expect("a source");
        for before in ["env::var(\"", "env::var_os(\"", "path(\""] {
            for rest in text.split(before).skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                let is_name = name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
                // Windows has no manual pages.
                if is_name && !["USERPROFILE", "MSYSTEM"].contains(&name) {
                    seen += 1;
                    assert!(section.contains(name), "{source:?} reads {name}");
                }
            }
        }
    }
    assert!(seen >= 6, "{seen}");
}

fn gather(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

/// A build makes the same page on every day.
#[test]
fn the_date_of_the_manual_page_is_that_of_the_release() {
    let page = page();
    let version = env!("CARGO_PKG_VERSION");
    let title = page
        .lines()
        .find_map(|line| line.strip_prefix(".TH KILL_PORT 1 "))
        .expect("a title");
    let (date, rest) = title.split_once(' ').expect("a date");
    assert_eq!(rest, format!("\"kill_port {version}\" \"User Commands\""));
    let shape: String = date
        .chars()
        .map(|character| {
            if character.is_ascii_digit() {
                '0'
            } else {
                character
            }
        })
        .collect();
    assert_eq!(shape, "0000-00-00");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CHANGELOG.md");
    let changelog = fs::read_to_string(path).expect("the changelog");
    let release = changelog
        .lines()
        .find_map(|line| line.strip_prefix(&format!("## [{version}] - ")));
    // None before the release.
    if let Some(release) = release {
        assert_eq!(date, release, "RELEASED in cli/src/generate/man.rs");
    }
}
