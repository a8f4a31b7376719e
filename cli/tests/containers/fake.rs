//! A process that calls itself `docker-proxy`, and a thread that plays the engine: no Docker and no root needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fixture::{FakeEngine, ok};
use super::{assert_code, assert_says, kill_port, run};
use crate::fixture::{Fixture, Folder, Port};
use crate::linux::pty::Terminal;

/// A forwarder that listens on the port, and an engine whose container publishes it: a stop ends the forwarder.
struct Published {
    port: Port,
    engine: FakeEngine,
    forwarder: Arc<Mutex<Option<Fixture>>>,
}

/// What `GET /containers/json` tells of one container.
fn listed(id: &str, name: &str, port: u16) -> String {
    format!(
        r#"{{"Id":"{id}","Names":["/{name}"],"Image":"nginx:1.27","State":"running",
            "Labels":{{"com.docker.compose.project":"shop","com.docker.compose.service":"front"}},
            "Ports":[{{"IP":"127.0.0.1","PrivatePort":80,"PublicPort":{port},"Type":"tcp"}}]}}"#
    )
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn forwarder(port: &Port) -> Fixture {
    Fixture::role("server")
        .port(port)
        .arg0("/usr/bin/docker-proxy")
        .start()
}

fn publish(on_stop: &'static [u8]) -> Published {
    let port = Port::claim();
    let number = port.number();
    let forwarder = Arc::new(Mutex::new(Some(forwarder(&port))));
    let its_forwarder = Arc::clone(&forwarder);
    let engine = FakeEngine::new(move |request| {
        let is_there = its_forwarder.lock().expect("the forwarder").is_some();
        if request.starts_with("GET /containers/json") {
            return ok(&if is_there {
                format!("[{}]", listed(ID, "web", number))
            } else {
                "[]".to_owned()
            });
        }
        if request.starts_with("GET ") {
            return ok(r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#);
        }
        if on_stop.starts_with(b"HTTP/1.1 204") {
            drop(its_forwarder.lock().expect("the forwarder").take());
        }
        on_stop.to_vec()
    });
    Published {
        port,
        engine,
        forwarder,
    }
}

impl Published {
    fn kill(&self, options: &[&str]) -> std::process::Output {
        run(kill_port()
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.engine.socket().display()),
            )
            .args(options)
            .arg(format!("127.0.0.1:{}", self.port)))
    }

    fn forwarder_lives(&self) -> bool {
        let forwarder = self.forwarder.lock().expect("the forwarder");
        forwarder
            .as_ref()
            .is_some_and(|forwarder| forwarder.is_alive() && forwarder.count("got ") == 0)
    }

    fn orders(&self) -> Vec<String> {
        let mut requests = self.engine.requests();
        requests.retain(|request| request.starts_with("POST "));
        requests
    }
}

const STOPPED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn the_container_is_stopped_in_place_of_its_forwarder() {
    let published = publish(STOPPED);
    let output = published.kill(&["--grace", "3s"]);
    assert_code(&output, 0);
    assert_says(&output, "web");
    assert_says(&output, "nginx:1.27");
    assert_says(&output, "shop/front");
    assert_eq!(
        published.orders(),
        [format!("POST /containers/{ID}/stop?t=3")]
    );
}

#[test]
fn force_kills_the_container() {
    let published = publish(STOPPED);
    assert_code(&published.kill(&["--force"]), 0);
    assert_eq!(
        published.orders(),
        [
            format!("POST /containers/{ID}/kill"),
            format!("POST /containers/{ID}/stop?t=0")
        ]
    );
}

#[test]
fn a_dry_run_names_the_container_and_stops_nothing() {
    let published = publish(STOPPED);
    let output = published.kill(&["--dry-run"]);
    assert_code(&output, 0);
    assert_says(&output, "web");
    assert!(published.forwarder_lives());
    assert!(published.orders().is_empty());
}

fn json(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", super::said(output)))
}

/// The shell's limit for the memory of a process, in KiB.
const MEMORY: u32 = 64 * 1024;

