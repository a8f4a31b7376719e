//! One scene: servers are set up, the command is called, what came of it is checked, and all is cleared away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kill_port_fixture::{Fixture, Folder, Port};
use serde_json::Value;

use crate::act::{self, Act, Stage};
use crate::call::{Aim, Call};
use crate::dice::Dice;
use crate::kinds::KINDS;
use crate::people::{self, Person};
use crate::run::Tally;
use crate::verdict;

/// What a call came to.
#[derive(Debug)]
pub struct Told {
    pub call: Call,
    pub code: Option<i32>,
    pub ended_by: Option<i32>,
    pub took: Duration,
    pub json: Option<Value>,
    pub lines: Vec<String>,
    /// Why a bind failed at once after it had ended.
    pub refusals: Vec<String>,
}

/// All that is on stage.
#[derive(Debug)]
pub struct Scene {
    pub acts: Vec<Act>,
    /// Who has nothing to do with any of it, and tells what signals it gets.
    pub bystanders: Vec<(Fixture, Person)>,
    pub told: Vec<Told>,
}

/// Plays one, and returns what went wrong.
pub fn play(seed: u64, number: u64, programs: &[PathBuf], tally: &Tally) -> Vec<String> {
    let mut dice = Dice::of(seed, number);
    let folder = Folder::new();
    let folders = [
        folder.below("a"),
        folder.below("b"),
        folder.path().to_owned(),
    ];
    let home = folder.below("home");
    let mark = format!("SOAK_SCENE={}-{number}", std::process::id());
    let stages = [0, 1].map(|place: usize| Stage {
        folder: folders[place].clone(),
        mark: mark.clone(),
    });
    let scene = set(&mut dice, &stages);
    let mut scene = match scene {
        Ok(scene) => scene,
        Err(why) => {
            tally.add("unsupported", &why);
            act::clear(&mark, &[]);
            return Vec::new();
        }
    };
    let calls = choose(&mut dice, &scene.acts, &folders, programs);
    for act in &scene.acts {
        tally.add("servers", act.kind);
    }
    call(calls, &mut scene, &stages[0], &home, number);
    let kinds: Vec<&str> = scene.acts.iter().map(|act| act.kind).collect();
    for told in &scene.told {
        tally.note(told, &format!("{}, scene {number}", kinds.join(" and ")));
    }
    let mut faults = verdict::of(&scene);
    let lines: Vec<Vec<String>> = scene.acts.iter().map(Act::lines).collect();
    let calls: Vec<String> = scene.told.iter().map(described).collect();
    let ports: Vec<Vec<u16>> = scene
        .acts
        .iter()
        .map(|act| act.ports.iter().map(Port::number).collect())
        .collect();
    let people: Vec<String> = (scene.acts.iter().flat_map(|act| &act.people))
        .map(ToString::to_string)
        .collect();
    clear(scene, &mark);
    let left: Vec<PathBuf> = (std::fs::read_dir(&home).expect("its home"))
        .flatten()
        .map(|entry| entry.path())
        .collect();
    if !left.is_empty() {
        faults.push(format!("files are left behind: {left:?}"));
    }
    if !faults.is_empty() {
        faults.push(format!(
            "{kinds:?} on {ports:?}: {people:?}\n  said {lines:?}"
        ));
        faults.extend(calls);
    }
    faults
}

fn described(told: &Told) -> String {
    format!(
        "{} {} in {:?}, interrupted by {:?}: code {:?}, ended by {:?}, after {:?}\n    {}",
        told.call.program.display(),
        told.call.argv.join(" "),
        told.call.surroundings,
        told.call.interrupt,
        told.code,
        told.ended_by,
        told.took,
        told.lines.join("\n    "),
    )
}

