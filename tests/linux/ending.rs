//! How a holder is ended: lines 13 to 16 and 18.

use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Event, KillOptions, Signal};

use super::answer::{Answer, kill, kill_plainly};
use super::caller::{answer, calling};
use crate::fixture::linux::{proc, root_or_skip};
use crate::fixture::{Fixture, Port};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_server_that_needs_two_seconds_to_clean_up_is_given_them_and_told_once() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:2000")
        .start();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(server.exit_status().success());
    assert_eq!(server.signals(), ["SIGTERM"]);
    assert_eq!(server.count("cleaned up"), 1);
}

#[test]
fn a_server_that_ignores_sigterm_meets_sigkill_after_the_grace() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "ignore")
        .start();
    kill(KillOptions::new().grace(SHORT), &port.to_string()).freed(&[(
        server.pid(),
        "exited",
        "TERM,KILL",
    )]);
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
}

#[test]
fn the_grace_is_ten_seconds_if_nothing_is_said() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let mut tries = 0;
    let freed = KillOptions::new()
        .kill_with(port.number(), |event| {
            if let Event::Try { number, .. } = event {
                tries = *number;
            }
            ControlFlow::Continue(())
        })
        .expect("it is freed by SIGKILL");
    assert!(freed.elapsed >= Duration::from_secs(10), "{freed:?}");
    assert!(tries >= 10, "{tries}");
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
    assert_eq!(server.signals(), ["SIGTERM"]);
}

#[test]
fn force_sends_sigkill_at_once_and_nothing_else() {
    for options in [
        KillOptions::new().force(true).clone(),
        KillOptions::new().signal(Signal::Kill).clone(),
    ] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", "swallow")
            .start();
        kill(&options, &port.to_string()).freed(&[(server.pid(), "exited", "KILL")]);
        assert_eq!(server.ended_by(), Some(libc::SIGKILL));
        assert!(server.signals().is_empty());
    }
}

#[test]
fn without_escalation_a_server_that_stays_is_an_error_and_lives() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let answer = kill(
        KillOptions::new().escalate(false).grace(SHORT),
        &port.to_string(),
    );
    answer.held(&[("timed_out", server.pid())]);
    answer.told(&[(server.pid(), "survived", "TERM")]);
    answer.mentions("SIGTERM");
    assert!(server.is_alive());
    assert_eq!(server.signals(), ["SIGTERM"]);
}

#[test]
fn another_first_signal_is_sent_in_place_of_sigterm() {
    for (signal, name) in [
        (Signal::Int, "INT"),
        (Signal::Hup, "HUP"),
        (Signal::Quit, "QUIT"),
        (Signal::Usr1, "USR1"),
    ] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", "exit")
            .start();
        kill(KillOptions::new().signal(signal), &port.to_string()).freed(&[(
            server.pid(),
            "exited",
            name,
        )]);
        server.exit_status();
        assert_eq!(server.signals(), [format!("SIG{name}")]);
    }
}

#[test]
fn another_first_signal_escalates_as_well() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    kill(
        KillOptions::new().signal(Signal::Int).grace(SHORT),
        &port.to_string(),
    )
    .freed(&[(server.pid(), "exited", "INT,KILL")]);
}

#[test]
fn a_suspended_server_shuts_down_cleanly() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:0")
        .set("stop", 1)
        .start();
    proc::wait_stopped(server.pid());
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(server.exit_status().success());
    assert_eq!(server.signals(), ["SIGTERM"]);
    assert_eq!(server.count("cleaned up"), 1);
}

#[test]
fn a_suspended_server_that_ignores_sigterm_meets_sigkill() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "ignore")
        .set("stop", 1)
        .start();
    proc::wait_stopped(server.pid());
    kill(KillOptions::new().grace(SHORT), &port.to_string()).freed(&[(
        server.pid(),
        "exited",
        "TERM,KILL",
    )]);
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
}

#[test]
fn a_server_that_gives_up_the_port_and_goes_on_is_not_killed() {
    for delay in [0, 700] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", format!("release:{delay}"))
            .start();
        kill(
            KillOptions::new().grace(Duration::from_secs(60)),
            &port.to_string(),
        )
        .freed(&[(server.pid(), "released", "TERM")]);
        server.wait_line("released");
        assert!(server.is_alive());
        assert_eq!(server.signals(), ["SIGTERM"]);
    }
}

#[test]
fn a_holder_that_vanishes_before_the_signal_is_no_error() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let result = KillOptions::new().kill_with(port.number(), |event| {
        if matches!(event, Event::Try { number: 1, .. }) {
            server.signal(libc::SIGKILL);
            server.exit_status();
        }
        ControlFlow::Continue(())
    });
    assert!(Answer::of(&result).free, "{result:?}");
}

#[test]
fn a_holder_that_vanishes_between_sigterm_and_sigkill_is_no_error() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "ignore")
        .start();
    let result = KillOptions::new().kill_with(port.number(), |event| {
        if matches!(event, Event::Waiting { .. }) && server.is_alive() {
            server.signal(libc::SIGKILL);
        }
        ControlFlow::Continue(())
    });
    Answer::of(&result).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn a_holder_whose_parent_never_waits_for_it_is_ended() {
    // A fixture is waited for only when the test asks: until then it is a zombie.
    let port = Port::claim();
    let server = Fixture::server(&port);
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    kill_plainly(port.number()).was_free();
}

#[test]
fn not_permitted_is_an_error_that_names_process_user_and_pid() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("uid", 65534)
        .set("name", "their server")
        .start();
    let answer = answer(calling(&port).set("no_cap_kill", 1));
    answer.held(&[("not_permitted", server.pid())]);
    answer.mentions("their server");
    answer.mentions(&server.pid().to_string());
    answer.mentions("65534");
    answer.mentions("ask as root");
    assert!(server.is_alive());
}

#[test]
fn a_call_can_be_broken_off() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let result = KillOptions::new().kill_with(port.number(), |event| match event {
        Event::Waiting { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let answer = Answer::of(&result);
    assert!(!answer.free);
    assert!(
        answer
            .obstacles
            .iter()
            .any(|obstacle| obstacle.kind == "cancelled"),
        "{answer:#?}"
    );
    assert!(server.is_alive());
}

#[test]
fn a_call_that_is_broken_off_at_once_signals_nobody() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let result = KillOptions::new().kill_with(port.number(), |_| ControlFlow::Break(()));
    assert!(!Answer::of(&result).free);
    assert!(server.signals().is_empty());
}

#[test]
fn a_hostile_name_reaches_no_error_message_unescaped() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("uid", 65534)
        .set("name", "\u{1b}[31mevil\n1")
        .start();
    let answer = answer(calling(&port).set("no_cap_kill", 1));
    assert!(!answer.free);
    answer.mentions("evil");
    assert!(!answer.display.contains('\u{1b}'), "{:?}", answer.display);
}
