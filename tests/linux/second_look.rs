//! The quick look takes in the lowest descriptors. Whoever holds the port elsewhere is found by the look that follows, and whoever must
//! not be signalled is found by the first.

use std::ops::ControlFlow;

use kill_port::{Event, KillOptions, Target, survey, survey_all};

use super::answer::Answer;
use super::caller::{answer, calling};
use crate::fixture::linux::root_or_skip;
use crate::fixture::{Fixture, Port, Role, skip};

/// Two unrelated processes with one socket, both ready: see the role.
fn shared(port: &Port) -> Role {
    Fixture::role("shared").port(port)
}

fn start(role: Role) -> Result<Fixture, String> {
    let fixture = role.spawn();
    let line = fixture.wait_any(&["far ready", "unsupported"]);
    if line.starts_with("unsupported") {
        return Err(line);
    }
    fixture.wait_line("near ready");
    Ok(fixture)
}

#[track_caller]
fn start_or_panic(role: Role) -> Fixture {
    start(role).unwrap_or_else(|why| panic!("{why}"))
}

/// Frees the port, and tells whom the first look had found.
fn kill_and_tell_first(options: &KillOptions, port: u16) -> (Answer, Vec<u32>) {
    let mut first: Option<Vec<u32>> = None;
    let result = options.kill_with(port, |event| {
        if let Event::Try { holders, .. } = event {
            let pids = holders.iter().map(|holder| holder.process.pid).collect();
            first.get_or_insert(pids);
        }
        ControlFlow::Continue(())
    });
    (Answer::of(&result), first.unwrap_or_default())
}

/// The far holder is missed by the first look of a kill and ended after the second; a dry run looks at everything.
fn a_far_holder_is_found(far: &[(&str, &str)]) {
    let port = Port::claim();
    let role = far
        .iter()
        .fold(shared(&port), |role, (name, value)| role.set(name, value));
    let both = match start(role) {
        Ok(both) => both,
        Err(why) => return skip(&why),
    };
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let plan = KillOptions::new().plan(port.number()).expect("a plan");
    let mut planned: Vec<u32> = plan
        .holders
        .iter()
        .map(|report| report.holder.process.pid)
        .collect();
    planned.sort_unstable();
    let mut expected = vec![near, far];
    expected.sort_unstable();
    assert_eq!(planned, expected);
    let (answer, first) = kill_and_tell_first(&KillOptions::new(), port.number());
    answer.freed(&[(near, "exited", "TERM"), (far, "exited", "TERM")]);
    assert_eq!(first, [near]);
    assert!(survey(port.number()).expect("a survey").is_free());
}

#[test]
fn in_a_crowd_all_who_have_the_socket_among_their_lowest_descriptors_are_found_in_the_first_look() {
    let crowd = Fixture::role("idle").set("count", 200).start();
    let port = Port::claim();
    let both = start_or_panic(shared(&port).set("fd", 15));
    let mut expected = vec![both.pid_of("near"), both.pid_of("far")];
    expected.sort_unstable();
    let (answer, mut first) = kill_and_tell_first(&KillOptions::new(), port.number());
    first.sort_unstable();
    assert_eq!(first, expected);
    assert!(answer.free, "{answer:#?}");
    drop(crowd);
}

#[test]
fn a_descriptor_passed_to_a_high_number_is_found_in_the_second_look() {
    a_far_holder_is_found(&[("fd", "900")]);
}

#[test]
fn the_first_descriptor_that_is_not_among_the_lowest_is_found_in_the_second_look() {
    a_far_holder_is_found(&[("fd", "16")]);
}

#[test]
fn a_thread_with_a_table_of_its_own_is_found_in_the_second_look() {
    a_far_holder_is_found(&[("far", "private_table")]);
}

#[test]
fn an_io_uring_is_found_in_the_second_look() {
    a_far_holder_is_found(&[("far", "io_uring")]);
}

#[test]
fn a_far_holder_out_of_reach_is_found_in_the_second_look_and_the_error_names_both() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let both = start_or_panic(
        shared(&port)
            .set("far_uid", 65534)
            .set("far_on_term", "swallow"),
    );
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let answer = answer(calling(&port).set("no_cap_kill", 1));
    answer.held(&[("not_permitted", far)]);
    answer.told(&[(near, "exited", "TERM"), (far, "denied", "")]);
    answer.mentions(&format!("(PID {far}) of user"));
    says_that_it_was_ended(&answer, near);
    assert!(both.signals_after(far).is_empty());
}

