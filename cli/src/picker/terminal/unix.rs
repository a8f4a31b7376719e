//! A terminal of Unix.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::{flag, low_level::pipe};

use crate::interrupt::{self, BY_DEFAULT};
use crate::picker::key::{Keys, News};
use crate::picker::screen::CLEAR;

/// The settings to go back to, while there are others.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The rest of a key comes as soon as its beginning, even over a slow line.
const REST: Duration = Duration::from_millis(50);

/// A terminal whose keys are read one by one.
pub struct Terminal {
    keys: Keys,
    /// Ends a wait.
    bell: UnixStream,
    ring: UnixStream,
    /// A signal that asks for the end.
    came: Arc<AtomicUsize>,
    continued: Arc<AtomicBool>,
}

impl Terminal {
    /// The terminal as it is; nothing is changed yet.
    pub fn new() -> io::Result<Self> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let terminal = Self {
            keys: Keys::default(),
            bell,
            ring,
            came: Arc::default(),
            continued: Arc::default(),
        };
        let asking = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
        let asking = asking
            .into_iter()
            .filter(|signal| !interrupt::is_ignored(*signal));
        for signal in asking.clone() {
            flag::register_conditional_default(signal, Arc::clone(&BY_DEFAULT))?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&terminal.came), number)?;
            pipe::register(signal, terminal.ring.try_clone()?)?;
        }
        // The terminal may take nothing any more.
        interrupt::end_in_any_case(asking, &terminal.came, Self::go_back)?;
        flag::register(SIGCONT, Arc::clone(&terminal.continued))?;
        for signal in [SIGCONT, SIGWINCH] {
            pipe::register(signal, terminal.ring.try_clone()?)?;
        }
        Ok(terminal)
    }

    /// What ends a wait from another thread.
    pub fn waker(&self) -> io::Result<impl Fn() + Send + use<>> {
        let ring = self.ring.try_clone()?;
        // If it is full, there is a call already.
        Ok(move || drop((&ring).write(&[0])))
    }

    /// Begins to read keys one by one, without an echo.
    pub fn enter(&self) -> io::Result<()> {
        let stdin = io::stdin();
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = match before.take() {
            Some(settings) => settings,
            None => tcgetattr(&stdin)?,
        };
        let mut raw = settings.clone();
        raw.make_raw();
        *before = Some(settings);
        BY_DEFAULT.store(false, Ordering::SeqCst);
        // From the background it would stop the command again.
        if is_ours() {
            tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        }
        Ok(())
    }

    /// Goes back to how it was before.
    pub fn leave(&self) {
        Self::restore();
        BY_DEFAULT.store(true, Ordering::SeqCst);
    }

    /// Half a key is none.
    pub fn forget_keys(&mut self) {
        self.keys = Keys::default();
    }

    /// Takes the list away and goes back to how it was before.
    pub fn restore() {
        let is_there = match BEFORE.try_lock() {
            Ok(before) => before.is_some(),
            Err(TryLockError::Poisoned(before)) => before.into_inner().is_some(),
            Err(TryLockError::WouldBlock) => false,
        };
        if is_there && is_ours() {
            let _ = io::stderr().write_all(CLEAR.as_bytes());
        }
        Self::go_back();
    }

    /// Goes back to how it was before. A terminal that somebody else has meanwhile is not touched.
    fn go_back() {
        let mut before = match BEFORE.try_lock() {
            Ok(before) => before,
            Err(TryLockError::Poisoned(before)) => before.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(settings) = before.take()
            && is_ours()
        {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
        }
    }

    /// The signal that asks for the end, once it has come.
    pub fn signal(&self) -> Option<u8> {
        match self.came.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// Stops, with everybody who was started together with it, as Ctrl-Z does elsewhere. Comes back when it is to go on.
    pub fn suspend(&self) -> io::Result<()> {
        self.leave();
        kill_current_process_group(Signal::TSTP)?;
        self.enter()
    }

    /// Waits for news, until then at most.
    pub fn wait(&mut self, until: Option<Instant>) -> News {
        let rest = self.keys.is_begun().then(|| Instant::now() + REST);
        let until = [until, rest].into_iter().flatten().min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let stdin = io::stdin();
        let mut ready = [
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return News::Gone,
        }
        let [input, _] = ready.map(|ready| ready.revents());
        while matches!((&self.bell).read(&mut [0; 64]), Ok(1..)) {}
        if let Some(signal) = self.signal() {
            return News::Signal(signal);
        }
        if self.continued.swap(false, Ordering::SeqCst) {
            return News::Back;
        }
        if input.is_empty() {
            let is_over = rest.is_some_and(|rest| rest <= Instant::now());
            let key = if is_over { self.keys.end() } else { None };
            return News::Keys(key.into_iter().collect());
        }
        let mut buffer = [0; 256];
        match rustix::io::read(&stdin, &mut buffer) {
            Ok(0) => News::Gone,
            Ok(count) => News::Keys(self.keys.feed(buffer.get(..count).unwrap_or_default())),
            Err(Errno::INTR | Errno::AGAIN) => News::Keys(Vec::new()),
            Err(_) => News::Gone,
        }
    }
}

/// Whether the command is in the foreground.
fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        Self::restore();
    }
}
