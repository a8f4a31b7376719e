//! How much of a reader's time and screen the documents take.

use super::{all, read, text};

/// What it is, how to try it and how to test it, before anybody scrolls.
#[test]
fn the_first_screen_says_how_to_run_and_how_to_test() {
    let text = text("README.md");
    let screen: Vec<&str> = text.lines().take(25).collect();
    for command in ["cargo run --release -- 8080", "cargo test"] {
        assert!(
            screen.iter().any(|line| line.starts_with(command)),
            "{command}: {screen:#?}"
        );
    }
}

#[test]
fn the_guide_stays_short() {
    let words = text("readme/en.md").split_whitespace().count();
    assert!(words <= 3000, "{words} words");
}

#[test]
fn every_fence_names_its_language() {
    for name in all() {
        for block in read(&name).blocks {
            assert!(!block.info.is_empty(), "{name}, line {}", block.line);
        }
    }
}

/// A sample is what a terminal of 80 columns shows.
#[test]
fn console_samples_fit_80_columns() {
    let mut seen = 0;
    for name in all() {
        for block in read(&name).blocks {
            if block.language() != "console" {
                continue;
            }
            seen += 1;
            for (index, line) in block.lines.iter().enumerate() {
                let number = block.line + 1 + index;
                assert!(line.chars().count() <= 80, "{name}, line {number}: {line}");
            }
        }
    }
    assert!(seen > 5);
}

/// The picture of the first page is fetched by everybody who opens it, and read aloud to those who can't see it.
#[test]
fn the_picture_of_a_terminal_is_small_and_says_what_it_shows() {
    let picture = text("docs/screen.svg");
    assert!(picture.len() < 20_000, "{} bytes", picture.len());
    for part in ["<title", "<desc", "kill_port 8080"] {
        assert!(picture.contains(part), "{part}");
    }
    let readme = read("README.md");
    assert!(readme.links.iter().any(|link| link == "docs/screen.svg"));
}
