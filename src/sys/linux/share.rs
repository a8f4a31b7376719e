//! Shares the look at many processes between the cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::scan::{Proc, Scanner};
use crate::socket::SocketId;

/// Below this many processes a second thread costs more than it saves: starting one takes about as long as looking at the
/// lowest descriptors of 50 processes.
pub(super) const ENOUGH: usize = 128;
/// How many processes a thread takes at a time.
const BLOCK: usize = 16;
/// More threads than this only get into each other's way in the kernel's locks.
const MOST: usize = 8;

/// Calls `work` for each process, in no order, and collects what it returns.
pub(super) fn share<T: Send>(
    proc: &Proc,
    pids: &[u32],
    wanted: &[SocketId],
    work: impl Fn(&mut Scanner<'_>, u32) -> Option<T> + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let run = || {
        let mut scanner = Scanner::new(proc, wanted);
        loop {
            let start = next.fetch_add(BLOCK, Ordering::Relaxed);
            let Some(rest) = pids.get(start..) else {
                return;
            };
            for &pid in rest.iter().take(BLOCK) {
                if let Some(one) = work(&mut scanner, pid) {
                    // A thread that panicked has left nothing half done here.
                    found
                        .lock()
                        .unwrap_or_else(|error| error.into_inner())
                        .push(one);
                }
            }
        }
    };
    let threads = if pids.len() < ENOUGH { 1 } else { cores() };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Without another thread, the work is done by those that there are.
            let _ = thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    found
        .into_inner()
        .unwrap_or_else(|error| error.into_inner())
}

/// The cores that this process may use. The standard library's count also reads control groups, which takes longer.
fn cores() -> usize {
    let allowed = rustix::thread::sched_getaffinity(None);
    allowed.map_or(1, |set| set.count() as usize).clamp(1, MOST)
}