#[test]
fn a_list_of_a_container_with_thousands_of_ports_takes_no_more_memory_than_it_has_ports() {
    let engine = FakeEngine::new(|request| {
        if !request.starts_with("GET /containers/json") {
            return ok(r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#);
        }
        let port = |port| {
            format!(r#"{{"IP":"192.0.2.1","PrivatePort":{port},"PublicPort":{port},"Type":"tcp"}}"#)
        };
        let ports: Vec<String> = (20_001..=22_000).map(port).collect();
        ok(&format!(
            r#"[{{"Id":"{ID}","Names":["/web"],"Image":"nginx:1.27","State":"running","Ports":[{}]}}]"#,
            ports.join(",")
        ))
    });
    // Each port tells of the container, and the container of each port: as a whole, that is a quarter of a gigabyte.
    for options in ["--list --json", "--list"] {
        let script = format!("ulimit -d {MEMORY} && exec \"$0\" {options} | head -c 1000000");
        let mut shell = std::process::Command::new("sh");
        let shell = shell
            .args(["-c", &script])
            .arg(env!("CARGO_BIN_EXE_kill_port"));
        let socket = engine.socket();
        let output = run(shell.env("DOCKER_HOST", format!("unix://{}", socket.display())));
        assert_code(&output, 0);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("22000"), "{options}: {}", output.stdout.len());
    }
}

#[test]
fn json_tells_of_the_container_in_place_of_its_forwarder() {
    let published = publish(STOPPED);
    for (options, outcome, container_outcome) in [
        (&["--list", "--json"][..], "held", "seen"),
        (&["--why", "--json"], "held", "would_stop"),
        (&["--dry-run", "--json"], "would_free", "would_stop"),
        (&["--json"], "freed", "stopped"),
    ] {
        let output = published.kill(options);
        assert_code(&output, 0);
        let told = &json(&output)["ports"][0];
        assert_eq!(told["outcome"], outcome, "{options:?}: {told}");
        // Why the port is held is said of the forwarder as well.
        if options[0] != "--why" {
            assert_eq!(told["holders"], serde_json::json!([]), "{options:?}");
        }
        let container = &told["containers"][0];
        assert_eq!(container["outcome"], container_outcome, "{told}");
        assert_eq!(container["id"], ID);
        assert_eq!(container["compose_project"], "shop");
        assert_eq!(container["compose_service"], "front");
        assert_eq!(container["ports"][0]["host_port"], published.port.number());
        let engine = format!("unix://{}", published.engine.socket().display());
        assert_eq!(container["engine"], engine.as_str());
    }
}

#[test]
fn json_tells_why_an_engine_is_of_no_help() {
    let port = Port::claim();
    let _forwarder = forwarder(&port);
    let engine = FakeEngine::new(|_| b"nonsense\r\n\r\n".to_vec());
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .args(["--json", &port.to_string()]));
    assert_code(&output, 1);
    let told = &json(&output)["ports"][0];
    assert_eq!(told["errors"][0]["kind"], "spared");
    assert_eq!(told["errors"][1]["kind"], "engine", "{told}");
}

#[test]
fn a_list_shows_the_container_in_place_of_its_forwarder() {
    let published = publish(STOPPED);
    let output = published.kill(&["--list"]);
    assert_code(&output, 0);
    assert_says(
        &output,
        "web (0123456789ab), image nginx:1.27, compose service shop/front",
    );
    assert!(
        !super::said(&output).contains("docker-proxy"),
        "{}",
        super::said(&output)
    );
    assert!(published.forwarder_lives());
    assert!(published.orders().is_empty());
}

