//! `supervisor`: whoever was seen to start a holder again is ended, before the holder.

use std::time::Duration;

use kill_port::{Advice, Fate, KillOptions, Restarts, SparedReason};

use super::answer::{Answer, kill, kill_plainly};
use crate::fixture::linux::cgroup::ControlGroup;
use crate::fixture::linux::returning::{manager_of, parent_that_waits};
use crate::fixture::linux::{proc, root_or_skip, server, signals, sockets};
use crate::fixture::{Fixture, Params, Port, RoleKind, eventually, introduce, skip};

pub const ROLES: &[RoleKind] = &[
    RoleKind::new("shell_loop", &[sockets::TAKES, server::TAKES], |_| {
        shell_loop();
    }),
    RoleKind::new(
        "stubborn_supervisor",
        &[sockets::TAKES, server::TAKES],
        stubborn_supervisor,
    ),
    RoleKind::new(
        "nested_supervisor",
        &[sockets::TAKES, server::TAKES],
        nested_supervisor,
    ),
    RoleKind::new(
        "supervising_ancestor",
        &[sockets::TAKES, server::TAKES],
        supervising_ancestor,
    ),
];

/// Becomes a shell that starts a server again and again.
fn shell_loop() {
    use std::os::unix::process::CommandExt;
    introduce("shell");
    let program = std::env::current_exe().expect("the path of this program");
    let error = std::process::Command::new("sh")
        .arg("-c")
        .arg(r#"while :; do KILL_PORT_ROLE=server "$0"; done"#)
        .arg(program)
        .exec();
    panic!("sh: {error}");
}

/// Starts one server after the other, and takes no SIGTERM.
fn stubborn_supervisor(params: &Params) {
    signals::ignore(libc::SIGTERM);
    start_for_ever(params);
}

/// The parent of one who starts one server after the other, and starts nothing again itself.
fn nested_supervisor(params: &Params) {
    introduce("parent");
    signals::fork(|| {
        introduce("supervisor");
        start_for_ever(params);
    });
    signals::reap(true);
    signals::pause_for_ever();
}

/// Does the same as a shell that has started both the servers and the caller.
fn supervising_ancestor(params: &Params) {
    let port = params.port();
    signals::fork(|| {
        eventually("there is a server", || {
            kill_port::survey(port).is_ok_and(|survey| !survey.is_free())
        });
        kill(KillOptions::new().supervisor(true), &port.to_string()).say();
    });
    start_for_ever(params);
}

/// Starts a server whenever the last one has ended.
fn start_for_ever(params: &Params) {
    loop {
        let server = signals::fork(|| {
            // SAFETY: it takes two numbers; what the parent ignores, the server need not.
            unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) };
            server::server(params);
        });
        while signals::reap(true).is_some_and(|ended| ended != server) {}
    }
}

/// Frees the port, and ends the supervisor too.
fn kill_both(port: &Port) -> Answer {
    kill(KillOptions::new().supervisor(true), &port.to_string())
}

#[test]
fn a_shell_loop_that_starts_a_server_again_is_ended() {
    let port = Port::claim();
    let shell = Fixture::role("shell_loop").port(&port).start();
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    assert!(
        answer
            .holders
            .iter()
            .any(|told| told.pid == shell.pid_of("shell") && told.fate == "exited"),
        "{answer:#?}"
    );
    assert!(!proc::is_running(shell.pid_of("shell")));
}

#[test]
fn a_watcher_that_starts_a_server_again_is_ended_before_the_server() {
    let port = Port::claim();
    let watcher = Fixture::role("supervisor")
        .port(&port)
        .set("name", "nodemon")
        .set("delay", 20)
        .start();
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    watcher.wait_gone();
}

#[test]
fn nobody_but_the_one_who_was_seen_to_start_it_again_is_ended() {
    // Its parent starts nothing again, so the option changes nothing.
    let port = Port::claim();
    let parent = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .start();
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    assert_eq!(answer.holders.len(), 1, "{answer:#?}");
    parent.wait_line("gave up");
    assert!(parent.is_alive());
}

#[test]
fn a_supervisor_that_ignores_sigterm_gets_sigkill() {
    let port = Port::claim();
    let stubborn = Fixture::role("stubborn_supervisor").port(&port).start();
    let options = KillOptions::new()
        .supervisor(true)
        .grace(Duration::from_secs(3));
    let answer = kill(&options, &port.to_string());
    assert!(answer.free, "{answer:#?}");
    assert!(
        answer
            .holders
            .iter()
            .any(|told| told.pid == stubborn.pid() && told.signals == "TERM,KILL"),
        "{answer:#?}"
    );
    stubborn.wait_gone();
}

#[test]
fn a_supervisor_that_is_an_ancestor_of_the_caller_is_never_ended() {
    let port = Port::claim();
    let ancestor = Fixture::role("supervising_ancestor").port(&port).start();
    let answer = Answer::from_caller(&ancestor);
    // Nobody waits for what an ancestor may start: the port is free until it does, unless it was faster.
    assert!(
        answer.free
            || answer
                .obstacles
                .iter()
                .all(|obstacle| obstacle.kind == "respawned"),
        "{answer:#?}"
    );
    assert!(
        answer.holders.iter().all(|told| told.pid != ancestor.pid()),
        "{answer:#?}"
    );
    // It lives, and goes on.
    ancestor.wait_count("pid server", 2);
}

