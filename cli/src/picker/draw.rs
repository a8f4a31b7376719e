//! The lines of the list, made of what is to be shown and the size of the terminal alone.

use crate::columns::{Column, GAP, header, line};
use crate::picker::row::{Row, columns};
use crate::picker::state::State;
use crate::style::{BOLD, DIM, GOOD, WARN, paint};
use crate::words::{self, cut};

/// How large the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What is to be seen: lines that fit the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub lines: Vec<String>,
    /// The column of the text cursor, in the first line.
    pub caret: usize,
}

const PROMPT: &str = "free which? ";

/// Where that takes more than half of the width.
const SHORT_PROMPT: &str = "> ";

/// So many rows are shown where the terminal is not tall; of a tall one they take the half.
const ROWS: usize = 10;

/// The frame without the rows: the prompt, the names of the columns, and the keys.
const AROUND: usize = 3;

/// Before the first column: the cursor and the mark.
const POINTER: usize = 4;

/// The keys, the most needed first.
const KEYS: [&str; 5] = [
    "enter: what would happen",
    "esc: leave",
    "space: mark",
    "?: all keys",
    "type: filter",
];

const ALL_KEYS: [(&str, &str); 10] = [
    (
        "enter",
        "show what would happen to the marked ports, or this one; then ask",
    ),
    ("esc", "leave (also ctrl-c)"),
    (
        "letters",
        "show only rows that have them, in port, name, folder or command",
    ),
    ("a+b", "show only rows that have both"),
    ("ctrl-u", "clear the filter"),
    (
        "up, down",
        "move (also ctrl-p, ctrl-n, page up, page down, home, end)",
    ),
    ("space", "mark or unmark this port (also tab)"),
    ("ctrl-a", "mark or unmark all that are shown"),
    ("ctrl-z", "stop, until `fg`"),
    ("any key", "back to the list"),
];

/// Draws the list.
pub fn draw(state: &mut State, size: Size) -> Frame {
    // The last column stays empty: some terminals wrap as soon as it is written to.
    let width = size.columns.saturating_sub(1).max(1);
    let rows = size.rows.max(1);
    // With few lines the rows are what is needed most, then the prompt.
    let has_prompt = rows > 1;
    let has_keys = rows > AROUND;
    let has_header = rows > AROUND + 1;
    let around = [has_prompt, has_keys, has_header];
    let around = around.into_iter().filter(|is_there| *is_there).count();
    let height = (rows - around).min(ROWS.max(rows / 2));
    let mut lines = Vec::new();
    let mut caret = 0;
    if has_prompt {
        let (line, column) = prompt(state, width);
        lines.push(line);
        caret = column;
    }
    if state.shows_help() {
        let name = ALL_KEYS.map(|(key, _)| key.len()).into_iter().max();
        let keys = ALL_KEYS.iter().take(height + around - lines.len());
        lines.extend(keys.map(|(key, what)| {
            let key = format!("{key:<name$}", name = name.unwrap_or(0));
            let what = cut(what, width.saturating_sub(key.len() + GAP.len()));
            let line = format!("{key}{GAP}{what}");
            cut(&line, width)
        }));
        return Frame { lines, caret };
    }
    let columns = columns(state.shown().into_iter(), width.saturating_sub(POINTER));
    if has_header {
        lines.push(paint(
            DIM,
            cut(&format!("{:POINTER$}{}", "", header(&columns)), width),
        ));
    }
    lines.extend(body(state, &columns, height, width));
    if has_keys {
        lines.push(match state.notice() {
            Some(notice) => paint(WARN, cut(notice, width)),
            None => paint(DIM, keys(width)),
        });
    }
    Frame { lines, caret }
}

/// The filter, and at the right how much is shown.
fn prompt(state: &State, width: usize) -> (String, usize) {
    let filter = kill_port::printable(state.filter());
    let mut prompts = [PROMPT, SHORT_PROMPT].into_iter();
    let prompt = prompts.find(|prompt| prompt.len() * 2 <= width);
    let prompt = prompt.unwrap_or_default();
    // The end of a long filter is what is being typed.
    let mut shown: &str = &filter;
    while words::width(prompt) + words::width(shown) + 1 > width {
        let mut characters = shown.chars();
        if characters.next().is_none() {
            break;
        }
        shown = characters.as_str();
    }
    let caret = words::width(prompt) + words::width(shown);
    let count = count(state);
    let line = match width.checked_sub(caret + 2 + words::width(&count)) {
        Some(free) if !count.is_empty() => format!(
            "{}{shown}{:free$}  {}",
            paint(BOLD, prompt),
            "",
            paint(DIM, count)
        ),
        _ => format!("{}{shown}", paint(BOLD, prompt)),
    };
    (line, caret)
}

/// `2 marked, 3 of 57`
fn count(state: &State) -> String {
    if !state.has_looked() {
        return String::new();
    }
    let (shown, all) = (state.shown().len(), state.count());
    let rows = if shown == all {
        format!("{all}")
    } else {
        format!("{shown} of {all}")
    };
    match state.marked() {
        0 => rows,
        marked => format!("{marked} marked, {rows}"),
    }
}