#[test]
fn beside_a_far_holder_out_of_reach_a_dry_run_would_signal_nobody() {
    if !root_or_skip() {
        return;
    }
    for far in ["fd", "private_table", "io_uring"] {
        let port = Port::claim();
        let both = match start(
            shared(&port)
                .set("far", far)
                .set("near_on_term", "swallow")
                .set("far_uid", 65534)
                .set("far_on_term", "swallow"),
        ) {
            Ok(both) => both,
            Err(why) => {
                skip(&why);
                continue;
            }
        };
        let (near, far) = (both.pid_of("near"), both.pid_of("far"));
        let answer = answer(calling(&port).set("no_cap_kill", 1).set("plan", 1));
        answer.held(&[("not_permitted", far)]);
        answer.told(&[(near, "withheld", ""), (far, "denied", "")]);
        assert!(!answer.display.contains("ended before"), "{answer:#?}");
        assert!(both.signals_after(near).is_empty());
        assert!(both.signals_after(far).is_empty());
    }
}

#[test]
fn a_far_holder_that_this_user_can_not_look_into_is_an_error_that_says_who_was_ended() {
    if !root_or_skip() {
        return;
    }
    // Such a one can't be known before, however complete the look.
    let port = Port::claim();
    let both = start_or_panic(
        shared(&port)
            .set("near_uid", 65534)
            .set("far_on_term", "swallow"),
    );
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let answer = answer(calling(&port).set("uid", 65534));
    answer.held(&[("hidden", 0)]);
    answer.told(&[(near, "exited", "TERM")]);
    answer.mentions("as root");
    says_that_it_was_ended(&answer, near);
    assert!(both.signals_after(far).is_empty());
}

#[test]
fn a_far_holder_under_roots_parent_is_not_taken_for_a_replacement() {
    if !root_or_skip() {
        return;
    }
    for hidden in [None, Some(1), Some(2)] {
        let port = Port::claim();
        let both = start_or_panic(shared(&port).set("near_uid", 65534).set("far_uid", 65534));
        let mut caller = calling(&port).set("uid", 65534);
        if let Some(level) = hidden {
            caller = caller.set("hidepid", level);
        }
        let caller = match caller.try_start() {
            Ok(caller) => caller,
            Err(why) => {
                skip(&why);
                continue;
            }
        };
        Answer::from_caller(&caller).freed(&[
            (both.pid_of("near"), "exited", "TERM"),
            (both.pid_of("far"), "exited", "TERM"),
        ]);
    }
}

/// The error says that this process was ended before the obstacle was known.
#[track_caller]
fn says_that_it_was_ended(answer: &Answer, pid: u32) {
    let (_, ended) = answer
        .display
        .split_once("ended before that: ")
        .unwrap_or_else(|| panic!("nobody was ended: {answer:#?}"));
    assert!(ended.contains(&format!("(PID {pid})")), "{answer:#?}");
}

#[test]
fn a_far_holder_that_is_spared_is_found_in_the_second_look() {
    let port = Port::claim();
    let role = || {
        shared(&port)
            .set("far_name", "docker-proxy")
            .set("far_on_term", "swallow")
    };
    let both = start_or_panic(role());
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let (answer, first) = kill_and_tell_first(&KillOptions::new(), port.number());
    assert_eq!(first, [near]);
    answer.held(&[("spared", far)]);
    answer.told(&[(near, "exited", "TERM"), (far, "spared", "")]);
    says_that_it_was_ended(&answer, near);
    assert!(both.signals_after(far).is_empty());
    drop(both);

    let both = start_or_panic(role().set("near_on_term", "swallow"));
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let answer = Answer::of_plan(&KillOptions::new().plan(port.number()));
    answer.held(&[("spared", far)]);
    answer.told(&[(near, "withheld", ""), (far, "spared", "")]);
    assert!(both.signals_after(near).is_empty());
    assert!(both.signals_after(far).is_empty());
}

#[test]
fn no_sigkill_follows_once_a_far_holder_is_known_to_be_spared() {
    let port = Port::claim();
    let both = start_or_panic(
        shared(&port)
            .set("near_on_term", "swallow")
            .set("far_name", "docker-proxy")
            .set("far_on_term", "swallow"),
    );
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    // Nobody ends, so that it is the end of the first try that brings the second look.
    let (answer, _) = kill_and_tell_first(&KillOptions::new(), port.number());
    answer.held(&[("spared", far)]);
    answer.told(&[(near, "survived", "TERM"), (far, "spared", "")]);
    assert_eq!(both.signals_after(near), ["SIGTERM"]);
}

