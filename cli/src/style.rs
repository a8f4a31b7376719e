//! Colours.

use std::fmt;

use anstyle::{AnsiColor, Style};

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();

/// The text in this style.
pub fn paint<T: fmt::Display>(style: Style, text: T) -> String {
    format!("{style}{text}{style:#}")
}
