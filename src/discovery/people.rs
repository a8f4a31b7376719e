//! The processes that one call of the library has met: each looked at once and kept by its handle, so that a later process with
//! the same PID is somebody else.

use std::collections::HashMap;
use std::io;
use std::ops::Index;
use std::time::Duration;

use crate::editor::editor;
use crate::forwarder::forwarder;
use crate::names::{Names, SHELLS, is_bare_shell};
use crate::process::{BEFORE_TIME, Process};
use crate::signal::Signal;
use crate::stop_signal::stop_signal;
use crate::sys::{self, Folder, Handle, Patience, Place};

/// A process, by the order in which it was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(usize);

/// What decisions are made of, as it was when the process was met: nothing can be read once it is gone.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Only what one line tells, until somebody needs more: see [`People::describe`].
    pub process: Process,
    pub place: Place,
    pub is_kernel: bool,
    /// PID 1, or the service manager of a user or a container: everything that it has started would end with it.
    pub is_init: bool,
    /// Whether it is known to only forward the port to a container.
    pub is_forwarder: bool,
    /// Whether it is known to be an editor's.
    pub is_editor: bool,
    /// What it takes for "stop", if that is not SIGTERM.
    pub stop_signal: Option<Signal>,
    /// Whether the caller may signal it; taken for granted of those who were met only in passing.
    pub may_signal: bool,
    /// Whether it works in the folder that was asked for, as it was at this look: see [`People::locate`].
    pub is_inside: Option<bool>,
    /// Whether it has a child that can't be seen. Only asked where the caller's own ancestors can't all be seen.
    pub has_unseen_child: bool,
    /// The systemd unit it belongs to, if the service manager is what would start it again.
    pub unit: Option<String>,
    /// Whether it had only just been started when it was met, and may be about to become another program.
    pub is_young: bool,
    /// Whether it is a fork of its parent that has not become another program: what a shell makes of itself for brackets or `&`.
    pub is_copy: bool,
    /// Those above it, nearest first.
    pub ancestors: Vec<Id>,
    /// The parent's PID where the parent lives and can't be seen (`hidepid`).
    pub unseen_parent: Option<u32>,
}

impl Facts {
    /// Whether a person types into it: a shell with a terminal that was given nothing to run, or that leads its session, as far as no more is known.
    /// A copy of one runs what was typed.
    pub(crate) fn is_interactive_shell(&self) -> bool {
        let is_shell = || Names::of(&self.process).first_of(SHELLS).is_some();
        if self.place.terminal == 0 || self.is_copy || !is_shell() {
            return false;
        }
        if self.process.command.is_empty() {
            return self.place.session == self.process.pid;
        }
        is_bare_shell(&self.process)
    }

    /// Whether it is what a shell with a terminal makes of each command: the leader of a process group of its own.
    pub(crate) fn is_job(&self) -> bool {
        self.place.group == self.process.pid
    }

    /// Whether it comes from that process: by descent, as a fork of it, or in its session or process group, where it is no older.
    pub(crate) fn is_akin(&self, other: &Self, id: Id) -> bool {
        let start = self.process.start_ticks;
        let is_older = start < other.process.start_ticks || start == BEFORE_TIME;
        let shares = |own: u32, others: u32| own != 0 && own == others && !is_older;
        self.ancestors.contains(&id)
            || (self.place.arguments != 0 && self.place.arguments == other.place.arguments)
            || shares(self.place.session, other.place.session)
            || shares(self.place.group, other.place.group)
    }
}

/// The facts about everybody.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Vec<Facts>);

impl Crowd {
    #[cfg(test)]
    pub(crate) fn add(&mut self, facts: Facts) -> Id {
        self.0.push(facts);
        Id(self.0.len() - 1)
    }
}

impl Index<Id> for Crowd {
    type Output = Facts;

    /// An [`Id`] is made together with its facts, which are never removed.
    fn index(&self, id: Id) -> &Facts {
        &self.0[id.0]
    }
}

