//! The few questions and orders of Docker's API that a published port takes. Podman understands them as well.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::http::Response;
use super::transport::{answers, request};
use crate::container::{Compose, Container, Endpoint, EngineError, EngineErrorKind, PublishedPort};
use crate::protocol::Protocol;
use crate::sys::{Progress, Task};

/// How long an engine may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many containers are inspected at a time.
const AT_ONCE: usize = 8;
/// How many published ports are kept of one engine: an entry of a few bytes can stand for a range of 65535.
pub(super) const PORT_LIMIT: usize = 1_000_000;
/// How much longer than the grace a stop may take: the engine cleans up after the container has ended.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Asks all engines at once for the running containers that publish ports. An engine that fails costs its own containers
/// and nothing else.
pub(super) fn list(engines: &[Endpoint]) -> (Vec<Container>, Vec<EngineError>) {
    let answers = answers(engines.to_vec(), engines.len(), PATIENCE, list_one);
    let mut found: Vec<Container> = Vec::new();
    let mut seen = HashSet::new();
    let mut errors = Vec::new();
    for (engine, answer) in engines.iter().zip(answers) {
        match answer {
            Some(Ok(containers)) => {
                // One engine may have two sockets.
                let new = containers
                    .into_iter()
                    .filter(|container| seen.insert(container.id.clone()));
                found.extend(new);
            }
            // Whether a pipe exists shows only when it is opened: one that does not is no engine.
            Some(Err(error))
                if matches!(engine, Endpoint::Pipe(_))
                    && error.kind == EngineErrorKind::NotRunning =>
            {
                log::debug!(target: "kill_port", "{error}");
            }
            Some(Err(error)) => errors.push(error),
            None => errors.push(EngineError::not_answering(engine)),
        }
    }
    (found, errors)
}

/// The engine's own filter by port is left alone: Podman's differs from Docker's.
fn list_one(endpoint: &Endpoint, deadline: Instant) -> Result<Vec<Container>, EngineError> {
    let ask = |path: &str| {
        request(endpoint, "GET", path, deadline)
            .map_err(|error| EngineError::from_http(endpoint, &error))
    };
    let response = ask("/containers/json")?;
    let found = containers(endpoint, &response)?;
    // In Docker's form Podman tells only the first port of a range, and no paused container.
    let Some(version) = &response.podman else {
        return Ok(found);
    };
    let path = format!(
        "/v{version}/libpod/containers/json?filters=%7B%22status%22%3A%5B%22running%22%2C%22paused%22%5D%7D"
    );
    ask(&path)
        .and_then(|response| containers(endpoint, &response))
        .or_else(|error| {
            log::debug!(target: "kill_port", "Podman's own list: {error}");
            Ok(found)
        })
}

/// Fills in what the list does not tell: the restart policy and the signal that a stop begins with. What can't be learnt
/// stays as it is. For containers that publish what is wanted, and no others: each costs a question.
pub(super) fn inspect(containers: &mut [Container]) {
    let questions = containers
        .iter()
        .map(|container| (container.endpoint.clone(), container.id.clone()))
        .collect();
    let answers = answers(questions, AT_ONCE, PATIENCE, inspect_one);
    for (container, answer) in containers.iter_mut().zip(answers) {
        match answer {
            Some(Ok(inspected)) => fill_in(container, inspected),
            Some(Err(error)) => {
                log::debug!(target: "kill_port", "{container} could not be inspected: {error}")
            }
            None => log::debug!(target: "kill_port", "{container} could not be inspected in time"),
        }
    }
}

pub(super) fn fill_in(container: &mut Container, inspected: Inspected) {
    container.restart_policy = inspected
        .host_config
        .and_then(|config| config.restart_policy?.name)
        .filter(|name| !name.is_empty() && name != "no");
    container.stop_signal = inspected
        .config
        .and_then(|config| config.stop_signal)
        .map(|signal| match signal {
            StopSignal::Name(name) => name,
            StopSignal::Number(number) => number.to_string(),
        })
        // It becomes part of a path.
        .filter(|signal| {
            !signal.is_empty()
                && signal
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-')
        });
}

