//! What lies in another process's memory: its command line.
//!
//! The kernel takes the lock of that memory for it, and a thread that waits for its storage may have that lock for as long as the storage
//! hangs. So it is read on a thread that can be left behind. The end of this process ends such a thread too: a wait for the lock
//! gives way to SIGKILL.
//!
//! All else that is read of a process does without that lock; the links `exe` and `cwd`, and `stat`, lie behind [another one](super::locked).

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::Patience;
use super::locked::{aside, keeps_back};
use super::process::{Handle, Whereabouts};
use super::stat::Stat;
use super::{files, process};
use crate::process::Process;

/// Everything about these processes that this user may read.
pub(crate) fn describe(of: &[&Handle], patience: &mut Patience) -> io::Result<Vec<Process>> {
    let places: Vec<Whereabouts> = of.iter().map(|handle| handle.whereabouts()).collect();
    let lines = Reading::start(places.clone(), read_line, &READERS, 1);
    let links = move || {
        let places = places.iter();
        let links = places.map(|place| (!keeps_back(place.pid)).then(|| Links::of(place)));
        Ok(links.collect::<Vec<_>>())
    };
    let links = aside(links)?;
    let described = of.iter().zip(links).zip(lines.finish(patience));
    let described = described.map(|((handle, links), line)| {
        let mut process = handle.describe();
        if let Some(links) = links {
            process.executable = links.executable;
            process.cwd = links.cwd;
        }
        process.command = line
            .map(|line| process::arguments(&line))
            .unwrap_or_default();
        process.name = process::whole_name(&process.name, &process);
        process
    });
    Ok(described.collect())
}

/// So much of a command line is read: as much as the kernel takes for one argument (`MAX_ARG_STRLEN`). A process may say of gigabytes that they
/// are its arguments (`PR_SET_MM_MAP` of prctl(2)).
const LONGEST: usize = 128 << 10;
/// So many readers that are stuck are left behind by one program. Then nothing of the kind is read any more.
pub(super) const MOST: usize = 64;
/// The readers that there are, in all calls together.
pub(super) static READERS: AtomicUsize = AtomicUsize::new(0);

type Queue<Q> = Arc<Mutex<std::iter::Enumerate<std::vec::IntoIter<Q>>>>;
type Read<Q, A> = fn(&Q) -> Option<A>;

/// The links that tell of a process.
struct Links {
    executable: Option<PathBuf>,
    cwd: Option<PathBuf>,
}

impl Links {
    fn of(place: &Whereabouts) -> Self {
        Self {
            executable: place.link("exe").map(process::without_deleted),
            cwd: place.link("cwd"),
        }
    }
}

fn read_line(place: &Whereabouts) -> Option<Vec<u8>> {
    files::beginning(place.open("cmdline").ok()?, LONGEST).ok()
}

/// Answers that are being read.
pub(super) struct Reading<Q, A> {
    queue: Queue<Q>,
    read: Read<Q, A>,
    /// The readers that there are, in all calls together.
    all_readers: &'static AtomicUsize,
    /// How many there are.
    count: usize,
    /// How many readers there were at first.
    at_first: usize,
    /// Whether there is a reader at all.
    is_begun: bool,
    /// The threads of the readers that were started last, and have begun.
    readers: Arc<Mutex<Vec<rustix::thread::Pid>>>,
    sender: Sender<(usize, Option<A>)>,
    answers: Receiver<(usize, Option<A>)>,
}

impl<Q: Send + 'static, A: Clone + Send + 'static> Reading<Q, A> {
    /// Begins with so many readers.
    pub(super) fn start(
        of: Vec<Q>,
        read: Read<Q, A>,
        all_readers: &'static AtomicUsize,
        at_first: usize,
    ) -> Self {
        let (sender, answers) = mpsc::channel();
        let mut reading = Self {
            count: of.len(),
            at_first,
            is_begun: false,
            queue: Arc::new(Mutex::new(of.into_iter().enumerate())),
            read,
            all_readers,
            readers: Arc::default(),
            sender,
            answers,
        };
        reading.is_begun = reading.start_readers(at_first);
        reading
    }

