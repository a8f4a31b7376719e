//! A signal goes to whom the rules allowed, by identity, at the moment of sending: nobody else is touched.

use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Event, KillOptions, Obstacle, Plan, SparedReason};

use super::answer::{Answer, kill};
use crate::fixture::linux::{
    lists_bound_or_skip, proc, root_or_skip, signals, sockets, surroundings,
};
use crate::fixture::{Fixture, Flag, Params, Port, RoleKind, introduce, say, skip, takes};

pub const ROLES: &[RoleKind] = &[
    RoleKind::new(
        "ancestor_beyond_hidden",
        &[sockets::TAKES, takes![hidden: String, apart: Flag]],
        ancestor_beyond_hidden,
    ),
    RoleKind::new("tree_pid_reuse", &[sockets::TAKES], tree_pid_reuse),
];

const USER: u32 = 65534;

/// Below the leader of the session, a process of an unprivileged user that holds the port; below that one of root's, as sudo is, and
/// below that a caller of the holder's user, to whom `hidepid` (as `hidden` says) hides the one between. With `apart` root's process
/// leads a session of its own, as sudo does with a terminal of its own.
fn ancestor_beyond_hidden(params: &Params) {
    signals::block();
    signals::fork(|| {
        let held = sockets::open_all(params);
        introduce("server");
        let (mut changed, mut tell) = std::io::pipe().expect("a pipe");
        signals::fork(|| {
            for socket in &held {
                // SAFETY: this process ends without using or closing it again.
                unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(socket)) };
            }
            signals::unblock();
            changed
                .read_exact(&mut [0])
                .expect("a word from the holder");
            if params.has("apart") {
                // SAFETY: `setsid` takes nothing.
                unsafe { libc::setsid() };
                say(&format!("group {}", std::process::id()));
            }
            signals::fork(|| call_out_of_sight(params));
            signals::reap(true);
        });
        // The kernel still names root as the one who made it, which would speak for a holder among root's processes.
        for socket in &held {
            sockets::give_to(socket, USER);
        }
        surroundings::become_user(USER, true);
        tell.write_all(b"!").expect("a word to the caller");
        while !matches!(signals::take(None), Some(libc::SIGTERM)) {}
    });
    signals::reap(true);
}

fn call_out_of_sight(params: &Params) {
    let mut own = Params::of("caller");
    own.set("hidepid", params.or("hidden", "2".to_owned()));
    own.set("uid", USER);
    surroundings::enter(&own);
    introduce("caller");
    say("ready");
    kill(KillOptions::new(), &params.port().to_string()).say();
}

/// The caller, with `--tree`, of a holder with a child. When both have been looked at they end, and strangers are given their PIDs:
/// another parent with another child.
fn tree_pid_reuse(params: &Params) {
    // Strangers have to take signals from their first moment on.
    signals::block();
    // Whoever loses its parent is this process's child.
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let server = signals::fork(|| {
        let _held = sockets::open_all(params);
        let child = signals::fork(|| signals::pause_for_ever());
        writer.write_all(&child.to_ne_bytes()).expect("write");
        signals::pause_for_ever();
    });
    let mut child = [0; 4];
    reader.read_exact(&mut child).expect("the child's PID");
    let child = u32::from_ne_bytes(child);
    say("ready");
    let mut reused = false;
    let mut told: Vec<u32> = Vec::new();
    let result = KillOptions::new()
        .tree(true)
        .kill_with(params.port(), |event| {
            match event {
                Event::Try { number: 1, .. } if !reused => {
                    reused = replace(server, child);
                }
                Event::Signalled { process, .. } => told.push(process.pid),
                _ => {}
            }
            ControlFlow::Continue(())
        });
    Answer::of(&result).say();
    if reused {
        say(&format!("told {told:?}"));
        say("reused");
        for pid in [server, child] {
            // A signal that reached it before would be told before this one is.
            // SAFETY: `kill` takes two numbers.
            unsafe { libc::kill(pid as libc::pid_t, libc::SIGUSR1) };
        }
    }
    signals::pause_for_ever();
}

fn replace(server: u32, child: u32) -> bool {
    for pid in [server, child] {
        // SAFETY: `kill` takes two numbers; nobody has waited for these processes.
        unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
        signals::reap(true);
    }
    let stay = || while signals::take(None).is_some() {};
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let made = surroundings::fork_with_pid(server, || {
        let made = surroundings::fork_with_pid(child, stay);
        let _ = writer.write_all(&[u8::from(made.is_ok())]);
        stay();
    });
    let mut is_made = [0];
    if made.is_ok() {
        drop(writer);
        reader.read_exact(&mut is_made).expect("a word");
    }
    let is_made = is_made == [1];
    if !is_made {
        say("no reuse");
    }
    is_made
}

