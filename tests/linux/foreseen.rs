//! What a dry run foresees comes true: the kill tells those to end, spares those, and meets those obstacles.
//!
//! Each situation is set up once and asked about twice: by a plan, which looks at everything and signals nobody, and by the kill, whose
//! first look is a quick one.

use std::time::Duration;

use kill_port::{KillOptions, Target};

use super::answer::Answer;
use crate::fixture::linux::{ipv6_or_skip, is_root, proc};
use crate::fixture::{Fixture, Port, Role, skip};

/// What is set up, who asks about it, and what can't be foreseen.
struct Situation {
    name: String,
    /// Who plays in it, one after the other, each as a role and its settings: `server fd=900`. `{port}` is the port that it is about,
    /// and `{other}` another.
    roles: Vec<String>,
    /// With `{port}`, or with `{chosen}` for the port that the first fixture has from the kernel.
    target: &'static str,
    caller: Caller,
    needs_root: bool,
    /// Names of processes that end by themselves, or are replaced, while they are being told: who of them is told what is a matter of
    /// moments.
    fleeting: &'static [&'static str],
    unforeseen: Option<Unforeseen>,
    /// Whether it may be that nobody has to be ended.
    may_be_free: bool,
}

/// Who asks.
enum Caller {
    /// This process, with these options.
    Here(KillOptions),
    /// A process in surroundings of its own, with these settings.
    There(&'static str),
    /// The last fixture.
    Within,
}

/// What stands in the way of the kill alone, as only the deed can show it.
struct Unforeseen {
    obstacle: &'static str,
    because: &'static str,
}

/// These roles, freed by this process with the usual options.
fn play(name: impl Into<String>, roles: &[&str]) -> Situation {
    Situation {
        name: name.into(),
        roles: roles.iter().copied().map(str::to_owned).collect(),
        target: "{port}",
        caller: Caller::Here(KillOptions::new()),
        needs_root: false,
        fleeting: &[],
        unforeseen: None,
        may_be_free: false,
    }
}

impl Situation {
    fn about(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    fn with(mut self, options: KillOptions) -> Self {
        self.caller = Caller::Here(options);
        self
    }

    fn patiently(self, grace: u64) -> Self {
        self.with(KillOptions::new().grace(Duration::from_millis(grace)))
    }

    /// A caller with these settings asks, which takes root.
    fn seen_by(mut self, settings: &'static str) -> Self {
        self.caller = Caller::There(settings);
        self.for_root()
    }

    /// The last one asks.
    fn by_the_last(mut self) -> Self {
        self.caller = Caller::Within;
        if let Some(last) = self.roles.last_mut() {
            last.push_str(" foresee=1");
        }
        self
    }

    fn for_root(mut self) -> Self {
        self.needs_root = true;
        self
    }

    fn fleeting(mut self, names: &'static [&'static str]) -> Self {
        self.fleeting = names;
        self
    }

    /// The kill meets this obstacle, which the dry run can't know of.
    fn fails(mut self, obstacle: &'static str, because: &'static str) -> Self {
        self.unforeseen = Some(Unforeseen { obstacle, because });
        self
    }

    fn may_be_free(mut self) -> Self {
        self.may_be_free = true;
        self
    }

