//! Every socket that holds a port is found, and its process ended: lines 1, 4 and 5.

use std::net::{IpAddr, Ipv4Addr};

use kill_port::{KillOptions, Protocol, SocketState, Target, survey, survey_all};

use super::answer::{kill, kill_plainly};
use super::caller::seed_call_on;
use crate::fixture::linux::{ipv6_or_skip, lists_bound_or_skip, proc, root_or_skip};
use crate::fixture::{Fixture, Port, skip};

/// One process listens like this; it alone is found, told once, and the port is free.
#[track_caller]
fn is_found_and_ended(listen: &str, sockets: usize) {
    let port = Port::claim();
    let server = match Fixture::role("server")
        .port(&port)
        .listen(listen)
        .set("on_term", "exit")
        .try_start()
    {
        Ok(server) => server,
        Err(why) => return skip(&why),
    };
    let seen = survey(port.number()).expect("a survey");
    assert_eq!(seen.sockets().len(), sockets, "{seen:#?}");
    assert_eq!(seen.holders().len(), 1, "{seen:#?}");
    assert!(seen.hidden().is_empty(), "{seen:#?}");
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    server.exit_status();
    assert_eq!(server.signals(), ["SIGTERM"]);
    assert!(survey(port.number()).expect("a survey").is_free());
}

#[test]
fn a_tcp_server_on_ipv4_is_ended() {
    is_found_and_ended("tcp/127.0.0.1", 1);
    is_found_and_ended("tcp/0.0.0.0", 1);
}

#[test]
fn a_tcp_server_on_ipv6_only_is_ended() {
    if ipv6_or_skip() {
        is_found_and_ended("tcp6only/::", 1);
        is_found_and_ended("tcp/::1", 1);
    }
}

#[test]
fn a_dual_stack_server_is_ended() {
    if ipv6_or_skip() {
        is_found_and_ended("tcp/::", 1);
    }
}

#[test]
fn a_server_on_both_families_is_told_once() {
    if ipv6_or_skip() {
        is_found_and_ended("tcp/0.0.0.0,tcp6only/::", 2);
    }
}

#[test]
fn a_udp_server_is_ended() {
    is_found_and_ended("udp/127.0.0.1", 1);
    if ipv6_or_skip() {
        is_found_and_ended("udp/::", 1);
    }
}

#[test]
fn a_udp_server_that_is_connected_to_its_client_is_ended() {
    let families: &[(&str, &str)] = if ipv6_or_skip() {
        &[
            ("0.0.0.0", "127.0.0.1"),
            ("::", "127.0.0.1"),
            ("::1", "::1"),
        ]
    } else {
        &[("0.0.0.0", "127.0.0.1")]
    };
    for (address, from) in families {
        for protocol in ["", "/udp"] {
            let port = Port::claim();
            let server = Fixture::role("udp_for_one")
                .port(&port)
                .set("address", address)
                .start();
            let from: std::net::IpAddr = from.parse().expect("an address");
            let client = std::net::UdpSocket::bind((from, 0)).expect("a client");
            client.connect((from, port.number())).expect("connect");
            client.send(b"hello").expect("send");
            server.wait_line("connected");
            let target = format!("{port}{protocol}");
            // The client's own port is nobody's server's.
            let own = client.local_addr().expect("an address").port();
            assert!(survey(own).expect("a survey").is_free());
            let seen = survey(target.parse::<kill_port::Target>().expect("a target"));
            let seen = seen.expect("a survey");
            assert_eq!(seen.sockets()[0].state, SocketState::Connected);
            kill(KillOptions::new(), &format!("{port}/tcp")).was_free();
            kill(KillOptions::new(), &target).freed(&[(server.pid(), "exited", "TERM")]);
            std::net::UdpSocket::bind(("0.0.0.0", port.number())).expect("it is free");
        }
    }
}

#[test]
fn a_server_on_tcp_and_udp_is_told_once() {
    is_found_and_ended("tcp/127.0.0.1,udp/127.0.0.1", 2);
}

#[test]
fn an_mptcp_server_is_ended() {
    is_found_and_ended("mptcp/127.0.0.1", 1);
}

#[test]
fn tcp_and_udp_of_different_processes_are_both_freed() {
    let port = Port::claim();
    let tcp = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1")
        .start();
    let udp = Fixture::role("server")
        .port(&port)
        .listen("udp/127.0.0.1")
        .start();
    kill_plainly(port.number())
        .freed(&[(tcp.pid(), "exited", "TERM"), (udp.pid(), "exited", "TERM")]);
    assert_eq!(tcp.ended_by(), Some(libc::SIGTERM));
    assert_eq!(udp.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn a_named_protocol_leaves_the_other_alone() {
    let port = Port::claim();
    let tcp = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1")
        .start();
    let udp = Fixture::role("server")
        .port(&port)
        .listen("udp/127.0.0.1")
        .start();
    let options = KillOptions::new();
    kill(&options, &format!("{port}/udp")).freed(&[(udp.pid(), "exited", "TERM")]);
    assert!(tcp.is_alive());
    kill(&options, &format!("{port}/udp")).was_free();
    assert!(tcp.is_alive());
    kill(&options, &format!("{port}/tcp")).freed(&[(tcp.pid(), "exited", "TERM")]);
}

#[test]
fn a_bound_socket_that_does_not_listen_is_seen_and_freed() {
    if !lists_bound_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .listen("bound/127.0.0.1")
        .start();
    let seen = survey(port.number()).expect("a survey");
    assert_eq!(seen.sockets()[0].state, SocketState::Bound);
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(proc::can_bind("127.0.0.1", port.number()));
}

#[test]
fn a_server_in_another_network_namespace_is_left_alone() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let elsewhere = Fixture::role("server").port(&port).set("netns", 1).start();
    kill_plainly(port.number()).was_free();
    let here = Fixture::server(&port);
    kill_plainly(port.number()).freed(&[(here.pid(), "exited", "TERM")]);
    assert!(elsewhere.is_alive());
}

#[test]
fn a_listener_is_found_on_whatever_descriptor_it_is() {
    for (fd, filling) in [("0", "0"), ("900", "0"), ("17", "64"), ("900", "100")] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("fd", fd)
            .set("fill_fds", filling)
            .start();
        kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    }
}

