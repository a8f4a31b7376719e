//! A call of the command: its options, what they allow it to do, and the process that makes it.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kill_port_fixture::linux::uses;
use kill_port_fixture::{Fixture, Params, RoleKind, say, takes};

use crate::act::{Act, Part, is_below};
use crate::churn;
use crate::dice::Dice;

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "calls",
    &[takes![
        program: PathBuf,
        argv: String,
        mark: String,
        home: PathBuf,
        children: u32,
        hold: u16,
        interrupt: i32,
        after_ms: u64,
        bound_ms: u64,
    ]],
    calls,
)];

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Free,
    DryRun,
    Why,
    List,
}

/// What a call is told, and what follows from that.
#[derive(Debug, Clone)]
pub struct Call {
    pub program: PathBuf,
    pub argv: Vec<String>,
    pub aim: Aim,
    pub is_json: bool,
    /// The places of the acts and of their ports that are named.
    pub named: Vec<(usize, usize)>,
    /// The protocol that is named.
    pub protocol: Option<&'static str>,
    /// The address that is named.
    pub address: Option<&'static str>,
    /// Whether nothing keeps it from ending whatever it may end.
    pub is_able: bool,
    /// Whether it may send SIGKILL.
    pub escalates: bool,
    pub tree: bool,
    pub supervisor: bool,
    pub connections: bool,
    pub containers_only: bool,
    pub fails_if_free: bool,
    pub within: Option<PathBuf>,
    pub settle: Duration,
    pub grace: Duration,
    /// Parameters of the role that makes it: what surroundings it has.
    pub surroundings: Vec<(&'static str, String)>,
    /// Whether it looks at other sockets or other processes than those that are there.
    pub is_apart: bool,
    pub is_nobodys: bool,
    /// Whether it sees no sockets that are bound without listening.
    pub has_gaps: bool,
    pub interrupt: Option<(i32, u64)>,
    /// A port that the one who makes it holds.
    pub hold: Option<u16>,
}

const GRACES: [u64; 6] = [0, 50, 200, 500, 1500, 3000];

/// How long a call may take beside what its options ask for: it starts, it looks, the machine is busy.
const MARGIN: Duration = Duration::from_secs(12);

impl Call {
    /// One for some ports of these acts.
    pub fn choose(
        dice: &mut Dice,
        acts: &[Act],
        folders: &[PathBuf],
        programs: &[PathBuf],
    ) -> Self {
        let mut call = Self {
            program: programs[dice.below(programs.len())].clone(),
            argv: Vec::new(),
            aim: dice.pick(&[
                Aim::Free,
                Aim::Free,
                Aim::Free,
                Aim::Free,
                Aim::Free,
                Aim::Free,
                Aim::Free,
                Aim::DryRun,
                Aim::Why,
                Aim::List,
            ]),
            is_json: dice.chance(85),
            named: Vec::new(),
            protocol: None,
            address: None,
            is_able: true,
            escalates: true,
            tree: false,
            supervisor: false,
            connections: false,
            containers_only: false,
            fails_if_free: false,
            within: None,
            settle: Duration::from_millis(200),
            grace: Duration::from_secs(10),
            surroundings: Vec::new(),
            is_apart: false,
            is_nobodys: false,
            has_gaps: false,
            interrupt: None,
            hold: None,
        };
        call.name(dice, acts);
        match call.aim {
            Aim::Free => call.how(dice, folders),
            Aim::DryRun => {
                call.argv.push("-n".into());
                call.who(dice, folders);
            }
            Aim::Why => call.argv.push("--why".into()),
            Aim::List => call.argv.push("--list".into()),
        }
        call.output(dice);
        call.surround(dice);
        call
    }

    /// The ports: one act's, or several acts', in one of the ways in which they can be written.
    fn name(&mut self, dice: &mut Dice, acts: &[Act]) {
        let first = dice.below(acts.len());
        for (place, act) in acts.iter().enumerate() {
            if place != first && !dice.chance(40) {
                continue;
            }
            self.named.push((place, 0));
            if act.ports.len() > 1 && dice.chance(50) {
                self.named.push((place, 1));
            }
        }
        if dice.chance(15) {
            self.protocol = Some(dice.pick(&["tcp", "udp"]));
        } else if dice.chance(10) {
            self.address = Some(dice.pick(&["127.0.0.1", "[::1]", "localhost", "*"]));
        }
        let as_option = dice.chance(50);
        for &(place, port) in &self.named {
            let port = acts[place].ports[port].number();
            self.argv.push(match (self.address, self.protocol) {
                (Some(address), _) => format!("{address}:{port}"),
                (None, Some(protocol)) if !as_option => format!("{port}/{protocol}"),
                _ if dice.chance(10) => format!("{port}-{port}"),
                _ if dice.chance(10) => format!(":{port}"),
                _ => port.to_string(),
            });
        }
        if let (Some(protocol), true) = (self.protocol, as_option) {
            self.argv.push(format!("--{protocol}"));
        }
    }

