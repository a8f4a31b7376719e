//! Containers in the loop: whom the engines say publishes a target, and how far the ending of those is.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::decide::{Action, Round, obstacles};
use super::job::Open;
use crate::container::{Container, Containers, EngineError, EngineErrorKind, StoppedContainer};
use crate::containers::{Ending, Engines, Published, Stopping, ask, end};
use crate::discovery::Crowd;
use crate::error::Obstacle;
use crate::filtration::Permit;
use crate::forwarder::{forwarder, is_kept_by_engine};
use crate::next_step::Advice;
use crate::options::KillOptions;
use crate::protocol::Protocol;
use crate::report::SparedReason;
use crate::signal::Signal;
use crate::sys::{Progress, Task};
use crate::target::Target;

/// How long the engines may take together for an answer: their own two seconds, and some for the threads.
const ANSWER: Duration = Duration::from_secs(3);
/// How long an engine may take to give up the port after it said that the container has ended.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Engines are asked the same again only after this time.
const PULSE: Duration = Duration::from_millis(50);

/// Where engines are asked and told. No answer is waited for here.
pub(super) struct Desk {
    how: Ending,
    /// Whether it matters where compose projects lie.
    asks_for_folders: bool,
    engines: Option<Engines>,
    asking: Option<(Question, Task<Published>)>,
    answer: Option<(Question, Published)>,
    stops: HashMap<String, Stop>,
}

/// When it was asked, and the engines of which users were asked beside those of the system and of the caller.
#[derive(Debug, Clone)]
struct Question {
    at: Instant,
    users: HashSet<u32>,
}

impl Question {
    fn new(at: Instant, users: HashSet<u32>) -> Self {
        Self { at, users }
    }
}

/// A container that an engine was told to end.
struct Stop {
    begun: Instant,
    order: Stopping,
    end: Option<(Instant, Result<Duration, EngineError>)>,
}

/// What the desk knows, for decisions.
#[derive(Clone, Copy)]
pub(super) struct View<'a>(&'a Desk);

impl Desk {
    pub(super) fn new(options: &KillOptions) -> Self {
        // The engine begins with the container's own stop signal, so all that is left of the options is the patience.
        let how = if options.first_signal() == Signal::Kill {
            Ending::Kill
        } else if options.escalate {
            Ending::Stop(options.grace)
        } else {
            Ending::Ask
        };
        Self {
            how,
            asks_for_folders: options.within.is_some(),
            engines: None,
            asking: None,
            answer: None,
            stops: HashMap::new(),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        View(self)
    }

    /// Looks whether there is an engine at all, without asking any: where there is none, everything is known.
    pub(super) fn look_around(&mut self, now: Instant) {
        if self.engines.is_none() {
            let engines = Engines::find(&[]);
            if engines.local.is_empty() {
                let nobody = Question::new(now, HashSet::new());
                let answer = Published::new(Vec::new(), engines.errors());
                self.answer = Some((nobody, answer));
            }
            self.engines = Some(engines);
        }
    }

    /// Takes in what the engines have answered.
    pub(super) fn poll(&mut self, now: Instant) {
        self.take_answer(Duration::ZERO);
        for stop in self.stops.values_mut() {
            if stop.end.is_none()
                && let Some(result) = stop.order.wait(Duration::ZERO)
            {
                let took = now.saturating_duration_since(stop.begun);
                stop.end = Some((now, result.map(|()| took)));
            }
        }
    }

    /// Takes the answer to what was asked, if it comes within this time.
    fn take_answer(&mut self, at_most: Duration) {
        let Some((question, task)) = self.asking.take() else {
            return;
        };
        match task.wait(at_most) {
            Progress::Running => self.asking = Some((question, task)),
            Progress::Done(published) => self.answer = Some((question, published)),
            Progress::TimedOut => self.answer = Some((question, self.nobody_answers())),
        }
    }

    fn nobody_answers(&self) -> Published {
        let engines = self.engines.iter().flat_map(|engines| &engines.local);
        Published::new(
            Vec::new(),
            engines.map(EngineError::not_answering).collect(),
        )
    }

    /// Asks the engines, those of these users included, who publishes these targets. Does nothing while an answer is awaited.
    pub(super) fn ask(&mut self, users: HashSet<u32>, targets: Vec<Target>, now: Instant) {
        let is_recent = |(question, _): &(Question, Published)| {
            now.saturating_duration_since(question.at) < PULSE && users.is_subset(&question.users)
        };
        if self.asking.is_some() || self.answer.as_ref().is_some_and(is_recent) {
            return;
        }
        let engines = Engines::find(&users.iter().copied().collect::<Vec<_>>());
        let question = Question::new(now, users);
        let (local, errors) = (engines.local.clone(), engines.errors());
        self.engines = Some(engines);
        if local.is_empty() {
            self.answer = Some((question, Published::new(Vec::new(), errors)));
            return;
        }
        let asks_for_folders = self.asks_for_folders;
        // In the task, which has an end: the path may lead to a disk that does not answer.
        let task = Task::start(ANSWER, move |_| {
            let mut published = ask(&local, &targets);
            if asks_for_folders {
                published.containers.iter_mut().for_each(resolve_folder);
            }
            published
        });
        self.asking = Some((question, task));
    }

    /// Tells the engine to end this container, once.
    pub(super) fn stop(&mut self, container: &Container, now: Instant) {
        let how = self.how;
        let stop = || Stop {
            begun: now,
            order: end(container, how),
            end: None,
        };
        self.stops.entry(container.id.clone()).or_insert_with(stop);
    }
}

/// Makes the folder of a compose project one that can be compared. Whoever started it may have come there by a link. A relative path would
/// be one below the caller's own folder, which it has nothing to do with.
fn resolve_folder(container: &mut Container) {
    if let Some(compose) = &mut container.compose {
        let folder = compose.folder.take().filter(|folder| folder.is_absolute());
        compose.folder = folder.map(|folder| folder.canonicalize().unwrap_or(folder));
    }
}

impl<'a> View<'a> {
    /// The last answer, if its question is not older than that, and the engines of these users were asked.
    fn answer(self, since: Option<Instant>, users: &[u32]) -> Option<&'a Published> {
        let (question, published) = self.0.answer.as_ref()?;
        let is_new = since.is_none_or(|since| question.at >= since);
        let is_whole = users.iter().all(|user| question.users.contains(user));
        (is_new && is_whole).then_some(published)
    }

