//! Why a port can't be bound, every cause that a machine of this kind can produce; and where holders come from.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use kill_port::{
    Address, Cause, ConnectionState, Explanation, LingeringState, Origin, Process, Protocol,
    Provenance, Target, explain,
};

use crate::fixture::linux::cgroup::ControlGroup;
use crate::fixture::linux::{
    init_adopts_or_skip, ipv6_or_skip, lists_bound_or_skip, proc, root_or_skip, sockets,
};
use crate::fixture::{
    Fixture, Params, Port, Role, RoleKind, eventually, no_forks, say, skip, takes,
};

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "explainer",
    &[takes![target: Target]],
    tell_explanation,
)];

/// Explains `target`, and tells the causes and what the kernel said to each bind.
fn tell_explanation(params: &Params) {
    let target: Target = params.get("target").expect("a target");
    let explanation = explain(target).expect("an explanation");
    for cause in &explanation.causes {
        say(&format!(
            "cause {} {cause} ({})",
            cause.kind(),
            cause.advice().map(ToString::to_string).unwrap_or_default()
        ));
    }
    for probe in &explanation.bind {
        let answer = match &probe.result {
            Ok(()) => "bound".to_owned(),
            Err(error) => format!("{:?}", error.kind),
        };
        say(&format!(
            "bind {} {} {} {answer}",
            probe.protocol, probe.address, probe.reuse_address
        ));
    }
    say("ready");
}

/// The role that explains this target, in surroundings of its own.
fn explainer(target: impl ToString) -> Role {
    Fixture::role("explainer").set("target", target)
}

fn explained(target: impl Into<Target>) -> Explanation {
    explain(target).expect("an explanation")
}

/// TCP over IPv4, so that the answers are few.
fn tcp4(port: &Port) -> Target {
    Target::from(port.number())
        .with_protocol(Protocol::Tcp)
        .with_address(std::net::IpAddr::from(Ipv4Addr::LOCALHOST))
}

/// What the kernel said to a bind without and with `SO_REUSEADDR`.
fn answers(explanation: &Explanation, protocol: Protocol) -> [Option<bool>; 2] {
    [false, true].map(|reuse| {
        explanation
            .bind
            .iter()
            .find(|probe| {
                probe.protocol == protocol
                    && probe.reuse_address == reuse
                    && matches!(probe.address, Address::Ip(IpAddr::V4(_)))
            })
            .map(|probe| probe.result.is_ok())
    })
}

/// A listener as careless servers make it.
fn listener_without_reuse(port: &Port) -> TcpListener {
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.number());
    let socket = sockets::new(address.ip(), false, 0).expect("a socket");
    sockets::bind(&socket, address).expect("bind");
    let listener = TcpListener::from(socket);
    // SAFETY: `listen` takes two numbers.
    let listens = unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 8) };
    assert_eq!(listens, 0);
    listener
}

/// Both ends of a connection to a listener: the server's, the client's.
fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connect");
    (listener.accept().expect("accept").0, client)
}

/// Explains until there are only connections in this state left.
fn explained_in(port: &Port, state: ConnectionState) -> Explanation {
    let mut found = None;
    eventually(&format!("all connections are in {state}"), || {
        let explanation = explained(tcp4(port));
        let all = !explanation.connections.is_empty()
            && explanation
                .connections
                .iter()
                .all(|connection| connection.state == state);
        found = Some(explanation);
        all
    });
    found.expect("an explanation")
}

