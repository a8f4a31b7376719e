//! The picker: a list to choose from where no port is named.

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use super::pty::{End, Terminal, lead, open};
use crate::command::{command, run};
use crate::fixture::{Fixture, Folder, Port, linux::root_or_skip};

/// Without colours, so that the screen model has text alone.
fn pick(arguments: &str) -> Terminal {
    pick_on(24, 80, arguments)
}

fn pick_on(rows: u16, columns: u16, arguments: &str) -> Terminal {
    let arguments = arguments.split_whitespace();
    let arguments: Vec<&str> = ["--color=never"].into_iter().chain(arguments).collect();
    Terminal::of_size(command(&arguments), rows, columns)
}

/// Somebody who listens, so that there is a list.
fn somebody() -> (Port, Fixture) {
    let port = Port::claim();
    let server = Fixture::server(&port);
    (port, server)
}

/// Types so that nothing but the port's own rows is left: other tests listen as well.
fn find(terminal: &mut Terminal, port: &Port) {
    terminal.press(&format!("{port}/tcp"));
    wait_for_row(terminal, &format!("> .* {port} "));
}

/// Waits for a line that has these parts in their order: `*` and `>` stand for themselves, and ` .* ` for whatever is between.
fn wait_for_row(terminal: &Terminal, parts: &str) {
    terminal.wait_until(parts, |screen| has_row(&screen.contents(), parts));
}

fn has_row(screen: &str, parts: &str) -> bool {
    screen.lines().any(|line| {
        let mut rest = line;
        parts
            .split(".*")
            .map(str::trim)
            .all(|part| match rest.split_once(part) {
                Some((_, behind)) => {
                    rest = behind;
                    true
                }
                None => false,
            })
    })
}

/// The terminal is as it was before, and no line of the list is left on it.
#[track_caller]
fn is_tidy(end: &End, before: &[u32]) {
    assert_eq!(end.settings, before, "the settings of the terminal");
    assert!(end.is_tidy, "{end:#?}");
    for rest in ["free which?", "enter: ", "PROCESS"] {
        assert!(!end.screen.contains(rest), "{end:#?}");
        assert!(!end.above.contains(rest), "{end:#?}");
    }
}

#[test]
fn without_a_port_a_terminal_gets_a_list_to_choose_from() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("name", "shop")
        .cwd("/usr")
        .start();
    for arguments in ["", "-i"] {
        let mut terminal = pick_on(24, 100, arguments);
        terminal.wait_to_see("PROCESS");
        find(&mut terminal, &port);
        let row = format!("> .* {port} .* shop .* {} .* usr", server.pid());
        wait_for_row(&terminal, &row);
        terminal.press("\u{1b}");
        let end = terminal.end_with_screen();
        assert_eq!(end.code, Some(1), "{end:#?}");
    }
    assert!(server.is_alive());
    // Nobody can choose in a pipe.
    run("").exits(2).complains("no port is named");
}

#[test]
fn a_list_can_be_narrowed_by_port_name_folder_and_command_line() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("name", "Shop")
        .cwd("/usr/share")
        .arg("--color-of-money")
        .start();
    let mut terminal = pick_on(24, 100, "");
    for filter in ["/tcp", "/tcp+shop", "/tcp+usr/SHARE", "/tcp+money+shop"] {
        terminal.press(&format!("{port}{filter}"));
        wait_for_row(&terminal, &format!("> .* {port} "));
        terminal.press("+nobody-has-that");
        terminal.wait_to_see("nothing matches");
        terminal.press("\u{15}");
        terminal.wait_until("every row", |screen| !screen.contents().contains("nothing"));
    }
    terminal.press("\u{3}");
    assert_eq!(terminal.end().0, Some(130));
}

#[test]
fn what_is_chosen_is_shown_and_ended_after_a_yes() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut terminal = pick("");
    let before = terminal.settings_before();
    find(&mut terminal, &port);
    assert_ne!(terminal.settings(), before);
    terminal.press("\r");
    terminal.wait_for(&format!("free {port}/tcp? [y/N] "));
    assert!(
        terminal.look().contains("would be sent SIGTERM"),
        "{}",
        terminal.look()
    );
    assert!(server.is_alive());
    assert_eq!(terminal.settings(), before);
    terminal.press("y\r");
    let end = terminal.end_with_screen();
    assert_eq!(end.code, Some(0), "{end:#?}");
    assert!(
        end.screen.contains(&format!("{port}/tcp: freed in ")),
        "{end:#?}"
    );
    is_tidy(&end, &before);
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn no_is_no_and_leads_back_to_the_list() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut terminal = pick("");
    let before = terminal.settings_before();
    find(&mut terminal, &port);
    terminal.press("\r");
    terminal.wait_for("[y/N] ");
    terminal.press("n\r");
    // With the filter and the cursor as they were.
    wait_for_row(&terminal, &format!("free which? {port}/tcp"));
    wait_for_row(&terminal, &format!("> .* {port} "));
    terminal.press("\u{1b}");
    let end = terminal.end_with_screen();
    assert_eq!(end.code, Some(1), "{end:#?}");
    is_tidy(&end, &before);
    assert!(server.is_alive());
}

