//! Tables: as many columns as fit.

use anstyle::Style;

use crate::style::paint;
use crate::words::{self, cut};

/// Between two columns.
pub const GAP: &str = "  ";

/// Shown as it is, or not at all.
pub const WHOLE: usize = usize::MAX;

/// A column that may be shown of rows of this kind.
pub struct Kind<R> {
    pub name: &'static str,
    cell: fn(&R) -> &str,
    /// If there is less room, it is left out; unless it needs no more.
    least: usize,
    most: usize,
    /// Where it stands. They are given room in the order in which they are listed.
    place: usize,
}

impl<R> Kind<R> {
    pub const fn new(
        name: &'static str,
        cell: fn(&R) -> &str,
        least: usize,
        most: usize,
        place: usize,
    ) -> Self {
        Self {
            name,
            cell,
            least,
            most,
            place,
        }
    }
}

/// A column that is shown.
pub struct Column<R> {
    pub name: &'static str,
    cell: fn(&R) -> &str,
    width: usize,
}

/// The columns for which there is room. Who is first has room first; but nobody takes from a later one the least that it needs.
pub fn fitting<'a, R: 'a>(
    kinds: &[Kind<R>],
    rows: impl Iterator<Item = &'a R> + Clone,
    width: usize,
) -> Vec<Column<R>> {
    let mut left = width;
    let mut shown: Vec<(&Kind<R>, usize, usize)> = Vec::new();
    for kind in kinds {
        let widths = rows.clone().map(|row| words::width((kind.cell)(row)));
        let natural = widths.max().unwrap_or(0).max(words::width(kind.name));
        let natural = natural.min(kind.most);
        let least = kind.least.min(natural);
        let gap = if shown.is_empty() { 0 } else { GAP.len() };
        let Some(rest) = left.checked_sub(gap + least) else {
            // The first one is there in any case.
            if shown.is_empty() {
                shown.push((kind, left, left));
            }
            break;
        };
        left = rest;
        shown.push((kind, least, natural));
    }
    let mut columns: Vec<(usize, Column<R>)> = Vec::new();
    for (kind, least, natural) in shown {
        let more = (natural - least).min(left);
        left -= more;
        let column = Column {
            name: kind.name,
            cell: kind.cell,
            width: least + more,
        };
        columns.push((kind.place, column));
    }
    columns.sort_by_key(|(place, _)| *place);
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The names of the columns.
pub fn header<R>(columns: &[Column<R>]) -> String {
    let names = columns
        .iter()
        .map(|column| padded(column.name, column.width, None));
    names.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// The cells of a row, each in the style that its column has.
pub fn line<R>(row: &R, columns: &[Column<R>], style: impl Fn(&str) -> Option<Style>) -> String {
    let cells = columns
        .iter()
        .map(|column| padded((column.cell)(row), column.width, style(column.name)));
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// The text, as wide as its column.
fn padded(text: &str, width: usize, style: Option<Style>) -> String {
    let text = cut(text, width);
    let padding = width.saturating_sub(words::width(&text));
    let text = match style {
        Some(style) => paint(style, text),
        None => text,
    };
    format!("{text}{:padding$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind<[&str; 3]>; 3] = [
        Kind::new("PORT", |row| row[0], WHOLE, WHOLE, 1),
        Kind::new("PROJECT", |row| row[1], 7, 12, 0),
        Kind::new("COMMAND", |row| row[2], 8, WHOLE, 2),
    ];

    #[test]
    fn a_wide_column_leaves_a_later_one_the_least_that_it_needs() {
        let rows = [["80", "a-project-with-a-name", "node server.js"]];
        let shown = |width| {
            let columns = fitting(&KINDS, rows.iter(), width);
            line(&rows[0], &columns, |_| None)
        };
        for (width, text) in [
            (3, "80"),
            (12, "80"),
            (13, "a-proj…  80"),
            (22, "a-project-w…  80"),
            (23, "a-proj…  80    node se…"),
            (27, "a-project-…  80    node se…"),
            (40, "a-project-w…  80    node server.js"),
        ] {
            assert_eq!(shown(width), text, "{width}");
            assert!(words::width(&shown(width)) <= width);
        }
    }
}
