//! Whether the lowest descriptors are looked at first or every descriptor at once: each situation ends alike.
//!
//! A situation is set up twice, from the ground, and freed once in each way. Then the two outcomes are compared, by the parts that the
//! processes play: their PIDs differ.

use std::time::Duration;

use kill_port::{KillOptions, Target};

use super::answer::{Answer, Told};
use crate::fixture::linux::{ipv6_or_skip, is_root, proc};
use crate::fixture::{Fixture, Port, Role, eventually, skip};

/// Everything that is set up for one call.
struct Scene {
    fixtures: Vec<Fixture>,
    ports: Vec<Port>,
    target: String,
    call: Call,
    /// Parts whose processes end by themselves, or are replaced, while they are being told: who of them is told what is a matter of
    /// moments.
    fleeting: &'static [&'static str],
    /// Whether it may be that nobody has to be ended.
    may_be_free: bool,
}

/// Who calls.
enum Call {
    /// This process, with these options.
    Here(KillOptions),
    /// A process in surroundings of its own.
    There(Box<dyn Fn() -> Role>),
    /// The last fixture, which has been told how to.
    Within,
}

/// How it ended, in a form that two runs share.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    free: bool,
    /// Each holder's part, fate and signals.
    holders: Vec<String>,
    /// What was in the way, with its reason.
    obstacles: Vec<String>,
    survivors: Vec<String>,
}

/// The way through: passed on to those fixtures that call themselves.
#[derive(Clone, Copy)]
struct Way {
    thorough: bool,
}

impl Way {
    /// A caller that goes this way.
    fn on(self, role: Role) -> Role {
        if self.thorough {
            role.set("thorough", 1)
        } else {
            role
        }
    }
}

type Setup = Box<dyn Fn(&mut Scene, Way) -> Result<(), String>>;

impl Scene {
    fn new() -> Self {
        let port = Port::claim();
        Self {
            fixtures: Vec::new(),
            target: port.to_string(),
            ports: vec![port],
            call: Call::Here(KillOptions::new()),
            fleeting: &[],
            may_be_free: false,
        }
    }

    fn port(&self) -> &Port {
        &self.ports[0]
    }

    /// Plays this role on the port.
    fn play(&mut self, role: Role) -> Result<&Fixture, String> {
        let role = role.port(self.port());
        self.play_beside(role)
    }

    /// Plays this role, which has no port of its own.
    fn play_beside(&mut self, role: Role) -> Result<&Fixture, String> {
        let fixture = role.try_start()?;
        self.fixtures.push(fixture);
        Ok(&self.fixtures[self.fixtures.len() - 1])
    }

    /// The part that a process plays: by the fixture's place and the name by which it introduced the process.
    fn part(&self, pid: u32) -> String {
        let mut part = None;
        // Some are seen before they have been introduced.
        eventually(&format!("somebody introduces {pid}"), || {
            part = self
                .fixtures
                .iter()
                .enumerate()
                .find_map(|(index, fixture)| {
                    let introduced = fixture.words("pid ");
                    let name = introduced
                        .iter()
                        .find_map(|line| line.strip_suffix(&format!(" {pid}")));
                    match name {
                        Some(name) => Some(format!("{index}/{name}")),
                        None => (fixture.pid() == pid).then(|| index.to_string()),
                    }
                });
            part.is_some()
        });
        part.expect("it was introduced")
    }

    /// Every process that the fixtures introduced, and what it is called.
    fn cast(&self) -> Vec<(String, u32)> {
        let mut cast = Vec::new();
        for fixture in &self.fixtures {
            for line in fixture.words("pid ") {
                let pid = line.rsplit(' ').next().and_then(|text| text.parse().ok());
                let pid = pid.expect("pid NAME PID");
                cast.push((self.part(pid), pid));
            }
        }
        cast.sort();
        cast.dedup();
        cast
    }