/// How a process is reached, and how much of it is known.
struct Acquaintance {
    handle: Handle,
    /// Whether those above it are known.
    is_placed: bool,
    is_described: bool,
    /// Whether it was met, and not only in passing.
    is_met: bool,
    is_gone: bool,
}

/// Everybody, with their handles. Each list has one entry for every [`Id`] that was given out, and none is removed.
#[derive(Default)]
pub(crate) struct People {
    pub crowd: Crowd,
    acquaintances: Vec<Acquaintance>,
    /// The last that was met with each PID.
    by_pid: HashMap<u32, Id>,
    /// Those above a process, by its parent's PID, for the length of one look: a thousand workers have one master.
    above: HashMap<u32, Vec<Id>>,
    /// Whether children that can't be seen matter.
    pub asks_for_unseen_children: bool,
    /// What is left of it for those who keep something back.
    patience: Patience,
    /// The same for those whose folders lie on storage that hangs.
    patience_for_folders: Patience,
}

impl People {
    /// Forgets who descends from whom: processes find new parents when theirs end.
    pub(crate) fn begin_look(&mut self) {
        self.above.clear();
    }

    /// Takes note of processes that were opened just now, each the parent of the one before it.
    pub(crate) fn pass_line(&mut self, handles: Vec<Handle>) -> Vec<Id> {
        let parents: Vec<Option<u32>> = handles.iter().map(Handle::parent_when_opened).collect();
        let line: Vec<Id> = handles
            .into_iter()
            .map(|handle| self.note(handle))
            .collect();
        // Another line may follow: that of the leader of a session.
        let of = |id: &Id| self.handle(*id).pid();
        let breaks = (1..line.len()).find(|&at| parents[at - 1] != Some(of(&line[at])));
        let end = breaks.unwrap_or(line.len());
        for at in 0..end {
            self.above
                .insert(self.handle(line[at]).pid(), line[at..end].to_vec());
        }
        line
    }

    pub(crate) fn handle(&self, id: Id) -> &Handle {
        &self.acquaintances[id.0].handle
    }

    /// Whether it has exited. Once it has, its PID is free for others.
    pub(crate) fn is_gone(&mut self, id: Id) -> bool {
        let known = &mut self.acquaintances[id.0];
        known.is_gone = known.is_gone || known.handle.has_exited();
        known.is_gone
    }

    /// Notes that it was found to be gone when it was to be told something. Whoever is met with its PID from now on is another.
    pub(crate) fn note_gone(&mut self, id: Id) {
        self.acquaintances[id.0].is_gone = true;
    }

    /// Meets processes by their handles: everything that this user may read of them, and those above them. What was read in passing is
    /// read anew, for it may be of the program before.
    pub(crate) fn meet_all(
        &mut self,
        handles: impl IntoIterator<Item = Handle>,
    ) -> io::Result<Vec<Id>> {
        let met = handles.into_iter().map(|handle| self.meet(handle));
        let met = met.collect::<io::Result<Vec<Id>>>()?;
        self.describe_all(&met)?;
        Ok(met)
    }

    fn meet(&mut self, handle: Handle) -> io::Result<Id> {
        let id = match self.known(&handle) {
            Some(id) if !self.acquaintances[id.0].is_met => {
                let ancestors = std::mem::take(&mut self.crowd.0[id.0].ancestors);
                self.crowd.0[id.0] = Facts {
                    ancestors,
                    unseen_parent: self.crowd[id].unseen_parent,
                    ..facts(&handle)
                };
                let known = &mut self.acquaintances[id.0];
                known.handle = handle;
                known.is_described = false;
                self.learn_ancestors(id)?;
                self.note_copies(id);
                id
            }
            _ => self.place(handle)?,
        };
        self.acquaintances[id.0].is_met = true;
        Ok(id)
    }

    /// Learns who is above a process.
    pub(crate) fn place(&mut self, handle: Handle) -> io::Result<Id> {
        let id = self.note(handle);
        self.learn_ancestors(id)?;
        Ok(id)
    }

