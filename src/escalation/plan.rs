//! What would happen: one complete look, the judge's word, and nobody signalled.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Instant;

use super::decide::{
    Round, TRY, are_leaving, choose, choose_descendants, choose_users, in_use, note, obstacles,
};
use super::job::Open;
use super::supervisors::{named, starters};
use super::{Shared, Snapshot, held};
use crate::discovery::{Discovery, Extent, Id, LINGER, Sight};
use crate::error::{Error, Obstacle};
use crate::filtration::Permit;
use crate::options::KillOptions;
use crate::plan::Plan;
use crate::process::Identity;
use crate::report::Fate;
use crate::sys;
use crate::target::Target;

/// What freeing these targets would come to, with one look for all; and what was seen of each. It is looked at again where all that is
/// in the way is on its way out.
pub(crate) fn plan(
    options: &KillOptions,
    targets: &[Target],
    extent: Extent,
) -> io::Result<(Discovery, Vec<(Plan, Sight)>)> {
    let mut shared = Shared::new(options)?;
    shared.learn_rules()?;
    let mut first: Option<Instant> = None;
    let (snapshot, sights, drafts) = loop {
        let (snapshot, sights, drafts) = draft(&mut shared, targets, extent)?;
        let is_passing = drafts.iter().any(|draft| draft.is_passing);
        // However long the first look takes, what passes is looked at again.
        let first = *first.get_or_insert(snapshot.at);
        if !is_passing || snapshot.at.saturating_duration_since(first) >= TRY {
            break (snapshot, sights, drafts);
        }
        std::thread::sleep(LINGER);
    };
    #[cfg(feature = "containers")]
    let drafts = with_containers(&mut shared, drafts, &snapshot);
    let plans: Vec<Plan> = drafts
        .into_iter()
        .map(|draft| draft.finish(&shared.round(&snapshot)))
        .collect();
    let seen = plans.into_iter().zip(sights).collect();
    Ok((shared.discovery, seen))
}

/// One look, and what it comes to.
fn draft(
    shared: &mut Shared<'_>,
    targets: &[Target],
    extent: Extent,
) -> io::Result<(Snapshot, Vec<Sight>, Vec<Draft>)> {
    let options = shared.options;
    let mut sights = shared.discovery.complete(targets, extent)?;
    if options.tree || sys::ENDS_TREES {
        let found = sights.iter_mut().filter_map(|sight| sight.found.as_mut());
        shared.discovery.add_descendants(found)?;
    }
    let held = held(targets, sights.iter().map(Some));
    shared.locate();
    shared.learn_others(targets, &held)?;
    let seen = targets.iter().zip(&sights);
    let exiting = seen.flat_map(|(&target, sight)| shared.leaving(target, sight));
    let snapshot = Snapshot {
        at: Instant::now(),
        exits: Vec::new(),
        gone: HashSet::new(),
        exiting: exiting.collect(),
        sights: Vec::new(),
    };
    let mut drafts: Vec<Draft> = Vec::new();
    for (&target, sight) in targets.iter().zip(&sights) {
        drafts.push(Draft::new(target, sight, &shared.round(&snapshot)));
    }
    Ok((snapshot, sights, drafts))
}

/// A plan in the making.
struct Draft {
    open: Open,
    chosen: Vec<Permit>,
    obstacles: Vec<Obstacle>,
    /// Whether the obstacles go by themselves in a moment.
    is_passing: bool,
    #[cfg(feature = "containers")]
    containers: Vec<crate::container::Container>,
}

impl Draft {
    fn new(target: Target, sight: &Sight, round: &Round<'_>) -> Self {
        let mut open = Open::new(target, round.at);
        let mut chosen = Vec::new();
        let mut found = Vec::new();
        let mut is_passing = false;
        if let Some(holders) = &sight.found {
            note(&mut open, sight, holders, round);
            chosen = choose(&mut open, round, false);
            found = obstacles(&open, round.crowd);
            is_passing = chosen.is_empty() && are_leaving(&open, round);
        } else if sight.is_refused() {
            chosen = choose_users(&mut open, sight, round);
            found = in_use(&open, sight, round);
            is_passing = chosen.is_empty() && round.are_leaving(&open, sight.users_in_the_way());
        }
        Self {
            open,
            chosen,
            obstacles: found,
            is_passing,
            #[cfg(feature = "containers")]
            containers: Vec::new(),
        }
    }