    fn is_fleeting(&self, part: &str) -> bool {
        self.fleeting.iter().any(|name| part.ends_with(name))
    }

    fn free(&self, way: Way) -> Outcome {
        let answer = match &self.call {
            Call::Here(options) => {
                let target: Target = self.target.parse().expect("a target");
                Answer::of(&options.clone().thorough(way.thorough).kill(target))
            }
            Call::There(caller) => {
                let caller = way.on(caller()).set("target", &self.target);
                Answer::from_caller(&caller.start())
            }
            Call::Within => {
                Answer::from_caller(self.fixtures.last().expect("a fixture that calls"))
            }
        };
        self.outcome(&answer)
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let in_namespace = self.is_within_namespace();
        let told = |told: &Told| {
            if in_namespace {
                format!("PID {} there", told.pid)
            } else {
                self.part(told.pid)
            }
        };
        let mut holders: Vec<String> = answer
            .holders
            .iter()
            .map(|one| (told(one), one))
            .filter(|(part, _)| !self.is_fleeting(part))
            .map(|(part, one)| format!("{part} {} {}", one.fate, one.signals))
            .collect();
        holders.sort();
        let mut obstacles: Vec<String> = answer
            .obstacles
            .iter()
            .map(|one| format!("{}: {}", one.kind, self.impersonal(&one.text)))
            .collect();
        obstacles.sort();
        let mut survivors = Vec::new();
        for (part, pid) in self.cast() {
            let is_over = answer
                .holders
                .iter()
                .any(|told| told.pid == pid && told.fate == "exited")
                || (answer.free && self.is_fleeting(&part));
            if is_over {
                eventually(&format!("{part} is gone"), || !proc::is_running(pid));
            }
            // A caller that has answered is just ending.
            if !part.ends_with("caller") && proc::is_running(pid) {
                survivors.push(part);
            }
        }
        Outcome {
            free: answer.free,
            holders,
            obstacles,
            survivors,
        }
    }

    /// Whether the PIDs that the answer tells are those of another namespace.
    fn is_within_namespace(&self) -> bool {
        matches!(self.call, Call::Within)
            && self
                .fixtures
                .last()
                .is_some_and(|fixture| fixture.count("pid init ") > 0)
    }

    /// A text without the numbers of this run, and without its guesses at other processes of this machine.
    fn impersonal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The help stands behind it, in brackets.
        if let (Some(guess), Some(help)) = (text.find("; perhaps "), text.rfind(" (")) {
            text.replace_range(guess..help.max(guess), "");
        }
        let mut cast = self.cast();
        // The longest numbers first, as they may contain the others.
        cast.sort_by_key(|&(_, pid)| std::cmp::Reverse(pid));
        for (part, pid) in cast {
            text = text.replace(&format!("(PID {pid})"), &format!("({part})"));
        }
        for port in &self.ports {
            text = text.replace(&port.to_string(), "PORT");
        }
        for fixture in &self.fixtures {
            for port in fixture.words("port ") {
                text = text.replace(&port, "PORT");
            }
        }
        text
    }
}

/// Sets each scene twice and compares how it ends. Scenes that this kernel or this user can't set are skipped, and told.
fn compare(situations: Vec<(&str, Setup)>) {
    let compared = situations
        .iter()
        .filter(|(name, setup)| {
            let alike = is_alike(name, setup);
            if let Err(why) = &alike {
                skip(&format!("{name}: {why}"));
            }
            alike.is_ok()
        })
        .count();
    assert!(compared > 0, "none of these could be compared");
}

fn is_alike(name: &str, setup: &Setup) -> Result<(), String> {
    let outcome = |thorough| {
        let way = Way { thorough };
        let mut scene = Scene::new();
        setup(&mut scene, way)?;
        let outcome = scene.free(way);
        assert!(
            scene.may_be_free || !outcome.free || !outcome.holders.is_empty(),
            "{name}: nobody was in the way, so that nothing is compared"
        );
        Ok::<_, String>(outcome)
    };
    let (quick, thorough) = (outcome(false)?, outcome(true)?);
    assert_eq!(quick, thorough, "{name}");
    Ok(())
}