    /// It fails where one of them could not be looked at: without those above it, it could be told to end, or they, for want of a reason not to.
    fn learn_ancestors(&mut self, id: Id) -> io::Result<()> {
        if !self.acquaintances[id.0].is_placed {
            let parent = self.handle(id).parent_when_opened();
            let ancestors = self.above(parent)?;
            self.acquaintances[id.0].is_placed = true;
            // One that has just ended leaves its children to another.
            let is_hidden = ancestors.is_empty() && self.handle(id).parent() == parent;
            let facts = &mut self.crowd.0[id.0];
            facts.unseen_parent = parent.filter(|&pid| is_hidden && pid != 0);
            facts.ancestors = ancestors;
            self.note_copies(id);
        }
        Ok(())
    }

    /// Notes which of these is a copy of the next one: it, and those above it.
    fn note_copies(&mut self, id: Id) {
        let above = self.crowd[id].ancestors.clone();
        for (one, parent) in std::iter::once(id).chain(above.iter().copied()).zip(&above) {
            let arguments = self.crowd[*parent].place.arguments;
            let facts = &mut self.crowd.0[one.0];
            facts.is_copy = !facts.is_young && arguments != 0 && facts.place.arguments == arguments;
        }
    }

    /// Reads everything about somebody who was met only in passing.
    pub(crate) fn describe(&mut self, id: Id) -> io::Result<()> {
        self.describe_all(&[id])
    }

    /// The same for several, with one limit for what they keep back.
    pub(crate) fn describe_all(&mut self, ids: &[Id]) -> io::Result<()> {
        let mut unknown = ids.to_vec();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|id| !self.acquaintances[id.0].is_described);
        if unknown.is_empty() {
            return Ok(());
        }
        let handles: Vec<&Handle> = unknown
            .iter()
            .map(|id| &self.acquaintances[id.0].handle)
            .collect();
        let described = sys::describe(&handles, &mut self.patience)?;
        for (id, process) in unknown.into_iter().zip(described) {
            self.learn(id, process);
        }
        Ok(())
    }

    fn learn(&mut self, id: Id, process: Process) {
        let from_init = match self.crowd[id].ancestors.first() {
            Some(&parent) => self.crowd[parent].is_init,
            None => false,
        };
        self.acquaintances[id.0].is_described = true;
        let handle = &self.acquaintances[id.0].handle;
        let facts = &mut self.crowd.0[id.0];
        facts.is_forwarder = forwarder(&process).is_some();
        facts.is_editor = editor(&process).is_some();
        facts.stop_signal = stop_signal(&process);
        facts.may_signal = handle.may_signal();
        facts.unit = if from_init { handle.unit() } else { None };
        facts.has_unseen_child = self.asks_for_unseen_children && sys::has_unseen_child(handle);
        // A name that can't be read any more is kept as it was.
        if !process.name.is_empty() {
            facts.process = process;
        }
    }

    /// Looks where everybody works now: in this folder or below, or elsewhere.
    pub(crate) fn locate(&mut self, folder: &Folder) {
        for (facts, known) in self.crowd.0.iter_mut().zip(&self.acquaintances) {
            facts.is_inside = known.handle.is_in(folder, &mut self.patience_for_folders);
        }
    }

    /// The process of this PID, in passing.
    pub(crate) fn pass(&mut self, pid: u32) -> io::Result<Option<Id>> {
        if let Some(&id) = self.by_pid.get(&pid)
            && !self.is_gone(id)
        {
            return Ok(Some(id));
        }
        Ok(Handle::open(pid)?.map(|handle| self.note(handle)))
    }

    /// The process of this PID, in passing, and its parent's PID. That of somebody known is told by one look, and that they live.
    fn next_above(&mut self, pid: u32) -> io::Result<Option<(Id, Option<u32>)>> {
        let known = self.by_pid.get(&pid).copied();
        if let Some(id) = known.filter(|id| !self.acquaintances[id.0].is_gone) {
            let parent = self.handle(id).parent();
            if parent.is_some() || !self.is_gone(id) {
                return Ok(Some((id, parent)));
            }
        }
        Ok(Handle::open(pid)?.map(|handle| {
            let parent = handle.parent_when_opened();
            (self.note(handle), parent)
        }))
    }

    fn note(&mut self, handle: Handle) -> Id {
        if let Some(id) = self.known(&handle) {
            return id;
        }
        let id = Id(self.acquaintances.len());
        self.by_pid.insert(handle.pid(), id);
        self.crowd.0.push(facts(&handle));
        self.acquaintances.push(Acquaintance {
            handle,
            is_placed: false,
            is_described: false,
            is_met: false,
            is_gone: false,
        });
        id
    }

    fn known(&self, handle: &Handle) -> Option<Id> {
        let id = *self.by_pid.get(&handle.pid())?;
        let known = &self.acquaintances[id.0];
        // The same number within one tick of the clock may be another's: what is gone does not come back.
        let is_same = known.handle.start_ticks() == handle.start_ticks() && !known.is_gone;
        is_same.then_some(id)
    }

    /// This parent and those above it, nearest first.
    fn above(&mut self, parent: Option<u32>) -> io::Result<Vec<Id>> {
        let Some(first) = parent.filter(|&pid| pid != 0) else {
            return Ok(Vec::new());
        };
        if let Some(known) = self.above.get(&first) {
            return Ok(known.clone());
        }
        let mut found: Vec<Id> = Vec::new();
        let mut next = Some(first);
        // The process table changes while it is read, so there is an end to how far it goes up.
        while let Some(pid) = next.filter(|&pid| pid != 0 && found.len() < 64) {
            // Who can't be opened is hidden, or has just ended.
            let Some((id, parent)) = self.next_above(pid)? else {
                break;
            };
            if found.contains(&id) {
                break;
            }
            found.push(id);
            next = parent;
        }
        self.above.insert(first, found.clone());
        Ok(found)
    }
}

