//! What a program prints can be pasted: the address out of a line is a PORT, and for a whole line the command says what to write.

use std::process::Command;

use crate::command::{Run, run, run_arguments};
use crate::fixture::{Fixture, Port, skip};

/// What a program of the system prints, or nothing where it is not installed, which is said.
fn output_of(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    match Command::new(program).args(words).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            skip(&format!("{program}: {error}"));
            None
        }
    }
}

/// The command that a refusal names, without its own name.
#[track_caller]
fn command_named(refused: &Run) -> String {
    assert_eq!(refused.err.lines().count(), 1, "{refused:#?}");
    let (_, rest) = refused
        .err
        .split_once("`kill_port ")
        .unwrap_or_else(|| panic!("no command is named: {refused:#?}"));
    rest.split('`').next().expect("a quoted command").to_owned()
}

/// A whole line as a shell would split it, and as one argument: refused, with a command that finds the port.
#[track_caller]
fn line_is_answered_with_a_command(line: &str, port: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    for arguments in [words, vec![line]] {
        // `-n` first, so that nothing is ended even if the line should be understood.
        let arguments: Vec<&str> = ["-n", "--"].into_iter().chain(arguments).collect();
        let refused = run_arguments(&arguments).exits(2).prints_nothing();
        let named = command_named(&refused);
        assert!(named.contains(port), "{line}: {refused:#?}");
        let found = run(&format!("-n {named}"));
        assert_ne!(found.code, Some(2), "{line}: {found:#?}");
    }
}

/// The local address of that line finds the server, and the whole line leads to it.
#[track_caller]
fn is_understood(output: &str, port: &Port, pid: u32) {
    let needle = format!(":{port}");
    // Some systems have programs of these names that show nothing, or are not allowed to look.
    let Some(line) = output.lines().find(|line| line.contains(&needle)) else {
        return skip(&format!("no line about {port}: {output}"));
    };
    let address = line
        .split_whitespace()
        .find(|word| word.contains(&needle))
        .expect("an address");
    run_arguments(&["-n", address])
        .exits(0)
        .has_no_complaint()
        .prints("would be freed")
        .prints(&format!("(PID {pid})"));
    line_is_answered_with_a_command(line, &port.to_string());
}

#[test]
fn what_lists_of_sockets_print_is_understood() {
    for listen in ["tcp/127.0.0.1", "tcp/0.0.0.0", "tcp/::", "tcp/::1"] {
        let port = Port::claim();
        let server = Fixture::role("server").port(&port).listen(listen).start();
        for tool in [
            "ss -ltn",
            "ss -ltnp",
            "netstat -ltn",
            "netstat -ltnp",
            &format!("lsof -nP -iTCP:{port} -sTCP:LISTEN"),
        ] {
            if let Some(output) = output_of(tool) {
                is_understood(&output, &port, server.pid());
            }
        }
    }
}

/// `lsof` and `ss` name both ends; the local one is meant, of whichever process the line is.
#[test]
fn of_a_connection_the_local_side_counts() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let client = std::net::TcpStream::connect(("127.0.0.1", port.number())).expect("connected");
    let own = client.local_addr().expect("an address");
    let connection = format!("127.0.0.1:{port}->{own}");
    if let Some(output) = output_of(&format!("lsof -nP -iTCP:{port}")) {
        assert!(
            output.contains(&format!("{own}->127.0.0.1:{port}")),
            "{output}"
        );
    }
    run_arguments(&["-n", &connection])
        .exits(0)
        .prints(&format!("127.0.0.1:{port}: dry run: would be freed"))
        .prints(&format!("(PID {})", server.pid()));
    line_is_answered_with_a_command(
        &format!("ESTAB 0 0 127.0.0.1:{port} {own}"),
        &format!("127.0.0.1:{port}"),
    );
}

/// Starts a server of somebody else's, and waits for what it says about where it listens; nothing where it is not installed.
fn announced(program: &str, arguments: &[&str]) -> Option<(Fixture, String)> {
    output_of(&format!("{program} --version"))?;
    let shell = ["-c", "exec \"$0\" \"$@\"", program];
    let argv: Vec<&str> = shell.iter().chain(arguments).copied().collect();
    let server = Fixture::role("exec")
        .set("program", "/bin/sh")
        .set("argv", argv.join("\n"))
        .spawn();
    let line = server.wait_until("a line", |lines| lines.first().cloned());
    Some((server, line))
}

#[test]
fn what_a_server_says_about_itself_is_understood() {
    let port = Port::claim();
    let number = port.to_string();
    let node = format!(
        "require('http').createServer().listen({port}, '127.0.0.1', () => console.log('Server running at http://127.0.0.1:{port}/'))"
    );
    for (program, arguments) in [
        ("node", &["-e", &node] as &[&str]),
        ("python3", &["-u", "-m", "http.server", &number]),
    ] {
        let Some((server, line)) = announced(program, arguments) else {
            continue;
        };
        let url = line
            .split(['(', ')', ' '])
            .find(|word| word.starts_with("http://"))
            .unwrap_or_else(|| panic!("{program} says {line}"));
        let pid = format!("(PID {})", server.pid());
        run_arguments(&["-n", url]).exits(0).prints(&pid);
        line_is_answered_with_a_command(&line, &number);
        run_arguments(&[url])
            .exits(0)
            .prints("freed in")
            .prints(&pid);
    }
}

