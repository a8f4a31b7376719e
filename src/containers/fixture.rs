//! Engines that are none, for the tests of the library and of the command: threads that serve a Unix socket.

// Two test programs share this, and neither uses all of it.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A folder that goes when the test does. Its path is short: a Unix socket's may have 100 bytes only.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "kp{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = Path::new("/tmp").join(name);
        std::fs::create_dir(&path).expect("a folder under /tmp");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server whose answer to a request line (`GET /path`) is made by a function. An empty answer means that it says
/// nothing and keeps the connection.
pub(crate) struct FakeEngine {
    folder: Folder,
    requests: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeEngine {
    pub(crate) fn new(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path().join("e.sock")).expect("a socket");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (log, end) = (Arc::clone(&requests), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut silent = Vec::new();
            for connection in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut connection) = connection else {
                    return;
                };
                let Some(request) = request_line(&mut connection) else {
                    continue;
                };
                log.lock().expect("the log").push(request.clone());
                let bytes = answer(&request);
                if bytes.is_empty() {
                    silent.push(connection);
                } else {
                    let _ = connection.write_all(&bytes);
                }
            }
        });
        Self {
            folder,
            requests,
            ended,
            thread: Some(thread),
        }
    }

    /// Answers `GET /containers/json` with this list and everything else with 204.
    pub(crate) fn listing(json: &'static str) -> Self {
        Self::new(move |request| {
            if request.starts_with("GET /containers/json") {
                ok(json)
            } else {
                b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
            }
        })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("e.sock")
    }

    /// The request lines so far, without the version.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("the log").clone()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread up.
        let _ = UnixStream::connect(self.folder.path().join("e.sock"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An answer with a length.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn request_line(connection: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(
        text.lines()
            .next()?
            .trim_end_matches(" HTTP/1.0")
            .to_owned(),
    )
}
