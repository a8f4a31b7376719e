//! A real engine. `KILL_PORT_TEST_ENGINE` names it; `ci/containers.sh` starts one and sets it.

use std::process::{Command, Output};

use super::{assert_code, assert_says, kill_port, run, said};
use crate::fixture::{Port, eventually, skip};

/// A real engine that a script has started for these tests.
struct Engine {
    address: String,
}

impl Engine {
    fn find() -> Option<Self> {
        match std::env::var("KILL_PORT_TEST_ENGINE") {
            Ok(address) if !address.is_empty() => Some(Self { address }),
            _ => {
                skip("no container engine; ci/containers.sh starts one");
                None
            }
        }
    }

    /// The name of the group that may use its socket, if one may.
    fn group(&self) -> Option<String> {
        let path = self.address.strip_prefix("unix://")?;
        let output = run(Command::new("stat").args(["--format=%A %G", path]));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (mode, group) = text.trim().split_once(' ')?;
        (mode.get(5..6) == Some("w") && group != "root").then(|| group.to_owned())
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        run(Command::new("docker")
            .env("DOCKER_HOST", &self.address)
            .args(arguments))
    }

    /// Starts a container from the image of these tests.
    fn start(&self, options: &[&str], program: &[&str]) -> Container<'_> {
        let more = std::env::var("KILL_PORT_TEST_ENGINE_OPTIONS").unwrap_or_default();
        let mut arguments = vec!["run", "--detach"];
        arguments.extend(more.split_whitespace());
        arguments.extend(options);
        arguments.push("kill_port_test");
        arguments.extend(program);
        let output = self.docker(&arguments);
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        Container {
            engine: self,
            id: text.lines().last().unwrap_or_default().trim().to_owned(),
        }
    }

    fn kill_port(&self, arguments: &[&str]) -> Output {
        run(kill_port()
            .env("DOCKER_HOST", &self.address)
            .args(arguments))
    }
}

/// A container that goes when the test does.
struct Container<'a> {
    engine: &'a Engine,
    id: String,
}

impl Container<'_> {
    fn inspect(&self, what: &str) -> String {
        let output = self.engine.docker(&["inspect", "--format", what, &self.id]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn is_running(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    fn name(&self) -> String {
        self.inspect("{{.Name}}").trim_start_matches('/').to_owned()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine.docker(&["rm", "--force", &self.id]);
    }
}

/// `127.0.0.1:P:80` and the like.
fn publish(what: impl std::fmt::Display) -> String {
    format!("--publish={what}")
}

const SERVE: &[&str] = &["/serve", "80"];

/// Nothing keeps a new server from this port.
fn is_free(port: &Port) -> bool {
    std::net::TcpListener::bind(("0.0.0.0", port.number())).is_ok()
        && std::net::UdpSocket::bind(("0.0.0.0", port.number())).is_ok()
}

#[test]
fn a_published_port_is_freed_by_stopping_its_container() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let output = engine.kill_port(&[&port.to_string()]);
    assert_code(&output, 0);
    assert_says(&output, &container.name());
    assert_says(&output, "kill_port_test");
    assert!(!container.is_running());
    // It ended by itself, at its SIGTERM.
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0");
    assert!(is_free(&port));
}

#[test]
fn a_port_that_is_published_on_one_address_is_freed() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("127.0.0.1:{port}:80"))], SERVE);
    let other = engine.kill_port(&[&format!("127.0.0.2:{port}")]);
    assert_code(&other, 0);
    assert!(container.is_running(), "another address: {}", said(&other));
    assert_code(&engine.kill_port(&[&format!("localhost:{port}")]), 0);
    assert!(!container.is_running());
}

#[test]
fn a_udp_port_is_freed() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:53/udp"))], SERVE);
    let tcp = engine.kill_port(&[&format!("{port}/tcp")]);
    assert_code(&tcp, 0);
    assert!(container.is_running(), "another protocol: {}", said(&tcp));
    assert_code(&engine.kill_port(&[&format!("{port}/udp")]), 0);
    assert!(!container.is_running());
    assert!(is_free(&port));
}

#[test]
fn a_range_of_ports_goes_with_its_container() {
    let Some(engine) = Engine::find() else { return };
    let ports = Port::claim_row(3);
    let range = format!("{}-{}", ports[0], ports[2]);
    let container = engine.start(
        &[&publish(format_args!("{range}:80-82"))],
        &["/serve", "80", "81", "82"],
    );
    let output = engine.kill_port(&[&range]);
    assert_code(&output, 0);
    assert!(!container.is_running());
    assert!(ports.iter().all(is_free), "{}", said(&output));
}

#[test]
fn in_the_hosts_network_a_server_is_an_ordinary_process() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&["--network=host"], &["/serve", &port.to_string()]);
    eventually("the server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port.number())).is_ok()
    });
    assert_code(&engine.kill_port(&[&port.to_string()]), 0);
    assert!(is_free(&port));
    // Its first process only waits: it was not the holder.
    assert!(container.is_running());
}

#[test]
fn a_restart_policy_does_not_bring_it_back() {
    let Some(engine) = Engine::find() else { return };
    for option in [&["--grace", "5s"][..], &["--force"]] {
        let port = Port::claim();
        let container = engine.start(
            &["--restart=always", &publish(format_args!("{port}:80"))],
            SERVE,
        );
        let mut arguments = option.to_vec();
        let text = port.to_string();
        arguments.push(&text);
        assert_code(&engine.kill_port(&arguments), 0);
        assert!(!container.is_running(), "{option:?}");
        assert_eq!(container.inspect("{{.State.Restarting}}"), "false");
        assert!(is_free(&port));
    }
}

