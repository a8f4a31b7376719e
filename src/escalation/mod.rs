//! The loop and its clock: look, decide, act, and back, until every target is free or it is certain that it can't be freed.
//!
//! A round is one snapshot: one instant, one set of sockets, one set of exits. [`decide`] makes of it what is to be done. Only two
//! places touch the system: the look and the deed.

mod conduct;
mod decide;
#[cfg(feature = "containers")]
mod engines;
mod job;
mod plan;
mod supervisors;
mod unseen;

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use self::conduct::Conduct;
use self::decide::{
    Action, Ended, Round, aftermath, decide, ended, is_bound_for_long, is_related, takes_place,
    wants_holders,
};
use self::job::{Job, Open, State};
use crate::discovery::{Discovery, Id, Newcomer, Sight};
use crate::error::{Error, Obstacle};
use crate::event::Event;
use crate::filtration::{Candidate, Part, Permit, Rules, Verdict, judge, judge_holders};
use crate::options::KillOptions;
use crate::process::{Identity, Process};
use crate::report::{Fate, Freed};
use crate::signal::Signal;
use crate::socket::Socket;
use crate::supervisor::{Restarts, Supervisor};
use crate::sys::{self, Condition, Delivery, Depth, Folder, Mark};
use crate::target::Target;
use crate::verification::{Need, proves_free};

pub(crate) use plan::plan;

pub(crate) type Callback<'a> = &'a mut dyn FnMut(&Event<'_>) -> ControlFlow<()>;

/// The first pause between two looks at the socket table; each is twice as long as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(25);
/// From so many ports on, one question about the connections of all is cheaper than one bind of each.
const MANY: usize = 32;
/// The pause between two looks at a port where somebody may serve now and then.
const WATCH_PAUSE: Duration = Duration::from_millis(2);

/// Frees targets side by side. The results are in the order asked.
pub(crate) fn run(
    options: &KillOptions,
    targets: &[Target],
    callback: Callback<'_>,
) -> Vec<(Target, Result<Freed, Error>)> {
    let mut results: HashMap<Target, Result<Freed, Error>> = HashMap::new();
    let jobs = jobs(targets, Instant::now());
    match Work::new(options, jobs) {
        Ok(mut work) => {
            work.drive(callback);
            let done = work.jobs.into_iter();
            results.extend(done.map(|job| (job.target, result(job))));
        }
        Err(error) => {
            let error = Arc::new(error);
            let doing = match error.kind() {
                io::ErrorKind::InvalidInput => "opening what was asked for",
                _ => "opening the process table",
            };
            let failed = |target| Err(Error::system(target, doing, &error));
            results.extend(targets.iter().map(|&target| (target, failed(target))));
        }
    }
    targets
        .iter()
        .map(|&target| {
            // Port 0 is nobody's port, so that no job is made of it.
            let result = results.get(&target).cloned();
            (target, result.unwrap_or_else(|| Ok(nothing_to_do(target))))
        })
        .collect()
}

/// A job for each target, once.
fn jobs(targets: &[Target], now: Instant) -> Vec<Job> {
    let mut unique: Vec<Target> = targets
        .iter()
        .copied()
        .filter(|target| target.port() != 0)
        .collect();
    unique.sort_unstable();
    unique.dedup();
    unique
        .into_iter()
        .map(|target| Job::new(target, now))
        .collect()
}

/// What came of a job. One that is still open was broken off.
fn result(job: Job) -> Result<Freed, Error> {
    match job.state {
        State::Done(result) => result,
        State::Open(open) => Err(Error::new(
            job.target,
            vec![Obstacle::Cancelled],
            Vec::new(),
            open.started.elapsed(),
        )),
    }
}

fn nothing_to_do(target: Target) -> Freed {
    Freed {
        target,
        ended: Vec::new(),
        #[cfg(feature = "containers")]
        containers: Vec::new(),
        supervisors: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

/// What serves every round.
struct Work<'o> {
    shared: Shared<'o>,
    /// Known by their places: none is added or removed once the work has begun.
    jobs: Vec<Job>,
    /// Whether there was a round before this one. In the first, nobody was told to end, by whatever way.
    has_looked: bool,
    /// Who had exited in the last round.
    gone: HashSet<Id>,
    /// The shells that were asked about in this round, and whether they have started something since.
    going_on: HashMap<Id, bool>,
    /// Whether a target of this round wants to know what the container engines publish.
    #[cfg(feature = "containers")]
    asks: bool,
}

/// What all targets have in common.
struct Shared<'o> {
    options: &'o KillOptions,
    discovery: Discovery,
    /// Rules that permit nobody, until a process is seen: a free port does not need the caller's ancestors.
    rules: Rules,
    /// The folder in which somebody has to work to be ended, if that was asked.
    within: Option<Folder>,
    conduct: Conduct,
    #[cfg(feature = "containers")]
    desk: engines::Desk,
}

/// Who holds a target, and by which sockets.
type Held = Vec<(Id, Vec<Socket>)>;

/// The holders that were found of each of these targets.
fn held<'s>(
    targets: &[Target],
    sights: impl Iterator<Item = Option<&'s Sight>>,
) -> Vec<(Target, Held)> {
    let found = targets.iter().zip(sights);
    found
        .filter_map(|(&target, sight)| Some((target, sight?.found.as_ref()?.held.clone())))
        .collect()
}

