//! Processes that are on their way into another program and don't arrive: execve(2) closes what is to be closed, and the storage of one of
//! these files hangs.
//!
//! So long the kernel keeps a lock (`exec_update_lock`) that it also takes to tell where a link below `/proc/PID` leads, to compare or to
//! borrow descriptors, and, in later kernels, for `stat`. Such a wait gives way to SIGKILL alone. So all of that is asked on threads that can be left
//! behind; the end of this program ends them. Nobody can tell what such a process holds: it counts as closed to the caller, until the thread that was left
//! behind with the question has its answer.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SendError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use rustix::thread::gettid;

use super::super::Patience;
use super::memory::{MOST, Reading, is_runnable};
use super::process::proc_path;
use super::scan;

/// Those with whom a thread was left behind, once for each.
static STUCK: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// How many that are, for those who only want to know that there is none.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// How often somebody was added.
static ADDED: AtomicUsize = AtomicUsize::new(0);
/// The threads that ask one process each.
static ASKING: AtomicUsize = AtomicUsize::new(0);

/// After this long without an answer everybody is asked who keeps it back.
const STALL: Duration = Duration::from_millis(100);
/// So long a thread waits for another question.
const IDLE: Duration = Duration::from_millis(20);
/// So many at first: as many may be stuck without another wait.
const ASKING_AT_FIRST: usize = 8;

thread_local! {
    /// Whether this thread can be left behind.
    static IS_ASIDE: Cell<bool> = const { Cell::new(false) };
    /// What the thread aside of this one takes its work from, if it is there and not left behind.
    static HELPER: Cell<Option<Sender<Job>>> = const { Cell::new(None) };
}

fn stuck() -> MutexGuard<'static, Vec<u32>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process is known to keep back what is asked of it.
pub(super) fn is_stuck(pid: u32) -> bool {
    COUNT.load(Ordering::Relaxed) > 0 && stuck().contains(&pid)
}

/// What one process is asked, which it may keep back.
pub(super) struct Question {
    pid: u32,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const ASKED: u8 = 1;
const ANSWERED: u8 = 2;
const LEFT: u8 = 3;

impl Question {
    pub(super) fn new(pid: u32) -> Arc<Self> {
        Arc::new(Self {
            pid,
            state: AtomicU8::new(WAITING),
        })
    }

    /// Asks. Nobody asks twice whoever is stuck.
    pub(super) fn ask<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        if is_stuck(self.pid) {
            return None;
        }
        self.state.store(ASKED, Ordering::Relaxed);
        let before = IS_ASIDE.replace(true);
        let answer = work();
        IS_ASIDE.set(before);
        let mut stuck = stuck();
        if self.state.swap(ANSWERED, Ordering::Relaxed) == LEFT {
            if let Some(at) = stuck.iter().position(|&pid| pid == self.pid) {
                stuck.swap_remove(at);
            }
            COUNT.store(stuck.len(), Ordering::Relaxed);
        }
        Some(answer)
    }

    /// Notes that there was no answer in time.
    pub(super) fn leave(&self) {
        let mut stuck = stuck();
        // The answer may just have come.
        if self.state.load(Ordering::Relaxed) == ASKED {
            self.state.store(LEFT, Ordering::Relaxed);
            stuck.push(self.pid);
            COUNT.store(stuck.len(), Ordering::Relaxed);
            ADDED.fetch_add(1, Ordering::Relaxed);
            log::info!(target: "kill_port", "process {} is on its way into another program, and keeps back what it holds", self.pid);
        }
    }

