//! Waiting ends with the event that is waited for: line 20.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kill_port::{Event, KillOptions};

use super::answer::kill_plainly;
use crate::fixture::{Fixture, Port};

/// Far more than it takes, far less than a try or the grace.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn the_call_returns_when_the_last_holder_has_exited() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:600")
        .start();
    let start = Instant::now();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn the_call_returns_when_the_port_is_given_up_without_an_exit() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "release:600")
        .start();
    let start = Instant::now();
    kill_plainly(port.number()).freed(&[(server.pid(), "released", "TERM")]);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert!(server.is_alive());
}

#[test]
fn a_server_that_ends_at_once_costs_nothing_but_that() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let start = Instant::now();
    assert!(kill_plainly(port.number()).free);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
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