#[test]
fn several_that_are_marked_are_shown_and_asked_about_once() {
    let ports = Port::claim_many(3);
    let name = format!("mark{}", ports[0]);
    let servers: Vec<Fixture> = ports
        .iter()
        .map(|port| {
            Fixture::role("server")
                .port(port)
                .set("name", &name)
                .start()
        })
        .collect();
    let mut terminal = pick("");
    terminal.press(&name);
    for port in &ports {
        wait_for_row(&terminal, &format!("{port} .* {name}"));
    }
    terminal.press("\u{1}");
    terminal.wait_to_see("3 marked, 3 of ");
    // All of them again, and all but the one under the cursor.
    terminal.press("\u{1}");
    terminal.wait_until("no marks", |screen| !screen.contents().contains("marked"));
    terminal.press("\u{1} \u{1b}[B");
    terminal.wait_to_see("2 marked");
    terminal.press("\r");
    terminal.wait_for("free these 2 ports? [y/N] ");
    terminal.press("yes\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let alive = servers.iter().filter(|server| server.is_alive());
    assert_eq!(alive.count(), 1, "{text}");
    assert_eq!(text.matches("[y/N]").count(), 1, "{text}");
    assert_eq!(text.matches("would be sent SIGTERM").count(), 2, "{text}");
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut terminal = pick("");
    find(&mut terminal, &port);
    terminal.press("\ry\r");
    terminal.wait_for("[y/N] ");
    terminal.press("\r");
    wait_for_row(&terminal, &format!("free which? {port}/tcp"));
    assert!(server.is_alive());
    terminal.press("\u{3}");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(130), "{text}");
    assert!(server.is_alive());
}

#[test]
fn the_cursor_stays_on_its_process_when_others_come_and_go() {
    let ports = Port::claim_row(3);
    let name = format!("stay{}", ports[0]);
    let start = |port| {
        Fixture::role("server")
            .port(port)
            .set("name", &name)
            .start()
    };
    let first = start(&ports[1]);
    let _second = start(&ports[2]);
    let mut terminal = pick("");
    terminal.press(&name);
    wait_for_row(&terminal, &format!("> .* {} ", ports[1]));
    terminal.press("\u{1b}[B");
    let under = format!("> .* {} ", ports[2]);
    wait_for_row(&terminal, &under);
    let _third = start(&ports[0]);
    wait_for_row(&terminal, &format!("{} .* {name}", ports[0]));
    assert!(has_row(&terminal.look(), &under), "{}", terminal.look());
    drop(first);
    let gone = ports[1].to_string();
    terminal.wait_until("one less", |screen| !screen.contents().contains(&gone));
    assert!(has_row(&terminal.look(), &under), "{}", terminal.look());
    terminal.press("\r");
    terminal.wait_for(&format!("free {}/tcp? [y/N] ", ports[2]));
}

#[test]
fn a_row_that_is_gone_ends_nobody() {
    let port = Port::claim();
    let first = Fixture::server(&port);
    let mut terminal = pick("");
    find(&mut terminal, &port);
    terminal.press(" ");
    wait_for_row(&terminal, &format!("> * .* {port} "));
    drop(first);
    let second = Fixture::role("server")
        .port(&port)
        .set("name", "second")
        .start();
    wait_for_row(&terminal, &format!("> .* {port} .* (gone)"));
    wait_for_row(&terminal, &format!("{port} .* second"));
    terminal.press("\r");
    terminal.wait_to_see("it is gone; move to another row");
    // The mark went with its row, and the cursor is on nobody who could be ended. That the keys have arrived shows in the help.
    terminal.press("\r ?");
    terminal.wait_to_see("leave (also ctrl-c)");
    assert!(!terminal.look().contains("marked,"), "{}", terminal.look());
    terminal.press("x\u{1b}[B\r");
    terminal.wait_for(&format!("second (PID {})", second.pid()));
    terminal.wait_for("[y/N] ");
    terminal.press("\r\u{3}");
    terminal.end();
    assert!(second.is_alive());
}