fn inspect_one(
    (endpoint, id): &(Endpoint, String),
    deadline: Instant,
) -> Result<Inspected, EngineError> {
    let path = format!("/containers/{id}/json");
    let response = request(endpoint, "GET", &path, deadline)
        .map_err(|error| EngineError::from_http(endpoint, &error))?;
    parse(endpoint, &response)
}

/// How a container is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The engine's own stop: the container's stop signal, and SIGKILL after the grace.
    Stop(Duration),
    /// SIGKILL at once.
    Kill,
    /// The container's stop signal alone. Whether it ends is for the caller to see.
    Ask,
}

/// A container that is being ended by its engine.
pub(crate) struct Stopping {
    task: Task<Result<(), EngineError>>,
    endpoint: Endpoint,
}

/// Tells the engine to end a container, and returns at once.
pub(crate) fn end(container: &Container, how: Ending) -> Stopping {
    let endpoint = container.endpoint.clone();
    let limit = match how {
        Ending::Stop(grace) => grace.saturating_add(STOP_MARGIN),
        Ending::Kill | Ending::Ask => STOP_MARGIN,
    };
    let (id, paused, engine) = (
        container.id.clone(),
        container.state == "paused",
        endpoint.clone(),
    );
    let signal = container.stop_signal.clone();
    let task = Task::start(limit, move |deadline| {
        let order = |what: &str, accepted: &[u16]| {
            let response = request(
                &engine,
                "POST",
                &format!("/containers/{id}/{what}"),
                deadline,
            )
            .map_err(|error| EngineError::from_http(&engine, &error))?;
            // 304: it has ended already. 404: it is even gone.
            if matches!(response.status, 200..=299 | 304 | 404)
                || accepted.contains(&response.status)
            {
                Ok(())
            } else {
                Err(refusal(&engine, &response))
            }
        };
        if paused && how != Ending::Kill {
            // A frozen process can't act on a signal. If somebody else was faster, the next order tells.
            if let Err(error) = order("unpause", &[]) {
                log::debug!(target: "kill_port", "container {id} could not be unpaused: {error}");
            }
        }
        match how {
            Ending::Stop(grace) => order(&format!("stop?t={}", whole_seconds(grace)), &[]),
            Ending::Ask => order(
                &format!("kill?signal={}", signal.as_deref().unwrap_or("SIGTERM")),
                &[409],
            ),
            Ending::Kill => {
                // 409: it was not running any more. The stop makes it stay ended: a restart policy of Podman heeds a
                // stop and not a kill.
                order("kill", &[409])?;
                order("stop?t=0", &[])
            }
        }
    });
    Stopping { task, endpoint }
}

impl Stopping {
    /// Waits for the engine's answer for a while. `None` means that it is still at it.
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Result<(), EngineError>> {
        match self.task.wait(at_most) {
            Progress::Done(result) => Some(result),
            Progress::Running => None,
            Progress::TimedOut => Some(Err(EngineError::new(
                &self.endpoint,
                EngineErrorKind::NotAnswering,
                "did not say in time that the container has ended",
            ))),
        }
    }
}

/// The API counts the grace in whole seconds. Rounded up, nothing is killed early.
fn whole_seconds(grace: Duration) -> u64 {
    let seconds = grace
        .as_secs()
        .saturating_add(u64::from(grace.subsec_nanos() > 0));
    // Engines keep it as a signed 32 bit number or a duration in nanoseconds.
    seconds.min(u64::from(u16::MAX))
}

/// An entry of the list. Everything may be missing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: Option<String>,
    names: Option<Vec<String>>,
    image: Option<String>,
    ports: Option<Vec<ListedPort>>,
    labels: Option<HashMap<String, Option<String>>>,
    state: Option<String>,
}

