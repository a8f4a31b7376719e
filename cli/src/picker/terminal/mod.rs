//! The terminal that the list is on: keys without echo, a clock, and the way back.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

use terminal_size::{Height, Width, terminal_size_of};

use crate::picker::draw::Size;

#[cfg(unix)]
pub use unix::Terminal;
#[cfg(windows)]
pub use windows::Terminal;

/// The terminal, which nothing leaves changed.
pub fn terminal() -> io::Result<Terminal> {
    let terminal = Terminal::new()?;
    // A panic ends a release at once, whichever thread it is on.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        Terminal::restore();
        hook(panic);
    }));
    Ok(terminal)
}

/// The size of the terminal. One that doesn't tell it has the usual one.
pub fn size() -> Size {
    let size = terminal_size_of(io::stderr());
    let (columns, rows) = size.map_or((0, 0), |(Width(columns), Height(rows))| (columns, rows));
    let or = |size: u16, usual| if size == 0 { usual } else { usize::from(size) };
    Size {
        columns: or(columns, 80),
        rows: or(rows, 24),
    }
}

/// Whether the terminal can't move its cursor.
pub fn is_dumb() -> bool {
    // A terminal of MSYS has its keys on a pipe.
    if cfg!(windows) && std::env::var_os("MSYSTEM").is_some() {
        return true;
    }
    match std::env::var("TERM") {
        Ok(kind) => kind.is_empty() || kind == "dumb",
        // Windows has none.
        Err(_) => !cfg!(windows),
    }
}
