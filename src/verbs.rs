//! What a caller does with options and targets: kill, plan, survey, explain.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::advice::{self, Units};
use crate::discovery::{Discovery, Extent};
use crate::error::Error;
use crate::escalation;
use crate::event::Event;
use crate::explain::{Explanation, explained, look_elsewhere};
use crate::options::KillOptions;
use crate::plan::Plan;
use crate::report::Freed;
use crate::socket::Survey;
use crate::sys;
use crate::target::{Address, Target};
use crate::users::Users;

impl KillOptions {
    /// Frees one target. `Ok` means that it can be bound now.
    ///
    /// A test suite asks for that before its server starts, as that of an earlier run may still be there:
    ///
    /// ```no_run
    /// use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    /// use kill_port::KillOptions;
    ///
    /// fn test_server() -> std::io::Result<TcpListener> {
    ///     let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 3000));
    ///     KillOptions::new().kill(address)?;
    ///     TcpListener::bind(address)
    /// }
    /// # let _ = test_server;
    /// ```
    ///
    /// # Errors
    /// [`Error`] tells what is in the way and who was ended before.
    pub fn kill(&self, target: impl Into<Target>) -> Result<Freed, Error> {
        self.kill_with(target, |_| ControlFlow::Continue(()))
    }

    /// Frees one target, tells of progress, and can be cancelled: the callback is called before each signal and after each look,
    /// as a rule every 25 ms. When it breaks, nobody else is signalled, and a target that is not finished by then ends with
    /// [`Obstacle::Cancelled`](crate::Obstacle::Cancelled). Signals that were sent are not taken back.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use kill_port::{Event, KillOptions};
    ///
    /// let freed = KillOptions::new().kill_with(8080, |event| {
    ///     if let Event::Signalled { process, signal, .. } = event {
    ///         println!("{signal} to {process}");
    ///     }
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok::<(), kill_port::Error>(())
    /// ```
    ///
    /// From asynchronous code, the call belongs on a thread of its own, and the callback is the way to cancel it:
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use kill_port::KillOptions;
    ///
    /// let cancelled = Arc::new(AtomicBool::new(false));
    /// let flag = Arc::clone(&cancelled);
    /// let task = std::thread::spawn(move || {
    ///     KillOptions::new().kill_with(8080, |_| match flag.load(Ordering::Relaxed) {
    ///         true => ControlFlow::Break(()),
    ///         false => ControlFlow::Continue(()),
    ///     })
    /// });
    /// // As soon as somebody has enough of it:
    /// cancelled.store(true, Ordering::Relaxed);
    /// println!("{:?}", task.join());
    /// ```
    ///
    /// With tokio, `tokio::task::spawn_blocking` takes the place of `std::thread::spawn`, and a `tokio::select!` that waits for the task
    /// and for `tokio::signal::ctrl_c()` sets the flag when the latter comes first.
    ///
    /// # Errors
    /// [`Error`] tells what is in the way and who was ended before.
    pub fn kill_with(
        &self,
        target: impl Into<Target>,
        mut callback: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Result<Freed, Error> {
        let target = target.into();
        one(target, self.free(&[target], &mut callback))
    }

    /// Frees several targets side by side, with one look at the process table for all. The results are in the order
    /// asked; a target that is named twice is freed once and answered twice.
    ///
    /// ```no_run
    /// for (target, result) in kill_port::KillOptions::new().kill_all([3000, 5173]) {
    ///     match result {
    ///         Ok(freed) => println!("{target}: {} processes ended", freed.ended.len()),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// ```
    pub fn kill_all<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Vec<(Target, Result<Freed, Error>)> {
        self.kill_all_with(targets, |_| ControlFlow::Continue(()))
    }

    /// [`KillOptions::kill_all`] with progress and cancellation, as in [`KillOptions::kill_with`].
    pub fn kill_all_with<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
        mut callback: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Vec<(Target, Result<Freed, Error>)> {
        self.free(&collected(targets), &mut callback)
    }

    fn free(
        &self,
        targets: &[Target],
        callback: escalation::Callback<'_>,
    ) -> Vec<(Target, Result<Freed, Error>)> {
        let mut results = escalation::run(self, targets, callback);
        name_users(results.iter_mut().map(|(_, result)| match result {
            Ok(freed) => freed as &mut dyn Users,
            Err(error) => error,
        }));
        let mut units = Units::default();
        for (_, result) in &mut results {
            match result {
                Ok(freed) => advice::advise_on_supervisors(&mut freed.supervisors, &mut units),
                Err(error) => advice::advise(error),
            }
        }
        results
    }

    /// What [`KillOptions::kill`] would do; nobody is signalled.
    ///
    /// ```no_run
    /// use kill_port::KillOptions;
    ///
    /// let plan = KillOptions::new().plan(8080)?;
    /// for report in &plan.holders {
    ///     println!("{}: {}", report.holder, report.fate.as_str());
    /// }
    /// if let Some(error) = &plan.error {
    ///     println!("it would not help: {error}");
    /// }
    /// # Ok::<(), kill_port::Error>(())
    /// ```
    ///
    /// # Errors
    /// Only where the system could not be asked. A target that would not become free is a [`Plan`] with an error in it.
    pub fn plan(&self, target: impl Into<Target>) -> Result<Plan, Error> {
        let target = target.into();
        one(target, self.plan_all([target]))
    }

    /// [`KillOptions::plan`] for several targets, with one look at the process table for all.
    pub fn plan_all<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Vec<(Target, Result<Plan, Error>)> {
        let targets = collected(targets);
        let planned = escalation::plan(self, &targets, Extent::Binds).map(|(_, planned)| {
            let mut units = Units::default();
            let plans = planned.into_iter().map(|(mut plan, _)| {
                advice::advise_on_plan(&mut plan, &mut units);
                plan
            });
            let mut plans: Vec<Plan> = plans.collect();
            name_users([&mut plans]);
            plans
        });
        answers(&targets, planned)
    }

    /// [`explain`], with the plan of these options.
    ///
    /// # Errors
    /// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
    pub fn explain(&self, target: impl Into<Target>) -> Result<Explanation, Error> {
        let target = target.into();
        one(target, self.explain_all([target]))
    }

    /// [`KillOptions::explain`] for several targets, with one look at the process table for all.
    pub fn explain_all<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Vec<(Target, Result<Explanation, Error>)> {
        let targets = collected(targets);
        let mut answer = self.look_and_explain(&targets);
        // What was in the way of a bind may have come after the look: then it is seen now.
        if answer
            .as_ref()
            .is_ok_and(|all| all.iter().any(Explanation::is_puzzling))
        {
            answer = self.look_and_explain(&targets);
        }
        if let Ok(explanations) = &mut answer {
            name_users([explanations]);
        }
        answers(&targets, answer)
    }

    fn look_and_explain(&self, targets: &[Target]) -> io::Result<Vec<Explanation>> {
        let (mut discovery, planned) = escalation::plan(self, targets, Extent::Uses)?;
        let mut units = Units::default();
        let explained = planned.into_iter().map(|(mut plan, sight)| {
            advice::advise_on_plan(&mut plan, &mut units);
            let mut explanation = explained(&mut discovery, plan, sight)?;
            advice::advise_on_causes(&mut explanation);
            Ok(explanation)
        });
        let mut explanations = explained.collect::<io::Result<Vec<Explanation>>>()?;
        look_elsewhere(&mut discovery, &mut explanations)?;
        Ok(explanations)
    }
}

/// Who holds the target. Looks at every descriptor that can be read, and signals nobody.
///
/// On Linux it rests on `sock_diag(7)` (or `/proc/net`, where that is refused) and on `/proc/PID/fd`.
///
/// ```no_run
/// for holder in kill_port::survey(8080)?.holders() {
///     println!("{holder}, in {:?}", holder.process.cwd);
/// }
/// # Ok::<(), kill_port::Error>(())
/// ```
///
/// # Errors
/// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
pub fn survey(target: impl Into<Target>) -> Result<Survey, Error> {
    let target = target.into();
    one(target, survey_each([target]))
}

/// [`survey`] for several targets, with one look at the process table for all.
///
/// ```no_run
/// for (target, survey) in kill_port::survey_each([3000, 5173]) {
///     println!("{target}: {} holders", survey?.holders().len());
/// }
/// # Ok::<(), kill_port::Error>(())
/// ```
pub fn survey_each<T: Into<Target>>(
    targets: impl IntoIterator<Item = T>,
) -> Vec<(Target, Result<Survey, Error>)> {
    let targets = collected(targets);
    let look = || {
        let mut discovery = Discovery::open()?;
        let sights = discovery.complete(&targets, Extent::Sockets)?.into_iter();
        let mut surveys: Vec<Survey> = sights.map(|sight| discovery.survey(sight)).collect();
        name_users([&mut surveys]);
        Ok(surveys)
    };
    answers(&targets, look())
}

/// Who holds anything: every listening socket of this network namespace.
///
/// ```no_run
/// for holder in kill_port::survey_all()?.holders() {
///     let ports: Vec<u16> = holder.sockets.iter().map(|socket| socket.port).collect();
///     println!("{}: {ports:?}", holder.process);
/// }
/// # Ok::<(), kill_port::Error>(())
/// ```
///
/// # Errors
/// Where the system can't be asked. The target of such an error has port 0.
pub fn survey_all() -> Result<Survey, Error> {
    let look = || {
        let mut discovery = Discovery::open()?;
        let sight = discovery.everything()?;
        let mut survey = discovery.survey(sight);
        name_users([&mut survey]);
        Ok(survey)
    };
    look().map_err(|error: io::Error| failed(Target::new(0), &Arc::new(error)))
}

/// Why the target can't be bound, who holds it and where they come from, with the plan of [`KillOptions::new`].
///
/// Beside a [`survey`], it reads the ancestry of each holder (on Linux also control groups), asks for the connections of the port, and
/// tries to bind the target; see [`Explanation::bind`]. Over UDP, and over TCP on Windows, `SO_REUSEADDR` is left out while
/// somebody holds the target, because there it would take datagrams or connections away from them.
///
/// ```no_run
/// let explanation = kill_port::explain(8080)?;
/// for cause in &explanation.causes {
///     println!("{cause}");
/// }
/// # Ok::<(), kill_port::Error>(())
/// ```
///
/// # Errors
/// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
pub fn explain(target: impl Into<Target>) -> Result<Explanation, Error> {
    KillOptions::new().explain(target)
}

/// Whether a server here could have this address: it is one of this machine's (on that interface, if it names one), a wildcard, or a
/// multicast group.
///
/// # Errors
/// What the system answers when it is asked (by binding a UDP socket to the address and no particular port).
pub fn is_local(address: impl Into<Address>) -> io::Result<bool> {
    crate::sys::is_local_address(address.into())
}

const LOOKING: &str = "looking at the process table";

/// The system could not be asked about a target.
fn failed(target: Target, error: &Arc<io::Error>) -> Error {
    let mut error = Error::system(target, LOOKING, error);
    advice::advise(&mut error);
    error
}

/// Gives the users in these answers their names: the last thing, as the system may have to ask a server for them.
fn name_users<'a, U: Users + ?Sized + 'a>(answers: impl IntoIterator<Item = &'a mut U>) {
    let mut answers: Vec<&mut U> = answers.into_iter().collect();
    let mut uids = HashSet::new();
    for answer in &mut answers {
        answer.each_user(&mut |uid, _| {
            uids.insert(uid);
        });
    }
    if uids.is_empty() {
        return;
    }
    let users = sys::users(uids.into_iter().collect());
    for answer in answers {
        answer.each_user(&mut |uid, name| *name = users.get(&uid).map(|user| user.name.clone()));
    }
}

fn collected<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Vec<Target> {
    targets.into_iter().map(Into::into).collect()
}

/// An answer for each target, or the same error for all.
fn answers<T>(targets: &[Target], answer: io::Result<Vec<T>>) -> Vec<(Target, Result<T, Error>)> {
    match answer {
        Ok(all) => targets
            .iter()
            .copied()
            .zip(all.into_iter().map(Ok))
            .collect(),
        Err(error) => {
            let error = Arc::new(error);
            let answer = |&target| (target, Err(failed(target, &error)));
            targets.iter().map(answer).collect()
        }
    }
}

/// The answer of the one target that was asked about.
fn one<T>(target: Target, answers: Vec<(Target, Result<T, Error>)>) -> Result<T, Error> {
    let missing = || {
        let error = Arc::new(io::Error::other("there is no answer"));
        Err(failed(target, &error))
    };
    let only = answers.into_iter().next();
    only.map_or_else(missing, |(_, answer)| answer)
}