#[test]
fn a_paused_container_shuts_down_cleanly() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let paused = engine.docker(&["pause", &container.id]);
    if !paused.status.success() {
        return skip(&format!("this engine can't pause: {}", said(&paused)));
    }
    assert_code(&engine.kill_port(&[&port.to_string()]), 0);
    assert!(!container.is_running());
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0");
}

#[test]
fn a_container_that_ignores_sigterm_is_killed_after_the_grace() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    // The first process of a PID namespace gets no signal that it does not handle.
    let container = engine.start(
        &[&publish(format_args!("{port}:80"))],
        &["/bin/httpd", "-f", "-p", "80"],
    );
    assert_code(&engine.kill_port(&["--grace", "1s", &port.to_string()]), 0);
    assert!(!container.is_running());
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "137");
}

#[test]
fn without_escalation_a_container_that_ignores_sigterm_is_left_running() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(
        &[&publish(format_args!("{port}:80"))],
        &["/bin/httpd", "-f", "-p", "80"],
    );
    let output = engine.kill_port(&["--no-escalate", "--grace", "500ms", &port.to_string()]);
    assert_code(&output, 1);
    assert_says(&output, &container.name());
    assert!(container.is_running());
}

#[test]
fn force_kills_the_container() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    assert_code(&engine.kill_port(&["--force", &port.to_string()]), 0);
    assert!(!container.is_running());
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "137");
}

#[test]
fn of_two_containers_only_the_one_on_the_port_is_stopped() {
    let Some(engine) = Engine::find() else { return };
    let (port, other_port) = (Port::claim(), Port::claim());
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let other = engine.start(&[&publish(format_args!("{other_port}:80"))], SERVE);
    assert_code(&engine.kill_port(&[&port.to_string()]), 0);
    assert!(!container.is_running());
    assert!(other.is_running());
}

#[test]
fn a_dry_run_names_the_container_and_stops_nothing() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(
        &[
            &publish(format_args!("{port}:80")),
            "--label=com.docker.compose.project=shop",
            "--label=com.docker.compose.service=front",
        ],
        SERVE,
    );
    let output = engine.kill_port(&["--dry-run", &port.to_string()]);
    assert_code(&output, 0);
    assert_says(&output, &container.name());
    assert_says(&output, "shop/front");
    assert!(container.is_running());
}

#[test]
fn json_tells_of_the_container() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let output = engine.kill_port(&["--json", &port.to_string()]);
    assert_code(&output, 0);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let told = &json["ports"][0];
    assert_eq!(told["outcome"], "freed", "{}", said(&output));
    assert_eq!(
        told["containers"][0]["id"],
        container.id.as_str(),
        "{}",
        said(&output)
    );
    assert_eq!(
        told["containers"][0]["ports"][0]["host_port"],
        port.number()
    );
}

#[test]
fn a_list_shows_the_container_and_leaves_it_alone() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let (name, text) = (container.name(), port.to_string());
    for arguments in [&["--list", &text][..], &["--list"], &["--why", &text]] {
        let output = engine.kill_port(arguments);
        assert_code(&output, 0);
        assert_says(&output, &name);
    }
    let output = engine.kill_port(&["--list", "--json", &text]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let told = &json["ports"][0];
    assert_eq!(told["outcome"], "held", "{}", said(&output));
    assert_eq!(told["containers"][0]["name"], name.as_str());
    // In place of the forwarder.
    assert_eq!(told["holders"], serde_json::json!([]));
    assert!(container.is_running());
}

/// Runs a copy of the command as an unprivileged user, who may not even look into the folder of this test program.
fn as_nobody(engine: &Engine, groups: &str, port: &Port) -> Output {
    let folder = super::fixture::Folder::new();
    let copy = folder.path().join("kill_port");
    std::fs::copy(env!("CARGO_BIN_EXE_kill_port"), &copy).expect("a copy");
    run(Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", groups])
        .arg(&copy)
        .arg(port.to_string())
        .env("DOCKER_HOST", &engine.address)
        .env("HOME", "/nowhere"))
}

#[test]
fn without_permission_for_the_socket_the_way_out_is_named() {
    let Some(engine) = Engine::find() else { return };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    let output = as_nobody(&engine, "--clear-groups", &port);
    assert!(container.is_running());
    assert_code(&output, 1);
    assert_says(&output, "may not be used by this user");
    assert_says(&output, "use sudo");
    if let Some(group) = engine.group() {
        assert_says(&output, &format!("join the group {group}"));
    }
}

#[test]
fn who_may_use_the_socket_needs_no_root() {
    let Some(engine) = Engine::find() else { return };
    let Some(group) = engine.group() else {
        return skip("this engine's socket is root's alone");
    };
    let port = Port::claim();
    let container = engine.start(&[&publish(format_args!("{port}:80"))], SERVE);
    // The forwarder is root's: this user can't see who holds the port, and the engine tells.
    assert_code(&as_nobody(&engine, &format!("--groups={group}"), &port), 0);
    assert!(!container.is_running());
    assert!(is_free(&port));
}
