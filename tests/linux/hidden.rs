//! Sockets whose holder can't be determined are never reported as free.

use std::sync::{Mutex, PoisonError};

use kill_port::{HiddenCause, survey};

use super::answer::{kill_plainly, milliseconds_of_a_look};
use super::caller::{answer, calling};
use crate::fixture::linux::{init_adopts_or_skip, is_root, proc, root_or_skip};
use crate::fixture::{Fixture, Port, eventually, skip};

/// A thread that waits on a closed listener may be in the way of any port whose holder is not found. So such tests come one by one.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

#[test]
fn another_users_server_is_an_error_that_names_the_user_and_says_root() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let answer = answer(calling(&port).set("uid", 65534));
    answer.held(&[("hidden", 0)]);
    answer.mentions("tcp");
    answer.mentions("127.0.0.1");
    answer.mentions("root");
    answer.mentions("ask as root");
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
}

#[test]
fn a_server_outside_this_pid_namespace_is_hidden_even_from_root() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let answer = answer(calling(&port).set("pidns", 1));
    answer.held(&[("hidden", 0)]);
    assert!(
        !answer.display.contains("ask as root"),
        "root can't do more: {}",
        answer.display
    );
    assert!(server.is_alive());
    assert!(server.signals().is_empty());
}

#[test]
fn a_server_inside_another_pid_namespace_is_seen_from_outside() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server").port(&port).set("pidns", 1).start();
    // PID 1 of a namespace ignores a SIGTERM that it has not asked for; from outside, SIGKILL ends it.
    let answer = super::answer::kill(
        kill_port::KillOptions::new().grace(std::time::Duration::from_millis(300)),
        &port.to_string(),
    );
    answer.freed(&[(server.pid_of("init"), "exited", "TERM,KILL")]);
}

#[test]
fn a_socket_that_no_process_has_is_not_free() {
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let port = Port::claim();
    let on_its_way = Fixture::role("in_flight").port(&port).start();
    let answer = kill_plainly(port.number());
    answer.held(&[("hidden", 0)]);
    // Whoever is root already is not told to be.
    assert_eq!(
        answer.display.contains("ask as root"),
        !is_root(),
        "{answer:#?}"
    );
    assert!(on_its_way.is_alive());
    let seen = survey(port.number()).expect("a survey");
    assert_eq!(seen.hidden().len(), 1);
    // Even root may be refused a look at PID 1, in a container or a virtual machine: then it can't know that it saw everything.
    let everything = proc::is_readable(1);
    let cause = if everything {
        HiddenCause::Elsewhere
    } else {
        HiddenCause::Unreadable
    };
    assert_eq!(seen.hidden()[0].cause, cause);
}

#[test]
fn a_socket_in_an_io_uring_that_the_kernel_does_not_name_is_never_free() {
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for listen in ["tcp/127.0.0.1", "udp/127.0.0.1"] {
        let port = Port::claim();
        let role = Fixture::role("io_uring").port(&port).listen(listen);
        let server = match role.set("unnamed", 1).try_start() {
            Ok(server) => server,
            Err(why) => return skip(&why),
        };
        let answer = kill_plainly(port.number());
        answer.held(&[("hidden", 0)]);
        answer.told(&[]);
        answer.mentions("io_uring");
        assert!(server.is_alive());
        let explanation = kill_port::explain(port.number()).expect("an explanation");
        let cause = explanation.causes[0].to_string();
        assert!(cause.contains("io_uring"), "{cause}");
    }
}

#[test]
fn a_thread_that_waits_on_a_closed_listener_is_named_and_not_ended() {
    if !root_or_skip() {
        return;
    }
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for listen in ["tcp/127.0.0.1", "udp/127.0.0.1"] {
        let port = Port::claim();
        let server = Fixture::role("closed_while_waiting")
            .port(&port)
            .listen(listen)
            .start();
        let answer = kill_plainly(port.number());
        answer.held(&[("hidden", 0)]);
        assert!(server.is_alive());
        if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
            skip("on this processor it is not told what a thread waits for");
            continue;
        }
        answer.mentions(&format!("(PID {})", server.pid()));
        assert!(!answer.display.contains("NFS"), "{answer:#?}");
        let seen = survey(port.number()).expect("a survey");
        assert_eq!(seen.hidden()[0].cause, HiddenCause::Closed);
        let explanation = kill_port::explain(port.number()).expect("an explanation");
        assert_eq!(explanation.causes[0].kind(), "closed");
    }
}