    fn end(self, id: &str) -> Option<&'a (Instant, Result<Duration, EngineError>)> {
        self.0.stops.get(id)?.end.as_ref()
    }

    fn engines(self) -> Option<&'a Engines> {
        self.0.engines.as_ref()
    }
}

/// The containers that publish one target and are ended for it.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    told: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    container: Container,
    is_killed: bool,
    begun: Instant,
    /// When it had ended, and how long that took; or why it did not.
    end: Option<(Instant, Result<Duration, EngineError>)>,
}

impl Publishers {
    /// Those that have ended.
    pub(super) fn stopped(&self) -> Vec<StoppedContainer> {
        let ended = self.told.iter().filter_map(|told| match &told.end {
            Some((_, Ok(elapsed))) => Some(StoppedContainer {
                container: told.container.clone(),
                elapsed: *elapsed,
                killed: told.is_killed,
            }),
            _ => None,
        });
        ended.collect()
    }

    /// Since when one of them is being ended, if one is.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let pending = self.told.iter().filter(|told| told.end.is_none());
        pending.map(|told| told.begun).min()
    }

    /// When the last of them had ended, or could not be.
    pub(super) fn last_end(&self) -> Option<Instant> {
        let ends = self.told.iter().filter_map(|told| told.end.as_ref());
        ends.map(|(at, _)| *at).max()
    }

    /// Takes in what the engines have done. Returns those that have just ended.
    pub(super) fn note_ends(&mut self, view: View<'_>) -> Vec<(Container, Duration)> {
        let mut ended = Vec::new();
        for told in self.told.iter_mut().filter(|told| told.end.is_none()) {
            told.end = view.end(&told.container.id).cloned();
            if let Some((_, Ok(elapsed))) = &told.end {
                ended.push((told.container.clone(), *elapsed));
            }
        }
        ended
    }
}

/// What to do about containers where a target has holders, of whom these may be ended. `None`: containers are not, or no longer, the way to
/// free it.
pub(super) fn on_holders(
    open: &mut Open,
    chosen: &[Permit],
    round: &Round<'_>,
) -> Option<Vec<Action>> {
    if round.options.containers == Containers::Never {
        return None;
    }
    let found = obstacles(open, round.crowd);
    let is_forwarded = found.iter().any(may_be_a_container);
    if open.containers.told.is_empty() && !is_forwarded {
        return None;
    }
    match progress(open, round, &found) {
        Step::Do(actions) => Some(actions),
        // There is something to be done without them first.
        Step::GiveUp(_) if !chosen.is_empty() => None,
        Step::GiveUp(mut more) if is_forwarded => {
            let mut all = found;
            all.append(&mut more);
            Some(vec![Action::GiveUp(all)])
        }
        Step::GiveUp(more) if !more.is_empty() => Some(vec![Action::GiveUp(more)]),
        Step::GiveUp(_) => None,
    }
}

