//! Ctrl-C while holders are waited for: stop, tidy the terminal, say what was done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Remembers the signal that asked the command to stop.
#[derive(Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
    watching: bool,
}

impl Interrupt {
    /// Watches from now on. Before the first wait there is nothing to tidy, and the signals simply end the command.
    pub fn watch(&mut self) {
        if self.watching {
            return;
        }
        self.watching = true;
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM] {
            // A job that a shell started in the background ignores Ctrl-C, and has to go on ignoring it.
            if ignored >> (signal - 1) & 1 == 1 {
                continue;
            }
            if let Ok(number) = usize::try_from(signal) {
                // Without a handler the signal still ends the command, only less tidily.
                let _ = flag::register_usize(signal, Arc::clone(&self.signal), number);
            }
        }
    }

    /// The signal, once it has come.
    pub fn signal(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }
}

/// The mask of the signals that were inherited as ignored. The kernel shows it; elsewhere it can't be asked safely.
#[cfg(target_os = "linux")]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn ignored() -> u64 {
    0
}
