//! Two commands at once: neither takes the other for somebody who holds the port.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::run;
use crate::fixture::{Fixture, Folder, Port};

/// A bounded number: one in a thousand of these once went wrong.
const ROUNDS: usize = 60;

/// Runs `beside` again and again while a port is freed that nobody holds.
fn beside(beside: &str) {
    let port = Port::claim();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                // Whoever was signalled has no exit code.
                run(&format!("{beside} {port}")).exits(0).has_no_complaint();
                count += 1;
            }
            count
        });
        let rounds = scope.spawn(|| {
            for _ in 0..ROUNDS {
                run(&port.to_string())
                    .exits(0)
                    .has_no_complaint()
                    .prints(&format!("{port}: free already"));
            }
        });
        let rounds = rounds.join();
        is_over.store(true, Ordering::Relaxed);
        assert!(others.join().expect("nobody was signalled") > 0);
        rounds.expect("it is free each time");
    });
}

#[test]
fn a_port_is_free_each_time_while_others_ask_why_and_nobody_is_signalled() {
    beside("--why");
}

#[test]
fn a_port_is_free_each_time_while_others_free_it_too_and_nobody_is_signalled() {
    beside("-f");
}

#[test]
fn a_port_is_free_each_time_while_others_try_what_freeing_would_do() {
    beside("-n");
}

#[test]
fn who_was_just_told_to_end_by_another_is_not_said_to_hold_the_port() {
    let home = Folder::new();
    let folder = home.path().to_str().expect("a plain path");
    for _ in 0..ROUNDS / 3 {
        let port = Port::claim();
        let server = Fixture::role("server").port(&port).cwd(folder).start();
        std::thread::scope(|scope| {
            for options in ["", "", "-n"] {
                let (folder, port) = (&folder, &port);
                scope.spawn(move || {
                    run(&format!("{options} --in {folder} {port}"))
                        .exits(0)
                        .has_no_complaint();
                });
            }
        });
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
}
