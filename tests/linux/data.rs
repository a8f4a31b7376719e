//! What is returned is data: it is compared, kept and shown without another question to the system.

use std::collections::HashSet;
use std::error::Error as _;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Error, KillOptions, Process, Target, survey};

use super::answer::Answer;
use crate::fixture::linux::uses::claim_untouched;
use crate::fixture::linux::{root_or_skip, surroundings};
use crate::fixture::{Fixture, Params, Port, RoleKind, Takes, eventually, say, takes};

pub const ROLES: &[RoleKind] = &[
    RoleKind::new("shows_error", &[TAKES], shows_error),
    RoleKind::new("shows_silently", &[TAKES], shows_silently),
];

const TAKES: &[Takes] = takes![target: Target];

fn error_of(params: &Params) -> Error {
    let target = params.get::<Target>("target").expect("target=TARGET");
    KillOptions::new()
        .escalate(false)
        .grace(Duration::from_millis(100))
        .kill(target)
        .expect_err("it is held")
}

#[test]
fn a_command_line_without_end_is_read_up_to_a_limit() {
    let port = Port::claim();
    let server = Fixture::role("server").port(&port);
    let server = server.set("arguments", 256 << 20).start();
    let holders = survey(port.number()).expect("a survey").holders().to_vec();
    assert_eq!(holders[0].process.pid, server.pid());
    let words = holders[0].process.command.iter();
    let length: usize = words.map(|word| word.len()).sum();
    assert!((1..=160 << 10).contains(&length), "{length}");
}

/// Tells all that an error is.
fn shows_error(params: &Params) {
    say("ready");
    let error = error_of(params);
    say(&format!("display {error}"));
    say(&format!("debug {error:?}"));
    if let Some(source) = error.source() {
        say(&format!("source {source}"));
    }
    say(&format!("kind {:?}", io::Error::from(error).kind()));
    say("told");
}

/// Shows an error when it can ask nobody any more: whoever opens, reads, starts or asks anything is ended.
fn shows_silently(params: &Params) {
    say("ready");
    let error = error_of(params);
    let advice: Vec<_> = error.obstacles().iter().map(|one| one.advice()).collect();
    assert!(!advice.is_empty());
    surroundings::forbid(&[
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        libc::SYS_openat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink,
        libc::SYS_readlinkat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_getdents64,
        libc::SYS_read,
        libc::SYS_socket,
        libc::SYS_execve,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_pidfd_open,
        libc::SYS_kill,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getpid,
        libc::SYS_getppid,
    ]);
    let mut text = format!("{error} {error:?} {error:#?}");
    for obstacle in error.obstacles() {
        text += &format!(" {obstacle} {obstacle:?} {:?}", obstacle.advice());
    }
    for report in error.holders() {
        text += &format!(" {} {report:?}", report.holder);
    }
    text += &io::Error::from(error).to_string();
    say(&format!("shown in {} bytes", text.len()));
}

/// The only holder.
fn holder(port: &Port) -> Process {
    let survey = survey(port.number()).expect("a survey");
    let [holder] = survey.holders() else {
        panic!("{survey:#?}");
    };
    holder.process.clone()
}

#[test]
fn a_process_is_equal_to_itself_however_often_it_is_looked_at() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let first = holder(&port);
    let mut seen = HashSet::from([first.clone()]);
    for _ in 0..50 {
        let again = holder(&port);
        assert_eq!(again, first);
        seen.insert(again);
    }
    let options = KillOptions::new();
    let plan = options.plan(port.number()).expect("a plan");
    assert_eq!(plan.holders[0].holder.process, first);
    let freed = options.kill(port.number()).expect("it is freed");
    seen.insert(freed.ended[0].holder.process.clone());
    assert_eq!(seen.len(), 1);
    server.exit_status();
    let _next = Fixture::server(&port);
    assert_ne!(holder(&port), first);
}

#[test]
fn a_process_that_changes_its_name_and_program_is_the_same_process() {
    let port = Port::claim();
    let server = Fixture::role("restarts_itself")
        .port(&port)
        .set("by", "exec")
        .start();
    let first = holder(&port);
    server.signal(libc::SIGTERM);
    server.wait_line("again");
    assert_eq!(holder(&port), first);
}

