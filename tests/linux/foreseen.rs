//! What a dry run foresees comes true: the kill tells those to end, spares those, and meets those obstacles.
//!
//! Each situation is set up once and asked about twice: by a plan, which looks at everything and signals nobody, and by the kill, whose
//! first look is a quick one.

use std::time::Duration;

use kill_port::{KillOptions, Target};

use super::answer::Answer;
use crate::fixture::linux::{ipv6_or_skip, is_root, proc};
use crate::fixture::{Fixture, Port, Role, skip};

/// Everything that is set up for one situation.
struct Scene {
    fixtures: Vec<Fixture>,
    ports: Vec<Port>,
    target: String,
    call: Call,
    /// Names of processes that end by themselves, or are replaced, while they are being told: who of them is told what is a matter of
    /// moments.
    fleeting: &'static [&'static str],
    unforeseen: Option<Unforeseen>,
    /// Whether it may be that nobody has to be ended.
    may_be_free: bool,
}

/// Who calls.
enum Call {
    /// This process, with these options.
    Here(KillOptions),
    /// A process in surroundings of its own.
    There(Box<dyn Fn() -> Role>),
    /// The last fixture.
    Within,
}

/// What stands in the way of the kill alone, as only the deed can show it.
struct Unforeseen {
    obstacle: &'static str,
    because: &'static str,
}

/// What can be compared of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    free: bool,
    /// Who is told to end, and by which signal first.
    told: Vec<(u32, String)>,
    /// Who is not, and why.
    untouched: Vec<(u32, String)>,
    /// What is in the way, and what helps.
    obstacles: Vec<(String, u32, String)>,
}

impl Outcome {
    /// Without the processes that don't count.
    fn of(answer: &Answer, counts: impl Fn(u32) -> bool) -> Self {
        let (told, untouched): (Vec<_>, Vec<_>) = answer
            .holders
            .iter()
            .filter(|one| counts(one.pid))
            .partition(|one| !one.signals.is_empty());
        let first = |signals: &str| signals.split(',').next().unwrap_or_default().to_owned();
        let mut outcome = Self {
            free: answer.free,
            told: told
                .iter()
                .map(|one| (one.pid, first(&one.signals)))
                .collect(),
            untouched: untouched
                .iter()
                .map(|one| (one.pid, one.fate.clone()))
                .collect(),
            obstacles: answer
                .obstacles
                .iter()
                .map(|one| (one.kind.clone(), one.pid, without_guesses(&one.text)))
                .collect(),
        };
        outcome.told.sort();
        outcome.untouched.sort();
        outcome.obstacles.sort();
        outcome
    }
}

/// The text without the other processes of this machine that come and go, and that it may name.
fn without_guesses(text: &str) -> String {
    let mut text = text.to_owned();
    // The help stands behind them, in brackets.
    if let (Some(guess), Some(help)) = (text.find("; perhaps "), text.rfind(" (")) {
        text.replace_range(guess..help.max(guess), "");
    }
    text
}

type Setup = Box<dyn Fn(&mut Scene) -> Result<(), String>>;

