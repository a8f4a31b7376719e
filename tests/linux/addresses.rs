//! An address narrows the target to the sockets that are in the way of a server on it: line 8.

use kill_port::{KillOptions, Target, survey};

use super::answer::kill;
use super::caller::{answer, calling};
use crate::fixture::linux::{ipv6_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port};

/// A server listens like this; these targets (`P` stands for the port) find it, and those don't.
#[track_caller]
fn a_server_on(listen: &str, in_the_way_of: &[&str], not_of: &[&str]) {
    let port = Port::claim();
    let server = Fixture::role("server").port(&port).listen(listen).start();
    let target = |text: &str| -> Target {
        text.replace('P', &port.to_string())
            .parse()
            .expect("a target")
    };
    for (texts, free) in [(in_the_way_of, false), (not_of, true)] {
        for text in texts {
            let seen = survey(target(text)).expect("a survey");
            assert_eq!(seen.is_free(), free, "{listen} and {text}: {seen:#?}");
        }
    }
    for text in not_of {
        kill(KillOptions::new(), &text.replace('P', &port.to_string())).was_free();
        assert!(server.is_alive(), "{listen} and {text}");
    }
    let first = in_the_way_of[0].replace('P', &port.to_string());
    kill(KillOptions::new(), &first).freed(&[(server.pid(), "exited", "TERM")]);
}

/// Ways to say "any address".
const ANY: [&str; 6] = ["P", ":P", "0.0.0.0:P", ":::P", "[::]:P", "*:P"];

#[test]
fn a_server_on_127_0_0_1_is_on_that_address() {
    a_server_on(
        "tcp/127.0.0.1",
        &[
            "127.0.0.1:P",
            "localhost:P",
            "[::ffff:127.0.0.1]:P",
            "127.0.0.1:P/tcp",
        ],
        &["127.0.0.2:P", "[::1]:P", "127.0.0.1:P/udp"],
    );
}

#[test]
fn a_server_on_127_0_0_2_is_not_on_the_usual_loopback() {
    a_server_on(
        "tcp/127.0.0.2",
        &["127.0.0.2:P", "P"],
        &["127.0.0.1:P", "localhost:P", "[::1]:P"],
    );
}

#[test]
fn a_server_on_the_ipv4_wildcard_is_on_every_ipv4_address() {
    a_server_on(
        "tcp/0.0.0.0",
        &[
            "127.0.0.1:P",
            "127.0.0.2:P",
            "localhost:P",
            "[::ffff:127.0.0.1]:P",
        ],
        &["[::1]:P"],
    );
}

#[test]
fn a_server_on_the_ipv6_loopback_is_not_on_the_ipv4_one() {
    if ipv6_or_skip() {
        a_server_on(
            "tcp/::1",
            &["[::1]:P", "localhost:P"],
            &["127.0.0.1:P", "[::ffff:127.0.0.1]:P"],
        );
    }
}

#[test]
fn a_dual_stack_server_is_on_every_address() {
    if ipv6_or_skip() {
        a_server_on(
            "tcp/::",
            &[
                "127.0.0.1:P",
                "127.0.0.2:P",
                "[::1]:P",
                "localhost:P",
                "[::ffff:127.0.0.1]:P",
            ],
            &[],
        );
    }
}

#[test]
fn a_server_on_the_v6_only_wildcard_is_on_no_ipv4_address() {
    if ipv6_or_skip() {
        a_server_on(
            "tcp6only/::",
            &["[::1]:P", "localhost:P"],
            &["127.0.0.1:P", "[::ffff:127.0.0.1]:P"],
        );
    }
}

#[test]
fn a_server_on_an_ipv4_mapped_address_is_on_the_ipv4_address() {
    if ipv6_or_skip() {
        a_server_on(
            "tcp/::ffff:127.0.0.1",
            &["127.0.0.1:P", "localhost:P"],
            &["127.0.0.2:P", "[::1]:P"],
        );
    }
}

#[test]
fn udp_servers_have_addresses_as_well() {
    a_server_on(
        "udp/127.0.0.1",
        &["127.0.0.1:P", "127.0.0.1:P/udp"],
        &["127.0.0.2:P", "127.0.0.1:P/tcp"],
    );
    if ipv6_or_skip() {
        a_server_on("udp6only/::", &["[::1]:P"], &["127.0.0.1:P"]);
    }
}

#[test]
fn a_wildcard_narrows_nothing() {
    a_server_on("tcp/127.0.0.1", &ANY, &[]);
    a_server_on("udp/127.0.0.2", &ANY, &[]);
    if ipv6_or_skip() {
        a_server_on("tcp/::1", &ANY, &[]);
        a_server_on("tcp6only/::", &ANY, &[]);
    }
}

#[test]
fn servers_on_other_addresses_of_the_port_are_left_alone() {
    let port = Port::claim();
    let one = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1")
        .start();
    let two = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.2")
        .start();
    kill(KillOptions::new(), &format!("127.0.0.1:{port}")).freed(&[(one.pid(), "exited", "TERM")]);
    assert!(two.is_alive());
    kill(KillOptions::new(), &format!("127.0.0.1:{port}")).was_free();
    assert!(two.is_alive());
}

#[test]
fn a_link_local_address_is_meant_on_the_interface_that_it_is_named_with() {
    if !root_or_skip() || !ipv6_or_skip() {
        return;
    }
    let port = Port::claim();
    let start = || {
        let server = Fixture::role("link_local").port(&port).set("netns", 1);
        server.start()
    };
    let target = |interface: &str| format!("[fe80::1{interface}]:{port}");
    let server = start();
    let beside = |target: String| calling(target).set("netns_of", server.pid());
    // Another may have the same address, and a server there.
    answer(beside(target("%99"))).was_free();
    assert!(server.is_alive());
    let freed = answer(beside(target("%lo")));
    freed.freed(&[(server.pid(), "exited", "TERM")]);
    // Without an interface it is meant on all.
    let server = start();
    let beside = calling(target("")).set("netns_of", server.pid());
    answer(beside).freed(&[(server.pid(), "exited", "TERM")]);
}