/// The rows in the window, or why there are none.
fn body(state: &mut State, columns: &[Column<Row>], height: usize, width: usize) -> Vec<String> {
    let (_, window) = state.window(height);
    let window: Vec<Row> = window.into_iter().cloned().collect();
    if window.is_empty() {
        let why = match (state.has_looked(), state.count()) {
            (false, _) => "looking …",
            (true, 0) => "nobody listens",
            (true, _) => "nothing matches (ctrl-u: clear the filter)",
        };
        return vec![cut(&format!("    {why}"), width)];
    }
    let lines = window.iter().map(|row| {
        let is_under = state.is_under_cursor(row);
        let pointer = if is_under { ">" } else { " " };
        let mark = if state.is_marked(row) { "*" } else { " " };
        let mut row = row.clone();
        let is_gone = state.is_gone(&row);
        if is_gone {
            row.age = "(gone)".into();
        }
        let line = format!("{pointer} {mark} {}", line(&row, columns, |_| None));
        let line = cut(&line, width);
        if is_gone {
            paint(DIM, line)
        } else if is_under {
            paint(BOLD, line)
        } else if state.is_marked(&row) {
            paint(GOOD, line)
        } else {
            line
        }
    });
    lines.collect()
}

/// As many of the keys as there is room for, none of them cut.
fn keys(width: usize) -> String {
    let mut line = String::new();
    for key in KEYS {
        let gap = if line.is_empty() { "" } else { GAP };
        if line.len() + gap.len() + key.len() <= width {
            line += gap;
            line += key;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picker::key::Key;
    use crate::picker::row::{self, Who};
    use anstream::adapter::strip_str;
    use kill_port::Protocol;
    use proptest::prelude::*;

    fn row(port: u16, process: &str, project: &str, about: &str) -> Row {
        Row {
            port: port.to_string(),
            key: row::Key {
                port,
                protocol: Protocol::Tcp,
                who: Who::Container(process.into()),
            },
            process: process.into(),
            pid: "4711".into(),
            project: project.into(),
            age: "5 min".into(),
            user: "dev".into(),
            is_own: true,
            about: about.into(),
            text: format!("{port}/tcp {process} {about}"),
        }
    }

    fn lines(state: &mut State, columns: usize, rows: usize) -> Vec<String> {
        let frame = draw(state, Size { columns, rows });
        let lines = frame.lines.iter();
        lines.map(|line| strip_str(line).to_string()).collect()
    }

    fn two() -> State {
        let mut state = State::default();
        state.look(vec![
            row(3000, "node", "shop", "node server.js"),
            row(8080, "java", "billing", "java -jar billing.jar"),
        ]);
        state.press(Key::Down);
        state.press(Key::Tab);
        state
    }

    #[test]
    fn what_a_person_needs_first_has_room_first() {
        assert_eq!(
            lines(&mut two(), 80, 24),
            [
                "free which?                                                         1 marked, 2",
                "    PORT  PROCESS  PID   PROJECT  AGE     COMMAND",
                "    3000  node     4711  shop     5 min   node server.js",
                "> * 8080  java     4711  billing  5 min   java -jar billing.jar",
                "enter: what would happen  esc: leave  space: mark  ?: all keys  type: filter",
            ]
        );
        assert_eq!(
            lines(&mut two(), 40, 6),
            [
                "free which?                 1 marked, 2",
                "    PORT  PROCESS  PROJECT  AGE",
                "    3000  node     shop     5 min",
                "> * 8080  java     billing  5 min",
                "enter: what would happen  esc: leave",
            ]
        );
        assert_eq!(
            lines(&mut two(), 20, 2),
            [">       1 marked, 2", "> * 8080  java"]
        );
        assert_eq!(lines(&mut two(), 20, 1), ["> * 8080  java"]);
    }

    #[test]
    fn the_end_of_a_long_filter_is_seen() {
        let mut state = two();
        for character in "abcdefghijklmnopqrstuvwxyz".chars() {
            state.press(Key::Char(character));
        }
        let frame = draw(
            &mut state,
            Size {
                columns: 30,
                rows: 24,
            },
        );
        assert_eq!(
            strip_str(&frame.lines[0]).to_string(),
            "free which? klmnopqrstuvwxyz"
        );
        assert_eq!(frame.caret, 28);
        assert!(lines(&mut state, 30, 24)[2].contains("nothing matches"));
    }

    proptest! {
        #[test]
        fn a_frame_fits_every_terminal(
            texts in prop::collection::vec(("\\PC{0,30}", "[a-z漢\u{301}]{0,40}", "\\PC{0,200}"), 0..30),
            keys in "[a-z?漢\u{301}]{0,50}",
            columns in 2..120_usize,
            rows in 1..40_usize,
        ) {
            let safe = |text: &str| kill_port::printable(text).into_owned();
            let seen = texts.iter().zip(1..).map(|((process, project, about), port)| {
                row(port, &safe(process), &safe(project), &safe(about))
            });
            let mut state = State::default();
            state.look(seen.collect());
            for character in keys.chars() {
                state.press(Key::Char(character));
            }
            let frame = draw(&mut state, Size { columns, rows });
            prop_assert!(!frame.lines.is_empty() && frame.lines.len() <= rows);
            prop_assert!(frame.caret < columns);
            for line in &frame.lines {
                let line = strip_str(line).to_string();
                prop_assert!(words::width(&line) < columns, "{line:?}");
            }
        }
    }
}