/// Errors of several kinds, with the kind that each has as an [`io::Error`]. The fixtures keep what they tell of alive.
fn errors() -> Vec<(Error, io::ErrorKind, Fixture, Port)> {
    let mut errors = Vec::new();
    let mut add = |role: &str, listen: bool, kind, options: KillOptions, cancels: bool| {
        let port = claim_untouched();
        let mut fixture = Fixture::role(role).port(&port);
        if listen {
            fixture = fixture.set("on_term", "swallow");
        }
        let fixture = fixture.start();
        let result = options.kill_with(port.number(), |_| match cancels {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        errors.push((result.expect_err("it is held"), kind, fixture, port));
    };
    let impatient = KillOptions::new()
        .escalate(false)
        .grace(Duration::from_millis(50));
    add("server", true, io::ErrorKind::TimedOut, impatient, false);
    let plain = KillOptions::new();
    add(
        "server",
        true,
        io::ErrorKind::Interrupted,
        plain.clone(),
        true,
    );
    add(
        "in_flight",
        false,
        io::ErrorKind::AddrInUse,
        plain.clone(),
        false,
    );
    add(
        "supervisor",
        false,
        io::ErrorKind::AddrInUse,
        plain.clone(),
        false,
    );
    add("lingering", false, io::ErrorKind::AddrInUse, plain, false);
    errors
}

#[test]
fn an_error_is_one_text_and_has_the_kind_of_what_is_in_the_way() {
    for (error, kind, _fixture, port) in errors() {
        let text = error.to_string();
        assert_eq!(format!("{error:?}"), text);
        assert_eq!(format!("{error:#?}"), text);
        assert!(text.contains(&port.to_string()), "{text}");
        assert!(error.source().is_none(), "{text}");
        let io = io::Error::from(error);
        assert_eq!(io.kind(), kind, "{text}");
        assert_eq!(io.to_string(), text);
        let inner = io.into_inner().expect("the error is inside");
        let inner = inner.downcast::<Error>().expect("it is ours");
        assert_eq!(inner.to_string(), text);
    }
}

#[test]
fn an_error_reads_the_same_when_those_it_tells_of_are_gone() {
    for (error, _, fixture, port) in errors() {
        let before = [format!("{error}"), format!("{:?}", error.obstacles())];
        drop(fixture);
        eventually("the port is given up", || {
            survey(port.number()).is_ok_and(|survey| survey.is_free())
        });
        assert_eq!(
            [format!("{error}"), format!("{:?}", error.obstacles())],
            before
        );
    }
}

#[test]
fn an_error_is_shown_without_another_question_to_the_system() {
    // Whose steps were looked for in control groups, in the programs and in the environment.
    for (role, settings) in [
        ("server", &[("on_term", "swallow")][..]),
        ("server", &[("name", "docker-proxy")]),
        ("supervisor", &[("name", "runsv")]),
        ("in_flight", &[]),
        ("lingering", &[]),
    ] {
        let port = claim_untouched();
        let fixture = settings
            .iter()
            .fold(Fixture::role(role).port(&port), |role, (name, value)| {
                role.set(name, value)
            })
            .start();
        let teller = Fixture::role("shows_silently").set("target", &port).start();
        teller.wait_line("shown in ");
        assert!(teller.exit_status().success(), "{role} {settings:?}");
        assert!(fixture.is_alive());
    }
}

#[test]
fn the_systems_own_error_is_the_source_and_is_not_repeated() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let teller = Fixture::role("shows_error")
        .set("target", &port)
        .set("pidns", "no_proc")
        .start();
    teller.wait_line("told");
    let [display, debug, source] =
        ["display ", "debug ", "source "].map(|start| teller.words(start).concat());
    assert_eq!(display, debug);
    assert!(!source.is_empty());
    assert!(!display.contains(&source), "{display}: {source}");
    assert_eq!(teller.count("kind "), 1);
}

#[test]
fn what_is_not_permitted_is_that_as_an_io_error_too() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("uid", 65534)
        .set("on_term", "swallow")
        .start();
    let teller = Fixture::role("shows_error")
        .set("target", &port)
        .set("no_cap_kill", 1)
        .start();
    teller.wait_line("told");
    assert_eq!(teller.words("kind "), ["PermissionDenied"]);
    assert_eq!(teller.words("display "), teller.words("debug "));
    assert!(server.signals().is_empty());
}

#[test]
fn a_cancelled_call_tells_nothing_but_that() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let result = KillOptions::new().kill_with(port.number(), |_| ControlFlow::Break(()));
    Answer::of(&result).held(&[("cancelled", 0)]);
    let error = result.expect_err("it was broken off");
    assert_eq!(
        error.to_string(),
        format!("port {port} is not free: cancelled")
    );
}