#[test]
fn a_server_with_many_threads_is_told_once() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("threads", 50)
        .set("on_term", "exit")
        .start();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    server.exit_status();
    assert_eq!(server.signals(), ["SIGTERM"]);
}

#[test]
fn a_server_without_parents_is_ended() {
    for daemon in [
        Fixture::role("daemon"),
        Fixture::role("daemon").set("setsid", 1),
    ] {
        let port = Port::claim();
        let daemon = daemon.port(&port).start();
        kill_plainly(port.number()).freed(&[(daemon.pid_of("server"), "exited", "TERM")]);
    }
}

#[test]
fn a_free_port_is_free_and_nobody_is_signalled() {
    let port = Port::claim();
    let neighbour = Port::claim();
    let server = Fixture::server(&neighbour);
    kill_plainly(port.number()).was_free();
    assert!(server.is_alive());
}

#[test]
fn port_0_is_nobodys_port() {
    // A socket that was made and not bound has port 0.
    let bystander = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    kill_port::kill_port(0);
    let _ = KillOptions::new().kill(0);
    drop(bystander);
}

#[test]
fn the_seeds_call_frees_the_port_and_logs_the_tries() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let call = seed_call_on(&port);
    call.wait_line("returned");
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    let logged = call.words("log ");
    assert!(
        logged
            .iter()
            .any(|line| line.contains(&server.pid().to_string())),
        "{logged:#?}"
    );
}

#[test]
fn the_seeds_call_logs_an_error_when_the_port_can_not_be_freed() {
    let port = Port::claim();
    let _own = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    // This process is the parent of the one that calls.
    let call = seed_call_on(&port);
    call.wait_line("returned");
    assert_eq!(call.count("log ERROR"), 1, "{:#?}", call.lines());
}

#[test]
fn a_survey_tells_who_holds_the_port_and_signals_nobody() {
    let port = Port::claim();
    let folder = std::env::temp_dir().canonicalize().expect("a folder");
    let server = Fixture::role("server")
        .port(&port)
        .listen("tcp/127.0.0.1,udp/0.0.0.0")
        .set("name", "some name) S 1")
        .arg("--with an argument")
        .cwd(&folder)
        .set("on_term", "swallow")
        .start();
    let seen = survey(port.number()).expect("a survey");
    let [holder] = seen.holders() else {
        panic!("{seen:#?}");
    };
    let process = &holder.process;
    assert_eq!(process.pid, server.pid());
    assert_eq!(process.parent_pid, Some(std::process::id()));
    assert_eq!(process.name, "some name) S 1");
    assert_eq!(
        process.command.last().expect("arguments"),
        "--with an argument"
    );
    assert_eq!(process.cwd.as_deref(), Some(folder.as_path()));
    assert_eq!(process.executable, std::env::current_exe().ok());
    // SAFETY: `geteuid` takes nothing and can't fail.
    assert_eq!(process.uid, Some(unsafe { libc::geteuid() }));
    let age = process
        .started
        .expect("a start time")
        .elapsed()
        .unwrap_or_default();
    assert!(age < std::time::Duration::from_secs(600), "{age:?}");
    let mut sockets: Vec<(Protocol, IpAddr, u16, SocketState)> = holder
        .sockets
        .iter()
        .map(|socket| (socket.protocol, socket.address, socket.port, socket.state))
        .collect();
    sockets.sort_unstable();
    assert_eq!(
        sockets,
        [
            (
                Protocol::Tcp,
                Ipv4Addr::LOCALHOST.into(),
                port.number(),
                SocketState::Listen
            ),
            (
                Protocol::Udp,
                Ipv4Addr::UNSPECIFIED.into(),
                port.number(),
                SocketState::Unconnected
            ),
        ]
    );
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
}

#[test]
fn a_survey_of_everything_has_each_server() {
    let ports = Port::claim_many(3);
    let servers: Vec<Fixture> = ports.iter().map(Fixture::server).collect();
    let seen = survey_all().expect("a survey");
    for (port, server) in ports.iter().zip(&servers) {
        assert!(
            seen.holders()
                .iter()
                .any(|holder| holder.process.pid == server.pid()
                    && holder
                        .sockets
                        .iter()
                        .any(|socket| socket.port == port.number())),
            "{port} is missing"
        );
    }
}

#[test]
fn a_plan_tells_who_would_be_signalled_and_signals_nobody() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let plan = KillOptions::new()
        .plan(Target::from(port.number()))
        .expect("a plan");
    assert!(plan.would_free());
    assert_eq!(plan.holders.len(), 1);
    assert_eq!(plan.holders[0].holder.process.pid, server.pid());
    assert_eq!(plan.holders[0].fate.as_str(), "would_signal");
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
}