/// What to do about containers where a target can be bound. `None`: they are not, or no longer, the way to free it.
pub(super) fn on_free(open: &mut Open, round: &Round<'_>) -> Option<Vec<Action>> {
    let has_ended_others = open.has_told(round.conduct) && open.containers.told.is_empty();
    if round.options.containers == Containers::Never || has_ended_others {
        return None;
    }
    match progress(open, round, &[]) {
        Step::Do(actions) => Some(actions),
        Step::GiveUp(obstacles) if !obstacles.is_empty() => Some(vec![Action::GiveUp(obstacles)]),
        Step::GiveUp(_) => None,
    }
}

enum Step {
    /// Do this, and wait.
    Do(Vec<Action>),
    /// Containers can't help, or not any more, for these reasons.
    GiveUp(Vec<Obstacle>),
}

fn progress(open: &mut Open, round: &Round<'_>, found: &[Obstacle]) -> Step {
    let view = round.engines;
    if open.containers.told.iter().any(|told| told.end.is_none()) {
        return Step::Do(Vec::new());
    }
    let failures: Vec<Obstacle> = open
        .containers
        .told
        .iter()
        .filter_map(|told| match &told.end {
            Some((_, Err(error))) => Some(Obstacle::Container {
                container: Box::new(told.container.clone()),
                error: error.clone(),
            }),
            _ => None,
        })
        .collect();
    if !failures.is_empty() {
        return Step::GiveUp(failures);
    }
    let ended = open.containers.last_end();
    // After a container has ended, only a new answer tells whether its port is published still.
    let users = users_of_forwarders(open, round.crowd);
    let Some(published) = view.answer(ended, &users) else {
        return Step::Do(vec![Action::Ask]);
    };
    let publishers: Vec<&Container> = published.publishing(open.target).collect();
    match ended {
        Some(ended) => after_the_end(open, round, found, &publishers, ended),
        None => before_the_end(open, round, found, &publishers),
    }
}

fn before_the_end(
    open: &mut Open,
    round: &Round<'_>,
    found: &[Obstacle],
    publishers: &[&Container],
) -> Step {
    let conflicts = conflicts(publishers, &open.target);
    if !conflicts.is_empty() {
        return Step::GiveUp(conflicts);
    }
    if others_keep_it(found) {
        return Step::GiveUp(Vec::new());
    }
    let agreed = |container: &Container| {
        let agreed = round.rules.agreed.as_ref();
        agreed.is_none_or(|agreed| agreed.containers.contains(&container.id))
    };
    let (agreed, others): (Vec<&Container>, Vec<&Container>) = publishers
        .iter()
        .copied()
        .partition(|container| agreed(container));
    if !others.is_empty() {
        return Step::GiveUp(others.into_iter().map(not_agreed).collect());
    }
    let elsewhere: Vec<Obstacle> = agreed.iter().filter_map(|it| outside(it, round)).collect();
    if !elsewhere.is_empty() {
        return Step::GiveUp(elsewhere);
    }
    if agreed.is_empty() {
        let is_orphaned = has_orphan(open, round.crowd);
        return Step::GiveUp(engine_obstacles(round.engines, found, is_orphaned));
    }
    let is_killed = round.options.first_signal() == Signal::Kill;
    let actions = agreed
        .into_iter()
        .map(|container| {
            open.containers.told.push(Told {
                container: container.clone(),
                is_killed,
                begun: round.at,
                end: None,
            });
            Action::Stop(Box::new(container.clone()))
        })
        .collect();
    Step::Do(actions)
}