impl Scene {
    fn new() -> Self {
        let port = Port::claim();
        Self {
            fixtures: Vec::new(),
            target: port.to_string(),
            ports: vec![port],
            call: Call::Here(KillOptions::new()),
            fleeting: &[],
            unforeseen: None,
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

    /// The kill will meet this obstacle, which the dry run can't know of.
    fn fails(&mut self, obstacle: &'static str, because: &'static str) {
        self.unforeseen = Some(Unforeseen { obstacle, because });
    }

    /// The processes that have been introduced, by those names that are asked for.
    fn cast(&self, is_asked: impl Fn(&str) -> bool) -> Vec<u32> {
        let lines = self
            .fixtures
            .iter()
            .flat_map(|fixture| fixture.words("pid "));
        lines
            .filter_map(|line| {
                let (name, pid) = line.rsplit_once(' ')?;
                is_asked(name).then(|| pid.parse().expect("pid NAME PID"))
            })
            .collect()
    }

    /// What the dry run says, and then what the kill comes to.
    fn ask(&self) -> (Answer, Answer) {
        match &self.call {
            Call::Here(options) => {
                let target: Target = self.target.parse().expect("a target");
                let running = self.cast(|_| true).into_iter();
                let running: Vec<u32> = running.filter(|&pid| proc::is_running(pid)).collect();
                let plan = Answer::of_plan(&options.plan(target));
                let has_ended = |pid| running.contains(&pid) && !proc::is_running(pid);
                assert!(
                    !plan.holders.iter().any(|one| has_ended(one.pid)),
                    "{plan:#?}"
                );
                (plan, Answer::of(&options.kill(target)))
            }
            Call::There(caller) => {
                let caller = caller().set("target", &self.target).set("foresee", 1);
                foreseen_and_done(&caller.start())
            }
            Call::Within => foreseen_and_done(self.fixtures.last().expect("a fixture that calls")),
        }
    }
}

/// What a caller has foreseen, and what it came to.
fn foreseen_and_done(caller: &Fixture) -> (Answer, Answer) {
    let foreseen = Answer::foreseen_by_caller(caller);
    (foreseen, Answer::from_caller(caller))
}

/// Plays these situations. Those that this kernel or this user can't set up are skipped, and told.
fn come_true(situations: Vec<(&str, Setup)>) {
    let compared = situations
        .iter()
        .filter(|(name, setup)| {
            let played = comes_true(name, setup);
            if let Err(why) = &played {
                skip(&format!("{name}: {why}"));
            }
            played.is_ok()
        })
        .count();
    assert!(compared > 0, "none of these could be compared");
}

fn comes_true(name: &str, setup: &Setup) -> Result<(), String> {
    let mut scene = Scene::new();
    setup(&mut scene)?;
    // Where some are fleeting, those count that were there at the beginning and are not.
    let steady = scene.cast(|name| !scene.fleeting.contains(&name));
    let counts = |pid| scene.fleeting.is_empty() || steady.contains(&pid);
    let (plan, kill) = scene.ask();
    let (plan, kill) = (Outcome::of(&plan, counts), Outcome::of(&kill, counts));
    assert!(
        scene.may_be_free || !plan.free || !plan.told.is_empty(),
        "{name}: nobody was in the way, so that nothing is compared"
    );
    let Some(Unforeseen { obstacle, because }) = scene.unforeseen else {
        assert_eq!(plan, kill, "{name}: foreseen, and done");
        return Ok(());
    };
    let both = format!("{name} ({because}): foreseen {plan:#?}, and done {kill:#?}");
    assert!(plan.free && !kill.free, "{both}");
    assert!(
        kill.obstacles.iter().all(|(kind, ..)| kind == obstacle),
        "{both}"
    );
    assert!(
        plan.told.iter().all(|told| kill.told.contains(told)),
        "{both}"
    );
    Ok(())
}

fn boxed(setup: impl Fn(&mut Scene) -> Result<(), String> + 'static) -> Setup {
    Box::new(setup)
}

/// One process that is freed by this one.
fn alone(role: impl Fn() -> Role + 'static) -> Setup {
    boxed(move |scene| scene.play(role()).map(drop))
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
fn what_a_plan_says_of_single_servers_comes_true() {
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
            boxed(|scene| {
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
            boxed(|scene| {
                scene.call = Call::Here(KillOptions::new().grace(Duration::from_millis(200)));
                scene
                    .play(role_with("server", &[("on_term", "ignore")]))
                    .map(drop)
            }),
        ),
        (
            "a server that ignores SIGTERM and is not to be sent SIGKILL",
            boxed(|scene| {
                let options = KillOptions::new().grace(Duration::from_millis(200));
                scene.call = Call::Here(options.escalate(false));
                scene.fails("timed_out", "how it takes the signal is its own secret");
                scene
                    .play(role_with("server", &[("on_term", "ignore")]))
                    .map(drop)
            }),
        ),
        (
            "tcp and udp of different processes",
            boxed(|scene| {
                scene.play(server("tcp/127.0.0.1")())?;
                scene.play(server("udp/127.0.0.1")()).map(drop)
            }),
        ),
        (
            "a named protocol",
            boxed(|scene| {
                scene.target += "/udp";
                scene.play(server("tcp/127.0.0.1")())?;
                scene.play(server("udp/127.0.0.1")()).map(drop)
            }),
        ),
        (
            "a server in another network namespace",
            boxed(|scene| {
                needs_root()?;
                scene.may_be_free = true;
                scene.play(role_with("server", &[("netns", "1")])).map(drop)
            }),
        ),
        (
            "a supervisor that starts it again and again",
            boxed(|scene| {
                scene.fails("respawned", "nobody has seen yet that it does so");
                // However long the next server takes to start on a busy machine.
                scene.call = Call::Here(KillOptions::new().settle(Duration::from_secs(20)));
                scene.play(role_with("supervisor", &[])).map(drop)
            }),
        ),
    ]);
    come_true(situations);
}

#[test]
fn what_a_plan_says_of_shared_sockets_comes_true() {
    let patient = |scene: &mut Scene, grace| {
        scene.call = Call::Here(KillOptions::new().grace(Duration::from_millis(grace)));
        scene.fleeting = &["worker"];
    };
    come_true(vec![
        (
            "a pre-fork server",
            boxed(|scene| {
                scene.fleeting = &["worker"];
                prefork(scene, &[("workers", "4"), ("worker_on_term", "exit")])
            }),
        ),
        (
            "a pre-fork server whose master has the socket on descriptor 900",
            boxed(|scene| {
                scene.fleeting = &["worker"];
                prefork(scene, &[("workers", "4"), ("fd", "900")])
            }),
        ),
        (
            "a pre-fork server that ignores SIGTERM",
            boxed(move |scene| {
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
            boxed(move |scene| {
                patient(scene, 500);
                prefork(scene, &[("workers", "3"), ("on_term", "ignore")])
            }),
        ),
        (
            "unrelated servers with SO_REUSEPORT",
            boxed(|scene| {
                for _ in 0..3 {
                    scene.play(role_with("server", &[("reuseport", "1")]))?;
                }
                Ok(())
            }),
        ),
        (
            "one server with SO_REUSEPORT far away",
            boxed(|scene| {
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
            boxed(|scene| {
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
    boxed(move |scene| play_shared(scene, &[("far", far)]))
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
    boxed(move |scene| {
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
fn what_a_plan_says_of_holders_out_of_sight_comes_true() {
    come_true(vec![
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
            boxed(|scene| {
                needs_root()?;
                scene.call = Call::Here(KillOptions::new().grace(Duration::from_millis(300)));
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
            boxed(|scene| {
                needs_root()?;
                scene.call = Call::There(Box::new(|| caller_with(&[("uid", "65534")])));
                scene.fails("hidden", "who is in sight may have it alone");
                play_shared(scene, &[("near_uid", "65534")])
            }),
        ),
        (
            "one socket of two of a user's processes under root's parent",
            boxed(|scene| {
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
fn what_a_plan_says_of_the_spared_comes_true() {
    let udp_sender = || Fixture::role("udp_sender");
    come_true(vec![
        (
            "clients of the server",
            boxed(|scene| {
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
            boxed(move |scene| {
                let client = udp_sender().try_start()?;
                scene.target = client.port().to_string();
                scene.fixtures.push(client);
                Ok(())
            }),
        ),
        (
            "a UDP client where UDP is named",
            boxed(move |scene| {
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
            boxed(|scene| {
                needs_root()?;
                let settings = [("pidns", "1"), ("include_ancestors", "1"), ("fd", "900")];
                scene.call = Call::Within;
                scene
                    .play(calling("holder_calls_below", &settings))
                    .map(drop)
            }),
        ),
        ("children that hold nothing", tree(false)),
        ("children that are to be ended as well", tree(true)),
    ]);
}

fn local_port_of_client(protocol: &'static str) -> Setup {
    boxed(move |scene| {
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
    boxed(move |scene| {
        scene.call = Call::Within;
        scene.play(calling(name, settings)).map(drop)
    })
}

/// A holder, or somebody below it, that calls.
fn calling(name: &str, settings: &[(&str, &str)]) -> Role {
    role_with(name, settings).set("foresee", 1)
}

fn tree(ended: bool) -> Setup {
    boxed(move |scene| {
        scene.call = Call::Here(KillOptions::new().tree(ended));
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
fn what_a_plan_says_of_addresses_comes_true() {
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
        boxed(|scene| {
            scene.may_be_free = true;
            on_address(&["tcp/127.0.0.2"], "127.0.0.1:P")(scene)
        }),
    ));
    situations.push((
        "servers on two addresses, of which one is named",
        on_address(&["tcp/127.0.0.1", "tcp/127.0.0.2"], "127.0.0.1:P"),
    ));
    come_true(situations);
}

fn on_address(listen: &[&'static str], target: &'static str) -> Setup {
    let listen = listen.to_vec();
    boxed(move |scene| {
        scene.target = target.replace('P', &scene.port().to_string());
        for one in &listen {
            scene.play(Fixture::role("server").listen(one))?;
        }
        Ok(())
    })
}

#[test]
fn what_a_plan_says_of_those_beside_others_comes_true() {
    const SWALLOW: (&str, &str) = ("on_term", "swallow");
    const SHARED: (&str, &str) = ("reuseport", "1");
    let out_of_reach = || Call::There(Box::new(|| caller_with(&[("no_cap_kill", "1")])));
    come_true(vec![
        (
            "beside a spared holder",
            boxed(|scene| {
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                scene.call = Call::Within;
                scene.play(calling("holder_calls", &[SHARED])).map(drop)
            }),
        ),
        (
            "beside another user's holder",
            boxed(move |scene| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                let theirs = [SWALLOW, SHARED, ("late_uid", "65534")];
                scene.play(role_with("server", &theirs)).map(drop)
            }),
        ),
        (
            "beside another user's holder with descriptor 900",
            boxed(move |scene| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                let theirs = [SWALLOW, SHARED, ("late_uid", "65534"), ("fd", "900")];
                scene.play(role_with("server", &theirs)).map(drop)
            }),
        ),
        (
            "beside a hidden holder",
            boxed(|scene| {
                scene.play(role_with("server", &[SWALLOW, SHARED]))?;
                scene.play(role_with("in_flight", &[SHARED])).map(drop)
            }),
        ),
        (
            "tcp beside another user's udp",
            boxed(move |scene| {
                needs_root()?;
                scene.call = out_of_reach();
                scene.play(server("tcp/127.0.0.1")())?;
                let udp = server("udp/127.0.0.1")().set("uid", 65534);
                scene.play(udp.set("on_term", "swallow")).map(drop)
            }),
        ),
        (
            "addresses that do not overlap",
            boxed(move |scene| {
                needs_root()?;
                scene.call = out_of_reach();
                let theirs = server("tcp/127.0.0.1")().set("uid", 65534);
                scene.play(theirs.set("on_term", "swallow"))?;
                scene.play(server("tcp/127.0.0.2")()).map(drop)
            }),
        ),
    ]);
}