#[test]
fn escape_leaves_the_terminal_as_it_was() {
    let _somebody = somebody();
    let mut terminal = pick("");
    let before = terminal.settings_before();
    terminal.wait_to_see("enter: ");
    terminal.press("\u{1b}");
    let end = terminal.end_with_screen();
    assert_eq!(end.code, Some(1), "{end:#?}");
    is_tidy(&end, &before);
    assert_eq!(end.screen.trim(), "");
}

#[test]
fn ctrl_c_leaves_with_130() {
    let _somebody = somebody();
    let mut terminal = pick("");
    let before = terminal.settings_before();
    terminal.wait_to_see("enter: ");
    terminal.press("\u{3}");
    let end = terminal.end_with_screen();
    assert_eq!(end.code, Some(130), "{end:#?}");
    is_tidy(&end, &before);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let _somebody = somebody();
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        let terminal = pick("");
        let before = terminal.settings_before();
        terminal.wait_to_see("enter: ");
        send(terminal.pid(), signal);
        let end = terminal.end_with_screen();
        assert_eq!(end.code, Some(128 + signal), "{end:#?}");
        is_tidy(&end, &before);
    }
}

#[test]
fn ctrl_c_at_the_question_and_while_it_is_waited_does_what_it_does_elsewhere() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let mut terminal = pick("");
    find(&mut terminal, &port);
    terminal.press("\r");
    terminal.wait_for("[y/N] ");
    terminal.press("\u{3}");
    let end = terminal.end_with_screen();
    assert_eq!(end.signal, Some(libc::SIGINT), "{end:#?}");
    let mut terminal = pick("");
    find(&mut terminal, &port);
    terminal.press("\r");
    terminal.wait_for("[y/N] ");
    terminal.press("y\r");
    terminal.wait_for("waiting for");
    terminal.press("\u{3}");
    let end = terminal.end_with_screen();
    assert_eq!(end.code, Some(130), "{end:#?}");
    assert!(end.screen.contains("interrupted after"), "{end:#?}");
    assert!(server.is_alive());
}

#[test]
fn ctrl_z_stops_it_and_it_goes_on_as_it_was() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let program = env!("CARGO_BIN_EXE_kill_port");
    let mut shell = command::<&str>(&[]);
    let script =
        format!("set -m; {program} --color=never; echo stopped $?; stty -a; fg; echo ended $?");
    let mut line = Command::new("sh");
    line.args(["-c", &script]).envs(
        shell
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .for_each(|(name, _)| {
            line.env_remove(name);
        });
    shell.env_clear();
    let mut terminal = Terminal::of_size(line, 24, 80);
    let before = terminal.settings_before();
    find(&mut terminal, &port);
    let raw = terminal.settings();
    terminal.press("\u{1a}");
    terminal.wait_for("stopped ");
    // The list is drawn again, below what was written meanwhile.
    terminal.wait_until("the list", |screen| {
        let text = screen.contents();
        text.contains("stopped ") && has_row(&text, &format!("> .* {port} "))
    });
    assert_eq!(terminal.settings(), raw);
    assert!(terminal.look().contains(" echo "), "{}", terminal.look());
    terminal.press("\u{3}");
    terminal.wait_for("ended 130");
    let end = terminal.end_with_screen();
    is_tidy(&end, &before);
}