    /// What was read of each, without those that are stuck.
    pub(super) fn finish(mut self, patience: &mut Patience) -> Vec<Option<A>> {
        let mut answers: Vec<Option<A>> = vec![None; self.count];
        let mut at_once = self.at_first;
        let mut left = self.count;
        while left > 0 && self.is_begun {
            let limit = patience.for_one();
            match self.answers.recv_timeout(limit) {
                Ok((index, answer)) => {
                    left -= 1;
                    if let Some(place) = answers.get_mut(index) {
                        *place = answer;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    patience.spend(limit);
                    if self.is_hopeful() && patience.is_left() {
                        continue;
                    }
                    let is_begun_all = self.queue.lock().map_or(true, |queue| queue.len() == 0);
                    if is_begun_all {
                        break;
                    }
                    // Where many are stuck, more and more are met at a time.
                    at_once = (at_once * 2).min(MOST);
                    if !self.start_readers(at_once) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        answers
    }

    /// Whether a reader only waits for a processor, and will answer.
    fn is_hopeful(&self) -> bool {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.is_empty() || readers.iter().any(|&reader| is_runnable(reader))
    }

    /// Starts so many readers, at most; tells whether there is one.
    fn start_readers(&mut self, count: usize) -> bool {
        self.readers = Arc::default();
        let waiting = self.queue.lock().map_or(0, |queue| queue.len());
        let started = (0..count.min(waiting)).take_while(|_| self.start_reader());
        started.count() > 0
    }

    fn start_reader(&self) -> bool {
        let all_readers = self.all_readers;
        let is_room = all_readers.fetch_add(1, Ordering::Relaxed) < MOST;
        let (queue, sender, read) = (Arc::clone(&self.queue), self.sender.clone(), self.read);
        let readers = Arc::clone(&self.readers);
        let work = move || {
            let own = rustix::thread::gettid();
            let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push(own);
            drop(readers);
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((index, source)) = next else {
                    break;
                };
                // Whoever asked may have gone.
                let _ = sender.send((index, read(&source)));
            }
            all_readers.fetch_sub(1, Ordering::Relaxed);
        };
        let is_started = is_room && std::thread::Builder::new().spawn(work).is_ok();
        if !is_started {
            all_readers.fetch_sub(1, Ordering::Relaxed);
        }
        is_started
    }
}

/// Whether one of the own threads does not wait for anything but its turn.
pub(super) fn is_runnable(thread: rustix::thread::Pid) -> bool {
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    let stat = files::content_of(&path).and_then(|line| Stat::parse(&line));
    stat.is_some_and(|stat| stat.life.state == b'R')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_whose_memory_is_locked_cost_one_limit_together_and_hide_nobody_else() {
        // Each hundredth is left behind; the one in front is met alone.
        let lock = Arc::new(Mutex::new(()));
        let _held = lock.lock().unwrap();
        let of: Vec<Option<Arc<Mutex<()>>>> = (0..2000)
            .map(|number| (number % 100 == 0).then(|| Arc::clone(&lock)))
            .collect();
        let read = |stuck: &Option<Arc<Mutex<()>>>| {
            if let Some(lock) = stuck {
                drop(lock.lock());
            }
            Some(b"line".to_vec())
        };
        let mut patience = Patience::default();
        static READERS: AtomicUsize = AtomicUsize::new(0);
        let lines = Reading::start(of, read, &READERS, 1).finish(&mut patience);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line.is_some(), number % 100 != 0, "{number}");
        }
    }

    #[test]
    fn the_own_command_line_and_links_are_read() {
        let own = Handle::open(std::process::id()).unwrap().unwrap();
        let process = &describe(&[&own], &mut Patience::default()).unwrap()[0];
        assert!(
            process
                .command
                .iter()
                .eq(std::env::args_os().collect::<Vec<_>>().iter())
        );
        assert_eq!(process.cwd, std::env::current_dir().ok());
        assert_eq!(process.executable, std::env::current_exe().ok());
    }
}