    fn how(&mut self, dice: &mut Dice, folders: &[PathBuf]) {
        match dice.below(10) {
            0 => {
                self.argv.push(dice.pick(&["-f", "-9", "--force"]).into());
                self.grace = Duration::ZERO;
            }
            1 => {
                let signal = dice.pick(&["INT", "hup", "SIGQUIT", "USR1", "12", "ABRT", "KILL"]);
                self.argv.extend(["-s".into(), signal.into()]);
                self.grace(dice);
            }
            2 => {
                self.escalates = false;
                self.argv.push("--no-escalate".into());
                self.grace(dice);
            }
            3 => {}
            _ => self.grace(dice),
        }
        if dice.chance(20) {
            let settle = dice.pick(&[0, 50, 200, 600]);
            self.settle = Duration::from_millis(settle);
            self.argv.push(format!("--settle={settle}ms"));
        }
        if dice.chance(5) {
            self.fails_if_free = true;
            self.argv.push("--fail-if-free".into());
        }
        if dice.chance(8) {
            let signal = dice.pick(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGKILL]);
            self.interrupt = Some((signal, dice.below(120) as u64));
        }
        self.who(dice, folders);
    }

    fn grace(&mut self, dice: &mut Dice) {
        let grace = dice.pick(&GRACES);
        self.grace = Duration::from_millis(grace);
        self.argv.push(format!("--grace={grace}ms"));
    }

    fn who(&mut self, dice: &mut Dice, folders: &[PathBuf]) {
        if dice.chance(15) {
            self.tree = true;
            self.argv.push("--tree".into());
        }
        if dice.chance(15) {
            self.supervisor = true;
            if !self
                .argv
                .iter()
                .any(|option| option.starts_with("--settle"))
            {
                self.settle = Duration::from_secs(3);
            }
            self.argv.push("--supervisor".into());
        }
        if dice.chance(12) {
            self.connections = true;
            self.argv.push("--connections".into());
        }
        if dice.chance(8) {
            let whom = dice.pick(&["ancestors", "editors", "forwarders", "ancestors,editors"]);
            self.argv.push(format!("--include={whom}"));
        }
        if dice.chance(20) {
            let folder = folders[dice.below(folders.len())].clone();
            self.argv
                .extend(["--in".into(), folder.display().to_string()]);
            self.within = Some(folder);
        }
        if dice.chance(8) {
            let when = dice.pick(&["auto", "never", "only"]);
            self.containers_only = when == "only";
            self.argv.push(format!("--containers={when}"));
        }
    }

    fn output(&mut self, dice: &mut Dice) {
        if self.is_json {
            self.argv.push("--json".into());
        }
        match dice.below(10) {
            0 => self.argv.push("-q".into()),
            1 => self.argv.push("-v".into()),
            2 => self.argv.push("-vvv".into()),
            3 => self.argv.push("--color=always".into()),
            _ => {}
        }
    }

    fn surround(&mut self, dice: &mut Dice) {
        if !dice.chance(25) {
            return;
        }
        let nobody = ("uid", "65534".to_owned());
        let one = || "1".to_owned();
        match dice.below(9) {
            0 | 1 => self.surroundings.push(("no_pidfd", one())),
            2 => {
                self.surroundings.push(("no_netlink", one()));
                (self.is_able, self.has_gaps) = (false, true);
            }
            3 => {
                self.surroundings
                    .extend([("no_pidfd", one()), ("no_cap_ptrace", one())]);
                self.is_able = false;
            }
            4 => {
                self.surroundings.push(("no_cap_kill", one()));
                self.is_able = false;
            }
            5 => {
                self.surroundings.push(nobody);
                (self.is_able, self.is_nobodys) = (false, true);
            }
            6 => {
                let level = dice.pick(&["1", "2", "invisible"]).to_owned();
                self.surroundings.extend([("hidepid", level), nobody]);
                (self.is_able, self.is_nobodys) = (false, true);
            }
            7 => {
                self.surroundings.push(("netns", one()));
                (self.is_able, self.is_apart) = (false, true);
            }
            _ => {
                self.surroundings
                    .push(("pidns", dice.pick(&["1", "no_proc"]).to_owned()));
                (self.is_able, self.is_apart) = (false, true);
            }
        }
    }

    /// The longest that it may take: until it gives up whatever else happens, and what it then still waits for.
    pub fn bound(&self) -> Duration {
        // The library gives up after twice the grace, four times its five seconds, and the time to settle; a port that is free by then may
        // be watched for three seconds more, and a process that a supervisor has just started for two.
        self.grace * 2 + Duration::from_secs(25) + self.settle * 2 + MARGIN
    }

