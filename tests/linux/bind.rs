//! The bind that has the last word disturbs nobody: it is not made for a port that is held, it never listens, and whoever only
//! looks does without it. A caller to whom a system call is fatal ends with SIGSYS where it makes it.

use kill_port::{survey, survey_all};

use super::caller::{answer, calling};
use crate::fixture::{Fixture, Params, Port, RoleKind, say, takes};

pub const ROLES: &[RoleKind] = &[RoleKind::new("surveyor", &[takes![port: u16]], surveyor)];

/// Looks at the port and at all ports, without a bind.
fn surveyor(params: &Params) {
    say("ready");
    let one = survey(params.port()).expect("a survey");
    let all = survey_all().expect("a survey");
    assert!(all.sockets().len() >= one.sockets().len());
    say(&format!("holders {}", one.holders().len()));
}

#[test]
fn a_port_that_is_held_is_not_bound_by_a_dry_run() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let planned = answer(calling(&port).set("plan", 1).set("fatal_bind", 1));
    planned.freed(&[(server.pid(), "would_signal", "TERM")]);
}

#[test]
fn a_port_that_stays_held_is_not_bound() {
    let port = Port::claim();
    let forwarder = Fixture::role("server")
        .port(&port)
        .set("name", "docker-proxy")
        .set("on_term", "swallow")
        .start();
    let held = answer(calling(&port).set("fatal_bind", 1));
    held.held(&[("spared", forwarder.pid())]);
    assert!(forwarder.signals().is_empty());
}

#[test]
fn a_port_that_does_not_become_free_in_time_is_not_bound_meanwhile() {
    let port = Port::claim();
    let stubborn = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    // The caller would end at the first bind while the server holds the port: it ends in the one after.
    let caller = calling(&port)
        .set("fatal_bind", 1)
        .set("grace", 300)
        .start();
    assert_eq!(caller.ended_by(), Some(libc::SIGSYS));
    assert_eq!(stubborn.ended_by(), Some(libc::SIGKILL));
    caller.wait_gone();
    assert_eq!(stubborn.count("got SIGTERM"), 1);
}

#[test]
fn nothing_that_is_tried_ever_listens() {
    let port = Port::claim();
    answer(calling(&port).set("fatal_listen", 1)).was_free();
    let server = Fixture::server(&port);
    answer(calling(&port).set("fatal_listen", 1)).freed(&[(server.pid(), "exited", "TERM")]);
    answer(calling(&port).set("fatal_listen", 1).set("plan", 1)).was_free();
}

#[test]
fn a_survey_binds_nothing() {
    let port = Port::claim();
    for holders in [0, 1] {
        let _server = (holders == 1).then(|| Fixture::server(&port));
        let surveyor = Fixture::role("surveyor")
            .port(&port)
            .set("fatal_bind", 1)
            .start();
        surveyor.wait_line(&format!("holders {holders}"));
        assert!(surveyor.exit_status().success());
    }
}

#[test]
fn a_caller_that_may_not_bind_ends_where_a_free_port_is_called_free() {
    // The cross-check: the refusal works, and a dry run of a free port binds it as well.
    let port = Port::claim();
    for plan in [0, 1] {
        let caller = calling(&port)
            .set("fatal_bind", 1)
            .set("plan", plan)
            .start();
        assert_eq!(caller.ended_by(), Some(libc::SIGSYS));
    }
}
