//! The way to a container engine: a Unix socket, or a named pipe on Windows. Every wait has an end.
//!
//! Only the standard library is used here, which offers no deadline for connecting to a Unix socket (it blocks while the
//! engine's backlog is full) and none at all for a pipe. So each conversation has a thread of its own, and whoever waits
//! for it stops waiting at the deadline. A thread that hangs in the system ends when the engine does.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::http::{self, HttpError, Response};
use crate::container::Endpoint;
use crate::sys::Task;

/// Answers to many questions, a few at a time and all of them before one deadline. `None` for those that came too late.
pub(super) fn answers<Q, A>(
    questions: Vec<Q>,
    at_once: usize,
    limit: Duration,
    ask: fn(&Q, Instant) -> A,
) -> Vec<Option<A>>
where
    Q: Send + 'static,
    A: Send + 'static,
{
    let count = questions.len();
    let queue = Arc::new(Mutex::new(questions.into_iter().enumerate()));
    let (sender, receiver) = mpsc::channel();
    let workers: Vec<Task<()>> = (0..at_once.min(count))
        .map(|_| {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            Task::start(limit, move |deadline| {
                while Instant::now() < deadline {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((index, question)) = next else {
                        return;
                    };
                    if sender.send((index, ask(&question, deadline))).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(sender);
    for worker in &workers {
        worker.finish();
    }
    let mut answers: Vec<Option<A>> = (0..count).map(|_| None).collect();
    for (index, answer) in receiver.try_iter() {
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answer);
        }
    }
    answers
}

/// One question and its answer. Blocks, so it belongs into a [`Task`].
pub(super) fn request(
    endpoint: &Endpoint,
    method: &str,
    path: &str,
    deadline: Instant,
) -> Result<Response, HttpError> {
    let mut stream = Stream {
        inner: connect(endpoint, deadline)?,
        deadline,
    };
    http::exchange(&mut stream, method, path)
}

/// A connection whose reads and writes end at the deadline, where the system can do that.
struct Stream {
    inner: Connection,
    deadline: Instant,
}

impl Stream {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

/// A read timeout shows as `WouldBlock` on Unix.
fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        limit_read(&self.inner, left)?;
        self.inner.read(buffer).map_err(as_timeout)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        limit_write(&self.inner, left)?;
        self.inner.write(bytes).map_err(as_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(unix)]
type Connection = std::os::unix::net::UnixStream;

#[cfg(unix)]
fn connect(endpoint: &Endpoint, _deadline: Instant) -> io::Result<Connection> {
    match endpoint {
        Endpoint::Unix(path) => Connection::connect(path),
        Endpoint::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(unix)]
fn limit_read(connection: &Connection, left: Duration) -> io::Result<()> {
    unless_closed(connection.set_read_timeout(Some(left)))
}

#[cfg(unix)]
fn limit_write(connection: &Connection, left: Duration) -> io::Result<()> {
    unless_closed(connection.set_write_timeout(Some(left)))
}

/// macOS takes no options any more once the other end has closed its socket, as an engine does after its answer. What it said is still
/// to be read, and nothing waits after that.
#[cfg(unix)]
fn unless_closed(limited: io::Result<()>) -> io::Result<()> {
    match limited {
        Err(error) if cfg!(target_os = "macos") && error.kind() == io::ErrorKind::InvalidInput => {
            Ok(())
        }
        limited => limited,
    }
}

#[cfg(not(unix))]
type Connection = std::fs::File;

#[cfg(windows)]
fn connect(endpoint: &Endpoint, deadline: Instant) -> io::Result<Connection> {
    use std::os::windows::fs::OpenOptionsExt;

    /// All instances of the pipe are taken at the moment.
    const ERROR_PIPE_BUSY: i32 = 231;
    /// The server at the other end may learn who we are, and may not act in our name.
    const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;

    let Endpoint::Pipe(path) = endpoint else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    loop {
        let opened = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .security_qos_flags(SECURITY_IDENTIFICATION)
            .open(path);
        match opened {
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                if Instant::now() >= deadline {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

#[cfg(not(any(unix, windows)))]
fn connect(_endpoint: &Endpoint, _deadline: Instant) -> io::Result<Connection> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn limit_read(_connection: &Connection, _left: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn limit_write(_connection: &Connection, _left: Duration) -> io::Result<()> {
    Ok(())
}
