//! Processes and connections that come and go beside it all. A process that is sent a signal by mistake, because it has got the PID of
//! one that ended, ends by it, and that is told.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use kill_port_fixture::linux::signals;
use kill_port_fixture::{Params, RoleKind, say, takes};

use crate::dice::Dice;

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "churn",
    &[takes![seed: u64, pause_us: u64]],
    churn,
)];

/// How many processes are told of in one line.
const BATCH: u64 = 500;

/// Starts a process every `pause_us` microseconds, for ever. Says how often the PIDs have wrapped, and how many connections were made.
fn churn(params: &Params) {
    let mut dice = Dice::of(params.or("seed", 0_u64), u64::MAX);
    let pause = Duration::from_micros(params.or("pause_us", 1000));
    let (mut wraps, mut connections, mut last) = (0_u64, 0_u64, 0);
    say("ready");
    for started in 1_u64.. {
        let conduct = dice.below(20);
        let time = Duration::from_millis(dice.below(80) as u64);
        match fork(|| live(conduct, time)) {
            Ok(pid) => {
                wraps += u64::from(pid < last);
                last = pid;
                connections += u64::from(conduct == 0);
            }
            // All PIDs are taken, for a moment.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
        reap();
        if started.is_multiple_of(BATCH) {
            say(&format!(
                "{BATCH} started, {wraps} wraps, {connections} connections"
            ));
            (wraps, connections) = (0, 0);
        }
        std::thread::sleep(pause);
    }
}

fn fork(child: impl FnOnce()) -> io::Result<u32> {
    // SAFETY: this process has one thread, so the child may do anything; it ends without going on to what its parent does.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            child();
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid as u32),
    }
}

/// What one of them does in its time. A failure for want of ports or PIDs is none.
fn live(conduct: usize, time: Duration) {
    match conduct {
        // A server and its client.
        0 => {
            let Ok(listener) = TcpListener::bind("127.0.0.1:0") else {
                return;
            };
            let to = listener.local_addr().expect("an address");
            let Ok(_client) = TcpStream::connect(to) else {
                return;
            };
            let _server = listener.accept();
            std::thread::sleep(time);
        }
        1 => {
            let _held = (UdpSocket::bind("127.0.0.1:0"), TcpListener::bind("[::]:0"));
            std::thread::sleep(time);
        }
        // One that nobody waits for but PID 1.
        2 => {
            let _ = fork(|| std::thread::sleep(time));
        }
        3..8 => std::thread::sleep(time),
        // One that has a socket of the system's own, which is where others look who holds what.
        8 => {
            let _ = std::os::unix::net::UnixDatagram::unbound();
        }
        _ => {}
    }
}

/// All that have ended.
fn reap() {
    let mut status = 0;
    loop {
        // SAFETY: the status lives through the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return;
        }
        if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
            say(&format!("wounded {pid} status {status:#x}"));
        }
    }
}

/// So that a role of this program may do the same.
pub fn idle() -> u32 {
    signals::fork(|| signals::pause_for_ever())
}