#[test]
fn hostile_names_of_containers_are_escaped() {
    let port = Port::claim();
    let number = port.number();
    let engine = FakeEngine::new(move |_| {
        ok(&format!(
            r#"[{{"Id":"{ID}","Names":["/\u001b[2Jevil\u202e"],"Image":"i\u0007mage","State":"\u001b","Labels":{{"com.docker.compose.project":"\u009b1m"}},
                "Ports":[{{"PublicPort":{number},"PrivatePort":80,"Type":"tcp"}}]}}]"#
        ))
    });
    for options in [&["--dry-run"][..], &["--list"], &["--list", "--json"]] {
        let output = run(kill_port()
            .env(
                "DOCKER_HOST",
                format!("unix://{}", engine.socket().display()),
            )
            .args(options)
            .arg(port.to_string()));
        assert_code(&output, 0);
        assert_says(&output, "evil");
        let text = super::said(&output);
        assert!(
            !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
            "{options:?}: {text:?}"
        );
    }
}

#[test]
fn a_forwarder_is_spared_when_no_engine_may_be_asked() {
    let published = publish(STOPPED);
    let output = published.kill(&["--containers", "never"]);
    assert_code(&output, 1);
    assert_says(&output, "docker stop");
    assert!(published.forwarder_lives());
    assert!(published.engine.requests().is_empty());
}

#[test]
fn an_error_of_the_engine_is_told_with_its_text() {
    let published = publish(
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 32\r\n\r\n{\"message\":\"cannot stop it now\"}",
    );
    let output = published.kill(&[]);
    assert_code(&output, 1);
    assert_says(&output, "cannot stop it now");
    assert!(published.forwarder_lives());
}

#[test]
fn an_engine_that_does_not_keep_its_word_is_found_out() {
    // It says that it has stopped the container, and nothing changes.
    let published = publish(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let output = published.kill(&[]);
    assert_code(&output, 1);
    assert_says(&output, "still publishes");
    assert!(published.forwarder_lives());
}

/// A forwarder, and engines that are of no help.
fn with_engine(address: &str) -> (std::process::Output, Fixture) {
    let port = Port::claim();
    let forwarder = forwarder(&port);
    let output = run(kill_port()
        .env("DOCKER_HOST", address)
        .arg(port.to_string()));
    assert!(forwarder.is_alive() && forwarder.count("got ") == 0);
    (output, forwarder)
}

#[test]
fn an_engine_that_hangs_is_told_of_after_two_seconds() {
    let engine = FakeEngine::new(|_| Vec::new());
    let (output, _forwarder) = with_engine(&format!("unix://{}", engine.socket().display()));
    assert_code(&output, 1);
    assert_says(&output, "does not answer within two seconds");
}

#[test]
fn an_engine_that_hangs_does_not_keep_a_free_port_from_being_free() {
    let port = Port::claim();
    let engine = FakeEngine::new(|_| Vec::new());
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .arg(port.to_string()));
    assert_code(&output, 0);
    assert_says(&output, "free already");
}

#[test]
fn ctrl_c_ends_the_wait_for_an_engine() {
    let port = Port::claim();
    let number = port.number();
    let _forwarder = forwarder(&port);
    let (asked, was_asked) = std::sync::mpsc::channel();
    // It never says that the container has ended.
    let engine = FakeEngine::new(move |request| {
        if request.starts_with("GET /containers/json") {
            return ok(&format!("[{}]", listed(ID, "web", number)));
        }
        if request.starts_with("GET ") {
            return ok("{}");
        }
        let _ = asked.send(());
        Vec::new()
    });
    let child = kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .args(["--grace", "60s", &port.to_string()])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the command runs");
    was_asked
        .recv_timeout(crate::fixture::PATIENCE)
        .expect("the engine is told to stop the container");
    let pid = libc::pid_t::try_from(child.id()).expect("a PID");
    // The command listens for the signal from its first wait on: one that comes earlier ends it as well.
    // SAFETY: `kill` takes numbers, and the child has not been waited for yet.
    unsafe { libc::kill(pid, libc::SIGINT) };
    let output = child.wait_with_output().expect("the command ends");
    use std::os::unix::process::ExitStatusExt;
    assert!(
        output.status.code() == Some(130) || output.status.signal() == Some(libc::SIGINT),
        "{}",
        super::said(&output)
    );
}

#[test]
fn an_engine_that_answers_nonsense_is_told_of() {
    let engine = FakeEngine::new(|_| b"220 mail.example.org ESMTP\r\n".to_vec());
    let (output, _forwarder) = with_engine(&format!("unix://{}", engine.socket().display()));
    assert_code(&output, 1);
    assert_says(&output, "is not understood");
}

#[test]
fn a_remote_engine_is_told_of_and_not_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("an option");
    let address = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (output, _forwarder) = with_engine(&address);
    assert_code(&output, 1);
    assert_says(&output, &address);
    assert!(
        listener.accept().is_err(),
        "the remote engine was contacted"
    );
}

