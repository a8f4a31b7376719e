//! The help, long and short, and the manual page.

mod manual;

use unicode_width::UnicodeWidthStr as _;

use crate::command::{Run, command};

/// What the option prints where a terminal has so many columns.
fn help(option: &str, columns: usize) -> String {
    let mut command = command(&[option]);
    command.env("COLUMNS", columns.to_string());
    let run: Run = command.output().expect("the command runs").into();
    run.exits(0).has_no_complaint().out
}

#[test]
fn the_short_help_fits_one_screen() {
    let help = help("-h", 80);
    // The prompt needs the last line.
    assert!(help.lines().count() < 24, "{help}");
    assert!(help.contains("kill_port --help"), "{help}");
}

#[test]
fn the_short_help_has_what_people_need_and_no_groups() {
    let help = help("-h", 80);
    let options = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'));
    let options: Vec<&str> = options
        .filter_map(|line| line.split([' ', ',']).next())
        .collect();
    assert_eq!(options, ["-f", "-t", "-n", "-l", "--why"]);
    assert_eq!(headings(&help), ["Arguments", "Options", "Examples"]);
}

#[test]
fn the_help_has_every_option_in_a_group() {
    let help = help("--help", 80);
    assert_eq!(
        headings(&help),
        [
            "What to free",
            "How",
            "Who",
            "Look only",
            "Output",
            "Examples",
            "Exit codes"
        ]
    );
}

/// Lines that only name what is below.
fn headings(help: &str) -> Vec<&str> {
    let lines = help.lines().filter(|line| !line.starts_with(' '));
    lines.filter_map(|line| line.strip_suffix(':')).collect()
}

#[test]
fn no_line_of_the_help_breaks_inside_a_word_at_eighty_columns() {
    for option in ["-h", "--help"] {
        let wide = help(option, 500);
        for columns in [80, 100, 140] {
            let help = help(option, columns);
            for line in help.lines() {
                assert!(line.width() <= columns, "the terminal would break {line:?}");
            }
            // The same words, so that none was broken before.
            assert!(
                help.split_whitespace().eq(wide.split_whitespace()),
                "{help}"
            );
        }
    }
}
