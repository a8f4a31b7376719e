//! Processes that are on their way into another program and don't arrive: execve(2) closes what is to be closed, and the storage of one of
//! these files hangs.
//!
//! So long the kernel keeps a lock (`exec_update_lock`) that it also takes to compare or to borrow descriptors, to tell what a thread waits
//! in, and, in later kernels, where a link below `/proc/PID` leads and what `stat` says. Such a wait gives way to SIGKILL alone. So all of that is
//! asked on threads that can be left behind; the end of this program ends them. Nobody can tell what such a process holds: it counts as closed
//! to the caller, until a thread that was left behind with a question has its answer.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use super::super::Patience;
use super::memory::{MOST, READERS, Reading};
use super::process::{caller, proc_path};
use super::{files, scan};

/// Those with whom threads were left behind, once for each.
static STUCK: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// How many that are, for those who only want to know that there is none.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// How often somebody was added.
static ADDED: AtomicUsize = AtomicUsize::new(0);
/// The threads that ask one process each.
static ASKING: AtomicUsize = AtomicUsize::new(0);
/// The process to which all these threads belong: a child that was made by fork(2) has the numbers and not the threads.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// After this long without an answer everybody is asked who keeps it back.
const STALL: Duration = Duration::from_millis(100);
/// So often that is tried without a thread for it, and after twice as long each time: more than six seconds.
const FRUITLESS: u32 = 6;
/// So many at first: as many may be stuck without another wait.
const ASKING_AT_FIRST: usize = 8;

thread_local! {
    /// Whether this thread can be left behind.
    static IS_ASIDE: Cell<bool> = const { Cell::new(false) };
    /// The calls that this thread is in.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// What the thread aside of this one takes its work from, if it is there and not left behind.
    static HELPER: Cell<Option<Sender<Job>>> = const { Cell::new(None) };
}

/// As long as a call lives, the thread aside is kept from one question to the next. It is as the caller was then: in its namespaces, with its
/// rights.
pub(super) struct Call(PhantomData<*const ()>);

impl Call {
    pub(super) fn begin() -> Self {
        let own = caller();
        let before = OWNER.swap(own, Ordering::SeqCst);
        if before != own && before != 0 {
            // Its end is nobody's, and may be locked for ever.
            std::mem::forget(HELPER.take());
            stuck().clear();
            for count in [&COUNT, &ASKING, &READERS] {
                count.store(0, Ordering::SeqCst);
            }
        }
        CALLS.set(CALLS.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.set(CALLS.get() - 1);
        if CALLS.get() == 0 {
            HELPER.take();
        }
    }
}

fn stuck() -> MutexGuard<'static, Vec<u32>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process is known to keep back what is asked of it. See the contract in `sys`.
pub(crate) fn keeps_back(pid: u32) -> bool {
    COUNT.load(Ordering::SeqCst) > 0 && stuck().contains(&pid)
}

/// What one process is asked, which it may keep back.
struct Question {
    pid: u32,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const ASKED: u8 = 1;
const ANSWERED: u8 = 2;
const LEFT: u8 = 3;

impl Question {
    fn new(pid: u32) -> Arc<Self> {
        Arc::new(Self {
            pid,
            state: AtomicU8::new(WAITING),
        })
    }

    /// Asks, unless another thread was left behind with that meanwhile.
    fn ask(&self, work: impl FnOnce()) {
        if keeps_back(self.pid) {
            return;
        }
        self.state.store(ASKED, Ordering::SeqCst);
        work();
        let mut stuck = stuck();
        if self.state.swap(ANSWERED, Ordering::SeqCst) == LEFT {
            if let Some(at) = stuck.iter().position(|&pid| pid == self.pid) {
                stuck.swap_remove(at);
            }
            COUNT.store(stuck.len(), Ordering::SeqCst);
        }
    }

    /// Notes that there was no answer in time, if that is so: it may just have come.
    fn leave(&self) {
        let mut stuck = stuck();
        if self.state.load(Ordering::SeqCst) != ASKED {
            return;
        }
        self.state.store(LEFT, Ordering::SeqCst);
        stuck.push(self.pid);
        COUNT.store(stuck.len(), Ordering::SeqCst);
        ADDED.fetch_add(1, Ordering::SeqCst);
        drop(stuck);
        log::info!(target: "kill_port", "process {} keeps back what it holds; it may be on its way into another program", self.pid);
    }