    /// Whether it was not asked yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == WAITING
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Begins this on the thread that is aside of the calling one, and returns where its answer comes. `None`: no thread can be started.
///
/// That thread is the same from one question to the next, which saves most of what it costs, and ends when there is none for a moment. Nothing comes
/// if it was just ending.
fn begin<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<Receiver<std::thread::Result<T>>> {
    let (sender, answer) = mpsc::channel();
    let mut job: Job = Box::new(move || {
        // Whoever asked may have gone.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    if let Some(helper) = HELPER.take() {
        match helper.send(job) {
            Ok(()) => {
                HELPER.set(Some(helper));
                return Some(answer);
            }
            Err(SendError(unsent)) => job = unsent,
        }
    }
    let (helper, jobs) = mpsc::channel::<Job>();
    let run = move || {
        IS_ASIDE.set(true);
        while let Ok(job) = jobs.recv_timeout(IDLE) {
            job();
        }
    };
    Builder::new().spawn(run).ok()?;
    helper.send(job).ok()?;
    HELPER.set(Some(helper));
    Some(answer)
}

/// What is told by one process, or nothing if it keeps that back.
pub(super) fn ask<T: Send + 'static>(
    pid: u32,
    work: impl FnOnce() -> T + Clone + Send + 'static,
) -> Option<T> {
    loop {
        if is_stuck(pid) || COUNT.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        if IS_ASIDE.get() {
            return Some(work());
        }
        let (question, thread) = (Question::new(pid), Arc::new(OnceLock::new()));
        let (asked, own, asking) = (Arc::clone(&question), Arc::clone(&thread), work.clone());
        let Some(answer) = begin(move || {
            let _ = own.set(gettid());
            asked.ask(asking)
        }) else {
            return Some(work());
        };
        loop {
            match answer.recv_timeout(STALL) {
                Ok(answer) => return answer.unwrap_or_else(|panic| resume_unwind(panic)),
                Err(RecvTimeoutError::Disconnected) => break,
                // It may only wait for a processor, and will answer.
                Err(RecvTimeoutError::Timeout)
                    if thread.get().is_none_or(|&thread| is_runnable(thread)) => {}
                Err(RecvTimeoutError::Timeout) => {
                    HELPER.take();
                    question.leave();
                    return None;
                }
            }
        }
    }
}

/// Does work that asks many processes, each of whom may keep its answer back: then it is left behind and done again without them. The work
/// has to leave out who [is stuck](is_stuck).
///
/// # Errors
/// Those of the work. Or so many keep their answers back that no more threads are left behind.
pub(super) fn aside<T: Send + 'static>(
    work: impl Fn() -> io::Result<T> + Send + Sync + 'static,
) -> io::Result<T> {
    if IS_ASIDE.get() {
        return work();
    }
    let work = Arc::new(work);
    loop {
        if COUNT.load(Ordering::Relaxed) >= MOST {
            return Err(too_many());
        }
        let added = ADDED.load(Ordering::Relaxed);
        let task = Arc::clone(&work);
        let Some(answer) = begin(move || task()) else {
            return work();
        };
        if let Some(answer) = wait(&answer, added)? {
            return answer.unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
}

/// The answer, or nothing if it won't come: somebody keeps it back who is now known.
fn wait<T>(answer: &Receiver<T>, added: usize) -> io::Result<Option<T>> {
    let mut limit = STALL;
    loop {
        match answer.recv_timeout(limit) {
            Ok(answer) => return Ok(Some(answer)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                let asked = match ADDED.load(Ordering::Relaxed) == added {
                    true => ask_everybody(),
                    false => Ok(()),
                };
                if asked.is_err() || ADDED.load(Ordering::Relaxed) != added {
                    HELPER.take();
                    return asked.map(|()| None);
                }
                // It only takes long.
                limit *= 2;
            }
        }
    }
}

/// Finds out who is stuck.
fn ask_everybody() -> io::Result<()> {
    let pids = scan::pids()?.into_iter().filter(|&pid| !is_stuck(pid));
    let questions: Vec<Arc<Question>> = pids.map(Question::new).collect();
    let read = |question: &Arc<Question>| {
        let pid = question.pid;
        question.ask(|| {
            // The one takes the lock in every kernel, where it is not forbidden; the other in later ones.
            scan::same_table(pid, pid);
            let _ = rustix::fs::readlink(proc_path(pid, "exe"), Vec::new());
        });
        Some(())
    };
    let mut reading = Reading::start(questions.clone(), read, &ASKING, ASKING_AT_FIRST);
    let answers = reading.finish(&mut Patience::default());
    for (question, answer) in questions.iter().zip(answers) {
        if answer.is_none() {
            question.leave();
        }
    }
    if questions
        .iter()
        .any(|question| question.is_waiting() && !is_stuck(question.pid))
    {
        return Err(too_many());
    }
    Ok(())
}

fn too_many() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "too many processes are stuck on their way into another program, and keep back what they hold",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_an_answer_back_is_stuck_until_it_comes() {
        // No process has this number.
        let pid = u32::MAX - 1;
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = Arc::new(Mutex::new(receiver));
        let wait = move || receiver.lock().unwrap().recv().is_err();
        assert_eq!(ask(pid, wait), None);
        assert!(is_stuck(pid));
        assert_eq!(ask(pid, || true), None, "nobody else is left behind");
        drop(sender);
        while is_stuck(pid) {
            std::thread::yield_now();
        }
        assert_eq!(ask(pid, || true), Some(true));
    }

    #[test]
    fn work_that_only_takes_long_is_waited_for_and_its_panic_comes_through() {
        let work = || {
            std::thread::sleep(STALL * 2);
            Ok(7)
        };
        assert_eq!(aside(work).unwrap(), 7);
        let panics = || aside(|| -> io::Result<()> { panic!("as it should") });
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