#[test]
fn a_forwarder_whose_engine_lives_and_was_not_asked_is_no_orphan() {
    let port = Port::claim();
    let dockerd = Fixture::role("supervisor")
        .port(&port)
        .set("name", "dockerd")
        .set("server_name", "docker-proxy")
        .start();
    let engine = FakeEngine::listing("[]");
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .arg(port.to_string()));
    assert_code(&output, 1);
    assert_says(
        &output,
        "no container engine that was asked publishes the port",
    );
    assert!(!super::said(&output).contains("orphan"), "{output:?}");
    assert_eq!(dockerd.count("got "), 0);
}

#[test]
fn two_engines_that_both_claim_the_port_stop_nothing() {
    let port = Port::claim();
    let forwarder = forwarder(&port);
    let number = port.number();
    let claim = |id: &'static str, name: &'static str| {
        FakeEngine::new(move |request| {
            if request.starts_with("GET /containers/json") {
                ok(&format!("[{}]", listed(id, name, number)))
            } else {
                ok("{}")
            }
        })
    };
    let (one, other) = (claim(ID, "web"), claim("fedcba9876543210", "shadow"));
    // The other one is found by a context of the Docker command.
    let context = one.socket().with_file_name("contexts/meta/0123");
    std::fs::create_dir_all(&context).expect("a folder");
    std::fs::write(
        context.join("meta.json"),
        format!(
            r#"{{"Name":"other","Endpoints":{{"docker":{{"Host":"unix://{}"}}}}}}"#,
            other.socket().display()
        ),
    )
    .expect("a context");
    let output = run(kill_port()
        .env("DOCKER_HOST", format!("unix://{}", one.socket().display()))
        .env("DOCKER_CONFIG", one.socket().parent().expect("a folder"))
        .arg(port.to_string()));
    assert_code(&output, 1);
    assert_says(&output, "web");
    assert_says(&output, "shadow");
    assert!(forwarder.is_alive());
    for engine in [one, other] {
        assert!(
            engine
                .requests()
                .iter()
                .all(|request| request.starts_with("GET "))
        );
    }
}

/// An engine that lists so many containers, each with a port.
fn listing_many(count: u32, port: impl Fn(u32) -> u16) -> FakeEngine {
    let one = |number: u32| listed(&format!("{number:064x}"), "many", port(number));
    let all: Vec<String> = (0..count).map(one).collect();
    let list = format!("[{}]", all.join(","));
    FakeEngine::new(move |_| ok(&list))
}

#[test]
fn an_engine_that_names_more_containers_than_one_port_can_have_is_not_believed() {
    let port = Port::claim();
    let forwarder = forwarder(&port);
    let engine = listing_many(100, |_| port.number());
    for options in ["-n", "-q"] {
        let output = run(kill_port()
            .env(
                "DOCKER_HOST",
                format!("unix://{}", engine.socket().display()),
            )
            .args([options, &port.to_string()]));
        assert_code(&output, 1);
        if options == "-n" {
            assert_says(&output, "names 100 containers");
        }
    }
    assert!(forwarder.is_alive());
    let requests = engine.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.starts_with("GET /containers/json")),
        "{requests:?}"
    );
}

