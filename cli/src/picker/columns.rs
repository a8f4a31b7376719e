//! The columns of the list, as many as fit.

use unicode_width::UnicodeWidthStr as _;

use crate::picker::row::Row;
use crate::words::cut;

/// Between two columns.
pub const GAP: &str = "  ";

/// A column that is shown.
pub struct Column {
    name: &'static str,
    cell: fn(&Row) -> &str,
    width: usize,
}

/// A column that may be shown: its name, what it says, how narrow and how wide it may be, and its place.
type Kind = (&'static str, fn(&Row) -> &str, usize, usize, usize);

/// Shown as it is, or not at all.
const WHOLE: usize = usize::MAX;

/// The columns in the order in which they are given room.
const KINDS: [Kind; 7] = [
    ("PORT", |row| &row.port, 1, 9, 0),
    ("PROCESS", |row| &row.process, 6, 24, 1),
    ("PROJECT", |row| &row.project, 6, 16, 3),
    (AGE, |row| &row.age, WHOLE, 8, 4),
    ("USER", |row| &row.user, 4, 12, 5),
    ("PID", |row| &row.pid, WHOLE, 10, 2),
    ("COMMAND", |row| &row.about, 12, usize::MAX, 6),
];

/// So wide that it seldom changes: it is another one every second.
const AGE: &str = "AGE   ";

/// The columns for which there is room. They are as wide as everything that could be shown needs, so that nothing moves sideways.
pub fn columns<'a>(rows: impl Iterator<Item = &'a Row> + Clone, width: usize) -> Vec<Column> {
    // Whoever is alone on a machine knows the user.
    let has_user = rows.clone().any(|row| !row.is_own);
    let mut left = width;
    let mut columns: Vec<(usize, Column)> = Vec::new();
    for (name, cell, least, most, place) in KINDS {
        if name == "USER" && !has_user {
            continue;
        }
        let widths = rows.clone().map(|row| cell(row).width());
        let natural = widths.max().unwrap_or(0).max(name.len()).min(most);
        let gap = if columns.is_empty() { 0 } else { GAP.len() };
        let room = left.saturating_sub(gap);
        if room < least.min(natural) {
            break;
        }
        let width = natural.min(room);
        left = room - width;
        columns.push((place, Column { name, cell, width }));
    }
    columns.sort_by_key(|(place, _)| *place);
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The names of the columns, so far to the right.
pub fn header(columns: &[Column], indent: usize) -> String {
    let mut line = " ".repeat(indent);
    for column in columns {
        line += &cell_of(column.name, column.width);
    }
    line.trim_end().to_owned()
}

/// A row, behind what stands before the columns.
pub fn line(before: &str, row: &Row, columns: &[Column]) -> String {
    let cells = columns
        .iter()
        .map(|column| cell_of((column.cell)(row), column.width));
    let line: String = std::iter::once(before.to_owned()).chain(cells).collect();
    line.trim_end().to_owned()
}

/// The text, as wide as its column.
fn cell_of(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let padding = width.saturating_sub(text.width());
    format!("{text}{:padding$}{GAP}", "")
}
