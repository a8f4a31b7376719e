//! What a call answered, in a form that can also come out of another process.

use std::borrow::Borrow;
use std::time::Instant;

use kill_port::{Error, Freed, HolderReport, KillOptions, Plan, Target};

use crate::fixture::{Fixture, Port};

/// How the lines of a role begin that tell what was foreseen.
const FORESEEN: &str = "foreseen ";

/// One holder's story: its PID, its fate, the signals that it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub pid: u32,
    pub fate: String,
    pub signals: String,
}

/// One thing that was in the way: its kind, and its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    pub kind: String,
    pub pid: u32,
    pub text: String,
}

/// The result of freeing one target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub free: bool,
    pub holders: Vec<Told>,
    pub obstacles: Vec<InTheWay>,
    /// The error as a person reads it.
    pub display: String,
}

/// Frees a target in this process.
pub fn kill(options: impl Borrow<KillOptions>, target: &str) -> Answer {
    let target: Target = target.parse().expect("a target");
    Answer::of(&options.borrow().kill(target))
}

/// How many milliseconds a look takes on this machine, as busy as it is now.
pub fn milliseconds_of_a_look() -> u64 {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let started = Instant::now();
    kill_port::survey(port.number()).expect("a survey");
    u64::try_from(started.elapsed().as_millis()).expect("not for ever")
}

/// Frees a port in this process, as nobody has said how.
pub fn kill_plainly(port: u16) -> Answer {
    kill(KillOptions::new(), &port.to_string())
}

impl Answer {
    /// What a dry run says.
    pub fn of_plan(plan: &Result<Plan, Error>) -> Self {
        match plan {
            Ok(Plan {
                error: None,
                holders,
                ..
            }) => Self {
                free: true,
                holders: holders.iter().map(Told::of).collect(),
                ..Self::default()
            },
            Ok(Plan {
                error: Some(error), ..
            }) => Self::of(&Err(error.clone())),
            Err(error) => Self::of(&Err(error.clone())),
        }
    }

    pub fn of(result: &Result<Freed, Error>) -> Self {
        match result {
            Ok(freed) => Self {
                free: true,
                holders: freed.ended.iter().map(Told::of).collect(),
                ..Self::default()
            },
            Err(error) => Self {
                free: false,
                holders: error.holders().iter().map(Told::of).collect(),
                obstacles: error
                    .obstacles()
                    .iter()
                    .map(|obstacle| InTheWay {
                        kind: obstacle.kind().to_owned(),
                        pid: obstacle.process().map_or(0, |process| process.pid),
                        text: format!(
                            "{obstacle} ({})",
                            obstacle
                                .advice()
                                .map(ToString::to_string)
                                .unwrap_or_default()
                        ),
                    })
                    .collect(),
                display: match std::error::Error::source(error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                },
            },
        }
    }

    /// Tells it on the standard output of a role.
    pub fn say(&self) {
        self.say_after("");
    }

    /// Tells it as what was foreseen: see [`Answer::foreseen_by_caller`].
    pub fn say_foreseen(&self) {
        self.say_after(FORESEEN);
    }

    fn say_after(&self, start: &str) {
        use crate::fixture::say;
        for told in &self.holders {
            say(&format!(
                "{start}holder {} {} {}",
                told.pid, told.fate, told.signals
            ));
        }
        for obstacle in &self.obstacles {
            say(&format!(
                "{start}obstacle {} {} {}",
                obstacle.kind, obstacle.pid, obstacle.text
            ));
        }
        say(&format!("{start}display {}", self.display));
        let word = if self.free { "free" } else { "held" };
        say(&format!("{start}answer {word}"));
    }

    /// Waits for what a role tells.
    pub fn from_caller(caller: &Fixture) -> Self {
        Self::heard_after("", caller)
    }

    /// Waits for what a role that was told to `foresee` foresaw.
    pub fn foreseen_by_caller(caller: &Fixture) -> Self {
        Self::heard_after(FORESEEN, caller)
    }

    fn heard_after(start: &str, caller: &Fixture) -> Self {
        let end = format!("{start}answer ");
        let free = caller.wait_line(&end).ends_with(" free");
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        Self {
            free,
            holders: caller
                .words(&format!("{start}holder "))
                .iter()
                .map(|line| {
                    let mut words = line.splitn(3, ' ');
                    Told {
                        pid: number(words.next()).expect("a PID"),
                        fate: words.next().unwrap_or_default().to_owned(),
                        signals: words.next().unwrap_or_default().to_owned(),
                    }
                })
                .collect(),
            obstacles: caller
                .words(&format!("{start}obstacle "))
                .iter()
                .map(|line| {
                    let mut words = line.splitn(3, ' ');
                    InTheWay {
                        kind: words.next().unwrap_or_default().to_owned(),
                        pid: number(words.next()).expect("a PID"),
                        text: words.next().unwrap_or_default().to_owned(),
                    }
                })
                .collect(),
            display: caller.words(&format!("{start}display ")).concat(),
        }
    }

    /// The target is free, and these processes met these fates, in any order.
    #[track_caller]
    pub fn freed(&self, expected: &[(u32, &str, &str)]) {
        assert!(self.free, "{self:#?}");
        self.told(expected);
    }

    /// The target was free before: nobody was touched.
    #[track_caller]
    pub fn was_free(&self) {
        self.freed(&[]);
    }

    /// The holders were these, in any order: PID, fate, signals.
    #[track_caller]
    pub fn told(&self, expected: &[(u32, &str, &str)]) {
        let mut told: Vec<(u32, &str, &str)> = self
            .holders
            .iter()
            .map(|told| (told.pid, told.fate.as_str(), told.signals.as_str()))
            .collect();
        let mut expected = expected.to_vec();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{self:#?}");
    }

    /// The target is not free, for these reasons: kind and PID (0 where it is no process).
    #[track_caller]
    pub fn held(&self, expected: &[(&str, u32)]) {
        assert!(!self.free, "{self:#?}");
        let mut kinds: Vec<(&str, u32)> = self
            .obstacles
            .iter()
            .map(|obstacle| (obstacle.kind.as_str(), obstacle.pid))
            .collect();
        let mut expected = expected.to_vec();
        kinds.sort_unstable();
        expected.sort_unstable();
        assert_eq!(kinds, expected, "{self:#?}");
    }

    /// The error mentions this.
    #[track_caller]
    pub fn mentions(&self, text: &str) {
        assert!(self.display.contains(text), "no {text:?} in {self:#?}");
    }
}

impl Told {
    fn of(report: &HolderReport) -> Self {
        let names: Vec<&str> = report.signals.iter().map(|signal| signal.name()).collect();
        Self {
            pid: report.holder.process.pid,
            fate: report.fate.as_str().to_owned(),
            signals: names.join(","),
        }
    }
}
