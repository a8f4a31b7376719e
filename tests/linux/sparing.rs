//! Who is never signalled: lines 9 and 10.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use kill_port::{Include, KillOptions};

use super::answer::{Answer, kill, kill_plainly};
use super::caller::{answer, calling};
use crate::fixture::linux::{proc, root_or_skip};
use crate::fixture::{Fixture, Port, no_forks};

#[test]
fn clients_of_the_server_survive() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let clients: Vec<Fixture> = (0..3)
        .map(|_| {
            Fixture::role("client")
                .set("to", format!("127.0.0.1:{port}"))
                .start()
        })
        .collect();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(clients.iter().all(Fixture::is_alive));
}

#[test]
fn a_client_whose_own_local_port_it_is_survives() {
    for protocol in ["tcp", "udp"] {
        let (port, local) = (Port::claim(), Port::claim());
        let listen = format!("{protocol}/127.0.0.1");
        let server = Fixture::role("server").port(&port).listen(&listen).start();
        let client = Fixture::role("client")
            .set("protocol", protocol)
            .set("local", format!("127.0.0.1:{local}"))
            .set("to", format!("127.0.0.1:{port}"))
            .start();
        // Servers set SO_REUSEADDR, and so does this client of TCP. A UDP port is asked about by name only, and is in use then.
        kill_plainly(local.number()).was_free();
        let answer = kill(KillOptions::new(), &format!("{local}/{protocol}"));
        match protocol {
            "tcp" => answer.was_free(),
            _ => answer.held(&[("client", client.pid())]),
        }
        assert!(client.is_alive());
        assert!(server.is_alive());
    }
}

#[test]
fn a_udp_client_that_only_sends_survives_and_is_reported() {
    let client = Fixture::role("udp_sender").start();
    let (first, last) = proc::ephemeral_range();
    assert!((first..=last).contains(&client.port()));
    let answer = kill_plainly(client.port());
    answer.held(&[("spared", client.pid())]);
    answer.told(&[(client.pid(), "spared", "")]);
    answer.mentions("client");
    assert!(client.is_alive());
}

#[test]
fn a_udp_client_is_a_holder_when_udp_is_named() {
    let client = Fixture::role("udp_sender").start();
    kill(KillOptions::new(), &format!("{}/udp", client.port())).freed(&[(
        client.pid(),
        "exited",
        "TERM",
    )]);
}

#[test]
fn a_udp_socket_below_the_ephemeral_range_is_a_server() {
    let port = Port::claim();
    let server = Fixture::role("udp_sender").port(&port).start();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn the_callers_own_forgotten_listener_is_an_error_that_names_the_caller() {
    let port = Port::claim();
    let _alone = no_forks();
    let own = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    let answer = kill_plainly(port.number());
    answer.held(&[("spared", std::process::id())]);
    answer.mentions(&std::process::id().to_string());
    answer.mentions("caller");
    kill(
        KillOptions::new().include(Include::Ancestors).force(true),
        &port.to_string(),
    )
    .held(&[("spared", std::process::id())]);
    drop(own);
    kill_plainly(port.number()).was_free();
    let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    kill_plainly(port.number()).held(&[("spared", std::process::id())]);
    drop(own);
}

#[test]
fn a_parent_of_the_caller_is_spared() {
    let port = Port::claim();
    let _own = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    let answer = answer(calling(&port));
    answer.held(&[("spared", std::process::id())]);
    answer.mentions("ancestor");
    answer.mentions("include ancestors");
}

#[test]
fn an_ancestor_of_the_caller_is_spared_unless_ancestors_are_included() {
    let port = Port::claim();
    let role = || Fixture::role("holder_calls_below").port(&port);
    let server = role().start();
    let answer = Answer::from_caller(&server);
    answer.held(&[("spared", server.pid_of("server"))]);
    answer.told(&[(server.pid(), "spared", "")]);
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
    drop(server);
    let server = role().set("include_ancestors", 1).start();
    Answer::from_caller(&server).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn pid_1_is_spared_even_if_ancestors_are_included() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let init = Fixture::role("holder_calls_below")
        .port(&port)
        .set("pidns", 1)
        .set("include_ancestors", 1)
        .start();
    let answer = Answer::from_caller(&init);
    answer.held(&[("spared", 1)]);
    answer.mentions("PID 1");
    assert!(init.is_alive());
    assert!(init.signals_after(init.pid_of("init")).is_empty());
}

#[test]
fn a_process_that_holds_the_port_and_calls_is_not_signalled() {
    let port = Port::claim();
    let caller = Fixture::role("holder_calls").port(&port).start();
    let answer = Answer::from_caller(&caller);
    answer.held(&[("spared", caller.pid())]);
    assert!(caller.exit_status().success());
}

#[test]
fn children_of_the_holder_that_do_not_hold_the_port_survive() {
    let port = Port::claim();
    let server = Fixture::role("tree")
        .port(&port)
        .set("children", 2)
        .set("grandchildren", 1)
        .start();
    server.wait_count("branch ready", 2);
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    for name in ["child", "grandchild"] {
        assert!(
            server.pids(name).into_iter().all(proc::is_running),
            "{name}"
        );
    }
}

#[test]
fn the_tree_below_the_holder_is_ended_when_asked() {
    let port = Port::claim();
    let server = Fixture::role("tree")
        .port(&port)
        .set("children", 2)
        .set("grandchildren", 1)
        .start();
    server.wait_count("branch ready", 2);
    let answer = kill(KillOptions::new().tree(true), &port.to_string());
    assert!(answer.free, "{answer:#?}");
    server.wait_gone();
}