    /// Whether nobody has asked it yet, nor another question of this process.
    fn is_open(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WAITING && !keeps_back(self.pid)
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Begins this on the thread that is aside of the calling one, and returns where its answer comes. `None`: no thread can be started.
fn begin<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<Receiver<std::thread::Result<T>>> {
    let (sender, answer) = mpsc::channel();
    let job = move || {
        // Whoever asked may have gone.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    let helper = match HELPER.take() {
        Some(helper) => helper,
        None => start_helper()?,
    };
    helper.send(Box::new(job)).ok()?;
    if CALLS.get() > 0 {
        HELPER.set(Some(helper));
    }
    Some(answer)
}

/// A thread that does one job after the other, for as long as there may be another.
fn start_helper() -> Option<Sender<Job>> {
    let (helper, jobs) = mpsc::channel::<Job>();
    let run = move || {
        IS_ASIDE.set(true);
        jobs.into_iter().for_each(|job| job());
    };
    let name = "kill_port aside".to_owned();
    Builder::new().name(name).spawn(run).ok()?;
    Some(helper)
}

/// What is told by one process, or nothing if it keeps that back.
///
/// # Errors
/// Those of [`aside`].
pub(super) fn ask<T: Send + 'static>(
    pid: u32,
    work: impl Fn() -> T + Send + Sync + 'static,
) -> io::Result<Option<T>> {
    aside(move || Ok((!keeps_back(pid)).then(&work)))
}

/// Does work that asks processes, each of whom may keep its answer back: then it is left behind and done again without them. The work
/// has to leave out who [keeps it back](keeps_back). Work that only takes long is waited for.
///
/// # Errors
/// Those of the work. Or so many keep their answers back that no more threads are left behind, or nobody finds out who it is.
pub(super) fn aside<T: Send + 'static>(
    work: impl Fn() -> io::Result<T> + Send + Sync + 'static,
) -> io::Result<T> {
    if IS_ASIDE.get() {
        return work();
    }
    let work = Arc::new(work);
    while COUNT.load(Ordering::SeqCst) < MOST {
        let added = ADDED.load(Ordering::SeqCst);
        let task = Arc::clone(&work);
        let Some(answer) = begin(move || task()) else {
            return work();
        };
        let is_known = || ADDED.load(Ordering::SeqCst) != added;
        if let Some(answer) = wait(&answer, is_known, ask_everybody)? {
            return answer.unwrap_or_else(|panic| resume_unwind(panic));
        }
        HELPER.take();
    }
    let text = "too many processes are stuck on their way into another program, and keep back what they hold";
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// The answer, or nothing if it won't come: somebody keeps it back who was not known before.
fn wait<T>(
    answer: &Receiver<T>,
    is_known: impl Fn() -> bool,
    ask_everybody: impl Fn() -> bool,
) -> io::Result<Option<T>> {
    let (mut limit, mut fruitless) = (STALL, 0);
    loop {
        match answer.recv_timeout(limit) {
            Ok(answer) => return Ok(Some(answer)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if is_known() {
            return Ok(None);
        }
        let all_were_asked = ask_everybody();
        if is_known() {
            return Ok(None);
        }
        if !all_were_asked {
            fruitless += 1;
            if fruitless == FRUITLESS {
                let text = "somebody keeps back what it holds, and no thread can be started to find out who";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
        limit *= 2;
    }
}

/// Finds out who is stuck. Tells whether all were asked.
fn ask_everybody() -> bool {
    let Ok(pids) = scan::pids() else {
        return false;
    };
    let pids = pids.into_iter().filter(|&pid| !keeps_back(pid));
    let questions: Vec<Arc<Question>> = pids.map(Question::new).collect();
    let read = |question: &Arc<Question>| {
        let pid = question.pid;
        question.ask(|| {
            // For the wait alone: whoever may not read it waits first as well.
            let _ = files::content_of(&proc_path(pid, "syscall"));
            // On a processor for which there is no such file.
            scan::same_table(pid, pid);
        });
        Some(())
    };
    let reading = Reading::start(questions.clone(), read, &ASKING, ASKING_AT_FIRST);
    let answers = reading.finish(&mut Patience::default());
    if answers.iter().any(Option::is_none) {
        // Who only waited for a processor answers by then.
        std::thread::sleep(STALL);
    }
    for question in &questions {
        question.leave();
    }
    !questions.iter().any(|question| question.is_open())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_an_answer_back_is_stuck_until_it_comes() {
        // No process has this number.
        let pid = u32::MAX - 1;
        let question = Question::new(pid);
        question.leave();
        assert!(!keeps_back(pid), "nobody has been asked");
        question.ask(|| {
            question.leave();
            assert!(keeps_back(pid));
            assert_eq!(ask(pid, || true).unwrap(), None);
            assert!(!Question::new(pid).is_open());
        });
        assert!(!keeps_back(pid));
        question.leave();
        assert!(!keeps_back(pid), "the answer has come");
        assert_eq!(ask(pid, || true).unwrap(), Some(true));
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

    #[test]
    fn twenty_calls_that_take_long_at_once_all_have_their_answers() {
        let call = || {
            aside(|| {
                std::thread::sleep(STALL * 4);
                Ok(7)
            })
        };
        let calls: Vec<_> = (0..20).map(|_| std::thread::spawn(call)).collect();
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap(), 7);
        }
    }

    #[test]
    fn where_nobody_can_be_asked_work_that_only_takes_long_is_waited_for_and_not_for_ever() {
        let (sender, answer) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (_keep, never) = mpsc::channel::<u8>();
                assert!(wait(&never, || false, || false).is_err());
            });
            let late = || {
                std::thread::sleep(STALL * 4);
                sender.send(7)
            };
            scope.spawn(late);
            assert_eq!(wait(&answer, || false, || false).unwrap(), Some(7));
        });
    }

    #[test]
    fn a_call_keeps_its_thread_and_takes_it_along() {
        let aside = || aside(|| Ok(std::thread::current().id())).unwrap();
        let own = Call::begin();
        let first = aside();
        let inner = Call::begin();
        assert_eq!(first, aside());
        drop(inner);
        assert_eq!(first, aside());
        drop(own);
        assert_ne!(first, aside());
    }
}
