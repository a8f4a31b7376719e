//! Who starts a server again, and who survives SIGKILL: line 17.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kill_port::{Event, KillOptions};

use super::answer::{Answer, kill, kill_plainly};
use crate::fixture::linux::cgroup::Freezer;
use crate::fixture::linux::{proc, root_or_skip};
use crate::fixture::{Fixture, Port, skip};

/// A supervisor that starts its server again after so many milliseconds is named, after three generations.
fn a_supervisor_is_named(delay: u32, startup: u32) {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("name", "the watcher")
        .set("delay", delay)
        .set("startup", startup)
        .start();
    // However slowly the generations follow each other, it does not come to SIGKILL.
    let patient = KillOptions::new().grace(Duration::from_secs(60));
    let answer = kill(patient, &port.to_string());
    assert!(!answer.free, "{answer:#?}");
    assert_eq!(answer.obstacles.len(), 1, "{answer:#?}");
    assert_eq!(answer.obstacles[0].kind, "respawned", "{answer:#?}");
    answer.mentions("the watcher");
    answer.mentions(&supervisor.pid().to_string());
    assert!(supervisor.is_alive());
    let ended: Vec<_> = answer
        .holders
        .iter()
        .filter(|told| told.fate == "exited")
        .collect();
    assert_eq!(ended.len(), 3, "{answer:#?}");
    assert!(
        ended.iter().all(|told| told.signals == "TERM"),
        "{answer:#?}"
    );
}

#[test]
fn a_supervisor_that_starts_the_server_again_at_once_is_named() {
    a_supervisor_is_named(0, 0);
}

#[test]
fn a_supervisor_that_starts_the_server_again_after_100_ms_is_named() {
    a_supervisor_is_named(100, 0);
}

#[test]
fn a_supervisor_whose_server_takes_its_time_to_listen_is_named() {
    a_supervisor_is_named(20, 600);
}

#[test]
fn a_supervisor_that_gives_up_in_time_is_no_error() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 1)
        .start();
    let answer = kill_plainly(port.number());
    assert!(answer.free, "{answer:#?}");
    assert_eq!(answer.holders.len(), 2, "{answer:#?}");
    supervisor.wait_line("gave up");
    assert!(supervisor.is_alive());
}

#[test]
fn a_supervisor_that_ends_with_its_server_need_not_be_waited_for() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .set("end", 1)
        .start();
    let start = Instant::now();
    // Whoever waits for the whole of this time has not noticed that the parent is gone.
    let answer = kill(
        KillOptions::new().settle(Duration::from_secs(120)),
        &port.to_string(),
    );
    assert!(answer.free, "{answer:#?}");
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    supervisor.exit_status();
}

#[test]
fn a_script_that_goes_on_to_another_command_is_not_waited_for() {
    // A busy machine may delay a run, so one that shows it is enough. Whoever waits for the command never has such a run.
    let waited_for_it = Duration::from_secs(2);
    let is_quick = || {
        let port = Port::claim();
        let script = Fixture::role("supervisor")
            .port(&port)
            .set("limit", 0)
            .set("goes_on", 1)
            .start();
        let start = Instant::now();
        let answer = kill_plainly(port.number());
        assert!(answer.free, "{answer:#?}");
        assert!(script.is_alive());
        start.elapsed() < waited_for_it
    };
    assert!((0..10).any(|_| is_quick()));
}

#[test]
fn where_no_supervisor_can_be_at_work_nothing_has_to_settle() {
    // The parent of this server is the caller.
    let port = Port::claim();
    let server = Fixture::server(&port);
    let start = Instant::now();
    let answer = kill(
        KillOptions::new().settle(Duration::from_secs(120)),
        &port.to_string(),
    );
    answer.freed(&[(server.pid(), "exited", "TERM")]);
    // The server of this one has no parent but PID 1.
    let port = Port::claim();
    let daemon = Fixture::role("daemon").port(&port).start();
    let answer = kill(
        KillOptions::new().settle(Duration::from_secs(120)),
        &port.to_string(),
    );
    answer.freed(&[(daemon.pid_of("server"), "exited", "TERM")]);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_port_that_settles_can_be_broken_off() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let mut settling = false;
    let result = KillOptions::new()
        .settle(Duration::from_secs(3600))
        .kill_with(port.number(), |event| {
            if let Event::Waiting { processes, .. } = event {
                settling |= processes.is_empty();
            }
            if settling {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
    let answer = Answer::of(&result);
    assert!(!answer.free, "{answer:#?}");
    assert!(supervisor.is_alive());
}

#[test]
fn a_supervisor_is_ended_as_well_when_asked() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor").port(&port).start();
    let answer = kill(KillOptions::new().supervisor(true), &port.to_string());
    assert!(answer.free, "{answer:#?}");
    supervisor.wait_gone();
}

#[test]
fn a_process_that_survives_sigkill_is_an_error_soon_after() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    let frozen = match Freezer::freeze(server.pid()) {
        Ok(frozen) => frozen,
        Err(why) => return skip(&why),
    };
    let answer = kill(
        KillOptions::new().grace(Duration::from_millis(300)),
        &port.to_string(),
    );
    answer.held(&[("survived", server.pid())]);
    answer.told(&[(server.pid(), "survived", "TERM,KILL")]);
    assert!(proc::is_running(server.pid()));
    drop(frozen);
    server.exit_status();
}
