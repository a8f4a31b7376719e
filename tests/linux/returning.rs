//! Servers that come back: a port is not called free between one and the next.

use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Event, KillOptions, Obstacle};

use super::answer::{Answer, kill, kill_plainly, milliseconds_of_a_look};
use crate::fixture::linux::proc::{self, can_bind};
use crate::fixture::linux::uses::claim_untouched;
use crate::fixture::linux::{finds_bound_or_skip, lists_bound_or_skip};
use crate::fixture::{Fixture, Port};

/// Long enough for whatever these servers wait before they come back, on a machine that is busy with other things.
const SETTLE: Duration = Duration::from_secs(2);

/// Frees two ports whose servers end `gap` microseconds apart, and whose parent binds the second port while both are watched.
fn two_ports_are_freed(gap: u64) {
    let ports = [Port::claim(), claim_untouched()];
    let parent = Fixture::role("two_then_bound")
        .port(&ports[0])
        .set("second", ports[1].number())
        .set("gap", gap)
        .spawn();
    parent.wait_count("listens", 2);
    let targets = ports.iter().map(Port::number);
    let options = KillOptions::new().settle(SETTLE);
    for (target, result) in options.kill_all(targets) {
        let answer = Answer::of(&result);
        assert!(answer.free, "{gap} us: {answer:#?}");
        assert!(
            can_bind("127.0.0.1", target.port()),
            "{target} is called free {gap} us: {answer:#?} {:?}",
            parent.lines()
        );
        // Whoever has bound it is a holder like any other.
        let is_ended = answer.holders.iter().any(|told| told.pid == parent.pid());
        assert_eq!(is_ended, target.port() == ports[1].number(), "{answer:#?}");
    }
    assert_eq!(parent.count("bound"), 1);
}

#[test]
fn a_port_that_is_bound_while_it_settles_beside_another_is_not_called_free() {
    if !finds_bound_or_skip() {
        return;
    }
    std::thread::scope(|scope| {
        for gap in [0, 200, 500, 1000, 2000, 3000] {
            scope.spawn(move || two_ports_are_freed(gap));
        }
    });
}

/// A server that starts itself again on SIGTERM, as another process in another session, is met by three generations.
fn a_server_that_starts_itself_again_is_not_free(by: &str) {
    let port = Port::claim();
    let server = Fixture::role("restarts_itself")
        .port(&port)
        .set("by", by)
        .set("delay", 50)
        .set("pause", 20)
        .start();
    let answer = kill(KillOptions::new().settle(SETTLE), &port.to_string());
    assert!(!answer.free, "{answer:#?}");
    assert_eq!(answer.obstacles.len(), 1, "{answer:#?}");
    assert_eq!(answer.obstacles[0].kind, "respawned", "{answer:#?}");
    let last = answer.obstacles[0].pid;
    server.wait_count("again", 3);
    let generations = server.pids("server");
    assert_eq!(generations[3], last, "{answer:#?}");
    assert!(proc::is_running(last));
    for pid in &generations[..3] {
        assert!(
            answer
                .holders
                .iter()
                .any(|told| told.pid == *pid && told.fate == "exited" && told.signals == "TERM"),
            "{pid} in {answer:#?}"
        );
    }
}

#[test]
fn a_server_that_forks_itself_again_on_sigterm_is_not_free() {
    a_server_that_starts_itself_again_is_not_free("fork");
}

#[test]
fn a_server_that_becomes_its_own_program_again_on_sigterm_gets_sigkill() {
    let port = Port::claim();
    let server = Fixture::role("restarts_itself")
        .port(&port)
        .set("by", "exec")
        .set("delay", 50)
        .start();
    let options = KillOptions::new()
        .settle(SETTLE)
        .grace(Duration::from_secs(1));
    kill(options, &port.to_string()).freed(&[(server.pid(), "exited", "TERM,KILL")]);
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
    assert_eq!(server.count("again"), 1);
    assert!(can_bind("0.0.0.0", port.number()));
}

