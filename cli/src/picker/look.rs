//! Looks at who listens, in the background: a slow look must never make the keys wait.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
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
    ask: Sender<()>,
    looks: Receiver<Look>,
    /// When to look again. `None` while somebody looks.
    next: Option<Instant>,
}

impl Looks {
    /// Begins with a look at once. Whoever may be asleep is told by `wake` when one is done.
    pub fn start(request: &Request, scope: &Scope, wake: impl Fn() + Send + 'static) -> Self {
        let (ask, asked) = channel();
        let (tell, looks) = channel();
        let (request, scope) = (request.clone(), scope.clone());
        // Nobody waits for its end: a look may be stuck.
        std::thread::spawn(move || {
            while asked.recv().is_ok() && tell.send(look(&request, &scope)).is_ok() {
                wake();
            }
        });
        let _ = ask.send(());
        Self {
            ask,
            looks,
            next: None,
        }
    }

    /// Waits a moment for what is seen.
    pub fn wait(&mut self, patience: Duration) -> Option<Look> {
        match self.looks.recv_timeout(patience) {
            Ok(look) => Some(self.seen(look)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// What was seen meanwhile. Asks for another look when it is time.
    pub fn news(&mut self) -> Option<Look> {
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.next = None;
            let _ = self.ask.send(());
        }
        match self.looks.try_recv() {
            Ok(look) => Some(self.seen(look)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// When to ask for news at the latest.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    fn seen(&mut self, look: Look) -> Look {
        self.next = Some(Instant::now() + PAUSE);
        look
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
