//! The whole run: several scenes at once until the time is over, and what it came to.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kill_port_fixture::Fixture;
use kill_port_fixture::linux::surroundings::loopback_up;

use crate::people;
use crate::scene::{self, Told};

/// How many scenes are played at once.
const STAGES: usize = 4;
/// After so many faults nobody reads on.
const ENOUGH: u64 = 40;

/// What is asked for: `SECONDS SEED SCENE PROGRAM...`. `SCENE` is one scene to be played again and again, or `-`.
struct Asked {
    time: Duration,
    seed: u64,
    scene: Option<u64>,
    programs: Vec<PathBuf>,
}

impl Asked {
    fn parse() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let time = Duration::from_secs(words.next()?.parse().ok()?);
        let seed = words.next()?.parse().ok()?;
        let scene = words.next()?.parse().ok();
        let programs: Vec<PathBuf> = words.map(PathBuf::from).collect();
        (!programs.is_empty()).then_some(Self {
            time,
            seed,
            scene,
            programs,
        })
    }
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
    longest: Mutex<(Duration, String)>,
    faults: AtomicU64,
}

impl Tally {
    pub fn add(&self, what: &'static str, which: &str) {
        self.add_many(what, which, 1);
    }

    fn add_many(&self, what: &'static str, which: &str, count: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .entry(what)
            .or_default()
            .entry(which.to_owned())
            .or_default() += count;
    }

    /// One call, about servers of these kinds.
    pub fn note(&self, told: &Told, kinds: &str) {
        let code = match (told.code, told.ended_by) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("ended by {signal}"),
            (None, None) => "unsupported".to_owned(),
        };
        self.add("calls", &format!("{:?}, {code}", told.call.aim));
        let surroundings: Vec<&str> = told
            .call
            .surroundings
            .iter()
            .map(|(name, _)| *name)
            .collect();
        self.add("callers", &surroundings.join(" and "));
        for port in told
            .json
            .iter()
            .flat_map(|json| json["ports"].as_array())
            .flatten()
        {
            self.add("ports in JSON", port["outcome"].as_str().unwrap_or("?"));
            for holder in port["holders"].as_array().into_iter().flatten() {
                self.add("holders in JSON", holder["outcome"].as_str().unwrap_or("?"));
            }
            for error in port["errors"].as_array().into_iter().flatten() {
                let kind = error["kind"].as_str().unwrap_or("?");
                self.add("obstacles in JSON", kind);
                if kind == "system" {
                    let message = error["message"].as_str().unwrap_or("?");
                    self.add("the system's errors", message);
                    if message.contains("timed out") {
                        let options = told.call.argv.join(" ");
                        self.add(
                            "in vain",
                            &format!("{options} took {:?} ({kinds})", told.took),
                        );
                    }
                }
            }
        }
        if told.took > told.call.usual() {
            let options = told.call.argv.join(" ");
            let what = format!(
                "{options} took {:?}, code {:?} ({kinds})",
                told.took, told.code
            );
            self.add(
                "longer than the grace, five seconds and the time to settle",
                &what,
            );
        }
        let over = told.took.saturating_sub(told.call.usual());
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        if told.took > longest.0 || !over.is_zero() && over > longest.0 {
            *longest = (told.took, told.call.argv.join(" "));
        }
    }

    fn fault(&self, scene: &str, seed: u64, texts: &[String]) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        eprintln!(
            "soak: FAULT in scene {scene} of seed {seed}:\n  {}",
            texts.join("\n  ")
        );
    }

    fn print(&self) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, counts) in counts.iter() {
            println!("soak: {what}: {}", counts.values().sum::<u64>());
            for (which, count) in counts {
                println!("soak:   {count:>8} {which}");
            }
        }
        let longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        println!("soak: the longest call took {:?}: {}", longest.0, longest.1);
        println!("soak: faults: {}", self.faults.load(Ordering::Relaxed));
    }
}

/// What is there besides this program and what it started: processes and descriptors.
fn belongings() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    (people::pids().count(), descriptors.count())
}

pub fn run() -> ExitCode {
    let Some(asked) = Asked::parse() else {
        eprintln!("soak: SECONDS SEED SCENE|- PROGRAM...");
        return ExitCode::from(2);
    };
    loopback_up().expect("the loopback comes up");
    // A panic is a fault of its scene, and told with it.
    std::panic::set_hook(Box::new(|_| {}));
    let tally = Tally::default();
    // With it, the warden is there, which stays.
    drop(Fixture::role("idle").set("count", 1).start());
    std::thread::sleep(Duration::from_millis(300));
    let before = belongings();
    let churn = Fixture::role("churn").set("seed", asked.seed).start();
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let is_over =
        || started.elapsed() >= asked.time || tally.faults.load(Ordering::Relaxed) >= ENOUGH;
    std::thread::scope(|scope| {
        for _ in 0..STAGES {
            scope.spawn(|| {
                while !is_over() {
                    let number = asked
                        .scene
                        .unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
                    play(&asked, number, &tally);
                    tally.add("scenes", "played");
                }
            });
        }
        scope.spawn(|| watch(&churn, &asked, &tally, is_over));
    });
    drop(churn);
    let mut after = belongings();
    // Whom PID 1 has to wait for, it has waited for in a moment.
    for _ in 0..500 {
        if after == before {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        after = belongings();
    }
    if after != before {
        let text = format!("processes and descriptors were {before:?} and are {after:?}");
        tally.fault("-", asked.seed, &[text]);
    }
    tally.print();
    match tally.faults.load(Ordering::Relaxed) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn play(asked: &Asked, number: u64, tally: &Tally) {
    let played = catch_unwind(AssertUnwindSafe(|| {
        scene::play(asked.seed, number, &asked.programs, tally)
    }));
    let faults = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        vec![format!("panicked: {}", text.unwrap_or_default())]
    });
    if !faults.is_empty() {
        tally.fault(&number.to_string(), asked.seed, &faults);
    }
}

/// Reads what the churn tells, until all is over.
fn watch(churn: &Fixture, asked: &Asked, tally: &Tally, is_over: impl Fn() -> bool) {
    let mut seen = 0;
    loop {
        let was_over = is_over();
        for line in churn.lines().into_iter().skip(seen) {
            seen += 1;
            if line.starts_with("wounded") {
                tally.fault(
                    "-",
                    asked.seed,
                    &[format!("a process of the churn was {line}")],
                );
            }
            let numbers: Vec<u64> = line
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            if let ([started, wraps, connections], true) =
                (numbers.as_slice(), line.contains("wraps"))
            {
                tally.add_many("beside", "processes", *started);
                tally.add_many("beside", "wraps of the PIDs", *wraps);
                tally.add_many("beside", "connections", *connections);
            }
        }
        if was_over {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
