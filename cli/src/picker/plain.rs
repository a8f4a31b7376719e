//! The list for a terminal that can't move its cursor: numbered lines, and a question.

use kill_port::Target;

use crate::columns::{self, GAP};
use crate::output;
use crate::picker::row::{self, Row};
use crate::question;
use crate::words::cut;

/// Shows the rows and asks for their numbers. `None` if there are none.
pub fn choose(rows: &[Row], columns: usize) -> Option<Vec<Target>> {
    for line in numbered(rows, columns) {
        output::complain(&format!("{line}\n"));
    }
    loop {
        let line = question::ask("free which? [numbers, empty for none] ")?;
        if line.trim().is_empty() {
            return None;
        }
        match chosen(&line, rows) {
            Ok(targets) => return Some(targets),
            Err(wrong) => output::error_line(&wrong),
        }
    }
}

/// The rows with a number before each, for as many columns as there are.
fn numbered(rows: &[Row], columns: usize) -> Vec<String> {
    let digits = rows.len().to_string().len();
    let before = digits + 1 + GAP.len();
    let width = columns.saturating_sub(1);
    let columns = row::columns(rows.iter(), width.saturating_sub(before));
    let lines = rows.iter().enumerate().map(|(index, row)| {
        let number = format!("{:>digits$}){GAP}", index + 1);
        cut(
            &format!("{number}{}", columns::line(row, &columns, |_| None)),
            width,
        )
    });
    lines.collect()
}

/// The ports of the rows that are numbered so, as in `1 3` or `1,3`.
fn chosen(line: &str, rows: &[Row]) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let numbers = line.split(|character: char| character == ',' || character.is_whitespace());
    for word in numbers.filter(|word| !word.is_empty()) {
        let number = word.parse::<usize>().ok();
        let row = number.and_then(|number| rows.get(number.checked_sub(1)?));
        let Some(row) = row else {
            let word = kill_port::printable(word);
            return Err(format!("'{word}' is no number from 1 to {}", rows.len()));
        };
        if !row.key.is_seen() {
            return Err(format!(
                "{number}: nobody can see who has it",
                number = word
            ));
        }
        targets.push(row.key.target());
    }
    targets.sort_unstable();
    targets.dedup();
    Ok(targets)
}
