//! A port that is held is free afterwards, and whoever held it has ended.

use std::net::{TcpListener, UdpSocket};

#[cfg(windows)]
use kill_port::Obstacle;
use kill_port::{Fate, Freed, KillOptions, Protocol, Target};

use crate::fixture::{Fixture, Port, skip};

/// Those who were ended, by PID.
#[track_caller]
fn exited(freed: &Freed) -> Vec<u32> {
    let exited = |report: &kill_port::HolderReport| report.fate == Fate::Exited;
    assert!(freed.ended.iter().all(exited), "{freed:#?}");
    let mut pids: Vec<u32> = freed
        .ended
        .iter()
        .map(|report| report.holder.process.pid)
        .collect();
    pids.sort_unstable();
    pids
}

#[test]
fn a_server_on_tcp_is_ended_and_its_port_can_be_bound() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let freed = KillOptions::new().kill(port.number()).expect("it is freed");
    assert_eq!(exited(&freed), [server.pid()]);
    assert!(!server.exit_status().success());
    TcpListener::bind(("127.0.0.1", port.number())).expect("nobody holds it");
}

/// Wine 8 shows 0 in the place of the owner of every TCP socket on IPv6.
fn wine_hides_the_owner() -> bool {
    let hides = std::env::var_os("KILL_PORT_TEST_UNDER_WINE").is_some();
    if hides {
        skip("Wine names no owner of TCP sockets on IPv6");
    }
    hides
}

#[test]
fn a_server_on_ipv6_is_ended() {
    if wine_hides_the_owner() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("listen")
        .port(&port)
        .listen("tcp/::1")
        .start();
    let freed = KillOptions::new().kill(port.number()).expect("it is freed");
    assert_eq!(exited(&freed), [server.pid()]);
    TcpListener::bind(("::1", port.number())).expect("nobody holds it");
}

#[test]
fn a_server_on_udp_is_ended() {
    let port = Port::claim();
    let server = Fixture::role("listen")
        .port(&port)
        .listen("udp/127.0.0.1")
        .start();
    // The port may be in the range where an unconnected UDP socket counts as a client: UDP is named.
    let target = Target::new(port.number()).with_protocol(Protocol::Udp);
    let freed = KillOptions::new().kill(target).expect("it is freed");
    assert_eq!(exited(&freed), [server.pid()]);
    UdpSocket::bind(("127.0.0.1", port.number())).expect("nobody holds it");
}

#[test]
fn tcp_and_udp_of_one_port_are_apart() {
    let port = Port::claim();
    let tcp = Fixture::role("listen").port(&port).start();
    let udp = Fixture::role("listen")
        .port(&port)
        .listen("udp/127.0.0.1")
        .start();
    let target = Target::new(port.number()).with_protocol(Protocol::Udp);
    let freed = KillOptions::new().kill(target).expect("it is freed");
    assert_eq!(exited(&freed), [udp.pid()]);
    assert!(tcp.is_alive());
}

#[test]
fn a_server_on_udp_over_ipv6_is_ended() {
    let port = Port::claim();
    let server = Fixture::role("listen")
        .port(&port)
        .listen("udp/::1")
        .start();
    let target = Target::new(port.number()).with_protocol(Protocol::Udp);
    let freed = KillOptions::new().kill(target).expect("it is freed");
    assert_eq!(exited(&freed), [server.pid()]);
}

/// A socket whose owner the system does not tell is hidden, and nobody is ended by guess.
#[cfg(windows)]
#[test]
fn a_socket_without_an_owner_is_hidden() {
    // Only Wine can be relied on to have one.
    if std::env::var_os("KILL_PORT_TEST_UNDER_WINE").is_none() {
        return skip("Windows names an owner, here only Wine has sockets without one");
    }
    let port = Port::claim();
    let server = Fixture::role("listen")
        .port(&port)
        .listen("tcp/::1")
        .start();
    let error = KillOptions::new()
        .kill(port.number())
        .expect_err("nobody can be ended");
    assert!(
        matches!(error.obstacles(), [Obstacle::Hidden { .. }]),
        "{error:#?}"
    );
    assert!(server.is_alive());
}

#[test]
fn several_holders_on_udp_are_all_ended() {
    let port = Port::claim();
    let servers = ["udp/127.0.0.1", "udp/::1"]
        .map(|socket| Fixture::role("listen").port(&port).listen(socket).start());
    let target = Target::new(port.number()).with_protocol(Protocol::Udp);
    let freed = KillOptions::new().kill(target).expect("it is freed");
    let mut expected: Vec<u32> = servers.iter().map(Fixture::pid).collect();
    expected.sort_unstable();
    assert_eq!(exited(&freed), expected);
}

#[test]
fn several_holders_of_a_port_are_all_ended() {
    if wine_hides_the_owner() {
        return;
    }
    let port = Port::claim();
    let servers = [
        Fixture::role("listen").port(&port).start(),
        Fixture::role("listen")
            .port(&port)
            .listen("tcp/::1")
            .start(),
    ];
    let freed = KillOptions::new().kill(port.number()).expect("it is freed");
    let mut expected: Vec<u32> = servers.iter().map(Fixture::pid).collect();
    expected.sort_unstable();
    assert_eq!(exited(&freed), expected);
}

#[test]
fn an_address_narrows_it_to_the_holder_there() {
    let port = Port::claim();
    let there = Fixture::role("listen").port(&port).start();
    let elsewhere = Fixture::role("listen")
        .port(&port)
        .listen("tcp/::1")
        .start();
    let target: Target = format!("127.0.0.1:{port}").parse().expect("a target");
    let freed = KillOptions::new().kill(target).expect("it is freed");
    assert_eq!(exited(&freed), [there.pid()]);
    assert!(elsewhere.is_alive());
}

#[test]
fn force_frees_it_as_well() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let freed = KillOptions::new()
        .force(true)
        .kill(port.number())
        .expect("it is freed");
    assert_eq!(exited(&freed), [server.pid()]);
}

#[test]
fn the_simple_call_frees_it() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    kill_port::kill_port(port.number());
    assert!(!server.exit_status().success());
}

#[test]
fn ports_are_freed_side_by_side() {
    let ports = Port::claim_many(3);
    let servers: Vec<Fixture> = ports
        .iter()
        .take(2)
        .map(|port| Fixture::role("listen").port(port).start())
        .collect();
    let results = KillOptions::new().kill_all(ports.iter().map(Port::number));
    for ((target, result), port) in results.iter().zip(&ports) {
        assert_eq!(target.port(), port.number());
        assert!(result.is_ok(), "{result:#?}");
    }
    for (server, (_, result)) in servers.iter().zip(&results) {
        let freed = result.as_ref().expect("it is freed");
        assert_eq!(exited(freed), [server.pid()]);
    }
    let last = results.last().expect("three results");
    assert!(last.1.as_ref().expect("it is free").was_free());
}

#[test]
fn a_free_port_is_free_and_nobody_is_ended() {
    let port = Port::claim();
    let bystander = Fixture::role("sleeper").start();
    let freed = KillOptions::new().kill(port.number()).expect("it is free");
    assert!(freed.was_free());
    assert!(bystander.is_alive());
}