#[test]
fn a_list_of_very_many_containers_takes_no_more_work_than_there_is() {
    use std::os::unix::process::CommandExt as _;
    let engine = listing_many(30_000, |number| u16::try_from(number + 1).expect("a port"));
    let mut command = kill_port();
    command
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .arg("--list");
    // All of them for each of their ports would be minutes of work; this is the processor's time, however busy it is.
    let limit = libc::rlimit {
        rlim_cur: 20,
        rlim_max: 20,
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            libc::setrlimit(libc::RLIMIT_CPU, &raw const limit);
            Ok(())
        });
    }
    let output = run(&mut command);
    assert_code(&output, 0);
    let out = String::from_utf8_lossy(&output.stdout);
    let is_late = String::from_utf8_lossy(&output.stderr).contains("does not answer");
    assert!(is_late || out.lines().count() > 30_000, "{}", out.len());
}

#[test]
fn no_engine_is_asked_about_an_ordinary_server() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let engine = FakeEngine::listing("[]");
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .arg(port.to_string()));
    assert_code(&output, 0);
    server.wait_gone();
    assert_eq!(engine.requests(), [""; 0]);
}

#[test]
fn containers_only_leaves_an_ordinary_server_alone() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let output = run(kill_port().env("DOCKER_HOST", "unix:///nowhere").args([
        "--containers",
        "only",
        &port.to_string(),
    ]));
    assert_code(&output, 1);
    assert_says(&output, "only containers were to be stopped");
    assert!(server.is_alive());
}

#[test]
fn a_port_that_only_a_packet_filter_forwards_is_freed_as_well() {
    let port = Port::claim();
    let number = port.number();
    let stopped = Arc::new(Mutex::new(false));
    let engine = FakeEngine::new(move |request| {
        let mut stopped = stopped.lock().expect("a flag");
        if request.starts_with("GET /containers/json") {
            return ok(&if *stopped {
                "[]".to_owned()
            } else {
                format!("[{}]", listed(ID, "web", number))
            });
        }
        *stopped |= request.starts_with("POST ");
        ok("{}")
    });
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .arg(port.to_string()));
    assert_code(&output, 0);
    assert_says(&output, "web");
    assert!(
        engine
            .requests()
            .contains(&format!("POST /containers/{ID}/stop?t=10"))
    );
}

#[test]
fn no_container_is_stopped_while_somebody_who_is_spared_keeps_the_port_too() {
    let published = publish(STOPPED);
    let server = Fixture::role("server")
        .port(&published.port)
        .listen("tcp/127.0.0.2")
        .start();
    let engine = format!("unix://{}", published.engine.socket().display());
    for options in [&["--dry-run"][..], &[]] {
        let output = run(kill_port()
            .env("DOCKER_HOST", &engine)
            .args(["--containers", "only", &published.port.to_string()])
            .args(options));
        assert_code(&output, 1);
        assert_says(&output, "only containers were to be stopped");
        assert!(published.orders().is_empty(), "{}", super::said(&output));
        assert!(published.forwarder_lives());
    }
    assert!(server.is_alive());
}

#[test]
fn an_engine_that_takes_its_time_is_waited_for() {
    let port = Port::claim();
    let number = port.number();
    let held = Mutex::new(Some(forwarder(&port)));
    let engine = FakeEngine::new(move |request| {
        let mut held = held.lock().expect("the forwarder");
        // Slow, as a busy engine is: longer together than any other port is waited for.
        if request.starts_with("GET /containers/json") {
            std::thread::sleep(Duration::from_millis(1500));
            return ok(&if held.is_some() {
                format!("[{}]", listed(ID, "web", number))
            } else {
                "[]".to_owned()
            });
        }
        if request.starts_with("GET ") {
            return ok(r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#);
        }
        std::thread::sleep(Duration::from_millis(5200));
        drop(held.take());
        STOPPED.to_vec()
    });
    let output = run(kill_port()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        )
        .args(["--grace", "1s", &port.to_string()]));
    assert_code(&output, 0);
    assert_says(&output, "web");
}

