//! `-v`: the library's log on stderr.

use std::io::{self, Write as _};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::progress;
use crate::style::{BAD, DIM, WARN, paint};

struct Stderr;

static STDERR: Stderr = Stderr;

/// Starts logging: once for what is done, twice for how, three times for everything.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    if log::set_logger(&STDERR).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let style = match record.level() {
            Level::Error => BAD,
            Level::Warn => WARN,
            _ => DIM,
        };
        let level = record.level().as_str().to_ascii_lowercase();
        let message = record.args().to_string();
        let line = format!(
            "{} {}\n",
            paint(style, format!("{level}:")),
            kill_port::printable(&message)
        );
        progress::clear();
        let _ = anstream::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {
        let _ = io::stderr().flush();
    }
}