/// In Docker's words, or in Podman's.
#[derive(Deserialize)]
struct ListedPort {
    #[serde(rename = "IP", alias = "host_ip")]
    ip: Option<String>,
    #[serde(rename = "PublicPort", alias = "host_port")]
    public_port: Option<u64>,
    #[serde(rename = "PrivatePort", alias = "container_port")]
    private_port: Option<u64>,
    #[serde(rename = "Type", alias = "protocol")]
    protocol: Option<String>,
    /// How many ports in a row: Podman only.
    range: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    host_config: Option<HostConfig>,
    config: Option<ContainerConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    restart_policy: Option<RestartPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    stop_signal: Option<StopSignal>,
}

/// Docker tells a name, Podman a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum StopSignal {
    Name(String),
    Number(u32),
}

/// The body of an error.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
    cause: Option<String>,
}

fn refusal(endpoint: &Endpoint, response: &Response) -> EngineError {
    let text = serde_json::from_slice::<Refusal>(&response.body)
        .ok()
        .and_then(|refusal| refusal.message.or(refusal.cause))
        .unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned());
    EngineError::refused(endpoint, response.status, &text)
}

pub(super) fn parse<T: for<'de> Deserialize<'de>>(
    endpoint: &Endpoint,
    response: &Response,
) -> Result<T, EngineError> {
    if response.status != 200 {
        return Err(refusal(endpoint, response));
    }
    serde_json::from_slice(&response.body).map_err(|error| {
        EngineError::new(
            endpoint,
            EngineErrorKind::NotUnderstood,
            format_args!("is not understood: {error}"),
        )
    })
}

pub(super) fn containers(
    endpoint: &Endpoint,
    response: &Response,
) -> Result<Vec<Container>, EngineError> {
    let listed: Vec<Listed> = parse(endpoint, response)?;
    let mut left = PORT_LIMIT;
    Ok(listed
        .into_iter()
        .filter_map(|listed| container(endpoint, listed, &mut left))
        .filter(|container| !container.ports.is_empty())
        .collect())
}

fn container(endpoint: &Endpoint, listed: Listed, left: &mut usize) -> Option<Container> {
    let id = listed.id?;
    // It becomes part of a path, so nothing but what an ID consists of will do.
    if !(12..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        log::debug!(target: "kill_port", "{} lists a container with an odd ID", endpoint.address());
        return None;
    }
    let mut ports: Vec<PublishedPort> = listed
        .ports
        .unwrap_or_default()
        .into_iter()
        .flat_map(published_ports)
        .take(*left)
        .collect();
    *left = left.saturating_sub(ports.len());
    ports.sort_unstable();
    ports.dedup();

    let labels = listed.labels.unwrap_or_default();
    let label = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| labels.get(*name)?.clone())
            .filter(|value| !value.is_empty())
    };
    let compose =
        label(["com.docker.compose.project", "io.podman.compose.project"]).map(|project| Compose {
            project,
            service: label(["com.docker.compose.service", "io.podman.compose.service"])
                .unwrap_or_default(),
            folder: label([
                "com.docker.compose.project.working_dir",
                "io.podman.compose.project.working_dir",
            ])
            .map(Into::into),
        });
    Some(Container {
        id,
        name: listed
            .names
            .and_then(|names| names.into_iter().next())
            .map(|name| name.trim_start_matches('/').to_owned())
            .unwrap_or_default(),
        image: listed.image.unwrap_or_default(),
        ports: ports.into(),
        compose,
        restart_policy: None,
        state: listed.state.unwrap_or_default(),
        engine: endpoint.address(),
        endpoint: endpoint.clone(),
        stop_signal: None,
    })
}

