//! System calls that fail for want of something, or tell what is not so. `ci/chaos.sh` lets all of them fail in turn; `docs/faults.md` tells what
//! follows.

use super::answer::Answer;
use super::caller::{answer, calling};
use crate::fixture::{Fixture, Port, Role};

/// The caller's answer where this call always fails.
fn answer_failing(calling: Role, call: libc::c_long, error: i32) -> Answer {
    answer(calling.set("failing", format!("{call}:{error}")))
}

#[test]
fn a_port_that_could_not_be_bound_for_want_of_memory_is_not_called_free() {
    let port = Port::claim();
    for error in [libc::ENOMEM, libc::ENOBUFS] {
        let answer = answer_failing(calling(&port), libc::SYS_bind, error);
        answer.held(&[("system", 0)]);
        answer.mentions("try again");
    }
    answer(calling(&port)).was_free();
}

#[test]
fn where_no_socket_may_be_made_a_port_is_not_called_free() {
    let port = Port::claim();
    for error in [libc::EPERM, libc::EACCES] {
        let answer = answer_failing(calling(&port), libc::SYS_socket, error);
        answer.held(&[("system", 0)]);
        answer.mentions("no socket can be made");
        assert!(!answer.display.contains("/proc"), "{answer:#?}");
    }
}

#[test]
fn a_bind_that_fails_for_a_reason_that_nobody_knows_is_no_proof_that_a_port_is_free() {
    let port = Port::claim();
    for error in [libc::ENOSYS, libc::EOPNOTSUPP] {
        answer_failing(calling(&port), libc::SYS_bind, error).held(&[("system", 0)]);
    }
}

#[test]
fn where_no_link_of_a_process_can_be_read_for_want_of_memory_nobody_is_signalled_and_that_is_the_reason()
 {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let answer = answer_failing(calling(&port), libc::SYS_readlinkat, libc::ENOMEM);
    answer.held(&[("system", 0)]);
    // Each C library has words of its own for it.
    answer.mentions(&std::io::Error::from_raw_os_error(libc::ENOMEM).to_string());
    assert!(server.is_alive());
}

#[test]
fn a_server_that_is_said_to_be_gone_and_lives_is_an_error_and_not_waited_for_without_end() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let answer = answer_failing(calling(&port), libc::SYS_pidfd_send_signal, libc::ESRCH);
    answer.held(&[("system", 0)]);
    assert!(server.is_alive());
}
