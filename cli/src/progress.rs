//! The line that tells, after a second, who is being waited for. Only on a terminal, and it leaves no trace.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kill_port::{Event, Process, Target};

use crate::container;
use crate::output;
use crate::words::{cut, width};

/// Waits shorter than this need no explanation.
const PATIENCE: Duration = Duration::from_secs(1);

/// Behind the line the terminal writes `^C`, when that is pressed.
const ECHO: usize = 2;

/// What the terminal shows at the moment. Log lines come from inside the library, so that this has to be global.
static SHOWN: Mutex<String> = Mutex::new(String::new());

/// The line that is to be shown next, if nothing newer comes before.
static NEXT: Mutex<Option<String>> = Mutex::new(None);
static NEWS: Condvar = Condvar::new();

/// Takes the line off the terminal, if one is there.
pub fn clear() {
    let mut shown = lock(&SHOWN);
    *lock(&NEXT) = None;
    show("", &mut shown);
}

/// Has the line shown, by a thread of its own: a terminal may take no output (Ctrl-S), and nobody's grace is to become longer by that.
fn show_soon(line: String) {
    static HAS_PAINTER: LazyLock<bool> = LazyLock::new(|| {
        let painter = std::thread::Builder::new().name("kill_port progress".to_owned());
        painter.spawn(paint).is_ok()
    });
    if *HAS_PAINTER {
        *lock(&NEXT) = Some(line);
        NEWS.notify_one();
    }
}

/// Shows one line after the other.
fn paint() {
    loop {
        let next = lock(&NEXT);
        drop(NEWS.wait_while(next, |next| next.is_none()));
        // Whoever clears the line has it alone, and then there is nothing left to show.
        let mut shown = lock(&SHOWN);
        let next = lock(&NEXT).take();
        if let Some(line) = next {
            show(&line, &mut shown);
        }
    }
}

fn lock<T>(what: &'static Mutex<T>) -> MutexGuard<'static, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the line, by spaces and carriage returns alone, which every terminal understands.
fn show(line: &str, shown: &mut String) {
    if *shown == line {
        return;
    }
    let rest = (width(shown) + ECHO).saturating_sub(width(line));
    // The cursor ends right behind the line, where the echo is expected.
    let text = format!("\r{line}{}\r{line}", " ".repeat(rest));
    line.clone_into(shown);
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Follows the events and keeps the line up to date.
///
/// Thousands of targets may be waited for, and each tells of it many times a second. Only one of them is in the line: of the others it
/// is enough to know how many they are.
#[derive(Debug)]
pub struct Progress {
    visible: bool,
    /// The targets that have been waited for long enough.
    long: HashSet<Target>,
    /// The one of them that the line is about.
    shown: Option<Target>,
    /// The containers that are being stopped: one may be that for thousands of targets.
    containers: HashMap<Target, Vec<String>>,
}

/// What the line says of one target.
#[derive(Debug)]
struct Wait {
    target: Target,
    first: Option<String>,
    others: usize,
    until_kill: Option<Duration>,
}

impl Progress {
    /// A line is shown only if it is wanted and stderr is a terminal.
    pub fn new(wanted: bool) -> Self {
        Self {
            visible: wanted && output::width_of_stderr().is_some(),
            long: HashSet::new(),
            shown: None,
            containers: HashMap::new(),
        }
    }

    /// Takes note of an event.
    pub fn follow(&mut self, event: &Event<'_>) {
        if !self.visible {
            return;
        }
        match *event {
            Event::Waiting {
                target,
                processes,
                elapsed,
                until_kill,
                ..
            } if elapsed >= PATIENCE => {
                self.long.insert(target);
                if *self.shown.get_or_insert(target) == target {
                    self.draw(target, processes, until_kill);
                }
            }
            Event::Stopping {
                target, container, ..
            } => {
                let own = self.containers.entry(target).or_default();
                own.push(container::name(container));
            }
            Event::Stopped {
                target, container, ..
            } => {
                let stopped = container::name(container);
                let own = self.containers.entry(target).or_default();
                own.retain(|container| *container != stopped);
            }
            Event::Freed { target, .. } | Event::GaveUp { target, .. } => {
                self.long.remove(&target);
                self.containers.remove(&target);
                if self.shown == Some(target) {
                    self.shown = None;
                    show_soon(String::new());
                }
            }
            _ => {}
        }
    }

    fn draw(&self, target: Target, processes: &[&Process], until_kill: Option<Duration>) {
        let names = || {
            let processes = processes.iter().map(ToString::to_string);
            let own = self.containers.get(&target).into_iter().flatten();
            processes.chain(own.cloned())
        };
        let wait = Wait {
            target,
            first: names().next(),
            others: names().count().saturating_sub(1),
            until_kill,
        };
        // The last column stays empty: some terminals wrap as soon as it is written to.
        let width = output::width_of_stderr().unwrap_or(80);
        let others = self.long.len().saturating_sub(1);
        let line = cut(&wait.line(others), width.saturating_sub(1 + ECHO));
        show_soon(line);
    }
}

impl Wait {
    /// `8080: waiting for node (PID 4711) and 2 others, SIGKILL in 7 s; and for 3 more ports`
    fn line(&self, more: usize) -> String {
        let Self { target, others, .. } = self;
        let whom = match (&self.first, others) {
            (None, _) => return format!("{target}: free; making sure that nothing takes it again"),
            (Some(first), 0) => first.clone(),
            (Some(first), 1) => format!("{first} and 1 other"),
            (Some(first), _) => format!("{first} and {others} others"),
        };
        let then = match self.until_kill {
            Some(left) => format!(", SIGKILL in {} s", left.as_secs_f64().ceil()),
            None => String::new(),
        };
        let ports = match more {
            0 => String::new(),
            1 => "; and for 1 more port".into(),
            _ => format!("; and for {more} more ports"),
        };
        format!("{target}: waiting for {whom}{then}{ports}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_who_is_waited_for_and_what_comes_next() {
        let mut wait = Wait {
            target: 8080.into(),
            first: Some("node (PID 4711)".into()),
            others: 2,
            until_kill: Some(Duration::from_millis(6900)),
        };
        assert_eq!(
            wait.line(3),
            "8080: waiting for node (PID 4711) and 2 others, SIGKILL in 7 s; and for 3 more ports"
        );
        wait.others = 0;
        wait.until_kill = None;
        assert_eq!(wait.line(0), "8080: waiting for node (PID 4711)");
    }
}
