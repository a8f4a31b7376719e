//! A process that calls the library, in surroundings of its own: another user, another namespace, below a server.

use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Event, KillOptions, Target};

use super::answer::Answer;
use crate::fixture::linux::{signals, sockets, surroundings};
use crate::fixture::{Fixture, Params, Port, Role, say};

pub fn play(role: &str, params: &Params) -> bool {
    match role {
        "caller" => caller(params),
        "seed_call" => seed_call(params),
        "holder_calls_below" => holder_calls_below(params),
        "holder_calls" => {
            let _held = sockets::open_all(params);
            caller(params);
        }
        "pid_reuse" => pid_reuse(params),
        _ => return false,
    }
    true
}

/// The role that frees this target.
pub fn calling(target: impl ToString) -> Role {
    Fixture::role("caller").set("target", target)
}

/// Plays it, and returns what it answered.
pub fn answer(role: Role) -> Answer {
    Answer::from_caller(&role.start())
}

fn options(params: &Params) -> KillOptions {
    let mut options = KillOptions::new();
    if let Some(grace) = params.parse("grace") {
        options.grace(Duration::from_millis(grace));
    }
    if params.has("include_ancestors") {
        options.spare_ancestors(false);
    }
    options
}

/// Frees `target` (or `port`) with `grace` and `include_ancestors`, tells the answer, and ends.
fn caller(params: &Params) {
    let target: Target = params
        .parse("target")
        .unwrap_or_else(|| Target::from(params.port()));
    say(&format!("pid caller {}", std::process::id()));
    say("ready");
    Answer::of(&options(params).kill(target)).say();
}

/// Calls the seed's function, with a logger that tells.
fn seed_call(params: &Params) {
    struct Teller;
    impl log::Log for Teller {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            say(&format!("log {} {}", record.level(), record.args()));
        }
        fn flush(&self) {}
    }
    static TELLER: Teller = Teller;
    log::set_logger(&TELLER).expect("no logger yet");
    log::set_max_level(log::LevelFilter::Trace);
    say("ready");
    kill_port::kill_port(params.port());
    say("returned");
}

/// Holds the port; a child of a child of it calls.
fn holder_calls_below(params: &Params) {
    signals::block();
    let held = sockets::open_all(params);
    say(&format!("pid server {}", std::process::id()));
    signals::fork(|| {
        for fd in &held {
            // SAFETY: this process ends without using or closing them again.
            unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(fd)) };
        }
        signals::unblock();
        signals::fork(|| caller(params));
        signals::reap(true);
    });
    // Whoever is told to end, says so and goes.
    while !matches!(signals::take(None), Some(libc::SIGTERM)) {}
}

/// A child of the caller holds the port. Between the look and the signal it ends, and another child, which holds nothing, is
/// given its PID.
fn pid_reuse(params: &Params) {
    // The innocent process has to take signals from its first moment on.
    signals::block();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let server = signals::fork(|| {
        let _held = sockets::open_all(params);
        drop(writer);
        signals::pause_for_ever();
    });
    // The server holds the port when it has closed its end.
    std::io::Read::read(&mut &reader, &mut [0]).ok();
    say("ready");
    let mut innocent = None;
    let result = options(params).kill_with(params.port(), |event| {
        if let (Event::Try { .. }, None) = (event, innocent) {
            // SAFETY: `kill` takes two numbers; the process is a child that has not been waited for.
            unsafe { libc::kill(server as libc::pid_t, libc::SIGKILL) };
            signals::reap(true);
            let pid =
                surroundings::fork_with_pid(server, || while signals::take(None).is_some() {});
            match pid {
                Ok(pid) => innocent = Some(pid),
                Err(error) => say(&format!("no reuse: {error}")),
            }
        }
        ControlFlow::Continue(())
    });
    Answer::of(&result).say();
    if innocent == Some(server) {
        say("reused");
        // A signal that reached it would be told before this one is.
        // SAFETY: `kill` takes two numbers.
        unsafe { libc::kill(server as libc::pid_t, libc::SIGUSR1) };
    }
    signals::pause_for_ever();
}

/// What a caller in a role may be told about a port.
pub fn seed_call_on(port: &Port) -> Fixture {
    Fixture::role("seed_call").port(port).start()
}