fn lingering(explanation: &Explanation) -> (&[LingeringState], &[Process], bool) {
    match explanation.causes.as_slice() {
        [
            Cause::Lingering {
                protocol: Protocol::Tcp,
                states,
                processes,
                reuse_address_helps,
                ..
            },
        ] => (states, processes, *reuse_address_helps),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_free_port_can_be_bound_in_every_way_and_is_free_afterwards() {
    let port = Port::claim();
    let explanation = explained(port.number());
    assert!(explanation.survey.is_free());
    assert!(explanation.causes.is_empty(), "{:#?}", explanation.causes);
    assert!(explanation.plan.would_free());
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        assert_eq!(answers(&explanation, protocol), [Some(true), Some(true)]);
    }
    assert!(explanation.can_be_bound());
    assert!(proc::can_bind("0.0.0.0", port.number()));
}

#[test]
fn a_server_is_no_cause_of_its_own_and_is_left_alone() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let explanation = explained(tcp4(&port));
    assert!(explanation.causes.is_empty(), "{:#?}", explanation.causes);
    assert_eq!(
        answers(&explanation, Protocol::Tcp),
        [Some(false), Some(false)]
    );
    for probe in &explanation.bind {
        let error = probe.result.as_ref().expect_err("it is in use");
        assert_eq!(error.kind, ErrorKind::AddrInUse);
        assert_eq!(error.code, Some(libc::EADDRINUSE));
    }
    assert!(!explanation.can_be_bound());
    assert_eq!(explanation.provenance.len(), 1);
    assert_eq!(explanation.provenance[0].pid, server.pid());
    assert_eq!(
        explanation.provenance[0].ancestry[0].pid,
        std::process::id()
    );
    assert!(server.signals().is_empty());
}

#[test]
fn a_udp_servers_datagrams_are_not_taken_away() {
    let port = Port::claim();
    let _alone = no_forks();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    let explanation = explained(port.number());
    // With the option, a second socket could be bound beside one that has it as well, and get its datagrams.
    assert_eq!(answers(&explanation, Protocol::Udp), [Some(false), None]);
    assert_eq!(
        answers(&explanation, Protocol::Tcp),
        [Some(true), Some(true)]
    );
    drop(server);
}

#[test]
fn a_server_that_closed_first_leaves_time_wait_and_reuse_helps_if_it_was_set() {
    let port = Port::claim();
    let _alone = no_forks();
    // The standard library sets SO_REUSEADDR on listeners, and what they accept has it from them.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("bind");
    for _ in 0..3 {
        let (server, client) = connect(&listener);
        drop(server);
        drop(client);
    }
    drop(listener);
    let explanation = explained_in(&port, ConnectionState::TimeWait);
    assert!(explanation.survey.is_free());
    let (states, processes, helps) = lingering(&explanation);
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].count, 3);
    let longest = states[0].longest.expect("the kernel gives it up");
    assert!(!longest.is_zero() && longest <= Duration::from_secs(60));
    assert!(processes.is_empty());
    assert!(helps);
    assert_eq!(
        answers(&explanation, Protocol::Tcp),
        [Some(false), Some(true)]
    );
    let told = explanation.causes[0].to_string();
    assert!(told.contains("3 in TIME_WAIT"), "{told}");
}

#[test]
fn reuse_does_not_help_after_a_server_that_did_not_set_it() {
    let port = Port::claim();
    let _alone = no_forks();
    let listener = listener_without_reuse(&port);
    let (server, client) = connect(&listener);
    drop(server);
    drop(client);
    drop(listener);
    let explanation = explained_in(&port, ConnectionState::TimeWait);
    let (_, _, helps) = lingering(&explanation);
    assert!(!helps);
    assert_eq!(
        answers(&explanation, Protocol::Tcp),
        [Some(false), Some(false)]
    );
    let remedy = explanation.causes[0].advice().expect("advice").to_string();
    assert!(remedy.contains("wait"), "{remedy}");
    assert!(remedy.contains("SO_REUSEADDR"), "{remedy}");
}

#[test]
fn an_established_connection_that_outlives_its_listener_is_named_with_its_process() {
    let port = Port::claim();
    let _alone = no_forks();
    let listener = listener_without_reuse(&port);
    let (server, client) = connect(&listener);
    drop(listener);
    let explanation = explained_in(&port, ConnectionState::Established);
    let (states, processes, helps) = lingering(&explanation);
    assert_eq!((states[0].count, states[0].longest), (1, None));
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0].pid, std::process::id());
    assert!(!helps);
    drop((server, client));
}

