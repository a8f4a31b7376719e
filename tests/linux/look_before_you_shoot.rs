//! Who can't make the port free by ending is not asked to end: line 12.

use super::answer::{Answer, kill_plainly};
use super::caller::{answer, calling};
use crate::fixture::linux::{ipv6_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port};

/// A server that tells of each signal and stays.
fn server(port: &Port, listen: &str) -> crate::fixture::Role {
    Fixture::role("server")
        .port(port)
        .listen(listen)
        .set("on_term", "swallow")
}

#[test]
fn beside_a_spared_holder_nobody_is_signalled() {
    let port = Port::claim();
    let other = server(&port, "tcp/127.0.0.1").set("reuseport", 1).start();
    let caller = Fixture::role("holder_calls")
        .port(&port)
        .set("reuseport", 1)
        .start();
    let answer = Answer::from_caller(&caller);
    answer.held(&[("spared", caller.pid())]);
    answer.told(&[(caller.pid(), "spared", ""), (other.pid(), "withheld", "")]);
    assert!(other.is_alive());
    assert!(other.signals().is_empty());
}

#[test]
fn beside_another_users_holder_nobody_is_signalled() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let mine = server(&port, "tcp/127.0.0.1").set("reuseport", 1).start();
    let theirs = server(&port, "tcp/127.0.0.1")
        .set("reuseport", 1)
        .set("late_uid", 65534)
        .start();
    let answer = answer(calling(&port).set("no_cap_kill", 1));
    answer.held(&[("not_permitted", theirs.pid())]);
    answer.told(&[(theirs.pid(), "denied", ""), (mine.pid(), "withheld", "")]);
    assert!(mine.signals().is_empty());
    assert!(theirs.signals().is_empty());
}

#[test]
fn beside_a_hidden_holder_nobody_is_signalled() {
    let port = Port::claim();
    let mine = server(&port, "tcp/127.0.0.1").set("reuseport", 1).start();
    let _hidden = Fixture::role("in_flight")
        .port(&port)
        .set("reuseport", 1)
        .start();
    let answer = kill_plainly(port.number());
    answer.held(&[("hidden", 0)]);
    answer.told(&[(mine.pid(), "withheld", "")]);
    assert!(mine.signals().is_empty());
}

#[test]
fn tcp_is_freed_though_udp_is_out_of_reach() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let tcp = Fixture::server(&port);
    let udp = server(&port, "udp/127.0.0.1").set("uid", 65534).start();
    let answer = answer(calling(&port).set("no_cap_kill", 1));
    answer.held(&[("not_permitted", udp.pid())]);
    answer.told(&[(tcp.pid(), "exited", "TERM"), (udp.pid(), "denied", "")]);
    assert_eq!(tcp.ended_by(), Some(libc::SIGTERM));
    assert!(udp.signals().is_empty());
}

#[test]
fn tcp_is_freed_though_a_udp_client_is_spared() {
    let client = Fixture::role("udp_sender").start();
    let tcp = match Fixture::role("server").set("port", client.port()).spawn() {
        server if server.wait_any(&["ready", "thread"]).starts_with("ready") => server,
        // The kernel has given the TCP port to somebody's connection meanwhile.
        _ => return crate::fixture::skip("the port is taken"),
    };
    let answer = kill_plainly(client.port());
    answer.held(&[("spared", client.pid())]);
    assert_eq!(tcp.ended_by(), Some(libc::SIGTERM));
    assert!(client.is_alive());
}

#[test]
fn servers_on_addresses_that_do_not_overlap_protect_each_other_only_where_any_address_is_asked_for()
{
    if !root_or_skip() || !ipv6_or_skip() {
        return;
    }
    let port = Port::claim();
    let theirs = server(&port, "tcp/127.0.0.1").set("uid", 65534).start();
    let mine = server(&port, "tcp/::1").start();
    let denied = answer(calling(&port).set("no_cap_kill", 1));
    denied.held(&[("not_permitted", theirs.pid())]);
    denied.told(&[(theirs.pid(), "denied", ""), (mine.pid(), "withheld", "")]);
    assert!(mine.signals().is_empty());
    drop(mine);
    let mine = Fixture::role("server")
        .port(&port)
        .listen("tcp/::1")
        .start();
    let target = format!("localhost:{port}");
    let answer = answer(calling(target).set("no_cap_kill", 1));
    answer.held(&[("not_permitted", theirs.pid())]);
    answer.told(&[(theirs.pid(), "denied", ""), (mine.pid(), "exited", "TERM")]);
}