fn after_the_end(
    open: &Open,
    round: &Round<'_>,
    found: &[Obstacle],
    publishers: &[&Container],
    ended: Instant,
) -> Step {
    // Without SIGKILL the engine's word comes before the container's end.
    let patience = if round.options.escalate || round.options.force {
        AFTERMATH
    } else {
        round.options.grace.saturating_add(AFTERMATH)
    };
    let is_over = publishers.is_empty() && !found.iter().any(may_be_a_container);
    if is_over {
        return Step::GiveUp(Vec::new());
    }
    if round.since(ended) < patience {
        return Step::Do(vec![Action::Ask]);
    }
    let still = publishers.iter().map(|container| {
        let mut error = EngineError::new(
            &container.endpoint,
            EngineErrorKind::StillPublished,
            "still publishes the port after its container was told to end",
        );
        error.help = Some(if round.options.escalate {
            let what =
                "something starts it again, or it is stuck: look with the engine's own command";
            Advice::Text(what.to_owned())
        } else {
            Advice::Force
        });
        Obstacle::Container {
            container: Box::new((*container).clone()),
            error,
        }
    });
    let still: Vec<Obstacle> = still.collect();
    log::debug!(target: "kill_port", "port {}: containers that still publish it: {}", open.target, still.len());
    Step::GiveUp(still)
}

/// Why this container is not one of those asked for, if they are asked for by a folder: it has one only by its compose project.
fn outside(container: &Container, round: &Round<'_>) -> Option<Obstacle> {
    round.options.within.as_ref()?;
    let within = round.rules.within.as_ref();
    let compose = container.compose.as_ref();
    let folder = compose.and_then(|compose| compose.folder.as_deref());
    // Without rules, nobody is one of those asked for.
    let is_inside =
        |folder: &std::path::Path| within.is_some_and(|within| within.is_named_by(folder));
    if folder.is_some_and(is_inside) {
        return None;
    }
    let what = match folder {
        Some(folder) => format!("by a compose project in {}", folder.display()),
        None => "by a container that has no folder".to_owned(),
    };
    let mut error = EngineError::new(
        &container.endpoint,
        EngineErrorKind::Outside,
        format_args!("publishes the port {what}, outside the folder asked for"),
    );
    error.help = Some(Advice::Anywhere);
    Some(Obstacle::Container {
        container: Box::new(container.clone()),
        error,
    })
}

fn not_agreed(container: &Container) -> Obstacle {
    let mut error = EngineError::new(
        &container.endpoint,
        EngineErrorKind::NotAgreed,
        "publishes the port by a container that was not among those agreed to",
    );
    error.help = Some(Advice::AgreeAgain);
    Obstacle::Container {
        container: Box::new(container.clone()),
        error,
    }
}

/// A forwarder, or a socket whose holder can't be determined: to an unprivileged user, root's forwarder looks like that.
pub(super) fn may_be_a_container(obstacle: &Obstacle) -> bool {
    match obstacle {
        Obstacle::Hidden { .. } => true,
        Obstacle::Spared { reason, .. } => *reason == SparedReason::Forwarder,
        Obstacle::NotPermitted { holder, .. } => forwarder(&holder.process).is_some(),
        _ => false,
    }
}

/// Whether somebody who is not to be ended keeps the port beside a forwarder: then it does not become free by the end of a container.
pub(super) fn others_keep_it(found: &[Obstacle]) -> bool {
    let forwarded: Vec<Protocol> = found
        .iter()
        .filter(|obstacle| may_be_a_container(obstacle))
        .flat_map(protocols)
        .collect();
    let others = found
        .iter()
        .filter(|obstacle| !may_be_a_container(obstacle));
    others
        .flat_map(protocols)
        .any(|protocol| forwarded.contains(&protocol))
}

/// The protocols of the sockets that are in the way.
fn protocols(of: &Obstacle) -> Vec<Protocol> {
    match of {
        Obstacle::Hidden { socket, .. } => vec![socket.protocol],
        Obstacle::Spared { holder, .. } | Obstacle::NotPermitted { holder, .. } => {
            let sockets = holder.sockets.iter();
            sockets.map(|socket| socket.protocol).collect()
        }
        _ => Vec::new(),
    }
}

/// How likely a forwarder is, and so how much an engine matters that can't be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suspicion {
    None,
    /// It may be root's.
    Perhaps,
    Sure,
}

fn suspicion(of: &Obstacle) -> Suspicion {
    match of {
        Obstacle::Hidden {
            candidates, socket, ..
        } => {
            let is_likely = candidates
                .iter()
                .any(|process| forwarder(process).is_some())
                || (candidates.is_empty() && socket.uid.is_none_or(|uid| uid == 0));
            if is_likely {
                Suspicion::Perhaps
            } else {
                Suspicion::None
            }
        }
        obstacle if may_be_a_container(obstacle) => Suspicion::Sure,
        _ => Suspicion::None,
    }
}

