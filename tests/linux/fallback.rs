//! Where netlink or pidfds are refused, the same answers come another way: line 7.

use super::answer::Answer;
use super::caller::{answer, calling};
use crate::fixture::linux::{ipv6_or_skip, netlink_can_be_refused_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port, Role};

/// Servers of every kind are ended by a caller to whom `refused` is refused.
fn servers_are_ended_without(refused: &[&str]) {
    let with = |role: Role| refused.iter().fold(role, |role, name| role.set(name, 1));
    let mut kinds = vec!["tcp/127.0.0.1", "tcp/0.0.0.0", "udp/127.0.0.1"];
    if ipv6_or_skip() {
        kinds.extend([
            "tcp6only/::",
            "tcp/::",
            "tcp/::1",
            "udp/::1",
            "tcp/0.0.0.0,udp/::",
        ]);
    }
    for listen in kinds {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .listen(listen)
            .set("on_term", "exit")
            .start();
        let told: Answer = answer(with(calling(&port)));
        told.freed(&[(server.pid(), "exited", "TERM")]);
        server.exit_status();
        assert_eq!(server.signals(), ["SIGTERM"]);
        answer(with(calling(&port))).was_free();
    }
}

#[test]
fn servers_are_ended_where_netlink_is_refused() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    servers_are_ended_without(&["no_netlink"]);
}

#[test]
fn servers_are_ended_where_there_are_no_pidfds() {
    servers_are_ended_without(&["no_pidfd"]);
}

#[test]
fn servers_are_ended_where_there_is_neither() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    servers_are_ended_without(&["no_netlink", "no_pidfd"]);
}

#[test]
fn without_netlink_clients_are_still_told_from_servers() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    let port = Port::claim();
    let local = Port::claim();
    let server = Fixture::server(&port);
    let client = Fixture::role("client")
        .set("local", format!("127.0.0.1:{local}"))
        .set("to", format!("127.0.0.1:{port}"))
        .start();
    answer(calling(&local).set("no_netlink", 1)).was_free();
    answer(calling(&port).set("no_netlink", 1)).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(client.is_alive());
}

#[test]
fn without_pidfds_a_slow_server_is_waited_for_and_told_once() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "cleanup:1200")
        .start();
    answer(calling(&port).set("no_pidfd", 1)).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(server.exit_status().success());
    assert_eq!(server.signals(), ["SIGTERM"]);
    assert_eq!(server.count("cleaned up"), 1);
}

#[test]
fn a_proc_of_another_pid_namespace_is_refused() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let answer = answer(calling(&port).set("pidns", "no_proc"));
    answer.held(&[("system", 0)]);
    answer.mentions("/proc");
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
}
