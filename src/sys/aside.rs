//! Work that may never come to an end, on a thread that can be left behind: nothing here waits for anybody else without a limit.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A deadline for those who set none.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Work that goes on in a thread of its own, and is waited for no longer than until its deadline.
pub(crate) struct Task<T> {
    answer: mpsc::Receiver<T>,
    deadline: Instant,
}

/// What a look at a [`Task`] shows.
pub(crate) enum Progress<T> {
    Done(T),
    Running,
    /// The deadline is past, or the thread could not be started. No answer will come any more.
    TimedOut,
}

impl<T: Send + 'static> Task<T> {
    pub(crate) fn start(limit: Duration, work: impl FnOnce(Instant) -> T + Send + 'static) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or(now + FAR);
        let (sender, answer) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("kill_port aside".to_owned())
            .spawn(move || {
                // Nobody listens any more after the deadline, which is fine.
                let _ = sender.send(work(deadline));
            });
        if let Err(error) = thread {
            log::warn!(target: "kill_port", "no thread could be started to ask somebody else: {error}");
        }
        Self { answer, deadline }
    }

    /// Waits for the answer, at most this long and at most until the deadline.
    pub(crate) fn wait(&self, at_most: Duration) -> Progress<T> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.answer.recv_timeout(left.min(at_most)) {
            Ok(answer) => Progress::Done(answer),
            Err(RecvTimeoutError::Timeout) if Instant::now() < self.deadline => Progress::Running,
            Err(_) => Progress::TimedOut,
        }
    }

    /// Waits for the answer until the deadline.
    pub(crate) fn finish(&self) -> Option<T> {
        match self.wait(Duration::MAX) {
            Progress::Done(answer) => Some(answer),
            Progress::Running | Progress::TimedOut => None,
        }
    }
}
