//! A console of Windows.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use crate::picker::key::{Key, News};
use crate::picker::screen::CLEAR;

/// Nothing but a key ends a wait here.
const PATIENCE: Duration = Duration::from_millis(100);

/// Whether keys are read one by one.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// A terminal whose keys are read one by one.
pub struct Terminal;

impl Terminal {
    /// The terminal as it is; nothing is changed yet.
    pub fn new() -> io::Result<Self> {
        if !crossterm::ansi_support::supports_ansi() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self)
    }

    /// What ends a wait from another thread.
    pub fn waker(&self) -> io::Result<impl Fn() + Send + use<>> {
        Ok(|| {})
    }

    /// Begins to read keys one by one, without an echo.
    pub fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Goes back to how it was before.
    pub fn leave(&self) {
        Self::restore();
    }

    /// Each key comes whole here.
    pub fn forget_keys(&mut self) {}

    /// Goes back to how it was before, whoever has the terminal.
    pub fn restore() {
        if ENTERED.swap(false, Ordering::SeqCst) {
            let _ = io::stderr().write_all(CLEAR.as_bytes());
            let _ = disable_raw_mode();
        }
    }

    /// Ctrl-C is a key here.
    pub fn signal(&self) -> Option<u8> {
        None
    }

    /// Nobody can be stopped here.
    pub fn suspend(&self) -> io::Result<()> {
        Ok(())
    }

    /// Waits for news, until then at most.
    pub fn wait(&mut self, until: Option<Instant>) -> News {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let patience = left.map_or(PATIENCE, |left| left.min(PATIENCE));
        let event = match event::poll(patience) {
            Ok(true) => event::read(),
            Ok(false) => return News::Keys(Vec::new()),
            Err(error) => Err(error),
        };
        match event {
            Ok(Event::Key(pressed)) => News::Keys(key(pressed).into_iter().collect()),
            Ok(_) => News::Keys(Vec::new()),
            Err(_) => News::Gone,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        Self::restore();
    }
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    let modifiers = pressed.modifiers;
    // AltGr is both, and makes characters.
    let is_control = modifiers.contains(KeyModifiers::CONTROL);
    let is_alt = modifiers.contains(KeyModifiers::ALT);
    Some(match pressed.code {
        KeyCode::Char(letter) if is_control && !is_alt => Key::Ctrl(letter.to_ascii_lowercase()),
        KeyCode::Char(_) if is_alt && !is_control => return None,
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Tab => Key::Tab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}