#[test]
fn a_terminal_of_two_rows_is_enough() {
    for (rows, columns) in [(2, 20), (1, 30), (3, 10)] {
        let port = Port::claim();
        let server = Fixture::server(&port);
        let mut terminal = pick_on(rows, columns, "");
        terminal.press(&format!("{port}/tcp"));
        // The prompt of a narrow terminal begins with the same sign, and not with a column for marks.
        wait_for_row(&terminal, &format!(">   {port}"));
        terminal.press("\r");
        terminal.wait_for("[y/N]");
        terminal.press("y\r");
        let end = terminal.end_with_screen();
        assert_eq!(end.code, Some(0), "{end:#?}");
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
    let _somebody = somebody();
    // Nothing of the list has left the screen above.
    let mut terminal = pick_on(2, 20, "");
    let before = terminal.settings_before();
    terminal.wait_until("a row", |screen| has_row(&screen.contents(), ">   "));
    terminal.press("\u{1b}[B\u{1b}[B?x\u{1b}");
    let end = terminal.end_with_screen();
    is_tidy(&end, &before);
    assert_eq!((end.screen.trim(), end.above.trim()), ("", ""));
}

#[test]
fn a_resized_terminal_is_drawn_anew() {
    let port = Port::claim();
    let folder = Folder::new();
    let server = Fixture::role("server")
        .port(&port)
        .cwd(folder.path())
        .start();
    // Nothing changes any more in a list of one row that is gone: what is drawn for one size would still arrive in the next.
    let mut terminal = pick_on(24, 120, &format!("--in {}", folder.path().display()));
    let before = terminal.settings_before();
    find(&mut terminal, &port);
    drop(server);
    wait_for_row(&terminal, &format!("> .* {port} .* (gone)"));
    for (rows, columns) in [(10, 40), (3, 80), (30, 100), (2, 16)] {
        terminal.resize(rows, columns);
        let has_help = rows > 3;
        terminal.wait_until("the list in its new size", |screen| {
            let text = screen.contents();
            has_row(&text, &format!("> .* {port} ")) && text.contains("enter: ") == has_help
        });
        let lines = terminal.look();
        let prompts = lines
            .lines()
            .filter(|line| line.contains(&format!("{port}/tcp")));
        assert_eq!(prompts.count(), 1, "{lines}");
    }
    terminal.resize(24, 80);
    terminal.wait_to_see("enter: ");
    terminal.press("\u{1b}");
    let mut end = terminal.end_with_screen();
    // What no longer fitted a smaller screen has left it before the list could be drawn anew.
    end.above.clear();
    is_tidy(&end, &before);
}

#[test]
fn a_terminal_that_goes_away_leaves_no_process() {
    let _somebody = somebody();
    for ignores in [false, true] {
        let (mut master, slave) = open(24, 80);
        let mut command = command(&["--color=never"]);
        command
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave.try_clone().expect("a descriptor"))
            .stderr(slave);
        lead(&mut command);
        if ignores {
            // SAFETY: `signal` is allowed between fork and exec; SIG_IGN installs no handler.
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGHUP, libc::SIG_IGN);
                    Ok(())
                });
            }
        }
        let mut child = command.spawn().expect("the command starts");
        drop(command);
        let mut shown = String::new();
        while !shown.contains("enter: ") {
            let mut buffer = [0; 4096];
            let count = master.read(&mut buffer).expect("the list");
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        drop(master);
        let status = child.wait().expect("it ends");
        assert_eq!(
            (status.code(), status.signal()),
            (Some(129), None),
            "{ignores}"
        );
    }
}

