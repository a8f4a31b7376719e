//! A signal reaches the process that was looked at, or nobody: line 11.

use super::answer::Answer;
use crate::fixture::linux::root_or_skip;
use crate::fixture::{Fixture, Port, skip};

/// The PID of the holder is given to another process between the look and the signal.
fn the_next_owner_of_the_pid_is_not_signalled(no_pidfd: u8) {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let caller = Fixture::role("pid_reuse")
        .port(&port)
        .set("pidns", 1)
        .set("no_pidfd", no_pidfd)
        .start();
    let answer = Answer::from_caller(&caller);
    if let Some(why) = caller.words("no reuse: ").first() {
        return skip(why);
    }
    caller.wait_line("reused");
    caller.wait_line("got SIGUSR1");
    assert!(answer.free, "{answer:#?}");
    assert_eq!(caller.count("got SIGTERM"), 0, "{:#?}", caller.lines());
    assert!(
        answer.holders.iter().all(|told| told.signals.is_empty()),
        "{answer:#?}"
    );
}

#[test]
fn the_next_owner_of_a_pid_is_not_signalled() {
    the_next_owner_of_the_pid_is_not_signalled(0);
}

#[test]
fn the_next_owner_of_a_pid_is_not_signalled_without_pidfds_either() {
    the_next_owner_of_the_pid_is_not_signalled(1);
}
