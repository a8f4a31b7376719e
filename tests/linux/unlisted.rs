//! Where the kernel does not list sockets that are bound without listening, the bind tells that there is one, and each process that
//! may be traced is asked for it. Refusing netlink to the caller has the same effect as a kernel before 6.8.

use super::caller::{answer, calling};
use crate::fixture::linux::uses::claim_untouched;
use crate::fixture::linux::{finds_bound_or_skip, netlink_can_be_refused_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port, skip};

const USER: u32 = 65534;

/// Whether processes of this user may be traced that are no descendants. If not, says that the test is skipped.
fn tracing_or_skip() -> bool {
    if !finds_bound_or_skip() || !netlink_can_be_refused_or_skip() {
        return false;
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    // SAFETY: `geteuid` takes nothing and can't fail.
    let level = if unsafe { libc::geteuid() } == 0 {
        2
    } else {
        0
    };
    let may_trace = scope.trim().parse().unwrap_or(0) <= level;
    if !may_trace {
        skip("it needs the right to trace other processes");
    }
    may_trace
}

/// A process that has bound the port without listening, and ignores SIGTERM.
fn deaf_holder(port: &Port) -> Fixture {
    Fixture::role("bound_plainly")
        .port(port)
        .set("on_term", "swallow")
        .start()
}

#[test]
fn a_process_that_has_bound_the_port_is_planned_for_where_it_may_be_traced() {
    if !tracing_or_skip() {
        return;
    }
    let port = claim_untouched();
    let holder = deaf_holder(&port);
    let planned = answer(calling(&port).set("no_netlink", 1).set("plan", 1));
    assert!(planned.free, "{planned:#?}");
    planned.told(&[(holder.pid(), "would_signal", "TERM")]);
    assert!(holder.signals().is_empty());
}

#[test]
fn what_can_not_be_traced_is_told_as_something_that_is_bound_there() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    if !root_or_skip() {
        return;
    }
    let port = claim_untouched();
    let holder = deaf_holder(&port);
    for plan in [0, 1] {
        let caller = calling(&port)
            .set("no_netlink", 1)
            .set("uid", USER)
            .set("plan", plan);
        let answer = answer(caller);
        answer.held(&[("unbindable", 0)]);
        answer.told(&[]);
        answer.mentions("a socket that this system does not list is bound there");
        answer.mentions("ask as root");
    }
    assert!(holder.signals().is_empty());
}

#[test]
fn a_port_that_nobody_has_bound_is_free_where_nothing_is_listed() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    let port = Port::claim();
    answer(calling(&port).set("no_netlink", 1)).was_free();
}

#[test]
fn a_process_that_has_bound_the_port_is_ended_where_it_may_be_traced() {
    if !tracing_or_skip() {
        return;
    }
    let port = claim_untouched();
    let holder = Fixture::role("bound_plainly")
        .port(&port)
        .set("on_term", "exit")
        .start();
    answer(calling(&port).set("no_netlink", 1)).freed(&[(holder.pid(), "exited", "TERM")]);
    holder.exit_status();
    assert_eq!(holder.signals(), ["SIGTERM"]);
}

#[test]
fn a_process_that_has_bound_the_port_in_another_network_namespace_is_left_alone() {
    if !root_or_skip() || !tracing_or_skip() {
        return;
    }
    let port = claim_untouched();
    let bound = || Fixture::role("bound_plainly").port(&port);
    let elsewhere = bound().set("netns", 1).set("on_term", "exit").start();
    let holder = bound().set("on_term", "exit").start();
    answer(calling(&port).set("no_netlink", 1)).freed(&[(holder.pid(), "exited", "TERM")]);
    assert!(elsewhere.signals().is_empty());
}
