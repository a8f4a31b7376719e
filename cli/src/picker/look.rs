//! Looks at who listens, in the background: a slow look must never make the keys wait.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kill_port::Error;

use crate::picker::row::{Row, Scope, rows};
use crate::request::Request;
use crate::verbs::list::list;

/// From the end of a look to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What a look came to.
pub type Look = Result<Vec<Row>, Error>;

/// Looks, one at a time.
pub struct Looks {
    desk: Arc<Desk>,
    /// When to look again. `None` while somebody looks.
    next: Option<Instant>,
}

/// Where looks are asked for and handed over.
#[derive(Default)]
struct Desk {
    slip: Mutex<Slip>,
    changed: Condvar,
}

#[derive(Default)]
struct Slip {
    is_asked: bool,
    seen: Option<Look>,
    is_over: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Slip> {
        self.slip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, what: impl FnOnce(&mut Slip)) {
        what(&mut self.lock());
        self.changed.notify_all();
    }

    /// Looks whenever that is asked for, until it is over.
    fn serve(&self, look: impl Fn() -> Look, wake: impl Fn()) {
        loop {
            let waiting = |slip: &mut Slip| !slip.is_asked && !slip.is_over;
            let slip = self.changed.wait_while(self.lock(), waiting);
            let mut slip = slip.unwrap_or_else(PoisonError::into_inner);
            if slip.is_over {
                return;
            }
            slip.is_asked = false;
            drop(slip);
            let seen = look();
            self.write(|slip| slip.seen = Some(seen));
            wake();
        }
    }
}

impl Looks {
    /// Begins with a look at once. Whoever may be asleep is told by `wake` when one is done.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        request: &Request,
        scope: &Scope,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let looks = Self {
            desk: Arc::clone(&desk),
            next: None,
        };
        looks.ask();
        let (request, scope) = (request.clone(), scope.clone());
        // Nobody waits for its end: a look may be stuck.
        let serve = move || desk.serve(|| look(&request, &scope), wake);
        std::thread::Builder::new().spawn(serve)?;
        Ok(looks)
    }

    /// Waits a moment for what is seen.
    pub fn wait(&mut self, patience: Duration) -> Option<Look> {
        let waiting = |slip: &mut Slip| slip.seen.is_none();
        let changed = &self.desk.changed;
        let slip = changed.wait_timeout_while(self.desk.lock(), patience, waiting);
        drop(slip);
        self.news()
    }

    /// What was seen meanwhile. Asks for another look when it is time.
    pub fn news(&mut self) -> Option<Look> {
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.next = None;
            self.ask();
        }
        let seen = self.desk.lock().seen.take()?;
        self.next = Some(Instant::now() + PAUSE);
        Some(seen)
    }

    /// When to ask for news at the latest.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    fn ask(&self) {
        self.desk.write(|slip| slip.is_asked = true);
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.desk.write(|slip| slip.is_over = true);
    }
}

/// Looks once.
pub fn look(request: &Request, scope: &Scope) -> Look {
    let mut answers = list(request);
    match answers.errors.pop() {
        Some(error) => Err(error),
        None => Ok(rows(&answers.ports, scope, request.verbose)),
    }
}