#[test]
fn a_dumb_terminal_gets_a_numbered_list() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let start = || {
        let mut command = command::<&str>(&[]);
        command.env("TERM", "dumb");
        let terminal = Terminal::start(command, 80);
        terminal.wait_for("free which? [numbers, empty for none] ");
        terminal
    };
    let mut terminal = start();
    terminal.press("\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    let mut terminal = start();
    terminal.press("x\r");
    terminal.wait_for("'x' is no number from 1 to ");
    // Other tests come and go between two lists, so that the number is looked up in this one.
    let shown = terminal.look_at_all();
    terminal.wait_until("the question again", |screen| {
        screen.contents().matches("free which?").count() == 2
    });
    let line = shown
        .lines()
        .find(|line| line.contains(&format!("  {port} ")));
    let number = line
        .and_then(|line| line.trim().split_once(')'))
        .expect("the row")
        .0;
    terminal.press(&format!("{number}\r"));
    terminal.wait_for(&format!("free {port}/tcp? [y/N] "));
    terminal.press("y\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("name", "\u{1b}[31mevil\n1")
        .arg("safe\u{202e}live\u{9b}31m")
        .start();
    for term in ["xterm", "dumb"] {
        let mut command = command::<&str>(&[]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(command, 140);
        if term != "dumb" {
            terminal.press(&format!("{port}/tcp"));
        }
        terminal.wait_for("\\u{1b}[31mevil");
        terminal.press("\u{3}");
        let (_, text) = terminal.end();
        assert!(!text.contains("\u{1b}[31mevil"), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{9b}']), "{text:?}");
    }
}

#[test]
fn a_list_without_colour_has_none() {
    let _somebody = somebody();
    let is_coloured = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = command(arguments);
        command.envs(variable);
        let mut terminal = Terminal::start(command, 80);
        terminal.wait_to_see("enter: ");
        terminal.press("\u{3}");
        let (code, text) = terminal.end();
        assert_eq!(code, Some(130), "{text}");
        text.contains("\u{1b}[1m") || text.contains("\u{1b}[2m")
    };
    assert!(is_coloured(&[], None));
    assert!(!is_coloured(&["--color=never"], None));
    assert!(!is_coloured(&[], Some(("NO_COLOR", "1"))));
    assert!(!is_coloured(&[], Some(("CLICOLOR", "0"))));
}

#[test]
fn options_hold_in_the_list_too() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .cwd("/usr")
        .set("on_term", "swallow")
        .start();
    // Who works elsewhere is not to be chosen.
    let mut terminal = pick("--in /usr");
    find(&mut terminal, &port);
    terminal.press("\u{3}");
    terminal.end();
    let own = Port::claim();
    let _own = Fixture::role("server").port(&own).cwd("/").start();
    let mut terminal = pick("--in /usr");
    find(&mut terminal, &port);
    terminal.press("\u{15}");
    terminal.press(&format!("{own}/tcp"));
    terminal.wait_to_see("nothing matches");
    terminal.press("\u{3}");
    terminal.end();
    // A dry run ends with what would be done.
    let mut terminal = pick("-n");
    find(&mut terminal, &port);
    terminal.press("\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("would be sent SIGTERM") && !text.contains("[y/N]"),
        "{text}"
    );
    assert!(server.is_alive());
    let mut terminal = pick("--force --tcp");
    find(&mut terminal, &port);
    terminal.press("\r");
    terminal.wait_for("would be sent SIGKILL");
    terminal.wait_for("[y/N] ");
    terminal.press("y\r");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(server.ended_by(), Some(libc::SIGKILL));
}

#[test]
fn udp_is_a_list_of_its_own() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .listen(&format!("tcp/127.0.0.1/{port},udp/127.0.0.1/{port}"))
        .start();
    let mut terminal = pick("--udp");
    terminal.press(&port.to_string());
    wait_for_row(&terminal, &format!("> .* {port}/udp"));
    let rows = terminal.look();
    assert!(!rows.contains(&format!("  {port} ")), "{rows}");
    terminal.press("\r");
    terminal.wait_for(&format!("free {port}/udp? [y/N] "));
}

#[test]
fn workers_that_are_alike_are_one_row() {
    let port = Port::claim();
    let name = format!("pool{port}");
    let server = Fixture::role("prefork")
        .port(&port)
        .set("name", &name)
        .start();
    let mut terminal = pick("");
    terminal.press(&name);
    wait_for_row(&terminal, &format!("> .* {port} .* ×"));
    drop(server);
}

#[test]
fn where_nobody_listens_one_line_says_so() {
    if !root_or_skip() {
        return;
    }
    for (arguments, code) in [("", 0), ("--fail-if-free", 3)] {
        let arguments = format!("--containers never {arguments}");
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = command(&arguments);
        // SAFETY: `unshare` is allowed between fork and exec; it takes a number.
        unsafe {
            command.pre_exec(|| match libc::unshare(libc::CLONE_NEWNET) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        // On a slow machine a list without a row is seen first.
        let end = Terminal::start(command, 80).end_with_screen();
        assert_eq!(
            (end.code, end.screen.trim()),
            (Some(code), "nobody listens")
        );
    }
}

#[test]
fn the_log_is_not_written_into_the_list() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let mut terminal = pick("-vvv");
    find(&mut terminal, &port);
    assert!(!terminal.look_at_all().contains("debug:"));
    terminal.press("\r");
    terminal.wait_for("[y/N] ");
    terminal.press("y\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("debug:"), "{text}");
}

#[test]
fn for_programs_there_is_no_list() {
    for arguments in ["--json", "--why", "-n --json"] {
        let (code, text) = pick(arguments).end();
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("no port is named"), "{text}");
    }
}

fn send(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).expect("a PID");
    // SAFETY: it takes numbers, and the process is a child that was not waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn a_terminal_that_goes_away_after_a_yes_ends_the_command_and_nobody_else() {
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let mut terminal = pick("");
    find(&mut terminal, &port);
    terminal.press("\r");
    terminal.wait_for("[y/N] ");
    terminal.press("y\r");
    terminal.wait_for("waiting for");
    send(terminal.pid(), libc::SIGHUP);
    assert_eq!(terminal.end().0, Some(129));
    assert!(server.is_alive());
}

#[test]
fn what_is_pasted_by_mistake_does_not_keep_ctrl_c_waiting() {
    let _somebody = somebody();
    let mut terminal = pick("");
    terminal.wait_to_see("enter: ");
    for _ in 0..20 {
        terminal.press(&"x".repeat(1000));
    }
    // Half a key before it makes no difference.
    terminal.press("\u{1b}[1;\u{3}");
    assert_eq!(terminal.end().0, Some(130));
}