fn boxed(setup: impl Fn(&mut Scene, Way) -> Result<(), String> + 'static) -> Setup {
    Box::new(setup)
}

/// One process that is freed by this one.
fn alone(role: impl Fn() -> Role + 'static) -> Setup {
    boxed(move |scene, _| scene.play(role()).map(drop))
}

fn server(listen: &'static str) -> impl Fn() -> Role + 'static {
    move || Fixture::role("server").listen(listen)
}

fn with(name: &'static str, settings: &'static [(&'static str, &'static str)]) -> Setup {
    alone(move || role_with(name, settings))
}

fn role_with(name: &str, settings: &[(&str, &str)]) -> Role {
    settings
        .iter()
        .fold(Fixture::role(name), |role, (name, value)| {
            role.set(name, value)
        })
}

fn needs_root() -> Result<(), String> {
    is_root().then_some(()).ok_or("it needs root".to_owned())
}

#[test]
fn single_servers_end_alike() {
    let mut situations = Vec::new();
    for listen in [
        "tcp/127.0.0.1",
        "tcp/0.0.0.0",
        "udp/127.0.0.1",
        "tcp/127.0.0.1,udp/127.0.0.1",
        "mptcp/127.0.0.1",
    ] {
        situations.push((listen, alone(server(listen))));
    }
    if ipv6_or_skip() {
        for listen in [
            "tcp6only/::",
            "tcp/::1",
            "tcp/::",
            "tcp/0.0.0.0,tcp6only/::",
            "udp/::",
        ] {
            situations.push((listen, alone(server(listen))));
        }
    }
    situations.extend([
        (
            "a bound socket",
            boxed(|scene, _| {
                // Kernels before 6.8 don't show it.
                scene.may_be_free = true;
                scene.play(server("bound/127.0.0.1")()).map(drop)
            }),
        ),
        ("descriptor 0", with("server", &[("fd", "0")])),
        ("descriptor 15", with("server", &[("fd", "15")])),
        ("descriptor 16", with("server", &[("fd", "16")])),
        ("descriptor 900", with("server", &[("fd", "900")])),
        (
            "descriptor 17 of 64",
            with("server", &[("fd", "17"), ("fill_fds", "64")]),
        ),
        (
            "descriptor 900 above 100",
            with("server", &[("fd", "900"), ("fill_fds", "100")]),
        ),
        ("50 threads", with("server", &[("threads", "50")])),
        ("a suspended server", with("server", &[("stop", "1")])),
        (
            "a server that cleans up",
            with("server", &[("on_term", "cleanup:300")]),
        ),
        (
            "a server that gives up the port and lives",
            with("server", &[("on_term", "release:0")]),
        ),
        ("a daemon", with("daemon", &[])),
        (
            "a daemon in a session of its own",
            with("daemon", &[("setsid", "1")]),
        ),
        (
            "a server that ignores SIGTERM",
            boxed(|scene, _| {
                let mut options = KillOptions::new();
                options.grace(Duration::from_millis(200));
                scene.call = Call::Here(options);
                scene
                    .play(role_with("server", &[("on_term", "ignore")]))
                    .map(drop)
            }),
        ),
        (
            "a server that ignores SIGTERM and is not to be sent SIGKILL",
            boxed(|scene, _| {
                let mut options = KillOptions::new();
                options.grace(Duration::from_millis(200)).escalate(false);
                scene.call = Call::Here(options);
                scene
                    .play(role_with("server", &[("on_term", "ignore")]))
                    .map(drop)
            }),
        ),
        (
            "tcp and udp of different processes",
            boxed(|scene, _| {
                scene.play(server("tcp/127.0.0.1")())?;
                scene.play(server("udp/127.0.0.1")()).map(drop)
            }),
        ),
        (
            "a named protocol",
            boxed(|scene, _| {
                scene.target += "/udp";
                scene.play(server("tcp/127.0.0.1")())?;
                scene.play(server("udp/127.0.0.1")()).map(drop)
            }),
        ),
        (
            "a server in another network namespace",
            boxed(|scene, _| {
                needs_root()?;
                scene.may_be_free = true;
                scene.play(role_with("server", &[("netns", "1")])).map(drop)
            }),
        ),
        (
            "a supervisor that starts it again and again",
            boxed(|scene, _| {
                scene.fleeting = &["server"];
                // However long the next server takes to start on a busy machine.
                let mut options = KillOptions::new();
                options.settle(Duration::from_secs(20));
                scene.call = Call::Here(options);
                scene.play(role_with("supervisor", &[])).map(drop)
            }),
        ),
    ]);
    compare(situations);
}

#[test]
fn shared_sockets_end_alike() {
    let patient = |scene: &mut Scene, grace| {
        let mut options = KillOptions::new();
        options.grace(Duration::from_millis(grace));
        scene.call = Call::Here(options);
        scene.fleeting = &["worker"];
    };
    compare(vec![
        (
            "a pre-fork server",
            boxed(|scene, _| {
                scene.fleeting = &["worker"];
                prefork(scene, &[("workers", "4"), ("worker_on_term", "exit")])
            }),
        ),
        (
            "a pre-fork server whose master has the socket on descriptor 900",
            boxed(|scene, _| {
                scene.fleeting = &["worker"];
                prefork(scene, &[("workers", "4"), ("fd", "900")])
            }),
        ),
        (
            "a pre-fork server that ignores SIGTERM",
            boxed(move |scene, _| {
                patient(scene, 300);
                scene.fleeting = &[];
                let ignoring = [
                    ("workers", "3"),
                    ("on_term", "ignore"),
                    ("worker_on_term", "ignore"),
                    ("respawn", "0"),
                ];
                prefork(scene, &ignoring)
            }),
        ),
        (
            "a master that ignores SIGTERM and replaces its workers",
            boxed(move |scene, _| {
                patient(scene, 500);
                prefork(scene, &[("workers", "3"), ("on_term", "ignore")])
            }),
        ),
        (
            "unrelated servers with SO_REUSEPORT",
            boxed(|scene, _| {
                for _ in 0..3 {
                    scene.play(role_with("server", &[("reuseport", "1")]))?;
                }
                Ok(())
            }),
        ),
        (
            "one server with SO_REUSEPORT far away",
            boxed(|scene, _| {
                scene.play(role_with("server", &[("reuseport", "1")]))?;
                let far = role_with("server", &[("reuseport", "1"), ("fd", "900")]);
                scene.play(far).map(drop)
            }),
        ),
        ("a passed descriptor", with("passed", &[])),
        ("a thread's own table", with("private_table", &[])),
        (
            "a thread's own table beside 40 threads",
            with("private_table", &[("threads", "40")]),
        ),
        (
            "a main thread that has ended",
            with("main_thread_gone", &[]),
        ),
        ("an io_uring", with("io_uring", &[])),
        (
            "an io_uring beside a descriptor",
            boxed(|scene, _| {
                scene.play(role_with("io_uring", &[("reuseport", "1")]))?;
                scene
                    .play(role_with("server", &[("reuseport", "1")]))
                    .map(drop)
            }),
        ),
        ("one socket, near and on descriptor 900", far_holder("fd")),
        (
            "one socket, near and in a thread's own table",
            far_holder("private_table"),
        ),
        (
            "one socket, near and in an io_uring",
            far_holder("io_uring"),
        ),
    ]);
}

fn prefork(scene: &mut Scene, settings: &[(&str, &str)]) -> Result<(), String> {
    let server = scene.play(role_with("prefork", settings))?;
    server.wait_count("worker ready", server.count("pid worker "));
    Ok(())
}

fn far_holder(far: &'static str) -> Setup {
    boxed(move |scene, _| play_shared(scene, &[("far", far)]))
}

fn play_shared(scene: &mut Scene, settings: &[(&str, &str)]) -> Result<(), String> {
    let both = role_with("shared", settings).port(scene.port()).spawn();
    let line = both.wait_any(&["far ready", "unsupported"]);
    if line.starts_with("unsupported") {
        return Err(line);
    }
    both.wait_line("near ready");
    scene.fixtures.push(both);
    Ok(())
}

/// A caller with these settings, and one fixture.
fn seen_by(
    caller: &'static [(&'static str, &'static str)],
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
) -> Setup {
    boxed(move |scene, _| {
        needs_root()?;
        scene.call = Call::There(Box::new(|| caller_with(caller)));
        let fixture = scene.play(role_with(name, settings))?;
        fixture.wait_count("worker ready", fixture.count("pid worker "));
        Ok(())
    })
}

fn caller_with(settings: &[(&str, &str)]) -> Role {
    role_with("caller", settings)
}

#[test]
fn sockets_without_a_holder_to_be_seen_end_alike() {
    compare(vec![
        (
            "another user's server",
            seen_by(&[("uid", "65534")], "server", &[("on_term", "swallow")]),
        ),
        (
            "a server outside the caller's PID namespace",
            seen_by(&[("pidns", "1")], "server", &[("on_term", "swallow")]),
        ),
        (
            "a server inside another PID namespace",
            boxed(|scene, _| {
                needs_root()?;
                let mut options = KillOptions::new();
                options.grace(Duration::from_millis(300));
                scene.call = Call::Here(options);
                scene.play(role_with("server", &[("pidns", "1")])).map(drop)
            }),
        ),
        ("a descriptor on its way", with("in_flight", &[])),
        (
            "a user's worker under root's master",
            seen_by(
                &[("uid", "65534")],
                "prefork",
                &[("workers", "1"), ("worker_uid", "65534"), ("respawn", "0")],
            ),
        ),
        (
            "a user's worker that root's master replaces",
            seen_by(
                &[("uid", "65534")],
                "prefork",
                &[("workers", "1"), ("worker_uid", "65534")],
            ),
        ),
        (
            "a user's daemon with a socket that root made",
            seen_by(&[("uid", "65534")], "daemon", &[("late_uid", "65534")]),
        ),
        (
            "a user's process with a socket of root's parent",
            seen_by(
                &[("uid", "65534")],
                "server",
                &[("late_uid", "65534"), ("on_term", "swallow")],
            ),
        ),
        (
            "a process that is closed to its own user",
            seen_by(
                &[("uid", "65534")],
                "server",
                &[("late_uid", "65534"), ("dumpable", "0")],
            ),
        ),
        (
            "a socket that a user shares with root, which has it on descriptor 900",
            boxed(|scene, _| {
                needs_root()?;
                scene.call = Call::There(Box::new(|| caller_with(&[("uid", "65534")])));
                play_shared(scene, &[("near_uid", "65534")])
            }),
        ),
        (
            "one socket of two of a user's processes under root's parent",
            boxed(|scene, _| {
                needs_root()?;
                scene.call = Call::There(Box::new(|| caller_with(&[("uid", "65534")])));
                play_shared(scene, &[("near_uid", "65534"), ("far_uid", "65534")])
            }),
        ),
        (
            "a user's own server beside hidden processes",
            seen_by(
                &[("uid", "65534"), ("hidepid", "2")],
                "server",
                &[("uid", "65534")],
            ),
        ),
        (
            "another user's server out of sight",
            seen_by(&[("uid", "65534"), ("hidepid", "2")], "server", &[]),
        ),
    ]);
}

#[test]
fn spared_holders_end_alike() {
    let udp_sender = || Fixture::role("udp_sender");
    compare(vec![
        (
            "clients of the server",
            boxed(|scene, _| {
                let to = format!("127.0.0.1:{}", scene.port());
                scene.play(server("tcp/127.0.0.1")())?;
                for _ in 0..2 {
                    scene.play_beside(Fixture::role("client").set("to", &to))?;
                }
                Ok(())
            }),
        ),
        (
            "a client's own local port (tcp)",
            local_port_of_client("tcp"),
        ),
        (
            "a client's own local port (udp)",
            local_port_of_client("udp"),
        ),
        (
            "a UDP client that only sends",
            boxed(move |scene, _| {
                let client = udp_sender().try_start()?;
                scene.target = client.port().to_string();
                scene.fixtures.push(client);
                Ok(())
            }),
        ),
        (
            "a UDP client where UDP is named",
            boxed(move |scene, _| {
                let client = udp_sender().try_start()?;
                scene.target = format!("{}/udp", client.port());
                scene.fixtures.push(client);
                Ok(())
            }),
        ),
        ("a UDP socket below the ephemeral range", alone(udp_sender)),
        (
            "the caller's own listener",
            calls_within("holder_calls", &[]),
        ),
        (
            "the caller's own listener on descriptor 900",
            calls_within("holder_calls", &[("fd", "900")]),
        ),
        (
            "the caller's own listener on descriptor 900 and an unrelated process",
            calls_within(
                "holder_calls",
                &[("fd", "900"), ("near", "1"), ("near_on_term", "swallow")],
            ),
        ),
        ("an ancestor", calls_within("holder_calls_below", &[])),
        (
            "an ancestor with descriptor 900",
            calls_within("holder_calls_below", &[("fd", "900")]),
        ),
        (
            "an ancestor with descriptor 900 and an unrelated process",
            calls_within(
                "holder_calls_below",
                &[("fd", "900"), ("near", "1"), ("near_on_term", "swallow")],
            ),
        ),
        (
            "an ancestor that is not spared",
            calls_within("holder_calls_below", &[("include_ancestors", "1")]),
        ),
        (
            "PID 1",
            boxed(|scene, way| {
                needs_root()?;
                let settings = [("pidns", "1"), ("include_ancestors", "1"), ("fd", "900")];
                scene.call = Call::Within;
                scene
                    .play(way.on(role_with("holder_calls_below", &settings)))
                    .map(drop)
            }),
        ),
        ("children that hold nothing", tree(false)),
        ("children that are to be ended as well", tree(true)),
    ]);
}

fn local_port_of_client(protocol: &'static str) -> Setup {
    boxed(move |scene, _| {
        scene.may_be_free = true;
        let servers = Port::claim();
        let listen = format!("{protocol}/127.0.0.1");
        let server = Fixture::role("server").port(&servers).listen(&listen);
        scene.fixtures.push(server.try_start()?);
        let local = format!("127.0.0.1:{}", scene.port());
        let client = Fixture::role("client")
            .set("protocol", protocol)
            .set("local", local)
            .set("to", format!("127.0.0.1:{servers}"));
        scene.play_beside(client)?;
        scene.ports.push(servers);
        Ok(())
    })
}

fn calls_within(name: &'static str, settings: &'static [(&'static str, &'static str)]) -> Setup {
    boxed(move |scene, way| {
        scene.call = Call::Within;
        scene.play(way.on(role_with(name, settings))).map(drop)
    })
}

fn tree(ended: bool) -> Setup {
    boxed(move |scene, _| {
        let mut options = KillOptions::new();
        options.tree(ended);
        scene.call = Call::Here(options);
        if ended {
            scene.fleeting = &["child", "grandchild"];
        }
        let tree = scene.play(role_with(
            "tree",
            &[("children", "2"), ("grandchildren", "1")],
        ))?;
        tree.wait_count("branch ready", 2);
        Ok(())
    })
}

#[test]
fn addresses_end_alike() {
    let mut pairs = vec![
        ("tcp/127.0.0.1", "127.0.0.1:P"),
        ("tcp/127.0.0.1", "localhost:P"),
        ("tcp/127.0.0.1", "[::ffff:127.0.0.1]:P"),
        ("tcp/127.0.0.1", "127.0.0.1:P/tcp"),
        ("tcp/127.0.0.1", "*:P"),
        ("tcp/0.0.0.0", "127.0.0.2:P"),
        ("udp/127.0.0.1", "127.0.0.1:P/udp"),
    ];
    if ipv6_or_skip() {
        pairs.extend([
            ("tcp/::1", "localhost:P"),
            ("tcp/::", "127.0.0.1:P"),
            ("tcp/::", "[::1]:P"),
            ("tcp6only/::", "[::1]:P"),
            ("tcp/::ffff:127.0.0.1", "127.0.0.1:P"),
            ("udp6only/::", "[::1]:P"),
        ]);
    }
    let mut situations: Vec<(&str, Setup)> = pairs
        .into_iter()
        .map(|(listen, target)| (target, on_address(&[listen], target)))
        .collect();
    situations.push((
        "a server on another address",
        boxed(|scene, way| {
            scene.may_be_free = true;
            on_address(&["tcp/127.0.0.2"], "127.0.0.1:P")(scene, way)
        }),
    ));
    situations.push((
        "servers on two addresses, of which one is named",
        on_address(&["tcp/127.0.0.1", "tcp/127.0.0.2"], "127.0.0.1:P"),
    ));
    compare(situations);
}

fn on_address(listen: &[&'static str], target: &'static str) -> Setup {
    let listen = listen.to_vec();
    boxed(move |scene, _| {
        scene.target = target.replace('P', &scene.port().to_string());
        for one in &listen {
            scene.play(Fixture::role("server").listen(one))?;
        }
        Ok(())
    })
}

#[test]
fn looks_before_a_shot_end_alike() {
    const SWALLOW: (&str, &str) = ("on_term", "swallow");
    const SHARED: (&str, &str) = ("reuseport", "1");
    let out_of_reach = || Call::There(Box::new(|| caller_with(&[("no_cap_kill", "1")])));
    compare(vec![
        (
            "beside a spared holder",
            boxed(|scene, way| {
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                scene.call = Call::Within;
                scene
                    .play(way.on(role_with("holder_calls", &[SHARED])))
                    .map(drop)
            }),
        ),
        (
            "beside another user's holder",
            boxed(move |scene, _| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                let theirs = [SWALLOW, SHARED, ("late_uid", "65534")];
                scene.play(role_with("server", &theirs)).map(drop)
            }),
        ),
        (
            "beside another user's holder with descriptor 900",
            boxed(move |scene, _| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                let theirs = [SWALLOW, SHARED, ("late_uid", "65534"), ("fd", "900")];
                scene.play(role_with("server", &theirs)).map(drop)
            }),
        ),
        (
            "beside a hidden holder",
            boxed(|scene, _| {
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                scene.play(role_with("in_flight", &[SHARED])).map(drop)
            }),
        ),
        (
            "tcp beside another user's udp",
            boxed(move |scene, _| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(server("tcp/127.0.0.1")())?;
                let udp = server("udp/127.0.0.1")().set("uid", 65534);
                scene.play(udp.set("on_term", "swallow")).map(drop)
            }),
        ),
        (
            "addresses that do not overlap",
            boxed(move |scene, _| {
                needs_root()?;
                scene.call = out_of_reach();
                let theirs = server("tcp/127.0.0.1")().set("uid", 65534);
                scene.play(theirs.set("on_term", "swallow"))?;
                scene.play(server("tcp/127.0.0.2")()).map(drop)
            }),
        ),
    ]);
}