    /// Sets it up, asks twice, and compares. Tells why where this kernel or this user can't set it up.
    fn comes_true(&self) -> Result<(), String> {
        if self.needs_root && !is_root() {
            return Err("it needs root".into());
        }
        let scene = Scene::set(&self.roles)?;
        let is_steady = |name: &str| !self.fleeting.contains(&name);
        // Where some are fleeting, those count that were there at the beginning and are not.
        let steady = scene.cast(is_steady);
        let counts = |pid| self.fleeting.is_empty() || steady.contains(&pid);
        let (plan, kill) = scene.ask(&self.caller, self.target)?;
        let (plan, kill) = (Outcome::of(&plan, counts), Outcome::of(&kill, counts));
        let both = format!("{}: foreseen {plan:#?}, and done {kill:#?}", self.name);
        assert!(
            self.may_be_free || !plan.free || !plan.told.is_empty(),
            "nobody was in the way of {both}"
        );
        let Some(Unforeseen { obstacle, because }) = self.unforeseen else {
            assert!(plan == kill, "{both}");
            return Ok(());
        };
        let is_it = plan.free && !kill.free && kill.obstacles.iter().all(|one| one.0 == obstacle);
        assert!(is_it, "{because}: {both}");
        let is_told = |one| kill.told.contains(one);
        assert!(plan.told.iter().all(is_told), "{because}: {both}");
        Ok(())
    }
}

/// Plays all of these. Those that can't be set up are skipped, and told.
fn come_true(situations: Vec<Situation>) {
    let played = situations.iter().filter(|situation| {
        let played = situation.comes_true();
        if let Err(why) = &played {
            skip(&format!("{}: {why}", situation.name));
        }
        played.is_ok()
    });
    assert!(played.count() > 0, "none of these could be played");
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
        let mut outcome = Self {
            free: answer.free,
            told: Vec::new(),
            untouched: Vec::new(),
            obstacles: Vec::new(),
        };
        for one in answer.holders.iter().filter(|one| counts(one.pid)) {
            match one.signals.split(',').next() {
                None | Some("") => outcome.untouched.push((one.pid, one.fate.clone())),
                Some(first) => outcome.told.push((one.pid, first.to_owned())),
            }
        }
        for one in &answer.obstacles {
            let text = without_guesses(&one.text);
            outcome.obstacles.push((one.kind.clone(), one.pid, text));
        }
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

/// Everything that is set up for one situation.
struct Scene {
    fixtures: Vec<Fixture>,
    port: Port,
    other: Port,
}

impl Scene {
    fn set(roles: &[String]) -> Result<Self, String> {
        let mut scene = Self {
            fixtures: Vec::new(),
            port: Port::claim(),
            other: Port::claim(),
        };
        for text in roles {
            let fixture = scene.role(text).spawn();
            let line = fixture.wait_any(&["ready", "far ready", "unsupported"]);
            if line.starts_with("unsupported") {
                return Err(line);
            }
            if line == "far ready" {
                fixture.wait_line("near ready");
            }
            fixture.wait_count("worker ready", fixture.count("pid worker "));
            fixture.wait_count("branch ready", fixture.count("pid child "));
            scene.fixtures.push(fixture);
        }
        Ok(scene)
    }

    /// A role and its settings. It has the port, unless it is one that takes none or names its own.
    fn role(&self, text: &str) -> Role {
        let text = text.replace("{port}", &self.port.to_string());
        let text = text.replace("{other}", &self.other.to_string());
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let has_none = ["client", "udp_sender"].contains(&name) || text.contains(" port=");
        let mut role = Fixture::role(name);
        if !has_none {
            role = role.port(&self.port);
        }
        words.fold(role, |role, word| {
            let (name, value) = word.split_once('=').expect("NAME=VALUE");
            role.set(name, value)
        })
    }

    /// The processes that have been introduced, by those names that are asked for.
    fn cast(&self, is_asked: impl Fn(&str) -> bool) -> Vec<u32> {
        let fixtures = self.fixtures.iter();
        let lines = fixtures.flat_map(|fixture| fixture.words("pid "));
        lines
            .filter_map(|line| {
                let (name, pid) = line.rsplit_once(' ')?;
                is_asked(name).then(|| pid.parse().expect("pid NAME PID"))
            })
            .collect()
    }

    /// What the dry run says, and then what the kill comes to.
    fn ask(&self, caller: &Caller, target: &str) -> Result<(Answer, Answer), String> {
        let mut target = target.replace("{port}", &self.port.to_string());
        if target.contains("{chosen}") {
            target = target.replace("{chosen}", &self.fixtures[0].port().to_string());
        }
        match caller {
            Caller::Here(options) => {
                let target: Target = target.parse().expect("a target");
                let running = self.cast(|_| true).into_iter();
                let running: Vec<u32> = running.filter(|&pid| proc::is_running(pid)).collect();
                let plan = Answer::of_plan(&options.plan(target));
                let has_ended = |pid| running.contains(&pid) && !proc::is_running(pid);
                let is_harmless = !plan.holders.iter().any(|one| has_ended(one.pid));
                assert!(is_harmless, "{plan:#?}");
                Ok((plan, Answer::of(&options.kill(target))))
            }
            Caller::There(settings) => {
                let caller = self.role(&format!("caller foresee=1 {settings}"));
                let caller = caller.set("target", target).try_start()?;
                Ok(foreseen_and_done(&caller))
            }
            Caller::Within => {
                let caller = self.fixtures.last().expect("a fixture that calls");
                Ok(foreseen_and_done(caller))
            }
        }
    }
}

/// What a caller has foreseen, and what it came to.
fn foreseen_and_done(caller: &Fixture) -> (Answer, Answer) {
    let foreseen = Answer::foreseen_by_caller(caller);
    (foreseen, Answer::from_caller(caller))
}

#[test]
fn what_a_plan_says_of_single_servers_comes_true() {
    const TCP: &str = "server listen=tcp/127.0.0.1";
    const UDP: &str = "server listen=udp/127.0.0.1";
    const STUBBORN: &str = "server on_term=ignore";
    let mut listening = vec![
        "tcp/127.0.0.1",
        "tcp/0.0.0.0",
        "udp/127.0.0.1",
        "tcp/127.0.0.1,udp/127.0.0.1",
        "mptcp/127.0.0.1",
    ];
    if ipv6_or_skip() {
        listening.extend([
            "tcp6only/::",
            "tcp/::1",
            "tcp/::",
            "tcp/0.0.0.0,tcp6only/::",
            "udp/::",
        ]);
    }
    let mut situations: Vec<Situation> = listening
        .iter()
        .map(|listen| play(*listen, &[&format!("server listen={listen}")]))
        .collect();
    situations.extend([
        // Kernels before 6.8 don't show it.
        play("a bound socket", &["server listen=bound/127.0.0.1"]).may_be_free(),
        play("descriptor 0", &["server fd=0"]),
        play("descriptor 15", &["server fd=15"]),
        play("descriptor 16", &["server fd=16"]),
        play("descriptor 900", &["server fd=900"]),
        play("descriptor 17 of 64", &["server fd=17 fill_fds=64"]),
        play("descriptor 900 above 100", &["server fd=900 fill_fds=100"]),
        play("50 threads", &["server threads=50"]),
        play("a suspended server", &["server stop=1"]),
        play("a server that cleans up", &["server on_term=cleanup:300"]),
        play("one that gives up the port", &["server on_term=release:0"]),
        play("a daemon", &["daemon"]),
        play("a daemon in a session of its own", &["daemon setsid=1"]),
        play("a server that ignores SIGTERM", &[STUBBORN]).patiently(200),
        play(
            "one that ignores it and is not to be sent SIGKILL",
            &[STUBBORN],
        )
        .with(
            KillOptions::new()
                .grace(Duration::from_millis(200))
                .escalate(false),
        )
        .fails("timed_out", "how it takes the signal is its own secret"),
        play("tcp and udp of different processes", &[TCP, UDP]),
        play("a named protocol", &[TCP, UDP]).about("{port}/udp"),
        play("one in another network namespace", &["server netns=1"])
            .for_root()
            .may_be_free(),
        // However long the next server takes to start on a busy machine.
        play("a supervisor that starts it again", &["supervisor"])
            .with(KillOptions::new().settle(Duration::from_secs(20)))
            .fails("respawned", "nobody has seen yet that it does so"),
    ]);
    come_true(situations);
}

#[test]
fn what_a_plan_says_of_shared_sockets_comes_true() {
    const SHARED: &str = "server reuseport=1";
    const WORKERS: &[&str] = &["worker"];
    let all_stubborn = "prefork workers=3 on_term=ignore worker_on_term=ignore respawn=0";
    come_true(vec![
        play(
            "a pre-fork server",
            &["prefork workers=4 worker_on_term=exit"],
        )
        .fleeting(WORKERS),
        play(
            "a master with descriptor 900",
            &["prefork workers=4 fd=900"],
        )
        .fleeting(WORKERS),
        play("a pre-fork server that ignores SIGTERM", &[all_stubborn]).patiently(300),
        play(
            "a master that does and goes on",
            &["prefork workers=3 on_term=ignore"],
        )
        .patiently(500)
        .fleeting(WORKERS),
        play("unrelated servers with SO_REUSEPORT", &[SHARED; 3]),
        play(
            "one of them far away",
            &[SHARED, "server reuseport=1 fd=900"],
        ),
        play("a passed descriptor", &["passed"]),
        play("a thread's own table", &["private_table"]),
        play(
            "a thread's own table beside 40",
            &["private_table threads=40"],
        ),
        play("a main thread that has ended", &["main_thread_gone"]),
        play("an io_uring", &["io_uring"]),
        play(
            "an io_uring beside a descriptor",
            &["io_uring reuseport=1", SHARED],
        ),
        play("one socket, near and on descriptor 900", &["shared far=fd"]),
        play(
            "one socket, near and in a thread's own table",
            &["shared far=private_table"],
        ),
        play(
            "one socket, near and in an io_uring",
            &["shared far=io_uring"],
        ),
    ]);
}

#[test]
fn what_a_plan_says_of_holders_out_of_sight_comes_true() {
    const USER: &str = "uid=65534";
    const CONFINED: &str = "uid=65534 hidepid=2";
    let workers = "prefork workers=1 worker_uid=65534";
    come_true(vec![
        play("another user's server", &["server on_term=swallow"]).seen_by(USER),
        play("one outside the PID namespace", &["server on_term=swallow"]).seen_by("pidns=1"),
        play("one inside another PID namespace", &["server pidns=1"])
            .for_root()
            .patiently(300),
        play("a descriptor on its way", &["in_flight"]),
        play(
            "a user's worker of root's master",
            &[&format!("{workers} respawn=0")],
        )
        .seen_by(USER),
        play("one that root's master replaces", &[workers]).seen_by(USER),
        play(
            "a daemon with a socket that root made",
            &["daemon late_uid=65534"],
        )
        .seen_by(USER),
        play(
            "a socket of root's parent",
            &["server late_uid=65534 on_term=swallow"],
        )
        .seen_by(USER),
        play(
            "a process that is closed to its user",
            &["server late_uid=65534 dumpable=0"],
        )
        .seen_by(USER),
        play(
            "a socket shared with root, which has it far away",
            &["shared near_uid=65534"],
        )
        .seen_by(USER)
        .fails("hidden", "who is in sight may have it alone"),
        play(
            "a socket of two below root's process",
            &["shared near_uid=65534 far_uid=65534"],
        )
        .seen_by(USER),
        play(
            "a user's own server beside hidden ones",
            &["server uid=65534"],
        )
        .seen_by(CONFINED),
        play("another user's server out of sight", &["server"]).seen_by(CONFINED),
    ]);
}

#[test]
fn what_a_plan_says_of_the_spared_comes_true() {
    const CLIENT: &str = "client to=127.0.0.1:{port}";
    let tcp = "server listen=tcp/127.0.0.1";
    let near = "fd=900 near=1 near_on_term=swallow";
    let tree = "tree children=2 grandchildren=1";
    let mut situations = vec![
        play("clients of the server", &[tcp, CLIENT, CLIENT]),
        play("a UDP client that only sends", &["udp_sender"]).about("{chosen}"),
        play("a UDP client where UDP is named", &["udp_sender"]).about("{chosen}/udp"),
        play("one below the ephemeral range", &["udp_sender port={port}"]),
        play(
            "PID 1",
            &["holder_calls_below pidns=1 include_ancestors=1 fd=900"],
        )
        .for_root()
        .by_the_last(),
        play(
            "an ancestor that is included",
            &["holder_calls_below include_ancestors=1"],
        )
        .by_the_last(),
        play("children that hold nothing", &[tree]),
        play("children that are to be ended as well", &[tree])
            .with(KillOptions::new().tree(true))
            .fleeting(&["child", "grandchild"]),
    ];
    // The caller itself, and an ancestor of it: alone, far away, and beside an unrelated process with the same socket.
    for role in ["holder_calls", "holder_calls_below"] {
        situations.push(play(role, &[role]).by_the_last());
        for settings in ["fd=900", near] {
            let role = format!("{role} {settings}");
            situations.push(play(&*role, &[&role]).by_the_last());
        }
    }
    for protocol in ["tcp", "udp"] {
        let server = format!("server port={{other}} listen={protocol}/127.0.0.1");
        let client = "local=127.0.0.1:{port} to=127.0.0.1:{other}";
        let client = format!("client protocol={protocol} {client}");
        let name = format!("a client's own local port ({protocol})");
        situations.push(play(name, &[&server, &client]).may_be_free());
    }
    come_true(situations);
}

#[test]
fn what_a_plan_says_of_addresses_comes_true() {
    let mut pairs = vec![
        ("tcp/127.0.0.1", "127.0.0.1:{port}"),
        ("tcp/127.0.0.1", "localhost:{port}"),
        ("tcp/127.0.0.1", "[::ffff:127.0.0.1]:{port}"),
        ("tcp/127.0.0.1", "127.0.0.1:{port}/tcp"),
        ("tcp/127.0.0.1", "*:{port}"),
        ("tcp/0.0.0.0", "127.0.0.2:{port}"),
        ("udp/127.0.0.1", "127.0.0.1:{port}/udp"),
    ];
    if ipv6_or_skip() {
        pairs.extend([
            ("tcp/::1", "localhost:{port}"),
            ("tcp/::", "127.0.0.1:{port}"),
            ("tcp/::", "[::1]:{port}"),
            ("tcp6only/::", "[::1]:{port}"),
            ("tcp/::ffff:127.0.0.1", "127.0.0.1:{port}"),
            ("udp6only/::", "[::1]:{port}"),
        ]);
    }
    let mut situations: Vec<Situation> = pairs
        .into_iter()
        .map(|(listen, target)| play(target, &[&format!("server listen={listen}")]).about(target))
        .collect();
    let (one, other) = ("server listen=tcp/127.0.0.1", "server listen=tcp/127.0.0.2");
    situations.extend(
        [
            play("another address", &[other]).may_be_free(),
            play("two addresses, of which one is named", &[one, other]),
        ]
        .map(|situation| situation.about("127.0.0.1:{port}")),
    );
    come_true(situations);
}

#[test]
fn what_a_plan_says_of_those_beside_others_comes_true() {
    const CALM: &str = "server on_term=swallow reuseport=1";
    const POWERLESS: &str = "no_cap_kill=1";
    let theirs = "server on_term=swallow uid=65534";
    let (late, far) = (
        format!("{CALM} late_uid=65534"),
        format!("{CALM} late_uid=65534 fd=900"),
    );
    let (tcp, udp) = (
        format!("{theirs} listen=tcp/127.0.0.1"),
        format!("{theirs} listen=udp/127.0.0.1"),
    );
    come_true(vec![
        play(
            "beside a spared holder",
            &[CALM, "holder_calls reuseport=1"],
        )
        .by_the_last(),
        play("beside a hidden holder", &[CALM, "in_flight reuseport=1"]),
        play("beside another user's holder", &[CALM, &late]).seen_by(POWERLESS),
        play("beside another user's holder far away", &[CALM, &far]).seen_by(POWERLESS),
        play(
            "tcp beside another user's udp",
            &["server listen=tcp/127.0.0.1", &udp],
        )
        .seen_by(POWERLESS),
        play(
            "addresses that do not overlap",
            &[&tcp, "server listen=tcp/127.0.0.2"],
        )
        .seen_by(POWERLESS),
    ]);
}