/// As recorded from programs that not every machine has.
#[test]
fn recorded_lines_of_other_programs_are_answered_with_what_to_write() {
    for (line, port) in [
        (
            "6f3c2f1f9a50   nginx:1.27   \"/docker-entrypoint.…\"   2 minutes ago   Up 2 minutes   0.0.0.0:34080->80/tcp, [::]:34080->80/tcp   web",
            "34080/tcp",
        ),
        (
            "0f2a7c3d1b9e  docker.io/library/redis:7  redis-server  3 hours ago  Up 3 hours  127.0.0.1:34079->6379/tcp  cache",
            "127.0.0.1:34079/tcp",
        ),
        ("  ➜  Local:   http://localhost:34173/", "localhost:34173"),
        (
            "   - Local:        http://localhost:34100",
            "localhost:34100",
        ),
        (" * Running on http://127.0.0.1:34050", "127.0.0.1:34050"),
        ("* Listening on http://127.0.0.1:34100", "127.0.0.1:34100"),
        (
            "Starting development server at http://127.0.0.1:34800/",
            "127.0.0.1:34800",
        ),
        (
            "INFO:     Uvicorn running on http://127.0.0.1:34801 (Press CTRL+C to quit)",
            "127.0.0.1:34801",
        ),
        (
            "Error: listen EADDRINUSE: address already in use :::34018",
            "34018",
        ),
        (
            "listen tcp 127.0.0.1:34019: bind: address already in use",
            "127.0.0.1:34019",
        ),
        (
            "Web server failed to start. Port 34080 was already in use.",
            "34080",
        ),
        (
            "tcp4       0      0  127.0.0.1.34031        *.*                    LISTEN",
            "127.0.0.1:34031",
        ),
        (
            "tcp46      0      0  *.34032                *.*                    LISTEN",
            "34032",
        ),
        (
            "udp   UNCONN 0      0      127.0.0.53%lo:34053      0.0.0.0:*    users:((\"systemd-resolve\",pid=583,fd=14))",
            "127.0.0.53:34053",
        ),
    ] {
        line_is_answered_with_a_command(line, port);
    }
}

/// `ss` and `lsof` print the names of ports unless they are told not to.
#[test]
fn a_name_of_a_port_is_understood_where_the_system_has_a_list() {
    let list = std::fs::read_to_string("/etc/services").unwrap_or_default();
    if !list.lines().any(|line| line.starts_with("http-alt")) {
        return skip("there is no list of services here");
    }
    for name in ["*:http-alt", "*.http-alt", "[::]:http-alt"] {
        run_arguments(&["-n", name]).prints("8080: ");
    }
    run_arguments(&["-n", "127.0.0.1:http-alt/tcp"]).prints("127.0.0.1:8080/tcp: ");
}

#[test]
fn what_people_are_used_to_from_other_programs_works() {
    for arguments in [
        "-9 PORT",
        "-p PORT",
        "--port PORT",
        "--port=PORT",
        "-y PORT",
        "PORT,",
        "http://shop.localhost:PORT/",
    ] {
        let port = Port::claim();
        let server = Fixture::server(&port);
        run(&arguments.replace("PORT", &port.to_string()))
            .exits(0)
            .has_no_complaint()
            .prints("freed in");
        let signal = if arguments.starts_with("-9") {
            libc::SIGKILL
        } else {
            libc::SIGTERM
        };
        assert_eq!(server.ended_by(), Some(signal), "{arguments}");
    }
}

#[test]
fn a_list_as_people_type_it_is_freed() {
    let ports = Port::claim_row(3);
    let servers = [Fixture::server(&ports[0]), Fixture::server(&ports[2])];
    let [first, _, last] = ports.as_slice() else {
        unreachable!("three ports");
    };
    let list = format!("{first}, {last}");
    run_arguments(&["-n", &list])
        .exits(0)
        .prints(&format!("(PID {})", servers[0].pid()))
        .prints(&format!("(PID {})", servers[1].pid()));
    // As a shell splits it.
    run(&list).exits(0).has_no_complaint();
    for server in &servers {
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
    let servers = [Fixture::server(first), Fixture::server(last)];
    run(&format!("{first}..{last}")).exits(0);
    for server in &servers {
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
}

#[test]
fn what_is_not_certain_ends_nobody_and_says_what_to_write() {
    let ports = Port::claim_row(2);
    let servers = [Fixture::server(&ports[0]), Fixture::server(&ports[1])];
    let [first, last] = [&ports[0], &ports[1]].map(ToString::to_string);
    for (argument, instead) in [
        (format!("{first}:{last}"), format!("`{first}-{last}`")),
        (format!("{first}-"), format!("`{first}`")),
        (format!("{first} {last}"), format!("`{first},{last}`")),
        (
            format!("0.0.0.0%lo:{first}"),
            format!("`kill_port {first}`"),
        ),
        (format!("fe80::1:{first}"), format!("`[fe80::1]:{first}`")),
        (format!("-15 {first}"), "`--signal TERM`".into()),
        ("/tmp/x.sock".into(), "`lsof /tmp/x.sock`".into()),
    ] {
        let arguments: Vec<&str> = match argument.strip_prefix("-15 ") {
            Some(port) => vec!["-15", port],
            None => vec![&argument],
        };
        let refused = run_arguments(&arguments)
            .exits(2)
            .prints_nothing()
            .complains(&instead);
        assert_eq!(refused.err.lines().count(), 1, "{refused:#?}");
    }
    assert!(servers.iter().all(Fixture::is_alive));
}