#[test]
fn a_connection_that_the_other_end_has_closed_is_in_close_wait() {
    let port = Port::claim();
    let _alone = no_forks();
    let listener = listener_without_reuse(&port);
    let (mut server, client) = connect(&listener);
    drop(listener);
    drop(client);
    assert_eq!(server.read(&mut [0]).expect("the end"), 0);
    let explanation = explained_in(&port, ConnectionState::CloseWait);
    let (states, processes, _) = lingering(&explanation);
    assert_eq!(states[0].state, ConnectionState::CloseWait);
    assert_eq!(processes[0].pid, std::process::id());
}

#[test]
fn a_connection_that_only_the_server_has_closed_is_in_fin_wait() {
    let port = Port::claim();
    let _alone = no_forks();
    let listener = listener_without_reuse(&port);
    let (server, client) = connect(&listener);
    drop(listener);
    server.shutdown(Shutdown::Write).expect("shutdown");
    let explanation = explained_in(&port, ConnectionState::FinWait2);
    let (states, processes, _) = lingering(&explanation);
    assert_eq!((states[0].count, states[0].longest), (1, None));
    assert_eq!(processes[0].pid, std::process::id());
    // Now no process has it, and the kernel's clock runs.
    drop(server);
    let mut orphaned = None;
    eventually("the server's end is orphaned", || {
        let explanation = explained_in(&port, ConnectionState::FinWait2);
        let is_orphaned = explanation.connections[0].is_orphaned();
        orphaned = is_orphaned.then_some(explanation);
        is_orphaned
    });
    let explanation = orphaned.expect("an explanation");
    let (states, processes, _) = lingering(&explanation);
    assert!(states[0].longest.is_some(), "{states:#?}");
    assert!(processes.is_empty());
    drop(client);
}

#[test]
fn a_socket_that_is_bound_without_listening_is_named_with_its_process() {
    if !lists_bound_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .listen("bound/127.0.0.1")
        .start();
    let explanation = explained(tcp4(&port));
    match explanation.causes.as_slice() {
        [
            Cause::BoundOnly {
                socket, processes, ..
            },
        ] => {
            assert_eq!(socket.port, port.number());
            assert_eq!(processes.len(), 1);
            assert_eq!(processes[0].pid, server.pid());
        }
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_client_whose_own_local_port_it_is_is_named() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let (port, local) = (Port::claim(), Port::claim());
        let _server = Fixture::role("server")
            .port(&port)
            .listen(&format!("{protocol}/127.0.0.1"))
            .start();
        let client = Fixture::role("client")
            .set("protocol", protocol)
            .set("local", format!("127.0.0.1:{local}"))
            .set("to", format!("127.0.0.1:{port}"))
            .start();
        let explanation = explained(Target::from(local.number()).with_protocol(protocol));
        assert!(explanation.survey.is_free());
        match explanation.causes.as_slice() {
            [
                Cause::Client {
                    process: Some(process),
                    connections,
                    ..
                },
            ] => {
                assert_eq!(process.pid, client.pid());
                assert_eq!(connections.len(), 1);
                assert_eq!(connections[0].remote.port(), port.number());
            }
            other => panic!("{protocol}: {other:#?}"),
        }
        assert!(client.is_alive());
    }
}

#[test]
fn a_low_port_is_not_for_an_unprivileged_user() {
    if !root_or_skip() {
        return;
    }
    let caller = explainer("81/tcp")
        .set("netns", 1)
        .set("uid", 65534)
        .start();
    let cause = caller.wait_line("cause ");
    assert!(cause.starts_with("cause privileged "), "{cause}");
    assert!(cause.contains("1024"), "{cause}");
    assert_eq!(caller.count("cause "), 1);
    assert!(
        caller
            .lines()
            .contains(&"bind tcp 0.0.0.0 false PermissionDenied".to_owned())
    );
    // Root may.
    let caller = explainer("81/tcp").set("netns", 1).start();
    assert_eq!(caller.count("cause "), 0, "{:#?}", caller.lines());
}

