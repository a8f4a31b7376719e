//! A process that calls the library, in surroundings of its own: another user, another namespace, below a server.

use std::ops::ControlFlow;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use kill_port::{Event, Include, KillOptions, Target};

use super::answer::Answer;
use crate::fixture::linux::server::Manner;
use crate::fixture::linux::{server, signals, sockets, surroundings};
use crate::fixture::{Fixture, Flag, Params, Port, Role, RoleKind, Takes, introduce, say, takes};

pub const ROLES: &[RoleKind] = &[
    RoleKind::new("caller", &[CALL, takes![port: u16]], caller),
    RoleKind::new("seed_call", &[takes![port: u16]], seed_call),
    RoleKind::new(
        "holder_calls_below",
        &[CALL, sockets::TAKES, HOLD],
        holder_calls_below,
    ),
    RoleKind::new("holder_calls", &[CALL, sockets::TAKES, HOLD], |params| {
        signals::block();
        let _held = open_moved(params);
        caller(params);
    }),
    RoleKind::new(
        "ancestor_beyond_root",
        &[
            CALL,
            sockets::TAKES,
            takes![hidden: String, stay_root: Flag],
        ],
        ancestor_beyond_root,
    ),
    RoleKind::new("pid_reuse", &[CALL, sockets::TAKES], pid_reuse),
];

/// What [`caller`] takes, and a `port`.
const CALL: &[Takes] = takes![
    target: Target,
    grace: u64,
    plan: Flag,
    foresee: Flag,
    include_ancestors: Flag,
    within: std::path::PathBuf,
];

/// What [`open_moved`] takes besides its sockets.
const HOLD: &[Takes] = takes![
    near: Flag,
    near_on_term: Manner,
    stop: Flag,
    fd: RawFd,
];

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
    if let Some(grace) = params.get("grace") {
        options = options.grace(Duration::from_millis(grace));
    }
    if let Some(folder) = params.get::<std::path::PathBuf>("within") {
        options = options.within(folder);
    }
    if params.has("include_ancestors") {
        options = options.include(Include::Ancestors);
    }
    options
}

/// Frees `target` (or `port`), or with `plan` tells what that would come to, with `grace` and `include_ancestors`, tells the answer, and
/// ends. With `foresee` it tells what it would come to, and then frees it.
fn caller(params: &Params) {
    let target: Target = params
        .get("target")
        .unwrap_or_else(|| Target::from(params.port()));
    introduce("caller");
    say("ready");
    if params.has("plan") {
        return Answer::of_plan(&options(params).plan(target)).say();
    }
    if params.has("foresee") {
        Answer::of_plan(&options(params).plan(target)).say_foreseen();
    }
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

/// Holds the port; a child of a child of it calls. With `fd` it has the socket on that descriptor; with `near` an unrelated process has
/// it as well, among its lowest descriptors.
fn holder_calls_below(params: &Params) {
    signals::block();
    let held = open_moved(params);
    introduce("server");
    signals::fork(|| {
        close_all(&held);
        signals::unblock();
        signals::fork(|| caller(params));
        signals::reap(true);
    });
    // Whoever is told to end, says so and goes.
    while !matches!(signals::take(None), Some(libc::SIGTERM)) {}
}

/// Opens the sockets, gives them to the `near` process, if there is to be one, and then moves the first to the descriptor `fd`.
fn open_moved(params: &Params) -> Vec<OwnedFd> {
    let mut held = sockets::open_all(params);
    if params.has("near") {
        near(params, &held);
    }
    sockets::move_first(&mut held, params);
    held
}

/// A process that is nobody's child here and holds the same sockets. It tells of signals and stays.
fn near(params: &Params, held: &[OwnedFd]) {
    signals::fork(|| {
        let pid = signals::fork(|| {
            let copies = held.iter().map(|fd| fd.try_clone().expect("dup")).collect();
            server::serve(params, "near_on_term", copies, "near ready");
        });
        say(&format!("pid near {pid}"));
    });
    signals::reap(true);
}

fn close_all(held: &[OwnedFd]) {
    for fd in held {
        // SAFETY: this process ends without using or closing them again.
        unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(fd)) };
    }
}

/// An unprivileged process that holds the port, a child of it that belongs to root, and below that a caller of the holder's user,
/// to whom `hidepid` (as `hidden` says) hides the one between. With `stay_root` the holder belongs to root as well.
fn ancestor_beyond_root(params: &Params) {
    signals::block();
    let held = sockets::open_all(params);
    introduce("server");
    let (changed, tell) = std::io::pipe().expect("a pipe");
    signals::fork(|| {
        close_all(&held);
        signals::unblock();
        // The other has changed its user when it has written.
        std::io::Read::read_exact(&mut &changed, &mut [0]).expect("a word from the holder");
        signals::fork(|| {
            let mut own = Params::of("caller");
            own.set("hidepid", params.or("hidden", "2".to_owned()));
            own.set("uid", 65534);
            surroundings::enter(&own);
            caller(params);
        });
        signals::reap(true);
    });
    if !params.has("stay_root") {
        // The kernel still names root as the one who made it, which would speak for a holder among root's processes.
        for socket in &held {
            sockets::give_to(socket, 65534);
        }
        surroundings::become_user(65534, true);
    }
    std::io::Write::write_all(&mut &tell, b"!").expect("a word to the caller");
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