#[test]
fn without_the_option_the_command_that_would_work_is_named() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("name", "the watcher")
        .start();
    let answer = kill_plainly(port.number());
    assert!(!answer.free, "{answer:#?}");
    answer.mentions("end its supervisor as well");
    answer.mentions(&format!("(PID {})", supervisor.pid()));
    assert!(supervisor.is_alive());
}

#[test]
fn a_supervisor_with_a_command_of_its_own_is_named_with_it() {
    let port = Port::claim();
    let runsv = Fixture::role("supervisor")
        .port(&port)
        .set("name", "runsv")
        .cwd("/")
        .start();
    let answer = kill_plainly(port.number());
    assert!(!answer.free, "{answer:#?}");
    answer.mentions("`sv stop /`");
    assert!(runsv.is_alive());
}

#[test]
fn a_users_own_systemd_is_neither_ended_as_a_holder_nor_as_a_supervisor() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let holder = Fixture::role("server")
        .port(&port)
        .set("name", "systemd")
        .set("on_term", "swallow")
        .start();
    let group = match ControlGroup::enter(&place(holder.pid()), holder.pid()) {
        Ok(group) => group,
        Err(why) => return skip(&why),
    };
    let answer = kill_both(&port);
    answer.held(&[("spared", holder.pid())]);
    answer.mentions("service manager");
    assert!(holder.signals().is_empty());
    drop(group);

    for is_named_late in [false, true] {
        a_starter_that_is_a_users_own_systemd(is_named_late);
    }
}

/// A control group in which a process of that name is a user's own systemd.
fn place(pid: u32) -> String {
    format!("kill_port-{pid}.slice/user@65534.service/init.scope")
}

/// What it starts is named later than it is started, perhaps, and is what it is called when it holds the port.
fn a_starter_that_is_a_users_own_systemd(is_named_late: bool) {
    let port = Port::claim();
    let mut starter = Fixture::role("supervisor")
        .port(&port)
        .set("name", "systemd")
        .set("startup", 60);
    if is_named_late {
        starter = starter.set("named_late", 1);
    }
    let starter = starter.start();
    let group = match ControlGroup::enter(&place(starter.pid()), starter.pid()) {
        Ok(group) => group,
        Err(why) => return skip(&why),
    };
    let answer = kill_both(&port);
    // Its servers have no unit of their own here, so nobody waits for the next one.
    assert!(
        answer.free
            || answer
                .obstacles
                .iter()
                .all(|obstacle| obstacle.kind == "respawned"),
        "{answer:#?}"
    );
    assert!(
        answer.holders.iter().all(|told| told.pid != starter.pid()),
        "{answer:#?}"
    );
    starter.wait_count("pid server", 2);
    assert!(starter.is_alive());
    drop(group);
}

#[test]
fn whoever_is_above_the_one_that_starts_it_again_lives() {
    let port = Port::claim();
    let parent = Fixture::role("nested_supervisor").port(&port).start();
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    let is_told = |pid| answer.holders.iter().any(|told| told.pid == pid);
    assert!(is_told(parent.pid_of("supervisor")), "{answer:#?}");
    assert!(!is_told(parent.pid_of("parent")), "{answer:#?}");
    assert!(proc::is_running(parent.pid_of("parent")));
}

#[test]
fn a_parent_that_may_start_it_again_later_is_named_when_the_port_is_freed() {
    for (name, restarts) in [("sh", Restarts::Perhaps), ("nodemon", Restarts::OnChange)] {
        let port = Port::claim();
        let parent = parent_that_waits(name, &port);
        let freed = KillOptions::new().kill(port.number()).expect("it is free");
        assert_eq!(freed.ended.len(), 1, "{freed:#?}");
        assert_eq!(freed.supervisors.len(), 1, "{freed:#?}");
        let named = &freed.supervisors[0];
        assert_eq!(named.process.pid, parent.pid_of("supervisor"));
        assert_eq!((named.restarts, named.would_end), (restarts, false));
        let kill = Advice::Run(format!("kill {}", parent.pid_of("supervisor")));
        assert_eq!(named.advice, Some(kill));
        assert!(parent.is_alive());
    }
}

#[test]
fn a_server_that_takes_its_time_to_end_below_a_supervisor_is_not_free_before_it_has_come_back() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("on_term", "drain:600")
        .start();
    // However long it takes on a busy machine.
    let options = KillOptions::new().settle(Duration::from_secs(20));
    let answer = kill(options, &port.to_string());
    answer.held(&[("respawned", supervisor.pids("server")[3])]);
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    supervisor.wait_gone();
}

