//! Puts frames on a terminal, below what is there already, and takes them away again.

use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::picker::draw::{Frame, Size};

/// Takes away what is shown. Between two frames the text cursor is in the first line, so that everything is below it.
pub const CLEAR: &str = "\r\x1b[J\x1b[?25h";

/// What is on the terminal.
#[derive(Debug, Default)]
pub struct Screen {
    shown: Option<(Frame, Size)>,
}

impl Screen {
    /// Shows the frame in the place of the last one.
    ///
    /// # Errors
    /// The terminal takes nothing any more.
    pub fn show(&mut self, frame: Frame, size: Size) -> io::Result<()> {
        let before = self.shown.take();
        let drawn = match &before {
            Some((shown, of)) if *shown == frame && *of == size => Ok(()),
            Some((shown, _)) => write(&text(&frame, shown.caret / size.columns.max(1))),
            None => write(&text(&frame, 0)),
        };
        self.shown = Some((frame, size));
        drawn
    }

    /// Takes the frame away.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write(CLEAR);
        }
    }
}

/// The frame, drawn from so many lines above the text cursor: a terminal that became narrower has broken the line in which that is.
fn text(frame: &Frame, above: usize) -> String {
    let mut text = String::from("\x1b[?25l\r");
    if above > 0 {
        text += &format!("\x1b[{above}A");
    }
    let is_plain = AutoStream::choice(&io::stderr()) == ColorChoice::Never;
    for (index, line) in frame.lines.iter().enumerate() {
        if index > 0 {
            text += "\r\n";
        }
        if is_plain {
            text += &strip_str(line).to_string();
        } else {
            text += line;
        }
        text += "\x1b[K";
    }
    // The lines of a taller frame, and those that a narrower terminal has broken.
    text += "\x1b[J";
    let below = frame.lines.len().saturating_sub(1);
    if below > 0 {
        text += &format!("\x1b[{below}A");
    }
    text += "\r";
    if frame.caret > 0 {
        text += &format!("\x1b[{}C", frame.caret);
    }
    text + "\x1b[?25h"
}

fn write(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}