    fn finish(self, round: &Round<'_>) -> Plan {
        let Self {
            mut open,
            mut chosen,
            obstacles,
            ..
        } = self;
        let told: Vec<Id> = chosen.iter().map(|permit| permit.id()).collect();
        let descendants = choose_descendants(&mut open, &chosen, round);
        if round.options.supervisor {
            let starters = starters(&mut open, &chosen, round);
            chosen.extend(starters.seen);
            chosen.extend(starters.watchers);
        }
        chosen.extend(descendants);
        let crowd = round.crowd;
        let chosen: HashSet<Id> = chosen.iter().map(|permit| permit.id()).collect();
        let by_identity: HashMap<Identity, Id> = chosen
            .iter()
            .map(|&id| (crowd[id].process.identity(), id))
            .collect();
        let mut holders = open.reports(crowd, round.conduct, round.at, false);
        for report in &mut holders {
            if let Some(&id) = by_identity.get(&report.holder.process.identity()) {
                report.fate = Fate::WouldSignal;
                report.signals = vec![round.as_taken(round.options.first_signal(), id)];
            }
        }
        #[cfg(feature = "containers")]
        if !self.containers.is_empty() {
            // The forwarder that stood in the way goes with its container, which is named in its place.
            let forwarder = Fate::Spared(crate::report::SparedReason::Forwarder);
            holders.retain(|report| report.fate != forwarder);
        }
        let is_left = |id: Id| !chosen.contains(&id);
        let named = named(&open, &told, round, is_left).into_iter();
        let supervisors = named.map(|named| named.foreseen(round)).collect();
        let elapsed = round.since(open.started);
        let error = (!obstacles.is_empty())
            .then(|| Error::new(open.target, obstacles, holders.clone(), elapsed));
        Plan {
            target: open.target,
            holders,
            #[cfg(feature = "containers")]
            containers: self.containers,
            error,
            supervisors,
        }
    }
}

/// Asks the engines about those targets that a container may publish, and puts what they say into the plans.
#[cfg(feature = "containers")]
fn with_containers(
    shared: &mut Shared<'_>,
    mut drafts: Vec<Draft>,
    snapshot: &Snapshot,
) -> Vec<Draft> {
    use super::engines::{may_be_a_container, others_keep_it, users_of_forwarders};

    if shared.options.containers == crate::container::Containers::Never {
        return drafts;
    }
    let is_affected = |draft: &Draft| {
        let is_untouched = draft.obstacles.is_empty() && draft.open.members.is_empty();
        draft.open.target.port() != 0
            && (is_untouched || draft.obstacles.iter().any(may_be_a_container))
    };
    let affected: Vec<&mut Draft> = drafts
        .iter_mut()
        .filter(|draft| is_affected(draft))
        .collect();
    if affected.is_empty() {
        return drafts;
    }
    let crowd = &shared.discovery.people.crowd;
    let users: HashSet<u32> = affected
        .iter()
        .flat_map(|draft| users_of_forwarders(&draft.open, crowd))
        .collect();
    let targets = affected.iter().map(|draft| draft.open.target).collect();
    shared.desk.ask_and_wait(users, targets);
    for draft in affected {
        let round = shared.round(snapshot);
        let forecast = shared.desk.forecast(&draft.open, &round, &draft.obstacles);
        if forecast.containers.is_empty() || others_keep_it(&draft.obstacles) {
            draft.obstacles.extend(forecast.obstacles);
            continue;
        }
        draft.containers = forecast.containers;
        if draft.obstacles.iter().all(may_be_a_container) {
            draft.obstacles.clear();
            draft.chosen = choose(&mut draft.open, &shared.round(snapshot), true);
        }
    }
    drafts
}