#[test]
fn a_parent_is_named_that_may_start_again_who_has_given_up_the_port_and_lives() {
    let port = Port::claim();
    let parent = Fixture::role("supervisor")
        .port(&port)
        .set("on_term", "release:0")
        .start();
    // Its grace is over before it is waited for long enough, which is no reason to call a free port held.
    let options = KillOptions::new().escalate(false);
    let options = options.grace(Duration::from_millis(300));
    let freed = options.kill(port.number()).expect("it is free");
    assert_eq!(freed.ended[0].fate, Fate::Released, "{freed:#?}");
    let named = freed.supervisors.iter().map(|named| named.process.pid);
    assert_eq!(named.collect::<Vec<_>>(), [parent.pid_of("supervisor")]);
}

#[test]
fn nobody_is_named_who_ends_with_the_server() {
    let port = Port::claim();
    let parent = Fixture::role("supervisor")
        .port(&port)
        .set("limit", 0)
        .set("end", 1)
        .start();
    // However long the parent takes to end on a busy machine: nobody waits longer than that.
    let options = KillOptions::new().settle(Duration::from_secs(20));
    let freed = options.kill(port.number()).expect("it is free");
    assert_eq!(freed.supervisors, [], "{freed:#?}");
    parent.wait_gone();
}

#[test]
fn a_supervisor_that_waits_for_a_second_is_seen_and_ended() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("delay", 1000)
        .start();
    let answer = kill_both(&port);
    assert!(answer.free, "{answer:#?}");
    let is_ended = |pid| {
        let mut told = answer.holders.iter();
        told.any(|told| told.pid == pid && told.fate == "exited")
    };
    assert!(is_ended(supervisor.pid_of("supervisor")), "{answer:#?}");
    supervisor.wait_gone();
}

#[test]
fn a_known_watcher_is_ended_though_nobody_saw_it_start_anything_again() {
    let port = Port::claim();
    let watcher = parent_that_waits("cargo-watch", &port);
    let options = KillOptions::new().supervisor(true);
    let plan = options.plan(port.number()).expect("a plan");
    let planned = plan
        .holders
        .iter()
        .find(|report| report.holder.process.pid == watcher.pid_of("supervisor"));
    assert_eq!(
        planned.map(|report| report.fate),
        Some(Fate::WouldSignal),
        "{plan:#?}"
    );
    assert_eq!(plan.supervisors, [], "{plan:#?}");
    let freed = options.kill(port.number()).expect("it is free");
    // The watcher first, so that it starts nothing in the place of the server.
    let ended: Vec<u32> = freed
        .ended
        .iter()
        .map(|one| one.holder.process.pid)
        .collect();
    assert_eq!(
        ended,
        [watcher.pid_of("supervisor"), watcher.pid_of("server")],
        "{freed:#?}"
    );
    assert_eq!(freed.supervisors, [], "{freed:#?}");
    watcher.wait_gone();
}

#[test]
fn a_parent_on_which_another_server_depends_is_spared_and_the_other_is_named() {
    let ports = Port::claim_many(2);
    let manager = manager_of(&ports[0], &ports[1]);
    let line = format!("pid server {} ", ports[1]);
    let other: u32 = manager.words(&line)[0].parse().expect("a PID");

    let options = KillOptions::new().supervisor(true);
    let plan = options.plan(ports[0].number()).expect("a plan");
    assert_eq!(plan.supervisors.len(), 1, "{plan:#?}");
    let named = &plan.supervisors[0];
    assert_eq!(named.process.pid, manager.pid_of("manager"));
    assert!(!named.would_end, "{plan:#?}");
    assert_eq!(named.others.len(), 1, "{plan:#?}");
    assert_eq!(named.others[0].process.pid, other);

    let error = options.kill(ports[0].number()).expect_err("it comes back");
    let kill_port::Obstacle::Respawned {
        supervisor: Some(supervisor),
        supervisor_spared,
        others,
        ..
    } = &error.obstacles()[0]
    else {
        panic!("{error}");
    };
    assert_eq!(supervisor.pid, manager.pid_of("manager"));
    assert_eq!(*supervisor_spared, Some(SparedReason::Needed));
    assert_eq!(others[0].process.pid, other, "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("(PID {other}, port {})", ports[1])),
        "{error}"
    );
    assert!(manager.is_alive() && proc::is_running(other));

    // Whoever asks for both ports means both servers.
    let targets = ports.iter().map(Port::number);
    for (_, result) in options.kill_all(targets) {
        result.expect("it is free");
    }
    manager.wait_gone();
}

#[test]
fn a_manager_that_is_known_to_start_everything_again_makes_a_plan_say_that_it_comes_back() {
    let port = Port::claim();
    let runsv = Fixture::role("supervisor")
        .port(&port)
        .set("name", "runsv")
        .start();
    let plan = KillOptions::new().plan(port.number()).expect("a plan");
    assert!(plan.comes_back() && !plan.would_free(), "{plan:#?}");
    let plan = KillOptions::new().supervisor(true).plan(port.number());
    let plan = plan.expect("a plan");
    assert!(
        plan.would_free() && plan.supervisors[0].would_end,
        "{plan:#?}"
    );
    assert!(runsv.is_alive());
}
