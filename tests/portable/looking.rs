//! Looking without ending anybody.

use kill_port::{Fate, KillOptions, Protocol, SocketState, survey, survey_all};

use crate::fixture::{Fixture, Port};

#[test]
fn a_survey_names_the_holder_and_its_socket() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let seen = survey(port.number()).expect("it can be looked at");
    let [holder] = seen.holders() else {
        panic!("{seen:#?}");
    };
    assert_eq!(holder.process.pid, server.pid());
    assert_eq!(holder.process.parent_pid, Some(std::process::id()));
    assert!(!holder.process.name.is_empty(), "{holder:#?}");
    assert!(holder.process.started.is_some(), "{holder:#?}");
    let [socket] = &holder.sockets[..] else {
        panic!("{holder:#?}");
    };
    assert_eq!(socket.protocol, Protocol::Tcp);
    assert_eq!(socket.state, SocketState::Listen);
    assert_eq!(socket.local().to_string(), format!("127.0.0.1:{port}"));
    assert!(seen.hidden().is_empty() && !seen.is_free(), "{seen:#?}");
}

/// OpenBSD doesn't tell where a program came from.
#[cfg(not(target_os = "openbsd"))]
#[test]
fn a_survey_names_the_program() {
    let port = Port::claim();
    let _server = Fixture::role("listen").port(&port).start();
    let seen = survey(port.number()).expect("it can be looked at");
    let [holder] = seen.holders() else {
        panic!("{seen:#?}");
    };
    let own = std::env::current_exe().expect("the path of this program");
    let file = |path: &std::path::Path| path.file_name().map(ToOwned::to_owned);
    let seen = holder.process.executable.as_deref().and_then(file);
    assert_eq!(seen, file(&own));
}

#[test]
fn a_survey_of_everything_has_every_server() {
    let ports = Port::claim_many(2);
    let _servers = [
        Fixture::role("listen").port(&ports[0]).start(),
        Fixture::role("listen")
            .port(&ports[1])
            .listen("udp/127.0.0.1")
            .start(),
    ];
    let seen = survey_all().expect("it can be looked at");
    for port in &ports {
        assert!(
            seen.sockets()
                .iter()
                .any(|socket| socket.port == port.number()),
            "{port} is missing"
        );
    }
}

#[test]
fn a_plan_tells_who_would_be_ended_and_ends_nobody() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let plan = KillOptions::new()
        .plan(port.number())
        .expect("it can be looked at");
    assert!(plan.would_free(), "{plan:#?}");
    let [report] = &plan.holders[..] else {
        panic!("{plan:#?}");
    };
    assert_eq!(report.holder.process.pid, server.pid());
    assert_eq!(report.fate, Fate::WouldSignal);
    assert!(server.is_alive());
}