#[test]
fn an_address_that_is_not_this_machines_is_named() {
    let port = Port::claim();
    let address: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
    let explanation = explained(Target::from(port.number()).with_address(address));
    match explanation.causes.as_slice() {
        [Cause::NotLocal { address: named, .. }] => assert_eq!(*named, address.into()),
        other => panic!("{other:#?}"),
    }
    for probe in &explanation.bind {
        let error = probe.result.as_ref().expect_err("it can't be bound");
        assert_eq!(error.kind, ErrorKind::AddrNotAvailable);
    }
}

#[test]
fn another_users_server_is_out_of_sight_and_sudo_would_help() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let caller = explainer(&port).set("uid", 65534).start();
    let cause = caller.wait_line("cause ");
    assert!(cause.starts_with("cause unreadable "), "{cause}");
    assert!(cause.contains("root (0)"), "{cause}");
    assert!(cause.contains("ask as root"), "{cause}");
    assert_eq!(caller.count("cause "), 1);
}

#[test]
fn a_server_outside_this_pid_namespace_is_called_that() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let caller = explainer(&port).set("pidns", 1).start();
    let cause = caller.wait_line("cause ");
    assert!(cause.starts_with("cause outside_namespace "), "{cause}");
    assert!(!cause.contains("ask as root"), "{cause}");
}

#[test]
fn a_socket_that_no_process_has_is_the_kernels_or_on_its_way() {
    let port = Port::claim();
    let _on_its_way = Fixture::role("in_flight").port(&port).start();
    let explanation = explained(port.number());
    // Even root may be refused a look at PID 1, in a virtual machine: then it can't know that it saw everything.
    let kinds: Vec<&str> = explanation.causes.iter().map(Cause::kind).collect();
    let expected = if proc::is_readable(1) {
        ["kernel", "outside_namespace"]
    } else {
        ["unreadable", "unreadable"]
    };
    assert_eq!(kinds.len(), 1, "{:#?}", explanation.causes);
    assert!(expected.contains(&kinds[0]), "{kinds:?}");
}

/// Where the only holder of a port comes from.
fn provenance(port: &Port) -> Provenance {
    let mut explanation = explained(port.number());
    assert_eq!(explanation.provenance.len(), 1, "{explanation:#?}");
    explanation.provenance.remove(0)
}

#[test]
fn a_script_runner_is_known_by_its_title() {
    let port = Port::claim();
    let runner = Fixture::role("supervisor")
        .port(&port)
        .arg0("npm run dev")
        .start();
    match &provenance(&port).origins[0] {
        Origin::ScriptRunner {
            process, command, ..
        } => {
            assert_eq!(process.pid, runner.pid());
            // The fixture has arguments of its own behind its title.
            assert!(command.starts_with("npm"), "{command}");
        }
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_supervisor_is_known_with_what_brings_the_server_back() {
    let port = Port::claim();
    let runsv = Fixture::role("supervisor")
        .port(&port)
        .set("name", "runsv")
        .cwd("/")
        .start();
    let found = provenance(&port);
    match &found.origins[0] {
        Origin::Supervisor { process, name, .. } => {
            assert_eq!((process.pid, *name), (runsv.pid(), "runit"));
        }
        other => panic!("{other:#?}"),
    }
    assert_eq!(found.stop_command.as_deref(), Some("sv stop /"));
    let by = found.brought_back_by.expect("it comes back");
    assert!(by.contains(&runsv.pid().to_string()), "{by}");
}

#[test]
fn a_worker_comes_from_its_master() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 2)
        .start();
    server.wait_count("worker ready", 2);
    let explanation = explained(port.number());
    assert_eq!(explanation.provenance.len(), 3);
    for found in &explanation.provenance {
        let is_worker = server.pids("worker").contains(&found.pid);
        let from_master = matches!(
            &found.origins[0],
            Origin::Master { process, .. } if process.pid == server.pid_of("master")
        );
        assert_eq!(is_worker, from_master, "{found:#?}");
    }
}