/// A server that tells of each signal and stays, and shares its port.
fn stranger(port: &Port) -> Fixture {
    Fixture::role("server")
        .port(port)
        .set("reuseport", 1)
        .set("on_term", "swallow")
        .start()
}

#[test]
fn beside_an_ancestors_socket_that_is_only_bound_a_strangers_listener_is_left_alone() {
    if !lists_bound_or_skip() {
        return;
    }
    for plan in [0, 1] {
        let port = Port::claim();
        let stranger = stranger(&port);
        let ancestor = Fixture::role("holder_calls_below")
            .port(&port)
            .listen("bound/127.0.0.1")
            .set("reuseport", 1)
            .set("plan", plan)
            .start();
        let answer = Answer::from_caller(&ancestor);
        answer.held(&[("spared", ancestor.pid())]);
        answer.told(&[
            (ancestor.pid(), "spared", ""),
            (stranger.pid(), "withheld", ""),
        ]);
        assert!(stranger.signals().is_empty());
        assert!(ancestor.signals().is_empty());
    }
}

#[test]
fn beside_an_ancestors_socket_on_another_address_a_strangers_listener_is_left_alone_too() {
    if !lists_bound_or_skip() {
        return;
    }
    // The port stays taken whatever becomes of the stranger: a bind to every address fails.
    let port = Port::claim();
    let stranger = Fixture::server(&port);
    let ancestor = Fixture::role("holder_calls_below")
        .port(&port)
        .listen("bound/127.0.0.2")
        .start();
    let answer = Answer::from_caller(&ancestor);
    answer.held(&[("spared", ancestor.pid())]);
    answer.told(&[
        (ancestor.pid(), "spared", ""),
        (stranger.pid(), "withheld", ""),
    ]);
}

fn plan(port: &Port) -> Plan {
    KillOptions::new().plan(port.number()).expect("a plan")
}

/// The one obstacle is a holder that was not agreed to: its PID.
#[track_caller]
fn not_agreed(error: &kill_port::Error) -> u32 {
    let [
        Obstacle::Spared {
            holder,
            reason: SparedReason::NotAgreed,
            ..
        },
    ] = error.obstacles()
    else {
        panic!("{error}");
    };
    holder.process.pid
}

#[test]
fn a_next_generation_that_nobody_agreed_to_is_left_alone() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("on_term", "exit")
        .start();
    let first = supervisor.pid_of("server");
    let plan = plan(&port);
    let error = KillOptions::new()
        .agreed([&plan])
        .settle(Duration::from_secs(3))
        .kill(port.number())
        .expect_err("another one came");
    supervisor.wait_line("again");
    let second = supervisor.pids("server")[1];
    assert_eq!(not_agreed(&error), second);
    let ended: Vec<u32> = error
        .ended()
        .map(|report| report.holder.process.pid)
        .collect();
    assert_eq!(ended, [first]);
    assert_eq!(supervisor.signals_after(second), ["SIGTERM"], "one in all");
    assert_eq!(supervisor.count("again"), 1);
}

#[test]
fn a_stranger_who_takes_the_port_after_everybody_agreed_is_left_alone() {
    let port = Port::claim();
    let first = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let stranger = Fixture::role("waits_for_the_port")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let plan = plan(&port);
    // Its parent lives on, so that the port has to settle.
    let error = KillOptions::new()
        .agreed([&plan])
        .settle(Duration::from_secs(3))
        .kill(port.number())
        .expect_err("a stranger took it");
    assert_eq!(not_agreed(&error), stranger.pid());
    assert_eq!(error.ended().count(), 1);
    stranger.wait_line("took it");
    assert!(stranger.signals().is_empty());
    first.wait_line("gave up");
}

#[test]
fn an_agreement_about_one_port_covers_no_stranger_on_another() {
    let ports = Port::claim_many(2);
    let agreed = Fixture::server(&ports[0]);
    let stranger = Fixture::role("server")
        .port(&ports[1])
        .set("on_term", "swallow")
        .start();
    let plan = plan(&ports[0]);
    let options = KillOptions::new().agreed([&plan]);
    let results = options.kill_all(ports.iter().map(Port::number));
    Answer::of(&results[0].1).freed(&[(agreed.pid(), "exited", "TERM")]);
    let error = results[1].1.as_ref().expect_err("nobody was asked");
    assert_eq!(not_agreed(error), stranger.pid());
    assert!(stranger.signals().is_empty());
}

