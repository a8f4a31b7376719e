//! Sockets that several processes share, or that are where few look: lines 2 and 3.

use kill_port::{KillOptions, survey};

use super::answer::{kill, kill_plainly};
use crate::fixture::linux::proc;
use crate::fixture::{Fixture, Port, eventually, skip};

/// The master of a pre-fork server and its workers are all gone, none by SIGKILL, and the master knew before a worker died.
#[track_caller]
fn a_prefork_server_is_freed(workers: usize) {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", workers)
        .set("worker_on_term", "exit")
        .start();
    server.wait_count("worker ready", workers);
    let seen = survey(port.number()).expect("a survey");
    assert_eq!(seen.holders().len(), workers + 1);
    // The master ends its workers as soon as it is told: some are gone before it is their turn.
    let answer = kill_plainly(port.number());
    assert!(answer.free, "{answer:#?}");
    assert_eq!(
        answer.holders[0].pid,
        server.pid(),
        "the master comes first: {answer:#?}"
    );
    assert!(
        answer.holders.iter().all(|told| told.signals == "TERM"),
        "{answer:#?}"
    );
    assert!(server.exit_status().success());
    server.wait_gone();
    assert_eq!(server.count("master ends"), 1);
    // Nobody was replaced: the master was told before it could.
    assert_eq!(server.pids("worker").len(), workers);
    eventually("all workers are gone", || {
        !server.pids("worker").into_iter().any(proc::is_running)
    });
}

#[test]
fn a_prefork_server_is_ended_master_first() {
    a_prefork_server_is_freed(4);
}

#[test]
fn a_prefork_server_with_200_workers_is_ended() {
    a_prefork_server_is_freed(200);
}

#[test]
fn a_prefork_server_that_ignores_sigterm_meets_sigkill_with_all_its_workers() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 3)
        .set("on_term", "ignore")
        .set("worker_on_term", "ignore")
        .start();
    server.wait_count("worker ready", 3);
    let answer = kill(
        KillOptions::new().grace(std::time::Duration::from_millis(300)),
        &port.to_string(),
    );
    assert!(answer.free, "{answer:#?}");
    assert!(
        answer
            .holders
            .iter()
            .all(|told| told.signals == "TERM,KILL"),
        "{answer:#?}"
    );
    server.wait_gone();
}

#[test]
fn a_master_that_replaces_its_workers_and_ignores_sigterm_meets_sigkill() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 3)
        .set("on_term", "ignore")
        .start();
    server.wait_count("worker ready", 3);
    let answer = kill(
        KillOptions::new().grace(std::time::Duration::from_millis(500)),
        &port.to_string(),
    );
    assert!(answer.free, "{answer:#?}");
    server.wait_gone();
}

#[test]
fn unrelated_processes_that_share_the_port_are_all_ended() {
    let port = Port::claim();
    let servers: Vec<Fixture> = (0..3)
        .map(|_| {
            Fixture::role("server")
                .port(&port)
                .set("reuseport", 1)
                .start()
        })
        .collect();
    let expected: Vec<_> = servers
        .iter()
        .map(|server| (server.pid(), "exited", "TERM"))
        .collect();
    kill_plainly(port.number()).freed(&expected);
    for server in &servers {
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
}

/// The only process of this role that is left holds the port where few look; it is found and ended.
#[track_caller]
fn the_server_of_this_role_is_ended(role: crate::fixture::Role) {
    let port = Port::claim();
    let server = match role.port(&port).try_start() {
        Ok(server) => server,
        Err(why) => return skip(&why),
    };
    let pid = server.pid_of("server");
    let seen = survey(port.number()).expect("a survey");
    assert!(seen.hidden().is_empty(), "{seen:#?}");
    assert_eq!(seen.holders().len(), 1, "{seen:#?}");
    kill_plainly(port.number()).freed(&[(pid, "exited", "TERM")]);
    eventually("the server is gone", || !proc::is_running(pid));
}

#[test]
fn a_descriptor_that_was_passed_to_an_unrelated_process_is_found() {
    the_server_of_this_role_is_ended(Fixture::role("passed"));
}

#[test]
fn a_descriptor_in_the_private_table_of_a_thread_is_found() {
    the_server_of_this_role_is_ended(Fixture::role("private_table"));
    the_server_of_this_role_is_ended(Fixture::role("private_table").set("threads", 40));
}

#[test]
fn a_process_whose_main_thread_has_exited_is_found() {
    the_server_of_this_role_is_ended(Fixture::role("main_thread_gone"));
}

#[test]
fn a_socket_that_is_only_in_an_io_uring_is_found() {
    the_server_of_this_role_is_ended(Fixture::role("io_uring"));
}

#[test]
fn an_io_uring_beside_a_descriptor_is_found_as_well() {
    let port = Port::claim();
    let ring = match Fixture::role("io_uring")
        .port(&port)
        .set("reuseport", 1)
        .try_start()
    {
        Ok(ring) => ring,
        Err(why) => return skip(&why),
    };
    let plain = Fixture::role("server")
        .port(&port)
        .set("reuseport", 1)
        .start();
    kill_plainly(port.number()).freed(&[
        (ring.pid(), "exited", "TERM"),
        (plain.pid(), "exited", "TERM"),
    ]);
}