fn set(dice: &mut Dice, stages: &[Stage; 2]) -> Result<Scene, String> {
    let mut acts = Vec::new();
    let count = if dice.chance(30) { 2 } else { 1 };
    for _ in 0..count {
        let kind = dice.pick(KINDS);
        let stage = &stages[dice.below(2)];
        acts.push(kind(dice, stage)?);
    }
    let mut bystanders = Vec::new();
    let mut stands_by = |fixture: Fixture| {
        bystanders.extend(Person::meet("bystander", fixture.pid()).map(|person| (fixture, person)));
    };
    let on = stages[0].role("server").set("on_term", "swallow");
    stands_by(on.port(&Port::claim()).start());
    if dice.chance(30) {
        stands_by(stages[1].role("idle").set("count", 3).start());
    }
    for act in &acts {
        if act.welcomes && dice.chance(50) {
            let to = format!("127.0.0.1:{}", act.ports[0]);
            stands_by(stages[0].role("client").set("to", to).start());
        }
    }
    for act in &mut acts {
        act.meet();
    }
    Ok(Scene {
        acts,
        bystanders,
        told: Vec::new(),
    })
}

fn choose(dice: &mut Dice, acts: &[Act], folders: &[PathBuf], programs: &[PathBuf]) -> Vec<Call> {
    let count = dice.pick(&[1, 1, 1, 1, 2, 2, 3]);
    let mut calls: Vec<Call> = (0..count)
        .map(|_| Call::choose(dice, acts, folders, programs))
        .collect();
    if let ([call], [act]) = (calls.as_mut_slice(), acts)
        && act.kind == "nobody"
        && call.aim == Aim::Free
        && !call.argv.iter().any(|option| option.contains("ancestors"))
        && dice.chance(70)
    {
        call.hold = Some(act.ports[0].number());
    }
    calls
}

/// Makes all calls at once, and waits for them.
fn call(calls: Vec<Call>, scene: &mut Scene, stage: &Stage, home: &Path, number: u64) {
    let mark = |place: usize| format!("SOAK_CALL={}-{number}-{place}", std::process::id());
    let callers: Vec<Fixture> = (calls.iter().enumerate())
        .map(|(place, call)| call.start(stage, &mark(place), home))
        .collect();
    let is_alone = calls.len() == 1;
    for (place, (call, caller)) in calls.into_iter().zip(&callers).enumerate() {
        let end = caller.wait_any(&["exit ", "ended by ", "unsupported", "pid init "]);
        if end.starts_with("pid init ") {
            caller.wait_any(&["exit ", "ended by "]);
        }
        let mut told = told(call, caller);
        if is_alone {
            told.refusals = verdict::refusals(&told, &scene.acts, true);
        }
        caller.wait_gone();
        told.lines = caller.lines();
        let left = people::marked(&mark(place));
        if !left.is_empty() {
            let what: BTreeSet<String> = left
                .iter()
                .map(|pid| {
                    let file = format!("/proc/{pid}/cmdline");
                    std::fs::read_to_string(file)
                        .unwrap_or_default()
                        .replace('\0', " ")
                })
                .collect();
            told.lines.push(format!("left behind: {left:?} {what:?}"));
        }
        scene.told.push(told);
    }
    if !is_alone {
        for place in 0..scene.told.len() {
            scene.told[place].refusals = verdict::refusals(&scene.told[place], &scene.acts, false);
        }
    }
}

fn told(call: Call, caller: &Fixture) -> Told {
    let lines = caller.lines();
    let word = |start: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(start))?;
        line.parse::<i32>().ok()
    };
    let json = lines
        .iter()
        .find(|line| line.starts_with("{\"schema_version\""));
    Told {
        code: word("exit "),
        ended_by: word("ended by "),
        took: Duration::from_millis(word("took ").unwrap_or_default().unsigned_abs().into()),
        json: json.and_then(|line| serde_json::from_str(line).ok()),
        call,
        lines,
        refusals: Vec::new(),
    }
}

/// Ends everybody.
fn clear(mut scene: Scene, mark: &str) {
    let cast = scene
        .acts
        .iter_mut()
        .flat_map(|act| std::mem::take(&mut act.cast));
    let cast: Vec<Fixture> = cast.collect();
    let bystanders = scene.bystanders.drain(..).map(|(fixture, _)| fixture);
    let all: Vec<Fixture> = cast.into_iter().chain(bystanders).collect();
    act::clear(mark, &all);
}
