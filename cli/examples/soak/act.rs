//! A server on stage: what holds the port, who belongs to it, and what a kill may do to it.

use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};

use kill_port_fixture::{Fixture, Port, Role};

use crate::people::{self, Person};

/// Whether a kill that lacks no right frees the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frees {
    Surely,
    Perhaps,
    Never,
}

/// By what a process is related to the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Ended by any kill.
    Holder,
    /// Ended with `--tree`.
    Descendant,
    /// Ended with `--supervisor`.
    Supervisor,
    /// Ended with `--connections`.
    Client,
    /// Ended by nobody.
    Bystander,
}

/// A server, or what else may hold a port.
#[derive(Debug)]
pub struct Act {
    pub kind: &'static str,
    /// Those that may be asked for; the first is the usual one.
    pub ports: Vec<Port>,
    pub cast: Vec<Fixture>,
    /// The connections of this program that belong to it.
    pub connections: (Vec<TcpStream>, Vec<UdpSocket>),
    pub people: Vec<Person>,
    pub folder: PathBuf,
    pub frees: Frees,
    /// Whether it may live on after its first signal.
    pub is_stubborn: bool,
    pub has_tcp: bool,
    pub has_udp: bool,
    /// Whether a port that was freed may be taken again by those who belong to it, however soon.
    pub returns: bool,
    /// Whether its holders tell what signals they get, and get them from nobody else.
    pub tells: bool,
    /// Whether its holders come and go by themselves.
    pub is_fleeting: bool,
    /// Whether the port is held in another network namespace only.
    pub is_elsewhere: bool,
    /// Whether everybody in it is root.
    pub is_roots: bool,
    /// How often it had told before the calls that the machine kept it from its work.
    pub stalls: usize,
    /// Whether a client may connect without changing what it is.
    pub welcomes: bool,
}

/// Where acts are set up.
#[derive(Debug)]
pub struct Stage {
    pub folder: PathBuf,
    /// What all processes of the scene have in their environment.
    pub mark: String,
}

impl Stage {
    /// A role that works there and has the mark.
    pub fn role(&self, name: &str) -> Role {
        let (variable, value) = self.mark.split_once('=').expect("NAME=VALUE");
        Fixture::role(name).cwd(&self.folder).env(variable, value)
    }
}

impl Act {
    /// One that a kill frees surely, over TCP, at the first signal.
    pub fn new(kind: &'static str, ports: Vec<Port>, stage: &Stage) -> Self {
        Self {
            kind,
            ports,
            cast: Vec::new(),
            connections: (Vec::new(), Vec::new()),
            people: Vec::new(),
            folder: stage.folder.clone(),
            frees: Frees::Surely,
            is_stubborn: false,
            has_tcp: true,
            has_udp: false,
            returns: false,
            tells: false,
            is_fleeting: false,
            is_elsewhere: false,
            is_roots: true,
            stalls: 0,
            welcomes: false,
        }
    }

    /// Whose processes are met once all are ready.
    pub fn with(mut self, fixture: Fixture) -> Self {
        self.cast.push(fixture);
        self
    }

    pub fn frees(mut self, frees: Frees) -> Self {
        self.frees = frees;
        self
    }

    /// Meets everybody who has been introduced, and those that were started first.
    pub fn meet(&mut self) {
        self.stalls = self.stalled();
        let introduced = self.introduced();
        let is_known = |pid| introduced.iter().any(|(_, known)| *known == pid);
        // The first process of a PID namespace's own waits for that alone.
        let has_init = introduced.iter().any(|(name, _)| name == "init");
        let origins = self.cast.iter().map(Fixture::pid);
        let origins = origins.filter(|pid| !has_init && !is_known(*pid));
        self.people = origins
            .filter_map(|pid| Person::meet("origin", pid))
            .chain(
                introduced
                    .iter()
                    .filter_map(|(name, pid)| Person::meet(name, *pid)),
            )
            .collect();
    }

    /// The names and PIDs that were told until now. In a PID namespace of its own, a process knows another PID.
    pub fn introduced(&self) -> Vec<(String, u32)> {
        let lines = self.cast.iter().flat_map(|fixture| fixture.words("pid "));
        lines
            .filter_map(|line| {
                let (name, pid) = line.rsplit_once(' ')?;
                Some((name.split(' ').next()?.to_owned(), pid.parse().ok()?))
            })
            .filter(|(_, pid)| *pid != 1)
            .collect()
    }

    fn stalled(&self) -> usize {
        self.cast.iter().map(|one| one.count("stalled")).sum()
    }

    /// Whether the machine has kept it from its work since. It tells that afterwards.
    pub fn was_stalled(&self) -> bool {
        for _ in 0..500 {
            if self.stalled() > self.stalls {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        false
    }

    /// All that its processes have said.
    pub fn lines(&self) -> Vec<String> {
        self.cast.iter().flat_map(Fixture::lines).collect()
    }

    /// The signals that a process has told of.
    pub fn signals_of(&self, pid: u32) -> Vec<String> {
        let got = self.cast.iter().flat_map(|fixture| fixture.words("got "));
        got.filter_map(|line| {
            let (signal, by) = line.split_once(' ')?;
            let is_one = by == pid.to_string() && signal != "SIGCONT";
            is_one.then(|| signal.trim_start_matches("SIG").to_owned())
        })
        .collect()
    }

    pub fn part(&self, name: &str) -> Part {
        match name {
            // It binds the port when both its servers have ended.
            "parent" if self.kind == "two_then_bound" => Part::Holder,
            // On a port that no client is given, it counts as a server.
            "client" if self.kind == "udp_sender" => Part::Holder,
            "server" | "master" | "worker" | "near" | "far" | "holder" | "init" | "stranger"
            | "first" | "second" => Part::Holder,
            "child" | "grandchild" => Part::Descendant,
            "supervisor" | "loop" | "manager" | "parent" => Part::Supervisor,
            "client" => Part::Client,
            _ => Part::Bystander,
        }
    }
}

/// Ends all that is left of a scene. Whoever is in a group of processes may have gone, and its number may be somebody else's: so they are
/// known by their mark.
pub fn clear(mark: &str, cast: &[Fixture]) {
    let kill = |pid: i32| {
        // SAFETY: `kill` takes two numbers.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    };
    kill_port_fixture::eventually("all processes of the scene have ended", || {
        let left = people::marked(mark);
        left.iter().for_each(|pid| kill(pid.cast_signed()));
        // Some show nobody their environment, and some pass on what they are faster than one can look. The first process of a fixture has not
        // been waited for, so that the group's number is its own.
        let going_on: Vec<&Fixture> = cast.iter().filter(|one| !one.is_over()).collect();
        going_on
            .iter()
            .for_each(|fixture| kill(-fixture.pid().cast_signed()));
        left.is_empty() && going_on.is_empty()
    });
}

/// Whether a folder is this one or below it.
pub fn is_below(folder: &Path, above: &Path) -> bool {
    folder.starts_with(above)
}