#[test]
fn a_daemon_is_known_by_the_leader_of_its_session() {
    let port = Port::claim();
    let daemon = Fixture::role("daemon")
        .port(&port)
        .set("name", "bash")
        .start();
    if !init_adopts_or_skip(daemon.pid_of("server")) {
        return;
    }
    let found = provenance(&port);
    let leader = found.session_leader.expect("its session has a leader");
    assert_eq!(leader.pid, daemon.pid());
    // In a container, PID 1 may be a shell as well.
    assert!(
        found.origins.iter().any(
            |origin| matches!(origin, Origin::Shell { process, .. } if process.pid == daemon.pid())
        ),
        "{:#?}",
        found.origins
    );
}

#[test]
fn a_systemd_unit_is_known_by_the_control_group() {
    for (path, user, command) in [
        ("", false, "systemctl stop"),
        ("user@1000.service/", true, "systemctl --user stop"),
    ] {
        if !root_or_skip() {
            return;
        }
        let port = Port::claim();
        let server = Fixture::role("daemon").port(&port).set("setsid", 1).start();
        let pid = server.pid_of("server");
        if !init_adopts_or_skip(pid) {
            return;
        }
        let unit = format!("kill_port-test-{pid}.service");
        let group = match ControlGroup::enter(&format!("kill_port-{pid}.slice/{path}{unit}"), pid) {
            Ok(group) => group,
            Err(why) => return skip(&why),
        };
        let found = provenance(&port);
        let is_unit = |origin: &&Origin| matches!(origin, Origin::SystemdUnit { .. });
        match found.origins.iter().find(is_unit) {
            Some(Origin::SystemdUnit {
                unit: named,
                user_scope,
                restart,
                socket_unit,
                ..
            }) => {
                assert_eq!((named, *user_scope), (&unit, user));
                assert_eq!((restart, socket_unit), (&None, &None));
            }
            _ => panic!("{:#?}", found.origins),
        }
        assert_eq!(found.stop_command, Some(format!("{command} {unit}")));
        assert_eq!(found.brought_back_by, None);
        drop(group);
    }
}

#[test]
fn a_container_is_known_by_the_control_group() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    let id = format!("{:064x}", server.pid());
    let path = format!("kill_port-{}.slice/docker-{id}.scope", server.pid());
    let group = match ControlGroup::enter(&path, server.pid()) {
        Ok(group) => group,
        Err(why) => return skip(&why),
    };
    let found = provenance(&port);
    let container = found
        .origins
        .iter()
        .find(|origin| origin.kind() == "container");
    match container {
        Some(Origin::Container {
            runtime, id: named, ..
        }) => {
            assert_eq!(
                (*runtime, named.as_deref()),
                (Some("docker"), Some(id.as_str()))
            );
        }
        other => panic!("{other:#?} in {:#?}", found.origins),
    }
    assert_eq!(
        found.stop_command,
        Some(format!("docker stop {}", &id[..12]))
    );
    drop(group);
}

#[test]
fn a_pid_namespace_of_its_own_is_called_that() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::role("server").port(&port).set("pidns", 1).start();
    let found = provenance(&port);
    assert!(
        found.origins.iter().any(|origin| matches!(
            origin,
            Origin::Container {
                runtime: None,
                id: None,
                ..
            }
        )),
        "{:#?}",
        found.origins
    );
}

#[test]
fn binds_of_a_link_local_address_are_told_with_their_interface() {
    if !root_or_skip() || !ipv6_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("link_local").port(&port).set("netns", 1);
    let server = server.start();
    let target = format!("[fe80::1]:{port}/tcp");
    let explainer = explainer(target).set("netns_of", server.pid()).start();
    let refused = |reuse: bool| format!("bind tcp fe80::1%1 {reuse} AddrInUse");
    assert!(explainer.lines().contains(&refused(false)));
    assert!(explainer.lines().contains(&refused(true)));
    assert_eq!(explainer.count("bind "), 2);
}
