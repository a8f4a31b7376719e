//! Where `hidepid` keeps other users' processes out of sight, their sockets are still not taken for free ones. Each caller has a `/proc`
//! of its own for this; the machine's is left as it is.

use super::answer::Answer;
use super::caller::calling;
use crate::fixture::linux::{proc, root_or_skip};
use crate::fixture::{Fixture, Port, Role, eventually, skip};

const USER: u32 = 65534;

/// Runs for both levels that hide something: 1 refuses a look into other users' processes, 2 hides that they are there.
fn at_each_level(test: impl Fn(u32)) {
    if root_or_skip() {
        for level in [1, 2] {
            test(level);
        }
    }
}

/// What this caller answers; nothing, and told, where the kernel can't do this.
fn answer(role: Role) -> Option<Answer> {
    match role.try_start() {
        Ok(caller) => Some(Answer::from_caller(&caller)),
        Err(why) => {
            skip(&why);
            None
        }
    }
}

/// The answer of an unprivileged user's caller.
fn answer_to_user(target: impl ToString, level: u32) -> Option<Answer> {
    answer(calling(target).set("hidepid", level).set("uid", USER))
}

#[test]
fn a_users_own_server_is_freed_though_other_users_processes_are_hidden() {
    at_each_level(|level| {
        for listen in ["tcp/127.0.0.1", "udp/127.0.0.1"] {
            let port = Port::claim();
            let server = Fixture::role("server")
                .port(&port)
                .listen(listen)
                .set("uid", USER)
                .start();
            let Some(answer) = answer_to_user(&port, level) else {
                return;
            };
            answer.freed(&[(server.pid(), "exited", "TERM")]);
        }
        let port = Port::claim();
        if let Some(answer) = answer_to_user(&port, level) {
            answer.was_free();
        }
    });
}

#[test]
fn all_of_a_users_own_processes_are_found_though_others_are_hidden() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = Fixture::role("prefork")
            .port(&port)
            .set("uid", USER)
            .set("workers", 3)
            .start();
        server.wait_count("worker ready", 3);
        let Some(answer) = answer_to_user(&port, level) else {
            return;
        };
        assert!(answer.free, "{answer:#?}");
        server.wait_gone();
    });
}

#[test]
fn root_sees_through_hidepid() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = Fixture::role("server").port(&port).set("uid", USER).start();
        if let Some(answer) = answer(calling(&port).set("hidepid", level)) {
            answer.freed(&[(server.pid(), "exited", "TERM")]);
        }
    });
}

#[test]
fn another_users_server_that_is_out_of_sight_is_an_error() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .set("on_term", "swallow")
            .start();
        let Some(answer) = answer_to_user(&port, level) else {
            return;
        };
        answer.held(&[("hidden", 0)]);
        answer.mentions("root");
        answer.mentions("ask as root");
        assert!(server.signals().is_empty());
    });
}

#[test]
fn a_worker_under_a_master_that_is_out_of_sight_is_left_alone() {
    at_each_level(|level| {
        for respawn in [0, 1] {
            let port = Port::claim();
            let server = Fixture::role("prefork")
                .port(&port)
                .set("workers", 2)
                .set("worker_uid", USER)
                .set("worker_on_term", "exit")
                .set("respawn", respawn)
                .start();
            server.wait_count("worker ready", 2);
            let Some(answer) = answer_to_user(&port, level) else {
                return;
            };
            answer.held(&[("hidden", 0)]);
            answer.mentions("ask as root");
            // It is root's socket: that its maker has it as well was to be expected.
            assert!(
                answer
                    .holders
                    .iter()
                    .all(|told| told.fate == "withheld" && told.signals.is_empty()),
                "{answer:#?}"
            );
            for worker in server.pids("worker") {
                assert!(server.signals_after(worker).is_empty());
            }
        }
    });
}

#[test]
fn a_worker_that_a_hidden_master_replaces_is_ended_once_and_no_more() {
    at_each_level(|level| {
        let port = Port::claim();
        // Nothing tells beforehand that the master has the socket too: it passes for the user's own.
        let server = Fixture::role("prefork")
            .port(&port)
            .set("workers", 1)
            .set("worker_uid", USER)
            .set("socket_uid", USER)
            .set("worker_on_term", "exit")
            .start();
        server.wait_line("worker ready");
        let Some(answer) = answer_to_user(&port, level) else {
            return;
        };
        answer.held(&[("hidden", 0)]);
        answer.mentions("ask as root");
        let told: Vec<&str> = answer
            .holders
            .iter()
            .map(|told| told.fate.as_str())
            .collect();
        assert_eq!(
            told.iter().filter(|&&fate| fate == "exited").count(),
            1,
            "{answer:#?}"
        );
        server.wait_count("worker ready", 2);
        server.wait_count("pid worker ", 2);
        let workers = server.pids("worker");
        assert_eq!(workers.len(), 2, "{:#?}", server.lines());
        assert_eq!(server.signals_after(workers[1]), ["SIGTERM"], "one in all");
        assert!(server.is_alive());
    });
}

#[test]
fn a_workers_last_sibling_under_a_hidden_master_ends_in_an_error() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = Fixture::role("prefork")
            .port(&port)
            .set("workers", 1)
            .set("worker_uid", USER)
            .set("socket_uid", USER)
            .set("worker_on_term", "exit")
            .set("respawn", 0)
            .start();
        server.wait_line("worker ready");
        let worker = server.pid_of("worker");
        let Some(answer) = answer_to_user(&port, level) else {
            return;
        };
        answer.held(&[("hidden", 0)]);
        answer.told(&[(worker, "exited", "TERM")]);
        answer.mentions("ended before that");
        eventually("the worker is gone", || !proc::is_running(worker));
        assert!(server.is_alive());
    });
}

#[test]
fn an_ancestor_in_sight_is_spared() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = match Fixture::role("holder_calls_below")
            .port(&port)
            .set("hidepid", level)
            .set("uid", USER)
            .try_start()
        {
            Ok(server) => server,
            Err(why) => return skip(&why),
        };
        let answer = Answer::from_caller(&server);
        answer.held(&[("spared", server.pid())]);
        answer.mentions("ancestor");
        assert!(server.signals().is_empty());
    });
}

#[test]
fn an_ancestor_beyond_one_that_is_out_of_sight_is_known_by_its_session() {
    at_each_level(|level| {
        let port = Port::claim();
        let server = match Fixture::role("ancestor_beyond_root")
            .port(&port)
            .set("hidden", level)
            .try_start()
        {
            Ok(server) => server,
            Err(why) => return skip(&why),
        };
        let answer = Answer::from_caller(&server);
        answer.held(&[("spared", server.pid())]);
        answer.mentions("ancestor");
        assert!(server.signals().is_empty());
    });
}

#[test]
fn an_ancestor_out_of_sight_that_holds_the_port_is_an_error() {
    at_each_level(|level| {
        let port = Port::claim();
        // The holder stays root; the process below it that calls is another user's.
        let server = match Fixture::role("ancestor_beyond_root")
            .port(&port)
            .set("hidden", level)
            .set("stay_root", 1)
            .try_start()
        {
            Ok(server) => server,
            Err(why) => return skip(&why),
        };
        let answer = Answer::from_caller(&server);
        answer.held(&[("hidden", 0)]);
        answer.mentions("ask as root");
        assert!(server.signals().is_empty());
    });
}