/// What one round has seen.
struct Snapshot {
    at: Instant,
    /// Who was told to end and has exited since the round before.
    exits: Vec<Id>,
    gone: HashSet<Id>,
    /// Who is on the way out, of those who were told to end and of those who may not be.
    exiting: HashSet<Id>,
    /// Of each job that is open, by its place: a look has room for all of them before it fills in any.
    sights: Vec<Option<Sight>>,
}

impl<'o> Shared<'o> {
    fn new(options: &'o KillOptions) -> io::Result<Self> {
        let within = options.within.as_deref().map(|path| {
            Folder::open(path).map_err(|error| {
                let text = format!("the folder {}: {error}", path.display());
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })
        });
        Ok(Self {
            options,
            within: within.transpose()?,
            discovery: Discovery::open()?,
            rules: Rules::of_nobody(),
            conduct: Conduct::default(),
            #[cfg(feature = "containers")]
            desk: engines::Desk::new(options),
        })
    }

    fn round<'a>(&'a self, snapshot: &'a Snapshot) -> Round<'a> {
        Round {
            at: snapshot.at,
            options: self.options,
            rules: &self.rules,
            crowd: &self.discovery.people.crowd,
            conduct: &self.conduct,
            gone: &snapshot.gone,
            exiting: &snapshot.exiting,
            #[cfg(feature = "containers")]
            engines: self.desk.view(),
        }
    }

    /// Learns who the caller is and who is above it, before anybody is judged.
    fn learn_rules(&mut self) -> io::Result<()> {
        if self.rules.caller.is_some() {
            return Ok(());
        }
        let people = &mut self.discovery.people;
        let above = sys::ancestors()?;
        people.asks_for_unseen_children = above.breaks_off;
        let line = people.pass_line(above.handles).into_iter();
        let met: HashMap<Identity, Id> = line
            .map(|id| (people.crowd[id].process.identity(), id))
            .collect();
        let mut ancestors = HashSet::new();
        for identity in above.found {
            let id = match met.get(&identity) {
                Some(&id) => Some(id),
                None => people.pass(identity.pid)?,
            };
            ancestors.extend(id.filter(|&id| people.crowd[id].process.identity() == identity));
        }
        let caller = sys::caller();
        let caller = match met.into_iter().find(|(identity, _)| identity.pid == caller) {
            Some((_, id)) => Some(id),
            None => people.pass(caller)?,
        };
        self.rules = Rules {
            caller,
            place: caller.map(|id| people.crowd[id].place).unwrap_or_default(),
            ancestors,
            breaks_off: above.breaks_off,
            ephemeral: sys::ephemeral_ports(),
            within: self.within.clone(),
            ..Rules::of(self.options)
        };
        Ok(())
    }

    /// Looks where everybody works, if that matters: for this round's decisions, and after everybody was met.
    fn locate(&mut self) {
        if let Some(folder) = &self.rules.within {
            self.discovery.people.locate(folder);
        }
    }

    /// Who is on the way out, of those who hold or use this target and may not be ended, or may not be alone.
    fn leaving(&self, target: Target, sight: &Sight) -> HashSet<Id> {
        let people = &self.discovery.people;
        let is_clear = |id: Id, sockets: &[Socket]| {
            let candidate = Candidate {
                id,
                part: Part::Holder,
                sockets,
                denied: self.conduct.of(id).denied,
            };
            let verdict = judge(&self.rules, &people.crowd, target, &candidate);
            // Whose user can't be read is suspected of having a socket from somebody else.
            matches!(verdict, Verdict::Signal(_)) && people.crowd[id].process.uid.is_some()
        };
        let held = sight.found.iter().flat_map(|found| &found.held);
        let holders = held.filter(|(id, sockets)| !is_clear(*id, sockets));
        let concerned: HashSet<Id> = holders
            .map(|(id, _)| *id)
            .chain(sight.users_in_the_way())
            .collect();
        let ids = concerned.into_iter();
        ids.filter(|&id| people.handle(id).condition() == Condition::Exiting)
            .collect()
    }

    /// Learns who is above these holders, and who else depends on those.
    fn learn_others(&mut self, targets: &[Target], held: &[(Target, Held)]) -> io::Result<()> {
        let ids = held.iter().flat_map(|(_, held)| held).map(|(id, _)| *id);
        let mut kept: HashSet<Id> = ids.collect();
        let above = self.describe_supervisors(&kept)?;
        if above.is_empty() {
            return Ok(());
        }
        let crowd = &self.discovery.people.crowd;
        let mut ended: HashSet<Id> = HashSet::new();
        for (target, held) in held {
            let candidates: Vec<Candidate<'_>> = held
                .iter()
                .map(|(id, sockets)| Candidate {
                    id: *id,
                    part: Part::Holder,
                    sockets,
                    denied: self.conduct.of(*id).denied,
                })
                .collect();
            let verdicts = judge_holders(&self.rules, crowd, *target, &candidates, &[]);
            let ids = verdicts.into_iter().filter_map(|verdict| match verdict {
                Verdict::Signal(permit) => Some(permit.id()),
                _ => None,
            });
            ended.extend(ids);
        }
        kept.retain(|id| !ended.contains(id));
        self.rules.others = self
            .discovery
            .others_below(&above, &ended, &kept, targets)?;
        Ok(())
    }

    /// Reads everything about those who may start these again, and returns them.
    fn describe_supervisors(&mut self, of: &HashSet<Id>) -> io::Result<HashSet<Id>> {
        let people = &mut self.discovery.people;
        let rules = &self.rules;
        let above = of
            .iter()
            .flat_map(|&id| rules.supervisors(&people.crowd, id));
        let above: HashSet<Id> = above.copied().collect();
        people.describe_all(&above.iter().copied().collect::<Vec<_>>())?;
        Ok(above)
    }