#[test]
fn a_listener_that_is_handed_on_from_process_to_process_is_freed() {
    let port = Port::claim();
    // Each has it for longer than a look takes.
    let each = 2 * milliseconds_of_a_look() + 5;
    let chain = Fixture::role("hands_on").port(&port);
    let chain = chain.set("each_ms", each).start();
    let answer = kill_plainly(port.number());
    assert!(answer.free, "{answer:#?}");
    chain.wait_gone();
}

#[test]
fn a_users_worker_under_roots_master_does_not_make_the_port_free() {
    if !root_or_skip() {
        return;
    }
    for respawn in [0, 1] {
        let port = Port::claim();
        let server = Fixture::role("prefork")
            .port(&port)
            .set("workers", 1)
            .set("worker_uid", 65534)
            .set("respawn", respawn)
            .start();
        server.wait_line("worker ready");
        let answer = answer(calling(&port).set("uid", 65534));
        assert!(!answer.free, "{answer:#?}");
        assert!(
            answer
                .obstacles
                .iter()
                .any(|obstacle| obstacle.kind == "hidden"),
            "{answer:#?}"
        );
        answer.mentions("ask as root");
        assert!(server.is_alive());
    }
}

#[test]
fn a_users_process_with_a_socket_that_root_made_is_ended_by_that_user() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    // Its parent is PID 1, so nobody of root's can hold the socket as well.
    let daemon = Fixture::role("daemon")
        .port(&port)
        .set("late_uid", 65534)
        .start();
    if !init_adopts_or_skip(daemon.pid_of("server")) {
        return;
    }
    answer(calling(&port).set("uid", 65534)).freed(&[(daemon.pid_of("server"), "exited", "TERM")]);
}

#[test]
fn a_users_process_with_a_socket_of_roots_parent_is_left_alone_by_that_user() {
    if !root_or_skip() {
        return;
    }
    // The parent made this socket, for all that can be seen, and may hold it as well.
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("late_uid", 65534)
        .set("on_term", "swallow")
        .start();
    let answer = answer(calling(&port).set("uid", 65534));
    answer.held(&[("hidden", 0)]);
    answer.told(&[(server.pid(), "withheld", "")]);
    assert!(server.signals().is_empty());
}

#[test]
fn a_process_that_closed_itself_to_its_own_user_is_hidden_from_it() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("late_uid", 65534)
        .set("dumpable", 0)
        .start();
    let answer = answer(calling(&port).set("uid", 65534));
    answer.held(&[("hidden", 0)]);
    assert!(server.is_alive());
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn a_process_that_hangs_on_its_way_into_another_program_hides_nobody_else() {
    if !root_or_skip() {
        return;
    }
    // It is closed to everybody, for as long as it hangs.
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let port = Port::claim();
    let server = Fixture::server(&port);
    let stuck = match Fixture::role("stuck_in_exec").try_start() {
        Ok(stuck) => stuck,
        Err(why) => return skip(&why),
    };
    let pid = stuck.pid_of("stuck");
    // Whoever waited for it would wait for ever, and so would this test: the caller is a process of its own.
    let plan = answer(calling(&port).set("plan", 1));
    plan.freed(&[(server.pid(), "would_signal", "TERM")]);
    let answer = answer(calling(&port));
    answer.freed(&[(server.pid(), "exited", "TERM")]);
    assert!(stuck.is_alive());
    drop(stuck);
    eventually("it goes on, and ends", || !proc::is_running(pid));
}

#[test]
fn a_holder_that_hangs_on_its_way_into_another_program_when_it_is_told_to_end_is_still_the_holder()
{
    if !root_or_skip() {
        return;
    }
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let port = Port::claim();
    let stuck = match Fixture::role("stuck_in_exec").port(&port).try_start() {
        Ok(stuck) => stuck,
        Err(why) => return skip(&why),
    };
    let pid = stuck.pid_of("stuck");
    let here = std::env::current_dir().expect("a folder");
    let calling = calling(&port)
        .set("grace", 300)
        .set("within", here.display());
    let answer = answer(calling);
    answer.held(&[("survived", pid)]);
    answer.told(&[(pid, "survived", "TERM,KILL")]);
    drop(stuck);
    eventually("it goes on, and ends", || !proc::is_running(pid));
}
