//! From a target that a container publishes to a free one.
//!
//! This goes around the escalation and leaves it as it is. First the ordinary holders are ended. Where that leaves a
//! forwarder or a socket of which no holder can be seen, or where nothing held the target at all, the engines are asked
//! once for all such targets, their containers are stopped side by side, and the escalation has the last word again:
//! it verifies, and ends what else holds the target.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::container::{Container, StoppedContainer};
use super::engine::{Endpoint, Engines};
use super::error::{EngineError, EngineErrorKind};
use super::transport::{Progress, Task};
use super::{Containers, Published, api, ask};
use crate::error::{Error, Obstacle};
use crate::escalation;
use crate::event::Event;
use crate::forwarder::forwarder;
use crate::options::KillOptions;
use crate::outcome::{Fate, Freed, HolderReport, Plan, SparedReason};
use crate::signal::Signal;
use crate::survey::survey;
use crate::target::Target;

type Callback<'a> = &'a mut dyn FnMut(&Event<'_>) -> ControlFlow<()>;
type Outcome = Result<Freed, Error>;

/// The callback is called at least this often.
const PULSE: Duration = Duration::from_millis(50);
/// How long the engines may take together for an answer: their own two seconds, and some for the threads.
const ANSWER: Duration = Duration::from_secs(3);
/// How long an engine may take to give up the port after it said that the container has ended.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What [`KillOptions::kill_all_with`] does where containers may be stopped.
pub(crate) fn run(
    options: &KillOptions,
    targets: &[Target],
    callback: Callback<'_>,
) -> Vec<(Target, Outcome)> {
    if options.containers == Containers::Never {
        return escalation::run(options, targets, callback);
    }
    let mut results = first_round(options, targets, callback);
    let affected: Vec<usize> = (0..results.len())
        .filter(|&index| {
            results
                .get(index)
                .is_some_and(|(_, result)| is_affected(result))
        })
        .collect();
    if !affected.is_empty() {
        free(options, &mut results, &affected, callback);
    }
    for (target, result) in &results {
        if result.is_err() {
            // There is nothing left that could be broken off.
            let _ = callback(&Event::GaveUp { target: *target });
        }
    }
    results
}

/// What [`KillOptions::plan_all`] does where containers may be stopped.
pub(crate) fn plan(
    options: &KillOptions,
    targets: &[Target],
) -> Vec<(Target, Result<Plan, Error>)> {
    let mut plans = escalation::plan(options, targets);
    if options.containers == Containers::Never {
        return plans;
    }
    if options.containers == Containers::Only {
        for (_, plan) in &mut plans {
            if let Ok(plan) = plan {
                spare_ordinary_holders(plan);
            }
        }
    }
    let affected: Vec<&mut Plan> = plans
        .iter_mut()
        .filter_map(|(_, plan)| plan.as_mut().ok())
        .filter(|plan| match &plan.error {
            None => plan.holders.is_empty(),
            Some(error) => points_to_containers(error),
        })
        .collect();
    if affected.is_empty() {
        return plans;
    }
    let users = affected
        .iter()
        .filter_map(|plan| plan.error.as_ref())
        .flat_map(users_of_forwarders)
        .collect::<Vec<u32>>();
    let engines = Engines::find(&users);
    let mut published = ask(&engines);
    published.containers.retain(|container| {
        affected
            .iter()
            .any(|plan| container.publishes(&plan.target))
    });
    api::inspect(&mut published.containers);
    for plan in affected {
        plan_containers(options, plan, &engines, &published);
    }
    plans
}

fn plan_containers(
    options: &KillOptions,
    plan: &mut Plan,
    engines: &Engines,
    published: &Published,
) {
    let mut containers = published.publishing(&plan.target);
    let conflicts = conflicts(&containers, &plan.target);
    if containers.is_empty() || !conflicts.is_empty() {
        let mut obstacles = conflicts;
        if containers.is_empty() {
            obstacles = engine_obstacles(plan.error.as_ref(), engines, published);
        }
        plan.error = with_obstacles(plan.target, plan.error.take(), obstacles);
        // Those in conflict are left alone, and the obstacles tell of them.
        containers.clear();
    } else if let Some(error) = &plan.error
        && error.obstacles().iter().all(may_be_a_container)
    {
        plan.error = None;
        let first = if options.force {
            Signal::Kill
        } else {
            options.signal
        };
        // The forwarder that stood in the way goes with its container, which is told of in its place.
        plan.holders
            .retain(|report| report.fate != Fate::Spared(SparedReason::Forwarder));
        for report in &mut plan.holders {
            if report.fate == Fate::Withheld {
                report.fate = Fate::WouldSignal;
                report.signals = vec![first];
            }
        }
    }
    plan.containers = containers;
}

/// The escalation, or for `Only` a look that signals nobody.
fn first_round(
    options: &KillOptions,
    targets: &[Target],
    callback: Callback<'_>,
) -> Vec<(Target, Outcome)> {
    if options.containers != Containers::Only {
        return escalation::run(options, targets, &mut |event| match event {
            // Whether it is given up is not decided yet.
            Event::GaveUp { .. } => ControlFlow::Continue(()),
            event => callback(event),
        });
    }
    escalation::plan(options, targets)
        .into_iter()
        .map(|(target, plan)| {
            let outcome = plan.and_then(|mut plan| {
                spare_ordinary_holders(&mut plan);
                match plan.error {
                    Some(error) => Err(error),
                    None => Ok(escalation::nothing_to_do(target)),
                }
            });
            (target, outcome)
        })
        .collect()
}

fn spare_ordinary_holders(plan: &mut Plan) {
    let mut obstacles = Vec::new();
    for report in &mut plan.holders {
        if report.fate == Fate::WouldSignal {
            report.fate = Fate::Spared(SparedReason::NoContainer);
            report.signals.clear();
            obstacles.push(Obstacle::Spared {
                holder: report.holder.clone(),
                reason: SparedReason::NoContainer,
            });
        }
    }
    plan.error = with_obstacles(plan.target, plan.error.take(), obstacles);
}

fn with_obstacles(target: Target, error: Option<Error>, obstacles: Vec<Obstacle>) -> Option<Error> {
    match error {
        Some(mut error) => {
            error.add(obstacles, Vec::new(), Vec::new(), Duration::ZERO);
            Some(error)
        }
        None if obstacles.is_empty() => None,
        None => Some(Error::new(target, obstacles, Vec::new(), Duration::ZERO)),
    }
}

/// Whether containers may have to do with this.
fn is_affected(result: &Outcome) -> bool {
    match result {
        Ok(freed) => freed.was_free(),
        Err(error) => points_to_containers(error),
    }
}

fn points_to_containers(error: &Error) -> bool {
    let obstacles = error.obstacles();
    obstacles.iter().any(may_be_a_container)
        && !obstacles
            .iter()
            .any(|obstacle| matches!(obstacle, Obstacle::Cancelled))
}

/// A forwarder, or a socket of which no holder can be seen: to an unprivileged user, root's forwarder looks like that.
fn may_be_a_container(obstacle: &Obstacle) -> bool {
    match obstacle {
        Obstacle::Hidden { .. } => true,
        Obstacle::Spared { reason, .. } => *reason == SparedReason::Forwarder,
        Obstacle::NotPermitted { holder } => forwarder(&holder.process).is_some(),
        _ => false,
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

fn suspicion(error: &Error) -> Suspicion {
    let of = |obstacle: &Obstacle| match obstacle {
        Obstacle::Hidden {
            candidates, socket, ..
        } => {
            if candidates
                .iter()
                .any(|process| forwarder(process).is_some())
                || (candidates.is_empty() && socket.uid.is_none_or(|uid| uid == 0))
            {
                Suspicion::Perhaps
            } else {
                Suspicion::None
            }
        }
        obstacle if may_be_a_container(obstacle) => Suspicion::Sure,
        _ => Suspicion::None,
    };
    error
        .obstacles()
        .iter()
        .map(of)
        .max()
        .unwrap_or(Suspicion::None)
}

fn users_of_forwarders(error: &Error) -> impl Iterator<Item = u32> {
    error.obstacles().iter().filter_map(|obstacle| {
        let process = &obstacle.holder()?.process;
        forwarder(process)?;
        process.uid
    })
}

impl Published {
    fn publishing(&self, target: &Target) -> Vec<Container> {
        self.containers
            .iter()
            .filter(|container| container.publishes(target))
            .cloned()
            .collect()
    }
}

/// What to say about engines that could not be asked, where a forwarder's container was not found.
fn engine_obstacles(
    error: Option<&Error>,
    engines: &Engines,
    published: &Published,
) -> Vec<Obstacle> {
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
    let suspicion = error.map_or(Suspicion::None, suspicion);
    if suspicion == Suspicion::None {
        for error in errors {
            log::info!("{error}");
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
    } else if errors.is_empty() {
        errors.push(EngineError::no_container(engines.local.len()));
    }
    errors
        .into_iter()
        .map(|error| Obstacle::Engine { error })
        .collect()
}

/// Containers of different engines that can't all publish the target.
fn conflicts(containers: &[Container], target: &Target) -> Vec<Obstacle> {
    containers
        .iter()
        .filter_map(|container| {
            let other = containers.iter().find(|other| {
                other.endpoint != container.endpoint && container.contradicts(other, target)
            })?;
            let mut error = EngineError::new(
                &container.endpoint,
                EngineErrorKind::Ambiguous,
                format_args!("says so, and {} says the same of {other}", other.engine),
            );
            error.help = Some("stop the right one by its engine's own command".to_owned());
            Some(Obstacle::Container {
                container: Box::new(container.clone()),
                error,
            })
        })
        .collect()
}

/// One container that is being ended.
struct Job {
    container: Container,
    /// The first target that it is stopped for.
    target: Target,
    result: Option<Result<Duration, EngineError>>,
}

fn free(
    options: &KillOptions,
    results: &mut [(Target, Outcome)],
    affected: &[usize],
    callback: Callback<'_>,
) {
    let started = Instant::now();
    let targets: Vec<Target> = affected
        .iter()
        .filter_map(|&index| results.get(index).map(|(target, _)| *target))
        .collect();
    let Some(&first) = targets.first() else {
        return;
    };
    let users: Vec<u32> = results
        .iter()
        .filter_map(|(_, result)| result.as_ref().err())
        .flat_map(users_of_forwarders)
        .collect();
    let engines = Engines::find(&users);
    let mut pulse = |processes_since: Instant, until_kill: Option<Duration>| {
        callback(&Event::Waiting {
            target: first,
            processes: &[],
            elapsed: processes_since.elapsed(),
            until_kill,
        })
    };

    let Some(published) = ask_with(&engines, &mut || pulse(started, None)) else {
        cancel(results, affected, started);
        return;
    };
    let mut jobs: Vec<Job> = Vec::new();
    let mut obstacles: Vec<Vec<Obstacle>> = Vec::new();
    for (&index, target) in affected.iter().zip(&targets) {
        let publishers = published.publishing(target);
        let mut against = conflicts(&publishers, target);
        if publishers.is_empty() {
            let error = results
                .get(index)
                .and_then(|(_, result)| result.as_ref().err());
            against = engine_obstacles(error, &engines, &published);
        } else if against.is_empty() {
            for container in publishers {
                if !jobs.iter().any(|job| job.container.id == container.id) {
                    jobs.push(Job {
                        container,
                        target: *target,
                        result: None,
                    });
                }
            }
        }
        obstacles.push(against);
    }

    let cancelled = end_all(options, &mut jobs, started, callback).is_break();
    // A container that refused stays where it is; there is nothing to wait for then.
    let released: Vec<Target> = targets
        .iter()
        .copied()
        .filter(|target| {
            jobs.iter()
                .any(|job| job.container.publishes(target) && matches!(job.result, Some(Ok(_))))
        })
        .collect();
    let aftermath = if jobs.is_empty() || cancelled {
        None
    } else {
        wait_until_given_up(options, &jobs, &released, callback)
    };
    let cancelled = cancelled || matches!(aftermath, Some(None));
    let left: Vec<Container> = aftermath.flatten().unwrap_or_default();

    let mut second = if cancelled || released.is_empty() {
        Vec::new()
    } else {
        first_round(options, &released, callback)
    };
    for ((&index, target), mut against) in affected.iter().zip(&targets).zip(obstacles) {
        let Some((_, slot)) = results.get_mut(index) else {
            continue;
        };
        let mut stopped = Vec::new();
        for job in jobs.iter().filter(|job| job.container.publishes(target)) {
            match &job.result {
                Some(Ok(elapsed)) => stopped.push(StoppedContainer {
                    container: job.container.clone(),
                    elapsed: *elapsed,
                    killed: options.force,
                }),
                Some(Err(error)) => against.push(Obstacle::Container {
                    container: Box::new(job.container.clone()),
                    error: error.clone(),
                }),
                None => {}
            }
        }
        against.extend(left.iter().filter(|container| container.publishes(target)).map(|container| {
            let mut error = EngineError::new(
                &container.endpoint,
                EngineErrorKind::StillPublished,
                "still publishes the port after its container was told to end",
            );
            error.help = Some(if options.escalate {
                "something starts it again, or it is stuck: look with the engine's own command".to_owned()
            } else {
                format!("`kill_port --force {target}` kills it")
            });
            Obstacle::Container {
                container: Box::new(container.clone()),
                error,
            }
        }));
        if cancelled {
            against.push(Obstacle::Cancelled);
        }
        let outcome = second
            .iter()
            .position(|(other, _)| other == target)
            .map(|position| second.swap_remove(position).1);
        merge(*target, slot, outcome, against, stopped, started.elapsed());
    }
}

/// Puts together what the two rounds and the engines have brought.
fn merge(
    target: Target,
    slot: &mut Outcome,
    second: Option<Outcome>,
    against: Vec<Obstacle>,
    stopped: Vec<StoppedContainer>,
    elapsed: Duration,
) {
    let first = std::mem::replace(slot, Ok(escalation::nothing_to_do(target)));
    *slot = match (first, second) {
        // Nothing was stopped: the first round's word stands.
        (Ok(freed), None) if against.is_empty() => Ok(freed),
        (Ok(freed), None) => {
            let mut error = Error::new(target, against, freed.ended, freed.elapsed);
            error.add(Vec::new(), Vec::new(), stopped, elapsed);
            Err(error)
        }
        (Err(mut error), None) => {
            error.add(against, Vec::new(), stopped, elapsed);
            Err(error)
        }
        (first, Some(second)) => {
            let (earlier, before) = match &first {
                Ok(freed) => (freed.ended.clone(), freed.elapsed),
                // The forwarder is told of as its container.
                Err(error) => (signalled(error.holders()), error.elapsed()),
            };
            match second {
                Ok(mut freed) if against.is_empty() => {
                    let mut ended = earlier;
                    ended.append(&mut freed.ended);
                    freed.ended = ended;
                    freed.containers = stopped;
                    freed.elapsed = before.saturating_add(elapsed);
                    Ok(freed)
                }
                Ok(freed) => {
                    let mut error = Error::new(target, against, freed.ended, before);
                    error.add(Vec::new(), earlier, stopped, elapsed);
                    Err(error)
                }
                Err(mut error) => {
                    error.add(against, earlier, stopped, before.saturating_add(elapsed));
                    Err(error)
                }
            }
        }
    };
}

fn signalled(reports: &[HolderReport]) -> Vec<HolderReport> {
    reports
        .iter()
        .filter(|report| !report.signals.is_empty())
        .cloned()
        .collect()
}

fn cancel(results: &mut [(Target, Outcome)], affected: &[usize], started: Instant) {
    for &index in affected {
        if let Some((_, Err(error))) = results.get_mut(index) {
            error.add(
                vec![Obstacle::Cancelled],
                Vec::new(),
                Vec::new(),
                started.elapsed(),
            );
        }
    }
}

/// Asks the engines and keeps the callback going. `None` if it broke off.
fn ask_with(engines: &Engines, pulse: &mut dyn FnMut() -> ControlFlow<()>) -> Option<Published> {
    // Where there is no engine, a free port shall cost nothing.
    if engines.local.is_empty() {
        return Some(Published::default());
    }
    let local: Vec<Endpoint> = engines.local.clone();
    let task = Task::start(ANSWER, move |_| api::list(&local));
    patiently(&task, pulse).map(|answer| {
        answer.map_or_else(
            || Published {
                containers: Vec::new(),
                errors: engines
                    .local
                    .iter()
                    .map(EngineError::not_answering)
                    .collect(),
            },
            |(containers, errors)| Published { containers, errors },
        )
    })
}

/// Waits for a task and keeps the callback going. The outer `None` means that it broke off, the inner one that time ran
/// out.
fn patiently<T: Send + 'static>(
    task: &Task<T>,
    pulse: &mut dyn FnMut() -> ControlFlow<()>,
) -> Option<Option<T>> {
    loop {
        match task.wait(PULSE) {
            Progress::Done(answer) => return Some(Some(answer)),
            Progress::TimedOut => return Some(None),
            Progress::Running => {
                if pulse().is_break() {
                    return None;
                }
            }
        }
    }
}

/// Tells the engines to end the containers, and waits for their word.
fn end_all(
    options: &KillOptions,
    jobs: &mut [Job],
    started: Instant,
    callback: Callback<'_>,
) -> ControlFlow<()> {
    let Some(first) = jobs.first().map(|job| job.target) else {
        return ControlFlow::Continue(());
    };
    // The engine begins with the container's own stop signal, so all that is left of the options is the patience.
    let how = if options.force || options.signal == Signal::Kill {
        api::Ending::Kill
    } else if options.escalate {
        api::Ending::Stop(options.grace)
    } else {
        api::Ending::Ask
    };
    let mut containers: Vec<Container> = jobs.iter().map(|job| job.container.clone()).collect();
    let inspection = Task::start(ANSWER, move |_| {
        api::inspect(&mut containers);
        containers
    });
    let inspected = patiently(&inspection, &mut || {
        callback(&Event::Waiting {
            target: first,
            processes: &[],
            elapsed: started.elapsed(),
            until_kill: None,
        })
    });
    match inspected {
        None => return ControlFlow::Break(()),
        Some(None) => {}
        Some(Some(containers)) => {
            for (job, container) in jobs.iter_mut().zip(containers) {
                job.container = container;
            }
        }
    }

    let began = Instant::now();
    let mut stopping = Vec::new();
    for job in jobs.iter() {
        log::info!("stopping {}, which publishes {}", job.container, job.target);
        callback(&Event::Stopping {
            target: job.target,
            container: &job.container,
        })?;
        stopping.push(api::end(&job.container, how));
    }
    loop {
        let mut waited = false;
        for (job, stopping) in jobs.iter_mut().zip(&stopping) {
            if job.result.is_some() {
                continue;
            }
            // One wait a turn keeps the pulse, however many there are.
            let at_most = if waited { Duration::ZERO } else { PULSE };
            waited = true;
            if let Some(result) = stopping.wait(at_most) {
                let elapsed = began.elapsed();
                job.result = Some(result.map(|()| elapsed));
                if matches!(job.result, Some(Ok(_))) {
                    callback(&Event::Stopped {
                        target: job.target,
                        container: &job.container,
                        elapsed,
                    })?;
                }
            }
        }
        if !waited {
            return ControlFlow::Continue(());
        }
        let until_kill = matches!(how, api::Ending::Stop(_))
            .then(|| options.grace.saturating_sub(began.elapsed()));
        callback(&Event::Waiting {
            target: first,
            processes: &[],
            elapsed: began.elapsed(),
            until_kill,
        })?;
    }
}

/// Waits until neither the engines' lists nor the kernel know of these targets any more, or the time is over. Returns
/// the containers that still publish one of them; the inner `None` means that the callback broke off.
#[allow(clippy::option_option)]
fn wait_until_given_up(
    options: &KillOptions,
    jobs: &[Job],
    released: &[Target],
    callback: Callback<'_>,
) -> Option<Option<Vec<Container>>> {
    let first = *released.first()?;
    // Without SIGKILL the engine's word comes before the container's end.
    let patience = if options.escalate || options.force {
        AFTERMATH
    } else {
        options.grace.saturating_add(AFTERMATH)
    };
    let mut local: Vec<Endpoint> = Vec::new();
    for job in jobs {
        if !local.contains(&job.container.endpoint) {
            local.push(job.container.endpoint.clone());
        }
    }
    let engines = Engines {
        local,
        ..Engines::default()
    };
    let began = Instant::now();
    loop {
        let mut pulse = || {
            callback(&Event::Waiting {
                target: first,
                processes: &[],
                elapsed: began.elapsed(),
                until_kill: None,
            })
        };
        let Some(published) = ask_with(&engines, &mut pulse) else {
            return Some(None);
        };
        let left: Vec<Container> = published
            .containers
            .into_iter()
            .filter(|container| released.iter().any(|target| container.publishes(target)))
            // One that refused is told of already.
            .filter(|container| {
                !jobs.iter().any(|job| {
                    job.container.id == container.id && matches!(job.result, Some(Err(_)))
                })
            })
            .collect();
        let is_over = began.elapsed() >= patience;
        if is_over || (left.is_empty() && !released.iter().any(is_forwarded)) {
            return Some(Some(left));
        }
        std::thread::sleep(PULSE);
        if pulse().is_break() {
            return Some(None);
        }
    }
}

/// Whether a forwarder, or somebody who can't be seen, still holds the target.
fn is_forwarded(target: &Target) -> bool {
    survey(*target).is_ok_and(|survey| {
        !survey.hidden().is_empty()
            || survey
                .holders()
                .iter()
                .any(|holder| forwarder(&holder.process).is_some())
    })
}