#[test]
fn waiting_for_ever_for_a_port_to_settle_can_be_broken_off() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let options = KillOptions::new()
        .settle(Duration::MAX)
        .grace(Duration::MAX);
    assert!(options.plan(port.number()).expect("a plan").would_free());
    let mut settling = 0;
    let result = options.kill_with(port.number(), |event| {
        if let Event::Waiting {
            processes,
            until_kill,
            ..
        } = event
        {
            assert!(until_kill.is_none_or(|left| left > Duration::from_secs(3600)));
            settling += usize::from(processes.is_empty());
        }
        if settling < 5 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let error = result.expect_err("it was broken off");
    assert!(
        matches!(error.obstacles(), [Obstacle::Cancelled]),
        "{error}"
    );
    assert_eq!(error.ended().count(), 1);
    assert!(supervisor.is_alive());
}

#[test]
fn the_longest_durations_change_nothing_where_nobody_has_to_be_waited_for() {
    let options = || {
        KillOptions::new()
            .settle(Duration::MAX)
            .grace(Duration::MAX)
    };
    let port = Port::claim();
    kill(options(), &port.to_string()).was_free();
    let server = Fixture::server(&port);
    kill(options(), &port.to_string()).freed(&[(server.pid(), "exited", "TERM")]);
    let server = Fixture::server(&port);
    kill(options().force(true), &port.to_string()).freed(&[(server.pid(), "exited", "KILL")]);
}

#[test]
fn without_grace_a_port_below_a_supervisor_settles_and_is_free() {
    for grace in [Duration::ZERO, Duration::from_millis(1)] {
        let port = Port::claim();
        let supervisor = Fixture::role("supervisor")
            .port(&port)
            .set("limit", 0)
            .start();
        let options = KillOptions::new()
            .grace(grace)
            .settle(Duration::from_secs(3));
        let freed = options.kill(port.number()).expect("it is free");
        assert_eq!(freed.ended.len(), 1, "{freed:#?}");
        assert!(freed.elapsed >= Duration::from_secs(3), "{freed:#?}");
        assert!(supervisor.is_alive());
    }
}

#[test]
fn a_server_that_opens_its_listener_anew_is_one_generation_and_meets_sigkill() {
    let port = Port::claim();
    let server = Fixture::role("reopens")
        .port(&port)
        .set("every", 250)
        .start();
    let options = KillOptions::new().grace(Duration::from_millis(1500));
    kill(options, &port.to_string()).freed(&[(server.pid(), "exited", "TERM,KILL")]);
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
}

#[test]
fn a_server_that_opens_its_listener_anew_is_named_when_its_time_is_over() {
    let port = Port::claim();
    let server = Fixture::role("reopens")
        .port(&port)
        .set("every", 250)
        .start();
    let options = KillOptions::new()
        .grace(Duration::from_millis(1500))
        .escalate(false);
    let answer = kill(options, &port.to_string());
    answer.held(&[("timed_out", server.pid())]);
    answer.told(&[(server.pid(), "survived", "TERM")]);
    assert!(server.is_alive());
}

#[test]
fn those_that_only_bind_in_place_of_an_ended_server_are_counted_and_their_supervisor_is_named() {
    if !lists_bound_or_skip() {
        return;
    }
    let port = Port::claim();
    let supervisor = Fixture::role("binds_later").port(&port).start();
    let answer = kill(KillOptions::new().settle(SETTLE), &port.to_string());
    assert!(!answer.free, "{answer:#?}");
    assert_eq!(answer.obstacles.len(), 1, "{answer:#?}");
    assert_eq!(answer.obstacles[0].kind, "respawned", "{answer:#?}");
    answer.mentions(&format!("(PID {})", supervisor.pid()));
    let ended = answer.holders.iter().filter(|told| told.fate == "exited");
    assert_eq!(ended.count(), 3, "{answer:#?}");
    assert!(supervisor.is_alive());
}

#[test]
fn a_loop_of_servers_for_one_client_each_is_never_free_already() {
    for _ in 0..5 {
        let port = Port::claim();
        let shell = Fixture::role("one_shot_loop").port(&port).start();
        shell.wait_count("served", 3);
        let stalls = shell.count("stalled");
        let answer = kill_plainly(port.number());
        if answer.free && answer.holders.is_empty() {
            // That is only true where nobody was served for a while.
            shell.wait_count("stalled", stalls + 1);
        }
        assert!(
            answer.holders.iter().all(|told| told.pid != shell.pid()),
            "{answer:#?}"
        );
        assert!(shell.is_alive());
    }
}

#[test]
fn a_loop_of_servers_for_one_client_each_is_named_as_what_starts_them() {
    let port = Port::claim();
    // Each lives long enough to be seen; else nobody has seen who starts them.
    let pause = 4 * milliseconds_of_a_look() + 2;
    let shell = Fixture::role("one_shot_loop").port(&port);
    let shell = shell.set("pause_ms", pause).start();
    shell.wait_count("served", 3);
    // On a busy machine some end before they can be told to all the same.
    let is_named = (0..30).any(|_| {
        let answer = kill(KillOptions::new().settle(SETTLE), &port.to_string());
        let is_named = !answer.free && answer.obstacles[0].kind == "respawned";
        if is_named {
            answer.mentions(&format!("(PID {})", shell.pid()));
        }
        is_named
    });
    assert!(is_named);
    assert!(shell.is_alive());
}

#[test]
fn a_server_that_forks_itself_twice_on_sigterm_is_not_free() {
    a_server_that_starts_itself_again_is_not_free("fork_twice");
}
