//! `tree`: the holders' descendants are ended as well.

use kill_port::{Fate, KillOptions};

use super::answer::{kill, kill_plainly};
use crate::fixture::linux::{proc, server, signals, sockets};
use crate::fixture::{Fixture, Params, Port, RoleKind, say};

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "stubborn_tree",
    &[sockets::TAKES, server::TAKES],
    stubborn_tree,
)];

/// A server with a child that takes no SIGTERM and holds nothing.
fn stubborn_tree(params: &Params) {
    let child = signals::fork(|| {
        signals::ignore(libc::SIGTERM);
        say("branch ready");
        signals::pause_for_ever();
    });
    say(&format!("pid child {child}"));
    server::server(params);
}

/// A server whose children and grandchildren hold nothing, once all of them run.
fn grown(port: &Port) -> Fixture {
    let server = Fixture::role("tree")
        .port(port)
        .set("children", 2)
        .set("grandchildren", 2)
        .start();
    server.wait_count("branch ready", 2);
    server
}

fn descendants(server: &Fixture) -> Vec<u32> {
    let mut all = server.pids("child");
    all.extend(server.pids("grandchild"));
    assert_eq!(all.len(), 6);
    all
}

#[test]
fn descendants_that_hold_nothing_are_ended_with_the_holder_when_asked() {
    let port = Port::claim();
    let server = grown(&port);
    let mut expected: Vec<(u32, &str, &str)> = descendants(&server)
        .into_iter()
        .map(|pid| (pid, "exited", "TERM"))
        .collect();
    expected.push((server.pid(), "exited", "TERM"));
    kill(KillOptions::new().tree(true), &port.to_string()).freed(&expected);
    server.wait_gone();
}

#[test]
fn descendants_live_on_when_they_are_not_asked_for() {
    let port = Port::claim();
    let server = grown(&port);
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
    assert!(descendants(&server).into_iter().all(proc::is_running));
}

#[test]
fn a_tree_is_told_from_the_top() {
    let port = Port::claim();
    let server = grown(&port);
    let freed = KillOptions::new()
        .tree(true)
        .kill(port.number())
        .expect("it is freed");
    let order: Vec<u32> = freed
        .ended
        .iter()
        .map(|report| report.holder.process.pid)
        .collect();
    assert_eq!(order[0], server.pid());
    for report in &freed.ended[1..] {
        let process = &report.holder.process;
        let at = |pid| order.iter().position(|other| *other == pid);
        let parent = process.parent_pid.and_then(at);
        assert!(parent < at(process.pid), "{process:#?} in {order:?}");
        assert!(report.holder.sockets.is_empty());
    }
}

#[test]
fn a_descendant_that_ignores_sigterm_gets_sigkill_though_the_port_is_free() {
    let port = Port::claim();
    let server = Fixture::role("stubborn_tree").port(&port).start();
    server.wait_line("branch ready");
    let child = server.pid_of("child");
    let options = KillOptions::new()
        .tree(true)
        .grace(std::time::Duration::from_millis(300));
    kill(&options, &port.to_string()).freed(&[
        (server.pid(), "exited", "TERM"),
        (child, "exited", "TERM,KILL"),
    ]);
    server.wait_gone();
}

#[test]
fn a_plan_of_a_tree_names_the_descendants_and_signals_nobody() {
    let port = Port::claim();
    let server = grown(&port);
    let plan = KillOptions::new()
        .tree(true)
        .plan(port.number())
        .expect("a plan");
    assert!(plan.would_free());
    let mut named: Vec<u32> = plan
        .holders
        .iter()
        .filter(|report| report.fate == Fate::WouldSignal)
        .map(|report| report.holder.process.pid)
        .collect();
    named.sort_unstable();
    let mut all = descendants(&server);
    all.push(server.pid());
    all.sort_unstable();
    assert_eq!(named, all);
    assert!(all.into_iter().all(proc::is_running));
}