    /// Sends a signal to somebody for whom there is the judge's word. `true` if it was sent.
    fn signal(&mut self, permit: Permit, signal: Signal, now: Instant) -> io::Result<bool> {
        let id = permit.id();
        // Another target may have come first.
        if !self.conduct.is_new(id, signal) {
            return Ok(false);
        }
        let since = (self.conduct.since).unwrap_or_else(|| (wall_clock(), Mark::now()));
        let handle = self.discovery.people.handle(id);
        match handle.signal(signal)? {
            Delivery::Sent => {
                self.conduct.since.get_or_insert(since);
                self.conduct.note_sent(id, signal, now);
                Ok(true)
            }
            Delivery::Gone => {
                self.discovery.people.note_gone(id);
                self.conduct.note_end(id, now);
                Ok(false)
            }
            Delivery::NotPermitted => {
                self.conduct.note_denial(id);
                Ok(false)
            }
        }
    }
}

impl<'o> Work<'o> {
    fn new(options: &'o KillOptions, jobs: Vec<Job>) -> io::Result<Self> {
        let shared = Shared::new(options)?;
        Ok(Self {
            shared,
            jobs,
            has_looked: false,
            gone: HashSet::new(),
            going_on: HashMap::new(),
            #[cfg(feature = "containers")]
            asks: false,
        })
    }

    fn drive(&mut self, callback: Callback<'_>) {
        let mut pause = FIRST_PAUSE;
        while self.jobs.iter().any(|job| job.open().is_some()) {
            let flow = match self.advance(callback) {
                Ok(ControlFlow::Continue(has_changed)) => {
                    let longer = pause.saturating_mul(2).min(LAST_PAUSE);
                    pause = if has_changed { FIRST_PAUSE } else { longer };
                    self.tell_waiting(callback)
                }
                Ok(ControlFlow::Break(())) => ControlFlow::Break(()),
                Err(error) => {
                    let error = Arc::new(error);
                    let obstacle = || Obstacle::system("looking at the process table", &error);
                    return self.give_all_up(obstacle, callback);
                }
            };
            if flow.is_break() {
                return self.give_all_up(|| Obstacle::Cancelled, callback);
            }
            self.wait(pause);
        }
    }