/// What to say about engines that could not be asked, where a forwarder's container was not found.
fn engine_obstacles(view: View<'_>, found: &[Obstacle], is_orphaned: bool) -> Vec<Obstacle> {
    let (Some(engines), Some(published)) = (view.engines(), view.answer(None, &[])) else {
        return Vec::new();
    };
    let errors = published
        .errors
        .iter()
        .cloned()
        .chain(engines.out_of_reach.iter().map(EngineError::not_permitted))
        .chain(
            engines
                .remote
                .iter()
                .map(|address| EngineError::remote(address)),
        );
    let suspicion = found.iter().map(suspicion).max().unwrap_or(Suspicion::None);
    if suspicion == Suspicion::None {
        for error in errors {
            log::info!(target: "kill_port", "{error}");
        }
        return Vec::new();
    }
    let mut errors: Vec<EngineError> = errors.collect();
    if suspicion == Suspicion::Perhaps {
        // An engine that does not run or is far away explains nothing then.
        errors.retain(|error| {
            !matches!(
                error.kind,
                EngineErrorKind::NotRunning | EngineErrorKind::Remote
            )
        });
    } else if errors.is_empty() && is_orphaned {
        errors.push(EngineError::orphan());
    } else if errors.is_empty() {
        errors.push(EngineError::no_container(engines.local.len()));
    }
    errors
        .into_iter()
        .map(|error| Obstacle::Engine { error })
        .collect()
}

/// Containers of different engines that can't all publish the target.
fn conflicts(containers: &[&Container], target: &Target) -> Vec<Obstacle> {
    let conflict = |container: &&Container| {
        let other = containers.iter().find(|other| {
            other.endpoint != container.endpoint && container.contradicts(other, target)
        })?;
        let mut error = EngineError::new(
            &container.endpoint,
            EngineErrorKind::Ambiguous,
            format_args!("says so, and {} says the same of {other}", other.engine),
        );
        error.help = Some(Advice::Text(
            "stop the right one by its engine's own command".to_owned(),
        ));
        Some(Obstacle::Container {
            container: Box::new((*container).clone()),
            error,
        })
    };
    containers.iter().filter_map(conflict).collect()
}

/// What containers would do for a target, and what would be in the way: for a plan.
pub(super) struct Forecast {
    pub containers: Vec<Container>,
    pub obstacles: Vec<Obstacle>,
}

impl Desk {
    /// Asks the engines and waits for their answer.
    pub(super) fn ask_and_wait(&mut self, users: HashSet<u32>, targets: Vec<Target>) {
        self.ask(users, targets, Instant::now());
        // The task ends at its deadline, if not before.
        self.take_answer(Duration::MAX);
    }

    pub(super) fn forecast(&self, open: &Open, round: &Round<'_>, found: &[Obstacle]) -> Forecast {
        let target = &open.target;
        let view = self.view();
        let publishers: Vec<&Container> = view
            .answer(None, &[])
            .into_iter()
            .flat_map(|published| published.publishing(*target))
            .collect();
        let mut obstacles = conflicts(&publishers, target);
        if publishers.is_empty() {
            obstacles = engine_obstacles(view, found, has_orphan(open, round.crowd));
        }
        let others = publishers.iter().filter_map(|it| outside(it, round));
        obstacles.extend(others);
        let containers = if obstacles.is_empty() {
            publishers.into_iter().cloned().collect()
        } else {
            Vec::new()
        };
        Forecast {
            containers,
            obstacles,
        }
    }
}

/// Whether one of these is a forwarder that has lost the engine that kept it.
fn has_orphan(open: &Open, crowd: &Crowd) -> bool {
    open.members.iter().any(|member| {
        let facts = &crowd[member.id];
        let mut above = facts.ancestors.iter().map(|&id| &crowd[id].process);
        is_kept_by_engine(&facts.process)
            && facts.unseen_parent.is_none()
            && above.all(|process| forwarder(process).is_none())
    })
}

/// The users of the forwarders among these: they may have engines of their own.
pub(super) fn users_of_forwarders(open: &Open, crowd: &Crowd) -> Vec<u32> {
    let members = open.members.iter().map(|member| &crowd[member.id]);
    let forwarders = members.filter(|facts| facts.is_forwarder);
    forwarders.filter_map(|facts| facts.process.uid).collect()
}
