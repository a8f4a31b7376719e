//! What the command says of those who may start again what it ends.

use std::process::Command;

use super::json::answer;
use super::pty::Terminal;
use crate::command::run;
use crate::fixture::linux::returning::{manager_of, parent_that_waits};
use crate::fixture::{Fixture, Params, Port, eventually, skip};

#[test]
fn a_parent_that_may_start_it_again_is_named_in_a_note_with_what_stops_it() {
    let port = Port::claim();
    let parent = parent_that_waits("looper", &port);
    let pid = parent.pid_of("supervisor");
    run(&format!("-n {port}"))
        .exits(0)
        .prints(&format!("looper (PID {pid}) may start it again"))
        .prints(&format!("`kill_port --supervisor {port}` ends it as well"));
    run(&port.to_string())
        .exits(0)
        .prints("freed in")
        .complains(&format!(
            "note: {port}: looper (PID {pid}) may start it again"
        ))
        .complains(&format!("help: `kill {pid}` stops it"));
    assert!(parent.is_alive());
}

#[test]
fn a_note_is_in_json_and_not_where_quiet_is_asked_for() {
    for (options, is_json) in [("--json", true), ("-q", false)] {
        let port = Port::claim();
        let parent = parent_that_waits("nodemon", &port);
        let pid = parent.pid_of("supervisor");
        let run = run(&format!("{options} {port}"))
            .exits(0)
            .has_no_complaint();
        if is_json {
            let value = answer(&run);
            let answer = &value["ports"][0];
            assert_eq!(answer["outcome"], "freed", "{value:#}");
            let note = format!("nodemon (PID {pid}) starts it again when a file changes");
            assert_eq!(answer["notes"][0], note, "{value:#}");
            assert_eq!(answer["supervisors"][0]["pid"], pid, "{value:#}");
            let help = format!("`kill {pid}` stops it");
            assert_eq!(answer["supervisors"][0]["help"], help, "{value:#}");
        } else {
            run.prints_nothing();
        }
    }
}

#[test]
fn what_is_known_to_start_it_again_makes_it_come_back_and_not_be_freed() {
    let port = Port::claim();
    let runsv = Fixture::role("supervisor")
        .port(&port)
        .set("name", "runsv")
        .cwd("/")
        .start();
    run(&format!("-n {port}"))
        .exits(1)
        .prints("would be freed, and would come back")
        .prints("starts it again whenever it ends")
        .prints("`sv stop /` stops it");
    run(&format!("--json -n {port}"))
        .exits(1)
        .prints(r#""outcome":"would_come_back""#);
    run(&format!("--why {port}"))
        .exits(0)
        .prints("would free it, and it would come back");
    run(&format!("-n --supervisor {port}"))
        .exits(0)
        .prints("would be ended as well if it starts it again");
    assert!(runsv.is_alive());
}

#[test]
fn a_dry_run_says_who_would_end_with_a_server_and_who_is_spared_for_the_sake_of_others() {
    let port = Port::claim();
    let watcher = parent_that_waits("nodemon", &port);
    let pid = watcher.pid_of("supervisor");
    run(&format!("-n --supervisor {port}"))
        .exits(0)
        .prints(&format!("nodemon (PID {pid})  would be sent SIGTERM"));
    assert!(watcher.is_alive());

    let ports = Port::claim_many(2);
    let manager = manager_of(&ports[0], &ports[1]);
    let pid = manager.pid_of("manager");
    run(&format!("-n --supervisor {}", ports[0]))
        .exits(0)
        .prints(&format!(
            "(PID {pid}) may start it again, and would not be ended"
        ))
        .prints(&format!(", port {}) depends on it as well", ports[1]))
        .prints(&format!("`kill {pid}` would end them all"));
    run(&format!("--supervisor {}", ports[0]))
        .exits(1)
        .complains("took the port again, started by")
        .complains(&format!(", port {}) depends as well", ports[1]));
    assert!(manager.is_alive());
}

#[test]
fn a_loop_that_was_typed_and_sent_to_the_background_is_a_supervisor_like_any_other() {
    let own = std::fs::read_to_string("/proc/self/personality").expect("the own personality");
    let own = u32::from_str_radix(own.trim(), 16).expect("a number");
    let space = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space");
    if own & 0x0040000 != 0 || space.is_ok_and(|space| space.trim() == "0") {
        skip("without randomized addresses a copy of a shell is not known as one");
        return;
    }
    let port = Port::claim();
    let mut params = Params::of("server");
    params.set("port", &port);
    let server = params.command();
    let mut shell = Command::new("sh");
    shell.arg("-i").env("PS1", "typed> ");
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut terminal = Terminal::of_size(shell, 24, 200);
    terminal.wait_for("typed> ");
    let program = server.get_program().display();
    terminal.press(&format!("while :; do {program}; done &\r"));
    eventually("there is a server", || {
        kill_port::survey(port.number()).is_ok_and(|survey| !survey.is_free())
    });
    // A copy that was only just made could be about to become another program.
    let named = format!("`kill_port --supervisor {port}` ends it as well");
    eventually("it is named", || {
        run(&format!("-n {port}")).exits(0).out.contains(&named)
    });
    run(&format!("--supervisor {port}"))
        .exits(0)
        .prints("sh (PID ");
    // The shell that was typed into lives.
    terminal.press("echo li''ves\r");
    terminal.wait_for("lives");
}
