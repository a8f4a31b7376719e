//! Servers that take another signal than SIGTERM for "stop".

use std::time::Duration;

use kill_port::{KillOptions, Signal};

use super::answer::{Answer, kill};
use crate::fixture::{Fixture, Folder, Port, Role};

/// A server whose program's file is called so.
fn called(file: &str, port: &Port, folder: &Folder) -> Role {
    Fixture::role("server")
        .port(port)
        .program(folder.path().join(file))
        .set("on_term", "exit")
}

#[test]
fn postgres_is_told_to_stop_by_sigint_and_a_plan_says_so() {
    let (port, folder) = (Port::claim(), Folder::new());
    let server = called("postgres", &port, &folder).start();
    let options = KillOptions::new();
    Answer::of_plan(&options.plan(port.number())).freed(&[(server.pid(), "would_signal", "INT")]);
    kill(options, &port.to_string()).freed(&[(server.pid(), "exited", "INT")]);
    assert_eq!(server.signals(), ["SIGINT"]);
}

#[test]
fn a_signal_that_is_named_is_the_one_that_is_sent() {
    for (options, signal) in [
        (KillOptions::new().signal(Signal::Term), "TERM"),
        (KillOptions::new().signal(Signal::Hup), "HUP"),
        (KillOptions::new().force(true), "KILL"),
    ] {
        let (port, folder) = (Port::claim(), Folder::new());
        let server = called("postgres", &port, &folder)
            .set("on_term", "default")
            .start();
        Answer::of_plan(&options.plan(port.number())).freed(&[(
            server.pid(),
            "would_signal",
            signal,
        )]);
        kill(options, &port.to_string()).freed(&[(server.pid(), "exited", signal)]);
    }
}

#[test]
fn sigkill_follows_the_signal_that_it_took() {
    let (port, folder) = (Port::claim(), Folder::new());
    let server = called("uwsgi-core", &port, &folder)
        .set("on_term", "swallow")
        .start();
    let options = KillOptions::new().grace(Duration::from_millis(300));
    kill(options, &port.to_string()).freed(&[(server.pid(), "exited", "INT,KILL")]);
    assert_eq!(server.signals(), ["SIGINT"]);
}

#[test]
fn what_a_postmaster_has_started_is_told_by_sigterm() {
    let (port, folder) = (Port::claim(), Folder::new());
    let server = called("postgres", &port, &folder)
        .arg0("postgres: checkpointer")
        .start();
    kill(KillOptions::new(), &port.to_string()).freed(&[(server.pid(), "exited", "TERM")]);
}