    /// One round of all targets. Tells whether something changed, or that the callback breaks off.
    fn advance(&mut self, callback: Callback<'_>) -> io::Result<ControlFlow<(), bool>> {
        let snapshot = self.look()?;
        let ControlFlow::Continue(mut has_changed) = self.note_exits(&snapshot, callback) else {
            return Ok(ControlFlow::Break(()));
        };
        #[cfg(feature = "containers")]
        match self.note_stops(callback) {
            ControlFlow::Continue(has_stopped) => has_changed |= has_stopped,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        }
        for place in 0..self.jobs.len() {
            let (Some(sight), Some(open)) = (
                snapshot.sights.get(place).and_then(Option::as_ref),
                self.jobs[place].open_mut(),
            ) else {
                continue;
            };
            let actions = decide(open, sight, &self.shared.round(&snapshot));
            let is_deed = |action: &Action| !action.is_question();
            has_changed |= sight.found.is_some() || actions.iter().any(is_deed);
            // Whoever breaks off while somebody is waited for means the signals that would come now; between two of them, the event of the
            // first one asks.
            let is_escalating = open.has_told(&self.shared.conduct)
                && actions
                    .iter()
                    .any(|action| matches!(action, Action::Signal(..)));
            if is_escalating && self.tell_waiting_for(place, callback).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for action in actions {
                if self.act(place, action, &snapshot, callback).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        #[cfg(feature = "containers")]
        if std::mem::take(&mut self.asks) {
            self.ask_engines();
        }
        self.gone = snapshot.gone;
        self.has_looked = true;
        Ok(ControlFlow::Continue(has_changed))
    }

    /// Asks the engines for all targets.
    #[cfg(feature = "containers")]
    fn ask_engines(&mut self) {
        let crowd = &self.shared.discovery.people.crowd;
        let open = self.jobs.iter().filter_map(Job::open);
        let users = open.flat_map(|open| engines::users_of_forwarders(open, crowd));
        let users: HashSet<u32> = users.collect();
        let targets = self.jobs.iter().map(|job| job.target).collect();
        self.shared.desk.ask(users, targets, Instant::now());
    }

    /// The look: all that the decisions of this round are made of.
    fn look(&mut self) -> io::Result<Snapshot> {
        let at = Instant::now();
        self.going_on.clear();
        self.shared.discovery.people.begin_look();
        let (gone, exiting) = self.exits_and_wakes();
        let conduct = &mut self.shared.conduct;
        let exits: Vec<Id> = conduct.pending().filter(|id| gone.contains(id)).collect();
        for &id in &exits {
            conduct.note_end(id, at);
        }
        #[cfg(feature = "containers")]
        self.shared.desk.poll(at);
        let mut snapshot = Snapshot {
            at,
            exits,
            gone,
            exiting,
            sights: Vec::new(),
        };
        let places: Vec<usize> = (0..self.jobs.len())
            .filter(|&place| self.jobs[place].open().is_some())
            .collect();
        let targets = self.targets(&places);
        let (listening, is_all) = self.shared.discovery.listening(&targets)?;
        snapshot.sights.resize_with(self.jobs.len(), || None);
        for (&place, sockets) in places.iter().zip(listening) {
            snapshot.sights[place] = Some(Sight {
                sockets,
                ..Sight::default()
            });
        }
        self.learn_who_starts_again();
        self.look_for_newcomers(&mut snapshot)?;
        self.look_for_bound(is_all, &mut snapshot)?;
        self.look_for_holders(&mut snapshot)?;
        self.look_for_proof(&mut snapshot)?;
        Ok(snapshot)
    }

    /// Whoever may start a server again is known by its command, and named with it even if it ends meanwhile.
    fn learn_who_starts_again(&mut self) {
        let opens = self.jobs.iter().filter_map(Job::open);
        let opens = opens.filter(|open| open.generations > 0 || open.free_since.is_some());
        let members = opens.flat_map(|open| &open.members);
        let told = members.map(|member| member.id);
        let told: HashSet<Id> = told
            .filter(|&id| self.shared.conduct.was_told(id))
            .collect();
        // Without that it counts as one that does.
        let _ = self.shared.describe_supervisors(&told);
    }

    fn targets(&self, places: &[usize]) -> Vec<Target> {
        places
            .iter()
            .map(|&place| self.jobs[place].target)
            .collect()
    }

    /// The places of the open jobs of which this is so.
    fn places(
        &self,
        snapshot: &Snapshot,
        mut which: impl FnMut(&Open, &Sight, &Round<'_>) -> bool,
    ) -> Vec<usize> {
        let round = self.shared.round(snapshot);
        let jobs = self.jobs.iter().zip(&snapshot.sights).enumerate();
        jobs.filter_map(|(place, (job, sight))| {
            let is_one = which(job.open()?, sight.as_ref()?, &round);
            is_one.then_some(place)
        })
        .collect()
    }

    /// Who has exited of those that were told to end, that may start them again, or that have just been started; and who is on its way out.
    /// Whoever is stopped goes on: it can't act on what it was told.
    fn exits_and_wakes(&mut self) -> (HashSet<Id>, HashSet<Id>) {
        let conduct = &self.shared.conduct;
        let people = &mut self.shared.discovery.people;
        let mut watched: HashSet<Id> = conduct.pending().collect();
        for open in self.jobs.iter().filter_map(Job::open) {
            let told = open.members.iter().map(|member| member.id);
            for id in told.filter(|&id| conduct.was_told(id)) {
                let supervisors = self.shared.rules.supervisors(&people.crowd, id).len();
                let above = &people.crowd[id].ancestors;
                // The one at which the chain of supervisors ends may start something as well.
                watched.extend(above.iter().take(supervisors + 1));
            }
            if open.watch.is_some() {
                let members = open.members.iter();
                let above = members
                    .flat_map(|member| self.shared.rules.supervisors(&people.crowd, member.id));
                watched.extend(above);
            }
            let newcomers = open.newcomers.iter().flatten();
            watched.extend(newcomers.map(|newcomer| newcomer.id));
        }
        let mut gone = HashSet::new();
        let mut exiting = HashSet::new();
        for id in watched {
            if people.is_gone(id) {
                gone.insert(id);
            } else if conduct.is_pending(id) {
                let handle = people.handle(id);
                match handle.condition() {
                    Condition::Running => {}
                    Condition::Stopped => handle.wake(),
                    Condition::Exiting => {
                        exiting.insert(id);
                    }
                }
            }
        }
        (gone, exiting)
    }

    /// Looks for what was started since the holders were told to end: servers take their time until they listen. One question for all.
    fn look_for_newcomers(&mut self, snapshot: &mut Snapshot) -> io::Result<()> {
        let places = self.places(snapshot, |open, sight, round| {
            sight.sockets.is_empty() && aftermath(open, sight, round).needs() == Need::Newcomers
        });
        if places.is_empty() {
            return Ok(());
        }
        let round = self.shared.round(snapshot);
        let opens = places.iter().map(|&place| self.jobs[place].open());
        let ended: Vec<Vec<Ended>> = opens
            .map(|open| open.map(|open| ended(open, &round)).unwrap_or_default())
            .collect();
        let above: HashSet<Id> = ended.iter().flatten().filter_map(Ended::starter).collect();
        let above: Vec<Id> = above.into_iter().collect();
        let started = match self.shared.conduct.since {
            Some((_, mark)) => self.shared.discovery.started_since(mark, &above)?,
            None => Vec::new(),
        };
        let people = &mut self.shared.discovery.people;
        let of_one = |ended: &Vec<Ended>| -> Vec<Id> {
            let started = started.iter().copied();
            let related = started.filter(|&id| is_related(ended, id, &people.crowd));
            related.collect()
        };
        let related: Vec<Vec<Id>> = ended.iter().map(of_one).collect();
        let all: HashSet<Id> = related.iter().flatten().copied().collect();
        people.describe_all(&all.iter().copied().collect::<Vec<_>>())?;
        // What one that ended before it could be looked at has left behind, the next look shows.
        let has_ended: HashSet<Id> = all.into_iter().filter(|&id| people.is_gone(id)).collect();
        for ((place, ended), related) in places.into_iter().zip(ended).zip(related) {
            let newcomer = |id: Id| {
                let takes_place = takes_place(&ended, id, &people.crowd);
                let is_supervised =
                    takes_place.or_else(|| has_ended.contains(&id).then_some(false))?;
                Some(Newcomer { id, is_supervised })
            };
            if let Some(sight) = &mut snapshot.sights[place] {
                sight.newcomers = Some(related.into_iter().filter_map(newcomer).collect());
            }
        }
        Ok(())
    }

    /// Looks for sockets that are bound without listening: before anybody is judged, and before a target is called free. In the first round,
    /// one bind may answer that and more. A port that only a table with gaps calls free is asked for by itself.
    fn look_for_bound(&mut self, is_all: bool, snapshot: &mut Snapshot) -> io::Result<()> {
        let places = self.places(snapshot, |open, sight, round| {
            if sight.sockets.is_empty() {
                open.free_since.is_none()
                    || !open.bound_before.is_empty()
                    || aftermath(open, sight, round).needs() == Need::Proof
            } else {
                wants_holders(open, &sight.sockets, round)
            }
        });
        let mut asked = Vec::new();
        for &place in &places {
            let (Some(open), Some(sight)) = (self.jobs[place].open(), &mut snapshot.sights[place])
            else {
                continue;
            };
            sight.clear = !self.has_looked
                && sight.sockets.is_empty()
                && self.shared.discovery.is_clear(open.target);
            if !sight.clear {
                asked.push(open.target);
            }
        }
        let mut bound = HashMap::new();
        if !asked.is_empty() {
            let found = self.shared.discovery.bound(&asked)?;
            bound.extend(asked.into_iter().zip(found));
        }
        let mut doubtful: Vec<(usize, Target)> = Vec::new();
        for place in places {
            let Some(sight) = &mut snapshot.sights[place] else {
                continue;
            };
            let target = self.jobs[place].target;
            sight
                .sockets
                .extend(bound.remove(&target).unwrap_or_default());
            if self.jobs[place]
                .open()
                .is_some_and(|open| open.has_unlisted)
            {
                self.shared.discovery.add_unlisted(target, sight)?;
            }
            if sight.sockets.is_empty() && !is_all {
                doubtful.push((place, target));
            }
            sight.whole = true;
        }
        let targets: Vec<Target> = doubtful.iter().map(|(_, target)| *target).collect();
        let sockets = match targets.as_slice() {
            [] => Vec::new(),
            targets => self.shared.discovery.listening_surely(targets)?,
        };
        for ((place, _), sockets) in doubtful.into_iter().zip(sockets) {
            if let Some(sight) = &mut snapshot.sights[place] {
                sight.sockets.extend(sockets);
            }
        }
        Ok(())
    }

    /// Looks for the holders of those targets where that is due, with one scan of the processes.
    fn look_for_holders(&mut self, snapshot: &mut Snapshot) -> io::Result<()> {
        let mut is_first = true;
        let places = self.places(snapshot, |open, sight, round| {
            let is_due = !sight.sockets.is_empty()
                && sight.whole
                && is_bound_for_long(open, &sight.sockets, round.at)
                && wants_holders(open, &sight.sockets, round);
            is_first &= !is_due || open.surveyed.is_none();
            is_due
        });
        if places.is_empty() {
            return Ok(());
        }
        self.shared.learn_rules()?;
        let begun = Instant::now();
        let sockets: Vec<Vec<Socket>> = places
            .iter()
            .map(|&place| match &mut snapshot.sights[place] {
                Some(sight) => std::mem::take(&mut sight.sockets),
                None => Vec::new(),
            })
            .collect();
        let lists: Vec<&[Socket]> = sockets.iter().map(Vec::as_slice).collect();
        let discovery = &mut self.shared.discovery;
        let closely: Vec<u32> = (self.shared.rules.ancestors.iter())
            .map(|&id| discovery.people.handle(id).pid())
            .collect();
        // Whoever names those who may be ended has to be shown everybody else who holds it before the first signal.
        let rules = &self.shared.rules;
        let is_choosy = rules.within.is_some() || rules.agreed.is_some();
        let depth = if is_first && !is_choosy {
            Depth::Quick { closely: &closely }
        } else {
            Depth::Complete
        };
        let mut found = discovery.holders(&lists, depth)?;
        for (&place, found) in places.iter().zip(&mut found) {
            if let Some(open) = self.jobs[place].open() {
                let (conduct, crowd) = (&self.shared.conduct, &discovery.people.crowd);
                unseen::add_unreadable(open, conduct, crowd, found);
            }
        }
        if self.shared.options.tree || sys::ENDS_TREES {
            discovery.add_descendants(found.iter_mut())?;
        }
        let took = begun.elapsed();
        for ((place, sockets), mut found) in places.into_iter().zip(sockets).zip(found) {
            found.took = took;
            if let Some(sight) = &mut snapshot.sights[place] {
                sight.sockets = sockets;
                sight.found = Some(found);
            }
        }
        // What was asked before this is not the last word any more.
        for sight in snapshot.sights.iter_mut().flatten() {
            sight.clear = false;
        }
        self.shared.locate();
        self.look_who_leaves(snapshot);
        if self.shared.options.supervisor {
            let targets: Vec<Target> = self.jobs.iter().map(|job| job.target).collect();
            let held = held(&targets, snapshot.sights.iter().map(Option::as_ref));
            // Who holds a target that was given up goes on, and may depend on somebody like anybody else.
            let open = self.jobs.iter().filter_map(Job::open);
            let targets: Vec<Target> = open.map(|open| open.target).collect();
            self.shared.learn_others(&targets, &held)?;
        }
        Ok(())
    }

    /// Binds those targets that are free otherwise: the last thing that is asked.
    fn look_for_proof(&mut self, snapshot: &mut Snapshot) -> io::Result<()> {
        let places = self.places(snapshot, |open, sight, round| {
            sight.whole
                && sight.sockets.is_empty()
                && aftermath(open, sight, round).needs() == Need::Proof
        });
        let in_use: Vec<usize> = (places.iter().copied())
            .filter(|&place| {
                let sight = snapshot.sights[place].as_ref();
                sight.is_some_and(|sight| !sight.clear)
            })
            .collect();
        // Of many ports, it is cheaper to ask once who was there lately than to bind each once more.
        let lives = if in_use.len() > MANY {
            let targets = self.targets(&in_use);
            Some(self.shared.discovery.lives(&targets)?)
        } else {
            None
        };
        let mut refused: Vec<usize> = Vec::new();
        for place in places {
            let (Some(open), Some(sight)) = (self.jobs[place].open(), &mut snapshot.sights[place])
            else {
                continue;
            };
            let target = open.target;
            let discovery = &mut self.shared.discovery;
            discovery.bind(target, open.wants_udp(), sight)?;
            if sight.is_refused() && sight.sockets.is_empty() {
                refused.push(place);
            }
            let is_untouched = !open.has_told(&self.shared.conduct);
            let has_life = is_untouched && !sight.clear && proves_free(sight);
            if has_life && open.asks_for_life(snapshot.at) {
                sight.life = match &lives {
                    Some(lives) => lives.get(&target).copied().unwrap_or_default(),
                    None => self.shared.discovery.life(target)?,
                };
            }
            #[cfg(feature = "containers")]
            if is_untouched {
                self.shared.desk.look_around(snapshot.at);
            }
            let has_unlisted = !sight.sockets.is_empty();
            if let Some(open) = self.jobs[place].open_mut() {
                open.has_unlisted |= has_unlisted;
            }
        }
        self.look_for_users(&refused, snapshot)
    }

    /// Looks who uses the ports that can't be bound though nobody listens there.
    fn look_for_users(&mut self, places: &[usize], snapshot: &mut Snapshot) -> io::Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        self.shared.learn_rules()?;
        let targets = self.targets(places);
        let sights = snapshot.sights.iter_mut().enumerate();
        let sights = sights.filter(|(place, _)| places.binary_search(place).is_ok());
        let sights = sights.filter_map(|(_, sight)| sight.as_mut()).collect();
        self.shared.discovery.look_at_uses(&targets, sights)?;
        self.shared.locate();
        self.look_who_leaves(snapshot);
        Ok(())
    }

    /// Looks who goes without being told to: after everything else was read of them, so that whatever could not be read is explained.
    fn look_who_leaves(&self, snapshot: &mut Snapshot) {
        for (job, sight) in self.jobs.iter().zip(&snapshot.sights) {
            if let Some(sight) = sight {
                snapshot
                    .exiting
                    .extend(self.shared.leaving(job.target, sight));
            }
        }
    }

    fn note_exits(&mut self, snapshot: &Snapshot, callback: Callback<'_>) -> ControlFlow<(), bool> {
        let concerned = self.concerned_by(&snapshot.exits);
        for &id in &snapshot.exits {
            let process = &self.shared.discovery.people.crowd[id].process;
            for &place in concerned.get(&id).into_iter().flatten() {
                let job = &mut self.jobs[place];
                let target = job.target;
                let Some(open) = job.open_mut() else {
                    continue;
                };
                open.exits = true;
                log::debug!(target: "kill_port", "port {target}: PID {} has exited", process.pid);
                let first = self.shared.conduct.of(id).first.unwrap_or(snapshot.at);
                callback(&Event::Ended {
                    target,
                    process,
                    fate: Fate::Exited,
                    elapsed: snapshot.at.saturating_duration_since(first),
                })?;
            }
        }
        ControlFlow::Continue(!snapshot.exits.is_empty())
    }

    /// The places of the open jobs that have to do with each of these processes.
    fn concerned_by(&self, exits: &[Id]) -> HashMap<Id, Vec<usize>> {
        let mut concerned: HashMap<Id, Vec<usize>> =
            exits.iter().map(|&id| (id, Vec::new())).collect();
        if exits.is_empty() {
            return concerned;
        }
        for (place, job) in self.jobs.iter().enumerate() {
            for member in job.open().into_iter().flat_map(|open| &open.members) {
                if let Some(places) = concerned.get_mut(&member.id) {
                    places.push(place);
                }
            }
        }
        concerned
    }

    /// The deed.
    fn act(
        &mut self,
        place: usize,
        action: Action,
        snapshot: &Snapshot,
        callback: Callback<'_>,
    ) -> ControlFlow<()> {
        match action {
            Action::Try(number) => self.begin_try(place, number, callback),
            Action::Signal(permit, signal) => self.signal(place, permit, signal, callback),
            #[cfg(feature = "containers")]
            Action::Ask => {
                // A container is stopped by the rules too, though no process may have been seen.
                if let Err(error) = self.shared.learn_rules() {
                    let obstacle = Obstacle::system("asking for the caller", &Arc::new(error));
                    return self.give_up(place, vec![obstacle], snapshot.at, callback);
                }
                self.asks = true;
                ControlFlow::Continue(())
            }
            #[cfg(feature = "containers")]
            Action::Stop(container) => self.stop(place, &container, callback),
            Action::Free => self.finish(place, snapshot, callback),
            Action::GiveUp(obstacles) => self.give_up(place, obstacles, snapshot.at, callback),
        }
    }

    fn begin_try(&self, place: usize, number: u32, callback: Callback<'_>) -> ControlFlow<()> {
        let job = &self.jobs[place];
        let crowd = &self.shared.discovery.people.crowd;
        let Some(open) = job.open() else {
            return ControlFlow::Continue(());
        };
        let held = open
            .members
            .iter()
            .filter(|member| !member.sockets.is_empty());
        let holders: Vec<_> = held.map(|member| open.holder(member, crowd)).collect();
        let target = job.target;
        log::info!(target: "kill_port", "port {target}: try {number}, {}", match holders.len() {
            1 => "1 holder".to_owned(),
            many => format!("{many} holders"),
        });
        callback(&Event::Try {
            target,
            number,
            holders: &holders,
        })
    }

    fn signal(
        &mut self,
        place: usize,
        permit: Permit,
        signal: Signal,
        callback: Callback<'_>,
    ) -> ControlFlow<()> {
        let now = Instant::now();
        match self.shared.signal(permit, signal, now) {
            Ok(true) => {}
            Ok(false) => return ControlFlow::Continue(()),
            Err(error) => {
                let obstacle = Obstacle::system("signalling", &Arc::new(error));
                return self.give_up(place, vec![obstacle], now, callback);
            }
        }
        let target = self.jobs[place].target;
        let process = &self.shared.discovery.people.crowd[permit.id()].process;
        log::info!(target: "kill_port", "port {target}: {signal} to {process}");
        callback(&Event::Signalled {
            target,
            process,
            signal,
        })
    }

    #[cfg(feature = "containers")]
    fn stop(
        &mut self,
        place: usize,
        container: &crate::container::Container,
        callback: Callback<'_>,
    ) -> ControlFlow<()> {
        let target = self.jobs[place].target;
        self.shared.desk.stop(container, Instant::now());
        log::info!(target: "kill_port", "port {target}: stopping {container}");
        callback(&Event::Stopping { target, container })
    }

    /// Takes in which containers have ended.
    #[cfg(feature = "containers")]
    fn note_stops(&mut self, callback: Callback<'_>) -> ControlFlow<(), bool> {
        let mut has_changed = false;
        for job in &mut self.jobs {
            let target = job.target;
            let Some(open) = job.open_mut() else {
                continue;
            };
            for (container, elapsed) in open.containers.note_ends(self.shared.desk.view()) {
                has_changed = true;
                callback(&Event::Stopped {
                    target,
                    container: &container,
                    elapsed,
                })?;
            }
        }
        ControlFlow::Continue(has_changed)
    }

    /// The target is free, unless it turns out only now that a loop may have been typed.
    fn finish(
        &mut self,
        place: usize,
        snapshot: &Snapshot,
        callback: Callback<'_>,
    ) -> ControlFlow<()> {
        let at = snapshot.at;
        let supervisors = self.left_to_start_it(place, snapshot);
        let settle = self.shared.options.settling();
        let job = &mut self.jobs[place];
        let target = job.target;
        let crowd = &self.shared.discovery.people.crowd;
        let conduct = &self.shared.conduct;
        let Some(open) = job.open_mut() else {
            return ControlFlow::Continue(());
        };
        let released = open.free_since.unwrap_or(at);
        let is_typed = |left: &Supervisor| left.restarts == Restarts::Typed;
        if supervisors.iter().any(is_typed) && at.saturating_duration_since(released) < settle {
            open.may_be_looped = true;
            open.newcomers = None;
            return ControlFlow::Continue(());
        }
        let mut flow = ControlFlow::Continue(());
        for member in &mut open.members {
            if !conduct.is_pending(member.id) {
                continue;
            }
            member.released.get_or_insert(released);
            let first = conduct.of(member.id).first.unwrap_or(released);
            let answer = callback(&Event::Ended {
                target,
                process: &crowd[member.id].process,
                fate: Fate::Released,
                elapsed: released.saturating_duration_since(first),
            });
            if answer.is_break() {
                flow = answer;
            }
        }
        job.state = State::Done(Ok(open.freed(crowd, conduct, at, supervisors)));
        let answer = callback(&Event::Freed { target });
        if flow.is_break() { flow } else { answer }
    }

    /// Those who live and may start again whoever has ended.
    fn left_to_start_it(&mut self, place: usize, snapshot: &Snapshot) -> Vec<Supervisor> {
        let Some(open) = self.jobs[place].open() else {
            return Vec::new();
        };
        // Whoever is still shutting down is started again when it has ended.
        let members = open.members.iter().map(|member| member.id);
        let ended: Vec<Id> = members
            .filter(|&id| self.shared.conduct.was_told(id))
            .collect();
        // The target is free, whether they can be named or not.
        let left = (self.shared).describe_supervisors(&ended.iter().copied().collect());
        let mut left = left.unwrap_or_default();
        left.retain(|&id| {
            !self.shared.discovery.people.is_gone(id) && !self.shared.conduct.was_told(id)
        });
        let named = supervisors::named(open, &ended, &self.shared.round(snapshot), |id| {
            left.contains(&id)
        });
        let shells = self.shells_that_go_on(&ended).into_iter();
        let typed = shells.map(|process| Supervisor::new(process, None, Restarts::Typed));
        let named = named.into_iter().map(|named| named.supervisor);
        named.chain(typed).collect()
    }

    /// The shells which somebody types into and in which these were started, if they have started something since: what was typed may be a
    /// loop. A prompt starts no job.
    fn shells_that_go_on(&mut self, ended: &[Id]) -> Vec<Process> {
        let rules = &self.shared.rules;
        let discovery = &mut self.shared.discovery;
        let crowd = &discovery.people.crowd;
        let shells = ended.iter().filter_map(|&id| {
            let end = rules.supervisors(crowd, id).len();
            crowd[id].ancestors.get(end).copied()
        });
        let mut shells: Vec<Id> = shells
            .filter(|id| crowd[*id].is_interactive_shell() && !rules.ancestors.contains(id))
            .collect();
        shells.sort();
        shells.dedup();
        let Some((_, mark)) = self.shared.conduct.since else {
            return Vec::new();
        };
        // A thousand servers may have been started in one shell.
        let unasked = shells.iter().copied();
        let unasked: Vec<Id> = unasked
            .filter(|shell| !self.going_on.contains_key(shell))
            .collect();
        if !unasked.is_empty() {
            let started = discovery.started_since(mark, &unasked).unwrap_or_default();
            let crowd = &discovery.people.crowd;
            let jobs = started.iter().filter(|&&id| crowd[id].is_job());
            let starting: HashSet<Id> = jobs
                .filter_map(|&id| crowd[id].ancestors.first().copied())
                .collect();
            let answers = unasked.into_iter();
            self.going_on
                .extend(answers.map(|shell| (shell, starting.contains(&shell))));
        }
        let crowd = &discovery.people.crowd;
        let going_on = shells.into_iter().filter(|shell| self.going_on[shell]);
        going_on.map(|id| crowd[id].process.clone()).collect()
    }

    fn give_up(
        &mut self,
        place: usize,
        obstacles: Vec<Obstacle>,
        at: Instant,
        callback: Callback<'_>,
    ) -> ControlFlow<()> {
        let job = &mut self.jobs[place];
        let target = job.target;
        let Some(open) = job.open() else {
            return ControlFlow::Continue(());
        };
        let crowd = &self.shared.discovery.people.crowd;
        let error = open.failed(crowd, &self.shared.conduct, at, obstacles);
        job.state = State::Done(Err(error));
        callback(&Event::GaveUp { target })
    }

    fn give_all_up(&mut self, obstacle: impl Fn() -> Obstacle, callback: Callback<'_>) {
        let now = Instant::now();
        for place in 0..self.jobs.len() {
            // There is nothing left that could be broken off.
            let _ = self.give_up(place, vec![obstacle()], now, callback);
        }
    }

    fn tell_waiting(&self, callback: Callback<'_>) -> ControlFlow<()> {
        (0..self.jobs.len()).try_for_each(|place| self.tell_waiting_for(place, callback))
    }

    fn tell_waiting_for(&self, place: usize, callback: Callback<'_>) -> ControlFlow<()> {
        let now = Instant::now();
        let options = self.shared.options;
        let crowd = &self.shared.discovery.people.crowd;
        let job = &self.jobs[place];
        if let Some(open) = job.open() {
            let pending = open.pending(&self.shared.conduct);
            let processes: Vec<&crate::process::Process> = pending
                .filter(|_| open.free_since.is_none() || open.refused_since.is_some())
                .map(|member| &crowd[member.id].process)
                .collect();
            let since = open.clock(&self.shared.conduct);
            #[cfg(feature = "containers")]
            let since = open.containers.pending_since().or(since);
            let elapsed =
                since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            let is_killed = open.killed(&self.shared.conduct).is_some();
            let kill_is_to_come = options.escalates() && since.is_some() && !is_killed;
            callback(&Event::Waiting {
                target: job.target,
                processes: &processes,
                elapsed,
                until_kill: kill_is_to_come.then(|| options.grace.saturating_sub(elapsed)),
            })?;
        }
        ControlFlow::Continue(())
    }

    /// Waits until somebody exits, a deadline comes, or it is time to look at the sockets again.
    fn wait(&self, pause: Duration) {
        let now = Instant::now();
        let options = self.shared.options;
        let conduct = &self.shared.conduct;
        let people = &self.shared.discovery.people;
        let mut watched: HashSet<Id> = HashSet::new();
        let mut timeout = pause;
        for open in self.jobs.iter().filter_map(Job::open) {
            watched.extend(open.pending(conduct).map(|member| member.id));
            if let Some(since) = open.quiet_since(conduct) {
                let rules = &self.shared.rules;
                watched.extend(
                    open.told_and_gone(conduct)
                        .filter_map(|id| rules.living_supervisor(&people.crowd, id, &self.gone)),
                );
                let free_for = now.saturating_duration_since(since);
                let left = options.settling().saturating_sub(free_for);
                if !left.is_zero() {
                    timeout = timeout.min(left);
                }
            }
            if open.watch.is_some_and(|watch| now < watch.until) {
                // Whoever serves only now and then is seen only by one who looks often.
                timeout = timeout.min(WATCH_PAUSE);
            }
            if let (Some(clock), None) = (open.clock(conduct), open.killed(conduct)) {
                let waited = now.saturating_duration_since(clock);
                let left = options.grace.saturating_sub(waited);
                if !left.is_zero() {
                    timeout = timeout.min(left);
                }
            }
        }
        if self.jobs.iter().all(|job| job.open().is_none()) {
            return;
        }
        let handles: Vec<&sys::Handle> = watched.iter().map(|&id| people.handle(id)).collect();
        sys::wait(&handles, timeout);
    }
}

/// The system's clock, less what the start times of processes are rounded by.
fn wall_clock() -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(Duration::from_millis(10)).unwrap_or(now)
}

#[cfg(test)]
mod tests;
