//! Ctrl-C while holders are waited for: stop, tidy the terminal, say what was done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Remembers the signal that asked the command to stop.
#[derive(Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
    /// Since when there is something to watch for.
    since: Option<Instant>,
    watching: bool,
}

/// Most waits are over sooner, and nobody is so quick to press Ctrl-C.
const SOON: Duration = Duration::from_millis(20);

/// Whether a signal does what it does without a handler, though somebody before had one. It can't be taken away again.
pub static BY_DEFAULT: LazyLock<Arc<AtomicBool>> =
    LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// The signals that ask the command to stop.
#[cfg(unix)]
const HEEDED: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
#[cfg(not(unix))]
const HEEDED: [i32; 2] = [SIGINT, SIGTERM];

/// PID 1 of a container gets no signal for which it has no handler, so that Ctrl-C would do nothing.
#[cfg(unix)]
pub fn heed_as_first_process() {
    if std::process::id() != 1 {
        return;
    }
    for signal in HEEDED.into_iter().filter(|signal| !is_ignored(*signal)) {
        // Without it, it is as it would have been.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&BY_DEFAULT));
    }
}

impl Interrupt {
    /// Watches from now on, if there has been a wait for a while. Before that there is nothing to tidy, and the signals simply end the command.
    pub fn watch(&mut self) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.watching || since.elapsed() < SOON {
            return;
        }
        self.watching = true;
        // A job that a shell started in the background ignores Ctrl-C, and has to go on ignoring it.
        let heeded = HEEDED.into_iter().filter(|signal| !is_ignored(*signal));
        for signal in heeded.clone() {
            if let Ok(number) = usize::try_from(signal) {
                // Without a handler the signal still ends the command, only less tidily.
                let _ = flag::register_usize(signal, Arc::clone(&self.signal), number);
            }
        }
        BY_DEFAULT.store(false, Ordering::Relaxed);
        // After that: whoever is told that a signal came finds which.
        #[cfg(unix)]
        let _ = end_in_any_case(heeded, &self.signal, || {});
    }

    /// The signal, once it has come.
    pub fn signal(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }
}

/// Lets a signal end the command whatever it is stuck in, such as a terminal that takes no output: after some time, or when the signal comes
/// again. The time is for a tidy end; without one, there is `last` to be done.
#[cfg(unix)]
pub fn end_in_any_case(
    signals: impl Iterator<Item = i32>,
    came: &Arc<AtomicUsize>,
    last: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    use signal_hook::low_level::{emulate_default_handler, pipe};
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    let (mut told, tell) = UnixStream::pair()?;
    for signal in signals {
        pipe::register(signal, tell.try_clone()?)?;
    }
    let came = Arc::clone(came);
    std::thread::Builder::new().spawn(move || {
        // Held here, so that the other end is never the last one.
        let _tell = tell;
        let mut byte = [0];
        if told.read_exact(&mut byte).is_ok() {
            let _ = told.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = told.read_exact(&mut byte);
            let signal = i32::try_from(came.load(Ordering::Relaxed)).unwrap_or(SIGTERM);
            last();
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Whether the signal was inherited as ignored. The kernel shows it; elsewhere it can't be asked safely.
#[cfg(target_os = "linux")]
pub fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default() >> (signal - 1) & 1 == 1
}

#[cfg(not(target_os = "linux"))]
pub fn is_ignored(_: i32) -> bool {
    false
}
