//! Who is not ended.

use std::net::TcpListener;

use kill_port::{KillOptions, Obstacle, SparedReason};

use crate::fixture::{Fixture, Port};

#[test]
fn the_caller_is_spared_and_named() {
    let port = Port::claim();
    let own = TcpListener::bind(("127.0.0.1", port.number())).expect("bind");
    // Wine shows who owns a socket only once its owner has used it.
    own.set_ttl(64).expect("an option of every socket");
    let error = KillOptions::new()
        .kill(port.number())
        .expect_err("this test holds it");
    let [Obstacle::Spared { holder, reason, .. }] = error.obstacles() else {
        panic!("{error:#?}");
    };
    assert_eq!(*reason, SparedReason::Caller);
    assert_eq!(holder.process.pid, std::process::id());
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(own);
    assert!(
        KillOptions::new()
            .kill(port.number())
            .expect("free")
            .was_free()
    );
}

#[test]
fn clients_of_the_server_are_left_alone() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let client = Fixture::role("connect").port(&port).start();
    KillOptions::new().kill(port.number()).expect("it is freed");
    assert!(!server.exit_status().success());
    assert!(client.is_alive());
}

#[test]
fn a_client_is_not_ended_for_its_own_local_port() {
    let port = Port::claim();
    let server = Fixture::role("listen").port(&port).start();
    let client = Fixture::role("connect").port(&port).start();
    let local = client
        .words("port ")
        .first()
        .and_then(|text| text.parse::<u16>().ok())
        .expect("the client names its port");
    // Where the system lists connections, the port is found to be in use by it.
    if let Err(error) = KillOptions::new().kill(local) {
        let obstacles: Vec<&str> = error.obstacles().iter().map(Obstacle::kind).collect();
        assert_eq!(obstacles, ["client"], "{error}");
    }
    assert!(client.is_alive() && server.is_alive());
}

#[test]
fn a_holder_of_another_port_is_left_alone() {
    let ports = Port::claim_many(2);
    let servers: Vec<Fixture> = ports
        .iter()
        .map(|port| Fixture::role("listen").port(port).start())
        .collect();
    KillOptions::new()
        .kill(ports[0].number())
        .expect("it is freed");
    assert!(servers[1].is_alive());
}