    /// What a person would expect: the grace, five seconds for SIGKILL to work, the time to settle.
    pub fn usual(&self) -> Duration {
        self.grace + Duration::from_secs(5) + self.settle + Duration::from_secs(3)
    }

    pub fn is_about(&self, act: usize) -> bool {
        self.named.iter().any(|(place, _)| *place == act)
    }

    /// Whether it may signal somebody of this act who has this part in it.
    pub fn may_end(&self, place: usize, act: &Act, part: Part) -> bool {
        let is_protocol = match self.protocol {
            Some("tcp") => act.has_tcp,
            Some(_) => act.has_udp,
            None => true,
        };
        let is_within = self
            .within
            .as_deref()
            .is_none_or(|folder| is_below(&act.folder, folder));
        self.aim == Aim::Free
            && self.is_about(place)
            && is_protocol
            && is_within
            && !self.containers_only
            && !self.is_apart
            && !act.is_elsewhere
            && !(self.is_nobodys && act.is_roots)
            && match part {
                Part::Holder => true,
                Part::Descendant => self.tree,
                Part::Supervisor => self.supervisor,
                Part::Client => self.connections,
                Part::Bystander => false,
            }
    }

    /// Whether it frees the port of an act that can be freed.
    pub fn must_free(&self, place: usize, act: &Act) -> bool {
        self.may_end(place, act, Part::Holder)
            && self.is_able
            && self.interrupt.is_none()
            && self.hold.is_none()
            && (self.escalates || (!act.is_stubborn && self.grace >= Duration::from_millis(1500)))
            // Where one works whose main thread is gone, the system does not tell.
            && !(self.within.is_some() && act.kind == "main_thread_gone")
    }

    /// Starts it.
    pub fn start(&self, stage: &crate::act::Stage, mark: &str, home: &Path) -> Fixture {
        let mut role = stage
            .role("calls")
            .set("program", self.program.display())
            .set("argv", self.argv.join("\n"))
            .set("mark", mark)
            .set("home", home.display())
            .set("children", 1)
            .set("bound_ms", self.bound().as_millis());
        for (name, value) in &self.surroundings {
            role = role.set(name, value);
        }
        if let Some((signal, after)) = self.interrupt {
            role = role.set("interrupt", signal).set("after_ms", after);
        }
        if let Some(port) = self.hold {
            role = role.set("hold", port);
        }
        role.patience(self.bound() + Duration::from_secs(30))
            .spawn()
    }
}

/// A process that calls the command, with children of its own, and says how the call ended: `exit CODE` or `ended by SIGNAL`, and
/// `took MS`. It says `bereft` if a child has ended, and `hangs` with what is known about the command if there is no end.
fn calls(params: &Params) {
    let hold = params.get("hold");
    let _held = hold.map(|port| uses::listening(port, true).expect("listen"));
    let children: Vec<u32> = (0..params.or("children", 0_u32))
        .map(|_| churn::idle())
        .collect();
    let mut command = command(params);
    let started = Instant::now();
    let mut child = command.spawn().expect("the command starts");
    let mut interrupt = params.get::<i32>("interrupt");
    let after = Duration::from_millis(params.or("after_ms", 0));
    let bound = Duration::from_millis(params.or("bound_ms", 60_000));
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() >= after
            && let Some(signal) = interrupt.take()
        {
            // SAFETY: `kill` takes two numbers; the child has not been waited for.
            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        }
        if started.elapsed() > bound {
            say(&format!("hangs after {bound:?}"));
            for file in ["status", "wchan", "syscall", "stack"] {
                let path = format!("/proc/{}/{file}", child.id());
                say(&std::fs::read_to_string(path).unwrap_or_default());
            }
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    say(&format!("took {}", started.elapsed().as_millis()));
    for pid in children {
        let mut status = 0;
        // SAFETY: the status lives through the call.
        if unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, libc::WNOHANG) } != 0 {
            say(&format!("bereft of {pid}, status {status:#x}"));
            continue;
        }
        // SAFETY: `kill` takes two numbers; the child has not been waited for.
        unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
    }
    say(&match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, signal) => format!("ended by {}", signal.unwrap_or_default()),
    });
}

fn command(params: &Params) -> Command {
    let program: PathBuf = params.get("program").expect("program=PATH");
    let argv: String = params.get("argv").expect("argv=TEXT");
    let home: PathBuf = params.get("home").expect("home=PATH");
    let mark: String = params.get("mark").expect("mark=NAME=VALUE");
    let (name, value) = mark.split_once('=').expect("NAME=VALUE");
    let mut command = Command::new(program);
    command
        .args(argv.split('\n'))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RUST_BACKTRACE", "1")
        .envs([("HOME", &home), ("TMPDIR", &home)])
        .env(name, value)
        .current_dir("/")
        .stdin(Stdio::null())
        .arg0("kill_port");
    command
}