#[test]
fn the_caller_is_looked_at_completely_before_anybody_is_signalled() {
    let port = Port::claim();
    let caller = Fixture::role("holder_calls")
        .port(&port)
        .set("fd", 900)
        .set("near", 1)
        .set("near_on_term", "swallow")
        .start();
    let near = caller.pid_of("near");
    let answer = Answer::from_caller(&caller);
    answer.held(&[("spared", caller.pid())]);
    answer.told(&[(caller.pid(), "spared", ""), (near, "withheld", "")]);
    assert!(caller.signals_after(near).is_empty());
}

#[test]
fn ancestors_of_the_caller_are_looked_at_completely_before_anybody_is_signalled() {
    let port = Port::claim();
    let server = Fixture::role("holder_calls_below")
        .port(&port)
        .set("fd", 900)
        .set("near", 1)
        .set("near_on_term", "swallow")
        .start();
    let near = server.pid_of("near");
    let answer = Answer::from_caller(&server);
    answer.held(&[("spared", server.pid())]);
    answer.told(&[(server.pid(), "spared", ""), (near, "withheld", "")]);
    answer.mentions("ancestor");
    assert!(server.signals_after(near).is_empty());
    assert!(server.signals().is_empty());
}

#[test]
fn pid_1_is_looked_at_completely_before_anybody_is_signalled() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let init = Fixture::role("holder_calls_below")
        .port(&port)
        .set("pidns", 1)
        .set("include_ancestors", 1)
        .set("fd", 900)
        .set("near", 1)
        .set("near_on_term", "swallow")
        .start();
    let answer = Answer::from_caller(&init);
    answer.held(&[("spared", 1)]);
    answer.told(&[(1, "spared", ""), (init.pid_of("near"), "withheld", "")]);
    answer.mentions("PID 1");
    assert_eq!(init.count("got "), 0, "{:#?}", init.lines());
}

#[test]
fn a_holders_own_ancestors_are_looked_at_completely_before_it_is_signalled() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("fd", 900)
        .set("workers", 2)
        .set("worker_on_term", "exit")
        .start();
    server.wait_count("worker ready", 2);
    let (answer, first) = kill_and_tell_first(&KillOptions::new(), port.number());
    assert!(answer.free, "{answer:#?}");
    assert!(first.contains(&server.pid()), "{first:?}");
    // The master knew before a worker died: it has replaced none.
    assert_eq!(answer.holders[0].pid, server.pid(), "{answer:#?}");
    server.wait_gone();
    assert_eq!(server.pids("worker").len(), 2);
}

#[test]
fn surveys_and_plans_always_look_at_everything() {
    for far in ["fd", "private_table", "io_uring"] {
        let port = Port::claim();
        let role = shared(&port)
            .set("far", far)
            .set("near_on_term", "swallow")
            .set("far_on_term", "swallow");
        let both = match start(role) {
            Ok(both) => both,
            Err(why) => {
                skip(&why);
                continue;
            }
        };
        let mut expected = [both.pid_of("near"), both.pid_of("far")];
        expected.sort_unstable();
        let on_port = |seen: kill_port::Survey| -> Vec<u32> {
            seen.holders()
                .iter()
                .filter(|holder| {
                    let mut sockets = holder.sockets.iter();
                    sockets.any(|socket| socket.port == port.number())
                })
                .map(|holder| holder.process.pid)
                .collect()
        };
        assert_eq!(
            on_port(survey(port.number()).expect("a survey")),
            expected,
            "{far}"
        );
        assert_eq!(on_port(survey_all().expect("a survey")), expected, "{far}");
        let plan = KillOptions::new()
            .plan(Target::from(port.number()))
            .expect("a plan");
        assert!(plan.would_free(), "{plan:#?}");
        let mut planned: Vec<(u32, &str)> = plan
            .holders
            .iter()
            .map(|report| (report.holder.process.pid, report.fate.as_str()))
            .collect();
        planned.sort_unstable();
        assert_eq!(
            planned,
            expected.map(|pid| (pid, "would_signal")),
            "{plan:#?}"
        );
        for pid in expected {
            assert!(both.signals_after(pid).is_empty());
        }
    }
}

#[test]
fn a_plan_knows_of_a_far_holder_that_would_be_spared() {
    let port = Port::claim();
    let both = start_or_panic(shared(&port).set("far_name", "docker-proxy"));
    let plan = KillOptions::new()
        .plan(Target::from(port.number()))
        .expect("a plan");
    assert!(!plan.would_free(), "{plan:#?}");
    let mut planned: Vec<(u32, &str)> = plan
        .holders
        .iter()
        .map(|report| (report.holder.process.pid, report.fate.as_str()))
        .collect();
    planned.sort_unstable();
    let mut expected = [
        (both.pid_of("near"), "withheld"),
        (both.pid_of("far"), "spared"),
    ];
    expected.sort_unstable();
    assert_eq!(planned, expected, "{plan:#?}");
}