#[test]
fn strangers_who_are_given_the_pids_of_a_tree_are_never_signalled() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let caller = Fixture::role("tree_pid_reuse").port(&port).start();
    let answer = Answer::from_caller(&caller);
    if caller.wait_any(&["reused", "no reuse"]) == "no reuse" {
        return skip("the PIDs could not be reused");
    }
    answer.was_free();
    caller.wait_count("got SIGUSR1", 2);
    assert_eq!(caller.count("told []"), 1, "{:#?}", caller.lines());
    assert_eq!(caller.count("got "), 2, "{:#?}", caller.lines());
}

#[test]
fn a_parent_of_both_who_started_nothing_again_is_not_ended_as_a_supervisor() {
    let port = Port::claim();
    let parent = Fixture::role("two_in_turn").port(&port).start();
    let (first, second) = (parent.pid_of("first"), parent.pid_of("second"));
    let options = KillOptions::new()
        .supervisor(true)
        .settle(Duration::from_secs(2));
    kill(options, &port.to_string())
        .freed(&[(first, "exited", "TERM"), (second, "exited", "TERM")]);
    parent.wait_line("both ended");
    assert!(parent.is_alive());
}

/// What a caller says of the holder that can't see all of its ancestors.
fn is_spared_out_of_sight(level: u32, apart: u32) {
    let port = Port::claim();
    let server = match Fixture::role("ancestor_beyond_hidden")
        .port(&port)
        .set("hidden", level)
        .set("apart", apart)
        .try_start()
    {
        Ok(server) => server,
        Err(why) => return skip(&why),
    };
    let answer = Answer::from_caller(&server);
    let holder = server.pid_of("server");
    answer.held(&[("spared", holder)]);
    answer.told(&[(holder, "spared", "")]);
    answer.mentions("it may be an ancestor of the caller");
    assert!(server.signals_after(holder).is_empty());
}

#[test]
fn an_ancestor_beyond_one_that_is_out_of_sight_is_spared_as_perhaps_one() {
    if !root_or_skip() {
        return;
    }
    for (level, apart) in [(1, 0), (2, 0), (2, 1)] {
        is_spared_out_of_sight(level, apart);
    }
}

#[test]
fn after_the_callback_has_broken_off_nobody_else_is_signalled() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 6)
        .set("on_term", "swallow")
        .set("worker_on_term", "swallow")
        .start();
    server.wait_count("worker ready", 6);
    let mut told = Vec::new();
    let error = KillOptions::new()
        .kill_with(port.number(), |event| match event {
            Event::Signalled { process, .. } => {
                told.push(process.pid);
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        })
        .expect_err("it was broken off");
    assert!(
        matches!(error.obstacles(), [Obstacle::Cancelled]),
        "{error}"
    );
    assert_eq!(told.len(), 1);
    let signalled: Vec<u32> = error
        .holders()
        .iter()
        .filter(|report| !report.signals.is_empty())
        .map(|report| report.holder.process.pid)
        .collect();
    assert_eq!(signalled, told);
    assert_eq!(error.holders().len(), 7);
    for pid in server.pids("worker").into_iter().chain([server.pid()]) {
        server.signals_after(pid);
    }
    assert_eq!(server.words("got "), [format!("SIGTERM {}", told[0])]);
}

#[test]
fn after_the_callback_has_broken_off_no_other_target_is_touched() {
    let ports = Port::claim_many(3);
    let servers: Vec<Fixture> = ports
        .iter()
        .map(|port| {
            Fixture::role("server")
                .port(port)
                .set("on_term", "swallow")
                .start()
        })
        .collect();
    let mut told = Vec::new();
    let results =
        KillOptions::new().kill_all_with(ports.iter().map(Port::number), |event| match event {
            Event::Signalled { process, .. } => {
                told.push(process.pid);
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
    assert_eq!(told.len(), 1);
    for ((_, result), server) in results.iter().zip(&servers) {
        Answer::of(result).held(&[("cancelled", 0)]);
        let expected: &[&str] = if told == [server.pid()] {
            &["SIGTERM"]
        } else {
            &[]
        };
        assert_eq!(server.signals(), expected);
        assert!(proc::is_running(server.pid()));
    }
}

#[test]
fn a_callback_that_breaks_off_before_the_first_signal_spares_everybody() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let result = KillOptions::new().kill_with(port.number(), |event| {
        assert!(!matches!(event, Event::Signalled { .. }), "{event:?}");
        match event {
            Event::Try { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    Answer::of(&result).held(&[("cancelled", 0)]);
    assert!(server.signals().is_empty());
}

#[test]
fn an_ancestor_beyond_one_that_can_not_be_read_and_leads_a_session_is_spared_as_perhaps_one() {
    if root_or_skip() {
        is_spared_out_of_sight(1, 1);
    }
}