#[test]
fn an_orphaned_forwarder_is_said_to_be_one_and_ended_if_forwarders_are_included() {
    let port = Port::claim();
    let orphan = forwarder(&port);
    let engine = FakeEngine::new(|_| ok("[]"));
    let run_with = |options: &[&str]| {
        let engine = format!("unix://{}", engine.socket().display());
        run(kill_port()
            .env("DOCKER_HOST", engine)
            .args(options)
            .arg(format!("127.0.0.1:{port}")))
    };
    for options in [&[][..], &["--dry-run"]] {
        let output = run_with(options);
        assert_code(&output, 1);
        assert_says(&output, "its forwarder is an orphan");
        let help = format!("`kill_port --include forwarders 127.0.0.1:{port}` ends it");
        assert_says(&output, &help);
        assert!(!super::said(&output).contains("docker stop"));
    }
    assert!(orphan.is_alive());
    assert_code(&run_with(&["--include", "forwarders"]), 0);
    assert_eq!(orphan.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn where_a_folder_is_asked_for_a_container_counts_by_its_compose_project() {
    let home = Folder::new();
    let (app, shop) = (home.below("app"), home.below("shop"));
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&app, &link).expect("a link");
    let label = |folder: &std::path::Path| {
        let folder = folder.display();
        format!(r#","com.docker.compose.project.working_dir":"{folder}""#)
    };
    for (label, code, said) in [
        (label(&app), 0, "would be freed"),
        (label(&link), 0, "would be freed"),
        (label(&shop), 1, "by a compose project in"),
        (String::new(), 1, "by a container that has no folder"),
    ] {
        let port = Port::claim();
        let list =
            listed(ID, "web", port.number()).replace(r#""front""#, &format!(r#""front"{label}"#));
        let engine = FakeEngine::new(move |request| {
            ok(&if request.starts_with("GET /containers/json") {
                format!("[{list}]")
            } else {
                "{}".to_owned()
            })
        });
        // With a forwarder, and without: the port is free then as far as sockets go.
        for has_forwarder in [true, false] {
            let _forwarder = has_forwarder.then(|| forwarder(&port));
            for options in [&["--dry-run"][..], &[]] {
                if code == 0 && options.is_empty() {
                    continue;
                }
                let output = run(kill_port()
                    .env(
                        "DOCKER_HOST",
                        format!("unix://{}", engine.socket().display()),
                    )
                    .args(options)
                    .arg("--in")
                    .arg(&app)
                    .arg(format!("127.0.0.1:{port}")));
                assert_code(&output, code);
                assert_says(&output, said);
            }
        }
        let requests = engine.requests();
        assert!(!requests.iter().any(|request| request.starts_with("POST ")));
    }
}

/// The command without a port, on a terminal.
fn pick(engine: &FakeEngine) -> Terminal {
    let mut command = kill_port();
    command.env("TERM", "xterm").env(
        "DOCKER_HOST",
        format!("unix://{}", engine.socket().display()),
    );
    Terminal::start(command, 100)
}

#[test]
fn a_container_can_be_chosen_from_the_list() {
    let published = publish(STOPPED);
    let mut terminal = pick(&published.engine);
    terminal.press(&format!("{}/tcp+shop+nginx", published.port));
    terminal.wait_to_see("(container)");
    terminal.press("\r");
    terminal.wait_for("would be stopped");
    terminal.wait_for("[y/N] ");
    assert!(published.orders().is_empty());
    terminal.press("y\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(published.orders().len(), 1);
}

#[test]
fn a_look_that_takes_long_keeps_nobody_from_typing_and_leaving() {
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let engine = FakeEngine::new(move |_| {
        let _ = wait.lock().expect("the channel").recv();
        ok("[]")
    });
    let mut terminal = pick(&engine);
    terminal.wait_to_see("looking");
    terminal.press("typed");
    terminal.wait_to_see("free which? typed");
    assert!(terminal.look().contains("looking"), "{}", terminal.look());
    terminal.press("\u{1b}");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    drop(answer);
}