/// Nothing for a port that is not published, and for protocols other than TCP and UDP. Podman joins protocols by commas.
fn published_ports(port: ListedPort) -> Vec<PublishedPort> {
    let first = port.public_port.unwrap_or_default();
    let inside = port.private_port.unwrap_or_default();
    let count = port.range.unwrap_or(1).clamp(1, u64::from(u16::MAX));
    let ip = port.ip.and_then(|ip| ip.parse::<IpAddr>().ok());
    let named = port.protocol.as_deref().unwrap_or("tcp");
    // Each once, however often it is named: a range of all ports for each of a million names would be more than there is room for.
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter(|protocol| named.split(',').any(|name| name == protocol.as_str()))
        .flat_map(|protocol| {
            (0..count).filter_map(move |step| {
                Some(PublishedPort {
                    host_port: u16::try_from(first.checked_add(step)?)
                        .ok()
                        .filter(|_| first != 0)?,
                    container_port: u16::try_from(inside.saturating_add(step)).unwrap_or_default(),
                    protocol,
                    ip,
                })
            })
        })
        .collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::fixture::{FakeEngine, ok};
    use super::*;
    use proptest::prelude::*;

    impl FakeEngine {
        fn at(&self) -> Endpoint {
            Endpoint::Unix(self.socket())
        }
    }

    const TWO: &str = r#"[
        {"Id":"0123456789abcdef","Names":["/web"],"Image":"nginx:1.27","State":"running",
         "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"front"},
         "Ports":[{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                  {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                  {"PrivatePort":443,"Type":"tcp"}]},
        {"Id":"fedcba9876543210","Names":null,"Image":null,"State":"paused","Labels":null,
         "Ports":[{"PrivatePort":53,"PublicPort":5353,"Type":"udp"},{"PrivatePort":1,"PublicPort":1,"Type":"sctp"}]},
        {"Id":"aaaaaaaaaaaaaaaa","Names":["/quiet"],"Ports":null},
        {"Id":"../../../v1.41/images/prune","Ports":[{"PrivatePort":1,"PublicPort":9,"Type":"tcp"}]},
        {"Ports":[{"PublicPort":70000}]}
    ]"#;

    fn kinds(errors: &[EngineError]) -> Vec<EngineErrorKind> {
        errors.iter().map(|error| error.kind).collect()
    }

    #[test]
    fn published_ports_names_and_compose_services_are_read() {
        let engine = FakeEngine::listing(TWO);
        let (found, errors) = list(&[engine.at()]);
        assert_eq!(errors, []);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0].to_string(),
            "container web (nginx:1.27, 0123456789ab), compose service shop/front"
        );
        let ports: Vec<String> = found[0].ports.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"]);
        assert_eq!(found[1].display_name(), "fedcba987654");
        assert_eq!(found[1].ports.len(), 1);
        assert_eq!(found[0].engine, engine.at().address());
    }

    #[test]
    fn podmans_own_list_tells_ranges_and_paused_containers() {
        let engine = FakeEngine::new(|request| {
            if request.starts_with("GET /v4.3.1/libpod/containers/json?") {
                return ok(
                    r#"[{"Id":"0123456789ab","Names":["range"],"Image":"bb","State":"paused","Labels":null,
                    "Ports":[{"host_ip":"","container_port":90,"host_port":8090,"range":3,"protocol":"tcp,udp"},
                             {"host_ip":"","container_port":1,"host_port":65535,"range":65535,"protocol":"tcp"}]}]"#,
                );
            }
            let body = r#"[{"Id":"0123456789ab","Ports":[{"PrivatePort":90,"PublicPort":8090,"Type":"tcp"}]}]"#;
            format!(
                "HTTP/1.1 200 OK\r\nLibpod-Api-Version: 4.3.1\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        });
        let (found, errors) = list(&[engine.at()]);
        assert_eq!(errors, []);
        assert_eq!(found[0].state, "paused");
        let ports: Vec<String> = found[0].ports.iter().map(ToString::to_string).collect();
        assert_eq!(
            ports,
            [
                "8090->90/tcp",
                "8090->90/udp",
                "8091->91/tcp",
                "8091->91/udp",
                "8092->92/tcp",
                "8092->92/udp",
                "65535->1/tcp"
            ]
        );
    }

    #[test]
    fn a_protocol_that_is_named_a_million_times_is_published_once() {
        // Sixteen bytes for each port of each name would be more memory than there is.
        let names = "tcp,".repeat(1_000_000);
        let list = format!(
            r#"[{{"Id":"0123456789abcdef","Ports":[{{"host_port":1,"range":65535,"protocol":"{names}"}}]}}]"#
        );
        let response = Response {
            status: 200,
            body: list.into_bytes(),
            podman: None,
        };
        let endpoint = Endpoint::Unix("/run/docker.sock".into());
        let found = containers(&endpoint, &response).expect("a list");
        assert_eq!(found[0].ports.len(), 65535);
    }

    #[test]
    fn an_engine_that_hangs_costs_its_own_containers_only() {
        let hanging = FakeEngine::new(|_| Vec::new());
        let well = FakeEngine::listing(TWO);
        let (found, errors) = list(&[hanging.at(), well.at()]);
        assert_eq!(found.len(), 2);
        assert_eq!(kinds(&errors), [EngineErrorKind::NotAnswering]);
        assert!(
            errors[0]
                .message()
                .contains("does not answer within two seconds"),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn an_engine_that_trickles_is_given_up_as_well() {
        // Each byte comes in time; the whole answer does not.
        let folder = super::super::fixture::Folder::new();
        let path = folder.path().join("t.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let thread = std::thread::spawn(move || {
            use std::io::Write;
            let (mut connection, _) = listener.accept().expect("a connection");
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n[");
            while connection.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let (found, errors) = list(&[Endpoint::Unix(path)]);
        assert_eq!(found, []);
        assert_eq!(kinds(&errors), [EngineErrorKind::NotAnswering]);
        thread.join().expect("the engine ends with the connection");
    }

    #[test]
    fn an_engine_that_answers_nonsense_is_reported() {
        for answer in [
            "220 smtp.example.org ESMTP\r\n".to_owned(),
            String::from_utf8(ok("<html>")).expect("text"),
            String::from_utf8(ok(r#"{"a":1}"#)).expect("text"),
            String::from_utf8(ok(&"[".repeat(100_000))).expect("text"),
        ] {
            let engine = FakeEngine::new(move |_| answer.clone().into_bytes());
            let (found, errors) = list(&[engine.at()]);
            assert_eq!(found, []);
            assert_eq!(kinds(&errors), [EngineErrorKind::NotUnderstood]);
        }
    }

    #[test]
    fn an_error_of_the_engine_keeps_its_text() {
        let engine = FakeEngine::new(|_| {
            let body = r#"{"message":"the disk is full"}"#;
            format!(
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        });
        let (_, errors) = list(&[engine.at()]);
        assert_eq!(kinds(&errors), [EngineErrorKind::Refused]);
        assert!(
            errors[0]
                .to_string()
                .ends_with("answered with status 500: the disk is full"),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn a_socket_that_nobody_serves_is_an_engine_that_does_not_run() {
        let folder = super::super::fixture::Folder::new();
        let path = folder.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        let (_, errors) = list(&[Endpoint::Unix(path)]);
        assert_eq!(kinds(&errors), [EngineErrorKind::NotRunning]);
    }

    #[test]
    fn two_sockets_of_one_engine_list_its_containers_once() {
        let (one, other) = (FakeEngine::listing(TWO), FakeEngine::listing(TWO));
        assert_eq!(list(&[one.at(), other.at()]).0.len(), 2);
    }

    fn finish(stopping: &Stopping) -> Result<(), EngineError> {
        stopping
            .wait(Duration::MAX)
            .expect("an answer before the deadline")
    }

    #[test]
    fn the_grace_is_rounded_up_and_a_paused_container_is_woken_first() {
        let engine = FakeEngine::listing(TWO);
        let (found, _) = list(&[engine.at()]);
        let stop = Ending::Stop(Duration::from_millis(1500));
        finish(&end(&found[0], stop)).expect("stopped");
        finish(&end(&found[1], stop)).expect("stopped");
        finish(&end(&found[1], Ending::Kill)).expect("killed");
        finish(&end(&found[0], Ending::Ask)).expect("asked");
        assert_eq!(
            engine.requests()[1..],
            [
                "POST /containers/0123456789abcdef/stop?t=2",
                "POST /containers/fedcba9876543210/unpause",
                "POST /containers/fedcba9876543210/stop?t=2",
                "POST /containers/fedcba9876543210/kill",
                "POST /containers/fedcba9876543210/stop?t=0",
                "POST /containers/0123456789abcdef/kill?signal=SIGTERM",
            ]
        );
    }

    #[test]
    fn a_container_that_is_gone_is_ended_and_one_that_can_not_be_stopped_is_an_error() {
        for (status, ended) in [
            ("304 Not Modified", true),
            ("404 Not Found", true),
            ("500 Oh", false),
        ] {
            let engine = FakeEngine::new(move |request| {
                if request.starts_with("GET") {
                    ok(TWO)
                } else {
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
                }
            });
            let (found, _) = list(&[engine.at()]);
            let result = finish(&end(&found[0], Ending::Stop(Duration::ZERO)));
            assert_eq!(result.is_ok(), ended, "{status}: {result:?}");
        }
    }

    #[test]
    fn the_restart_policy_and_the_stop_signal_are_inspected() {
        for (answer, policy, signal) in [
            (
                r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}},"Config":{"StopSignal":"SIGQUIT"}}"#,
                Some("always"),
                Some("SIGQUIT"),
            ),
            (
                r#"{"HostConfig":{"RestartPolicy":{"Name":"no"}},"Config":{"StopSignal":15}}"#,
                None,
                Some("15"),
            ),
            (
                r#"{"HostConfig":null,"Config":{"StopSignal":"A&t=0"}}"#,
                None,
                None,
            ),
            (r"[]", None, None),
        ] {
            let engine = FakeEngine::new(move |request| {
                ok(if request.starts_with("GET /containers/json") {
                    TWO
                } else {
                    answer
                })
            });
            let (mut found, _) = list(&[engine.at()]);
            inspect(&mut found);
            assert_eq!(found[0].restart_policy.as_deref(), policy, "{answer}");
            assert_eq!(found[0].stop_signal.as_deref(), signal, "{answer}");
        }
    }

    #[test]
    fn an_engine_that_lists_very_many_is_asked_a_few_at_a_time_and_for_a_while_only() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static MOST: AtomicUsize = AtomicUsize::new(0);
        // More than there is time for, eight at a time.
        const MANY: usize = 1000;
        let listed: Vec<String> = (0..MANY)
            .map(|number| {
                format!(r#"{{"Id":"{number:012x}","Ports":[{{"PublicPort":8080,"Type":"tcp"}}]}}"#)
            })
            .collect();
        let list_of_all = format!("[{}]", listed.join(","));
        let engine = FakeEngine::new(move |request| {
            if request.starts_with("GET /containers/json") {
                return ok(&list_of_all);
            }
            let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
            MOST.fetch_max(threads, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
            ok(r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#)
        });
        let (mut found, errors) = list(&[engine.at()]);
        assert_eq!((found.len(), errors.len()), (MANY, 0));
        inspect(&mut found);
        assert!(MOST.load(Ordering::Relaxed) < 1000);
        assert!(found[0].restart_policy.is_some());
        assert_eq!(found[MANY - 1].restart_policy, None);
    }

    proptest! {
        #[test]
        fn any_list_is_understood_or_refused(text in r#"\[(\{"(Id|Names|Ports|Labels|State)":("[0-9a-f]{12}"|\[\{"PublicPort":-?[0-9]{1,20}\}\]|null|1e99)\},?){0,3}\]?"#) {
            let endpoint = Endpoint::Unix("/nowhere".into());
            let _ = containers(&endpoint, &Response { status: 200, body: text.into_bytes(), podman: None });
        }

        #[test]
        fn no_grace_is_shortened(milliseconds in 0u64..1_000_000) {
            let grace = Duration::from_millis(milliseconds);
            prop_assert!(Duration::from_secs(whole_seconds(grace)) >= grace);
        }
    }
}
