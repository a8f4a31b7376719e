//! Many targets, many processes: line 19.

use std::ops::ControlFlow;
use std::time::Duration;

use kill_port::{Event, KillOptions, Target};

use super::answer::{Answer, kill_plainly};
use crate::fixture::{Fixture, Port};

#[test]
fn twenty_slow_servers_take_as_long_as_one() {
    let ports = Port::claim_many(20);
    let servers: Vec<Fixture> = ports
        .iter()
        .map(|port| {
            Fixture::role("server")
                .port(port)
                .set("on_term", "cleanup:1000")
                .start()
        })
        .collect();
    // All are told before the first has ended: nobody has to wait for another.
    let (mut told, mut told_at_first_end) = (0, None);
    let results = KillOptions::new().kill_all_with(ports.iter().map(Port::number), |event| {
        match event {
            Event::Signalled { .. } => told += 1,
            Event::Ended { .. } => drop(told_at_first_end.get_or_insert(told)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!(results.len(), 20);
    for (((target, result), port), server) in results.iter().zip(&ports).zip(&servers) {
        assert_eq!(target.port(), port.number());
        Answer::of(result).freed(&[(server.pid(), "exited", "TERM")]);
        assert_eq!(server.signals(), ["SIGTERM"]);
    }
    assert_eq!(told_at_first_end, Some(20));
}

#[test]
fn each_of_many_targets_has_its_own_answer() {
    let ports = Port::claim_many(4);
    let plain = Fixture::server(&ports[0]);
    let deaf = Fixture::role("server")
        .port(&ports[1])
        .set("on_term", "swallow")
        .start();
    let _own = std::net::TcpListener::bind(("127.0.0.1", ports[2].number())).expect("bind");
    let options = KillOptions::new()
        .grace(Duration::from_secs(3))
        .escalate(false);
    let results = options.kill_all(ports.iter().map(Port::number));
    let answers: Vec<Answer> = results
        .iter()
        .map(|(_, result)| Answer::of(result))
        .collect();
    answers[0].freed(&[(plain.pid(), "exited", "TERM")]);
    answers[1].held(&[("timed_out", deaf.pid())]);
    answers[2].held(&[("spared", std::process::id())]);
    answers[3].was_free();
}

#[test]
fn a_process_that_holds_several_targets_is_told_once() {
    let ports = Port::claim_many(3);
    let listen: Vec<String> = ports
        .iter()
        .map(|port| format!("tcp/127.0.0.1/{port}"))
        .collect();
    let server = Fixture::role("server")
        .listen(&listen.join(","))
        .set("on_term", "cleanup:300")
        .start();
    let results = KillOptions::new().kill_all(ports.iter().map(Port::number));
    for (_, result) in &results {
        Answer::of(result).freed(&[(server.pid(), "exited", "TERM")]);
    }
    assert_eq!(server.signals(), ["SIGTERM"]);
}

#[test]
fn a_target_that_is_named_twice_is_answered_twice() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:200")
        .start();
    let results = KillOptions::new().kill_all([port.number(), port.number()]);
    assert_eq!(results.len(), 2);
    for (_, result) in &results {
        Answer::of(result).freed(&[(server.pid(), "exited", "TERM")]);
    }
    assert_eq!(server.signals(), ["SIGTERM"]);
}

#[test]
fn no_target_is_no_work() {
    assert!(KillOptions::new().kill_all(Vec::<u16>::new()).is_empty());
}

#[test]
fn a_server_is_found_among_a_thousand_processes() {
    let _crowd = Fixture::role("idle").set("count", 1000).start();
    let port = Port::claim();
    let server = Fixture::server(&port);
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn a_process_that_gives_up_one_of_two_targets_gets_sigkill_for_the_other() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1,tcp/127.0.0.2")
        .set("on_term", "release_first:0")
        .start();
    let targets = ["127.0.0.1", "127.0.0.2"].map(|address| {
        let address: std::net::IpAddr = address.parse().expect("an address");
        Target::new(port.number()).with_address(address)
    });
    let options = KillOptions::new().grace(Duration::from_millis(300));
    let results = options.kill_all(targets);
    Answer::of(&results[0].1).freed(&[(server.pid(), "released", "TERM")]);
    Answer::of(&results[1].1).freed(&[(server.pid(), "exited", "TERM,KILL")]);
}