/// So long after its start a process may not have become the program yet for which it was made.
const YOUNG: Duration = Duration::from_millis(100);

/// What a handle tells at once.
fn facts(handle: &Handle) -> Facts {
    let mut process = Process::unknown(handle.pid());
    process.start_ticks = handle.start_ticks();
    process.parent_pid = handle.parent_when_opened();
    process.started = handle.started();
    process.name = handle.name();
    let age = process.started.and_then(|started| started.elapsed().ok());
    let is_young = age.is_none_or(|age| age < YOUNG);
    Facts {
        process,
        place: handle.place(),
        is_kernel: handle.is_kernel(),
        is_init: handle.is_init(),
        is_forwarder: false,
        is_editor: false,
        stop_signal: None,
        may_signal: true,
        is_inside: None,
        has_unseen_child: false,
        unit: None,
        is_young,
        is_copy: false,
        ancestors: Vec::new(),
        unseen_parent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn who_was_there_before_a_process_and_shares_its_session_alone_does_not_come_from_it() {
        let at = |start, session, arguments| {
            let mut facts = facts(60);
            facts.process.start_ticks = start;
            facts.place.session = session;
            facts.place.arguments = arguments;
            facts
        };
        let mut crowd = Crowd::default();
        let server = crowd.add(at(20, 7, 1));
        let is_akin = |other: Facts| other.is_akin(&crowd[server], server);
        assert!(is_akin(at(21, 7, 2)) && is_akin(at(20, 7, 2)));
        assert!(!is_akin(at(19, 7, 2)) && !is_akin(at(21, 8, 2)));
        assert!(is_akin(at(19, 8, 1)), "a fork of the same program");
        let server = crowd.add(at(BEFORE_TIME, 7, 1));
        assert!(
            !at(BEFORE_TIME, 7, 2).is_akin(&crowd[server], server),
            "nobody knows"
        );
    }
}
