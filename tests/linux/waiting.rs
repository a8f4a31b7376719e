//! Waiting ends with the event that is waited for: line 20.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kill_port::{Event, KillOptions};

use super::answer::kill_plainly;
use crate::fixture::{Fixture, Port};

/// Less than a try, and than any wait that is not for the event itself.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How long the call takes longer than the server, for a server that handles SIGTERM like this. The machine may be busy with
/// other things at any moment: one time out of many is enough to show that nothing but the event is waited for.
#[track_caller]
fn the_call_returns_at_once(on_term: &str, time: Duration, fate: &str) {
    let mut taken = Vec::new();
    for _ in 0..30 {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", on_term)
            .start();
        let start = Instant::now();
        kill_plainly(port.number()).freed(&[(server.pid(), fate, "TERM")]);
        taken.push(start.elapsed().saturating_sub(time));
        if taken.last().is_some_and(|taken| *taken < AT_ONCE) {
            return;
        }
    }
    panic!("it takes {taken:?} longer than the server");
}

#[test]
fn the_call_returns_when_the_last_holder_has_exited() {
    the_call_returns_at_once("cleanup:600", Duration::from_millis(600), "exited");
}

#[test]
fn the_call_returns_when_the_port_is_given_up_without_an_exit() {
    the_call_returns_at_once("release:600", Duration::from_millis(600), "released");
}

#[test]
fn a_server_that_ends_at_once_costs_nothing_but_that() {
    the_call_returns_at_once("default", Duration::ZERO, "exited");
}

#[test]
fn the_callback_is_called_all_the_while() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:1000")
        .start();
    let mut calls = 0;
    let mut waited_for = Vec::new();
    let freed = KillOptions::new()
        .kill_with(port.number(), |event| {
            if let Event::Waiting {
                processes,
                until_kill,
                ..
            } = event
            {
                calls += 1;
                waited_for.extend(processes.iter().map(|process| process.pid));
                assert!(until_kill.is_some_and(|left| left <= Duration::from_secs(10)));
            }
            ControlFlow::Continue(())
        })
        .expect("it is freed");
    // Every 50 ms makes 20; a busy machine may be late for some.
    assert!(calls >= 5, "{calls} calls in {:?}", freed.elapsed);
    waited_for.dedup();
    assert_eq!(waited_for, [server.pid()]);
}

#[test]
fn events_tell_the_story_in_order() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut story = Vec::new();
    KillOptions::new()
        .kill_with(port.number(), |event| {
            match event {
                Event::Try {
                    number, holders, ..
                } => story.push(format!("try {number}: {}", holders.len())),
                Event::Signalled {
                    process, signal, ..
                } => story.push(format!("{signal} {}", process.pid)),
                Event::Ended { process, fate, .. } => {
                    story.push(format!("{} {}", fate.as_str(), process.pid))
                }
                Event::Freed { .. } => story.push("freed".to_owned()),
                Event::GaveUp { .. } => story.push("gave up".to_owned()),
                _ => {}
            }
            ControlFlow::Continue(())
        })
        .expect("it is freed");
    let pid = server.pid();
    assert_eq!(
        story,
        [
            "try 1: 1".to_owned(),
            format!("SIGTERM {pid}"),
            format!("exited {pid}"),
            "freed".to_owned()
        ]
    );
}

#[test]
fn a_plan_for_a_port_that_is_given_up_meanwhile_says_that_it_is_free() {
    for _ in 0..20 {
        let port = Port::claim();
        let server = Fixture::server(&port);
        let pid = libc::pid_t::try_from(server.pid()).expect("a PID");
        std::thread::scope(|scope| {
            // Somewhere between the look at the sockets and the one at the processes.
            scope.spawn(|| {
                // SAFETY: `kill` takes two numbers.
                unsafe { libc::kill(pid, libc::SIGKILL) }
            });
            let plan = KillOptions::new().plan(port.number()).expect("a plan");
            assert!(plan.error.is_none(), "{plan:#?}");
            let survey = kill_port::survey(port.number()).expect("a survey");
            assert!(survey.hidden().is_empty(), "{survey:#?}");
        });
    }
}
