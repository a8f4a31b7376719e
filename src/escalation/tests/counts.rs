//! What a round asks of the system does not grow with the number of targets.

use std::collections::HashSet;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use super::super::job::Job;
use super::super::{Snapshot, Work};
use crate::discovery::{Discovery, Found, Id, Sight};
use crate::filtration::Part;
use crate::options::KillOptions;
use crate::signal::Signal;
use crate::sys::{Handle, Mark};
use crate::target::Target;

const MANY: u16 = 1000;

/// Whether this is a program that runs the test of that name alone, so that all reads of its threads are the test's. If not, that is done.
fn is_alone(name: &str) -> bool {
    const INSIDE: &str = "KILL_PORT_TEST_COUNTS_ALONE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let told = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("escalation::tests::counts::{name}")])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("1 passed"), "{text}");
    false
}

/// How many reads this program makes meanwhile. `None` on a kernel that does not count them.
fn reads(work: impl FnOnce() -> io::Result<()>) -> Option<usize> {
    let count = || -> Option<usize> {
        let text = std::fs::read_to_string("/proc/self/io").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("syscr: "))?;
        line.parse().ok()
    };
    let before = count()?;
    work().unwrap();
    Some(count()? - before)
}

fn processes() -> usize {
    std::fs::read_dir("/proc").unwrap().count()
}

#[test]
fn who_was_started_since_is_asked_once_for_all_targets() {
    if !is_alone("who_was_started_since_is_asked_once_for_all_targets") {
        return;
    }
    let options = KillOptions::new();
    let at = Instant::now();
    let jobs = (1..=MANY).map(|port| Job::new(Target::new(port), at));
    let mut work = Work::new(&options, jobs.collect()).unwrap();
    let ended = work.shared.discovery.people.pass(std::process::id());
    let ended = ended.unwrap().unwrap();
    work.shared.conduct.since = Some((SystemTime::now(), Mark::now()));
    work.shared.conduct.note_sent(ended, Signal::Term, at);
    work.shared.conduct.note_end(ended, at);
    for open in work.jobs.iter_mut().filter_map(Job::open_mut) {
        open.member(ended, Part::Holder);
        open.free_since = at.checked_sub(Duration::from_secs(1));
    }
    let sight = || Some(Sight::default());
    let mut snapshot = Snapshot {
        at,
        exits: Vec::new(),
        gone: HashSet::new(),
        exiting: HashSet::new(),
        sights: (1..=MANY).map(|_| sight()).collect(),
    };
    let reads = reads(|| work.look_for_newcomers(&mut snapshot));
    let is_asked = |sight: &Option<Sight>| sight.as_ref().unwrap().newcomers.is_some();
    assert!(snapshot.sights.iter().all(is_asked));
    assert!(reads.is_none_or(|reads| reads < MANY.into()), "{reads:?}");
}

#[test]
fn who_descends_from_whom_is_read_once_for_all_targets_and_told_of_each() {
    if !is_alone("who_descends_from_whom_is_read_once_for_all_targets_and_told_of_each") {
        return;
    }
    let mut discovery = Discovery::open().unwrap();
    let mut command = std::process::Command::new("cat");
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut met = |pid: u32| -> Id {
        let handle = Handle::open(pid).unwrap().unwrap();
        discovery.people.meet_all([handle]).unwrap()[0]
    };
    let (own, below) = (met(std::process::id()), met(child.id()));
    let of = |holders: &[Id]| Found {
        held: holders.iter().map(|&id| (id, Vec::new())).collect(),
        ..Found::default()
    };
    let mut found: Vec<Found> = (0..MANY).map(|_| of(&[own])).collect();
    found.push(of(&[below]));
    found.push(of(&[own, below]));
    let reads = reads(|| discovery.add_descendants(found.iter_mut()));
    let is_below = |found: &Found| found.descendants.contains(&below);
    let (one, others) = found.split_at(MANY.into());
    assert!(one.iter().all(is_below), "though it holds a target itself");
    assert!(!others.iter().any(is_below), "it is a holder there");
    // A few reads of each process, once.
    let limit = 20 * processes() + usize::from(MANY);
    assert!(reads.is_none_or(|reads| reads < limit), "{reads:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_uses_ports_that_are_refused_is_looked_for_once() {
    if !is_alone("who_uses_ports_that_are_refused_is_looked_for_once") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let _server = listener.accept().unwrap();
    let mut discovery = Discovery::open().unwrap();
    let mut look = |targets: usize| {
        let mut sights: Vec<Sight> = (0..targets).map(|_| Sight::default()).collect();
        let targets = vec![Target::from(address); targets];
        let reads = reads(|| discovery.look_at_uses(&targets, sights.iter_mut().collect()));
        let pid = std::process::id();
        let is_own = |id: &Id| discovery.people.crowd[*id].process.pid == pid;
        for sight in &sights {
            assert!(sight.uses.iter().any(|used| used.owners.iter().any(is_own)));
        }
        reads
    };
    look(1);
    let reads = look(MANY.into());
    let limit = 20 * processes() + usize::from(MANY);
    assert!(reads.is_none_or(|reads| reads < limit), "{reads:?}");
}
