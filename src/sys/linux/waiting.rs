//! Threads that wait for a connection or a datagram on a descriptor which was closed meanwhile. Closing does not wake them, and as long as
//! they wait, the kernel keeps the socket for them, to which no descriptor leads any more.

use std::time::{Duration, Instant};

use super::locked::{aside, keeps_back};
use super::scan::{pids, socket_in};
use crate::protocol::Protocol;

/// How long the look at all threads may take.
const LIMIT: Duration = Duration::from_millis(500);

/// The processes that have such a thread, as far as this user may see what threads wait in. Which socket it is, nothing tells.
pub(crate) fn waiting_on_closed(protocol: Protocol) -> Vec<u32> {
    let begun = Instant::now();
    let search = move || {
        let pids = pids()?.into_iter();
        let found = pids.filter(|&pid| !keeps_back(pid) && has_one(pid, protocol, begun));
        Ok(found.collect())
    };
    // It is a guess, with or without an error.
    aside(search).unwrap_or_default()
}

/// Whether it has one of which that could be told in time.
fn has_one(pid: u32, protocol: Protocol, begun: Instant) -> bool {
    if begun.elapsed() >= LIMIT {
        return false;
    }
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let mut threads = threads.take_while(|_| begun.elapsed() < LIMIT);
    threads.any(|thread| {
        let Ok(thread) = thread.map(|thread| thread.path()) else {
            return false;
        };
        let Ok(line) = std::fs::read_to_string(thread.join("syscall")) else {
            return false;
        };
        let Some(descriptor) = waits_on(&line, protocol) else {
            return false;
        };
        // Another may have its number by now.
        let link = std::fs::read_link(thread.join(format!("fd/{descriptor}")));
        match link {
            Ok(link) => socket_in(link.as_os_str().as_encoded_bytes()).is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    })
}

/// The descriptor in a line of `/proc/PID/task/TID/syscall`, if the call is one that waits like this.
fn waits_on(line: &str, protocol: Protocol) -> Option<u32> {
    let mut words = line.split_ascii_whitespace();
    let call = words.next()?.parse().ok()?;
    let first = words.next()?.strip_prefix("0x")?;
    calls(protocol)
        .contains(&call)
        .then(|| u32::from_str_radix(first, 16).ok())?
}

/// Elsewhere there may be one call for all that is done with sockets.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn calls(protocol: Protocol) -> &'static [libc::c_long] {
    match protocol {
        Protocol::Tcp => &[libc::SYS_accept, libc::SYS_accept4],
        Protocol::Udp => &[libc::SYS_recvfrom, libc::SYS_recvmsg, libc::SYS_recvmmsg],
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn calls(_: Protocol) -> &'static [libc::c_long] {
    &[]
}

#[cfg(test)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_a_connection_is_told_from_other_calls() {
        let accept = format!(
            "{} 0x7 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f00\n",
            libc::SYS_accept
        );
        assert_eq!(waits_on(&accept, Protocol::Tcp), Some(7));
        assert_eq!(waits_on(&accept, Protocol::Udp), None);
        for line in [
            "running\n",
            "",
            "-1 0x7ffc 0x7f00\n",
            "43\n",
            "43 7\n",
            "43 0xx\n",
        ] {
            assert_eq!(waits_on(line, Protocol::Tcp), None, "{line}");
        }
    }
}
